"""Reading the run's TOML: every mistake is named, nothing unknown passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hscz.config.learn import NETWORK_PRESETS, TrainConfig
from hscz.config.read import as_mapping, changed, load, parse
from hscz.errors import ConfigError

FIELD = {
    "images": "img/{filter}.fits",
    "catalogue": {"file": "cat.fits", "catalogue": "own.toml"},
    "bands": ["g", "r"],
}


def test_defaults_are_the_paper() -> None:
    config = parse({})
    assert config.network == NETWORK_PRESETS["paper"]
    assert (config.train.n_bins, config.train.z_max, config.train.targets) == (360, 6.0, "one_hot")
    assert config.train == TrainConfig()


def test_a_preset_can_be_changed_in_part() -> None:
    config = parse({"network": {"size": "compact", "input_px": 64}})
    assert config.network.input_px == 64
    assert config.network.norm == "batch"


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        'stores = "out"\n[fields.A]\nimages = "img/{filter}.fits"\nbands = ["g", "r"]\n'
        'catalogue = { file = "cat.fits", catalogue = "own.toml" }\n'
    )
    config = load(tmp_path / "run.toml")
    assert config.root == tmp_path / "out"
    assert config.fields["A"].images == str(tmp_path / "img/{filter}.fits")
    assert config.fields["A"].catalogue.file == str(tmp_path / "cat.fits")
    assert config.fields["A"].catalogue.catalogue == str(tmp_path / "own.toml")


def test_set_replaces_settings_of_any_type(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[train]\nepochs = 2\n")
    changes = ["train.epochs=7", "train.device=cpu", 'train.bands=["g","r"]', "train.z_max=4"]
    config = load(tmp_path / "run.toml", changes)
    assert (config.train.epochs, config.train.device) == (7, "cpu")
    assert (config.train.bands, config.train.z_max) == (("g", "r"), 4.0)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"trian": {}}, r"top level has no key 'trian'; did you mean 'train'\?"),
        ({"train": {"epochs": "ten"}}, r"train.epochs is 'ten'; give a whole number, at least 1"),
        ({"train": {"epochs": True}}, r"train.epochs is True; give a whole number, at least 1"),
        ({"train": {"bands": ["g", "q"]}}, r"train.bands\[1\] is 'q'; use u, us, g, r"),
        (
            {"train": {"bands": ["g", "u"]}},
            r"train.bands is \['g', 'u'\]; write them from blue to red",
        ),
        ({"evaluate": {"reference": ["z_tru"]}}, r"evaluate.reference\[0\] is 'z_tru'; use z_spec"),
        ({"train": 3}, r"train is 3; give a section"),
        ({"network": {"size": "huge"}}, r"network.size is 'huge'; use paper or compact"),
        ({"fields": {"A": {"images": "x"}}}, r"\[fields.A\] lacks catalogue and bands; add them"),
        ({"fields": {"A": FIELD | {"band": []}}}, r"\[fields.A\] has no key 'band'"),
        (
            {"fields": {"A": FIELD | {"apart": {}}}},
            r"fields.A.apart was renamed; write 'per_band' in place of 'apart'",
        ),
        (
            {"adapt": {"statistics": "apart"}},
            r"adapt.statistics = 'apart' was renamed; write 'separate'",
        ),
    ],
)
def test_mistakes_are_named(mapping: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(mapping)


@pytest.mark.parametrize("text", ["[train", "a = "])
def test_broken_toml_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"run\.toml: not valid TOML"):
        load(tmp_path / "run.toml")


def test_broken_toml_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[network]\n  size = compact\n")
    with pytest.raises(ConfigError, match=r"\(at line 2, column 10\): size = compact$"):
        load(tmp_path / "run.toml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such configuration"):
        load(tmp_path / "none.toml")


def test_settings_survive_a_round_trip() -> None:
    config = parse({"fields": {"A": FIELD}, "network": {"size": "compact"}})
    assert parse(as_mapping(config)) == config


@pytest.mark.parametrize("key", ["predict.fields", "evaluate.fields", "train.spec_fields"])
def test_fields_that_are_not_described_are_named(tmp_path: Path, key: str) -> None:
    (tmp_path / "run.toml").write_text("")
    with pytest.raises(ConfigError, match=rf"run\.toml: {key} has 'ELAIS'; the fields are none"):
        load(tmp_path / "run.toml", [f'{key}=["ELAIS"]'])


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b"\xef\xbb\xbfname = 'marked'\n")
    assert load(tmp_path / "run.toml").name == "marked"


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as found:
        parse({"train": {"epoch": 3, "runs": 0}, "adapt": {"ramp": "steep"}}, "run.toml")
    assert str(found.value).splitlines() == [
        "run.toml: train.runs is 0; give at least 1",
        "run.toml: [train] has no key 'epoch'; did you mean 'epochs'?",
        "run.toml: adapt.ramp is 'steep'; use constant, linear or dann",
    ]


def test_changed_settings_are_checked_like_those_of_a_file() -> None:
    config = parse({"network": {"size": "compact"}, "train": {"epochs": 7}})
    other = changed(config, {"train": {"runs": 2}}, "recipe mine")
    assert (other.train.epochs, other.train.runs, other.network) == (7, 2, config.network)
    with pytest.raises(ConfigError, match=r"recipe mine: train\.runs is 0; give at least 1"):
        changed(config, {"train": {"runs": 0}}, "recipe mine")


EXAMPLES = Path(__file__).parents[2] / "examples"
RUNS = [path for path in sorted(EXAMPLES.glob("*.toml")) if "catalogue" not in path.stem]


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_the_examples_can_be_read(path: Path) -> None:
    config = load(path)
    assert config.fields
    assert config.name == path.stem.removesuffix("_survey")
