"""A table in a file: its columns, and some of them in blocks of rows."""

from __future__ import annotations

import csv
import lzma
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from xml.parsers.expat import ExpatError

import pandas as pd

from hscz.errors import InputError

BLOCK_ROWS = 200_000
"""Rows of a Parquet file that are read at once."""

BLOCK_LINES = 20_000
"""Lines of a text that are read at once; they hold all columns, wanted or not."""

BLOCK_BYTES = 50_000_000
"""Bytes of a FITS table that are read at once; its rows hold all columns, wanted or not."""

UNREADABLE = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, UserWarning),
    *(zlib.error, lzma.LZMAError, csv.Error, ExpatError),
)
"""What the libraries raise over a file they cannot read."""

Blocks = Callable[[list[str]], Iterator[pd.DataFrame]]


class TableFile(NamedTuple):
    """A file that was opened: its columns, how to read some of them, and units it states.

    `n_rows` is how many rows it has at most; a text may hold empty lines.
    """

    path: Path
    names: list[str]
    n_rows: int
    read: Blocks
    units: Mapping[str, str] = {}
    kind: str = ""

    def blocks(self, columns: list[str]) -> Iterator[pd.DataFrame]:
        """Yield blocks of rows with some columns; their index counts the rows of the file.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        remaining, start = self.read(columns), 0
        while True:
            with whole_file(self.path, self.kind):
                block = next(remaining, None)
            if block is None:
                return
            block.index = pd.RangeIndex(start, start + len(block))
            start += len(block)
            if len(block):
                yield block


@contextmanager
def whole_file(path: Path, kind: str) -> Iterator[None]:
    """Turn what the libraries say of a file they cannot read into one error."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "File may have been truncated")
            yield
    except UNREADABLE as error:
        said = f"{path}: cannot be read as {kind}: {' '.join(str(error).split())}"
        raise InputError(f"{said}; the file may be cut short, or of another kind") from None
