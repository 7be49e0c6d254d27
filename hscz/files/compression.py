"""Files once decompressed: gzip, bzip2 and xz, known by their first bytes, not by their names."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from pathlib import Path
from typing import Any

PACKERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
"""First bytes of compressed files, and what opens them."""

SUFFIXES = (".gz", ".bz2", ".xz")

DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a compressed file raises where it is cut short or damaged."""


def is_compressed(path: Path) -> bool:
    """Return whether a file must be decompressed to be read."""
    return _opener(path) is not open


def open_decompressed(path: Path) -> Any:
    """Open a file to read its bytes, decompressed where it is compressed.

    Returns
    -------
    io.BufferedReader or the like
        It can ``peek``, and ``seek`` forward.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "a.txt"
    >>> _ = path.write_bytes(bz2.compress(b"150.1 2.2"))
    >>> is_compressed(path), open_decompressed(path).read()
    (True, b'150.1 2.2')
    """
    return _opener(path)(path, "rb")


def _opener(path: Path) -> Any:
    with path.open("rb") as file:
        head = file.read(8)
    return next((opener for magic, opener in PACKERS.items() if head.startswith(magic)), open)
