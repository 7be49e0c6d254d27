"""Figure 5 of the paper: what flattening makes of the redshifts of the training set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hscz.learn.flatten import FINE_STEP, Flattened, binned_counts, smooth
from hscz.learn.settings import FlattenConfig

# The colours of Okabe and Ito, which the colour-blind tell apart.
SKY_BLUE, VERMILION, BLACK = "#56b4e9", "#d55e00", "black"


def fig05(
    z: ArrayLike,
    mag_i: ArrayLike,
    flattened: Flattened,
    settings: FlattenConfig,
    steps: int = 20,
    z_max: float = 4.0,
) -> tuple[Any, pd.DataFrame]:
    """Draw the n(z) of the training set before and after its over-densities are removed.

    Parameters
    ----------
    z, mag_i : array_like, shape (n,)
        Redshift labels and i magnitudes that `hscz.learn.flatten.flatten` was given.
    flattened : Flattened
        What it returned.
    settings : FlattenConfig
    steps : int
        Width of the histograms' bins in units of `hscz.learn.flatten.FINE_STEP`.
    z_max : float
        Largest redshift drawn.

    Returns
    -------
    holoviews.Layout
        Top: all labels and their smooth curve, the sum of those of the bins of magnitude.
        Bottom: the galaxies kept and their curve, the first curve scaled to as many galaxies,
        and the galaxies removed.
    pandas.DataFrame
        One row per bin, up to the highest redshift, in galaxies per bin: ``z_low, z_high,
        n_labels, n_kept, n_removed, curve_labels, curve_kept, curve_renormalised``.
    """
    import holoviews as hv

    hv.extension("matplotlib", logo=False)
    table = _table(np.asarray(z), np.asarray(mag_i), flattened.kept, settings, steps)
    n, n_kept = len(flattened.kept), int(flattened.kept.sum())
    removed = f"removed: {n - n_kept:,} ({(n - n_kept) / n:.1%})"
    hatched = {"facecolor": VERMILION, "edgecolor": "white", "hatch": "//////"}
    top = [
        _histogram(table, "n_labels", f"labels: {n:,}"),
        _curve(table, "curve_labels", "smooth curve", ":"),
    ]
    bottom = [
        _histogram(table, "n_kept", f"kept: {n_kept:,}"),
        _histogram(table, "n_removed", removed).opts(**hatched),
        _curve(table, "curve_kept", "smooth curve of the kept", "--"),
        _curve(table, "curve_renormalised", "upper curve, renormalised", ":"),
    ]
    options = {
        "xlim": (0, z_max),
        "ylim": (0, 1.05 * table["n_labels"].max()),
        "xlabel": "redshift label",
        "ylabel": f"galaxies per Δz = {steps * FINE_STEP:g}",
        "legend_position": "top_right",
        "aspect": 2,
    }
    panels = [hv.Overlay(panel).opts(show_legend=True, **options) for panel in (top, bottom)]
    layout = hv.Layout(panels).cols(1).opts(fig_inches=7, sublabel_format="", vspace=0.25)
    return layout, table


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


def _histogram(table: pd.DataFrame, column: str, label: str) -> Any:
    import holoviews as hv

    edges = np.append(table["z_low"], table["z_high"].iloc[-1])
    drawn = hv.Histogram((edges, table[column]), kdims="z", vdims="n", label=label)
    return drawn.opts(facecolor=SKY_BLUE, edgecolor="none", linewidth=0)


def _curve(table: pd.DataFrame, column: str, label: str, linestyle: str) -> Any:
    import holoviews as hv

    centres = 0.5 * (table["z_low"] + table["z_high"])
    drawn = hv.Curve((centres, table[column]), "z", "n", label=label)
    return drawn.opts(color=BLACK, linestyle=linestyle, linewidth=1.6)
