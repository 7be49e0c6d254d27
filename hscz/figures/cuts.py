"""Purity against completeness: what cuts in quality scores leave of outliers and of galaxies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from hscz.evaluate.cuts import CLAIMED, PROMISED, SCORES
from hscz.figures.figure import Figure, nothing
from hscz.figures.marks import error_bars, grid, line, load_backends, panel, points, remark

TINTS = dict(zip(SCORES, ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7"), strict=False))
"""One colour for each score."""

LEAST = 20
"""Galaxies below which what is left is not drawn."""

_METRICS = {"eta": "η (|dz| > 0.15) of what is kept", "sigma_mad": "σ_MAD of what is kept"}

_BINS = 2


def purity_against_completeness(
    curves: pd.DataFrame, wanted_eta: float, title: str = "", reference: str = ""
) -> Figure:
    """Draw eta and sigma_MAD of what is kept against the share kept, a colour for each score.

    Above all galaxies, below eta of the two faintest bins of magnitude. Lines with bars are what
    galaxies that stand in for the field's own promise, dashed ones what is found in the field.

    Parameters
    ----------
    curves : pandas.DataFrame
        From `hscz.report.cuts.curves`.
    wanted_eta : float
        Drawn as a horizontal line.
    title, reference : str
        The field, and what was held against its redshifts.

    Returns
    -------
    Figure
        Table: `curves`.
    """
    load_backends()
    heading = f"{title}: purity against completeness"
    if curves.empty:
        return nothing("cuts", heading, "there is no galaxy that stands in for those of the field")
    whole = curves[curves["by"] == "all"]
    bins = curves.loc[curves["by"] != "all", ["low", "high"]].drop_duplicates()
    against = f", dashed (◆): against {reference}" if reference else ""
    panels = [
        _panel(whole, "eta", wanted_eta, f"{title}, all galaxies", legend="top_left"),
        _panel(whole, "sigma_mad", None, f"solid: promised{against}"),
    ]
    for low, high in bins.tail(_BINS).to_numpy():
        rows = curves[(curves["low"] == low) & (curves["high"] == high)]
        panels.append(_panel(rows, "eta", wanted_eta, f"{low:g} < i < {high:g}"))
    return Figure("cuts", heading, grid(panels, columns=2, inches=4.2, gap=(0.3, 0.35)), curves)


def _panel(
    rows: pd.DataFrame, metric: str, wanted: float | None, title: str, legend: str = ""
) -> Any:
    rows = rows[rows["n"] >= LEAST]
    layers = [] if wanted is None else [line([0, 1.02], [wanted, wanted], "#888888", width=0.8)]
    drawn = rows[rows["by_what"] != CLAIMED]
    for (score, what), curve in drawn.groupby(["score", "by_what"], sort=False):
        layers += _curve(curve, metric, str(score), what == PROMISED)
    top = max([*drawn[metric].dropna(), wanted or 0.0]) * (1.4 if legend else 1.1)
    xlim, ylim = (0.0, 1.02), (0.0, top or 1.0)
    if drawn.empty:
        layers = [remark(f"Fewer than {LEAST} galaxies", xlim, ylim)]
    return panel(layers, title, "share kept", _METRICS[metric], xlim, ylim, legend)


def _curve(curve: pd.DataFrame, metric: str, score: str, promised: bool) -> Iterator[Any]:
    share, value = curve["share"].to_numpy(), curve[metric].to_numpy()
    tint, label = TINTS[score], SCORES[score].title
    if not SCORES[score].sign:
        # Its only cut; without it stands the end that all curves have in common.
        marker = "o" if promised else "D"
        yield points(share[:1], value[:1], tint, label if promised else "", 6, marker)
    else:
        dash = "solid" if promised else "dashed"
        yield line(share, value, tint, label if promised else "", dash, width=1.4)
    if promised:
        yield error_bars(share, value, curve[f"{metric}_err"].to_numpy(), tint)
