"""Columns of field stores and PDF cubes as the samples that figures draw."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from hscz.evaluate.judged import is_judged
from hscz.experiments.compare import POOLED_BINS
from hscz.figures.figure import Missing
from hscz.schema import is_usable, known_redshifts
from hscz.sky.sphere import ra_near
from hscz.survey import FIELDS

REDSHIFTS = ("z_spec", "z_c2020", "z_sed", "z_label", "z_true")
"""Columns in which zero or less stands for an unknown redshift."""

COLUMNS = (
    *("object_id", "ra", "dec", "mag_i", "snr_i", "ebv", "flags", "in_training"),
    *("z_median", "pdf_width", "z_c2020_sigma", "label_source", "z_spec_survey"),
    *("is_oii_candidate", *REDSHIFTS),
)

FAINT = POOLED_BINS[-1]
"""The bin 24 < i < 25 of i magnitude, in which the fields differ most."""


def columns(dataset: xr.Dataset) -> pd.DataFrame:
    """Return the columns of a field store or PDF cube that figures draw, one row per object.

    Redshifts that are unknown are NaN.

    Examples
    --------
    >>> columns(xr.Dataset({"z_spec": ("object", [0.5, -1.0])}))["z_spec"].tolist()
    [0.5, nan]
    """
    table = pd.DataFrame({name: dataset[name].values for name in COLUMNS if name in dataset})
    for name in table.columns.intersection(list(REDSHIFTS)):
        table[name] = known_redshifts(table[name])
    return table


def usable(store: xr.Dataset) -> pd.DataFrame:
    """Return the objects of a field store whose stamps are whole, and seen in every band.

    Examples
    --------
    >>> flags = xr.Dataset({"flags": ("object", [0, 1]), "mag_i": ("object", [22.0, 23.0])})
    >>> usable(flags)["mag_i"].tolist()
    [22.0]
    """
    table = columns(store)
    return table[is_usable(table["flags"])].reset_index(drop=True)


def judged(cube: xr.Dataset) -> pd.DataFrame:
    """Return the objects of a PDF cube with a redshift from networks that did not learn theirs.

    Examples
    --------
    >>> cube = xr.Dataset({"z_median": ("object", [0.5, np.nan, 0.7])})
    >>> judged(cube.assign(in_training=("object", [False, False, True])))["z_median"].tolist()
    [0.5]
    """
    return columns(cube)[is_judged(cube)].reset_index(drop=True)


def judged_of(cubes: Mapping[str, xr.Dataset]) -> dict[str, pd.DataFrame]:
    """Return the judged objects of PDF cubes.

    Raises
    ------
    Missing
        If there is none in any.
    """
    tables = {name: judged(cube) for name, cube in cubes.items()}
    if not any(map(len, tables.values())):
        raise Missing("there is no PDF of an object outside the training set")
    return tables


def known(table: pd.DataFrame, name: str) -> pd.Series:
    """Return a column, all unknown where the table has none.

    Examples
    --------
    >>> known(pd.DataFrame({"z_spec": [0.5]}), "z_sed").tolist()
    [nan]
    """
    return table[name] if name in table else pd.Series(np.nan, table.index)


def within(table: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    """Return the objects with low <= i < high.

    Examples
    --------
    >>> within(pd.DataFrame({"mag_i": [23.9, 24.0, 25.0]}), 24, 25)["mag_i"].tolist()
    [24.0]
    """
    return table[(table["mag_i"] >= low) & (table["mag_i"] < high)]


def by_region(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Join the fields of each region; a field that is not of HSC-CLAUDS is a region of its own.

    Examples
    --------
    >>> one = pd.DataFrame({"ra": [34.5]})
    >>> {name: len(t) for name, t in by_region({"XMM_UDF": one, "XMM_DEEP": one}).items()}
    {'XMM': 2}
    """
    parts: dict[str, list[pd.DataFrame]] = {}
    for name, table in tables.items():
        region = FIELDS[name].region if name in FIELDS else name
        parts.setdefault(region, []).append(table.assign(field=name))
    regions = {region: pd.concat(found, ignore_index=True) for region, found in parts.items()}
    # A region across right ascension 0 stays in one piece.
    return {name: t.assign(ra=ra_near(t["ra"], t["ra"][:1])) for name, t in regions.items()}
