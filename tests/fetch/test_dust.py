"""An image of E(B-V) from the service of IRSA, and the ingest that takes its values."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits

from hscz.cli import main
from hscz.config.read import load
from hscz.errors import ConfigError, InputError
from hscz.fetch.box import SkyBox
from hscz.fetch.dust import fetch_ebv_image
from hscz.fetch.field import fetch_field, why_unfetched
from hscz.fetch.http import Downloader
from hscz.fetch.wanted import expected
from hscz.sky.dust import ebv_of_image

BOX = SkyBox(149.0, 151.0, 1.0, 3.0)

ANSWER = """<?xml version="1.0"?><results status="ok">
<input><objName>150.0 2.0 equ j2000</objName><regSize> 2.1 deg </regSize></input>
<result><desc> E(B-V) Reddening </desc>
<data><image> {url}//workspace/p338Dust.fits </image><table>{url}/extinction.tbl</table></data>
<statistics>
<refPixelValueSandF>  0.0155 (mag)  </refPixelValueSandF>
<refPixelValueSFD>  0.0180 (mag)  </refPixelValueSFD></statistics></result>
<result><desc> 100 Micron Emission </desc>
<data><image> {url}/p338i100.fits </image></data></result></results>"""


def image_bytes(centre: float = 0.018) -> bytes:
    """Return an image with a header as the service writes it, brighter to the north."""
    header = fits.Header({"BUNIT": "mag E(B-V)", "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"})
    header.update({"CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 51.0, "CRPIX2": 51.0})
    header.update({"CDELT1": -0.025, "CDELT2": 0.025})
    values = centre + 1e-4 * (np.arange(101)[:, None] - 50) + np.zeros(101)
    out = BytesIO()
    fits.PrimaryHDU(values, header).writeto(out)
    return out.getvalue()


@pytest.fixture
def service(archive, settings):
    object.__setattr__(settings, "irsa_dust", f"{archive.url}/dust")

    def answers(body=ANSWER, code=200, image=None):
        bodies = []

        def answer(handler):
            bodies.append(handler.body.decode())
            text = body.format(url=archive.url).encode()
            handler.reply(code, text, Content_Type="text/xml")

        archive.files["/dust"] = answer
        archive.files["/workspace/p338Dust.fits"] = image or image_bytes()
        return bodies

    answers.downloader = Downloader(settings, sleep=lambda s: None)
    return answers


def test_one_request_gives_an_image_that_covers_the_box(service, tmp_path):
    asked = service()
    path = fetch_ebv_image(BOX, tmp_path / "dust/A.fits", service.downloader)
    assert asked == ["locstr=150.000000+2.000000+equ+j2000&regSize=2.10"]
    found = ebv_of_image([149.0, 150.0, 151.0], [1.0, 2.0, 3.0], path)
    np.testing.assert_allclose(found, [0.014, 0.018, 0.022], atol=1e-4)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"body": '<results status="error"><message>Bad place</message></results>'},
            "Bad place; try again later, or use the SFD maps",
        ),
        ({"body": "<results/>"}, "it names no image of SFD"),
        ({"body": ANSWER[:200]}, "it cannot be read"),
        ({"body": "<html><title>Maintenance</title></html>"}, r"HTML page \('Maintenance'\)"),
        ({"body": "", "code": 503}, "answered 503, after 3 tries"),
        ({"body": "", "code": 401}, "wants a login"),
    ],
)
def test_answers_that_cannot_be_used(answer, said, service, tmp_path):
    service(**answer)
    with pytest.raises(InputError, match=rf"127\.0\.0\.1.*{said}"):
        fetch_ebv_image(BOX, tmp_path / "A.fits", service.downloader)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (image_bytes(0.0155), r"E\(B-V\) = 0\.0155 at its centre, where .* 0\.0180 of SFD"),
        (image_bytes()[:6000], "is FITS cut short"),
        (b"<html><title>Gone</title></html>", "is an HTML page"),
    ],
)
def test_images_that_cannot_be_used_are_not_kept(image, said, service, tmp_path):
    service(image=image)
    with pytest.raises(InputError, match=said):
        fetch_ebv_image(BOX, tmp_path / "A.fits", service.downloader)
    assert not list(tmp_path.iterdir())


def test_a_box_that_no_image_covers_is_not_asked_for(service, tmp_path):
    asked = service()
    with pytest.raises(InputError, match=r"needs an image of \d+ degrees, at most 37\.5"):
        fetch_ebv_image(SkyBox(100.0, 160.0, 1.0, 3.0), tmp_path / "A.fits", service.downloader)
    assert not asked


@pytest.fixture
def run(write_config, archive, service, tmp_path):
    """Return the file of a run whose only wish is an image of E(B-V)."""
    service()
    file = write_config("box = [149.0, 151.0, 1.0, 3.0]")
    text = file.read_text().replace("[fetch]\n", f'[fetch]\nirsa_dust = "{archive.url}/dust"\n')
    file.write_text(text.replace("[fields.A]\n", '[fields.A]\nebv = "irsa"\n'))
    return file


def test_the_verb_fetches_the_image_once(run, archive, tmp_path):
    config = load(run)
    assert expected(config, "A")[0] == 2
    assert main(["fetch", str(run), "--quiet"]) == 0
    path = config.ebv_image("A")
    assert path == tmp_path / "stores/dust/A.fits"
    assert path.exists()
    assert not why_unfetched(config, "A")
    asked = len(archive.asked)
    assert "0 files fetched" in fetch_field(config, "A", progress=False)
    assert len(archive.asked) == asked
    wider = load(run, ["fields.A.fetch.box=[148.0, 152.0, 1.0, 3.0]"])
    assert why_unfetched(wider, "A")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("fields.A.ebv=planck", r'fields\.A\.ebv is .planck.; use "", catalogue, sfd or irsa'),
        ("fields.A.ebv=sfd", r"name the folder of the SFD maps with dust under \[ingest\]"),
        (
            "fields.A.fetch.box=[]",
            r"A\.ebv is 'irsa'; say where on the sky with box under its",
        ),
    ],
)
def test_a_source_that_lacks_what_it_needs_is_refused_at_once(override, said, run):
    with pytest.raises(ConfigError, match=said):
        load(run, [override])
