"""Figure 13: the redshifts given to narrow-band [OII] candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hscz.evaluate.trials import Z_OII, oii_metrics
from hscz.experiments.recipes import with_role
from hscz.figures.figure import Missing, paper_figure, present
from hscz.figures.marks import filled, grid, line, panel, strokes, text
from hscz.figures.palette import KNOWN, colour
from hscz.figures.samples import columns, judged_of, known
from hscz.pdf.grid import bin_centres

OII_RANGE = (1.1, 1.84)
"""Redshifts that are no outliers from 1.4657: the axis of the paper's figure 13."""

EDGES = np.linspace(*OII_RANGE, 38)
MIDDLES = bin_centres(EDGES)

C2020, SPEC = "C2020", "spec"
TINTS = {C2020: "#555555", SPEC: "#808080"}


def candidate_redshifts(
    cubes: Mapping[str, xr.Dataset], stores: Mapping[str, xr.Dataset]
) -> dict[str, pd.Series]:
    """Return the redshifts of [OII] candidates.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of the target by recipe.
    stores : mapping of str to xarray.Dataset
        Field stores by field, for COSMOS2020 and spectroscopic redshifts of all candidates.

    Returns
    -------
    dict of str to pandas.Series
        By recipe; of ``SED``, ``C2020`` and ``spec`` where there are any.

    Raises
    ------
    Missing
        If the target has no candidates.
    """
    tables = {recipe: _candidates(table) for recipe, table in judged_of(cubes).items()}
    found = {recipe: table["z_median"] for recipe, table in tables.items()}
    if not any(len(z) for z in found.values()):
        raise Missing("the field has no [OII] candidates; give their catalogue to hscz label")
    elsewhere = [_candidates(columns(store)) for store in stores.values()]
    others = {"SED": known(next(iter(tables.values())), "z_sed")}
    if elsewhere:
        everywhere = pd.concat(elsewhere, ignore_index=True)
        others |= {C2020: known(everywhere, "z_c2020"), SPEC: known(everywhere, "z_spec")}
    return found | {name: z.dropna() for name, z in others.items() if z.notna().any()}


def _candidates(table: pd.DataFrame) -> pd.DataFrame:
    if "is_oii_candidate" not in table:
        return table.iloc[:0]
    return table[table["is_oii_candidate"].astype(bool)]


def oii_table(redshifts: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return the histogram of each sample and its metrics, as though all were at z = 1.4657.

    Parameters
    ----------
    redshifts : mapping of str to Series or ndarray

    Returns
    -------
    pandas.DataFrame
        ``model``, ``z`` (middle of the bin), ``count``, ``share`` of the candidates, and on each of
        a model's rows the ``n`` and metrics of `hscz.evaluate.trials.oii_metrics`.

    Examples
    --------
    >>> table = oii_table({"v0": pd.Series([1.46, 1.47, 0.3])})
    >>> table[["count", "n", "outlier_fraction"]].max().round(2).tolist()
    [2.0, 3.0, 0.33]
    """
    tables = []
    for model, z in redshifts.items():
        row = oii_metrics(np.asarray(z, np.float64)).iloc[0]
        kept = [n for n in row.index if n.startswith(("n", "bias", "sigma_mad", "outlier_frac"))]
        count, _ = np.histogram(z, EDGES)
        bins = {"model": model, "z": MIDDLES, "count": count, "share": count / max(len(z), 1)}
        tables.append(pd.DataFrame(bins | row[kept].to_dict()))
    return pd.concat(tables, ignore_index=True)


def oii_panels(table: pd.DataFrame, recipes: Sequence[str], aspect: float = 1.3) -> list[Any]:
    """Draw one panel per recipe, SED fitting and known redshifts in each for comparison.

    Parameters
    ----------
    table : pandas.DataFrame
        From `oii_table`.
    recipes : sequence of str
    aspect : float
    """
    by_model = {str(model): rows for model, rows in table.groupby("model", sort=False)}
    others = [name for name in ("SED", C2020, SPEC) if name in by_model]
    drawn = [*recipes, *others]
    # Room above the bars for what is quoted.
    top = (1.25 + 0.16 * len(others)) * max(float(by_model[m]["share"].max()) for m in drawn)
    quotes = [
        text(1.115, (0.96 - 0.085 * k) * top, _quoted(by_model[name], name), 8, tint, *_CORNER)
        for k, name in enumerate(others)
        for tint in [colour("SED") if name == "SED" else TINTS[name]]
    ]
    return [
        panel(
            [
                *_bars(by_model, recipe),
                strokes([(Z_OII, 0, Z_OII, 0.7 * top)], KNOWN, 1.2),
                *quotes,
            ],
            title=_quoted(by_model[recipe], recipe, "\n"),
            x="redshift",
            y="share of candidates",
            xlim=OII_RANGE,
            ylim=(0, top),
            aspect=aspect,
        )
        for recipe in recipes
    ]


def _bars(by_model: Mapping[str, pd.DataFrame], recipe: str) -> list[Any]:
    layers = [filled(EDGES, by_model[recipe]["share"], colour(recipe), alpha=0.85)]
    if SPEC in by_model:
        layers.insert(0, filled(EDGES, by_model[SPEC]["share"], "#d9d9d9", outline="#c8c8c8"))
    if C2020 in by_model:
        share, style = by_model[C2020]["share"], {"outline": TINTS[C2020], "hatch": "////"}
        layers.append(filled(EDGES, share, "white", alpha=0.4, **style))
    if "SED" in by_model:
        layers.append(line(MIDDLES, by_model["SED"]["share"], colour("SED"), steps=True))
    return layers


_CORNER = ("left", "top")


def _quoted(rows: pd.DataFrame, name: str, after: str = ": ") -> str:
    row = rows.iloc[0]
    if not row["n"]:
        return f"{name} (0)"
    return (
        f"{name} ({int(row['n']):,}){after}b = {row['bias']:+.3f}  σ_MAD = {row['sigma_mad']:.3f}  "
        f"η = {row['outlier_fraction']:.2f}"
    )


@paper_figure("fig13", "Redshifts of [OII] emitter candidates")
def fig13(cubes: Mapping[str, xr.Dataset], stores: Mapping[str, xr.Dataset] | None = None) -> Any:
    """Draw the redshifts that v0 to v3 give to [OII] candidates selected at z = 1.4657 (red line).

    Green: SED fitting; hatched: COSMOS2020 redshifts of candidates; grey: spectroscopic ones of
    all fields. What lies outside the axis is an outlier and counts in eta.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of the target by recipe.
    stores : mapping of str to xarray.Dataset, optional
        Field stores by field.

    Returns
    -------
    Figure
        Table: that of `oii_table`.

    Examples
    --------
    >>> fig13({}).note
    'there is no PDF cube of v0, v1, v2, v3'
    """
    found, note = present(cubes, with_role("paper"), "PDF cube")
    table = oii_table(candidate_redshifts(found, stores or {}))
    panels = oii_panels(table, list(found))
    return grid(panels, columns=2, inches=5.0, gap=(0.22, 0.12)), table, note
