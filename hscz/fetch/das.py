"""Cut-outs of the HSC archive: lists of positions in, tar streams out, one file per band and row.

The service takes a list of at most 990 rows and answers with a tar stream whose files are named
``arch-.../N-cutout-HSC-I-9813-pdr2_dud.fits``. N is the line of the list, whose header is line
1; a row may give no file, one, or several where tracts overlap.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz.errors import InputError
from hscz.fetch.http import CHUNK, Downloader, TemporaryError
from hscz.files.atomic import aside
from hscz.files.check import check_file, refuse_web_page

MOST_ROWS = 990
"""Rows of one list."""

HEADER = "#? rerun filter ra dec sw sh image mask variance type"

_MEMBER = re.compile(r"(\d+)-cutout-(.+)-(\d+)-[^-]+\.fits")


@dataclass(frozen=True)
class Request:
    """One list: the rows of the table it asks for, all in one filter.

    Attributes
    ----------
    rerun, filter_name : str
    first : int
        Number of its first row in the table.
    ra, dec : ndarray of float, shape (n,)
        Degrees.
    half_size_arcsec : float
    """

    rerun: str
    filter_name: str
    first: int
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    half_size_arcsec: float

    @property
    def text(self) -> str:
        """The list as the service wants it; its sw and sh are half sizes.

        Examples
        --------
        >>> one = Request("pdr3_dud", "HSC-I", 0, np.array([150.1]), np.array([2.2]), 10.0)
        >>> print(one.text)
        #? rerun filter ra dec sw sh image mask variance type
        pdr3_dud HSC-I 150.10000000 2.20000000 10arcsec 10arcsec true true true coadd
        """
        side = f"{self.half_size_arcsec:g}arcsec"
        rows = [
            f"{self.rerun} {self.filter_name} {ra:.8f} {dec:.8f} {side} {side} true true true coadd"
            for ra, dec in zip(self.ra, self.dec, strict=True)
        ]
        return "\n".join([HEADER, *rows])


def requests_for(
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
    filters: Sequence[str],
    rerun: str,
    half_size_arcsec: float,
) -> list[Request]:
    """Divide positions and filters into lists that the service takes.

    Examples
    --------
    >>> lists = requests_for(np.zeros(2000), np.zeros(2000), ["HSC-G", "HSC-I"], "pdr3_dud", 10.0)
    >>> [(one.filter_name, one.first, len(one.ra)) for one in lists][:3]
    [('HSC-G', 0, 990), ('HSC-G', 990, 990), ('HSC-G', 1980, 20)]
    """
    return [
        Request(rerun, name, k, ra[k : k + MOST_ROWS], dec[k : k + MOST_ROWS], half_size_arcsec)
        for name in filters
        for k in range(0, len(ra), MOST_ROWS)
    ]


def fetch_cutouts(
    request: Request, url: str, path_of: Callable[[str, str], Path], downloader: Downloader
) -> pd.DataFrame:
    """Fetch one list, file by file as the stream comes.

    Parameters
    ----------
    request : Request
    url : str
        Address of the service.
    path_of : callable
        Path of a file by the tract and a name for the row, such as ``17`` or, where a row gives
        several files, ``17`` in each tract.
    downloader : Downloader

    Returns
    -------
    pandas.DataFrame
        ``row``, ``filter``, ``tract`` and ``file``: a line for every file, and one with an empty
        ``file`` for every row that gave none.

    Raises
    ------
    InputError
        If the answer is not such a stream, or a member would be written outside its folder; and,
        once all others are there, if a file is not whole.
    """
    lines = downloader.attempt(url, lambda: _pull(request, url, path_of, downloader))
    got = {line["row"] for line in lines}
    rows = range(request.first, request.first + len(request.ra))
    lines += [_line(row, request.filter_name) for row in rows if row not in got]
    return pd.DataFrame(lines).sort_values(["row", "tract"], ignore_index=True)


def _pull(
    request: Request, url: str, path_of: Callable[[str, str], Path], downloader: Downloader
) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    bad: list[str] = []
    files = {"list": ("list.txt", request.text)}
    with downloader.session().post(url, files=files, stream=True) as answer:
        stated = {"Content-Length", "Transfer-Encoding"} & {key.title() for key in answer.headers}
        try:
            for member, data in _members(answer.raw, url, needs_end=not stated):
                line, filter_name, tract = _parsed(member.name, url)
                row = request.first + line - 2
                if not 0 <= line - 2 < len(request.ra):
                    raise InputError(f"{url}: {member.name} is of a line that was not asked for")
                # Coadds in the later filters HSC-R2 and HSC-I2 are named with or without the 2.
                if filter_name.removesuffix("2") != request.filter_name.removesuffix("2"):
                    raise InputError(f"{url}: {member.name} is not in {request.filter_name}")
                path = path_of(tract, str(row))
                try:
                    _write(data, path, member.size, downloader)
                except InputError as error:
                    bad.append(f"row {row} in tract {tract} {error}")
                lines.append(_line(row, request.filter_name, tract, str(path)))
        except (tarfile.ReadError, EOFError) as error:
            raise TemporaryError(f"the stream of cut-outs was cut ({error})") from None
    if bad:
        raise InputError(
            f"{url}: {len(bad)} of {len(lines)} cut-outs are bad: {'; '.join(bad[:5])}"
        )
    return lines


def _members(stream: Any, url: str, needs_end: bool) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """Yield the files of a tar stream, refusing all that is not a plain file in a folder.

    Where HTTP does not say how long the stream is, only its end mark shows that it is whole.
    """
    head = stream.read(512)
    refuse_web_page(head)
    joined: Any = _Joined(head, stream)
    with tarfile.open(fileobj=joined, mode="r|") as tar:
        for member in tar:
            if member.isdir():
                continue
            parts = PurePosixPath(member.name).parts
            if not member.isfile() or member.name.startswith("/") or ".." in parts:
                raise InputError(
                    f"{url}: the answer has {member.name!r}, which is no plain file inside its "
                    "folder; nothing of it was written, ask the archive"
                )
            data = tar.extractfile(member)
            assert data is not None
            yield member, data
        if needs_end and not joined.ends_after(tar.offset):
            raise tarfile.ReadError("no end mark")


class _Joined:
    """A stream with the bytes that were looked at put back in front."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self._head, self._rest, self._last, self._n_bytes = head, rest, b"", 0

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes."""
        taken, self._head = self._head[:size], self._head[size:]
        if len(taken) < size:
            taken += self._rest.read(size - len(taken))
        self._last = (self._last + taken[-tarfile.BLOCKSIZE :])[-tarfile.BLOCKSIZE :]
        self._n_bytes += len(taken)
        return taken

    def ends_after(self, offset: int) -> bool:
        """Read to the end; return whether blocks of zeros, which close a tar, follow `offset`.

        The last file may end in zeros too, so there must be bytes beyond it.
        """
        while self.read(CHUNK):
            pass
        return self._n_bytes > offset and self._last == bytes(tarfile.BLOCKSIZE)


def _parsed(name: str, url: str) -> tuple[int, str, str]:
    """Return line, filter and tract of a member's name."""
    found = _MEMBER.fullmatch(PurePosixPath(name).name)
    if found is None:
        raise InputError(f"{url}: the answer has {name!r}, which is not named like a cut-out")
    return int(found[1]), found[2], found[3]


def _write(data: IO[bytes], path: Path, size: int, downloader: Downloader) -> None:
    with aside(path) as temporary:
        written = 0
        with temporary.open("wb") as file:
            while chunk := data.read(CHUNK):
                file.write(chunk)
                written += len(chunk)
                downloader.on_bytes(len(chunk))
        if written != size:
            raise TemporaryError(f"the stream of cut-outs was cut in {path.name}")
        check_file(temporary)


def _line(row: int, filter_name: str, tract: str = "", file: str = "") -> dict[str, Any]:
    return {"row": row, "filter": filter_name, "tract": tract, "file": file}
