from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.wcs import WCS
from reproject import reproject_exact

from hscz.sky import resample
from hscz.sky.cutouts import cut_tile, gather
from hscz.sky.fits import HSC_MASK_PLANES, BandImage, Window, open_band, write_calexp
from hscz.sky.mosaic import assign, find_tiles
from hscz.sky.photometry import aperture_flux
from hscz.sky.resample import resample_band, resample_pattern, survey_grid

SHAPE = (300, 360)


def make_wcs(scale_arcsec: float, turn_deg: float = 0.0, shift_px: float = 0.0) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [56.6, -36.4]
    wcs.wcs.crpix = [180.5 + shift_px, 150.5]
    turn, scale = np.radians(turn_deg), scale_arcsec / 3600
    wcs.wcs.cd = scale * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return wcs


def window_of(image: BandImage) -> Window:
    return (0, image.shape[0], 0, image.shape[1])


def stars(scale_arcsec: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gaussian stars of 100 counts and a seeing of 0.75 arcsec."""
    sigma = 0.75 / 2.3548 / scale_arcsec
    row, column = np.ogrid[: SHAPE[0], : SHAPE[1]]
    squares = ((column - a) ** 2 + (row - b) ** 2 for a, b in zip(x, y, strict=True))
    return sum(np.exp(-0.5 * r2 / sigma**2) for r2 in squares) * 100 / (2 * np.pi * sigma**2)


@pytest.mark.parametrize(
    ("scale", "turn"), [(0.2, 0.0), (0.187, 30.0), (0.168, 3.0), (0.12, 180.0), (0.263, 0.0)]
)
def test_flux_position_and_width_of_stars_are_kept(tmp_path, scale, turn):
    wcs = make_wcs(scale, turn)
    x, y = np.array([110.0, 180.3, 249.7]), np.array([120.2, 150.0, 188.8])
    path = write_calexp(tmp_path / "i.fits", stars(scale, x, y), None, None, wcs, "HSC-I")
    pattern = resample_pattern(str(tmp_path / "{band}.fits"), ("i",), tmp_path / "out")
    (tile,) = find_tiles(pattern, ("i",))
    index, u, v = assign([tile], *wcs.all_pix2world(x, y, 0), 16)
    assert (index == 0).all()
    image = tile.bands[0].read_image(tile.window).astype(np.float64)
    row, column = np.indices(image.shape)
    for a, b in zip(u, v, strict=True):
        r2 = (column - a) ** 2 + (row - b) ** 2
        star = np.where(r2 < (2.0 / 0.168) ** 2, image, 0)
        assert star.sum() == pytest.approx(100, rel=0.005)
        assert (star * column).sum() / star.sum() == pytest.approx(a, abs=0.02)
        width = np.sqrt(0.5 * (star * r2).sum() / star.sum()) * 0.168 * 2.3548
        assert width == pytest.approx(0.75, rel=0.015)
    assert path.exists()


def test_bands_on_different_grids_come_to_one(tmp_path):
    x, y = np.array([180.0]), np.array([150.0])
    for band, name, wcs in (
        ("g", "HSC-G", make_wcs(0.2)),
        ("i", "HSC-I", make_wcs(0.18, 10.0, 4.3)),
    ):
        write_calexp(tmp_path / f"{band}.fits", np.ones(SHAPE), None, None, wcs, name)
    pattern = resample_pattern(str(tmp_path / "{band}.fits"), ("g", "i"), tmp_path / "out")
    (tile,) = find_tiles(pattern, ("g", "i"))
    _, u, v = assign([tile], *make_wcs(0.2).all_pix2world(x, y, 0))
    cuts = cut_tile(tile, u, v)
    expected = [[(0.168 / scale) ** 2 for scale in (0.2, 0.18)]]
    np.testing.assert_allclose(cuts.images[:, :, 32, 32], expected, rtol=1e-3)


def test_mask_variance_and_holes_are_carried_over(tmp_path, monkeypatch):
    monkeypatch.setattr(resample, "STRIP_ROWS", 50)
    rng = np.random.default_rng(3)
    image = rng.normal(0, 0.1, SHAPE)
    image[100, 120] = np.nan
    mask = np.zeros(SHAPE, np.int32)
    mask[200:220, 50:80] = 1 << HSC_MASK_PLANES["SAT"]
    wcs = make_wcs(0.2)
    path = write_calexp(
        tmp_path / "i.fits", image, mask, np.full(SHAPE, 0.01), wcs, "HSC-I", zero_point=25.0
    )
    band = open_band(path, "i")
    grid = survey_grid(band)
    out = open_band(resample_band(band, grid, tmp_path / "o.fits"), "i")
    new_image, new_mask, new_variance = out.read(window_of(out))
    ratio = (0.168 / 0.2) ** 2
    np.testing.assert_allclose(new_variance[20:-20, 20:-20], 0.01 * 10**1.6 * ratio, rtol=1e-4)
    saturated = out.mask_bit(new_mask, "SAT")
    assert saturated.sum() == pytest.approx(600 / ratio, rel=0.06)
    missing = np.isnan(new_image)
    row, column = np.argwhere(missing).T
    u, v = out.wcs.all_world2pix(*wcs.all_pix2world(120, 100, 0), 0)
    assert 9 <= missing.sum() <= 60
    assert np.hypot(row - v, column - u).max() < 6
    np.testing.assert_array_equal(out.mask_bit(new_mask, "NO_DATA"), missing)


def test_strips_join_without_a_seam(tmp_path, monkeypatch):
    image = np.random.default_rng(3).normal(size=SHAPE)
    path = write_calexp(tmp_path / "i.fits", image, None, None, make_wcs(0.2), "HSC-I")
    band = open_band(path, "i")
    grid = survey_grid(band)
    images = []
    for rows in (37, 10_000):
        monkeypatch.setattr(resample, "STRIP_ROWS", rows)
        out = open_band(resample_band(band, grid, tmp_path / f"{rows}.fits"), "i")
        images.append(out.read_image(window_of(out)))
    np.testing.assert_allclose(*images, atol=1e-5)


def test_files_are_kept_until_their_input_changes(tmp_path):
    pattern = str(tmp_path / "{band}.fits")
    write_calexp(tmp_path / "i.fits", np.ones(SHAPE), None, None, make_wcs(0.2), "HSC-I")
    (first,) = find_tiles(resample_pattern(pattern, ("i",), tmp_path / "out"), ("i",))
    made = first.bands[0].path.stat().st_mtime_ns
    resample_pattern(pattern, ("i",), tmp_path / "out")
    assert first.bands[0].path.stat().st_mtime_ns == made
    write_calexp(tmp_path / "i.fits", np.full(SHAPE, 2.0), None, None, make_wcs(0.2), "HSC-I")
    resample_pattern(pattern, ("i",), tmp_path / "out")
    assert first.bands[0].read_image((100, 101, 100, 101)) == pytest.approx(2 * 0.84**2, rel=1e-4)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["calexp-i-image.fits"]


def test_files_of_a_patch_that_is_gone_are_removed(tmp_path):
    small, out = np.ones((40, 50)), tmp_path / "out"
    for patch in ("1,1", "1,2"):
        for band in ("g", "i"):
            path = tmp_path / f"{band}-{patch}.fits"
            write_calexp(path, small, None, None, make_wcs(0.2), f"HSC-{band.upper()}")
    pattern = str(tmp_path / "{band}-{patch}.fits")
    resample_pattern(pattern, ("g", "i"), out)
    for name in ("calexp-i-mine.fits", "notes.txt"):
        (out / name).write_text("not made here")
    cards = {"ORIGIN": "NAOJ"}
    write_calexp(out / "calexp-i-x.fits", small, None, None, make_wcs(0.2), "HSC-I", header=cards)
    (tmp_path / "g-1,2.fits").unlink()
    made = resample_pattern(pattern, ("g", "i"), out)
    assert [tile.name for tile in find_tiles(made, ("g", "i"))] == ["1,1"]
    assert sorted(path.name for path in out.iterdir()) == [
        "calexp-g-1,1.fits",
        "calexp-i-1,1.fits",
        "calexp-i-mine.fits",
        "calexp-i-x.fits",
        "notes.txt",
    ]


@pytest.mark.parametrize("band", list("ugrizy"))
def test_real_tiles_keep_their_flux_to_one_percent(shared_data, tmp_path, band):
    source = open_band(shared_data / "dc2_tile_ugrizy" / f"dc2-{band}.fits", band)
    out = open_band(resample_band(source, survey_grid(source), tmp_path / "o.fits"), band)
    whole, before = source.read_image(window_of(source)), source.wcs
    image = out.read_image(window_of(out))
    assert image.sum(dtype=float) == pytest.approx(whole.sum(dtype=float), rel=0.01)

    # Independent truth: the exact overlap of pixels on the sphere keeps surface brightness.
    middle = (slice(200, 420), slice(200, 420))
    target = out.wcs.slice(middle)
    exact = reproject_exact((whole, before), target, (220, 220), return_footprint=False)
    new = image[middle]
    y, x = np.argwhere(new[32:-32, 32:-32] > np.percentile(new, 99)).T
    fluxes = [
        aperture_flux(gather(stack[None].astype(np.float32), x, y, 64)[:, 0], 2.5)
        for stack in (new, exact * (0.168 / 0.2) ** 2)
    ]
    assert len(x) > 50
    # In u some apertures hold little but noise, which the two methods smooth differently.
    np.testing.assert_allclose(*fluxes, rtol=0.01, atol=0.2)
    assert fluxes[0].sum() == pytest.approx(fluxes[1].sum(), rel=0.002)


def test_the_pattern_keeps_tract_and_patch(tmp_path):
    folder = tmp_path / "HSC-I" / "9813"
    write_calexp(folder / "4,4.fits", np.ones(SHAPE), None, None, make_wcs(0.2), "HSC-I")
    pattern = str(tmp_path / "{filter}" / "{tract}" / "{patch}.fits")
    made = resample_pattern(pattern, ("i",), tmp_path / "out")
    assert Path(made).name == "calexp-{band}-{tract}-{patch}.fits"
    assert [tile.name for tile in find_tiles(made, ("i",))] == ["9813-4,4"]
