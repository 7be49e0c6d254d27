"""n(z) as it was inferred, with its errors, beside the plain sum of the PDFs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hscz.figures.figure import Figure
from hscz.figures.marks import band, filled, grid, line, load_backends, panel
from hscz.figures.nz import Z_SHOWN
from hscz.figures.palette import colour

COLUMNS = 3
"""Panels side by side."""


def n_of_z_figure(table: pd.DataFrame, title: str, note: str) -> Figure:
    """Draw n(z) of each sample over the sum of its PDFs.

    Parameters
    ----------
    table : pandas.DataFrame
        From `hscz.nz.files.as_table`; where it has ``truth``, that is drawn as well.
    title : str
    note : str
        How n(z) was inferred.
    """
    load_backends()
    known = table[table["n_of_z"].notna()]
    panels = [_panel(str(name), rows) for name, rows in known.groupby("sample", sort=False)]
    return Figure(
        "nz", title, grid(panels, columns=min(COLUMNS, len(panels)), inches=4), table, note
    )


def _panel(name: str, rows: pd.DataFrame) -> Any:
    edges = np.append(rows["z_low"], rows["z_high"].iloc[-1])
    middle, n_of_z = 0.5 * (edges[1:] + edges[:-1]), rows["n_of_z"].to_numpy()
    error = rows["n_of_z_err"].to_numpy()
    layers = [
        filled(edges, rows["stacked"].to_numpy(), colour("training"), "sum of the PDFs"),
        band(middle, n_of_z - error, n_of_z + error, colour("recommended")),
        line(middle, n_of_z, colour("recommended"), "inferred, 68 %", steps=True),
    ]
    if "truth" in rows:
        layers.append(
            line(middle, rows["truth"].to_numpy(), colour("truth"), "truth", "dotted", steps=True)
        )
    top = 1.15 * float(max((n_of_z + error).max(), rows["stacked"].max()))
    return panel(
        layers,
        title=name,
        x="redshift",
        y="n(z)",
        xlim=(0, Z_SHOWN),
        ylim=(0, top),
        legend="top_right" if name == "all" else "",
        aspect=1.3,
    )
