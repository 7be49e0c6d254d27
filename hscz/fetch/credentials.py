"""Logins from environment variables or the netrc file, each for the one host it belongs to.

A password lives in this module and in the request that it goes out with, nowhere else: no
setting, log line, error message or artefact has it.
"""

from __future__ import annotations

import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from hscz.errors import ConfigError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Login(NamedTuple):
    """A user name and a password; its text form shows neither."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "Login(...)"


def login_for(url: str, hosts: Mapping[str, str]) -> Login | None:
    """Return the login that goes with a request, None where the host has none.

    Parameters
    ----------
    url : str
    hosts : mapping of str to str
        Host, or host and port, to how the names of its two environment variables begin.

    Raises
    ------
    ConfigError
        If the login would travel unencrypted, or one of the two variables is not set.

    Examples
    --------
    >>> login_for("https://example.org/a.fits", {"hsc-release.mtk.nao.ac.jp": "HSC_SSP_CAS"})
    """
    login = _from_environment(url, hosts) or _from_netrc(url)
    parts = urlsplit(url)
    if login and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ConfigError(
            f"{parts.netloc}: the login for this host would travel unencrypted; "
            "write its address with https://"
        )
    return login


def login_hint(url: str, hosts: Mapping[str, str]) -> str:
    """Return what to do about a login that is missing or was refused.

    Examples
    --------
    >>> login_hint("https://a.org/x", {"a.org": "HSC_SSP_CAS"})
    'set HSC_SSP_CAS_USER and HSC_SSP_CAS_PASSWORD, or add a line for a.org to the netrc file'
    """
    parts = urlsplit(url)
    prefix = _prefix(url, hosts)
    by_file = f"add a line for {parts.hostname} to the netrc file"
    if prefix is None:
        return f"{by_file}, or name its variables under [fetch.logins]"
    if login_for(url, hosts) is None:
        return f"set {prefix}_USER and {prefix}_PASSWORD, or {by_file}"
    return f"correct {prefix}_USER and {prefix}_PASSWORD, or the line in the netrc file"


def _prefix(url: str, hosts: Mapping[str, str]) -> str | None:
    parts = urlsplit(url)
    return hosts.get(parts.netloc, hosts.get(parts.hostname or ""))


def _from_environment(url: str, hosts: Mapping[str, str]) -> Login | None:
    prefix = _prefix(url, hosts)
    if prefix is None:
        return None
    names = f"{prefix}_USER", f"{prefix}_PASSWORD"
    values = [os.environ.get(name, "") for name in names]
    if not any(values):
        return None
    for name, value, other in zip(names, values, reversed(names), strict=True):
        if not value:
            raise ConfigError(f"{name} is not set, but {other} is; set both, or none of them")
    return Login(*values)


def _from_netrc(url: str) -> Login | None:
    """Return the host's own line of the netrc file; its default line would go to everybody."""
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    if not path.is_file():
        return None
    try:
        entry = netrc.netrc(path).hosts.get(urlsplit(url).hostname or "")
    except (netrc.NetrcParseError, OSError) as error:
        # The error's own text would repeat a piece of the file.
        line = getattr(error, "lineno", None)
        raise ConfigError(f"{path}: cannot be read near line {line}; correct the file") from None
    return Login(entry[0], entry[2]) if entry and entry[2] else None
