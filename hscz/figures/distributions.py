"""Redshift distributions of recipes: n(z) in bins of magnitude, and of [OII] candidates.

Each function returns a holoviews object and the table that it drew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from hscz.errors import InputError
from hscz.evaluate.compare import Estimates
from hscz.evaluate.metrics import bias, outlier_fraction, residual, sigma_mad
from hscz.evaluate.trials import BIN_WIDTH_Z, N_OF_Z_MAG_EDGES, Z_OII
from hscz.figures.palette import FONTS, colour

SHOWN_N_OF_Z = ("v0", "v2", "recommended")
SHOWN_OII = ("v0", "v1", "v2", "v3", "recommended", "oracle")

Z_SHOWN = 4.5
OII_RANGE = (1.1, 1.84)
"""Redshifts that are no outliers from 1.4657: the axis of the paper's figure 13."""


def n_of_z_by_magnitude(
    estimates: Iterable[Estimates],
    training: Mapping[int, pd.DataFrame],
    target: str,
    recipes: Sequence[str] = SHOWN_N_OF_Z,
) -> tuple[Any, pd.DataFrame]:
    """Draw the redshift distributions of a target in six bins of i, all seeds together.

    Parameters
    ----------
    estimates : iterable of Estimates
    training : mapping of int to pandas.DataFrame
        By seed, ``z_label`` and ``mag_i`` of the objects trained on.
    target : str
    recipes : sequence of str

    Returns
    -------
    holoviews.Layout
    pandas.DataFrame
        ``low``, ``high`` (magnitudes), ``model`` (a recipe, ``truth`` or ``training``), ``n``,
        ``z`` (middle of the bin) and ``density``, which integrates to 1.
    """
    import holoviews as hv

    hv.extension("matplotlib", logo=False)
    pooled = _pooled(estimates, target, recipes)
    samples = {"training": pd.concat(training.values())[["z_label", "mag_i"]]}
    first = next(iter(pooled.values()))
    samples |= {recipe: objects[["z_median", "mag_i"]] for recipe, objects in pooled.items()}
    if "z_true" in first and first["z_true"].notna().any():
        samples["truth"] = first[["z_true", "mag_i"]]
    drawn = pd.concat(
        _density(sample.set_axis(["z", "mag_i"], axis=1), low, high).assign(model=model)
        for low, high in pairwise(N_OF_Z_MAG_EDGES)
        for model, sample in samples.items()
    )
    panels = [
        _n_of_z_panel(bins, drawn, legend=number == 0)
        for number, (_, bins) in enumerate(drawn.groupby("low"))
    ]
    layout = hv.Layout(panels).cols(3)
    options = {"fig_inches": 4, "sublabel_format": "", "hspace": 0.25, "vspace": 0.15}
    return layout.opts(title=target, shared_axes=False, **options), drawn


def _pooled(
    estimates: Iterable[Estimates], target: str, recipes: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Return the objects of a target by recipe, those of all seeds together."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for one in estimates:
        if one.target == one.field == target:
            parts.setdefault(one.recipe, []).append(one.table)
    found = {name: pd.concat(parts[name], ignore_index=True) for name in recipes if name in parts}
    if not found:
        raise InputError(f"no estimates of {', '.join(recipes)} for {target}; predict them first")
    return found


def _density(sample: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    """Return the normalised histogram of a magnitude bin, z beyond the axis left out."""
    edges = np.arange(0, Z_SHOWN + BIN_WIDTH_Z / 2, BIN_WIDTH_Z)
    z = sample.loc[(sample["mag_i"] >= low) & (sample["mag_i"] < high), "z"].dropna().to_numpy()
    density = np.histogram(z, edges)[0] / max(len(z), 1) / BIN_WIDTH_Z
    place = {"low": low, "high": high, "n": len(z), "z": 0.5 * (edges[1:] + edges[:-1])}
    return pd.DataFrame(place | {"density": density})


def _n_of_z_panel(bins: pd.DataFrame, drawn: pd.DataFrame, legend: bool) -> Any:
    import holoviews as hv

    low, high = bins[["low", "high"]].iloc[0]
    number = bins.groupby("model")["n"].first()
    n_target = number.drop("training").iloc[0]
    layers = []
    for model, rows in bins.groupby(bins["model"].astype(str), sort=False):
        z, density = rows["z"].to_numpy(), rows["density"].to_numpy()
        if model == "training":
            edges = np.append(z - 0.5 * BIN_WIDTH_Z, z[-1] + 0.5 * BIN_WIDTH_Z)
            filled = hv.Histogram((edges, density), kdims="redshift", label="training")
            layers.append(filled.opts(facecolor=colour(model), edgecolor=colour(model)))
        else:
            line = hv.Curve((z, density), "redshift", "n(z)", label=model)
            dashes = ":" if model == "truth" else "-"
            style = {"color": colour(model), "linewidth": 1.6, "linestyle": dashes}
            layers.append(line.opts(interpolation="steps-mid", **style))
    # One scale for the bright row and one for the faint, which is flatter.
    row = drawn[(drawn["low"] < 22) == (low < 22)]
    title = f"{low:g} < i < {high:g}" if low else f"i < {high:g}"
    return hv.Overlay(layers).opts(
        title=f"{title}\n{n_target:,} galaxies, {number['training']:,} in training",
        xlim=(0, Z_SHOWN),
        ylim=(0, 1.08 * float(row["density"].max())),
        ylabel="n(z)",
        show_legend=legend,
        legend_position="top_right",
        aspect=1.2,
        fontsize=FONTS,
    )


def oii_histograms(
    estimates: Iterable[Estimates], target: str, recipes: Sequence[str] = SHOWN_OII
) -> tuple[Any, pd.DataFrame]:
    """Draw the redshifts given to [OII] candidates, the line's 1.4657 marked, all seeds together.

    Parameters
    ----------
    estimates : iterable of Estimates
    target : str
    recipes : sequence of str

    Returns
    -------
    holoviews.Layout
        A panel per recipe, its metrics above; what lies outside the axis counts in eta.
    pandas.DataFrame
        ``recipe``, ``z`` (middle of the bin), ``n``.

    Raises
    ------
    InputError
        If the target has no candidates.
    """
    import holoviews as hv

    hv.extension("matplotlib", logo=False)
    edges = np.linspace(*OII_RANGE, 38)
    tables, titles = [], {}
    for recipe, objects in _pooled(estimates, target, recipes).items():
        if "is_oii_candidate" not in objects or not objects["is_oii_candidate"].any():
            raise InputError(f"{target}: no [OII] candidates; give its catalogue to label")
        z = objects.loc[objects["is_oii_candidate"].astype(bool), "z_median"].dropna().to_numpy()
        middle = 0.5 * (edges[1:] + edges[:-1])
        tables.append(pd.DataFrame({"recipe": recipe, "z": middle, "n": np.histogram(z, edges)[0]}))
        dz = residual(z, Z_OII)
        titles[recipe] = (
            f"{recipe}, N = {len(z):,}\nb = {bias(dz):+.4f}  σ_MAD = {sigma_mad(dz):.4f}  "
            f"η = {outlier_fraction(dz):.3f}"
        )
    drawn = pd.concat(tables, ignore_index=True)
    panels = [
        hv.Histogram((edges, rows["n"].to_numpy()), kdims="redshift").opts(
            facecolor=colour(recipe), edgecolor="none"
        )
        * hv.VLine(Z_OII).opts(color="black", linewidth=1.2, linestyle="--")
        for recipe, rows in drawn.groupby(drawn["recipe"].astype(str), sort=False)
    ]
    options = {"xlim": OII_RANGE, "ylim": (0, 1.1 * float(drawn["n"].max())), "fontsize": FONTS}
    layout = hv.Layout(
        [
            panel.opts(title=title, ylabel="candidates", aspect=1.4, **options)
            for panel, title in zip(panels, titles.values(), strict=True)
        ]
    ).cols(3)
    spacing = {"fig_inches": 4, "sublabel_format": "", "hspace": 0.25, "vspace": 0.15}
    return layout.opts(title=f"[OII] candidates of {target}", shared_axes=False, **spacing), drawn
