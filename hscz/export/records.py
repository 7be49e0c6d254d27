"""Rows as FITS tables and the VOTable stream BINARY2 hold them: one big-endian record each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hscz.errors import InputError
from hscz.export.columns import Block, Column


def records(columns: Sequence[Column], block: Block, null_bytes: int = 0) -> NDArray[np.uint8]:
    """Return the bytes of some rows.

    Parameters
    ----------
    columns : sequence of Column
    block : mapping of str to ndarray
    null_bytes : int
        Bytes before each row whose bits say which entries are null: in BINARY2, none is.

    Raises
    ------
    InputError
        If a text is not ASCII, which neither format has.

    Examples
    --------
    >>> column = Column("flags", "flags", np.dtype("i2"))
    >>> records([column], {"flags": np.array([1, 2])}, null_bytes=1).tolist()
    [0, 0, 1, 0, 0, 2]
    """
    kind: list[tuple[Any, ...]] = [("", "u1", (null_bytes,))] if null_bytes else []
    kind += [(column.name, _bytes_of(column), column.shape) for column in columns]
    rows = np.zeros(len(next(iter(block.values()))), dtype=kind)
    for column in columns:
        values = column.entries(block)
        try:
            rows[column.name] = np.where(values, b"T", b"F") if values.dtype == bool else values
        except UnicodeEncodeError as error:
            raise InputError(
                f"column {column.name!r} holds {str(error.object)!r}, which is not ASCII; spell "
                "it another way, or export to parquet"
            ) from None
    return rows.view(np.uint8)


def _bytes_of(column: Column) -> np.dtype[Any]:
    if column.is_text:
        return np.dtype(f"S{text_width(column)}")
    return np.dtype("S1") if column.dtype.kind == "b" else column.dtype.newbyteorder(">")


def text_width(column: Column) -> int:
    """Return the number of characters of a column of text."""
    return column.dtype.itemsize // np.dtype("U1").itemsize
