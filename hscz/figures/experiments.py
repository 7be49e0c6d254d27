"""Figures of the comparison of recipes, as in the paper, and a page to leaf through them.

Each function returns a holoviews object and the table that it drew. Magnitude and redshift axes
and limits are the same for all targets, so that pages can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hscz.errors import InputError
from hscz.experiments.compare import POOLED_BINS, Estimates
from hscz.experiments.recipes import BASELINE, ORACLE, with_role
from hscz.experiments.seeds import over_seeds
from hscz.figures.distributions import n_of_z_by_magnitude, oii_histograms
from hscz.figures.figure import Figure
from hscz.figures.leaves import Section, write_leaves
from hscz.figures.marks import boxes, grid, load_backends, panel, strokes, text
from hscz.figures.metrics import LABELS, metric_lines
from hscz.figures.palette import colour

METRICS = ("sigma_mad", "outlier_fraction")


def metrics_by_magnitude(
    table: pd.DataFrame, target: str, recipes: Sequence[str] = with_role("against magnitude")
) -> Figure:
    """Draw sigma_MAD and eta of a target against i, one line per recipe.

    Parameters
    ----------
    table : pandas.DataFrame
        From `hscz.experiments.compare.compare`; all targets, which share their limits.
    target : str
    recipes : sequence of str
        Those to draw, of those in the table; more than a few look alike.

    Returns
    -------
    Figure
        Table: means over seeds, one row per recipe and magnitude bin.

    Raises
    ------
    InputError
        If the table has no known redshifts of the target.
    """
    load_backends()
    test = "truth" if (table["test"] == "truth").any() else "spec"
    pooled = pd.Series(list(zip(table["low"], table["high"], strict=True)), table.index)
    wide = pooled.isin(POOLED_BINS) & (table["high"] - table["low"] > 1)
    kept = (
        (table["by"] == "mag_i") & (table["test"] == test) & ~wide & table["recipe"].isin(recipes)
    )
    home = over_seeds(table[kept & (table["field"] == table["target"])])
    drawn = home[home["target"] == target].dropna(subset="sigma_mad")
    if drawn.empty:
        raise InputError(f"{target}: no redshifts to compare with; label its field store")
    limits = (drawn["low"].min(), drawn["high"].max())
    found = [recipe for recipe in recipes if (drawn["recipe"] == recipe).any()]
    styles = {recipe: (recipe, colour(recipe), "solid") for recipe in found}
    panels = [
        panel(
            metric_lines(drawn.rename(columns={"recipe": "model"}), metric, styles),
            title=f"{target}, against {test}",
            x="i (mag)",
            y=LABELS[metric],
            xlim=limits,
            ylim=(0, 1.1 * float((home[metric] + home[f"{metric}_err"]).max())),
            legend="top_left",
            aspect=1.1,
        )
        for metric in METRICS
    ]
    plot = grid(panels, columns=2, inches=5, gap=(0.25, 0.25))
    return Figure(f"{target}_metrics", f"Metrics of {target} against magnitude", plot, drawn)


def gap_closed_bars(
    gaps: pd.DataFrame, target: str, sample: tuple[float, float] = (23.0, 25.0)
) -> Figure:
    """Draw the share of the gap between v0 and the oracle that each recipe closes.

    Parameters
    ----------
    gaps : pandas.DataFrame
        From `hscz.experiments.gains.gap_closed`; all targets, which share their limits.
    target : str
    sample : (float, float)
        Bin of i magnitude, one of those in `gaps`.

    Returns
    -------
    Figure
        A panel each for sigma_MAD and eta; without a bar where there is no gap to close. Bars
        below -1.5 or above 2 are cut off there. Table: means over seeds, one row per recipe and
        metric.

    Raises
    ------
    InputError
        If nothing was compared with an oracle.
    """
    load_backends()
    inside = (gaps["low"] == sample[0]) & (gaps["high"] == sample[1])
    home = gaps[inside & (gaps["field"] == gaps["target"])]
    if not (home["target"] == target).any() or not home["gap"].notna().any():
        raise InputError(f"{target}: no gap to an oracle at {sample[0]:g} < i < {sample[1]:g}")
    means = over_seeds(home)
    # One recipe that fails badly must not squeeze all others into a line.
    low = max(-1.5, min(-0.2, float((means["closed"] - means["closed_err"]).min()) - 0.05))
    high = min(2.0, max(1.2, float((means["closed"] + means["closed_err"]).max()) + 0.05))
    drawn = means[means["target"] == target]
    panels = [
        _bars(
            drawn[drawn["metric"] == metric],
            title=f"{target}, {LABELS[metric]}, {sample[0]:g} < i < {sample[1]:g}",
            xlim=(low, high),
            x=f"gap closed, ({BASELINE} − x) / ({BASELINE} − {ORACLE})",
            aspect=1.2,
        )
        for metric in METRICS
    ]
    plot = grid(panels, columns=2, inches=5, gap=(0.45, 0.25))
    return Figure(f"{target}_gap", f"Gap closed in {target}", plot, drawn)


def _bars(rows: pd.DataFrame, **options: Any) -> Any:
    """Return a panel of horizontal bars with errors, the first recipe on top."""
    recipes = rows["recipe"].tolist()
    places = np.arange(len(recipes))[::-1].astype(float)
    low, high = -0.7, len(recipes) - 0.3
    layers = [strokes([(x, low, x, high) for x in (0.0, 1.0)], "grey", 0.8)]
    for recipe, y, closed, error in zip(
        recipes, places, rows["closed"], rows["closed_err"], strict=True
    ):
        if np.isnan(closed):
            layers.append(text(0.02, y, "no gap", 10, align="left"))
            continue
        corners = (min(closed, 0), y - 0.38, max(closed, 0), y + 0.38)
        layers.append(boxes([corners], colour(recipe), colour(recipe)))
        layers.append(strokes([(closed - error, y, closed + error, y)], "black", 1.5))
    ticks = list(zip(places.tolist(), recipes, strict=True))
    return panel(layers, yticks=ticks, ylim=(low, high), **options)


def comparison_page(
    estimates: Sequence[Estimates],
    training: Mapping[int, pd.DataFrame],
    table: pd.DataFrame,
    gaps: pd.DataFrame,
    folder: Path,
) -> Path:
    """Draw every figure of every target and write a page to leaf through them.

    Parameters
    ----------
    estimates, training
        As for `hscz.experiments.compare.compare`.
    table, gaps : pandas.DataFrame
        From `hscz.experiments.compare.compare` and `hscz.experiments.gains.gap_closed`.
    folder : Path
        Made if absent; the PNG files go into ``figures`` there.

    Returns
    -------
    Path
        ``comparison.html``. Figures for which a target has no data are left out.
    """
    targets = list(dict.fromkeys(one.target for one in estimates))
    drawings = {
        "Metrics against magnitude": lambda target: metrics_by_magnitude(table, target),
        "Gap closed": lambda target: gap_closed_bars(gaps, target),
        "Redshift distributions": lambda target: n_of_z_by_magnitude(estimates, training, target),
        "[OII] emitters": lambda target: oii_histograms(estimates, target),
    }
    pages: dict[str, dict[str, str]] = {}
    for target in targets:
        for number, (caption, draw) in enumerate(drawings.items()):
            try:
                figure = draw(target)
            except InputError:
                continue
            name = f"figures/{target}_{number}"
            figure.save(folder / name)
            pages.setdefault(target, {})[caption] = f"{name}.png"
    page = folder / "comparison.html"
    return write_leaves(page, "Recipes compared", [_section(*each) for each in pages.items()])


def _section(target: str, images: Mapping[str, str]) -> Section:
    body = "".join(
        f'<h3>{escape(caption)}</h3><img src="{escape(name)}" alt="{escape(caption)}">'
        for caption, name in images.items()
    )
    return Section(target, escape(target), escape(target), body)
