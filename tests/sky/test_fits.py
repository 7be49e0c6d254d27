from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from hscz.errors import InputError, StoreError
from hscz.sky.fits import open_band, write_calexp
from hscz.sky.mask import HSC_MASK_PLANES
from tests.helpers.images import tan_wcs

SHAPE = (40, 50)
CENTRE = (25.0, 20.0)


@pytest.fixture
def planes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    image = rng.normal(size=SHAPE).astype(np.float32)
    mask = rng.integers(0, 2**17, size=SHAPE, dtype=np.int32)
    return image, mask, rng.uniform(1, 2, size=SHAPE).astype(np.float32)


@pytest.fixture
def calexp(tmp_path: Path, planes) -> Path:
    return write_calexp(tmp_path / "a.fits", *planes, tan_wcs(crpix=CENTRE), "HSC-I")


def edit(path: Path, name: str, hdu: int, **cards: object) -> Path:
    """Copy a file with some cards changed, or deleted where the value is None."""
    copy = path.with_name(name)
    with fits.open(path) as hdus:
        for key, value in cards.items():
            if value is None:
                del hdus[hdu].header[key]
            else:
                hdus[hdu].header[key] = value
        hdus.writeto(copy)
    return copy


def test_what_is_written_is_read_back(calexp, planes):
    band = open_band(calexp, "i")
    assert band.shape == SHAPE
    assert band.zero_point == pytest.approx(27.0)
    assert band.mask_planes == HSC_MASK_PLANES
    assert band.pixel_scale_arcsec == pytest.approx(0.168)
    for read, written in zip(band.read((3, 30, 5, 45)), planes, strict=True):
        assert read.dtype == written.dtype
        assert read.dtype.isnative
        np.testing.assert_array_equal(read, written[3:30, 5:45])


def test_wcs_is_written_as_cd_matrix_and_survives(calexp):
    header = fits.getheader(calexp, "IMAGE")
    assert "CD1_1" in header
    assert "CDELT1" not in header
    x, y = np.array([0.0, 49.0]), np.array([39.0, 0.0])
    np.testing.assert_allclose(
        open_band(calexp, "i").wcs.all_pix2world(x, y, 0),
        tan_wcs(crpix=CENTRE).all_pix2world(x, y, 0),
    )


def test_counts_and_variance_are_scaled_to_zero_point_27(tmp_path, planes):
    path = write_calexp(
        tmp_path / "a.fits", *planes, tan_wcs(crpix=CENTRE), "HSC-I", zero_point=30.0
    )
    image, _, variance = open_band(path, "i").read((0, 40, 0, 50))
    np.testing.assert_allclose(image, planes[0] * 10**-1.2, rtol=1e-5)
    np.testing.assert_allclose(variance, planes[2] * 10**-2.4, rtol=1e-5)


def test_the_option_serves_images_without_a_zero_point(calexp, planes):
    bare = edit(calexp, "bare.fits", 0, FLUXMAG0=None)
    band = open_band(bare, "i", zero_point=30.0)
    assert band.zero_point == 30.0
    np.testing.assert_allclose(band.read_image((0, 40, 0, 50)), planes[0] * 10**-1.2, rtol=1e-5)


def test_the_zero_point_of_the_header_counts(calexp):
    assert open_band(calexp, "i", zero_point=27.0009).zero_point == pytest.approx(27.0, abs=1e-9)
    for other in (26.998, 30.0, np.nan):
        with pytest.raises(InputError, match=rf"a.fits: .*27.0000, .* is {other}; remove zero_po"):
            open_band(calexp, "i", zero_point=other)


@pytest.mark.parametrize("names", ["EXTTYPE", "EXTNAME"])
def test_planes_are_found_by_either_name_and_compressed(calexp, planes, tmp_path, names):
    with fits.open(calexp) as hdus:
        packed = fits.HDUList([fits.PrimaryHDU(header=hdus[0].header)])
        for hdu in hdus[1:]:
            tile = fits.CompImageHDU(
                hdu.data, hdu.header, compression_type="GZIP_2", quantize_level=0
            )
            del tile.header["EXTNAME" if names == "EXTTYPE" else "EXTTYPE"]
            packed.append(tile)
        packed.writeto(tmp_path / "a.fits.fz")
    band = open_band(tmp_path / "a.fits.fz", "i")
    assert set(band.hdus) == {"IMAGE", "MASK", "VARIANCE"}
    for read, written in zip(band.read((3, 30, 5, 45)), planes, strict=True):
        np.testing.assert_array_equal(read, written[3:30, 5:45])


def test_plain_image_has_neither_mask_nor_variance(tmp_path, planes):
    header = tan_wcs(crpix=CENTRE).to_header()
    fits.PrimaryHDU(planes[0], header).writeto(tmp_path / "plain.fits")
    band = open_band(tmp_path / "plain.fits", "i", zero_point=27.0)
    image, mask, variance = band.read((0, 40, 0, 50))
    np.testing.assert_array_equal(image, planes[0])
    assert mask is None
    assert variance is None


def test_mask_bits_come_from_the_header(tmp_path, planes):
    moved = {name: 16 - bit for name, bit in HSC_MASK_PLANES.items()}
    mask = np.zeros(SHAPE, np.int32)
    mask[4, 5], mask[6, 7] = 1 << moved["SAT"], 1 << moved["NO_DATA"]
    path = write_calexp(
        tmp_path / "a.fits",
        planes[0],
        mask,
        None,
        tan_wcs(crpix=CENTRE),
        "HSC-I",
        mask_planes=moved,
    )
    band = open_band(path, "i")
    read = band.read_mask((0, 40, 0, 50))
    assert np.argwhere(band.mask_bit(read, "SAT")).tolist() == [[4, 5]]
    assert np.argwhere(band.mask_bit(read, "SAT", "NO_DATA", "TRAIL")).tolist() == [[4, 5], [6, 7]]
    assert not band.mask_bit(read, "TRAIL").any()


def test_blank_card_does_not_spoil_high_mask_bits(calexp, planes):
    path = calexp.with_name("blank.fits")
    with fits.open(calexp, do_not_scale_image_data=True) as hdus:
        hdus[2].header["BLANK"] = 2**31 - 1
        hdus[2].data[0, 0] = 2**30 + 1
        hdus.writeto(path)
    assert fits.getdata(path, 2).dtype.kind == "f"
    mask = open_band(path, "i").read_mask((0, 40, 0, 50))
    assert mask.dtype == np.int32
    assert mask[0, 0] == 2**30 + 1


def test_a_window_does_not_load_the_image(tmp_path):
    path = write_calexp(
        tmp_path / "a.fits", np.zeros((3000, 3000)), None, None, tan_wcs(crpix=CENTRE), "HSC-I"
    )
    band = open_band(path, "i")
    tracemalloc.start()
    band.read_image((100, 200, 100, 200))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e6


def test_window_outside_the_image_is_refused(calexp):
    with pytest.raises(ValueError, match="is not inside"):
        open_band(calexp, "i").read_image((0, 41, 0, 50))


def test_the_real_server_cutout(shared_data):
    (path,) = (shared_data / "hsc_das_cutout").glob("cutout-*.fits")
    band = open_band(path, "r")
    assert band.hdus == {"IMAGE": 1, "MASK": 2, "VARIANCE": 3}
    assert band.zero_point == pytest.approx(27.0)
    assert band.mask_planes["DETECTED"] == 5
    image, mask, variance = band.read((0, band.shape[0], 0, band.shape[1]))
    assert image.shape == mask.shape == variance.shape == (466, 448)
    detected = band.mask_bit(mask, "DETECTED")
    assert np.median(image[detected]) > 3 * np.median(image[~detected])
    ra, dec = band.wcs.all_pix2world(224, 233, 0)
    assert (ra, dec) == (pytest.approx(129.574, abs=0.01), pytest.approx(-1.635, abs=0.01))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.fits: no such file"):
        open_band(tmp_path / "nowhere.fits", "i")


@pytest.mark.parametrize("length", [100, 2880, 9000, 20000])
def test_a_truncated_file_is_refused(calexp, length):
    data = calexp.read_bytes()
    cut = calexp.with_name("cut.fits")
    cut.write_bytes(data[:length])
    with pytest.raises(InputError, match=r"cut.fits: .*(truncated|give the coadd)"):
        open_band(cut, "i")


def test_a_file_that_loses_its_last_byte_is_refused(calexp):
    calexp.write_bytes(calexp.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"truncated, .* bytes of .* fetch the file again"):
        open_band(calexp, "i")


def test_a_gzipped_file_is_read_as_it_is(calexp, planes, tmp_path):
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(calexp.read_bytes()))
    for read, written in zip(open_band(packed, "i").read((3, 30, 5, 45)), planes, strict=True):
        np.testing.assert_array_equal(read, written[3:30, 5:45])


@pytest.mark.parametrize("damage", ["cut", "inner", "bytes"])
def test_a_damaged_gzipped_file_is_refused(calexp, tmp_path, damage):
    packed, content = tmp_path / "a.fits.gz", calexp.read_bytes()
    whole = bytearray(gzip.compress(content))
    if damage == "bytes":
        whole[len(whole) // 2 : len(whole) // 2 + 50] = bytes(50)
    packed.write_bytes(gzip.compress(content[:-100]) if damage == "inner" else whole)
    if damage == "cut":
        packed.write_bytes(whole[:-3000])
    with pytest.raises(InputError, match=r"a.fits.gz: truncated.*fetch the file again"):
        open_band(packed, "i")


def test_zeros_without_a_mask_are_missing(tmp_path, planes):
    image, mask, _ = planes
    image[5] = 0
    bare = open_band(
        write_calexp(tmp_path / "a.fits", image, None, None, tan_wcs(crpix=CENTRE), "HSC-I"), "i"
    )
    assert np.isnan(bare.read_image((5, 6, 0, 50))).all()
    assert np.isfinite(bare.read_image((0, 5, 0, 50))).all()
    path = write_calexp(tmp_path / "b.fits", image, mask, None, tan_wcs(crpix=CENTRE), "HSC-I")
    assert (open_band(path, "i").read_image((5, 6, 0, 50)) == 0).all()


@pytest.mark.parametrize(
    ("name", "card", "band"),
    [
        ("calexp-MegaCam-u-9813-4,4.fits", "MegaCam-u", "us"),
        ("a.fits", "u.MP9302", "us"),
        ("a.fits", "u.MP9301", "u"),
        ("calexp-MegaCam-u-9813-4,4.fits", "", "us"),
        ("calexp-MegaCam-uS-9813-4,4.fits", "unknown", "u"),
    ],
)
def test_u_is_not_taken_for_u_star(tmp_path, planes, name, card, band):
    path = write_calexp(tmp_path / name, planes[0], None, None, tan_wcs(crpix=CENTRE), card)
    other = {"u": "us", "us": "u"}[band]
    said = rf"{name}: .*, which is band {other}, but the file was given for band {band}; correct"
    with pytest.raises(InputError, match=said):
        open_band(path, band)
    assert open_band(path, other).band == other


def test_text_is_not_an_image(tmp_path):
    (tmp_path / "a.fits").write_text("<html>401 Unauthorized</html>")
    with pytest.raises(InputError, match=r"a.fits: is not a FITS file"):
        open_band(tmp_path / "a.fits", "i")


def test_compressed_pixels_that_are_cut_short_are_refused(calexp, monkeypatch):
    band = open_band(calexp, "i")
    for error in (EOFError("ended early"), zlib.error("invalid stored block")):

        def broken(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(fits.hdu.image.Section, "__getitem__", broken)
        with pytest.raises(InputError, match=r"a.fits: the IMAGE plane cannot be read"):
            band.read_image((0, 40, 0, 50))


@pytest.mark.parametrize("card", ["BITPIX", "NAXIS", "NAXIS2"])
def test_a_header_without_a_needed_card_is_refused(calexp, card):
    data = calexp.read_bytes()
    place = data.index(card.ljust(8).encode(), 2880)
    calexp.write_bytes(data[:place] + b"COMMENT " + data[place + 8 :])
    with pytest.raises(InputError, match=rf"a.fits: the header of HDU 1 is damaged .*{card}"):
        open_band(calexp, "i")


def test_a_table_is_not_an_image(tmp_path):
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(np.zeros(3, [("a", "f4")]))]).writeto(
        tmp_path / "table.fits"
    )
    with pytest.raises(InputError, match=r"table.fits: .* give the coadd"):
        open_band(tmp_path / "table.fits", "i")


@pytest.mark.parametrize(
    ("hdu", "cards", "message"),
    [
        (1, {"CTYPE1": None, "CTYPE2": None}, "WCS.*astrometry"),
        (1, {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}, "GLON.*not ICRS"),
        (1, {"RADESYS": "FK4", "EQUINOX": 1950.0}, "FK4.*not ICRS"),
        (1, {"CD1_1": 0.0, "CD2_2": 0.0}, "WCS.*astrometry"),
        (0, {"FLUXMAG0": None}, "FLUXMAG0 is None; give zero_point"),
        (0, {"FLUXMAG0": -1.0}, "FLUXMAG0 is -1.0"),
        (0, {"FLUXMAG0": "NaN"}, "FLUXMAG0 is 'NaN'"),
        (0, {"FILTER": "HSC-R2"}, "FILTER is 'HSC-R2', which is band r.*given for band i"),
        (2, {f"MP_{plane}": None for plane in HSC_MASK_PLANES}, "names no plane"),
        (1, {"EXTTYPE": "A", "EXTNAME": "A"}, None),
        (2, {"EXTTYPE": "IMAGE", "EXTNAME": "MASK"}, None),
    ],
)
def test_bad_headers(calexp, hdu, cards, message):
    path = edit(calexp, "bad.fits", hdu, **cards)
    if message is None:
        assert open_band(path, "i").hdus["IMAGE"] == 1
    else:
        with pytest.raises(InputError, match=f"bad.fits: .*{message}"):
            open_band(path, "i")


def test_planes_of_other_shapes_are_refused(calexp, tmp_path):
    with fits.open(calexp) as hdus:
        hdus[2].data = hdus[2].data[:-1]
        hdus.writeto(tmp_path / "bad.fits")
    with pytest.raises(InputError, match=r"bad.fits: its planes differ in shape"):
        open_band(tmp_path / "bad.fits", "i")


def test_old_frame_keyword_is_understood(calexp):
    path = edit(calexp, "old.fits", 1, RADESYS=None, RADECSYS="FK5", EQUINOX=2000.0)
    assert open_band(path, "i").wcs.wcs.crval[0] == pytest.approx(150.0)


def test_nothing_is_left_of_a_file_that_could_not_be_written(tmp_path, planes, monkeypatch):
    with pytest.raises(ValueError, match="MASK has shape"):
        write_calexp(
            tmp_path / "a.fits", planes[0], planes[1][1:], None, tan_wcs(crpix=CENTRE), "HSC-I"
        )

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match=r"a.fits: cannot be written \(disk full\)"):
        write_calexp(tmp_path / "a.fits", *planes, tan_wcs(crpix=CENTRE), "HSC-I")
    assert list(tmp_path.iterdir()) == []
