"""The way to the network: one session, one rule of trying again, one download that resumes.

Every request of `hscz.fetch`, those of astroquery too, goes through `Session`: it keeps the
rate, gives each host its own login and turns bad answers into errors that say what to do.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

from hscz import __version__
from hscz.config.fetch import FetchConfig
from hscz.errors import InputError
from hscz.fetch.credentials import login_for, login_hint
from hscz.files.atomic import read_json, write_json, writing
from hscz.files.check import words_of

_log = logging.getLogger("hscz")

LONGEST_WAIT_S = 300.0
CHUNK = 1 << 20

T = TypeVar("T")


class ServiceError(InputError):
    """A server that cannot be used now: it wants a login, or it is down."""


class MissingFileError(InputError):
    """A file that the server does not have."""


class TemporaryError(Exception):
    """An answer after which one should ask again, `wait_s` from now if the server says so."""

    def __init__(self, reason: str, wait_s: float | None = None):
        super().__init__(reason)
        self.wait_s = wait_s


_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
    ConnectionError,
    TimeoutError,
)


class Session(requests.Session):
    """A session of requests that keeps the rate and sends each host its own login only.

    Parameters
    ----------
    settings : FetchConfig
    wait_turn : callable
        Returns when the next request may go out.
    """

    def __init__(self, settings: FetchConfig, wait_turn: Callable[[], None]):
        super().__init__()
        self.settings, self._wait_turn = settings, wait_turn
        self.auth = self._give_login
        self.headers["User-Agent"] = f"hscz/{__version__}"

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send when it is this request's turn, and refuse an answer that is none."""
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self.settings.timeout_s
        self._wait_turn()
        response = super().send(request, **kwargs)
        if response.status_code >= 400:
            with response:
                raise _error_of(response, self.settings)
        return response

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Drop the login before a redirect is followed, and give the next host its own."""
        prepared_request.headers.pop("Authorization", None)
        self._give_login(prepared_request)

    def _give_login(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        login = login_for(request.url or "", self.settings.login_hosts)
        if login is None:
            return request
        user, password = (part.encode("utf-8") for part in login)
        return requests.auth.HTTPBasicAuth(user, password)(request)


class Downloader:
    """Downloads that try again, resume, and give up on a server that is down.

    Parameters
    ----------
    settings : FetchConfig
    sleep : callable, optional
        Waits for so many seconds; by default until then or until `stopped` is set.
    clock : callable
        In place of that of `time`.
    """

    def __init__(
        self,
        settings: FetchConfig,
        sleep: Callable[[float], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.settings, self.stopped = settings, threading.Event()
        self.on_bytes: Callable[[int], Any] = lambda n: None
        self._sleep, self._clock = sleep or self.stopped.wait, clock
        self._turn, self._next_s = threading.Lock(), 0.0
        self._closed: dict[str, ServiceError] = {}
        self._answered_s: dict[str, float] = {}

    def session(self) -> Session:
        """Return a new session; one is not shared between threads."""
        return Session(self.settings, self._wait_turn)

    def attempt(self, url: str, action: Callable[[], T]) -> T:
        """Do something that talks to a server, again after growing waits where it fails.

        Parameters
        ----------
        url : str
            Address that the action talks to; only its host counts.
        action : callable
            Does all the talking and may be called several times.

        Raises
        ------
        ServiceError
            If the host wants a login, or has not answered once while all tries failed. It is
            raised at once for what is asked of this host afterwards.
        InputError
            If the tries are used up, or asking again would not help.
        """
        host, begun = urlsplit(url).netloc, self._clock()
        reason = ""
        for tried in range(1, self.settings.tries + 1):
            self.check(host)
            try:
                result = action()
            except ServiceError as error:
                self._closed[host] = error
                raise
            except (TemporaryError, *_BROKEN) as error:
                reason = _reason(error, self.settings.timeout_s)
                if tried < self.settings.tries:
                    self._pause(host, reason, tried, getattr(error, "wait_s", None))
            except requests.RequestException as error:
                raise InputError(f"{host}: {error}; check the address") from None
            else:
                self._answered_s[host] = self._clock()
                return result
        tries = self.settings.tries
        spent = f"{host}: {reason}, after {tries} {'try' if tries == 1 else 'tries'}"
        if self._answered_s.get(host, -1.0) >= begun:
            raise InputError(f"{spent}; run it again to go on")
        down = ServiceError(f"{spent}: the service seems down; run it again later to go on")
        self._closed.setdefault(host, down)
        raise down

    def download(self, url: str, path: Path, check: Callable[[Path], Any]) -> None:
        """Fetch a file under a temporary name, check it, then give it its own.

        What came before a cut or a kill is kept, and only the rest is asked for.

        Parameters
        ----------
        url : str
        path : Path
            Missing folders are made.
        check : callable
            Takes the temporary path and raises `InputError` if the file is not good.

        Raises
        ------
        InputError
            With a reason that goes after a file's name. The file is not there then.
        """
        part, note = _unfinished(path)
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.attempt(url, lambda: self._pull(url, part, note))
        try:
            check(part)
        except InputError:
            part.unlink(missing_ok=True)
            raise
        finally:
            note.unlink(missing_ok=True)
        part.replace(path)

    def size(self, url: str) -> int | None:
        """Return the length a server gives for a file, None if it gives none."""

        def ask() -> int | None:
            with self.session().head(url, allow_redirects=True) as answer:
                return _length(answer)

        return self.attempt(url, ask)

    def check(self, host: str) -> None:
        """Refuse to go on with a host that was given up, or after a stop."""
        if host in self._closed:
            raise self._closed[host]
        if self.stopped.is_set():
            raise InputError("was stopped; run it again to go on")

    def _pull(self, url: str, part: Path, note: Path) -> None:
        """Fetch what is missing of a file, in one request."""
        known = read_json(note)
        have = part.stat().st_size if known and part.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-"}
            headers |= {"If-Range": known["version"]} if known["version"] else {}
        with self.session().get(url, headers=headers, stream=True) as answer:
            total = _length(answer)
            goes_on = answer.status_code == HTTPStatus.PARTIAL_CONTENT
            if goes_on and not _continues(answer, have, known["bytes"]):
                part.unlink(missing_ok=True)
                raise TemporaryError("the file changed on the server meanwhile")
            if not goes_on:
                write_json(note, {"bytes": total, "version": _version(answer)})
                have = 0
            with part.open("ab" if goes_on else "wb") as file:
                # What came before a cut is lost where one waits for whole chunks.
                while chunk := answer.raw.read1(CHUNK):
                    with writing(part):
                        file.write(chunk)
                    have += len(chunk)
                    self.on_bytes(len(chunk))
                    self.check("")
        if total is not None and have != total:
            raise TemporaryError(f"the connection was cut after {have:,} of {total:,} bytes")

    def _wait_turn(self) -> None:
        with self._turn:
            now = self._clock()
            mine = max(now, self._next_s)
            self._next_s = mine + 1 / self.settings.requests_per_second
        if mine > now:
            self._sleep(mine - now)

    def _pause(self, host: str, reason: str, tried: int, asked_s: float | None) -> None:
        wait_s = self.settings.wait_s * 2 ** (tried - 1) if asked_s is None else asked_s
        wait_s = min(wait_s, LONGEST_WAIT_S)
        tries = self.settings.tries
        _log.info("%s: %s (try %d of %d); again in %.0f s", host, reason, tried, tries, wait_s)
        self._sleep(wait_s)


def _unfinished(path: Path) -> tuple[Path, Path]:
    """Return the temporary name of a file, and that of the note on what it is a part of."""
    part = path.with_name(f".part-{path.name}")
    return part, part.with_name(f"{part.name}.json")


def _error_of(response: requests.Response, settings: FetchConfig) -> Exception:
    """Return the error that a bad status stands for."""
    host, code = urlsplit(response.url).netloc, response.status_code
    if code == HTTPStatus.UNAUTHORIZED:
        hint = login_hint(response.url, settings.login_hosts)
        return ServiceError(f"{host}: wants a login (401); {hint}")
    if code == HTTPStatus.FORBIDDEN:
        hint = login_hint(response.url, settings.login_hosts)
        return InputError(f"{host}: does not give it away (403); {hint}")
    if code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return MissingFileError(f"{host}: has no such file ({code})")
    if code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return TemporaryError("has no more of the file than what came before")
    said = f", saying {words!r}" if (words := words_of(_beginning(response))) else ""
    if code in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or code >= 500:
        wait_s = asked_wait_s(response.headers.get("Retry-After", ""), time.time())
        return TemporaryError(f"answered {code}{said}", wait_s)
    return InputError(f"{host}: answered {code}{said}; check the address and what is asked for")


def asked_wait_s(text: str, now_s: float) -> float | None:
    """Return how long a server asks to wait, in seconds or until a date; None where it does not.

    Examples
    --------
    >>> asked_wait_s("120", 0.0), asked_wait_s("Thu, 01 Jan 1970 00:00:09 GMT", 4.0)
    (120.0, 5.0)
    >>> asked_wait_s("", 0.0), asked_wait_s("soon", 0.0)
    (None, None)
    """
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except ValueError:
        return None


def _beginning(response: requests.Response) -> bytes:
    """Return the first bytes of an answer, as many as a connection that may be cut gives."""
    try:
        return next(response.iter_content(1 << 14), b"")
    except requests.RequestException:
        return b""


def _reason(error: Exception, timeout_s: float) -> str:
    """Say in a few words what the network's own errors say in many."""
    text = str(error)
    if isinstance(error, TemporaryError):
        return text
    if isinstance(error, requests.Timeout | TimeoutError) or "timed out" in text:
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not accepted"
    if "NameResolution" in text or "getaddrinfo" in text:
        return "no such host, or no network"
    if "refused" in text:
        return "the connection was refused"
    return "the connection was cut"


def _length(answer: requests.Response) -> int | None:
    """Return the length of the whole file, also where only the rest of it is sent."""
    whole = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    text = whole[1] if whole else answer.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _version(answer: requests.Response) -> str:
    """Return what distinguishes one version of a file from another; a weak tag does not."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _continues(answer: requests.Response, have: int, total: int | None) -> bool:
    """Return whether an answer is the rest of the very file that was begun."""
    starts = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return starts is not None and int(starts[1]) == have and _length(answer) == total
