"""Catalogues from PDF cubes: FITS and Parquet files with the same numbers, block by block.

Columns are named as in the catalogues of the Rubin data preview: quantities of the estimator
begin with its name, ``cnn_z_median``, ``cnn_z_err68_low`` ...
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz import __version__, pdf
from hscz.atomic import write_atomic
from hscz.errors import ConfigError, StoreError
from hscz.schema import LABEL_COLUMNS, PDF_CUBE, Variable
from hscz.stores import open_cube

ESTIMATES: Mapping[str, str] = {
    "z_median": "z_median",
    "z_mean": "z_mean",
    "z_mode": "z_mode",
    "z_q16": "z_err68_low",
    "z_q84": "z_err68_high",
    "pdf_width": "pdf_width",
    "n_peaks": "n_peaks",
    "z_peak2": "z_peak2",
    "p_peak2": "p_peak2",
}
"""Columns that get the estimator's name, by variable of the PDF cube."""

_AS_THEY_ARE = ("object_id", "ra", "dec", "field", "mag_i", "snr_i", "ebv", "flags")

_ERR95: Mapping[str, tuple[float, Variable]] = {
    "z_err95_low": (0.025, Variable((), "f", "2.5 % quantile of the PDF", "", "stat.min")),
    "z_err95_high": (0.975, Variable((), "f", "97.5 % quantile of the PDF", "", "stat.max")),
}

_TFORM = {"f4": "E", "f8": "D", "i8": "K", "i4": "J", "i2": "I", "u1": "B", "b1": "L"}
"""FITS letter of each type a column may have."""


@dataclass(frozen=True)
class Column:
    """One column of the catalogue.

    Attributes
    ----------
    name : str
    dtype : numpy.dtype
        Of one entry; fixed-width bytes for text.
    about : Variable
        Meaning, unit and UCD.
    rows : callable
        Takes a loaded piece of the cube and returns the column's entries.
    shape : tuple of int
        Of one entry; empty but for the PDF.
    """

    name: str
    dtype: np.dtype[Any]
    about: Variable
    rows: Callable[[xr.Dataset], NDArray[Any]]
    shape: tuple[int, ...] = ()


def to_table(cube: xr.Dataset, algorithm: str = "cnn") -> pd.DataFrame:
    """Return the catalogue of a whole PDF cube in memory, with the columns `export` writes.

    Parameters
    ----------
    cube : xarray.Dataset
        See `hscz.schema.PDF_CUBE`.
    algorithm : str
        Name the estimator's columns begin with.

    Returns
    -------
    pandas.DataFrame
        One row per object.
    """
    columns = _columns(cube, algorithm, include_pdf=False, block=len(cube["object_id"]))
    (entries,) = _blocks(cube, columns, len(cube["object_id"]))
    return pd.DataFrame(
        {
            column.name: values.astype(str) if values.dtype.kind == "S" else values
            for column, values in zip(columns, entries, strict=True)
        }
    )


def export(
    cube: xr.Dataset | str | Path,
    out_stem: str | Path,
    formats: Sequence[str] = ("fits", "parquet"),
    include_pdf: bool = False,
    algorithm: str = "cnn",
    block: int = 100_000,
) -> list[Path]:
    """Write the catalogue of a PDF cube, without ever holding more than a block of it.

    Parameters
    ----------
    cube : xarray.Dataset or str or Path
        A PDF cube or where it lies.
    out_stem : str or Path
        Path of the files without their suffix.
    formats : sequence of str
        ``fits`` and ``parquet``. In FITS, units, descriptions and UCDs stand in TUNIT, TCOMM
        and TUCD cards; in Parquet in the metadata of each field.
    include_pdf : bool
        Add the PDFs as a vector column. Their bin edges go into the HDU EDGES, or into the
        metadata ``z_edges``.
    algorithm : str
        Name the estimator's columns begin with.
    block : int
        Objects held in memory at once.

    Returns
    -------
    list of Path
        The files, in the order of `formats`. Each is written whole or not at all.

    Raises
    ------
    ConfigError
        If a format is unknown.
    StoreError
        If the cube is not there, not whole or without objects.
    """
    unknown = [kind for kind in formats if kind not in _WRITERS]
    if unknown:
        raise ConfigError(f"export format {unknown[0]!r} is unknown; use {' or '.join(_WRITERS)}")
    cube = cube if isinstance(cube, xr.Dataset) else open_cube(cube, lazy=False)
    if not cube.sizes["object"]:
        raise StoreError("the PDF cube has no object to export; predict the field again")
    columns = _columns(cube, algorithm, include_pdf, block)
    stem = Path(out_stem)
    return [
        write_atomic(
            stem.with_name(f"{stem.name}.{kind}"),
            partial(_WRITERS[kind], cube=cube, columns=columns, block=block),
        )
        for kind in formats
    ]


def _columns(cube: xr.Dataset, algorithm: str, include_pdf: bool, block: int) -> list[Column]:
    names = {name: name for name in _AS_THEY_ARE}
    names |= {name: f"{algorithm}_{new}" for name, new in ESTIMATES.items()}
    names |= {name: name for name in LABEL_COLUMNS if name in cube.variables}
    about = dict(LABEL_COLUMNS) | dict(PDF_CUBE)
    columns = [
        Column(new, _storable(cube[name], block), about[name], partial(_entries, name))
        for name, new in names.items()
    ]
    columns += [
        Column(f"{algorithm}_{new}", np.dtype("f4"), meaning, partial(_quantile, q))
        for new, (q, meaning) in _ERR95.items()
    ]
    if include_pdf:
        n_bins = (cube.sizes["z"],)
        rows = partial(_entries, "pdf")
        columns += [Column(f"{algorithm}_pdf", np.dtype("f4"), about["pdf"], rows, n_bins)]
    return columns


def _entries(name: str, piece: xr.Dataset) -> NDArray[Any]:
    return _plain(piece[name])


def _plain(values: xr.DataArray) -> NDArray[Any]:
    """Return numbers as they are and text as fixed-width bytes."""
    array = values.to_numpy()
    if array.dtype.kind in "biuf":
        return array
    # By way of objects: numpy cannot turn its variable-width text into fixed width at once.
    return np.char.encode(array.astype(object).astype(str), "utf-8")


def _quantile(q: float, piece: xr.Dataset) -> NDArray[np.float64]:
    return pdf.quantile(piece["pdf"].to_numpy(), piece["z_edges"].to_numpy(), q)


def _storable(values: xr.DataArray, block: int) -> np.dtype[Any]:
    """Return a type FITS has and that holds the values; text gets the width of the longest."""
    if values.dtype.kind not in "biuf":
        pieces = (values[start : start + block] for start in range(0, len(values), block))
        width = max(_plain(piece).itemsize for piece in pieces)
        return np.dtype(f"S{max(width, 1)}")
    if values.dtype.str[1:] in _TFORM:
        return values.dtype.newbyteorder("=")
    return np.dtype("f4" if values.dtype.kind == "f" else "i8")


def _blocks(
    cube: xr.Dataset, columns: Sequence[Column], block: int
) -> Iterator[list[NDArray[Any]]]:
    """Yield the entries of every column, block by block."""
    names = {*_AS_THEY_ARE, *ESTIMATES, *LABEL_COLUMNS, "pdf", "z_edges"} & set(cube.variables)
    needed = cube.reset_coords()[sorted(map(str, names))]
    for start in range(0, cube.sizes["object"], block):
        piece = needed.isel(object=slice(start, start + block)).load()
        yield [column.rows(piece).astype(column.dtype) for column in columns]


def _write_fits(path: Path, cube: xr.Dataset, columns: Sequence[Column], block: int) -> None:
    from astropy.io import fits

    primary = fits.PrimaryHDU().header
    primary["CREATOR"] = f"hscz {__version__}"
    primary.add_history(_note(cube))
    record = np.dtype([(c.name, c.dtype.newbyteorder(">"), c.shape) for c in columns])
    with path.open("wb") as file:
        file.write(primary.tostring().encode("ascii"))
        file.write(_table_header(columns, cube.sizes["object"]).tostring().encode("ascii"))
        start = file.tell()
        for entries in _blocks(cube, columns, block):
            rows = np.empty(len(entries[0]), dtype=record)
            for column, values in zip(columns, entries, strict=True):
                is_logical = column.dtype.kind == "b"
                rows[column.name] = np.where(values, b"T", b"F").view("?") if is_logical else values
            file.write(rows.tobytes())
        file.write(bytes(-(file.tell() - start) % 2880))
    if columns[-1].shape:
        edges = fits.Column("z_edges", "D", array=cube["z_edges"].to_numpy())
        table = fits.BinTableHDU.from_columns([edges], name="EDGES")
        fits.append(path, table.data, table.header)


def _table_header(columns: Sequence[Column], n_rows: int) -> Any:
    """Return the FITS header of the catalogue, with TCOMM and TUCD cards astropy has not."""
    from astropy.io import fits

    described = [fits.Column(c.name, _tform(c), unit=c.about.units or None) for c in columns]
    header = fits.BinTableHDU.from_columns(described, name="CATALOGUE").header
    header["NAXIS2"] = n_rows
    for k, column in enumerate(columns, start=1):
        header.set(f"TCOMM{k}", column.about.long_name, after=f"TFORM{k}")
        if column.about.ucd:
            header.set(f"TUCD{k}", column.about.ucd, after=f"TCOMM{k}")
    return header


def _tform(column: Column) -> str:
    if column.dtype.kind == "S":
        return f"{column.dtype.itemsize}A"
    return f"{column.shape[0] if column.shape else 1}{_TFORM[column.dtype.str[1:]]}"


def _write_parquet(path: Path, cube: xr.Dataset, columns: Sequence[Column], block: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [
        pa.field(
            c.name,
            _arrow_type(c),
            metadata={"description": c.about.long_name, "unit": c.about.units, "ucd": c.about.ucd},
        )
        for c in columns
    ]
    edges = json.dumps(cube["z_edges"].to_numpy().tolist())
    schema = pa.schema(fields, metadata={"hscz": _note(cube), "z_edges": edges})
    with pq.ParquetWriter(path, schema) as writer:
        for entries in _blocks(cube, columns, block):
            arrays = [
                pa.FixedSizeListArray.from_arrays(values.ravel(), column.shape[0])
                if column.shape
                else pa.array(values.astype(str) if values.dtype.kind == "S" else values)
                for column, values in zip(columns, entries, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _arrow_type(column: Column) -> Any:
    import pyarrow as pa

    if column.dtype.kind == "S":
        return pa.string()
    kind = pa.from_numpy_dtype(column.dtype)
    return pa.list_(kind, column.shape[0]) if column.shape else kind


def _note(cube: xr.Dataset) -> str:
    """Return where the cube came from, as text a FITS header can hold."""
    return json.dumps({"hscz": __version__} | dict(cube.attrs), default=str)


_WRITERS: Mapping[str, Callable[..., None]] = {"fits": _write_fits, "parquet": _write_parquet}
