"""Headers of images as archives and tools write them."""

from __future__ import annotations

import bz2
import logging
import lzma
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from hscz.errors import InputError
from hscz.sky import header as head
from hscz.sky.cutouts import cut_tile
from hscz.sky.fits import open_band, write_calexp
from hscz.sky.mask import HSC_MASK_PLANES
from hscz.sky.mosaic import assign
from hscz.sky.photometry import aperture_flux
from hscz.sky.region import open_region
from tests.helpers.images import stars

SHAPE = (300, 320)
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 4e-5, "A_0_2": 3e-5, "B_1_1": -4e-5}
TPV = {"PV1_1": 1.0, "PV1_4": 0.5, "PV2_1": 1.0, "PV2_4": -0.4}


def cards(scale_arcsec: float = 0.168, projection: str = "TAN", **more: object) -> fits.Header:
    header = fits.Header({"CTYPE1": f"RA---{projection}", "CTYPE2": f"DEC--{projection}"})
    header.update({"CRVAL1": 0.0, "CRVAL2": 2.0, "CRPIX1": 160.5, "CRPIX2": 150.5})
    header.update({"CD1_1": -scale_arcsec / 3600, "CD2_2": scale_arcsec / 3600, **more})
    return header


def plain(path: Path, header: fits.Header, image: np.ndarray | None = None) -> Path:
    image = np.random.default_rng(1).normal(size=SHAPE) if image is None else image
    fits.writeto(path, image.astype(np.float32), header)
    return path


def painted(header: fits.Header, ra: np.ndarray, dec: np.ndarray, scale: float) -> np.ndarray:
    """Stars of 100 counts, whose PSF has a FWHM of 0.75 arcsec, in faint noise."""
    light = stars(SHAPE, *WCS(header).all_world2pix(ra, dec, 0), 100.0, 0.75 / 2.3548 / scale)
    return light + np.random.default_rng(1).normal(0, 1e-3, SHAPE)


@pytest.mark.parametrize(
    ("header", "scale"),
    [
        (cards(), 0.168),
        (cards(0.168, "TAN-SIP", **SIP), 0.168),
        (cards(0.168, "TPV", **TPV), 0.168),
        (cards(0.187, "TPV", **TPV), 0.187),
        (cards(0.187, "TAN", **TPV), 0.187),
        (cards(0.168, "TPV", **TPV | {"PV1_1": 1.2, "PV2_1": 1.2}), 0.168 * 1.2),
        (cards(CD1_1=0.168 / 3600), 0.168),
        (cards(CD1_1=0.0, CD2_2=0.0, CD1_2=0.168 / 3600, CD2_1=0.168 / 3600), 0.168),
    ],
)
def test_a_star_is_found_with_its_flux_under_any_wcs(tmp_path, header, scale):
    # Right ascensions around 0, as a field on both sides of it has them.
    ra, dec = np.array([0.004, 359.9965, 0.0001]), np.array([2.003, 1.9975, 2.0])
    image = painted(header, ra, dec, scale)
    plain(tmp_path / "i.fits", header, image)
    pattern = {"i": str(tmp_path / "{band}.fits")}
    folder = None if scale == 0.168 else tmp_path / "out"
    tiles = open_region(pattern, {"i": 27.0}, stamp_px=32, folder=folder).tiles
    index, x, y = assign(tiles, ra, dec, 32)
    assert (index == 0).all()
    cuts = cut_tile(tiles[0], x, y, 32)
    for stamp, dx, dy in zip(cuts.images[:, 0].astype(float), x % 1, y % 1, strict=True):
        offset = np.array([dy, dx]) - np.round([dy, dx])
        weight = stamp / stamp.sum()
        centre = [(weight * axis).sum() for axis in np.indices(stamp.shape)]
        np.testing.assert_allclose(centre, 16 + offset, atol=0.05)
        assert aperture_flux(stamp, 2.0) == pytest.approx(100, rel=0.01)


def test_an_image_comes_packed_in_any_usual_way(tmp_path):
    path = plain(tmp_path / "plain.fits", cards())
    (tmp_path / "i.fits.bz2").write_bytes(bz2.compress(path.read_bytes()))
    (tmp_path / "xz.fits").write_bytes(lzma.compress(path.read_bytes(), preset=0))
    window = (10, 60, 20, 90)
    whole = open_band(path, "i", 27.0).read_image(window)
    (tile,) = open_region({"i": str(tmp_path / "{band}.fits")}, {"i": 27.0}).tiles
    for image in (tile.bands[0], open_band(tmp_path / "xz.fits", "i", 27.0)):
        np.testing.assert_array_equal(image.read_image(window), whole)
    (tmp_path / "cut.fits.bz2").write_bytes((tmp_path / "i.fits.bz2").read_bytes()[:-5000])
    with pytest.raises(InputError, match=r"cut.fits.bz2: truncated.*fetch the file again"):
        open_band(tmp_path / "cut.fits.bz2", "i", 27.0)


@pytest.mark.filterwarnings("ignore:Unexpected extra padding")
def test_padding_at_the_end_is_nothing(tmp_path):
    path = plain(tmp_path / "i.fits", cards())
    whole = path.read_bytes()
    for padding in (b"\0" * 100, b" " * 2880, b"\0" * 9000):
        path.write_bytes(whole + padding)
        assert open_band(path, "i", 27.0).shape == SHAPE
    path.write_bytes(whole + b"\0" * 100 + b"XTENSION")
    with pytest.raises(InputError, match="breaks off in a header"):
        open_band(path, "i", 27.0)


@pytest.mark.parametrize(
    ("given", "cards_there", "found"),
    [
        (None, {"BUNIT": "nJy"}, 31.4),
        (31.4, {"BUNIT": "nJy"}, 31.4),
        (None, {"BUNIT": "uJy"}, 23.9),
        (None, {"BUNIT": "adu", "FLUXMAG0": 1e12}, 30.0),
        (30.0, {"BUNIT": "MJy/sr"}, 30.0),
        (30.0, {"MAGZERO": 30.0}, 30.0),
    ],
)
def test_zero_points(tmp_path, given, cards_there, found):
    path = plain(tmp_path / "i.fits", cards(**cards_there))
    assert open_band(path, "i", given).zero_point == pytest.approx(found)


@pytest.mark.parametrize(
    ("given", "cards_there", "said"),
    [
        (None, {"PHOTZP": 30.0}, "FLUXMAG0 is None, PHOTZP is 30.0; give zero_point"),
        (None, {"BUNIT": "MJy/sr"}, "FLUXMAG0 is None; give zero_point"),
        (
            27.0,
            {"BUNIT": "nJy"},
            "BUNIT 'nJy' makes the zero point 31.4000, but zero_point is 27.0",
        ),
        (None, {"BUNIT": "nJy", "FLUXMAG0": 1e12}, "30.0000, but that of BUNIT 'nJy' is 31.4"),
    ],
)
def test_zero_points_that_contradict_or_are_vague(tmp_path, given, cards_there, said):
    path = plain(tmp_path / "i.fits", cards(**cards_there))
    with pytest.raises(InputError, match=rf"i\.fits: .*{said}"):
        open_band(path, "i", given)


def test_a_card_that_may_be_another_zero_point_is_told_once(tmp_path, caplog):
    head._note_vague.cache_clear()
    path = plain(tmp_path / "i.fits", cards(PHOTZP=30.0))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert open_band(path, "i", 27.0).zero_point == 27.0
    said = "the images have PHOTZP = 30.0, but zero_point = 27.0 is used; check it"
    assert caplog.messages == [said]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (cards(CTYPE1="DEC--TAN", CTYPE2="RA---TAN"), "CTYPE1 is 'DEC--TAN', right ascension must"),
        (cards(CD1_1=-0.168, CD2_2=0.168), "its pixels have 604.8 arcsec"),
        (cards(EQUINOX="J2000"), r"no usable WCS \(EQUINOX = 'J2000 *' a floating-point value"),
        (cards(CUNIT1="degree"), "CUNIT1 .*'degree'"),
    ],
)
def test_a_wcs_that_would_mislead_is_refused_with_its_card(tmp_path, header, said):
    with pytest.raises(InputError, match=rf"i\.fits: .*{said}"):
        open_band(plain(tmp_path / "i.fits", header), "i", 27.0)


def test_pixels_that_are_not_square_are_not_the_survey_s(tmp_path):
    plain(tmp_path / "i.fits", cards(CD1_1=-0.252 / 3600, CD2_2=0.112 / 3600))
    with pytest.raises(InputError, match=r"i\.fits: has pixels of 0.252 x 0.112 arcsec"):
        open_region({"i": str(tmp_path / "{band}.fits")}, {"i": 27.0})


def test_images_that_cannot_be_told_apart_are_listed(tmp_path):
    hdus = [fits.ImageHDU(np.ones((8, 9)), cards(), name=name) for name in ("SCI", "WHT")]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "i.fits")
    said = r"has 2 2-D images, none .*HDU 0 '' has no px, 1 'SCI' has 8 x 9 px, 2 'WHT'"
    with pytest.raises(InputError, match=said):
        open_band(tmp_path / "i.fits", "i", 27.0)


def test_all_bits_of_a_mask_are_there(tmp_path):
    planes = {**HSC_MASK_PLANES, "NO_DATA": 31, "SAT": 30}
    mask = np.zeros((40, 50), np.int32)
    mask[3, 4], mask[5, 6] = -(2**31), 1 << 30
    header = cards()
    path = write_calexp(
        *(tmp_path / "i.fits", np.ones((40, 50)), mask, None, WCS(header), "HSC-I"),
        mask_planes=planes,
    )
    image = open_band(path, "i")
    read = image.read_mask((0, 40, 0, 50))
    assert np.argwhere(image.mask_bit(read, "NO_DATA")).tolist() == [[3, 4]]
    assert np.argwhere(image.mask_bit(read, "SAT", "NO_DATA")).tolist() == [[3, 4], [5, 6]]
