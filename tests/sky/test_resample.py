from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from reproject import reproject_exact

from hscz.errors import InputError
from hscz.sky import resample
from hscz.sky.cutouts import cut_tile, gather
from hscz.sky.fits import BandImage, Window, open_band, write_calexp
from hscz.sky.mask import mask_value
from hscz.sky.mosaic import Tile, assign, corner
from hscz.sky.photometry import aperture_flux
from hscz.sky.region import open_region
from hscz.sky.resample import Grid, resample_band, survey_grid
from tests.helpers.images import stars, tan_wcs

SHAPE = (300, 360)
GOOD = np.zeros(SHAPE, np.int32)
"""A mask; without one, regions of one exact value count as missing."""


def make_wcs(scale_arcsec: float, turn_deg: float = 0.0, shift_px: float = 0.0) -> WCS:
    return tan_wcs(56.6, -36.4, (180.5 + shift_px, 150.5), scale_arcsec, turn_deg)


def window_of(image: BandImage) -> Window:
    return (0, image.shape[0], 0, image.shape[1])


def resampled(pattern: str | Path, bands: Sequence[str], out: Path) -> list[Tile]:
    patterns = dict.fromkeys(bands, str(pattern))
    return open_region(patterns, dict.fromkeys(bands), (), 4200, 64, out).tiles


def painted(scale_arcsec: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Stars of 100 counts whose PSF has a FWHM of 0.75 arcsec."""
    return stars(SHAPE, x, y, 100.0, 0.75 / 2.3548 / scale_arcsec)


@pytest.mark.parametrize(
    ("scale", "turn"), [(0.2, 0.0), (0.187, 30.0), (0.168, 3.0), (0.12, 180.0), (0.263, 0.0)]
)
def test_flux_position_and_width_of_stars_are_kept(tmp_path, scale, turn):
    wcs = make_wcs(scale, turn)
    x, y = np.array([110.0, 180.3, 249.7]), np.array([120.2, 150.0, 188.8])
    path = write_calexp(tmp_path / "i.fits", painted(scale, x, y), None, None, wcs, "HSC-I")
    (tile,) = resampled(tmp_path / "{band}.fits", ("i",), tmp_path / "out")
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
        write_calexp(tmp_path / f"{band}.fits", np.ones(SHAPE), GOOD, None, wcs, name)
    (tile,) = resampled(tmp_path / "{band}.fits", ("g", "i"), tmp_path / "out")
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
    mask[200:220, 50:80] = mask_value("SAT")
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
    asked = tmp_path / "{band}.fits", ("i",), tmp_path / "out"
    write_calexp(tmp_path / "i.fits", np.ones(SHAPE), GOOD, None, make_wcs(0.2), "HSC-I")
    (first,) = resampled(*asked)
    made = first.bands[0].path.stat().st_mtime_ns
    resampled(*asked)
    assert first.bands[0].path.stat().st_mtime_ns == made
    write_calexp(tmp_path / "i.fits", np.full(SHAPE, 2.0), GOOD, None, make_wcs(0.2), "HSC-I")
    resampled(*asked)
    assert first.bands[0].read_image((100, 101, 100, 101)) == pytest.approx(2 * 0.84**2, rel=1e-4)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["calexp-i-image.fits"]


def test_files_of_a_patch_that_is_gone_are_removed(tmp_path):
    small, out = np.ones((40, 50)), tmp_path / "out"
    for patch in ("1,1", "1,2"):
        for band in ("g", "i"):
            path = tmp_path / f"{band}-{patch}.fits"
            write_calexp(path, small, None, None, make_wcs(0.2), f"HSC-{band.upper()}")
    pattern = str(tmp_path / "{band}-{patch}.fits")
    resampled(pattern, ("g", "i"), out)
    for name in ("calexp-i-mine.fits", "notes.txt"):
        (out / name).write_text("not made here")
    cards = {"ORIGIN": "NAOJ"}
    write_calexp(out / "calexp-i-x.fits", small, None, None, make_wcs(0.2), "HSC-I", header=cards)
    (tmp_path / "g-1,2.fits").unlink()
    assert [tile.name for tile in resampled(pattern, ("g", "i"), out)] == ["1,1"]
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


def test_only_what_is_off_the_grid_of_i_is_resampled(tmp_path):
    wcs = {"us": make_wcs(0.187, 10.0, 4.3), "g": make_wcs(0.168), "i": make_wcs(0.168)}
    for band, name in (("us", "MegaCam-uS"), ("g", "HSC-G"), ("i", "HSC-I")):
        folder = tmp_path / name / "9813"
        write_calexp(folder / "4,4.fits", np.ones(SHAPE), None, None, wcs[band], name)
    pattern = tmp_path / "{filter}" / "{tract}" / "{patch}.fits"
    (tile,) = resampled(pattern, ("us", "g", "i"), tmp_path / "out")
    assert tile.name == "9813-4,4"
    assert [Path(*band.path.parts[-3:]) for band in tile.bands] == [
        tmp_path.relative_to(tmp_path.parent) / "out" / "calexp-us-9813-4,4.fits",
        Path("HSC-G/9813/4,4.fits"),
        Path("HSC-I/9813/4,4.fits"),
    ]


def test_a_mosaic_gives_every_patch_its_part(tmp_path):
    x, y = np.array([110.0, 250.0]), np.array([150.0, 150.0])
    wcs = make_wcs(0.2)
    write_calexp(tmp_path / "J.fits", painted(0.2, x, y), None, None, wcs, "VIRCAM-J")
    for patch, place in enumerate((*zip(x, y, strict=True), (2000.0, 150.0))):
        near = make_wcs(0.168)
        near.wcs.crval, near.wcs.crpix = wcs.all_pix2world(*place, 0), [61.0, 41.0]
        write_calexp(tmp_path / f"i-{patch}.fits", np.ones((80, 120)), None, None, near, "HSC-I")
    patterns = {"i": str(tmp_path / "i-{patch}.fits"), "J": str(tmp_path / "J.fits")}
    asked = patterns, dict.fromkeys(patterns), ("J",), 4200, 16, tmp_path / "out"
    tiles = open_region(*asked).tiles
    for tile in tiles[:2]:
        image = tile.bands[1].read_image(tile.window)
        assert np.unravel_index(np.nanargmax(image), image.shape) == (40, 60)
        assert np.nansum(image[20:61, 40:81]) == pytest.approx(100, rel=0.005)
    assert tiles[2].bands[1] is None
    assert open_region(*asked).left_out[0].n_objects == 0


def broken(path: Path) -> None:
    """Compress a file and spoil some of its pixels, so that its headers stay as they are."""
    with fits.open(path) as hdus:
        image = fits.CompImageHDU(hdus[1].data, hdus[1].header, compression_type="GZIP_1")
        fits.HDUList([hdus[0].copy(), image]).writeto(path, overwrite=True)
    content = bytearray(path.read_bytes())
    content[60_000:60_400] = bytes(400)
    path.write_bytes(content)


def test_an_image_that_cannot_be_resampled_costs_its_patch(tmp_path):
    noise = np.random.default_rng(2).normal(size=SHAPE)
    for patch in ("1", "2"):
        for band in ("g", "i"):
            path = tmp_path / f"{band}-{patch}.fits"
            write_calexp(path, noise, None, None, make_wcs(0.2), f"HSC-{band.upper()}")
    patterns = dict.fromkeys(("g", "i"), str(tmp_path / "{band}-{patch}.fits"))
    broken(tmp_path / "g-2.fits")
    asked = patterns, dict.fromkeys(patterns)
    region = open_region(*asked, (), 4200, 64, tmp_path / "out")
    assert [tile.name for tile in region.tiles] == ["1"]
    (left_out,) = region.left_out
    assert left_out.file == str(tmp_path / "g-2.fits")
    assert left_out.reason.startswith("the IMAGE plane cannot be read")
    ra, dec = make_wcs(0.2).all_pix2world(np.array([150.0, 10.0]), np.array([150.0, 10.0]), 0)
    assert region.lost_by_patch(ra, dec, 64)[0].n_objects == 1
    optional = open_region(*asked, ("g",), 4200, 64, tmp_path / "out")
    assert [tile.bands[0] is None for tile in optional.tiles] == [False, True]
    assert optional.lost_by_patch(ra, dec, 64)[0].n_objects == 0
    broken(tmp_path / "g-1.fits")
    with pytest.raises(InputError, match=r"g-[12].fits: the IMAGE .*\(none of 2 patches can be"):
        open_region(*asked, (), 4200, 64, tmp_path / "out")
    with pytest.raises(
        InputError, match=r"g-[12].fits: the IMAGE .*no patch .* has band g; correct"
    ):
        open_region(*asked, ("g",), 4200, 64, tmp_path / "out")


SWARP = shutil.which("SWarp") or shutil.which("swarp")


@pytest.mark.skipif(SWARP is None, reason="SWarp is not installed (Debian package swarp)")
def test_swarp_makes_the_same_of_the_same_input(tmp_path):
    rng = np.random.default_rng(7)
    x, y = rng.uniform(60, 300, 40), rng.uniform(60, 240, 40)
    image, wcs = painted(0.187, x, y) + rng.normal(0, 0.01, SHAPE), make_wcs(0.187, 20.0)
    path = write_calexp(tmp_path / "i.fits", image, None, None, wcs, "HSC-I")
    band = open_band(path, "i")
    grid = survey_grid(band)
    ours = open_band(resample_band(band, grid, tmp_path / "ours.fits"), "i")
    theirs = swarp(path, grid, tmp_path)
    u, v = ours.wcs.all_world2pix(*wcs.all_pix2world(x, y, 0), 0)
    stamps = [
        gather(np.ascontiguousarray(i[None], np.float32), *corners(u, v), 24)[:, 0]
        for i in (ours.read_image(window_of(ours)), theirs)
    ]
    assert all(np.isfinite(s).all() for s in stamps)
    fluxes = [aperture_flux(s, 1.5) for s in stamps]
    np.testing.assert_allclose(*fluxes, rtol=0.005)
    # Both interpolate with a kernel of their own, which the sharpest pixels show most.
    peak = stamps[0].max(axis=(1, 2), keepdims=True)
    assert np.abs((stamps[0] - stamps[1]) / peak).max() < 0.03
    y, x = np.indices((24, 24)) - 12
    widths = [
        np.median((s * (x**2 + y**2) * (np.hypot(x, y) < 9)).sum((1, 2)) / f)
        for s, f in zip(stamps, fluxes, strict=True)
    ]
    assert widths[0] == pytest.approx(widths[1], rel=0.02)


def corners(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return corner(x, 24), corner(y, 24)


def swarp(path: Path, grid: Grid, folder: Path) -> np.ndarray:
    """Return what SWarp makes of the image in a file on a grid."""
    with fits.open(path) as hdus:
        fits.writeto(folder / "in.fits", hdus["IMAGE"].data, hdus["IMAGE"].header)
    ra, dec = grid.wcs.wcs.crval
    options = {
        "IMAGEOUT_NAME": folder / "out.fits",
        "WEIGHTOUT_NAME": folder / "weight.fits",
        "RESAMPLE_DIR": folder,
        "CENTER_TYPE": "MANUAL",
        "CENTER": f"{ra},{dec}",
        "PIXELSCALE_TYPE": "MANUAL",
        "PIXEL_SCALE": 0.168,
        "IMAGE_SIZE": f"{grid.shape[1]},{grid.shape[0]}",
        "RESAMPLING_TYPE": "LANCZOS3",
        "SUBTRACT_BACK": "N",
        "FSCALASTRO_TYPE": "FIXED",
        "WRITE_XML": "N",
        "NTHREADS": 1,
    }
    words = [str(word) for key, value in options.items() for word in (f"-{key}", value)]
    assert SWARP is not None
    subprocess.run(
        [SWARP, str(folder / "in.fits"), *words], cwd=folder, check=True, capture_output=True
    )
    return np.asarray(fits.getdata(folder / "out.fits"), np.float32)
