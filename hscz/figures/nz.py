"""Figures 9, 12 and 19: redshift distributions of a target in bins of magnitude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hscz.evaluate.trials import BIN_WIDTH_Z, N_OF_Z_MAG_EDGES, Z_MAX, rebin, resampled_n_of_z
from hscz.experiments.recipes import ADVERSARY, BASELINE, SPECTRA, SPECTRA_AND_ADVERSARY
from hscz.figures.figure import Missing, paper_figure, present
from hscz.figures.marks import filled, grid, line, panel, remark
from hscz.figures.palette import colour, field_colour, field_dash
from hscz.figures.samples import FAINT, judged, judged_of, known, within
from hscz.learn.flatten import FINE_STEP, binned_counts, smooth
from hscz.pdf.grid import bin_centres

Z_SHOWN = 4.5
"""Redshifts drawn; those beyond count in the normalisation."""

EDGES = np.linspace(0, Z_MAX, round(Z_MAX / BIN_WIDTH_Z) + 1)
MIDDLES = bin_centres(EDGES)

INJECTED_HEIGHT = 0.4
"""Height of the spectroscopic redshifts in the training, as a share of the panel's."""

NO_CUBE = "PDF cube"


def distributions(samples: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the redshift distributions of samples in the six bins of i.

    Parameters
    ----------
    samples : mapping of str to pandas.DataFrame
        By model (a recipe, ``SED``, ``truth`` or ``training``), columns ``z`` (NaN where there is
        none) and ``mag_i``.

    Returns
    -------
    pandas.DataFrame
        ``model``, ``low``, ``high`` (magnitudes), ``n`` galaxies with a redshift, ``z`` (middle of
        the bin), ``count``, ``density``, which integrates to 1, and ``density_err``, that of the
        Poisson noise of the count.

    Examples
    --------
    >>> one = pd.DataFrame({"z": [0.55, 0.57, np.nan], "mag_i": [24.5, 24.5, 24.5]})
    >>> found = distributions({"v0": one}).query("count > 0")
    >>> found[["low", "n", "z", "count", "density"]].round(2).values.tolist()
    [[24.0, 2.0, 0.55, 2.0, 10.0]]
    """
    tables = []
    for model, sample in samples.items():
        there = sample[sample["z"].notna()]
        counts = rebin(resampled_n_of_z(there["z"], there["mag_i"], seed=1, n_bootstrap=0)[0])
        for count, (low, high) in zip(counts, pairwise(N_OF_Z_MAG_EDGES), strict=True):
            n = int(count.sum())
            scale = 1 / max(n, 1) / BIN_WIDTH_Z
            place = {"model": model, "low": low, "high": high, "n": n, "z": MIDDLES}
            values = {"count": count.astype(int), "density": scale * count}
            tables.append(pd.DataFrame(place | values | {"density_err": scale * np.sqrt(count)}))
    return pd.concat(tables, ignore_index=True)


def samples_of(
    cubes: Mapping[str, xr.Dataset], training: pd.DataFrame | None
) -> dict[str, pd.DataFrame]:
    """Return the samples that are compared: recipes, SED fitting, truth and the training set.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of one field by recipe; SED redshifts and truth are those of the first.
    training : pandas.DataFrame, optional
        ``z_label`` and ``mag_i``.

    Examples
    --------
    >>> columns = {"z_median": 0.5, "mag_i": 22.0, "in_training": False}
    >>> cube = xr.Dataset({name: ("object", [value]) for name, value in columns.items()})
    >>> list(samples_of({"v0": cube}, None))
    ['v0']
    """
    tables = judged_of(cubes)
    samples = {recipe: _sample(t["z_median"], t) for recipe, t in tables.items()}
    first = next(iter(tables.values()))
    if training is not None and len(training):
        samples = {"training": _sample(training["z_label"], training)} | samples
    for model, column in {"SED": "z_sed", "truth": "z_true"}.items():
        if known(first, column).notna().any():
            samples[model] = _sample(first[column], first)
    return samples


def _sample(z: pd.Series, table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"z": z.to_numpy(np.float64), "mag_i": table["mag_i"].to_numpy()})


def n_of_z_panels(
    table: pd.DataFrame,
    models: Sequence[str],
    injected: pd.DataFrame | None = None,
    legend: bool = True,
    aspect: float = 1.2,
) -> list[Any]:
    """Draw one panel per bin of i, `models` over the training set.

    Parameters
    ----------
    table : pandas.DataFrame
        From `distributions`.
    models : sequence of str
        Those of the table to draw, recipes first.
    injected : pandas.DataFrame, optional
        Target galaxies whose spectroscopic redshifts are in the training: ``z`` and ``mag_i``.
        Drawn white, at a height of their own.
    legend : bool
        Whether the first panel has one.
    aspect : float
    """
    panels: list[Any] = []
    for low, high in pairwise(N_OF_Z_MAG_EDGES):
        # One scale for the bright bins and one for the faint, which are flatter.
        alike = table[(table["low"] < 22) == (low < 22)]
        top = 1.08 * max(float(alike["density"].max()), 1e-3)
        rows = table[table["low"] == low]
        layers = _layers(rows, models)
        extra = within(injected, low, high) if injected is not None else None
        if extra is not None and len(extra):
            layers.insert(1, _injected(extra["z"].to_numpy(), top))
        if not rows["n"].any():
            layers.append(remark("no galaxy has a redshift", (0, Z_SHOWN), (0, top)))
        panels.append(
            panel(
                layers,
                title=_counts(rows, models[0], low, high, extra),
                x="redshift",
                y="normalised n(z)",
                xlim=(0, Z_SHOWN),
                ylim=(0, top),
                legend="top_right" if legend and not panels else "",
                aspect=aspect,
            )
        )
    return panels


def _layers(rows: pd.DataFrame, models: Sequence[str]) -> list[Any]:
    layers = []
    for model in ("training", *models):
        mine = rows[rows["model"] == model]
        if not len(mine):
            continue
        density = mine["density"].to_numpy()
        if model == "training":
            layers.append(filled(EDGES, density, colour(model), model))
        else:
            dash = "dotted" if model == "truth" else "solid"
            layers.append(line(MIDDLES, density, colour(model), model, dash, steps=True))
    return layers


def _injected(z: Any, top: float) -> Any:
    count, _ = np.histogram(z, EDGES)
    height = INJECTED_HEIGHT * top * count / max(count.max(), 1)
    return filled(EDGES, height, "white", "spec. in training (scaled)", outline="#555555")


def _counts(
    rows: pd.DataFrame, model: str, low: float, high: float, injected: pd.DataFrame | None
) -> str:
    number = rows.groupby("model")["n"].first()
    title = f"{low:g} < i < {high:g}" if low else f"i < {high:g}"
    title += f"\n{number[model]:,} galaxies"
    if "training" in number:
        title += f"\n{number['training']:,} in training"
    if injected is not None and "training" in number:
        title += f"\n{len(injected):,} spec. added"
        if number["training"]:
            title += f" ({len(injected) / number['training']:.1%})"
    return title


@paper_figure("fig09", f"Redshift distributions of the target from {BASELINE} and {SPECTRA}")
def fig09(cubes: Mapping[str, xr.Dataset], training: pd.DataFrame | None = None) -> Any:
    """Compare n(z) of a whole target field, from v0 and v1, with SED fitting and the training.

    Six bins of i magnitude; histograms integrate to 1. White: the target's spectroscopic
    redshifts that v1 was trained with, at a height of their own. On a mock survey the truth is
    dotted.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of the target by recipe, ``v0`` and ``v1``.
    training : pandas.DataFrame, optional
        ``z_label`` and ``mag_i`` of the training set.

    Returns
    -------
    Figure
        Table: that of `distributions`.

    Examples
    --------
    >>> fig09({}).note
    'there is no PDF cube of v0, v1'
    """
    return _two_rows(cubes, training, (BASELINE, SPECTRA))


@paper_figure(
    "fig12", f"Redshift distributions of the target from {ADVERSARY} and {SPECTRA_AND_ADVERSARY}"
)
def fig12(cubes: Mapping[str, xr.Dataset], training: pd.DataFrame | None = None) -> Any:
    """Compare n(z) of a whole target field, from v2 and v3, with SED fitting and the training.

    As Figure 9, for the networks with the adversary.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of the target by recipe, ``v2`` and ``v3``.
    training : pandas.DataFrame, optional
        ``z_label`` and ``mag_i`` of the training set.

    Returns
    -------
    Figure
        Table: that of `distributions`.

    Examples
    --------
    >>> fig12({}).note
    'there is no PDF cube of v2, v3'
    """
    return _two_rows(cubes, training, (ADVERSARY, SPECTRA_AND_ADVERSARY))


def _two_rows(
    cubes: Mapping[str, xr.Dataset], training: pd.DataFrame | None, recipes: Sequence[str]
) -> tuple[Any, pd.DataFrame, str]:
    found, note = present(cubes, recipes, NO_CUBE)
    table = distributions(samples_of(found, training))
    panels = []
    for recipe, cube in found.items():
        objects = judged(cube)
        z_spec = known(objects, "z_spec")
        added = _sample(z_spec, objects)[z_spec.notna().to_numpy()]
        with_spec = added if recipe in (SPECTRA, SPECTRA_AND_ADVERSARY) else None
        panels += n_of_z_panels(table, (recipe, "SED", "truth"), with_spec, aspect=1.0)
    return grid(panels, columns=6, inches=3.1, gap=(0.3, 0.45)), table, note


@paper_figure("fig19", "Redshift distributions of all targets at 24 < i < 25")
def fig19(cubes: Mapping[str, xr.Dataset], training: pd.DataFrame | None = None) -> Any:
    """Compare the n(z) that v2 gives to each target at 24 < i < 25 with the source's own.

    Grey: the labels of the source field; dashed: their smooth curve.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of v2 by field.
    training : pandas.DataFrame, optional
        ``z_label`` and ``mag_i`` of the labelled galaxies of the source field.

    Returns
    -------
    Figure
        Table: that of `distributions` at 24 < i < 25, ``model`` the field, ``training`` or
        ``training, smooth``, of which ``count`` is a curve.

    Examples
    --------
    >>> fig19({}).note
    'there is no PDF cube of v2; predict a target with it'
    """
    if not cubes:
        raise Missing(f"there is no PDF cube of {ADVERSARY}; predict a target with it")
    tables = judged_of(cubes)
    samples = {name: _sample(t["z_median"], t) for name, t in tables.items()}
    if training is not None:
        samples = {"training": _sample(training["z_label"], training)} | samples
    drawn = distributions(samples)
    drawn = drawn[drawn["low"] == FAINT[0]].reset_index(drop=True)
    layers = []
    if training is not None:
        curve = _smooth(within(samples["training"], *FAINT))
        drawn = pd.concat([drawn, curve], ignore_index=True)
        source = drawn.loc[drawn["model"] == "training"]
        label = f"training ({source['n'].iloc[0]:,})"
        layers.append(filled(EDGES, source["density"], colour("training"), label))
        style: dict[str, Any] = {"dash": "dashed", "width": 1.8}
        layers.append(line(curve["z"], curve["density"], "black", "training, smooth", **style))
    for name in cubes:
        rows = drawn[drawn["model"] == name]
        label = f"{name} ({rows['n'].iloc[0]:,})"
        style = {"dash": field_dash(name), "steps": True}
        layers.append(line(rows["z"], rows["density"], field_colour(name), label, **style))
    shown = panel(
        layers,
        x="redshift",
        y="normalised n(z)",
        xlim=(0, Z_SHOWN),
        ylim=(0, 1.08 * float(drawn["density"].max())),
        legend="top_right",
        aspect=1.6,
        width_px=600,
    )
    return grid([shown], columns=1, inches=7), drawn, ""


def _smooth(sample: pd.DataFrame) -> pd.DataFrame:
    """Return the smooth curve of a sample in the bins of the histograms."""
    edges = np.array(FAINT)
    fine = binned_counts(sample["z"].to_numpy(), sample["mag_i"].to_numpy(), edges, Z_MAX)
    steps = round(BIN_WIDTH_Z / FINE_STEP)
    curve = smooth(fine)[0][: len(MIDDLES) * steps].reshape(len(MIDDLES), steps).sum(axis=1)
    density = curve / max(curve.sum(), 1) / BIN_WIDTH_Z
    place = {"model": "training, smooth", "low": FAINT[0], "high": FAINT[1], "n": len(sample)}
    return pd.DataFrame(place | {"z": MIDDLES, "count": curve, "density": density})
