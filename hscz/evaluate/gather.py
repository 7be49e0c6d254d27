"""From the cubes of many experiments to one comparison: tables, text and figures."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz import pdf
from hscz.atomic import write_atomic
from hscz.config import EvaluateConfig
from hscz.configfile import file_stamps, fingerprint
from hscz.evaluate.compare import Estimates, compare
from hscz.evaluate.gains import gap_closed
from hscz.evaluate.report import write_table
from hscz.evaluate.scores import choose, label_free_scores
from hscz.evaluate.verdict import format_comparison
from hscz.learn.experiments import Experiment
from hscz.stores import identity, open_cube

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

CANDIDATES = ("v0", "v2", "degraded", "degraded-v2", "recommended")
"""Recipes among which the rule without labels chooses: those that share the source's labels
and whose validation loss is measured in the same way."""


def compare_experiments(plan: Sequence[Experiment], settings: EvaluateConfig, folder: Path) -> str:
    """Put all experiments to all tests.

    Writes ``comparison.parquet`` (every metric of every test), ``gaps.parquet`` (gains over v0
    and gap closed), ``scores.parquet`` (label-free scores and what they choose), the text, and,
    where holoviews is installed, a page of figures.

    Parameters
    ----------
    plan : sequence of Experiment
        Trained and predicted.
    settings : EvaluateConfig
    folder : Path

    Returns
    -------
    str
        The table to read.

    Raises
    ------
    StoreError
        If an experiment has not been predicted.
    """
    estimates = [one for experiment in plan for one in read_estimates(experiment)]
    training = {e.seed: training_sample(e) for e in plan if e.recipe == plan[0].recipe}
    table, gaps = compare(estimates, training, settings), gap_closed(estimates, settings)
    scores = label_free(plan)
    for name, frame in {"comparison": table, "gaps": gaps, "scores": scores}.items():
        write_table(frame, folder / f"{name}.parquet")
    text = format_comparison(table, gaps, scores if len(scores) else None)
    write_atomic(folder / "comparison.txt", lambda path: path.write_text(text + "\n"))
    if importlib.util.find_spec("holoviews"):
        from hscz.figures.experiments import comparison_page

        comparison_page(estimates, training, table, gaps, folder)
    return text


def comparison_key(plan: Sequence[Experiment], settings: EvaluateConfig) -> str:
    """Return the fingerprint of what a comparison is made from."""
    outputs = [one.output(name) for one in plan for name in one.fields]
    cubes = [identity(path) for path in outputs]
    return fingerprint(settings, cubes, file_stamps([str(p) for p in outputs if p.is_file()]))


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
    usable = np.isfinite(cube["z_median"].values) & ~cube["in_training"].values
    return cube.isel(object=np.flatnonzero(usable))


def training_sample(experiment: Experiment) -> pd.DataFrame:
    """Return an epoch's draw of the training galaxies: ``z_label`` and ``mag_i``."""
    from hscz.learn.flatten import flatten

    config = experiment.config
    split = pd.read_parquet(config.models[0] / "split.parquet")
    used = split[(split["part"] == "training") & split["used"]]
    if not config.flatten.enabled:
        return used[["z_label", "mag_i"]]
    rng = np.random.default_rng(experiment.seed)
    z, mag_i, ra, dec = (used[key].to_numpy(float) for key in ("z_label", "mag_i", "ra", "dec"))
    drawn = flatten(z, mag_i, ra, dec, config.flatten, rng).draw(rng)
    return used.iloc[drawn][["z_label", "mag_i"]]


def label_free(plan: Sequence[Experiment]) -> pd.DataFrame:
    """Return the label-free scores of the candidate recipes, and which the rule chooses.

    Returns
    -------
    pandas.DataFrame
        One row per seed, target and recipe of `CANDIDATES`: ``validation_loss`` of the source,
        ``adversary_accuracy`` where there is one, the scores of
        `hscz.evaluate.scores.label_free_scores`, and ``chosen``.
    """
    rows = [_scores(one) for one in plan if one.recipe in CANDIDATES and len(one.fields) > 1]
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
    histories = [
        json.loads((folder / "history.jsonl").read_text().splitlines()[-1])
        for folder in config.models
        if folder.exists()
    ]
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
