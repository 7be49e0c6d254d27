from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from astropy.wcs import WCS

from hscz.errors import ConfigError, InputError
from hscz.sky.fits import BandImage, write_calexp
from hscz.sky.mosaic import Tile, assign
from hscz.sky.patches import LeftOut, find_patches
from hscz.sky.region import open_region
from hscz.survey import BANDS
from tests.helpers.images import tan_wcs

TREE = "deepCoadd-results/{filter}/{tract}/{patch}/calexp-{filter}-{tract}-{patch}.fits"


def make_wcs(x: float = 0.0, y: float = 0.0, scale_arcsec: float = 0.168) -> WCS:
    """Tangent plane around (150, 2) whose first pixel lies at (x, y) px from the centre."""
    return tan_wcs(crpix=(1 - x, 1 - y), scale_arcsec=scale_arcsec)


def write(path: Path, band: str, wcs: WCS, shape: tuple[int, int] = (80, 100)) -> Path:
    return write_calexp(path, np.zeros(shape), None, None, wcs, BANDS[band].filter_name)


@pytest.fixture
def tree(tmp_path: Path) -> str:
    """Two overlapping patches in two bands, laid out as in the archive."""
    for number, patch in enumerate(("4,4", "5,4")):
        for band in ("us", "i"):
            place = {"filter": BANDS[band].filter_name, "tract": "9813", "patch": patch}
            write(tmp_path / TREE.format(**place), band, make_wcs(70 * number))
    return str(tmp_path / TREE)


def tile_of(wcs: WCS, shape: tuple[int, int], window: tuple[int, int, int, int]) -> Tile:
    return Tile("t", (BandImage(Path("a.fits"), "i", shape, wcs, 27.0, {"IMAGE": 0}, {}),), window)


def patterns(pattern: str | Path, *bands: str) -> dict[str, str]:
    return dict.fromkeys(bands, str(pattern))


def test_the_archive_tree_is_found(tree):
    files, left_out = find_patches(patterns(tree, "us", "i"))
    assert list(files) == ["9813-4,4", "9813-5,4"]
    assert {band: path.name for band, path in files["9813-4,4"].items()} == {
        "us": "calexp-MegaCam-uS-9813-4,4.fits",
        "i": "calexp-HSC-I-9813-4,4.fits",
    }
    assert left_out == []


def test_strange_characters_in_the_path_are_literal(tmp_path):
    write(tmp_path / "a[1]" / "x-i.fits", "i", make_wcs())
    assert len(find_patches(patterns(tmp_path / "a[1]" / "x-{band}.fits", "i"))[0]) == 1


def test_one_file_per_band(tmp_path):
    for band in ("g", "i"):
        write(tmp_path / f"calexp-{BANDS[band].filter_name}-10054-0,2-c1.fits", band, make_wcs())
    tiles = open_region(
        dict.fromkeys(("g", "i"), str(tmp_path / "calexp-{filter}-10054-0,2-c1.fits"))
    ).tiles
    assert [tile.name for tile in tiles] == ["calexp-10054-0,2-c1"]
    assert [image.band for image in tiles[0].bands] == ["g", "i"]


def remove(folder: Path, filter_name: str, patch: str) -> None:
    (folder / TREE.format(filter=filter_name, tract="9813", patch=patch)).unlink()


def test_a_patch_without_a_band_is_left_out_and_named(tree, tmp_path):
    remove(tmp_path, "MegaCam-uS", "5,4")
    assert [tile.name for tile in open_region(dict.fromkeys(("us", "i"), tree)).tiles] == [
        "9813-4,4"
    ]
    patches, (left_out,) = find_patches(patterns(tree, "us", "i"))
    assert left_out == LeftOut(tree, "9813-5,4", "no file of band us (MegaCam-uS)")
    assert list(patches["9813-5,4"]) == ["i"]
    assert len(open_region(dict.fromkeys(("i",), tree)).tiles) == 2


def test_a_patch_may_lack_an_optional_band(tree, tmp_path):
    remove(tmp_path, "MegaCam-uS", "5,4")
    first, second = open_region(dict.fromkeys(("us", "i"), tree), optional=("us",)).tiles
    assert [image.band for image in first.bands] == ["us", "i"]
    assert second.bands[0] is None
    assert second.wcs.to_header() == second.bands[1].wcs.to_header()
    assert find_patches(patterns(tree, "us", "i"), ("us",))[1] == []


def test_one_file_may_serve_all_patches(tree, tmp_path):
    write(tmp_path / "J.fits", "J", make_wcs())
    patches, _ = find_patches(patterns(tree, "i") | {"J": str(tmp_path / "J.fits")})
    assert [files["J"].name for files in patches.values()] == ["J.fits", "J.fits"]


def test_compressed_files_are_found_too_and_plain_ones_first(tmp_path):
    for name in ("1-i.fits", "1-i.fits.gz", "2-i.fits.fz", "3-i.fits.gz", "4-i.fits.bak"):
        (tmp_path / name).touch()
    patches, _ = find_patches(patterns(tmp_path / "{patch}-{band}.fits", "i"))
    assert [files["i"].name for files in patches.values()] == [
        "1-i.fits",
        "2-i.fits.fz",
        "3-i.fits.gz",
    ]


def test_a_field_without_a_whole_patch_is_refused(tree, tmp_path):
    remove(tmp_path, "MegaCam-uS", "4,4")
    remove(tmp_path, "HSC-I", "5,4")
    write(tmp_path / TREE.format(filter="HSC-I", tract="9813", patch="6,4"), "i", make_wcs())
    message = r"none of 3 patches has all bands, 2 have no band us \(MegaCam-uS\); add its files"
    with pytest.raises(InputError, match=message):
        find_patches(patterns(tree, "us", "i"))


def test_no_file_and_unclear_patterns(tmp_path):
    with pytest.raises(InputError, match=r"x-\*.fits: no file matches"):
        open_region(dict.fromkeys(("i",), str(tmp_path / "x-{tract}.fits")))
    with pytest.raises(ConfigError, match="bands share a file"):
        open_region(dict.fromkeys(("g", "i"), str(tmp_path / "x.fits")))
    with pytest.raises(ConfigError, match=r"visit.* is unknown"):
        open_region(dict.fromkeys(("g", "i"), str(tmp_path / "x-{band}-{visit}.fits")))
    write(tmp_path / "x-i.fits", "i", make_wcs())
    with pytest.raises(ConfigError, match="tile_px is 64"):
        open_region(dict.fromkeys(("i",), str(tmp_path / "x-{band}.fits")), tile_px=64)


@pytest.mark.parametrize(
    ("wcs", "shape", "message"),
    [
        (make_wcs(0.1), (80, 100), "corners up to 0.1 px apart.*resample"),
        (make_wcs(scale_arcsec=0.1682), (80, 100), "px apart"),
        (make_wcs(), (80, 101), r"shapes \(80, 101\) and \(80, 100\)"),
    ],
)
def test_bands_on_different_grids_are_refused(tmp_path, wcs, shape, message):
    write(tmp_path / "g.fits", "g", make_wcs())
    write(tmp_path / "i.fits", "i", wcs, shape)
    with pytest.raises(InputError, match=f"i.fits: is not on the pixel grid of .*{message}"):
        open_region(dict.fromkeys(("g", "i"), str(tmp_path / "{band}.fits")))


def test_a_hundredth_of_a_pixel_between_bands_passes(tmp_path):
    write(tmp_path / "g.fits", "g", make_wcs())
    write(tmp_path / "i.fits", "i", make_wcs(0.01))
    assert len(open_region(dict.fromkeys(("g", "i"), str(tmp_path / "{band}.fits"))).tiles) == 1


def test_pixels_of_another_size_are_refused(tmp_path):
    write(tmp_path / "i.fits", "i", make_wcs(scale_arcsec=0.2))
    with pytest.raises(InputError, match=r"pixels of 0.2 arcsec.*0.168; resample"):
        open_region(dict.fromkeys(("i",), str(tmp_path / "{band}.fits")))


@pytest.mark.parametrize("shape", [(700, 650), (257, 400), (64, 256), (256, 256), (30, 300)])
def test_every_whole_stamp_is_whole_in_a_window(tmp_path, shape):
    write(tmp_path / "i.fits", "i", make_wcs(), shape)
    tiles = open_region(
        dict.fromkeys(("i",), str(tmp_path / "{band}.fits")), tile_px=256, stamp_px=64
    ).tiles
    assert all(max(tile.shape) <= 256 for tile in tiles)
    assert len({tile.name for tile in tiles}) == len(tiles)
    holders = np.zeros(shape, int)
    for tile in tiles:
        y0, y1, x0, x1 = tile.window
        assert 0 <= y0 < y1 <= shape[0]
        assert 0 <= x0 < x1 <= shape[1]
        holders[y0 : max(y1 - 63, y0), x0 : max(x1 - 63, x0)] += 1
    assert (holders[: max(shape[0] - 63, 0), : max(shape[1] - 63, 0)] > 0).all()


def test_windows_of_an_image_find_its_objects(tmp_path):
    whole = make_wcs(-300, -200)
    write(tmp_path / "i.fits", "i", whole, (500, 700))
    tiles = open_region(dict.fromkeys(("i",), str(tmp_path / "{band}.fits")), tile_px=256).tiles
    x, y = np.random.default_rng(2).uniform([[-20], [-20]], [[720], [520]], size=(2, 4000))
    index, x_tile, y_tile = assign(tiles, *whole.all_pix2world(x, y, 0), 64)
    column, row = np.floor(x + 0.5) - 32, np.floor(y + 0.5) - 32
    fits_in = (column >= 0) & (row >= 0) & (column + 64 <= 700) & (row + 64 <= 500)
    np.testing.assert_array_equal(index >= 0, fits_in)
    corner = np.array([(tile.window[2], tile.window[0]) for tile in tiles])[index[fits_in]]
    np.testing.assert_allclose(x_tile[fits_in] + corner[:, 0], x[fits_in], atol=1e-6)
    np.testing.assert_allclose(y_tile[fits_in] + corner[:, 1], y[fits_in], atol=1e-6)
    assert np.isnan(x_tile[~fits_in]).all()


def test_of_overlapping_patches_the_farther_edge_wins(tree):
    tiles = open_region(dict.fromkeys(("i",), tree), stamp_px=16).tiles
    x = np.array([20.0, 78.0, 84.0, 90.0, 150.0, 10.0])
    index, x_tile, _ = assign(tiles, *make_wcs().all_pix2world(x, np.full(6, 40.0), 0), 16)
    assert index.tolist() == [0, 0, 0, 1, 1, 0]
    np.testing.assert_allclose(x_tile, [20, 78, 84, 20, 80, 10], atol=1e-6)


def test_positions_that_are_nowhere():
    tiles = [tile_of(make_wcs(), (200, 200), (0, 200, 0, 200))]
    ra, dec = np.array([330.0, 150.0, np.nan, 150.0]), np.array([-2.0, -88.0, 2.0, np.nan])
    assert assign(tiles, ra, dec)[0].tolist() == [-1, -1, -1, -1]


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 2.0), (359.999, -1.0), (200.0, 89.98)])
def test_fields_at_zero_hours_and_at_the_pole(ra, dec):
    wcs = make_wcs(-100, -100)
    wcs.wcs.crval = [ra, dec]
    tiles = [tile_of(wcs, (200, 200), (0, 200, 0, 200))]
    x, y = np.random.default_rng(3).uniform(32, 167, size=(2, 500))
    index, x_tile, y_tile = assign(tiles, *wcs.all_pix2world(x, y, 0))
    assert (index == 0).all()
    np.testing.assert_allclose([x_tile, y_tile], [x, y], atol=1e-5)


def test_tiles_travel_to_workers(tree):
    tile = open_region(dict.fromkeys(("us", "i"), tree)).tiles[0]
    copy = pickle.loads(pickle.dumps(tile))
    assert copy.name == tile.name
    assert copy.wcs.to_header() == tile.wcs.to_header()
    assert copy.bands[1].read_image(copy.window).shape == tile.shape
