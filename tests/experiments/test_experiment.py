"""Recipes on targets: what cannot be predicted is refused before anything is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hscz.cli import main
from hscz.config import mock_field, parse
from hscz.config.learn import NETWORK_PRESETS
from hscz.experiments.experiment import experiments

FILE = """
stores = "out"
[mock.fields]
COSMOS_UDF = [1, 1]
DEEP2 = [1, 1]
[network]
norm = "{norm}"
[experiments]
targets = ["DEEP2"]
recipes = ["v0", "{recipe}"]
"""


@pytest.mark.parametrize("recipe", ["adabn", "degraded-adabn"])
@pytest.mark.parametrize("verb", ["run", "mock", "plan", "figures"])
def test_a_recipe_that_needs_normalisation_is_refused_at_once(
    verb: str, recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.toml"
    file.write_text(FILE.format(norm="none", recipe=recipe))
    assert main([verb, str(file)]) == 2
    said = capsys.readouterr().err
    assert f"recipe {recipe}: predict.renormalise is true, but network.norm is 'none'" in said
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]
    file.write_text(FILE.format(norm="batch", recipe=recipe))
    assert main(["run", "--dry-run", str(file)]) == 0


def test_a_recipe_may_have_a_network_of_its_own() -> None:
    fields = {"COSMOS_UDF": [1, 1], "DEEP2": [1, 1]}
    recipes = {
        "small": {"base": "v0", "network": {"size": "compact", "dense": [64]}},
        "grouped": {"base": "v0", "network": {"norm": "group"}},
    }
    config = parse(
        {
            "mock": {"fields": fields},
            "network": {"layers": ["conv 4 5 relu"]},
            "recipes": recipes,
            "experiments": {"targets": ["DEEP2"], "recipes": ["v0", *recipes]},
        }
    )
    config = replace(config, fields={name: mock_field(config.root, name) for name in fields})
    plain, small, grouped = (one.config for one in experiments(config))
    assert small.network == replace(NETWORK_PRESETS["compact"], dense=(64,))
    assert grouped.network == replace(plain.network, norm="group")
    assert plain.network == config.network
    assert len({one.train.name for one in (plain, small, grouped)}) == 3


def test_a_recipe_may_train_longer_than_the_settings_say() -> None:
    fields = {"COSMOS_UDF": [1, 1], "DEEP2": [1, 1], "ELAIS": [1, 1]}
    recipes = {
        "long": {"base": "v0", "epochs_factor": 1.5},
        "longer": {"base": "long", "epochs_factor": 2},
    }
    config = parse(
        {
            "mock": {"fields": fields},
            "train": {"epochs": 8},
            "recipes": recipes,
            "experiments": {"targets": ["DEEP2", "ELAIS"], "recipes": ["v0", *recipes]},
        }
    )
    config = replace(config, fields={name: mock_field(config.root, name) for name in fields})
    made = {(one.recipe, one.target): one.config.train for one in experiments(config)}
    assert [made[name, "DEEP2"].epochs for name in ("v0", *recipes)] == [8, 12, 24]
    assert made["long", "ELAIS"].name == "long-u", "networks of its own, one for both targets"
