"""What the cubes of many experiments hold, as the inputs of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz import pdf
from hscz.evaluate.judged import is_judged
from hscz.evaluate.scores import choose, label_free_scores
from hscz.experiments.compare import Estimates
from hscz.experiments.experiment import Experiment
from hscz.experiments.recipes import with_role
from hscz.learn.folder import ModelFolder
from hscz.stores import open_cube

COLUMNS = (
    *("object_id", "mag_i", "z_median", "pdf_width"),
    *("z_true", "z_spec", "z_label", "is_oii_candidate"),
)

BLOCK = 4096
"""PDFs read at once."""

SCORED_ON = 4096
"""Galaxies of a field, drawn at random, on which the label-free scores are measured."""

SCORED_FROM = 1000
"""Least number of them; scores of fewer say more of the draw than of the recipe."""


def read_estimates(experiment: Experiment) -> list[Estimates]:
    """Return what one experiment says of its target and of the source field.

    Objects on which all of its networks were trained are left out.
    """
    return [
        Estimates(experiment.recipe, experiment.target, name, experiment.seed, table)
        for name in experiment.fields
        for table in [_read_table(experiment, name)]
    ]


def _read_table(experiment: Experiment, name: str) -> pd.DataFrame:
    if experiment.method != "network":
        return pd.read_parquet(experiment.output(name))
    cube = _judged(experiment, name)
    table = pd.DataFrame({key: cube[key].values for key in COLUMNS if key in cube})
    return table.assign(z_draw=_drawn(cube, np.random.default_rng(experiment.seed)))


def _drawn(cube: xr.Dataset, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a redshift drawn from each PDF, reading as many at once as a cube has in a block."""
    edges, starts = cube["z_edges"].values, range(0, cube.sizes["object"], BLOCK)
    drawn = [pdf.draw(cube["pdf"][start : start + BLOCK].values, edges, rng) for start in starts]
    return np.concatenate([np.zeros(0), *drawn])


def _judged(experiment: Experiment, name: str) -> xr.Dataset:
    """Return the objects of a cube that can be judged: with a redshift, and not learnt from."""
    cube = open_cube(experiment.output(name), lazy=False)
    return cube.isel(object=np.flatnonzero(is_judged(cube)))


def training_sample(experiment: Experiment) -> pd.DataFrame:
    """Return the first epoch of the first network: ``z_label`` and ``mag_i``."""
    return ModelFolder(experiment.config.models[0]).drawn()[["z_label", "mag_i"]]


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
    target, source = (_sampled(_judged(experiment, name), rng) for name in experiment.fields[:2])
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
