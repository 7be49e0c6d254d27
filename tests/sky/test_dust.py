"""E(B-V): the real strips of the SFD maps, a made-up map, an image."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from hscz.errors import InputError
from hscz.sky.dust import MAPS, ebv_of_image, ebv_of_maps

NORTH, SOUTH = MAPS[1], MAPS[-1]


@pytest.fixture
def maps(tmp_path):
    """Return a folder of small maps whose values rise with the pixel numbers."""
    for side, name in MAPS.items():
        header = fits.Header({"LAM_NSGP": side, "LAM_SCAL": 32, "CRPIX1": 32.5, "CRPIX2": 32.5})
        y, x = np.mgrid[:64, :64].astype(np.float32)
        fits.writeto(tmp_path / name, 0.01 * x + 0.001 * y + (side < 0), header)
    return tmp_path


def sky(lon, lat):
    place = SkyCoord(lon, lat, unit="deg", frame="galactic").icrs
    return np.atleast_1d(place.ra.deg), np.atleast_1d(place.dec.deg)


def centres(path):
    """Return values and Galactic positions of pixels inside the map, by the FITS standard."""
    with fits.open(path) as hdus:
        wcs, values = WCS(hdus[0].header), hdus[0].data.astype(np.float64)
        pole = 90.0 * hdus[0].header["LAM_NSGP"]
    y, x = (index.ravel() for index in np.indices(values.shape))
    with np.errstate(invalid="ignore"):
        lon, lat = wcs.all_pix2world(x, y, 0)
    inside = np.isfinite(lat) & (np.sign(lat) == np.sign(pole))
    return values.ravel()[inside], lon[inside], lat[inside]


@pytest.mark.parametrize("name", [NORTH, SOUTH, "SFD_dust_4096_ngp_cutout.fits"])
def test_real_maps_give_their_pixels_at_the_centres(name, shared_data, tmp_path):
    source = shared_data / "dust" / name
    (tmp_path / name.replace("_cutout", "")).symlink_to(source)
    values, lon, lat = centres(source)
    assert len(values) > 100
    np.testing.assert_allclose(ebv_of_maps(*sky(lon, lat), tmp_path), values, rtol=1e-3, atol=1e-4)


def test_positions_on_the_real_map_are_those_of_the_list(shared_data):
    folder = shared_data / "dust"
    ra, dec = np.loadtxt(folder / "input_coords.csv", delimiter=",", skiprows=1).T
    lon, lat = np.loadtxt(folder / "icrs_to_gal.csv", delimiter=",", skiprows=1).T
    ours = SkyCoord(ra, dec, unit="rad").galactic
    theirs = SkyCoord(lon, lat, unit="rad", frame="galactic")
    assert ours.separation(theirs).arcsec.max() < 0.01


@pytest.mark.parametrize("pole", [90, -90])
def test_interpolation_is_linear_in_both_hemispheres(pole, maps):
    lon = np.array([10.0, 130.0, 290.0])
    lat = np.sign(pole) * np.array([80.0, 45.0, 20.0])
    r = 32 * np.sqrt(1 - np.sin(np.radians(np.abs(lat))))
    x = 31.5 + r * np.cos(np.radians(lon))
    y = 31.5 - np.sign(pole) * r * np.sin(np.radians(lon))
    expected = 0.01 * x + 0.001 * y + (pole < 0)
    np.testing.assert_allclose(ebv_of_maps(*sky(lon, lat), maps), expected, atol=1e-6)


def test_only_the_map_that_is_needed_must_be_there(maps):
    (maps / SOUTH).unlink()
    assert ebv_of_maps(*sky([10.0], [60.0]), maps).shape == (1,)
    with pytest.raises(InputError, match=rf"{SOUTH}: no such file; put the SFD maps"):
        ebv_of_maps(*sky([10.0, 10.0], [60.0, -60.0]), maps)


def test_maps_that_are_none(maps, shared_data):
    (maps / SOUTH).write_bytes((maps / NORTH).read_bytes())
    with pytest.raises(InputError, match=r"is not the SFD map of this hemisphere"):
        ebv_of_maps(*sky([10.0], [-60.0]), maps)
    (maps / NORTH).write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"ngp\.fits: is no SFD map"):
        ebv_of_maps(*sky([10.0], [60.0]), maps)
    with pytest.raises(InputError, match=r"does not cover l=10\.0000, b=60\.0000 \(1 such"):
        ebv_of_maps(*sky([10.0], [60.0]), shared_data / "dust")


@pytest.fixture
def image(tmp_path):
    """Return an image with the header of those of IRSA, whose values rise with the pixels."""
    header = fits.Header({"BUNIT": "mag E(B-V)", "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"})
    header.update({"CRVAL1": 0.0, "CRVAL2": 2.0, "CRPIX1": 51.0, "CRPIX2": 51.0})
    header.update({"CDELT1": -0.025, "CDELT2": 0.025})
    y, x = np.mgrid[:101, :101]
    path = tmp_path / "ebv.fits"
    fits.writeto(path, 0.001 * x + 0.002 * y, header)
    return path


def test_an_image_is_read_at_positions_on_both_sides_of_right_ascension_0(image):
    ra, dec = np.array([0.0, 359.75, 0.0]), np.array([2.0, 2.0, 2.5])
    # East is to the left: 0.25 degrees to the west are ten pixels to the right.
    expected = [0.15, 0.15 + 0.01, 0.15 + 0.04]
    np.testing.assert_allclose(ebv_of_image(ra, dec, image), expected, atol=1e-4)


def test_images_that_are_none_or_too_small(image, tmp_path):
    with pytest.raises(InputError, match=r"does not cover ra=9\.0000, dec=2\.0000 \(2 such"):
        ebv_of_image([0.0, 9.0, 180.0], [2.0, 2.0, -2.0], image)
    with pytest.raises(InputError, match=r"none\.fits: no such file; run 'hscz fetch' first"):
        ebv_of_image([0.0], [2.0], tmp_path / "none.fits")
    fits.writeto(image, np.zeros((3, 3)), overwrite=True)
    with pytest.raises(InputError, match="is no image of E\\(B-V\\)"):
        ebv_of_image([0.0], [2.0], image)
