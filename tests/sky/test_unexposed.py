"""Pixels without a measurement, in images whose mask does not mark them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from hscz.config import FieldConfig, RunConfig, TableConfig
from hscz.ingest.stage import ingest
from hscz.schema import is_usable
from hscz.sky.fits import open_band, write_calexp
from hscz.stores import open_field
from tests.helpers.images import tan_wcs

SHAPE = (120, 150)
EMPTY = 40
"""Columns of the image in which nothing was exposed."""


def sky(fill: float) -> np.ndarray:
    image = np.random.default_rng(1).normal(0, 0.03, SHAPE).astype(np.float32)
    image[:, :EMPTY] = fill
    return image


def missing(path: Path) -> np.ndarray:
    return ~np.isfinite(open_band(path, "i", 27.0).read_image((0, SHAPE[0], 0, SHAPE[1])))


@pytest.mark.parametrize("fill", [0.0, -999.0])
@pytest.mark.parametrize("window", [(0, 30, 0, EMPTY), (7, 9, 37, 60), (50, 120, 36, 41)])
def test_a_window_shows_what_the_whole_image_does(tmp_path, fill, window):
    # Rounded, so that single zeros are sky.
    image = np.round(sky(0.0), 2)
    image[:, :EMPTY] = fill
    path = write_calexp(tmp_path / "i.fits", image, None, None, tan_wcs(), "HSC-I")
    y0, y1, x0, x1 = window
    found = open_band(path, "i", 27.0).read_image(window)
    np.testing.assert_array_equal(~np.isfinite(found), missing(path)[y0:y1, x0:x1])
    assert np.isnan(found[:, : EMPTY - x0]).all()


@pytest.mark.parametrize("fill", [0.0, -32768.0, -999.0, 1e30, np.nan])
@pytest.mark.parametrize("planes", [None, {"SAT": 1, "DETECTED": 5}])
def test_any_constant_that_fills_a_region_is_missing(tmp_path, fill, planes):
    mask = None if planes is None else np.zeros(SHAPE, np.int32)
    path = write_calexp(
        *(tmp_path / "i.fits", sky(fill), mask, None, tan_wcs(), "HSC-I"),
        mask_planes=planes or {},
    )
    expected = np.broadcast_to(np.arange(SHAPE[1]) < EMPTY, SHAPE)
    np.testing.assert_array_equal(missing(path), expected)


def test_with_a_plane_no_data_the_mask_alone_counts(tmp_path):
    mask = np.zeros(SHAPE, np.int32)
    path = write_calexp(tmp_path / "i.fits", sky(0.0), mask, None, tan_wcs(), "HSC-I")
    assert not missing(path).any()


def packed(path: Path, image: np.ndarray, **how: object) -> Path:
    hdu = fits.CompImageHDU(image, tan_wcs().to_header(), **how)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def integers(path: Path, image: np.ndarray, step: float) -> Path:
    hdu = fits.PrimaryHDU(np.round(image / step).astype(np.int16), tan_wcs().to_header())
    hdu.header["BSCALE"] = step
    hdu.writeto(path)
    return path


@pytest.mark.parametrize("fill", [0.0, 0.01])
@pytest.mark.parametrize(
    "write",
    [
        lambda p, image: packed(p, image, compression_type="RICE_1", quantize_level=16),
        lambda p, image: packed(p, image, compression_type="RICE_1", quantize_level=4),
        lambda p, image: packed(p, image, compression_type="HCOMPRESS_1", quantize_level=16),
        lambda p, image: integers(p, image, 0.015),
    ],
)
def test_a_sky_pixel_rounded_to_zero_is_no_hole(tmp_path, write, fill):
    image = sky(fill)
    image[:, :EMPTY] += np.random.default_rng(2).normal(0, 0.03, (SHAPE[0], EMPTY))
    path = write(tmp_path / "i.fits", image)
    read = open_band(path, "i", 27.0).read_image((0, SHAPE[0], 0, SHAPE[1]))
    assert np.isfinite(read).all()
    if fill == 0:
        assert (read == 0).any()
    write(tmp_path / "holes.fits", sky(0.0))
    assert missing(tmp_path / "holes.fits").sum() == EMPTY * SHAPE[0]


def test_a_single_zero_in_floating_point_is_a_hole(tmp_path):
    image = sky(np.nan)
    image[50, 70] = 0
    fits.writeto(tmp_path / "i.fits", image, tan_wcs().to_header())
    assert missing(tmp_path / "i.fits")[50, 70]


def test_real_images_packed_by_rice_lose_no_object(shared_data, tmp_path):
    folder = shared_data / "hsc_pdr3_deep_gri"
    with fits.open(folder / "calexp-HSC-I-10054-0,2-c1.fits") as hdus:
        for band, name, level in (("I", "plain", None), ("I", "rice", 16)):
            hdu = hdus[0].copy()
            if level:
                hdu = fits.CompImageHDU(hdu.data, hdu.header, quantize_level=level)
            fits.HDUList([fits.PrimaryHDU(), hdu] if level else [hdu]).writeto(
                tmp_path / f"{name}-HSC-{band}.fits"
            )
    stores = {}
    for name in ("plain", "rice"):
        field = FieldConfig(
            images=str(tmp_path / f"{name}-{{filter}}.fits"),
            catalogue=TableConfig(str(folder / "objects.fits"), "hsc-pdr3-objects"),
            bands=("i",),
        )
        config = RunConfig(stores=str(tmp_path / name), fields={"A": field})
        stores[name] = open_field(ingest(config, "A", progress=False), lazy=False)
    unusable = ~is_usable(stores["rice"]["flags"].values)
    assert not unusable.any()
    noise = stores["plain"]["sky_noise"].values[:, 0]
    np.testing.assert_allclose(stores["rice"]["sky_noise"].values[:, 0], noise, rtol=0.05)
    difference = (stores["rice"]["image"] - stores["plain"]["image"]).values.astype(np.float32)
    assert np.std(difference) < 0.1 * np.median(noise)
