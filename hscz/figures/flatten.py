"""Figure 5 of the paper: what flattening makes of the redshifts of the training set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hscz.config.learn import FlattenConfig
from hscz.figures.figure import Missing, paper_figure
from hscz.figures.marks import filled, grid, line, panel
from hscz.learn.flatten import FINE_STEP, Flattened, binned_counts, smooth
from hscz.pdf.grid import bin_centres

# The colours of Okabe and Ito, which the colour-blind can distinguish.
SKY_BLUE, VERMILION, BLACK = "#56b4e9", "#d55e00", "black"


@paper_figure("fig05", "Flattening of the training set")
def fig05(
    z: ArrayLike,
    mag_i: ArrayLike,
    flattened: Flattened | None,
    settings: FlattenConfig,
    steps: int = 20,
    z_max: float = 4.0,
) -> Any:
    """Draw the n(z) of the training set before and after its over-densities are removed.

    Above: all labels and their smooth curve, the sum of those of the bins of magnitude. Below:
    the galaxies kept and their curve, the first curve scaled to as many galaxies, and the
    galaxies removed.

    Parameters
    ----------
    z, mag_i : array_like, shape (n,)
        Redshift labels and i magnitudes that `hscz.learn.flatten.flatten` was given.
    flattened : Flattened or None
        What it returned.
    settings : FlattenConfig
    steps : int
        Width of the histograms' bins in units of `hscz.learn.flatten.FINE_STEP`.
    z_max : float
        Largest redshift drawn.

    Returns
    -------
    Figure
        Table: one row per bin, up to the highest redshift, in galaxies per bin: ``z_low, z_high,
        n_labels, n_kept, n_removed, curve_labels, curve_kept, curve_renormalised``.

    Examples
    --------
    >>> fig05([], [], None, FlattenConfig()).note
    'there is no training set; train a network first'
    """
    if flattened is None:
        raise Missing("there is no training set; train a network first")
    table = _table(np.asarray(z), np.asarray(mag_i), flattened.kept, settings, steps)
    n, n_kept = len(flattened.kept), int(flattened.kept.sum())
    removed = f"removed: {n - n_kept:,} ({(n - n_kept) / n:.1%})"
    edges = np.append(table["z_low"], table["z_high"].iloc[-1])
    middle = bin_centres(edges)
    top = [
        filled(edges, table["n_labels"], SKY_BLUE, f"labels: {n:,}"),
        line(middle, table["curve_labels"], BLACK, "smooth curve", "dotted"),
    ]
    bottom = [
        filled(edges, table["n_kept"], SKY_BLUE, f"kept: {n_kept:,}"),
        filled(edges, table["n_removed"], VERMILION, removed, outline="white", hatch="//////"),
        line(middle, table["curve_kept"], BLACK, "smooth curve of the kept", "dashed"),
        line(middle, table["curve_renormalised"], BLACK, "upper curve, renormalised", "dotted"),
    ]
    panels = [
        panel(
            layers,
            x="redshift label",
            y=f"galaxies per Δz = {steps * FINE_STEP:g}",
            xlim=(0, z_max),
            ylim=(0, 1.05 * table["n_labels"].max()),
            legend="top_right",
            aspect=2,
            width_px=700,
        )
        for layers in (top, bottom)
    ]
    return grid(panels, columns=1, inches=7, gap=(0.2, 0.25)), table, ""


def _table(
    z: NDArray[np.floating],
    mag_i: NDArray[np.floating],
    kept: NDArray[np.bool_],
    settings: FlattenConfig,
    steps: int,
) -> pd.DataFrame:
    labels = binned_counts(z, mag_i, settings.mag_edges, float(z.max()))
    trimmed = binned_counts(z[kept], mag_i[kept], settings.mag_edges, float(z.max()))
    starts = np.arange(0, labels.shape[1], steps)
    columns = {
        "n_labels": labels,
        "n_kept": trimmed,
        "n_removed": labels - trimmed,
        "curve_labels": smooth(labels, settings.bandwidth),
        "curve_kept": smooth(trimmed, settings.bandwidth),
    }
    binned = {name: np.add.reduceat(c.sum(axis=0), starts) for name, c in columns.items()}
    edges = {"z_low": starts * FINE_STEP, "z_high": (starts + steps) * FINE_STEP}
    table = pd.DataFrame(edges | binned)
    return table.assign(curve_renormalised=table["curve_labels"] * kept.mean())
