"""Figure 14: what a deep layer makes of galaxies, on a plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hscz.figures.figure import Missing, paper_figure
from hscz.figures.marks import coloured_points, grid, panel

ROWS = {"i < 22": (-99.0, 22.0), "i > 23": (23.0, 99.0)}


@paper_figure("fig14", "What a deep layer sees")
def fig14(embedded: Mapping[str, pd.DataFrame]) -> Any:
    """Show galaxies where a deep layer puts them, coloured by redshift: bright above, faint below.

    In the paper: the labelled field, the target before (v0) and after the adaptation (v2).

    Parameters
    ----------
    embedded : mapping of str to pandas.DataFrame
        By the panel's title, two coordinates ``x`` and ``y`` of each galaxy (UMAP, t-SNE or
        principal components of its activations), ``z`` and ``mag_i``.

    Returns
    -------
    Figure
        Table: the galaxies drawn, with ``panel`` and ``row``.

    Examples
    --------
    >>> fig14({}).note
    'there are no activations; embed those of a layer, in two dimensions'
    """
    if not embedded:
        raise Missing("there are no activations; embed those of a layer, in two dimensions")
    drawn = pd.concat(
        [
            table[table["mag_i"].between(*limits)].assign(panel=name, row=row)
            for row, limits in ROWS.items()
            for name, table in embedded.items()
        ],
        ignore_index=True,
    )
    top = max(1.0, float(drawn["z"].quantile(0.98)))
    panels = []
    for row in ROWS:
        for number, name in enumerate(embedded):
            mine = drawn[(drawn["row"] == row) & (drawn["panel"] == name)]
            last = number == len(embedded) - 1
            dots = coloured_points(mine["x"], mine["y"], mine["z"], (0.0, top), "redshift", last)
            title = f"{name}, {row}: {len(mine):,}"
            panels.append(panel([dots], title=title, bare=True, aspect=1))
    return grid(panels, columns=len(embedded), gap=(0.15, 0.2)), drawn, ""
