from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hscz.mock.psf import PLAIN_PSF, PsfProfile
from hscz.mock.render import (
    STAMP_SIZES_PX,
    Sources,
    de_vaucouleurs_table,
    paint,
    stamp_sizes,
    stamps,
)

FLOOR = np.array([1e-4])


def one_source(**changes: float) -> Sources:
    values = {
        "x_px": 0.0,
        "y_px": 0.0,
        "disc_radius_px": 4.0,
        "bulge_radius_px": 2.0,
        "axis_ratio": 0.5,
        "angle_rad": 0.7,
    } | {k: v for k, v in changes.items() if not k.endswith("flux") and k != "psf_fwhm_px"}
    per_band = {"disc_flux": 100.0, "bulge_flux": 0.0, "psf_fwhm_px": 4.0}
    per_band |= {k: v for k, v in changes.items() if k in per_band}
    return Sources(
        **{k: np.array([v]) for k, v in values.items()},
        **{k: np.array([[v]]) for k, v in per_band.items()},
    )


def galsim_image(source: Sources, size: int) -> np.ndarray:
    galsim = pytest.importorskip("galsim")
    s = {k: float(np.ravel(v)[0]) for k, v in vars(source).items() if v is not None}
    parts = []
    if s["disc_flux"]:
        parts.append(galsim.Exponential(half_light_radius=s["disc_radius_px"], flux=s["disc_flux"]))
    if s["bulge_flux"]:
        parts.append(
            galsim.DeVaucouleurs(half_light_radius=s["bulge_radius_px"], flux=s["bulge_flux"])
        )
    sheared = galsim.Add(parts).shear(q=s["axis_ratio"], beta=s["angle_rad"] * galsim.radians)
    psf = galsim.Moffat(beta=PLAIN_PSF.beta, fwhm=s["psf_fwhm_px"])
    big = galsim.GSParams(maximum_fft_size=16384, folding_threshold=1e-3)
    image = galsim.Image(size, size, scale=1.0)
    centre = galsim.PositionD(1 + size // 2 + s["x_px"], 1 + size // 2 + s["y_px"])
    galsim.Convolve(sheared, psf, gsparams=big).drawImage(image, method="no_pixel", center=centre)
    return image.array


def moments(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Second moments xx, yy, xy about the image centre under a round Gaussian weight."""
    y, x = np.indices(image.shape) - (np.array(image.shape) // 2)[:, None, None]
    weight = image * np.exp(-0.5 * (x**2 + y**2) / sigma_px**2)
    return np.array([(weight * p).sum() for p in (x * x, y * y, x * y)]) / weight.sum()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"psf_fwhm_px": 3.5, "disc_radius_px": 1.0, "axis_ratio": 0.9},
        {"disc_radius_px": 9.0, "axis_ratio": 0.25, "angle_rad": 2.4},
        {"disc_flux": 0.0, "bulge_flux": 100.0, "bulge_radius_px": 1.5},
        {"disc_flux": 40.0, "bulge_flux": 60.0, "bulge_radius_px": 3.0, "x_px": 0.3, "y_px": -0.4},
    ],
)
def test_painted_galaxies_are_those_of_galsim(changes):
    source = one_source(**changes)
    size = int(stamp_sizes(source, FLOOR)[0])
    ours, theirs = stamps(source, size)[0, 0], galsim_image(source, size)
    assert ours.sum() == pytest.approx(100.0, rel=1e-4)
    near = slice(size // 2 - 32, size // 2 + 32)
    assert ours[near, near].sum() == pytest.approx(theirs[near, near].sum(), rel=0.01)
    assert np.abs(ours - theirs).max() < 0.01 * theirs.max()
    ours_xx, theirs_xx = moments(ours, 8.0), moments(theirs, 8.0)
    assert ours_xx == pytest.approx(theirs_xx, rel=0.03, abs=0.03 * theirs_xx.max())


def test_a_point_source_has_the_width_of_the_psf():
    star = one_source(disc_radius_px=0.0, psf_fwhm_px=6.0)
    row = stamps(star, 128)[0, 0, 64]
    assert row[64 + 3] == pytest.approx(row[64] / 2, rel=1e-3)
    assert PLAIN_PSF.transform(np.zeros(1))[0] == 1.0


def test_de_vaucouleurs_table_is_its_transform():
    galsim = pytest.importorskip("galsim")
    profile = galsim.DeVaucouleurs(half_light_radius=1.0)
    log_k, ours = de_vaucouleurs_table()
    k = np.array([1e-2, 0.1, 1.0, 10.0])
    theirs = [profile.kValue(float(value), 0.0).real for value in k]
    assert np.interp(np.log(k), log_k, ours) == pytest.approx(theirs, abs=2e-3)


def test_position_angle_turns_from_x_towards_y():
    image = stamps(one_source(angle_rad=np.pi / 4, axis_ratio=0.3), 64)[0, 0]
    assert image[36, 36] > 3 * image[36, 28]


def test_brighter_and_larger_objects_get_larger_stamps():
    faint = one_source(disc_radius_px=0.0, disc_flux=1.0)
    bright = replace(faint, disc_flux=np.array([[1e5]]))
    large = one_source(disc_radius_px=40.0)
    floor = np.array([1e-3])
    sizes = [int(stamp_sizes(s, floor)[0]) for s in (faint, bright, large)]
    assert sizes[0] == STAMP_SIZES_PX[0] < sizes[1] < sizes[2]


def test_a_shift_of_the_image_moves_nothing_on_the_sky():
    source = one_source(x_px=50.3, y_px=41.8)
    whole = paint(source, (100, 120), FLOOR)[0]
    part = paint(source.shifted(30, 20), (60, 50), FLOOR)[0]
    np.testing.assert_array_equal(part, whole[20:80, 30:80])


def test_objects_beyond_the_edge_shed_their_light_into_the_image():
    outside = one_source(x_px=-3.0, y_px=20.0)
    image = paint(outside, (40, 40), FLOOR)[0]
    whole = paint(outside.shifted(-40, 0), (40, 120), FLOOR)[0]
    assert image.sum() > 10
    np.testing.assert_allclose(image, whole[:, 40:80], atol=1e-6)


def test_winged_elliptical_psfs_are_those_of_galsim():
    galsim = pytest.importorskip("galsim")
    psf, e, angle = PsfProfile(3.5, 0.2), 0.1, 0.4
    shape = {"psf_e1": e * np.cos(2 * angle), "psf_e2": e * np.sin(2 * angle)}
    star = replace(one_source(disc_radius_px=0.0), **{k: np.array([[v]]) for k, v in shape.items()})
    alpha = 4.0 / psf.fwhm
    parts = (
        galsim.Moffat(beta=3.5, scale_radius=alpha, flux=80.0),
        galsim.Moffat(beta=2.5, scale_radius=2.0 * alpha, flux=20.0),
    )
    wanted = galsim.Add(parts).shear(e=e, beta=angle * galsim.radians)
    image = galsim.Image(128, 128, scale=1.0)
    centre = galsim.PositionD(65, 65)
    wanted.drawImage(image, method="no_pixel", center=centre)
    ours = stamps(star, 128, [psf])[0, 0]
    np.testing.assert_allclose(ours, image.array, atol=2e-3 * ours.max())


def test_clumps_are_where_they_are_put_and_add_their_light():
    clumps = {"clump_flux": [[60.0]], "clump_dx_px": [[9.0], [-6.0]], "clump_dy_px": [[4.0], [0.0]]}
    galaxy = one_source(disc_radius_px=4.0, psf_fwhm_px=2.0, disc_flux=40.0)
    smooth = stamps(galaxy, 64)[0, 0]
    clumpy = stamps(replace(galaxy, **{k: np.array(v) for k, v in clumps.items()}), 64)[0, 0]
    assert clumpy.sum() == pytest.approx(100.0, rel=1e-3)
    added = clumpy - smooth
    for dx, dy in ((9, 4), (-6, 0)):
        around = added[32 + dy - 5 : 32 + dy + 6, 32 + dx - 5 : 32 + dx + 6]
        assert np.unravel_index(around.argmax(), around.shape) == (5, 5)
        assert around.sum() == pytest.approx(30.0, rel=0.2)


def test_bands_differ_by_flux_and_seeing_only():
    pair = Sources(
        **{k: v for k, v in vars(one_source()).items() if np.ndim(v) == 1},
        disc_flux=np.array([[100.0], [50.0]]),
        bulge_flux=np.zeros((2, 1)),
        psf_fwhm_px=np.array([[4.0], [4.0]]),
    )
    blue, red = stamps(pair, 64)[0]
    np.testing.assert_allclose(blue, 2 * red, rtol=1e-4, atol=1e-6)
