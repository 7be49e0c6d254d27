"""Figure 14: what a deep layer makes of galaxies, on a plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hscz.figures.figure import Missing, paper_figure
from hscz.figures.marks import coloured_points, grid, panel, points, text
from hscz.figures.palette import FIELD_COLOURS
from hscz.schema import has_redshift

ROWS = {"i < 22": (-99.0, 22.0), "i > 23": (23.0, 99.0)}

SOURCE, TARGET = FIELD_COLOURS["XMM_UDF"], FIELD_COLOURS["COSMOS_DEEP"]
"""Blue and vermilion, which stay distinct for the colour-blind; some fields' own colours do not."""

WAYS = {"pca": "principal components", "umap": "UMAP", "tsne": "t-SNE"}


@paper_figure("fig14", "What a deep layer sees")
def fig14(planes: pd.DataFrame | None) -> Any:
    """Show galaxies where a deep layer puts them, by redshift and by field.

    Above, bright and faint galaxies coloured by redshift: the source, not trained on, by its
    known redshifts and the target by those that the network gives it. Below, both fields on the
    plane that they share. The first column of the source and those of the target before and after
    the adaptation are the paper's; each network has a plane of its own.

    Parameters
    ----------
    planes : pandas.DataFrame or None
        From `hscz.experiments.insight.lay_out`, the recipe before the adaptation first.

    Returns
    -------
    Figure
        Table: the galaxies drawn, with ``row``, ``panel`` and the ``z`` of their colour, NaN
        where the colour is the field's.

    Examples
    --------
    >>> fig14(None).note
    'there are no planes; run hscz evaluate --embed'
    """
    if planes is None or not len(planes):
        raise Missing("there are no planes; run hscz evaluate --embed")
    recipes = list(planes["recipe"].unique())
    source, target = planes[~planes["is_target"]], planes[planes["is_target"]]
    source, target = source.assign(z=source["z_known"]), target.assign(z=target["z_median"])
    columns = [source[source["recipe"] == recipes[0]]]
    columns += [target[target["recipe"] == recipe] for recipe in recipes]
    columns = [column[has_redshift(column["z"])] for column in columns]
    limits = {recipe: _limits(planes[planes["recipe"] == recipe]) for recipe in recipes}
    top = max(1.0, float(pd.concat(columns)["z"].quantile(0.98)))
    panels, drawn = [], []
    for row, (low, high) in ROWS.items():
        for recipe, column in zip([recipes[0], *recipes], columns, strict=True):
            mine = column[column["mag_i"].between(low, high, inclusive="neither")]
            name = _name(column)
            last = column is columns[-1]
            dots = coloured_points(mine["x"], mine["y"], mine["z"], (0.0, top), "redshift", last)
            panels.append(panel([dots], title=f"{name}\n{row}: {len(mine):,}", **limits[recipe]))
            drawn.append(mine.assign(row=row, panel=name))
    panels.append(_legend(source, target))
    for recipe in recipes:
        both = [table[table["recipe"] == recipe] for table in (source, target)]
        layers = [
            points(one["x"], one["y"], hue, size=3, alpha=0.5)
            for one, hue in zip(both, (SOURCE, TARGET), strict=True)
        ]
        title = f"both fields, {recipe}\n{sum(map(len, both)):,}"
        panels.append(panel(layers, title=title, **limits[recipe]))
        drawn.append(pd.concat(both).assign(row="fields", panel=recipe, z=np.nan))
    layout = grid(panels, columns=len(columns), gap=(0.1, 0.25))
    return layout, pd.concat(drawn, ignore_index=True), ""


_SQUARE: dict[str, Any] = {"bare": True, "aspect": 1}


def _limits(plane: pd.DataFrame) -> dict[str, Any]:
    """Return the axes of a plane with a margin, the same for all panels that show it."""
    spans = {"xlim": plane["x"], "ylim": plane["y"]}
    margin = {key: 0.05 * (place.max() - place.min()) for key, place in spans.items()}
    ends = {k: (p.min() - margin[k], p.max() + margin[k]) for k, p in spans.items()}
    return _SQUARE | ends


def _name(column: pd.DataFrame) -> str:
    """Return field and recipe of a column of panels; empty where it has no galaxies."""
    return ", ".join(column[["field", "recipe"]].iloc[0]) if len(column) else ""


def _legend(source: pd.DataFrame, target: pd.DataFrame) -> Any:
    """Return a panel with the names of the two fields in their colours."""
    method, layer = source[["method", "layer"]].iloc[0]
    words = [
        text(0.5, 0.7, source["field"].iloc[0], size=12, colour=SOURCE),
        text(0.5, 0.5, target["field"].iloc[0], size=12, colour=TARGET),
        text(0.5, 0.25, f"{WAYS.get(method, method)} of {layer}", size=11),
    ]
    return panel(words, xlim=(0, 1), ylim=(0, 1), **_SQUARE)
