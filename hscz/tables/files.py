"""Tables in files: which columns there are, and some of them in blocks of rows."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pandas as pd

from hscz.errors import InputError

SUFFIXES: Mapping[str, str] = {
    ".fits": "fits",
    ".fit": "fits",
    ".csv": "csv",
    ".txt": "text",
    ".dat": "text",
    ".cat": "text",
    ".parquet": "parquet",
}

BLOCK_ROWS = 200_000
"""Rows of a text or Parquet file that are read at once."""

BLOCK_BYTES = 50_000_000
"""Bytes of a FITS table that are read at once; its rows hold all columns, wanted or not."""

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
            with _whole_file(self.path, self.kind):
                block = next(remaining, None)
            if block is None:
                return
            block.index = pd.RangeIndex(start, start + len(block))
            start += len(block)
            if len(block):
                yield block


def open_table(path: Path, kind: str = "parquet", hdu: int = 1) -> TableFile:
    """Open a table of any format.

    Parameters
    ----------
    path : Path
        FITS, CSV, whitespace text with or without a line of names, or Parquet.
    kind : str
        Format of a file whose suffix is none of `SUFFIXES`.
    hdu : int
        Extension of a FITS file.

    Raises
    ------
    InputError
        If the file is missing or is no such table.

    Examples
    --------
    >>> open_table(Path("nowhere.csv"))
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: nowhere.csv: no such file; check the path in the configuration
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path in the configuration")
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    kind = SUFFIXES.get(suffix.lower(), kind)
    openers = {"fits": _open_fits, "csv": _open_csv, "text": _open_text, "parquet": _open_parquet}
    with _whole_file(path, kind):
        return openers[kind](path, hdu)._replace(kind=kind)


@contextmanager
def _whole_file(path: Path, kind: str) -> Iterator[None]:
    """Turn what the libraries say of a file they cannot read into one error."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "File may have been truncated")
            yield
    except (OSError, EOFError, ValueError, TypeError, UserWarning) as error:
        raise InputError(
            f"{path}: cannot be read as {kind}: {error}; the file may be cut short"
        ) from None


def _open_fits(path: Path, hdu: int) -> TableFile:
    from astropy.io import fits

    with fits.open(path) as hdus:
        if hdu >= len(hdus) or not isinstance(hdus[hdu], fits.BinTableHDU):
            raise InputError(f"{path}: HDU {hdu} is not a table; set hdu in the descriptor")
        columns = {column.name: column for column in hdus[hdu].columns}
        record = hdus[hdu].columns.dtype.newbyteorder(">")
        start, n_rows = hdus[hdu].fileinfo()["datLoc"], hdus[hdu].header["NAXIS2"]
    units = {name: column.unit for name, column in columns.items() if column.unit}
    flat: dict[str, tuple[str, int]] = {}
    for name, column in columns.items():
        shape = (column.format.repeat,) if column.format.format == "X" else record[name].shape
        size = int(np.prod(shape))
        flat |= {f"{name}_{k}" if shape else name: (name, k) for k in range(size)}

    # Not astropy's own table: on closing the file it would copy every column into memory.
    def read(wanted: list[str]) -> Iterator[pd.DataFrame]:
        rows = max(1, BLOCK_BYTES // record.itemsize)
        with _stream(path) as stream:
            stream.seek(start)
            for done in range(0, n_rows, rows):
                n_bytes = min(rows, n_rows - done) * record.itemsize
                content = stream.read(n_bytes)
                if len(content) < n_bytes:
                    raise EOFError(f"{n_rows} rows in the header, fewer in the file")
                data = np.frombuffer(content, record)
                found = ((key, *flat[key]) for key in wanted)
                yield pd.DataFrame({key: _native(data[c], columns[c], k) for key, c, k in found})

    return TableFile(path, list(flat), n_rows, read, units)


def _native(values: np.ndarray, column: Any, k: int) -> np.ndarray:
    """Return one element of a FITS column as numbers of this machine, NaN for its TNULL."""
    values = values.reshape(len(values), -1)
    kind = column.format.format
    if kind == "X":
        return np.unpackbits(values, axis=1)[:, k].astype(bool)
    values = values[:, k]
    if kind == "A":
        return np.char.strip(values.astype(str)).astype(object)
    if kind == "L":
        return values == ord("T")
    native = values.astype(values.dtype.newbyteorder("="))
    unknown = None if column.null is None else native == column.null
    scale, zero = column.bscale or 1, column.bzero or 0
    if scale == 1 and zero == 2**63:  # how FITS stores unsigned integers
        native = native.view(np.uint64) ^ np.uint64(zero)
    elif (scale, zero) != (1, 0):
        whole = native.dtype.kind in "iu" and scale == 1 and zero == int(zero)
        native = native.astype(np.int64) + int(zero) if whole else native * scale + zero
    return native if unknown is None else np.where(unknown, np.nan, native)


def _open_csv(path: Path, hdu: int) -> TableFile:
    names = list(pd.read_csv(path, nrows=0).columns)
    return TableFile(path, names, _n_lines(path), lambda wanted: _chunks(path, usecols=wanted))


def _open_text(path: Path, hdu: int) -> TableFile:
    names, n_skipped = _text_header(path)
    options = {"sep": r"\s+", "comment": "#", "names": names, "skiprows": n_skipped}
    return TableFile(
        path, names, _n_lines(path), lambda wanted: _chunks(path, usecols=wanted, **options)
    )


def _text_header(path: Path) -> tuple[list[str], int]:
    """Return the columns of a text, and how many lines to skip for them.

    Their names stand in the last ``#`` line before the rows with as many words as a row, or in
    the first line alone; a text that has neither gets col1, col2 and so on, as astropy counts.
    """
    comments: list[list[str]] = []
    with _stream(path) as stream:
        for line in map(bytes.decode, stream):
            words = line.split()
            if line.startswith("#"):
                comments.append(line.lstrip("#").split())
            elif words:
                named = [comment for comment in comments if len(comment) == len(words)]
                if named:
                    return named[-1], 0
                if not any(map(_is_number, words)):
                    return words, len(comments) + 1
                return [f"col{k}" for k in range(1, len(words) + 1)], 0
    return (comments[-1] if comments else []), 0


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _chunks(path: Path, **options: Any) -> Iterator[pd.DataFrame]:
    with pd.read_csv(path, chunksize=BLOCK_ROWS, **options) as chunks:
        yield from chunks


def _n_lines(path: Path) -> int:
    with _stream(path) as stream:
        return 1 + sum(part.count(b"\n") for part in iter(lambda: stream.read(1 << 20), b""))


def _stream(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _open_parquet(path: Path, hdu: int) -> TableFile:
    import pyarrow.parquet as pq

    def read(wanted: list[str]) -> Iterator[pd.DataFrame]:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BLOCK_ROWS, columns=wanted):
                yield batch.to_pandas(ignore_metadata=True)

    return TableFile(path, pq.read_schema(path).names, pq.read_metadata(path).num_rows, read)
