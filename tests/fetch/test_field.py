"""Images of a field from an archive: once, whole, and never with a login written down."""

from __future__ import annotations

import base64
import io
import logging
import re
import tarfile
import time
from dataclasses import replace
from email.utils import formatdate
from functools import partial

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from tqdm.auto import tqdm

from hscz.cli import main
from hscz.config.read import load
from hscz.errors import IncompleteError, InputError
from hscz.fetch import field
from hscz.fetch.credentials import login_for
from hscz.fetch.field import (
    fetch_field,
    left_out_path,
    why_unfetched,
)
from hscz.fetch.http import Downloader, MissingFileError, ServiceError
from hscz.files.check import check_file

PATCHES = 'patches = ["9813-4,4", "9813-4,5"]'


def serve_patches(archive, content, skip=()):
    for band in "GI":
        for patch in ("4,4", "4,5"):
            name = f"/pdr3_dud/HSC-{band}-9813-{patch}.fits"
            if name not in skip:
                archive.files[name] = content


def test_patches_land_where_the_field_has_its_images(write_config, archive, fits_bytes, tmp_path):
    serve_patches(archive, fits_bytes)
    config = load(write_config(PATCHES))
    assert "4 files fetched, 1 there already" in fetch_field(config, "A", False)
    files = sorted(p.relative_to(tmp_path / "images") for p in tmp_path.glob("images/*/*/*.fits"))
    assert [str(p) for p in files[:2]] == ["HSC-G/9813/4,4.fits", "HSC-G/9813/4,5.fits"]
    assert files[0].name == "4,4.fits"
    n_asked = len(archive.asked)
    assert "0 files fetched, 5 there already" in fetch_field(config, "A", False)
    assert not why_unfetched(config, "A")
    assert len(archive.asked) == n_asked


def test_a_bad_file_is_left_out_and_the_others_come(write_config, archive, fits_bytes, tmp_path):
    serve_patches(archive, fits_bytes)
    archive.files["/pdr3_dud/HSC-I-9813-4,4.fits"] = b"<html><title>Please log in</title></html>"
    archive.files["/pdr3_dud/HSC-G-9813-4,4.fits"] = fits_bytes[:-4000]
    config = load(write_config(PATCHES))
    with pytest.raises(IncompleteError, match="2 of 5 files of A could not be fetched"):
        fetch_field(config, "A", False)
    reasons = pd.read_csv(left_out_path(config, "A")).set_index("file")["reason"]
    assert "HTML page ('Please log in')" in reasons[str(tmp_path / "images/HSC-I/9813/4,4.fits")]
    assert "cut short" in reasons[str(tmp_path / "images/HSC-G/9813/4,4.fits")]
    assert len(list(tmp_path.glob("images/*/*/*.fits"))) == 2
    serve_patches(archive, fits_bytes)
    assert "2 files fetched, 3 there already" in fetch_field(config, "A", False)
    assert not left_out_path(config, "A").exists()


def test_patches_that_a_tract_lacks_are_no_failure(write_config, archive, fits_bytes):
    serve_patches(archive, fits_bytes)
    config = load(write_config("tracts = [9813]"))
    assert "4 files fetched, 1 there already, 158 not in the archive" in fetch_field(
        config, "A", False
    )
    archive.files["/pdr3_dud/HSC-I-9813-0,0.fits"] = fits_bytes
    assert "0 files fetched" in fetch_field(config, "A", False)
    assert "1 files fetched" in fetch_field(config, "A", False, ask_again=True)
    with pytest.raises(IncompleteError, match="has no such file"):
        fetch_field(load(write_config('patches = ["9813-0,1"]')), "A", False)


def test_a_login_goes_to_its_host_and_nowhere_else(
    write_config, archive, fits_bytes, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG)
    config = load(write_config('patches = ["9813-4,4"]', bands=("i",)))
    name = "/pdr3_dud/HSC-I-9813-4,4.fits"

    def wants_login(handler):
        if "Authorization" not in handler.headers:
            return handler.reply(401, b"who are you")
        return handler.file(fits_bytes)

    archive.files[name] = wants_login
    with pytest.raises(IncompleteError, match="set HSC_SSP_CAS_USER and HSC_SSP_CAS_PASSWORD"):
        fetch_field(config, "A", False)
    monkeypatch.setenv("HSC_SSP_CAS_USER", "astronomer")
    monkeypatch.setenv("HSC_SSP_CAS_PASSWORD", "opensesame-93")
    fetch_field(config, "A", False)
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(written) >= 3
    for secret in ("opensesame-93", base64.b64encode(b"astronomer:opensesame-93").decode()):
        assert not any(secret.encode() in p.read_bytes() for p in written)
        assert secret not in caplog.text
    assert login_for("https://elsewhere.org/a.fits", config.fetch.login_hosts) is None


def test_a_redirect_to_another_host_takes_no_login(downloader, archive, monkeypatch, tmp_path):
    monkeypatch.setenv("HSC_SSP_CAS_USER", "astronomer")
    monkeypatch.setenv("HSC_SSP_CAS_PASSWORD", "opensesame-93")
    there = f"http://localhost:{archive.port}/b.txt"
    archive.files["/a.txt"] = lambda handler: handler.reply(302, b"", Location=there)
    archive.files["/b.txt"] = b"plain"
    downloader.download(f"{archive.url}/a.txt", tmp_path / "a.txt", lambda path: None)
    (_, _, first), (_, _, second) = archive.asked
    assert "Authorization" in first
    assert "Authorization" not in second


def test_a_busy_server_is_asked_again_after_growing_waits(
    downloader, archive, waits, fits_bytes, tmp_path
):
    answers = [503, 503]

    def busy(handler):
        if answers:
            return handler.reply(answers.pop(), b"")
        return handler.file(fits_bytes)

    archive.files["/a.fits"] = busy
    downloader.download(f"{archive.url}/a.fits", tmp_path / "a.fits", check_file)
    assert [w for w in waits if w >= 1] == [5.0, 10.0]
    archive.files["/b.fits"] = lambda handler: handler.reply(503, b"")
    with pytest.raises(InputError, match="answered 503, after 3 tries"):
        downloader.download(f"{archive.url}/b.fits", tmp_path / "b.fits", check_file)
    assert not (tmp_path / "b.fits").exists()


def test_a_server_is_asked_again_when_it_says(downloader, archive, waits, fits_bytes, tmp_path):
    then = formatdate(time.time() + 90, usegmt=True)
    asked = ["7", then]

    def busy(handler):
        if asked:
            return handler.reply(429, b"", Retry_After=asked.pop(0))
        return handler.file(fits_bytes)

    archive.files["/a.fits"] = busy
    downloader.download(f"{archive.url}/a.fits", tmp_path / "a.fits", check_file)
    first, second = (w for w in waits if w >= 1)
    assert first == 7.0
    assert 80 < second <= 90


def test_a_cut_connection_goes_on_where_it_stopped(downloader, archive, tmp_path):
    content = bytes(range(256)) * 12_000

    def cut(handler):
        if handler.headers.get("Range"):
            return handler.file(content)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("ETag", '"v1"')
        handler.end_headers()
        handler.wfile.write(content[:2_500_000])
        handler.wfile.flush()
        handler.connection.shutdown(2)
        return None

    archive.files["/a.txt"] = cut
    downloader.download(f"{archive.url}/a.txt", tmp_path / "a.txt", check_file)
    assert (tmp_path / "a.txt").read_bytes() == content
    asked = [headers.get("Range") for _, _, headers in archive.asked]
    assert asked == [None, "bytes=2500000-"]


def test_a_server_that_is_down_is_named_with_the_tries(downloader, archive, tmp_path):
    url = "http://127.0.0.1:9/a.fits"
    with pytest.raises(ServiceError, match=r"refused, after 3 tries: the service seems down"):
        downloader.download(url, tmp_path / "a.fits", check_file)
    with pytest.raises(MissingFileError):
        downloader.download(f"{archive.url}/none.fits", tmp_path / "a.fits", check_file)


def tar_of(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def serve_cutouts(archive, answer):
    def cutouts(handler):
        archive.lists.append(handler.body.decode())
        handler.reply(200, answer(handler.body.decode()))

    archive.lists = []
    archive.files["/cutouts"] = cutouts


@pytest.fixture
def cutout_config(write_config, tmp_path):
    (tmp_path / "positions.csv").write_text("ra,dec\n150.0,2.0\n150.1,2.1\n150.2,2.2\n")
    return load(write_config('cutouts = "positions.csv"', bands=("i",)))


def test_cutouts_are_told_by_the_lines_of_their_list(cutout_config, archive, fits_bytes, tmp_path):
    names = ["arch-1/2-cutout-HSC-I-9813-pdr3_dud.fits", "arch-1/4-cutout-HSC-I-9813-pdr3_dud.fits"]
    names.append("arch-1/4-cutout-HSC-I-9814-pdr3_dud.fits")
    serve_cutouts(archive, lambda text: tar_of([(name, fits_bytes) for name in names]))
    fetch_field(cutout_config, "A", False)
    (asked,) = archive.lists
    assert "pdr3_dud HSC-I 150.10000000 2.10000000 10arcsec 10arcsec" in asked
    found = pd.read_csv(tmp_path / "stores/cutouts/A/HSC-I-0.csv", dtype={"tract": str})
    assert list(found["row"]) == [0, 1, 2, 2]
    assert found["file"].isna().tolist() == [False, True, False, False]
    assert (tmp_path / "images/HSC-I/9813/0.fits").read_bytes() == fits_bytes
    assert (tmp_path / "images/HSC-I/9814/2.fits").exists()
    fetch_field(cutout_config, "A", False)
    assert len(archive.lists) == 1


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(cutout_config, archive, tmp_path, kind):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("arch-1/2-cutout-HSC-I-9813-pdr3_dud.fits")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    serve_cutouts(archive, lambda text: out.getvalue())
    with pytest.raises(IncompleteError, match="no plain file inside its folder"):
        fetch_field(cutout_config, "A", False)
    assert not list(tmp_path.glob("images/**/*.fits"))


@pytest.mark.parametrize("name", ["../9-cutout-HSC-I-9813-x.fits", "/etc/2-cutout-HSC-I-1-x.fits"])
def test_a_member_outside_its_folder_is_refused(cutout_config, archive, fits_bytes, tmp_path, name):
    serve_cutouts(archive, lambda text: tar_of([(name, fits_bytes)]))
    with pytest.raises(IncompleteError, match="no plain file inside its folder"):
        fetch_field(cutout_config, "A", False)
    assert not list(tmp_path.rglob("*.fits"))


def test_an_error_page_in_place_of_cutouts(cutout_config, archive):
    serve_cutouts(
        archive, lambda text: b"<html><title>500 rows at most</title></html>" + b" " * 600
    )
    with pytest.raises(IncompleteError, match="HTML page"):
        fetch_field(cutout_config, "A", False)


def test_a_bad_cutout_is_named_and_the_others_come(cutout_config, archive, fits_bytes, tmp_path):
    contents = {2: fits_bytes, 3: fits_bytes[:-4000], 4: fits_bytes}
    members = [(f"a/{n}-cutout-HSC-I-9813-x.fits", content) for n, content in contents.items()]
    serve_cutouts(archive, lambda text: tar_of(members))
    with pytest.raises(IncompleteError, match="row 1 in tract 9813 is FITS cut short"):
        fetch_field(cutout_config, "A", False)
    names = sorted(path.name for path in (tmp_path / "images/HSC-I/9813").iterdir())
    assert names == ["0.fits", "2.fits"]
    assert why_unfetched(cutout_config, "A")


def test_a_stream_of_unknown_length_that_was_cut_is_asked_for_again(
    cutout_config, archive, fits_bytes, tmp_path
):
    names = [f"a/{n}-cutout-HSC-I-9813-x.fits" for n in (2, 3)]
    whole = tar_of([(name, fits_bytes) for name in names])
    second = 512 * (1 + -(-len(fits_bytes) // 512))
    assert names[1].encode() in whole[second : second + 512]
    answers = [whole[:second], whole]

    def cutouts(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(answers.pop(0))

    archive.files["/cutouts"] = cutouts
    fetch_field(cutout_config, "A", False)
    assert answers == []
    assert (tmp_path / "images/HSC-I/9813/1.fits").read_bytes() == fits_bytes


def test_a_damaged_compressed_patch_is_noticed(downloader, archive, tmp_path):
    plane = np.random.default_rng(1).normal(size=(100, 100)).astype(np.float32)
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(plane)]).writeto(out)
    whole = out.getvalue()
    archive.files |= {"/whole.fits.fz": whole, "/cut.fits.fz": whole[:-6000]}
    downloader.download(f"{archive.url}/whole.fits.fz", tmp_path / "whole.fits.fz", check_file)
    with pytest.raises(InputError, match="cut short"):
        downloader.download(f"{archive.url}/cut.fits.fz", tmp_path / "cut.fits.fz", check_file)


def test_bytes_show_as_they_come(write_config, archive, fits_bytes, capsys, monkeypatch):
    serve_patches(archive, fits_bytes)
    monkeypatch.setattr(field, "tqdm", partial(tqdm, mininterval=0))
    fetch_field(load(write_config(PATCHES)), "A", progress=True)
    assert re.search(r"received: [1-9][0-9.]*k?B", capsys.readouterr().err)


def test_a_cutout_in_another_filter_is_refused(cutout_config, archive, fits_bytes, tmp_path):
    serve_cutouts(archive, lambda text: tar_of([("a/2-cutout-HSC-Z-9813-x.fits", fits_bytes)]))
    with pytest.raises(IncompleteError, match="is not in HSC-I"):
        fetch_field(cutout_config, "A", False)
    assert not list(tmp_path.rglob("*.fits"))


def two_fields(write_config):
    """Add a field B like A to the run."""
    file = write_config(PATCHES)
    text = file.read_text()
    section = text[text.index("[fields.A]") :]
    other = section.replace("fields.A", "fields.B").replace("images/", "images_b/")
    file.write_text(text + other)
    return file


def test_other_fields_come_although_one_lacks_a_file(
    write_config, archive, fits_bytes, tmp_path, capsys
):
    serve_patches(archive, fits_bytes)
    good = archive.files["/pdr3_dud/HSC-I-9813-4,4.fits"]
    archive.files["/pdr3_dud/HSC-I-9813-4,4.fits"] = fits_bytes[:-4000]
    file = two_fields(write_config)
    assert main(["fetch", str(file), "--quiet"]) == 1
    assert len(list(tmp_path.glob("images_b/*/*/*.fits"))) == 3
    told = capsys.readouterr().out
    for name in "AB":
        assert f"1 of 5 files of {name} could not be fetched" in told
    archive.files["/pdr3_dud/HSC-I-9813-4,4.fits"] = good
    assert main(["fetch", str(file), "--quiet"]) == 0


def test_a_run_does_not_go_on_without_a_service(write_config, archive, capsys):
    archive.files = dict.fromkeys(
        ("/pdr3_dud/HSC-G-9813-4,4.fits",), lambda handler: handler.reply(401, b"who")
    )
    path, source = str(write_config(PATCHES)), 'train.fields=["A"]'
    assert main(["run", path, "--quiet", "--set", source]) == 1
    told = capsys.readouterr()
    assert "set HSC_SSP_CAS_USER" in told.out
    assert "stopped before ingest" in told.err


def test_requests_keep_to_the_rate(settings, archive, tmp_path):
    archive.files["/a.txt"] = b"plain"
    waits = []
    slow = Downloader(replace(settings, requests_per_second=4.0), waits.append, clock=lambda: 7.0)
    for number in range(3):
        slow.download(f"{archive.url}/a.txt", tmp_path / f"{number}.txt", check_file)
    assert waits == [0.25, 0.5]
