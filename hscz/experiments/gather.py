"""What the cubes of many experiments hold, as the inputs of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from hscz.evaluate.scores import choose, label_free_scores
from hscz.experiments.compare import Estimates
from hscz.experiments.experiment import Experiment
from hscz.experiments.networks import read_judged
from hscz.experiments.recipes import BASELINE, with_role
from hscz.learn.folder import ModelFolder

SCORED_ON = 4096
"""Galaxies of a field, drawn at random, on which the label-free scores are measured."""

SCORED_FROM = 1000
"""Least number of them; scores of fewer say more of the draw than of the recipe."""


def read_estimates(experiment: Experiment) -> list[Estimates]:
    """Return what one experiment says of its target and of the source field.

    Objects on which all of its networks were trained are left out.
    """
    one, read = experiment, experiment.estimator.read
    return [
        Estimates(one.recipe, one.target, name, one.seed, read(one.config, name))
        for name in one.fields
    ]


def training_samples(plan: Sequence[Experiment]) -> dict[int, pd.DataFrame]:
    """Return, by seed, an epoch's draw of the galaxies that the baseline learns from.

    Where there is no baseline, those of the first networks that learn from no label of a target
    either; seeds without any are left out.

    Returns
    -------
    dict of int to pandas.DataFrame
        See `training_sample`.
    """
    found = {one.seed: one for one in reversed(sources(plan))}
    return {seed: training_sample(found[seed]) for seed in sorted(found)}


def sources(plan: Sequence[Experiment]) -> list[Experiment]:
    """Return the experiments whose networks learn from no label of a target, the baseline first."""
    found = [one for one in plan if one.estimator.trains and not one.knows_target]
    return sorted(found, key=lambda one: one.recipe != BASELINE)


def training_sample(experiment: Experiment) -> pd.DataFrame:
    """Return the first epoch of the first network: ``z_label``, ``mag_i``, ``ra`` and ``dec``."""
    return ModelFolder(experiment.config.models[0]).drawn()[["z_label", "mag_i", "ra", "dec"]]


def label_free(plan: Sequence[Experiment]) -> pd.DataFrame:
    """Return the label-free scores of the candidate recipes, and which the rule chooses.

    Returns
    -------
    pandas.DataFrame
        One row per seed, target and recipe with the role ``candidate``: ``validation_loss`` of
        the source, ``adversary_accuracy`` where there is one, the scores of
        `hscz.evaluate.scores.label_free_scores`, and ``chosen``.
    """
    rows = [
        _scores(one) for one in plan if one.recipe in with_role("candidate") and len(one.fields) > 1
    ]
    table = pd.DataFrame([row for row in rows if row])
    if not len(table):
        return table
    groups = table.groupby(["seed", "target"])
    chosen = [choose(group) for _, group in groups]
    return table.assign(chosen=table.index.isin(chosen))


def _scores(experiment: Experiment) -> dict[str, object]:
    """Return the scores of one recipe; empty where there are too few galaxies for any."""
    config, rng = experiment.config, np.random.default_rng(experiment.seed)
    target, source = (
        _sampled(read_judged(experiment.output(name)), rng) for name in experiment.fields[:2]
    )
    if min(target.sizes["object"], source.sizes["object"]) < SCORED_FROM:
        return {}
    histories = [ModelFolder(folder).epochs()[-1] for folder in config.models if folder.exists()]
    kept = ("validation_loss", "adversary_accuracy")
    means = {k: np.mean([h[k] for h in histories]) for k in kept if k in histories[0]}
    scores = label_free_scores(
        target["pdf"].values,
        target["z_edges"].values,
        target["mag_i"].values,
        source["pdf_width"].values,
        source["mag_i"].values,
        rng,
    )
    place = {"seed": experiment.seed, "target": experiment.target, "recipe": experiment.recipe}
    return {**place, **means, **scores}


def _sampled(cube: xr.Dataset, rng: np.random.Generator) -> xr.Dataset:
    rows = rng.permutation(cube.sizes["object"])[:SCORED_ON]
    return cube.isel(object=np.sort(rows)).load()
