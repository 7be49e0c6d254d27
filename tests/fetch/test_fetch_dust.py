"""E(B-V): the real strips of the SFD maps, a made-up map, the service of IRSA."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from hscz.errors import InputError
from hscz.fetch.dust import MAPS, MOST_POSITIONS, ebv, ebv_from_irsa
from hscz.fetch.http import Downloader

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
    np.testing.assert_allclose(ebv(*sky(lon, lat), tmp_path), values, rtol=1e-3, atol=1e-4)


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
    np.testing.assert_allclose(ebv(*sky(lon, lat), maps), expected, atol=1e-6)


def test_only_the_map_that_is_needed_must_be_there(maps):
    (maps / SOUTH).unlink()
    assert ebv(*sky([10.0], [60.0]), maps).shape == (1,)
    with pytest.raises(InputError, match=rf"{SOUTH}: no such file; put the SFD maps"):
        ebv(*sky([10.0, 10.0], [60.0, -60.0]), maps)


def test_maps_that_are_none(maps, shared_data):
    (maps / SOUTH).write_bytes((maps / NORTH).read_bytes())
    with pytest.raises(InputError, match=r"is not the SFD map of this hemisphere"):
        ebv(*sky([10.0], [-60.0]), maps)
    (maps / NORTH).write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"ngp\.fits: is no SFD map"):
        ebv(*sky([10.0], [60.0]), maps)
    with pytest.raises(InputError, match=r"does not cover l=10\.0000, b=60\.0000 \(1 such"):
        ebv(*sky([10.0], [60.0]), shared_data / "dust")


ANSWER = """<?xml version="1.0"?><results status="ok">
<input><objName>150.1 2.2 equ j2000</objName></input>
<result><desc>E(B-V) Reddening</desc><statistics>
<refPixelValueSandF>  0.0155 (mag)  </refPixelValueSandF>
<refPixelValueSFD>  0.0180 (mag)  </refPixelValueSFD></statistics></result></results>"""


@pytest.fixture
def service(archive, settings):
    object.__setattr__(settings, "irsa_dust", f"{archive.url}/dust")

    def answers(body, code=200):
        bodies = []

        def answer(handler):
            bodies.append(handler.body.decode())
            handler.reply(code, body.encode(), Content_Type="text/xml")

        archive.files["/dust"] = answer
        return bodies

    answers.downloader = Downloader(settings, sleep=lambda s: None)
    return answers


def test_the_service_gives_sfd_at_each_position(service):
    asked = service(ANSWER)
    found = ebv_from_irsa([150.1, 150.2], [2.2, -2.3], service.downloader)
    np.testing.assert_allclose(found, 0.018)
    assert asked == [
        "locstr=150.100000+2.200000+equ+j2000",
        "locstr=150.200000+-2.300000+equ+j2000",
    ]


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ('<results status="error"><message>Bad place</message></results>', 200, "Bad place; use"),
        ("<results/>", 200, "it has no refPixelValueSFD"),
        (ANSWER[:200], 200, "it cannot be read"),
        ("<html><title>Maintenance</title></html>", 200, r"HTML page \('Maintenance'\)"),
        ("", 503, "answered 503, after 3 tries"),
        ("", 401, "wants a login"),
    ],
)
def test_answers_of_the_service_that_cannot_be_used(body, code, said, service):
    service(body, code)
    with pytest.raises(InputError, match=rf"127\.0\.0\.1.*{said}"):
        ebv_from_irsa([150.1], [2.2], service.downloader)


def test_too_many_positions_are_not_asked_for(service):
    asked = service(ANSWER)
    n = MOST_POSITIONS + 1
    with pytest.raises(InputError, match=r"101 positions are too many.*use the SFD maps"):
        ebv_from_irsa(np.full(n, 150.0), np.zeros(n), service.downloader)
    assert not asked
