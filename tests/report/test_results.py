"""Which experiments the figures of a run are drawn from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hscz.config import RunConfig, mock_field, parse
from hscz.experiments.experiment import Experiment
from hscz.report.results import Results

Wanted = dict[str, tuple[Experiment, str]]


@pytest.fixture
def config() -> RunConfig:
    fields = {name: [1, 1] for name in ("COSMOS_UDF", "DEEP2", "XMM_DEEP")}
    recipes = ["oracle", "v1", "v0-swapped", "v0", "v2"]
    asked = {"targets": ["DEEP2", "XMM_DEEP"], "recipes": recipes}
    config = parse({"mock": {"fields": fields}, "experiments": asked})
    return replace(config, fields={name: mock_field(config.root, name) for name in fields})


@pytest.fixture
def results(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Results that say what they would open."""
    monkeypatch.setattr(Results, "_cubes", lambda self, wanted: wanted)
    return Results.of(config)


def test_the_source_is_shown_by_the_baseline_wherever_it_stands(results: Results) -> None:
    wanted: Wanted = results.source_cube()  # type: ignore[assignment]
    assert [(name, field) for name, (_, field) in wanted.items()] == [("v0", "COSMOS_UDF")]


def test_figure_7_has_one_network_for_each_u_type_band(results: Results) -> None:
    wanted: Wanted = results.by_u_band()  # type: ignore[assignment]
    found = {name: one.config for name, (one, _) in wanted.items()}
    assert {name: config.train.name for name, config in found.items()} == {
        "u": "v0-u",
        "us": "v0-us",
        "swapped": "v0-us",
    }
    assert found["swapped"].predict.stand_in == {"us": "u"}


def test_a_run_without_recipes_is_its_own_baseline(config: RunConfig) -> None:
    alone = replace(
        config,
        experiments=replace(config.experiments, recipes=()),
        train=replace(config.train, spec_fields=("DEEP2",)),
    )
    assert [one.recipe for one in Results.of(alone)._baseline()] == ["v0"]
    with_target = replace(config.experiments, recipes=("oracle", "v1"))
    assert not Results.of(replace(config, experiments=with_target))._baseline()
