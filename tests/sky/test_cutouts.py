from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hscz.schema import Flag
from hscz.sky.cutouts import TileCuts, cut_tile, gather, to_half
from hscz.sky.fits import write_calexp
from hscz.sky.mask import HSC_MASK_PLANES, mask_value
from hscz.sky.psf import PsfFiles
from hscz.sky.region import open_region
from hscz.sky.sphere import unit_vectors
from tests.helpers.images import tan_wcs

SHAPE = (200, 210)
HERE = 100.0


def cut(
    folder: Path,
    image: np.ndarray,
    mask: np.ndarray | None = None,
    planes: dict[str, int] | None = None,
    x: tuple[float, ...] = (HERE,),
    y: tuple[float, ...] = (HERE,),
) -> TileCuts:
    """Write an image in g and plain noise in i, then cut both around the positions."""
    noise = np.random.default_rng(9).normal(0, 0.1, SHAPE)
    named = dict(planes or HSC_MASK_PLANES)
    write_calexp(folder / "g.fits", image, mask, None, tan_wcs(), "HSC-G", mask_planes=named)
    write_calexp(folder / "i.fits", noise, None, None, tan_wcs(), "HSC-I")
    (tile,) = open_region(dict.fromkeys(("g", "i"), str(folder / "{band}.fits"))).tiles
    return cut_tile(tile, np.array(x), np.array(y))


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.05, SHAPE).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int32, np.dtype(">f4")])
def test_gather_copies_what_slicing_does(dtype):
    rng = np.random.default_rng(5)
    cube = rng.integers(0, 1000, size=(3, 90, 80)).astype(dtype)
    x0, y0 = rng.integers(0, 80 - 16 + 1, 50), rng.integers(0, 90 - 16 + 1, 50)
    x0[:2], y0[:2] = (0, 64), (0, 74)
    slices = [cube[:, y : y + 16, x : x + 16] for x, y in zip(x0, y0, strict=True)]
    stamps = gather(cube, x0, y0, 16)
    assert stamps.dtype == cube.dtype
    np.testing.assert_array_equal(stamps, slices)
    out = np.zeros_like(stamps)
    assert gather(cube, x0, y0, 16, out=out) is out
    np.testing.assert_array_equal(out, stamps)


def test_gather_takes_windows_of_larger_images():
    whole = np.random.default_rng(5).normal(size=(2, 60, 70))
    part = whole[:, 5:50, 7:60]
    np.testing.assert_array_equal(
        gather(part, np.array([3]), np.array([4]), 8)[0], whole[:, 9:17, 10:18]
    )


@pytest.mark.parametrize(("x0", "y0"), [(-1, 0), (0, -1), (57, 0), (0, 47)])
def test_gather_refuses_to_reach_over_the_edge(x0, y0):
    with pytest.raises(ValueError, match="over the edge"):
        gather(np.zeros((1, 50, 60)), np.array([x0]), np.array([y0]), 4)


def test_gather_refuses_other_types_and_layouts():
    cube, place = np.zeros((1, 50, 60), np.float32), np.array([3])
    with pytest.raises(ValueError, match="float64"):
        gather(cube, place, place, 4, out=np.zeros((1, 1, 4, 4)))
    with pytest.raises(ValueError, match="contiguous"):
        gather(cube.transpose(0, 2, 1), place, place, 4)
    assert gather(cube, place[:0], place[:0], 4).shape == (0, 1, 4, 4)


def test_bright_pixels_are_clipped_not_infinite():
    half, clipped = to_half(np.array([[[7e4, 1.0]], [[65504.0, -7.0]], [[2.0, -7e4]]]))
    assert np.isfinite(half).all()
    assert half[0, 0, 0] == np.float16(65504)
    assert clipped.tolist() == [True, False, True]


def test_stamps_are_centred_and_stored_within_one_percent_of_the_noise(tmp_path, image):
    image[100, 101] = 50
    cuts = cut(tmp_path, image, x=(101.49, 100.5), y=(99.5, 100.49))
    assert cuts.images.shape == (2, 2, 64, 64)
    assert cuts.images.dtype == np.float16
    for stamp in cuts.images[:, 0]:
        assert np.unravel_index(stamp.argmax(), stamp.shape) == (32, 32)
        step = np.abs(stamp - image[68:132, 69:133])
        assert np.median(step) < 0.01 * 0.05
    assert cuts.flags.tolist() == [0, 0]
    np.testing.assert_allclose(cuts.sky_noise, [[0.05, 0.1]] * 2, rtol=0.06)
    assert np.isnan(cuts.psf_fwhm_arcsec).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_missing_pixels_become_zero_and_are_flagged(tmp_path, image, bad):
    image[70, 75] = bad
    cuts = cut(tmp_path, image, x=(HERE, 150.0), y=(HERE, 150.0))
    assert cuts.flags.tolist() == [Flag.MISSING_PIXELS, 0]
    assert np.isfinite(cuts.images).all()
    assert cuts.images[0, 0, 2, 7] == 0


@pytest.mark.parametrize("bad", [np.nan, 0.0])
def test_a_stamp_without_any_data(tmp_path, image, bad):
    mask = np.zeros(SHAPE, np.int32)
    image[60:140, 60:140] = bad
    mask[60:140, 60:140] = mask_value("NO_DATA")
    flags = cut(tmp_path, image, mask, x=(HERE, 170.0), y=(HERE, 160.0)).flags
    assert flags[0] == Flag.MISSING_PIXELS | Flag.ALL_MASKED
    assert flags[1] == Flag.MISSING_PIXELS


def test_an_image_without_any_data_has_no_noise(tmp_path):
    cuts = cut(tmp_path, np.full(SHAPE, np.nan))
    assert cuts.flags[0] == Flag.MISSING_PIXELS | Flag.ALL_MASKED | Flag.NO_NOISE
    assert (cuts.images[:, 0] == 0).all()
    assert np.isnan(cuts.sky_noise[0, 0])


def test_a_constant_image_has_no_noise(tmp_path):
    mask = np.zeros(SHAPE, np.int32)
    assert cut(tmp_path, np.ones(SHAPE), mask).flags[0] == Flag.NO_NOISE


@pytest.mark.parametrize(
    ("plane", "dx", "flag"),
    [
        ("SAT", 10, Flag.SATURATED),
        ("SAT", 11, 0),
        ("BRIGHT_OBJECT", 0, Flag.BRIGHT_OBJECT),
        ("BRIGHT_OBJECT", 1, 0),
        ("STREAK", -32, Flag.TRAIL),
        ("STREAK", 32, 0),
        ("NO_DATA", 31, Flag.MISSING_PIXELS),
        ("EDGE", 31, Flag.EDGE),
        ("EDGE", 32, 0),
        ("SENSOR_EDGE", 0, 0),
        ("CLIPPED", 0, 0),
    ],
)
def test_mask_planes_set_flags_where_they_should(tmp_path, image, plane, dx, flag):
    # The bits are other than the pipeline's, as only the header can tell.
    planes = {"STREAK": 0, "NO_DATA": 2, "SAT": 7, "BRIGHT_OBJECT": 9, "CLIPPED": 1, "DETECTED": 3}
    planes |= {"EDGE": 11, "SENSOR_EDGE": 4}
    mask = np.zeros(SHAPE, np.int32)
    mask[100, 100 + dx] = 1 << planes[plane]
    assert cut(tmp_path, image, mask, planes).flags.tolist() == [flag]


def test_too_bright_pixels_set_their_flag(tmp_path, image):
    image[100, 100] = 1e6
    assert cut(tmp_path, image).flags[0] == Flag.CLIPPED


def test_noise_leaves_out_what_the_mask_calls_detected(tmp_path, image):
    mask = np.zeros(SHAPE, np.int32)
    image[70:120, 70:120] += np.random.default_rng(4).normal(0, 1, (50, 50))
    mask[70:120, 70:120] = mask_value("DETECTED")
    assert cut(tmp_path, image, mask).sky_noise[0, 0] == pytest.approx(0.05, rel=0.08)


def test_a_stamp_over_the_edge_of_its_tile_is_refused(tmp_path, image):
    with pytest.raises(ValueError, match="do not hold every stamp"):
        cut(tmp_path, image, x=(20.0,))


def test_no_objects_make_empty_arrays(tmp_path, image):
    cuts = cut(tmp_path, image, x=(), y=())
    assert cuts.images.shape == (0, 2, 64, 64)
    assert cuts.flags.shape == (0,)


@pytest.mark.parametrize("optional", [("g",), ()])
def test_an_object_has_an_optional_band_whole_or_not_at_all(tmp_path, image, optional):
    image[70, 75] = np.nan
    mask = np.zeros(SHAPE, np.int32)
    mask[75, 75] = mask_value("EDGE")
    places = np.array([[HERE, 150.0, 150.0, 50.0], [HERE, 150.0, 40.0, 150.0]])
    write_calexp(tmp_path / "g.fits", image, mask, None, tan_wcs(), "HSC-G")
    noise = np.random.default_rng(9).normal(0, 0.1, SHAPE)
    write_calexp(tmp_path / "i.fits", noise, None, None, tan_wcs(), "HSC-I")
    (tile,) = open_region(
        dict.fromkeys(("g", "i"), str(tmp_path / "{band}.fits")), optional=optional
    ).tiles
    cuts = cut_tile(tile, *places)
    if optional:
        assert np.isnan(cuts.images[:, 0]).all(axis=(1, 2)).tolist() == [True, False, False, False]
        assert np.isnan(cuts.sky_noise[:, 0]).tolist() == [True, False, False, False]
        assert cuts.flags.tolist() == [0, 0, 0, 0]
    else:
        assert np.isfinite(cuts.images).all()
        assert cuts.flags[0] == Flag.MISSING_PIXELS | Flag.EDGE
    assert np.isfinite(cuts.images[:, 1]).all()


def test_an_unreadable_image_costs_an_optional_band_but_not_the_tile(tmp_path, image):
    for band in ("g", "i"):
        write_calexp(tmp_path / f"{band}.fits", image, None, None, tan_wcs(), f"HSC-{band.upper()}")
    (tile,) = open_region(
        dict.fromkeys(("g", "i"), str(tmp_path / "{band}.fits")), optional=("g",)
    ).tiles
    (tmp_path / "g.fits").unlink()
    cuts = cut_tile(tile, np.array([HERE]), np.array([HERE]))
    assert np.isnan(cuts.images[0, 0]).all()
    assert np.isfinite(cuts.images[0, 1]).all()
    assert cuts.flags.tolist() == [0]
    assert "g.fits: the IMAGE plane cannot be read" in str(cuts.unread[0])


def test_models_of_the_psf_come_before_stars(tmp_path, image):
    write_calexp(tmp_path / "i.fits", image, None, None, tan_wcs(), "HSC-I")
    (tile,) = open_region(dict.fromkeys(("i",), str(tmp_path / "{band}.fits"))).tiles
    x = np.array([60.0, 140.0])
    sky = unit_vectors(*tile.wcs.all_pix2world(x, x, 0))
    models = PsfFiles({"i": sky[:1]}, {"i": np.array([0.7])})
    assert (
        cut_tile(tile, x, x, psf=models).psf_fwhm_arcsec.ravel().tolist() == [np.float32(0.7)] * 2
    )
    far = PsfFiles({"i": -sky[:1]}, {"i": np.array([0.7])})
    assert np.isnan(cut_tile(tile, x, x, psf=far).psf_fwhm_arcsec).all()
