"""Catalogues from PDF cubes in the formats of the field, block by block.

FITS, Parquet, VOTable, HATS and qp files hold the same numbers. A cube is read once for all of
them, and never more of it than one block is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import xarray as xr

from hscz.errors import InputError
from hscz.export.catalogue import Catalogue
from hscz.export.columns import ESTIMATES
from hscz.export.formats import Format, path_of
from hscz.files.atomic import aside, writing
from hscz.pdf.prior import PriorRatio
from hscz.seams import EXPORT_FORMATS
from hscz.stores import open_cube

__all__ = ["ESTIMATES", "Format", "export", "path_of", "to_table"]


def export(
    cube: xr.Dataset | str | Path,
    out_stem: str | Path,
    formats: Sequence[str] = ("fits", "parquet"),
    include_pdf: bool = False,
    algorithm: str = "cnn",
    columns: Sequence[str] = (),
    select: str = "",
    overwrite: bool = False,
    block: int = 32_768,
    ratio: PriorRatio | None = None,
) -> list[Path]:
    """Write the catalogue of a PDF cube, without ever holding more than a block of it.

    Parameters
    ----------
    cube : xarray.Dataset or str or Path
        A PDF cube or where it lies.
    out_stem : str or Path
        Path of the files without their suffix.
    formats : sequence of str
        ``fits``: units, meanings and UCDs in TUNIT, TCOMM and TUCD cards, bin edges in the HDU
        EDGES. ``parquet``: the same in the metadata of each field, bin edges in the metadata
        ``z_edges``. ``votable``: the same in the FIELDs, edges in a PARAM. ``hats``: a folder
        that LSDB opens; takes the extra ``hats``. ``qp``: an HDF5 file with PDFs of the type
        ``hist`` for qp and RAIL; takes the extra ``qp``, and has columns of its own.
    include_pdf : bool
        Add the PDFs as a vector column.
    algorithm : str
        Name the estimator's columns begin with.
    columns : sequence of str
        Columns to write, in this order; all if empty.
    select : str
        Rows to write, a rule over the columns such as ``"mag_i < 24 & flags == 0"``; see
        `hscz.tables.select.select`.
    overwrite : bool
        Whether to replace files that exist.
    block : int
        Objects held in memory at once.
    ratio : PriorRatio, optional
        Adds estimates under the inferred n(z), as ``cnn_inferred_z_median``; see `hscz.nz`.

    Returns
    -------
    list of Path
        The files, in the order of `formats`. Each is written whole or not at all.

    Raises
    ------
    ConfigError
        If a format or column is unknown, or a format needs a package that is not installed.
    InputError
        If a file exists already, or no row is selected.
    StoreError
        If the cube is not there, not whole or without objects, or the disk is full.
    """
    paths = [path_of(out_stem, kind) for kind in formats]
    known: list[Format] = [EXPORT_FORMATS.load(kind) for kind in formats]
    _refuse_existing([] if overwrite else paths)
    cube = cube if isinstance(cube, xr.Dataset) else open_cube(cube, lazy=False)
    name = Path(out_stem).name
    catalogue = Catalogue.of(cube, algorithm, include_pdf, columns, select, block, name, ratio)
    variables = {column.variable for column in catalogue.columns}
    variables |= {name for one in known for name in one.variables}
    with ExitStack() as stack:
        writers = []
        for one, path in zip(known, paths, strict=True):
            temporary = stack.enter_context(aside(path))
            writers.append((path, stack.enter_context(one.write(temporary, catalogue))))
        for rows in catalogue.blocks(variables):
            for path, write in writers:
                with writing(path):
                    write(rows)
            del rows  # or two blocks would be held while the next is read
    return paths


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
    catalogue = Catalogue.of(cube, algorithm, False, (), "", block=32_768)
    columns = catalogue.columns
    pieces = [
        pd.DataFrame({column.name: column.entries(rows) for column in columns})
        for rows in catalogue.blocks({column.variable for column in columns})
    ]
    return pd.concat(pieces, ignore_index=True)


def _refuse_existing(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.exists():
            raise InputError(
                f"{path}: exists already; move it away, or replace it with overwrite=True "
                "(hscz export --overwrite)"
            )
