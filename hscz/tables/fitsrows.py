"""Tables in FITS files, read block by block of rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hscz.errors import InputError
from hscz.files.compression import open_decompressed
from hscz.tables import tablefile
from hscz.tables.tablefile import TableFile
from hscz.tables.wholetable import open_whole


def open_fits(path: Path, hdu: int) -> TableFile:
    """Open a table of a FITS file.

    Raises
    ------
    InputError
        If the HDU is no table, or none that can be read by rows.
    """
    from astropy.io import fits

    with fits.open(path) as hdus:
        table = hdus[hdu] if 0 <= hdu < len(hdus) else None
        if isinstance(table, fits.TableHDU):
            return open_whole(path, "fits", hdu=hdu)
        if not isinstance(table, fits.BinTableHDU):
            numbers = [str(n) for n, one in enumerate(hdus) if isinstance(one, fits.BinTableHDU)]
            there = f"tables are in HDU {', '.join(numbers)}" if numbers else "no HDU is one"
            raise InputError(
                f"{path}: HDU {hdu} is not a table, {there}; set hdu in the descriptor"
            )
        if table.header.get("ZTABLE"):
            raise InputError(f"{path}: its table is compressed in itself; undo it with funpack")
        columns = {column.name: column for column in table.columns}
        if len(columns) < len(table.columns):
            twice = [name for name in columns if table.columns.names.count(name) > 1]
            raise InputError(f"{path}: has two columns {twice[0]!r}; rename one")
        record = table.columns.dtype.newbyteorder(">")
        start, n_rows = table.fileinfo()["datLoc"], table.header["NAXIS2"]
    units = {name: column.unit for name, column in columns.items() if column.unit}
    flat: dict[str, tuple[str, int]] = {}
    for name, column in columns.items():
        shape = (column.format.repeat,) if column.format.format == "X" else record[name].shape
        size = int(np.prod(shape))
        flat |= {f"{name}_{k}" if shape else name: (name, k) for k in range(size)}

    # Not astropy's own table: on closing the file it would copy every column into memory.
    def read(wanted: list[str]) -> Iterator[pd.DataFrame]:
        rows = max(1, tablefile.BLOCK_BYTES // record.itemsize)
        with open_decompressed(path) as stream:
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
        return np.char.strip(np.char.decode(values, "utf-8", "replace")).astype(object)
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
    # Whole numbers stay so where none is unknown: long identifiers are no floating-point numbers.
    return np.where(unknown, np.nan, native) if unknown is not None and unknown.any() else native
