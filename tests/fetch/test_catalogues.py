"""Catalogues from the services, each answering in its own format."""

from __future__ import annotations

import re
from io import BytesIO

import numpy as np
import pytest
from astropy.table import Table

from hscz.errors import ConfigError, InputError
from hscz.fetch.box import SkyBox
from hscz.fetch.catalogues import columns_of, fetch_catalogue
from hscz.fetch.http import Downloader
from hscz.tables.descriptor import load_descriptor
from hscz.tables.read import read_catalogue

pytest.importorskip("astroquery", reason="astroquery is not installed; pip install 'hscz[fetch]'")

BOX = SkyBox(149.0, 151.0, 1.0, 3.0)

COMMON = """
title = "t"
survey = "S"
reference = "-"
bibcode = "-"
selection = "all"
extinction_corrected = false
z_range = [0.0, 2.0]
secure = "q >= 3"
[columns]
ra = "ra"
dec = "dec"
z = "zspec"
flag = "q"
"""


@pytest.fixture
def descriptor(tmp_path):
    """Return a descriptor of a table in a service."""

    def make(service, **archive):
        text = "\n".join(f'{key} = "{value}"' for key, value in archive.items())
        file = tmp_path / "mine.toml"
        file.write_text(f'{COMMON}[archive]\nservice = "{service}"\n{text}\n')
        return load_descriptor(file)

    return make


@pytest.fixture
def table():
    ra = np.array([150.0, 150.5, 149.5])
    columns = {"ra": ra, "dec": ra / 75, "zspec": [0.5, 1.0, 1.5], "q": [3, 4, 1]}
    return Table(columns)


def votable(table, status="OK", message=""):
    """Return a table as a TAP service or VizieR sends it."""
    out = BytesIO()
    table.write(out, format="votable")
    info = f'<INFO name="QUERY_STATUS" value="{status}">{message}</INFO>'
    mark = '<RESOURCE type="results">'
    return out.getvalue().decode().replace(mark, mark + info).encode()


def read_back(path, descriptor):
    return read_catalogue(path, descriptor)


@pytest.mark.parametrize("service", ["irsa", "cadc"])
def test_tap_services(service, descriptor, downloader, archive, table, tmp_path):
    one = descriptor(service, table="cat.tab", where="q > 0")
    object.__setattr__(downloader.settings, service, f"{archive.url}/TAP")
    archive.files["/TAP/sync"] = lambda handler: handler.reply(
        200, votable(table), Content_Type="application/x-votable+xml"
    )
    path = fetch_catalogue(one, tmp_path / "t.fits", downloader, BOX)
    found = read_back(path, one)
    np.testing.assert_allclose(found["z"], [0.5, 1.0, 1.5])
    np.testing.assert_allclose(found["ra"], table["ra"])


def test_a_tap_answer_that_was_cut_short_is_refused(
    descriptor, downloader, archive, table, tmp_path
):
    archive.files["/TAP/sync"] = lambda handler: handler.reply(
        200, votable(table, "OVERFLOW"), Content_Type="application/x-votable+xml"
    )
    with pytest.raises(InputError, match="cut short at 3 rows; ask for less"):
        fetch_catalogue(descriptor("irsa", table="t"), tmp_path / "t.fits", downloader)
    assert not (tmp_path / "t.fits").exists()


def test_a_tap_error_is_said_in_its_words(descriptor, downloader, archive, table, tmp_path):
    archive.files["/TAP/sync"] = lambda handler: handler.reply(
        200,
        votable(table[:0], "ERROR", "column zspec does not exist"),
        Content_Type="application/x-votable+xml",
    )
    with pytest.raises(InputError, match="column zspec does not exist"):
        fetch_catalogue(descriptor("irsa", table="t"), tmp_path / "t.fits", downloader)


def test_vizier(descriptor, downloader, archive, table, tmp_path):
    one = descriptor("vizier", table="J/A+A/1/1/t")
    bodies = []

    def answer(handler):
        bodies.append(handler.body.decode())
        handler.reply(200, votable(table), Content_Type="text/xml")

    archive.files["/viz-bin/votable"] = answer
    path = fetch_catalogue(one, tmp_path / "t.fits", downloader, BOX)
    assert len(read_back(path, one)) == 3
    assert all(name in bodies[0] for name in columns_of(one))
    assert "150" not in bodies[0]
    assert "149.0..151.0" in bodies[0].replace("%2E", ".")


def test_a_condition_for_vizier(descriptor, downloader, archive, table, tmp_path):
    bodies = []

    def answer(handler):
        bodies.append(handler.body.decode())
        handler.reply(200, votable(table), Content_Type="text/xml")

    archive.files["/viz-bin/votable"] = answer
    one = descriptor("vizier", table="J/A+A/1/1/t", where="q=>2; zspec=0.1..1")
    fetch_catalogue(one, tmp_path / "t.fits", downloader)
    assert {"q=>2", "zspec=0.1..1"} <= set(bodies[0].splitlines())
    with pytest.raises(InputError, match="for VizieR write COLUMN=constraint"):
        fetch_catalogue(
            descriptor("vizier", table="t", where="q > 2"), tmp_path / "u.fits", downloader
        )


def test_of_several_files_the_one_of_the_same_name(archive, downloader, tmp_path):
    archive.files |= {
        "/a.txt": b"#ra dec zspec q\n1 1 1 1\n",
        "/b.txt": b"#ra dec zspec q\n2 2 2 2\n",
    }
    file = tmp_path / "mine.toml"
    urls = [f"{archive.url}/a.txt", f"{archive.url}/b.txt"]
    file.write_text(f'format = "text"\n{COMMON}[archive]\nservice = "url"\nurls = {urls}\n')
    one = load_descriptor(file)
    assert b"2 2" in fetch_catalogue(one, tmp_path / "b.txt", downloader).read_bytes()
    with pytest.raises(ConfigError, match=r"has the files a\.txt, b\.txt; name it as one of them"):
        fetch_catalogue(one, tmp_path / "c.txt", downloader)


def test_sdss(descriptor, downloader, archive, table, tmp_path):
    one = descriptor("sdss", table="SpecObj", where="class = 'GALAXY'", release="12")
    lines = [",".join(table.colnames)] + [",".join(map(str, row)) for row in table]
    text = "#Table1\n" + "\n".join(lines) + "\n"

    def answer(handler):
        handler.reply(200, text.encode(), Content_Type="text/csv")

    prefix = "/dr12/en/tools/search/x_results.aspx"
    archive.files[prefix] = answer
    path = fetch_catalogue(one, tmp_path / "t.fits", downloader, BOX)
    assert len(read_back(path, one)) == 3
    asked = archive.asked[-1][1]
    assert "SpecObj" in asked
    assert "GALAXY" in asked


def test_plain_files_and_files_by_hand(descriptor, downloader, archive, tmp_path):
    content = b"#ra dec zspec q\n150.0 2.0 0.5 4\n"
    archive.files["/a.txt"] = content
    file = tmp_path / "mine.toml"
    file.write_text(
        f'format = "text"\n{COMMON}[archive]\nservice = "url"\nurls = ["{archive.url}/a.txt"]\n'
    )
    path = fetch_catalogue(load_descriptor(file), tmp_path / "a.txt", downloader)
    assert path.read_bytes() == content
    by_hand = descriptor("manual", note="register at x.org")
    with pytest.raises(InputError, match=r"must be fetched by hand: register at x.org"):
        fetch_catalogue(by_hand, tmp_path / "b.fits", downloader)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b'{"error": "quota exceeded"}', "has none of the columns of mine; it begins with b'{"),
        (b"<?xml version='1.0'?><error>no such table</error>", "cannot be read: "),
    ],
)
def test_an_error_in_place_of_a_table_is_not_kept(downloader, archive, tmp_path, answer, said):
    archive.files["/a.csv"] = answer
    file = tmp_path / "mine.toml"
    file.write_text(
        f'format = "csv"\n{COMMON}[archive]\nservice = "url"\nurls = ["{archive.url}/a.csv"]\n'
    )
    with pytest.raises(InputError, match=re.escape(said)):
        fetch_catalogue(load_descriptor(file), tmp_path / "a.csv", downloader)
    assert not list(tmp_path.glob("*a.csv*"))


def test_answers_that_cannot_be_used(descriptor, downloader, archive, table, tmp_path):
    one = descriptor("irsa", table="t")

    def serve(answer, code=200, kind="application/x-votable+xml"):
        archive.files["/TAP/sync"] = lambda handler: handler.reply(code, answer, Content_Type=kind)

    table.remove_column("q")
    serve(votable(table))
    with pytest.raises(InputError, match=r"has no column 'q', which mine\.toml maps"):
        fetch_catalogue(one, tmp_path / "t.fits", downloader)
    serve(votable(table[:0]))
    with pytest.raises(InputError, match="gives no rows"):
        fetch_catalogue(one, tmp_path / "t.fits", downloader)
    serve(b"<html><title>Maintenance</title></html>", kind="text/html")
    with pytest.raises(InputError, match=r"127\.0\.0\.1"):
        fetch_catalogue(one, tmp_path / "t.fits", downloader)
    serve(b"", code=503)
    with pytest.raises(InputError, match="answered 503, after 3 tries"):
        fetch_catalogue(one, tmp_path / "t.fits", downloader)
    assert not (tmp_path / "t.fits").exists()


def test_a_catalogue_behind_a_login(descriptor, downloader, archive, tmp_path):
    archive.files["/TAP/sync"] = lambda handler: handler.reply(401, b"")
    with pytest.raises(InputError, match="set HSC_SSP_CAS_USER and HSC_SSP_CAS_PASSWORD"):
        fetch_catalogue(descriptor("irsa", table="t"), tmp_path / "t.fits", downloader)


def _service(name, table, code=200, kind="text/xml"):
    """Return where a service is asked, and an answer of it."""
    place = {"vizier": "/viz-bin/votable", "sdss": "/dr12/en/tools/search/x_results.aspx"}
    return place.get(name, "/TAP/sync"), lambda handler: handler.reply(
        code, table, Content_Type=kind
    )


def _csv(table):
    lines = [",".join(table.colnames)] + [",".join(map(str, row)) for row in table]
    return ("#Table1\n" + "\n".join(lines) + "\n").encode()


def _bad_answers(name, table):
    """Yield answers that cannot be used, and what is said of them."""
    write = _csv if name == "sdss" else votable
    without = table.copy()
    without.remove_column("q")
    yield write(without), 200, "has no column 'q', which mine.toml maps"
    yield write(table[:0]), 200, "gives no rows"
    yield b"<html><title>Maintenance</title></html>", 200, "Maintenance"
    yield b"", 503, "answered 503, after 3 tries"
    yield b"", 401, "wants a login"
    yield b"no column\n q", 400, "answered 400, saying 'no column q'; check the address and what"
    yield b"<html><h1>Bad <b>query</b></h1></html>", 400, "saying 'Bad query'; check"
    yield b"", 400, "answered 400; check the address"
    yield b"out of\x1b[31m memory", 500, "answered 500, saying 'out of[31m memory', after 3 tries"
    if name != "sdss":
        yield votable(table[:0], "ERROR", "no column q &lt; 3"), 400, "saying 'no column q < 3'"
        yield votable(table, "OVERFLOW"), 200, "was cut short"
        yield votable(table[:0], "ERROR", "no such thing"), 200, "no such thing"
        yield votable(table)[:-600], 200, "the answer"


@pytest.mark.parametrize("name", ["vizier", "irsa", "sdss"])
def test_bad_answers_of_each_service(name, descriptor, settings, archive, table, tmp_path):
    one = descriptor(name, table="SpecObj", release="12")
    for body, code, said in _bad_answers(name, table):
        place, answer = _service(name, body, code)
        archive.files[place] = answer
        with pytest.raises(InputError, match=rf"127\.0\.0\.1.*{re.escape(said)}"):
            fetch_catalogue(one, tmp_path / "t.fits", Downloader(settings, sleep=lambda s: None))
    assert not list(tmp_path.glob("*t.fits*"))


@pytest.mark.parametrize("name", ["vizier", "irsa", "sdss"])
def test_a_cut_connection_is_tried_again(name, descriptor, downloader, archive, table, tmp_path):
    whole = _csv(table) if name == "sdss" else votable(table)
    asked = []

    def answer(handler):
        asked.append(1)
        if len(asked) > 1:
            return handler.reply(200, whole, Content_Type="text/xml")
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(whole)))
        handler.end_headers()
        handler.wfile.write(whole[:-20])
        handler.close_connection = True

    archive.files[_service(name, b"")[0]] = answer
    one = descriptor(name, table="SpecObj", release="12")
    path = fetch_catalogue(one, tmp_path / "t.fits", downloader)
    assert len(read_back(path, one)) == 3
    assert len(asked) == 2


@pytest.mark.parametrize("name", ["vizier", "irsa"])
def test_text_and_missing_values_come_through(
    name, descriptor, downloader, archive, table, tmp_path
):
    table["q"] = np.array(["3", "14", "1"], object)
    table["unasked"] = np.array(["a", "", "ccc"], object)
    table["zspec"] = np.ma.masked_array([0.5, 1.0, 1.5], [False, True, False])
    archive.files[_service(name, b"")[0]] = _service(name, votable(table))[1]
    one = descriptor(name, table="SpecObj")
    found = read_back(fetch_catalogue(one, tmp_path / "t.fits", downloader), one)
    np.testing.assert_array_equal(found["z"], [0.5, np.nan, 1.5])
    np.testing.assert_array_equal(found["flag"], [3, 14, 1])
