"""What the cubes of many experiments hold, as the inputs of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from hscz.evaluate.metrics import outlier_fraction, residual, sigma_mad
from hscz.evaluate.proper import log_loss
from hscz.experiments.compare import Estimates
from hscz.experiments.experiment import Experiment
from hscz.experiments.recipes import BASELINE, with_role
from hscz.learn.folder import ModelFolder
from hscz.pdf import median
from hscz.pdf.grid import bin_of
from hscz.predict.standins import held_out, stand_ins

SCORED_ON = 2048
"""Held-out galaxies, drawn at random, by which recipes are chosen without labels."""

SCORED_FROM = 500
"""Least number of them; fewer say more of the draw than of the recipe."""

FAINT_MAG = 23.0
"""From which magnitude on a recipe's promise is told, as in the comparison."""


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
    """Return what the candidate recipes promise for each target, and which the rule chooses.

    The rule: the least log loss of PDFs of held-out source galaxies, made like those of the
    target and predicted as it is, at their labels. No label of the target enters.

    Returns
    -------
    pandas.DataFrame
        One row per seed, target and recipe with the role ``candidate``: ``n`` stand-ins,
        ``log_loss``, ``sigma_mad`` and ``eta``, what these say of i >= 23, and ``chosen``.
        Recipes that learn from a label of the target, or of whose source too little was held
        out, are left out.
    """
    wanted = [one for one in plan if one.recipe in with_role("candidate") and one.estimator.trains]
    table = pd.DataFrame([row for row in map(_promise, wanted) if row])
    if not len(table):
        return table
    chosen = table.groupby(["seed", "target"])["log_loss"].idxmin()
    return table.assign(chosen=table.index.isin(chosen))


def _promise(experiment: Experiment) -> dict[str, object]:
    """Return what stand-ins say of one recipe in its target; empty where there are too few."""
    config = experiment.config
    if len(held_out(config, config.train.fields)) < SCORED_FROM:
        return {}
    found = stand_ins(config, experiment.target, SCORED_ON)
    z, edges = found.objects["z_label"].to_numpy(), found.edges
    inside = bin_of(z, edges) >= 0
    faint = inside & (found.objects["mag_i"].to_numpy() >= FAINT_MAG)
    dz = residual(median(found.pdf[faint], edges), z[faint])
    return {
        **{"seed": experiment.seed, "target": experiment.target, "recipe": experiment.recipe},
        **{
            "n": int(inside.sum()),
            "log_loss": log_loss(found.pdf[inside], edges, z[inside]).mean(),
        },
        **{"sigma_mad": float(sigma_mad(dz)), "eta": float(outlier_fraction(dz))},
    }
