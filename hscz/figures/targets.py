"""Figures 15 to 18: the three tests of each further target on one page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import xarray as xr

from hscz.experiments.recipes import with_role
from hscz.figures.figure import Missing, paper_figure, present
from hscz.figures.marks import empty, grid, panel, remark
from hscz.figures.metrics import metric_panels, metric_tables, spec_samples
from hscz.figures.nz import distributions, n_of_z_panels, samples_of
from hscz.figures.oii import candidate_redshifts, oii_panels, oii_table

SHOWN = with_role("headline")
"""Recipes compared; the paper has the first two."""

Cubes = Mapping[str, xr.Dataset]


def _three_tests(
    cubes: Cubes, training: pd.DataFrame | None, stores: Cubes | None
) -> tuple[Any, pd.DataFrame, str]:
    """Draw metrics of the spectroscopic sample, n(z) in bins of i and [OII] candidates."""
    found, _ = present({r: c for r, c in cubes.items() if r in SHOWN}, SHOWN, "PDF cube")
    n_of_z = distributions(samples_of(found, training))
    field = str(next(iter(found.values()))["field"].values[0])
    panels, tables, notes = [], [], [f"the target is {field}"]
    try:
        samples = spec_samples(found)
        metrics = metric_tables(samples)
        panels += metric_panels(samples, metrics, "spectroscopic redshift")
        tables.append(metrics.assign(test="spec"))
    except Missing as absent:
        notes.append(str(absent))
        panels += [_said(str(absent)), empty(), empty()]
    panels += n_of_z_panels(n_of_z, (*found, "SED", "truth"), aspect=1.4)
    tables.append(n_of_z.assign(test="n_of_z"))
    try:
        oii = oii_table(candidate_redshifts(found, stores or {}))
        panels += oii_panels(oii, list(found), aspect=1.4)
        tables.append(oii.assign(test="oii"))
    except Missing as absent:
        notes.append(str(absent))
        panels.append(_said(str(absent)))
    panels += [empty()] * (-len(panels) % 3)
    layout = grid(panels, columns=3, inches=4.2, gap=(0.3, 0.55))
    return layout, pd.concat(tables, ignore_index=True), "; ".join(notes)


def _said(words: str) -> Any:
    """Return a panel that says why a test is not drawn."""
    return panel([remark(words)], xlim=(0, 1), ylim=(0, 1), bare=True, aspect=1.4)


@paper_figure("fig15", "Three tests of a further target, ELAIS in the paper")
def fig15(cubes: Cubes, training: pd.DataFrame | None = None, stores: Cubes | None = None) -> Any:
    """Judge v0, v2 and SED fitting in ELAIS: spectroscopic sample, n(z) and [OII] candidates.

    Beside the paper's two recipes, the recommended one is drawn where it was predicted.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of the field by recipe.
    training : pandas.DataFrame, optional
        ``z_label`` and ``mag_i`` of the training set.
    stores : mapping of str to xarray.Dataset, optional
        Field stores by field, for known redshifts of [OII] candidates.

    Returns
    -------
    Figure
        Table: those of figures 8, 9 and 13, distinguished by ``test`` (spec, n_of_z, oii).

    Examples
    --------
    >>> fig15({}).note
    'there is no PDF cube of v0, v2, recommended'
    """
    return _three_tests(cubes, training, stores)


@paper_figure("fig16", "Three tests of a further target, XMM_UDF in the paper")
def fig16(cubes: Cubes, training: pd.DataFrame | None = None, stores: Cubes | None = None) -> Any:
    """Judge v0, v2 and SED fitting in XMM UDF; see `fig15`."""
    return _three_tests(cubes, training, stores)


@paper_figure("fig17", "Three tests of a further target, XMM_DEEP in the paper")
def fig17(cubes: Cubes, training: pd.DataFrame | None = None, stores: Cubes | None = None) -> Any:
    """Judge v0, v2 and SED fitting in XMM DEEP; see `fig15`."""
    return _three_tests(cubes, training, stores)


@paper_figure("fig18", "Three tests of a further target, COSMOS_DEEP in the paper")
def fig18(cubes: Cubes, training: pd.DataFrame | None = None, stores: Cubes | None = None) -> Any:
    """Judge v0, v2 and SED fitting in COSMOS DEEP; see `fig15`."""
    return _three_tests(cubes, training, stores)
