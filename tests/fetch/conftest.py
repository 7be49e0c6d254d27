"""A loopback server that answers as archives do, and a downloader that never sleeps."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hscz.config.fetch import FetchConfig
from hscz.fetch.http import Downloader

USER, PASSWORD = "astronomer", "opensesame-93"


class Archive:
    """Answers by path: a function of the handler, or the bytes of a file."""

    def __init__(self, port: int) -> None:
        self.port, self.files, self.asked = port, {}, []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        archive = self.server.archive
        path = self.path.partition("?")[0]
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        archive.asked.append((self.command, self.path, dict(self.headers)))
        answer = archive.files.get(path)
        if answer is None:
            self.reply(404, b"not here")
        elif callable(answer):
            answer(self)
        else:
            self.file(answer)

    do_POST = do_HEAD = do_GET

    def reply(self, code, body, **headers):
        self.send_response(code)
        for key, value in ({"Content-Length": len(body)} | headers).items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def file(self, body):
        wanted = self.headers.get("Range")
        if wanted is None:
            return self.reply(200, body, ETag='"v1"')
        first = int(wanted.removeprefix("bytes=").rstrip("-"))
        span = f"bytes {first}-{len(body) - 1}/{len(body)}"
        return self.reply(206, body[first:], ETag='"v1"', Content_Range=span)


@pytest.fixture
def archive():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.archive = Archive(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server.archive
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_logins(monkeypatch, tmp_path):
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    for name in ("HSC_SSP_CAS_USER", "HSC_SSP_CAS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def settings(archive):
    return FetchConfig(
        tries=3,
        requests_per_second=100.0,
        images={"HSC-": archive.url + "/{rerun}/{filter}-{tract}-{patch}.fits"},
        logins={f"127.0.0.1:{archive.port}": "HSC_SSP_CAS"},
        cutouts=archive.url + "/cutouts",
        vizier=archive.url,
        irsa=archive.url + "/TAP",
        sdss=archive.url,
        timeout_s=5.0,
    )


@pytest.fixture
def waits():
    return []


@pytest.fixture
def downloader(settings, waits):
    return Downloader(settings, sleep=waits.append)


@pytest.fixture
def fits_bytes():
    from io import BytesIO

    import numpy as np
    from astropy.io import fits

    out = BytesIO()
    fits.PrimaryHDU(np.arange(4000, dtype=np.float32).reshape(50, 80)).writeto(out)
    return out.getvalue()


@pytest.fixture
def write_config(tmp_path, archive):
    """Write a run of one field that fetches; return the path of its file."""

    patch = f"{archive.url}/{{rerun}}/{{filter}}-{{tract}}-{{patch}}.fits"

    def write(section, bands=("g", "i")):
        (tmp_path / "cat.csv").write_text("id,ra,dec\n1,150.0,2.0\n")
        file = tmp_path / "run.toml"
        file.write_text(
            f'stores = "stores"\n[fetch]\ntries = 2\nwait_s = 0.0\nrequests_per_second = 100.0\n'
            f'cutouts = "{archive.url}/cutouts"\n'
            f'images = {{ "HSC-" = "{patch}" }}\n'
            f'logins = {{ "127.0.0.1:{archive.port}" = "HSC_SSP_CAS" }}\n'
            f'[fields.A]\nimages = "images/{{filter}}/{{tract}}/{{patch}}.fits"\n'
            f"bands = {list(bands)}\n"
            f'catalogue = {{ file = "cat.csv", catalogue = "vipers" }}\n'
            f"[fields.A.fetch]\n{section}\n"
        )
        return file

    return write
