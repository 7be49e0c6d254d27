"""The selection as a catalogue, with the columns of `hscz.export`."""

from __future__ import annotations

import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.csv as csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hscz.dashboard.data import Cube
from hscz.errors import InputError
from hscz.export import export

FORMATS = {"FITS": "fits", "Parquet": "parquet", "CSV": "csv"}
"""Suffix of each format offered."""


def catalogue(cube: Cube, chosen: NDArray[np.bool_], suffix: str) -> BytesIO:
    """Return the catalogue of the chosen objects as a file.

    It is written to a temporary folder block by block; the file alone is in memory.

    Parameters
    ----------
    cube : Cube
    chosen : ndarray of bool, shape (object,)
    suffix : str
        ``fits``, ``parquet`` or ``csv``.

    Raises
    ------
    InputError
        If no object is chosen.
    """
    if not chosen.any():
        raise InputError(f"{cube.path}: no object is selected; widen the selection")
    rows = slice(None) if chosen.all() else np.flatnonzero(chosen)
    with tempfile.TemporaryDirectory() as folder:
        stem = Path(folder) / "selection"
        written = "parquet" if suffix == "csv" else suffix
        (path,) = export(cube.dataset.isel(object=rows), stem, formats=[written])
        if suffix == "csv":
            path = _to_csv(path)
        return BytesIO(path.read_bytes())


def _to_csv(path: Path) -> Path:
    out = path.with_suffix(".csv")
    with pq.ParquetFile(path) as table, csv.CSVWriter(out, table.schema_arrow) as writer:
        for batch in table.iter_batches():
            writer.write_batch(batch)
    return out
