"""Many experiments at once: what happens to all when one process goes."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from hscz.config import mock_field
from hscz.config.read import parse
from hscz.errors import HsczError
from hscz.experiments import campaign
from hscz.experiments.campaign import side_by_side
from hscz.experiments.experiment import experiments


def test_a_process_that_is_killed_is_said_in_a_line() -> None:
    tasks = [(os._exit, (9,)), (os._exit, (9,))]
    with pytest.raises(HsczError, match="trainings: one of 2 processes was killed, perhaps for"):
        side_by_side(tasks, 2, "trainings", progress=False)


def test_the_longest_training_begins_first(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"COSMOS_UDF": [1, 1], "DEEP2": [1, 1]}
    recipes = ["v0", "v2", "recommended", "long"]
    config = parse(
        {
            "mock": {"fields": fields},
            "recipes": {"long": {"base": "v0", "epochs_factor": 3}},
            "experiments": {"targets": ["DEEP2"], "recipes": recipes},
        }
    )
    config = replace(config, fields={name: mock_field(config.root, name) for name in fields})
    seen: list[str] = []
    monkeypatch.setattr(
        campaign,
        "side_by_side",
        lambda tasks, *_: seen.extend(arguments[0].train.name for _, arguments in tasks),
    )
    campaign.train_all(experiments(config), 2, False, True, False)
    assert [name.split("-")[0] for name in seen] == ["long", "recommended", "v2", "v0"]
