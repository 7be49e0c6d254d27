"""Whether a file that came is what it should be: FITS and whole, or at least no error page."""

from __future__ import annotations

import html
import re
import warnings
from pathlib import Path

from hscz.errors import InputError
from hscz.files.compression import DAMAGED, SUFFIXES, is_compressed, open_decompressed

LONGEST = 300
"""Letters of what a service says that an error repeats."""


def check_file(path: Path) -> None:
    """Refuse a file that is empty, a web page, or cut short.

    Parameters
    ----------
    path : Path
        What it should be is clear from its suffix; FITS is read to its end by its headers, and
        only the beginning is looked at in files of other kinds.

    Raises
    ------
    InputError
        The message is a reason that goes after a file's name.
    """
    head = _head(path)
    if not head:
        raise InputError("is empty; the server may have failed")
    refuse_web_page(head)
    name = path.name.lower()
    for suffix in (*SUFFIXES, ".fz"):
        name = name.removesuffix(suffix)
    if name.endswith((".fits", ".fit")):
        _check_fits(path, head)
    elif name.endswith(".parquet") and head[:4] != b"PAR1":
        raise InputError("is not Parquet; check its address")


def refuse_web_page(head: bytes) -> None:
    """Refuse HTML, which servers send in place of a file to say what went wrong.

    Examples
    --------
    >>> refuse_web_page(b"<!DOCTYPE html><html><title>Please log in</title>")
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: is an HTML page ('Please log in'), not the file; ...
    """
    text = head[:4096].decode("utf-8", "replace")
    if not _is_web_page(text):
        return
    said = f" ({words[:80]!r})" if (words := words_of(head)) else ""
    raise InputError(
        f"is an HTML page{said}, not the file; check its address, and whether it wants a login"
    )


def words_of(answer: bytes) -> str:
    r"""Return what a service says where it does not give what it was asked for.

    Parameters
    ----------
    answer : bytes
        A VOTable, of which its query status counts, a web page, of which its title does, or
        plain text; of all, what comes first.

    Examples
    --------
    >>> words_of(b'<VOTABLE><INFO name="QUERY_STATUS" value="ERROR">no table t</INFO></VOTABLE>')
    'no table t'
    >>> words_of(b"no column z in\n  table t")
    'no column z in table t'
    """
    text = answer.decode("utf-8", "replace")
    status = re.search(r"<(?:\w+:)?INFO\b[^>]*QUERY_STATUS[^>]*[^/]>(.*?)</", text, re.DOTALL)
    if status:
        text = status[1].replace("<![CDATA[", "").replace("]]>", "")
    elif _is_web_page(text):
        title = re.search(r"<(?:title|h1)[^>]*>(.*?)</", text, re.IGNORECASE | re.DOTALL)
        text = title[1] if title else ""
    words = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())
    return "".join(letter for letter in words if letter.isprintable())[:LONGEST]


def _is_web_page(text: str) -> bool:
    return re.match(r"\s*<(!doctype html|html|head|body)", text, re.IGNORECASE) is not None


def _head(path: Path) -> bytes:
    try:
        with open_decompressed(path) as file:
            head: bytes = file.read(4096)
    except DAMAGED:
        raise InputError("is compressed and cut short; fetch it again") from None
    return head


def _check_fits(path: Path, head: bytes) -> None:
    from astropy.io import fits

    compressed = is_compressed(path)
    if not head.startswith(b"SIMPLE  ="):
        raise InputError(f"is not FITS, it begins with {head[:16]!r}; check its address")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "File may have been truncated")
            # astropy leaves a file open that it opened itself and then cannot read.
            with path.open("rb") as file, fits.open(file, lazy_load_hdus=False) as hdus:
                whole = compressed or _ends_in_file(hdus, path)
        if compressed:
            with open_decompressed(path) as decompressed:
                while decompressed.read(1 << 20):
                    pass
    except (*DAMAGED, ValueError, TypeError, KeyError, UserWarning):
        whole = False
    if not whole:
        raise InputError("is FITS cut short; fetch it again")


def _ends_in_file(hdus: object, path: Path) -> bool:
    """Return whether the data of all HDUs lie inside the file."""
    ends = [info["datLoc"] + info["datSpan"] for info in (h.fileinfo() for h in hdus)]  # type: ignore[attr-defined]
    return max(ends) <= path.stat().st_size
