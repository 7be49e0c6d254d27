"""Tables in formats that astropy reads as a whole."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hscz.tables.tablefile import TableFile

FORMATS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "votable": ("votable", {"use_names_over_ids": True}),
    "ecsv": ("ascii.ecsv", {}),
    "ipac": ("ascii.ipac", {}),
    "mrt": ("ascii.mrt", {}),
    "fits": ("fits", {}),
}
"""What astropy calls our formats, and how it is to read them."""


def open_whole(path: Path, kind: str, **options: Any) -> TableFile:
    """Read a table; what is masked becomes NaN, and a vector V the columns V_0, V_1 ..."""
    from astropy.table import Table
    from astropy.utils.exceptions import AstropyWarning

    name, ours = FORMATS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        table = Table.read(path, format=name, **ours, **options)
    flat: dict[str, tuple[str, int]] = {}
    for column in table.colnames:
        size = int(np.prod(table[column].shape[1:]))
        vector = len(table[column].shape) > 1
        flat |= {f"{column}_{k}" if vector else column: (column, k) for k in range(size)}

    def read(wanted: list[str]) -> Iterator[pd.DataFrame]:
        found = ((key, *flat[key]) for key in wanted)
        yield pd.DataFrame({key: _element(table[column], k) for key, column, k in found})

    units = {column: str(table[column].unit) for column in table.colnames if table[column].unit}
    return TableFile(path, list(flat), len(table), read, units)


def _element(column: Any, k: int) -> np.ndarray:
    """Return one element of each row of a column, NaN or None where it is masked."""
    values = np.ma.getdata(column).reshape(len(column), -1)[:, k]
    masked = np.ma.getmaskarray(column).reshape(len(column), -1)[:, k]
    if values.dtype.kind in "SUO":
        text = np.array([str(value).strip() for value in values], object)
        text[masked] = None
        return text
    native = values.astype(values.dtype.newbyteorder("="))
    return np.where(masked, np.nan, native) if masked.any() else native
