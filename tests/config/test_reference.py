"""The reference and the shipped schema say what the settings are."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest

from hscz.cli import main
from hscz.config.reference import SHIPPED, page, settings_schema, text
from hscz.errors import ConfigError

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNS = [path for path in sorted(EXAMPLES.glob("*.toml")) if "catalogue" not in path.stem]
FIELD = {"images": "a", "catalogue": {"file": "b", "catalogue": "c"}, "bands": ["g"]}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft7Validator:
    schema = json.loads(SHIPPED.read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def test_the_shipped_schema_is_up_to_date() -> None:
    assert json.loads(SHIPPED.read_text()) == settings_schema(), (
        "write it anew with python -m hscz.config.reference"
    )


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_the_examples_name_the_schema_and_fit_it(path: Path, validator) -> None:
    first = path.read_text().partition("\n")[0]
    assert (path.parent / first.removeprefix("#:schema ")).resolve() == SHIPPED
    assert not list(validator.iter_errors(tomllib.loads(path.read_text())))


@pytest.mark.parametrize(
    "wrong",
    [
        {"trian": {}},
        {"train": {"epoch": 3}},
        {"train": {"epochs": 0}},
        {"train": {"epochs": 1.5}},
        {"train": {"optimiser": "sgd"}},
        {"train": {"bands": ["q"]}},
        {"adapt": {"kernels": [16]}},
        {"network": {"layers": ["conv 4"]}},
        {"fields": {"A": {"images": "a"}}},
        {"fields": {"A": FIELD | {"fetch": {"box": "all"}}}},
        {"mock": {"fields": {"EGS": [1, 1]}}},
        {"recipes": {"mine": {"adapt": {"wieght": 1}}}},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(wrong: dict, validator) -> None:
    assert list(validator.iter_errors(wrong))


def test_the_schema_knows_what_a_base_may_leave_out(validator) -> None:
    part = {"fields": {"A": {"zero_point": 27.0}}}
    assert not list(validator.iter_errors({"base": "other.toml", **part}))
    assert list(validator.iter_errors(part))


def test_other_packages_may_add_names(validator) -> None:
    theirs = {"export": {"formats": ["csv"]}, "train": {"targets": "ordinal"}}
    assert not list(validator.iter_errors(theirs))


def test_one_page_has_every_section_and_key() -> None:
    found = page()
    for section in ("[train]", "[fields.NAME]", "[fields.NAME.fetch]", "[recipes.NAME]"):
        assert f"## {section}\n" in found
    row = next(line for line in found.splitlines() if line.startswith("| `folds` "))
    assert row.startswith("| `folds` | a whole number, from 1 to 100 | `1` | Folds to train, each")


def test_settings_are_told_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "settings", "fields.NAME"]) == 0
    assert "fields.NAME.bands\n    required: a list of u, us, g" in capsys.readouterr().out
    assert main(["info", "settings"]) == 0
    assert "[train]: field stores to models" in capsys.readouterr().out
    assert main(["info", "settings", "trian"]) == 2
    assert "settings have no section 'trian'; did you mean 'train'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train.epochs", "train.epochs is a key; 'hscz info settings train' explains it"),
        ("fields", "no section 'fields'; did you mean 'fields.NAME'?"),
        ("epochs", "no section 'epochs'; there are mock, mock.conditions.NAME, mock.shift.NAME"),
    ],
)
def test_a_section_that_is_none_is_answered(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        text(name)
