"""Figures 7, 8 and 11: b, sigma_MAD and eta against redshift and i magnitude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hscz.evaluate.metrics import metrics_table
from hscz.experiments.recipes import BASELINE, SPECTRA, with_role
from hscz.figures.figure import Missing, paper_figure, present
from hscz.figures.marks import boxes, error_bars, grid, line, panel, points, remark
from hscz.figures.palette import colour, marker
from hscz.figures.samples import judged_of, known

LABELS = {
    "bias": "b",
    "sigma_mad": "σ_MAD",
    "outlier_fraction": "η (|dz| > 0.15)",
}

Z_EDGES = (*np.arange(0, 2, 0.25).tolist(), 2.0, 2.5, 3.0, 4.0, 6.0)
MAG_EDGES = (18.0, 19.0, 20.0, *np.arange(20.5, 25.1, 0.5).tolist())

LEAST = 10
"""Objects below which a bin is in the table but not drawn."""

HEADROOM = 1.45
"""Axes are so much longer than what is drawn, which makes room for the legend."""

PAPER = with_role("paper")

U_LABELS = {
    "us": ("u*grizy, validation", "#4477aa", "solid"),
    "u": ("ugrizy, validation", "#ee6677", "solid"),
    "swapped": ("ugrizy by the u* network", "#228833", "dashed"),
}


def metric_tables(
    samples: Mapping[str, pd.DataFrame], bootstraps: int = 100, seed: int = 1
) -> pd.DataFrame:
    """Return the metrics of samples in bins of redshift and magnitude.

    Parameters
    ----------
    samples : mapping of str to pandas.DataFrame
        By model, columns ``z`` (estimate), ``reference`` and ``mag_i``.
    bootstraps, seed : int

    Returns
    -------
    pandas.DataFrame
        `hscz.evaluate.metrics.metrics_table` of each, with the column ``model``.

    Examples
    --------
    >>> one = pd.DataFrame({"z": [0.5, 1.1], "reference": [0.5, 1.0], "mag_i": [21.0, 22.0]})
    >>> table = metric_tables({"v0": one})
    >>> table.loc[table["by"] == "all", ["model", "n", "bias"]].values.tolist()
    [['v0', 2, 0.025...]]
    """
    return pd.concat(
        [
            metrics_table(
                sample["z"],
                sample["reference"],
                {
                    "z": (sample["reference"], Z_EDGES),
                    "mag_i": (sample["mag_i"], MAG_EDGES),
                },
                bootstraps,
                seed,
            ).assign(model=model)
            for model, sample in samples.items()
        ],
        ignore_index=True,
    )


def spec_samples(cubes: Mapping[str, xr.Dataset]) -> dict[str, pd.DataFrame]:
    """Return the objects with a spectroscopic redshift by recipe, and those of SED fitting.

    Raises
    ------
    Missing
        If none has a spectroscopic redshift.

    Examples
    --------
    >>> columns = {"z_median": 0.5, "z_spec": 0.4, "mag_i": 21.0, "in_training": False}
    >>> cube = xr.Dataset({name: ("object", [value]) for name, value in columns.items()})
    >>> list(spec_samples({"v0": cube}))
    ['v0']
    """
    tables = judged_of(cubes)
    samples = {recipe: _against(t, "z_median", "z_spec") for recipe, t in tables.items()}
    if not any(len(sample) for sample in samples.values()):
        raise Missing("no object has a spectroscopic redshift; label its field store")
    sed = _against(next(iter(tables.values())), "z_sed", "z_spec")
    if sed["z"].notna().any():
        samples["SED"] = sed
    return samples


def _against(table: pd.DataFrame, estimate: str, reference: str) -> pd.DataFrame:
    columns = {"z": known(table, estimate), "reference": known(table, reference)}
    sample = pd.DataFrame(columns).assign(mag_i=table["mag_i"])
    return sample[sample["reference"].notna()]


def metric_panels(
    samples: Mapping[str, pd.DataFrame],
    table: pd.DataFrame,
    reference: str,
    styles: Mapping[str, tuple[str, str, str]] | None = None,
) -> list[Any]:
    """Draw six panels: b, sigma_MAD and eta, above against redshift, below against i.

    Bins of fewer than `LEAST` galaxies are not drawn; where there are no others, the panel says so.

    Parameters
    ----------
    samples : mapping of str to pandas.DataFrame
        As for `metric_tables`; the first sample is drawn as grey histograms.
    table : pandas.DataFrame
        From `metric_tables`.
    reference : str
        Name of the redshift on the axis.
    styles : mapping, optional
        Label, colour and dash of each model, where they are not those of its name.
    """
    styles = {model: (model, colour(model), "solid") for model in samples} | dict(styles or {})
    first = next(iter(samples.values()))
    panels = []
    for by, axis, values in (("z", reference, "reference"), ("mag_i", "i (mag)", "mag_i")):
        rows = table[(table["by"] == by) & (table["n"] >= LEAST)]
        for metric, label in LABELS.items():
            limits = _limits(rows, metric)
            span = _span(rows, Z_EDGES if by == "z" else MAG_EDGES)
            bars = [] if metric != "bias" else [_numbers(first[values], span, limits)]
            title = f"{len(first):,} galaxies" if metric == "bias" else ""
            layers = [*bars, *metric_lines(rows, metric, styles)]
            if not len(rows):
                words = f"N = {len(first):,}: no bin has the {LEAST} needed"
                layers.append(remark(words, span, (0.5 * sum(limits), limits[1]), width=20))
            panels.append(
                panel(
                    layers,
                    title=title,
                    x=axis,
                    y=label,
                    xlim=span,
                    ylim=limits,
                    legend="top_left" if by == "z" and metric == "sigma_mad" else "",
                    aspect=1.4,
                )
            )
    return panels


def _limits(rows: pd.DataFrame, metric: str) -> tuple[float, float]:
    high = (rows[metric].abs() + rows[f"{metric}_err"]).max()
    top = max(float(high), 0.01) if np.isfinite(high) else 0.1
    return (-1.15 * top, 1.15 * top) if metric == "bias" else (0.0, HEADROOM * top)


def _span(rows: pd.DataFrame, edges: Sequence[float]) -> tuple[float, float]:
    """Return the limits of the bins that are drawn, of all if none is."""
    if not len(rows):
        return float(edges[0]), float(edges[-1])
    return float(rows["low"].min()), float(rows["high"].max())


def _numbers(values: pd.Series, span: tuple[float, float], limits: tuple[float, float]) -> Any:
    """Return the distribution of the objects along the axis, in grey at the foot."""
    edges = np.linspace(*span, 41)
    count, _ = np.histogram(values, edges)
    foot, height = limits[0], 0.45 * (limits[1] - limits[0])
    top = foot + height * count / max(count.max(), 1)
    # Bars that start at the foot of the axis, which lies below zero.
    corners = [
        (left, foot, right, y)
        for left, right, y in zip(edges[:-1], edges[1:], top, strict=True)
        if y > foot
    ]
    return boxes(corners, "#dddddd", "#dddddd")


def metric_lines(
    rows: pd.DataFrame, metric: str, styles: Mapping[str, tuple[str, str, str]]
) -> list[Any]:
    """Draw a metric against the middle of its bins: a curve with points and errors per model.

    Parameters
    ----------
    rows : pandas.DataFrame
        ``model``, ``low``, ``high``, the metric and its error, such as ``bias_err``.
    metric : str
    styles : mapping
        Label, colour and dash of each model.
    """
    layers = [line([-9, 99], [0, 0], "#888888", width=0.8)] if metric == "bias" else []
    for number, (model, (label, tint, dash)) in enumerate(styles.items()):
        mine = rows[rows["model"] == model].sort_values("low")
        middle = 0.5 * (mine["low"] + mine["high"])
        # Slightly beside each other, so that error bars do not overlap.
        x = middle + 0.06 * (mine["high"] - mine["low"]) * (number - 0.5 * (len(styles) - 1))
        value, error = mine[metric].to_numpy(), mine[f"{metric}_err"].to_numpy()
        layers += [
            line(x, value, tint, label, dash),
            error_bars(x, value, error, tint),
            points(x, value, tint, marker=marker(model)),
        ]
    return layers


@paper_figure("fig07", "Metrics of the labelled field with u* and with u")
def fig07(cubes: Mapping[str, xr.Dataset]) -> Any:
    """Compare networks trained on u*grizy and on ugrizy, and the first of them fed with u.

    Objects of the labelled field that the networks did not learn from, against their labels.
    Error bars are the scatter of 100 bootstrap samples; grey the number of galaxies.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of the source field: ``us``, ``u`` and ``swapped`` (trained on u*, fed with u).

    Returns
    -------
    Figure
        Table: that of `metric_tables`, ``model`` being us, u or swapped.

    Examples
    --------
    >>> fig07({}).note
    'there is no PDF cube of the source field of us, u, swapped'
    """
    found, note = present(cubes, U_LABELS, "PDF cube of the source field")
    tables = judged_of(found)
    samples = {name: _against(table, "z_median", "z_label") for name, table in tables.items()}
    if not all(len(sample) for sample in samples.values()):
        raise Missing("no object outside the training has a label; label the source field")
    table = metric_tables(samples)
    styles = {name: U_LABELS[name] for name in samples}
    return _six(metric_panels(samples, table, "redshift label", styles)), table, note


@paper_figure("fig08", f"Metrics of the target's spectroscopic sample: {BASELINE}, {SPECTRA}")
def fig08(cubes: Mapping[str, xr.Dataset]) -> Any:
    """Judge v0, v1 and SED fitting on the spectroscopic redshifts of the target.

    Error bars are the scatter of 100 bootstrap samples; grey the number of galaxies.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of the target by recipe, ``v0`` and ``v1``.

    Returns
    -------
    Figure
        Table: that of `metric_tables`.

    Examples
    --------
    >>> fig08({}).note
    'there is no PDF cube of v0, v1'
    """
    return _spec(cubes, (BASELINE, SPECTRA))


@paper_figure("fig11", f"Metrics of the target's spectroscopic sample: {PAPER[0]} to {PAPER[-1]}")
def fig11(cubes: Mapping[str, xr.Dataset]) -> Any:
    """Judge v0 to v3 and SED fitting on the spectroscopic redshifts of the target.

    As Figure 8, with the networks that have an adversary.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of the target by recipe, ``v0`` to ``v3``.

    Returns
    -------
    Figure
        Table: that of `metric_tables`.

    Examples
    --------
    >>> fig11({}).note
    'there is no PDF cube of v0, v1, v2, v3'
    """
    return _spec(cubes, PAPER)


def _spec(cubes: Mapping[str, xr.Dataset], recipes: Sequence[str]) -> tuple[Any, pd.DataFrame, str]:
    found, note = present(cubes, recipes, "PDF cube")
    samples = spec_samples(found)
    table = metric_tables(samples)
    return _six(metric_panels(samples, table, "spectroscopic redshift")), table, note


def _six(panels: list[Any]) -> Any:
    return grid(panels, columns=3, inches=4.2, gap=(0.3, 0.3))
