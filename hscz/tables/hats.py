"""Catalogues larger than memory: matches in HATS catalogues, through LSDB.

A catalogue of HATS (the sky in HEALPix pixels of about equal numbers of rows, as Parquet
files; https://hats.readthedocs.io) is read pixel by pixel by LSDB, on whatever Dask scheduler
is active. It hands over the few rows that lie near a row of our table, and those are matched
one to one in memory. A table becomes such a catalogue with ``hats-import``, or with
``lsdb.from_dataframe(table).write_catalog(folder)`` where it fits into memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hscz.errors import InputError
from hscz.extras import needed_by
from hscz.tables.match import match_one_to_one, pairs_within

MOC_ORDER = 8
"""HEALPix order of the pixels that are looked at, 0.23 degrees wide."""


def match_hats(
    catalogue: str | Path,
    table: pd.DataFrame,
    columns: Iterable[str] = (),
    radius_arcsec: float = 1.0,
) -> pd.DataFrame:
    """Match a HATS catalogue with a table, one to one, nearest pairs first.

    Parameters
    ----------
    catalogue : str or Path
        Folder of a HATS catalogue, or its address.
    table : pandas.DataFrame
        Columns ``ra`` and ``dec`` in degrees; it is held in memory.
    columns : iterable of str
        Columns of the catalogue to keep besides its positions.
    radius_arcsec : float
        Largest separation.

    Returns
    -------
    pandas.DataFrame
        The matched rows of the catalogue: ``ra``, ``dec``, `columns`, ``row`` (position of the
        partner in `table`) and ``separation_arcsec``, in the order of ``row``.

    Raises
    ------
    ConfigError
        If LSDB is not installed.
    InputError
        If there is no catalogue with these columns.

    Notes
    -----
    The rule is that of `hscz.tables.match.match_one_to_one`. The whole table is at hand for
    every pixel of the catalogue, so pairs across a border are found without a margin catalogue.

    Examples
    --------
    >>> spec = pd.DataFrame({"ra": [150.0], "dec": [2.0]})
    >>> match_hats("nowhere", spec)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: nowhere: cannot be opened as a HATS catalogue: ...
    """
    with needed_by("matching a HATS catalogue"):
        import lsdb
    try:
        objects = lsdb.open_catalog(str(catalogue), columns="all")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{catalogue}: cannot be opened as a HATS catalogue: {error}; give its folder"
        ) from None
    info = objects.hc_structure.catalog_info
    absent = [name for name in columns if name not in objects.columns]
    if absent:
        raise InputError(f"{catalogue}: no column {absent[0]!r}; there are {list(objects.columns)}")
    kept = list(dict.fromkeys([info.ra_column, info.dec_column, *columns]))
    objects = objects.search(lsdb.MOCSearch(_around(table), fine=False))
    near = objects[kept].map_partitions(_near, table[["ra", "dec"]], radius_arcsec)
    found = near.compute().reset_index(drop=True)
    found = found.rename(columns={info.ra_column: "ra", info.dec_column: "dec"})
    row, own, separation = match_one_to_one(
        table["ra"], table["dec"], found["ra"], found["dec"], radius_arcsec
    )
    return pd.DataFrame(found.iloc[own].reset_index(drop=True)).assign(
        row=row, separation_arcsec=separation
    )


def _around(table: pd.DataFrame) -> Any:
    """Return the pixels of the sky that hold a row of the table, and their neighbours."""
    from astropy.units import deg
    from mocpy import MOC

    ra, dec = (table[name].to_numpy(float) * deg for name in ("ra", "dec"))
    return MOC.from_lonlat(ra, dec, max_norder=MOC_ORDER).add_neighbours()


def _near(part: pd.DataFrame, positions: pd.DataFrame, radius_arcsec: float) -> pd.DataFrame:
    """Return the rows of one part of the catalogue that have a row of the table near them."""
    ra, dec = (part.iloc[:, k] for k in (0, 1))
    rows, _, _ = pairs_within(ra, dec, positions["ra"], positions["dec"], radius_arcsec)
    return part.iloc[np.unique(rows)]
