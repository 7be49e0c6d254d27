"""What is gathered of many experiments before they are compared."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hscz.config import RunConfig
from hscz.config.read import load
from hscz.experiments import gather
from hscz.experiments.experiment import Experiment, planned
from hscz.experiments.gather import label_free
from hscz.learn.folder import ModelFolder
from hscz.predict.standins import StandIns


@pytest.fixture
def one(config: RunConfig) -> Experiment:
    """The network of the small run, which is no candidate by its own name."""
    return planned(config)[0]


def as_candidate(one: Experiment, recipe: str) -> Experiment:
    return dataclasses.replace(one, recipe=recipe)


def test_the_recipe_whose_stand_ins_fare_best_is_chosen(
    one: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    z, edges = rng.uniform(0.5, 2.0, 800), np.linspace(0, 6, 61)
    widths = iter([0.3, 0.1, 0.2])

    def made(*_: object) -> StandIns:
        width, centre = next(widths), edges[:-1] + 0.05
        density = np.exp(-0.5 * ((centre - z[:, None]) / width) ** 2)
        density /= density.sum(axis=1, keepdims=True) * 0.1
        objects = {"object_id": np.arange(800), "z_label": z, "mag_i": np.full(800, 24.0)}
        return StandIns(density.astype(np.float32), edges, pd.DataFrame(objects))

    monkeypatch.setattr(gather, "stand_ins", made)
    monkeypatch.setattr(gather, "SCORED_FROM", 1)
    plan = [as_candidate(one, name) for name in ("v0", "v2", "recommended")]
    found = label_free(plan).set_index("recipe")
    assert found["chosen"].to_dict() == {"v0": False, "v2": True, "recommended": False}
    assert (found["n"] == 800).all()


def test_what_a_recipe_promises_comes_of_its_own_held_out_galaxies(
    one: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "SCORED_FROM", 1)
    found = label_free([as_candidate(one, "v0"), as_candidate(one, "knn")])
    assert found["recipe"].tolist() == ["v0"]
    assert np.isfinite(found[["log_loss", "eta"]].to_numpy()).all()
    assert found["n"][0] % len(ModelFolder(one.config.models[0]).held_out()) == 0


def test_few_held_out_galaxies_promise_nothing(one: Experiment) -> None:
    assert not len(label_free([as_candidate(one, "v0")]))


def test_without_any_held_out_galaxy_nothing_is_promised(copy: Path) -> None:
    config = load(copy)
    split = config.models[0] / "split.parquet"
    pd.read_parquet(split).assign(part="training").to_parquet(split)
    assert not len(label_free([as_candidate(planned(config)[0], "v0")]))
