"""Sections check their values when they are made and when they are changed."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, asdict, fields, replace

import pytest

from hscz.config import FieldConfig, RunConfig, TableConfig, TrainConfig
from hscz.config.schema import resolved, schema_of
from hscz.errors import ConfigError

SCHEMA = schema_of(RunConfig)
CLASSES = {"RunConfig": SCHEMA, **SCHEMA["$defs"]}
KEYS = [(name, key) for name, node in CLASSES.items() for key in node["properties"]]


def test_a_section_is_a_frozen_dataclass() -> None:
    train = TrainConfig(runs=3)
    assert "runs" in {f.name for f in fields(train)}
    assert asdict(train)["runs"] == 3
    assert pickle.loads(pickle.dumps(train)) == train
    with pytest.raises(FrozenInstanceError):
        train.runs = 4


def test_replacing_checks_again() -> None:
    assert replace(TrainConfig(), epochs=2).epochs == 2
    with pytest.raises(ConfigError, match="TrainConfig: epochs is 0; give at least 1"):
        replace(TrainConfig(), epochs=0)
    with pytest.raises(ConfigError, match=r"TrainConfig: the top level has no key 'epoch'"):
        TrainConfig(epoch=3)


def test_lists_become_tuples_and_whole_numbers_numbers() -> None:
    entry = FieldConfig("{band}.fits", TableConfig("a", "b"), bands=["g", "r"], zero_point=27)
    assert entry.bands == ("g", "r")
    assert (entry.zero_point, type(entry.zero_point)) == (27.0, float)


@pytest.mark.parametrize(("name", "key"), KEYS)
def test_every_key_is_documented(name: str, key: str) -> None:
    assert len(resolved(SCHEMA, CLASSES[name]["properties"][key])["description"]) > 5


WRONG = {
    "integer": ["3", 3.0, True],
    "number": ["3", True, float("nan"), float("inf")],
    "boolean": [1, "true"],
    "string": [3, True],
    "array": ["text", 3],
}
SCALARS = [
    (section, key, wrong)
    for section, node in SCHEMA["properties"].items()
    for key, inner in resolved(SCHEMA, node).get("properties", {}).items()
    for wrong in WRONG.get(inner.get("type"), ())
    if section != "mock"
]


@pytest.mark.parametrize(("section", "key", "wrong"), SCALARS)
def test_no_value_is_bent_into_another_type(section: str, key: str, wrong: object) -> None:
    made = getattr(RunConfig(), section)
    with pytest.raises(ConfigError, match=rf"{key} is "):
        replace(made, **{key: wrong})
