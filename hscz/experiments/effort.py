"""What each recipe had to learn from: its networks, their labels and their steps.

Read from the models, not from the settings: a field may hold fewer labels than were asked for, and
a run that diverged leaves no network.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hscz.experiments.experiment import Experiment
from hscz.experiments.recipes import BASELINE, ORACLE, RECOMMENDED
from hscz.learn.folder import ModelFolder

COLUMNS = ("seed", "target", "recipe", "networks", "labels", "steps")

HELD_AGAINST = (BASELINE, RECOMMENDED)
"""Recipes whose labels and steps the oracle must have, to be their limit."""

ENOUGH = 0.99
"""Share of these from which the oracle has as many."""


def training_effort(plan: Sequence[Experiment]) -> pd.DataFrame:
    """Return what the networks of each experiment have learnt from.

    Returns
    -------
    pandas.DataFrame
        One row per seed, target and recipe with networks of its own: ``networks``, and as means
        over them ``labels`` (galaxies of an epoch) and ``steps`` (of the optimiser, in all).
    """
    found: dict[tuple[str, ...], dict[str, float]] = {}
    rows = []
    for one in (each for each in plan if each.estimator.trains):
        folders = tuple(str(folder) for folder in one.config.models)
        if folders not in found:
            models = [ModelFolder(folder) for folder in one.config.models]
            found[folders] = _mean([model for model in models if model.whole])
        place = {"seed": one.seed, "target": one.target, "recipe": one.recipe}
        rows.append(place | found[folders])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _mean(models: Sequence[ModelFolder]) -> dict[str, float]:
    each = []
    for model in models:
        epochs = model.epochs()
        steps = sum(epoch.get("steps", np.nan) for epoch in epochs)
        each.append({"labels": len(model.training_sample()), "steps": steps})
    means = pd.DataFrame(each).mean()
    return {"networks": len(each)} | {str(name): float(value) for name, value in means.items()}


def unfair_oracles(effort: pd.DataFrame) -> pd.DataFrame:
    """Return the means over seeds of oracles that had fewer labels or steps than others had.

    Parameters
    ----------
    effort : pandas.DataFrame
        From `training_effort`.

    Returns
    -------
    pandas.DataFrame
        ``target``, ``labels`` and ``steps`` of the oracle, and ``labels_others`` and
        ``steps_others``, the most that the recipes in `HELD_AGAINST` had.

    Examples
    --------
    >>> rows = [("v0", 9000, 1100), ("oracle", 3100, 380)]
    >>> effort = pd.DataFrame(rows, columns=["recipe", "labels", "steps"])
    >>> found = unfair_oracles(effort.assign(seed=1, target="DEEP2"))
    >>> found[["target", "labels", "labels_others"]].values.tolist()
    [['DEEP2', 3100.0, 9000.0]]
    """
    mean = effort.groupby(["recipe", "target"])[["labels", "steps"]].mean()
    others = mean[mean.index.get_level_values("recipe").isin(HELD_AGAINST)]
    most = others.groupby("target").max().add_suffix("_others")
    both = mean.loc[ORACLE].join(most).reset_index()
    fewer = [both[name] < ENOUGH * both[f"{name}_others"] for name in ("labels", "steps")]
    return both[fewer[0] | fewer[1]]


def format_effort(effort: pd.DataFrame) -> str:
    """Return the effort as text: a row per recipe, and whether the oracle is a fair limit.

    Numbers of recipes with networks of their own for each target are ranges over these.
    """
    mean = effort.groupby(["recipe", "target"], sort=False).mean(numeric_only=True)
    rows = {}
    for recipe, each in mean.groupby("recipe", sort=False):
        heads = ("networks", "labels", "steps")
        rows[str(recipe)] = {head: _range(each[head]) for head in heads}
    text = pd.DataFrame.from_dict(rows, orient="index").to_string()
    parts = ["What networks learn from: labels of each, and steps of its training", text]
    others = " and ".join(recipe for recipe in HELD_AGAINST if recipe in rows)
    if ORACLE in rows and others:
        unfair = [_unfair(row, others) for row in unfair_oracles(effort).to_dict("records")]
        fair = f"The {ORACLE} has as many labels and steps as {others} in every target"
        parts += unfair or [fair]
    return "\n".join(parts)


def _unfair(row: Mapping[Hashable, Any], others: str) -> str:
    labels, steps = (f"{row[name]:,.0f}" for name in ("labels", "steps"))
    most = "{labels_others:,.0f} labels x {steps_others:,.0f} steps".format_map(row)
    return (
        f"The {ORACLE} of {row['target']} is no limit: it has {labels} labels x {steps} steps, "
        f"{others} up to {most}"
    )


def _range(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    if np.isnan(low):
        return "-"
    return f"{low:,.0f}" if round(low) == round(high) else f"{low:,.0f}-{high:,.0f}"
