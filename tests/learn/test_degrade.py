"""Degraded stars and skies come out with the light and the noise that were wanted."""

from __future__ import annotations

from dataclasses import replace

import galsim
import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import Tensor

from hscz.errors import StoreError
from hscz.learn.conditions import Conditions
from hscz.learn.degrade import degrade, draw
from hscz.learn.tiles import Tiles
from hscz.sky.noise import sky_correlation
from hscz.sky.photometry import aperture_flux
from hscz.survey import PIXEL_SCALE_ARCSEC

NO_DUST = torch.zeros(1)
SIDE_PX = 64


def conditions(
    noise: float, fwhm_arcsec: float, ebv: float = 0.0, n: int = 1, bands: int = 1
) -> Conditions:
    per_band = torch.ones(n, bands)
    return Conditions.plain(noise * per_band, fwhm_arcsec * per_band, torch.full((n,), ebv))


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


MOFFAT = galsim.Moffat(beta=2.5, fwhm=0.6)
STRETCHED = galsim.Sum(
    0.7 * galsim.Moffat(beta=3.5, fwhm=0.75).shear(g1=0.06, g2=-0.08),
    0.3 * galsim.Gaussian(fwhm=1.1),
)
KOLMOGOROV = galsim.Kolmogorov(fwhm=0.6)


def drawn(psf: galsim.GSObject, side_px: int = SIDE_PX) -> Tensor:
    """Return a star of 100 counts, on the pixel with the index ``side_px // 2``."""
    even = 0.5 if side_px % 2 == 0 else 0.0
    image = (100 * psf).drawImage(
        nx=side_px, ny=side_px, scale=PIXEL_SCALE_ARCSEC, offset=(even, even), method="no_pixel"
    )
    return torch.from_numpy(image.array).float()


def observed(psf: galsim.GSObject, noise: float = 0.0, sky: Tensor | None = None) -> Conditions:
    """Return the conditions of one galaxy of a tile with this PSF and sky."""
    fwhm, noises = torch.full((1, 1), psf.calculateFWHM()), torch.full((1, 1), noise)
    correlation = torch.full((1, 1, 1, 1), torch.nan)
    if sky is not None:
        correlation = torch.from_numpy(sky_correlation(sky[:, 0].numpy(), sky[:, 0].numpy() > 99))
        correlation = correlation[None, None]
    tiles = Tiles(drawn(psf, 31)[None, None] / 100, fwhm, correlation)
    return Conditions(noises, fwhm, torch.zeros(1), torch.zeros(1, dtype=torch.long), tiles)


def repeated(one: Conditions, n: int) -> Conditions:
    return one.take(torch.zeros(n, dtype=torch.long))


def half_light_area(star: Tensor) -> float:
    """Return the pixels brighter than half the peak, of a finely interpolated image."""
    return float(
        (
            torch.nn.functional.interpolate(star, scale_factor=9, mode="bicubic") > star.max() / 2
        ).sum()
    )


@pytest.mark.parametrize("width", [0.95, 1.0, 1.05])
def test_a_star_of_one_tile_becomes_a_star_of_the_other(width: float) -> None:
    have, want = observed(MOFFAT), observed(STRETCHED)
    own = MOFFAT.dilate(width)
    have = replace(have, psf_fwhm_arcsec=width * have.psf_fwhm_arcsec)
    made = degrade(drawn(own)[None, None], have, want, NO_DUST, seeded())
    real = drawn(STRETCHED)[None, None]
    assert float((made - real).abs().max() / real.max()) < 0.03
    assert half_light_area(made) == pytest.approx(half_light_area(real), rel=0.05)
    for radius_arcsec in (0.5, 1.0, 1.5):
        fluxes = [aperture_flux(star.numpy(), radius_arcsec) for star in (made, real)]
        assert fluxes[0] == pytest.approx(fluxes[1], rel=0.02)


@settings(max_examples=20)
@given(have=st.floats(0.4, 1.1), want=st.floats(0.4, 1.4))
def test_where_stars_are_unknown_the_seeing_is_that_of_turbulence(have: float, want: float) -> None:
    star = drawn(galsim.Kolmogorov(fwhm=have))[None, None]
    made = degrade(star, conditions(1, have), conditions(0, want), NO_DUST, seeded())
    real = drawn(galsim.Kolmogorov(fwhm=max(have, want)))[None, None]
    assert float(made.sum()) == pytest.approx(float(star.sum()), rel=1e-4)
    assert aperture_flux(made.numpy(), 1.0) == pytest.approx(
        aperture_flux(real.numpy(), 1.0), rel=0.01
    )


def test_stars_of_a_sharper_target_are_not_sharpened() -> None:
    star = drawn(STRETCHED)[None, None]
    made = degrade(star, observed(STRETCHED), observed(MOFFAT), NO_DUST, seeded())
    assert made.max() <= 1.001 * star.max()
    assert made.min() >= star.min() - 0.002 * star.max()


def test_a_wide_psf_passes_no_light_beyond_what_its_stars_show() -> None:
    wide = galsim.Moffat(beta=2.5, fwhm=1.1)
    noise = torch.randn(64, 1, SIDE_PX, SIDE_PX, generator=seeded())
    have, want = (repeated(observed(psf), 64) for psf in (KOLMOGOROV, wide))
    known = repeated(observed(galsim.Kolmogorov(fwhm=1.1)), 64)
    left = [float(degrade(noise, have, c, NO_DUST, seeded()).std()) for c in (want, known)]
    assert left[0] == pytest.approx(left[1], rel=0.2)


N_SKIES = 512


def smooth_sky(seed: int, sigma_px: float, level: float) -> Tensor:
    """Return unit noise of a correlation length, and a level that differs from stamp to stamp."""
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(size=(N_SKIES, SIDE_PX, SIDE_PX)), (0, sigma_px, sigma_px))
    noise /= noise.std()
    sky = (noise + level * rng.normal(size=(N_SKIES, 1, 1))) / np.hypot(1, level)
    return torch.from_numpy(sky[:, None]).float()


def test_the_sky_has_the_noise_of_the_target_in_every_aperture() -> None:
    sharp, soft = smooth_sky(1, 0.4, 0.02), smooth_sky(2, 0.9, 0.08)
    have, want = observed(MOFFAT, 0.02, sharp), observed(STRETCHED, 0.03, soft)
    made = degrade(0.02 * sharp, *(repeated(c, N_SKIES) for c in (have, want)), NO_DUST, seeded())
    inner = (..., slice(8, -8), slice(8, -8))
    assert made[inner].std() == pytest.approx(0.03, rel=0.02)
    for radius_arcsec in (0.5, 1.0, 1.5):
        scatter = [aperture_flux(sky.numpy(), radius_arcsec).std() for sky in (made, 0.03 * soft)]
        assert scatter[0] == pytest.approx(scatter[1], rel=0.08), radius_arcsec
    for lag in range(1, 5):
        along = [
            float((sky[..., lag:] * sky[..., :-lag]).mean() / sky.square().mean())
            for sky in (made[inner], soft[inner])
        ]
        assert along[0] == pytest.approx(along[1], abs=0.02), lag


@pytest.mark.parametrize(("noise", "fwhm"), [(0.03, 0.6), (0.02, 0.69), (0.02, 1.0), (0.012, 0.8)])
def test_white_sky_gets_the_noise(noise: float, fwhm: float) -> None:
    sky = 0.02 * torch.randn(64, 1, 48, 48, generator=seeded(3))
    have, want = conditions(0.02, 0.6, n=64), conditions(noise, fwhm, n=64)
    assert degrade(sky, have, want, NO_DUST, seeded()).std() == pytest.approx(noise, rel=0.02)


def test_each_galaxy_has_the_psf_of_its_own_tile() -> None:
    tiles = Conditions.join([observed(MOFFAT), observed(STRETCHED), observed(KOLMOGOROV)])
    stars = torch.stack([drawn(psf)[None] for psf in (MOFFAT, KOLMOGOROV)])
    have, want = tiles.take(torch.tensor([0, 2])), tiles.take(torch.tensor([1, 1]))
    made = degrade(stars, have, want, NO_DUST, seeded())
    real = drawn(STRETCHED)
    assert float((made - real).abs().max() / real.max()) < 0.03
    mixed_up = degrade(stars, have.take(torch.tensor([1, 0])), want, NO_DUST, seeded())
    assert float((mixed_up - real).abs().max() / real.max()) > 0.03


def test_dust_dims_each_band_by_its_own_extinction() -> None:
    star = drawn(KOLMOGOROV).expand(2, 2, -1, -1)
    have, want = conditions(1, 0.7, 0.02, 2, 2), conditions(0, 0.7, 0.02, 2, 2)
    want.ebv[1] += 0.1
    out = degrade(star, have, want, torch.tensor([4.0, 1.0]), seeded())
    dimming = -2.5 * torch.log10(out.sum((2, 3)) / star.sum((2, 3)))
    np.testing.assert_allclose(dimming, [[0, 0], [0.4, 0.1]], atol=1e-4)


def test_the_zero_point_scatters_by_object_and_band() -> None:
    images = torch.ones(1000, 2, 4, 4)
    same = conditions(1, 0.7, 0, 1000, 2)
    out = degrade(images, same, conditions(0, 0.7, 0, 1000, 2), torch.zeros(2), seeded(), 0.1)
    shift = -2.5 * torch.log10(out[:, :, 0, 0])
    assert shift.std(0).numpy() == pytest.approx(0.1, rel=0.1)
    assert abs(float(torch.corrcoef(shift.T)[0, 1])) < 0.1


def test_better_conditions_change_nothing() -> None:
    images = torch.randn(3, 2, 32, 32, generator=seeded()).half()
    have, want = conditions(1.0, 0.8, 0.05, 3, 2), conditions(0.5, 0.6, 0.05, 3, 2)
    out = degrade(images, have, want, torch.tensor([4.0, 1.0]), seeded())
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, images.float(), rtol=1e-5, atol=1e-5)


def test_the_seed_alone_decides() -> None:
    images, have, want = torch.zeros(4, 1, 32, 32), conditions(1, 0.6, n=4), conditions(2, 0.8, n=4)
    first, again, other = (
        degrade(images, have, draw(want, 4, 0.2, g), NO_DUST, g, 0.05)
        for g in (seeded(1), seeded(1), seeded(2))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_object_does_not_depend_on_its_batch() -> None:
    images = torch.randn(8, 2, 32, 32, generator=seeded())
    have = conditions(1, 0.6, 0.02, 8, 2)
    # A quiet target, so that nothing random is added.
    want = draw(conditions(0.0, 0.8, 0.05, 8, 2), 8, 0.2, seeded(2))
    extinction, some = torch.tensor([4.0, 1.0]), torch.tensor([5, 2])
    together = degrade(images, have, want, extinction, seeded())
    apart = degrade(images[some], have.take(some), want.take(some), extinction, seeded())
    torch.testing.assert_close(together[some], apart)


def test_drawn_conditions_are_those_of_single_galaxies() -> None:
    numbers = torch.arange(5.0)
    target = Conditions.plain(numbers[:, None] + 1, 2 * numbers[:, None] + 1, numbers)
    drawn = draw(target, 500, 0.0, seeded())
    assert drawn.ebv.unique().tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(drawn.sky_noise[:, 0], drawn.ebv + 1)
    assert torch.equal(drawn.psf_fwhm_arcsec[:, 0], 2 * drawn.ebv + 1)


def store(corrected: int = 0, **change: list) -> xr.Dataset:
    per_band = ("object", "band")
    columns = {
        "sky_noise": (per_band, np.full((3, 2), 0.1, np.float32)),
        "psf_fwhm": (per_band, np.array([[0.6, 0.7], [np.nan, 0.7], [0.8, 0.7]], np.float32)),
        "ebv": ("object", np.array([0.02, np.nan, 0.04], np.float32)),
    }
    columns |= {key: (columns[key][0], np.array(values)) for key, values in change.items()}
    attrs = {"image_extinction_corrected": corrected}
    return xr.Dataset(columns, coords={"band": ["g", "i"]}, attrs=attrs)


def test_medians_stand_in_for_what_is_unknown() -> None:
    measured = Conditions.of(store(), np.array([1, 2]), ["i", "g"])
    np.testing.assert_allclose(measured.psf_fwhm_arcsec, [[0.7, 0.7], [0.7, 0.8]])
    np.testing.assert_allclose(measured.ebv, [0.03, 0.04])


def test_galaxies_know_the_psf_and_the_sky_of_their_tiles() -> None:
    psf = np.arange(2 * 2 * 9, dtype=np.float32).reshape(2, 2, 3, 3)
    dims = ("tile_name", "band", "y", "x")
    made = store().assign(psf=(dims, psf), sky_correlation=(dims, -psf))
    made = made.assign_coords(tile=("object", ["b", "a", "b"]), tile_name=["a", "b"])
    found = Conditions.of(made, np.array([0, 1]), ["J", "i", "g"], "A", optional=["J"])
    assert found.tile.tolist() == [1, 0]
    assert found.tiles.psf[:, 0].isnan().all()
    np.testing.assert_array_equal(found.tiles.psf[:, 1:], psf[:, ::-1])
    np.testing.assert_array_equal(found.tiles.sky_correlation[:, 1:], -psf[:, ::-1])
    np.testing.assert_allclose(found.tiles.fwhm_arcsec[1, 1:], [0.7, 0.7])
    joined = Conditions.join([found, conditions(1, 1, bands=3), found])
    assert joined.tile.tolist() == [1, 0, 2, 4, 3]
    assert len(joined.tiles) == 5


def test_images_corrected_for_dust_have_none() -> None:
    assert Conditions.of(store(corrected=1), np.arange(3), ["g"]).ebv.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"psf_fwhm": [[0.6, np.nan]] * 3}, "DEEP2: psf_fwhm of band 'i' is NaN .* adapt.degrade"),
        (
            {"ebv": [np.nan] * 3},
            "DEEP2: ebv is NaN for every object, as nothing gives .*; name its column",
        ),
    ],
)
def test_what_is_known_of_no_object_is_named(change: dict, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Conditions.of(store(**change), np.arange(3), ["g", "i"], "DEEP2")


def test_what_is_unknown_of_a_target_stays_that_of_the_source(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Conditions.of(store(), np.arange(3), ["g", "i"])
    change = {"psf_fwhm": [[0.9, np.nan]] * 3, "ebv": [np.nan] * 3}
    target = Conditions.of(store(**change), np.arange(3), ["g", "i"], "DC2", partial=True)
    assert "DC2: psf_fwhm of band 'i' is NaN" in caplog.text
    assert "DC2: ebv is NaN" in caplog.text
    assert caplog.text.count("DC2: has no stacked stars and no correlation of the sky") == 1
    known = Conditions.plain(
        target.sky_noise,
        torch.stack([target.psf_fwhm_arcsec[:, 0], source.psf_fwhm_arcsec[:, 1]], 1),
        source.ebv,
    )
    images, extinction = torch.randn(3, 2, 32, 32), torch.tensor([3.0, 1.6])
    made = [
        degrade(images, source, want, extinction, torch.Generator().manual_seed(1))
        for want in (target, known)
    ]
    torch.testing.assert_close(*made, rtol=1e-3, atol=1e-3)
    assert torch.isfinite(made[0]).all()
