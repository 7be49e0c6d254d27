"""Sections that contradict each other are refused; the stores say which survey they are of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hscz.config import load, parse
from hscz.errors import ConfigError

FIELD = {
    "images": "img/{band}.fits",
    "catalogue": {"file": "cat.fits", "catalogue": "own.toml"},
    "bands": ["g", "r"],
}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            {"network": {"norm": "none"}, "predict": {"renormalise": True}},
            "predict.renormalise is true, but network.norm is 'none'.*set network.norm = \"batch\"",
        ),
        (
            {"network": {"norm": "group"}, "predict": {"renormalise": True}},
            "network.norm is 'group', so there are no statistics",
        ),
        ({"adapt": {"degrade": True}}, "adapt.targets is empty, so there is nothing to adapt to"),
        ({"adapt": {"adversary": "uniform"}}, "adapt.targets is empty"),
        (
            {"adapt": {"targets": ["A"], "adversary": "uniform"}, "train": {"batch_size": 30}},
            "train.batch_size is 30; pairs for the adversary need a multiple of 4",
        ),
        (
            {"adapt": {"targets": ["COSMOS_UDF"]}},
            "has 'COSMOS_UDF', a source field of train.fields",
        ),
        (
            {"predict": {"calibrate": "pit"}, "train": {"validation_fraction": 0.0}},
            "predict.calibrate is 'pit', which needs .* raise train.validation_fraction",
        ),
    ],
)
def test_contradictions_are_refused(mapping: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"configuration: .*{message}"):
        parse(mapping)


def test_a_network_with_normalisation_can_be_renormalised() -> None:
    for network in ({"size": "compact"}, {"size": "paper"}):
        assert parse({"network": network, "predict": {"renormalise": True}}).predict.renormalise
    # The adversary keeps statistics apart where there are any.
    adapt = {"targets": ["DEEP2"], "adversary": "inverted", "statistics": "separate"}
    assert parse({"adapt": adapt, "network": {"norm": "none"}}).adapt.separate_statistics


def test_a_contradiction_cannot_be_made_by_replacing_either() -> None:
    config = parse({"network": {"size": "compact"}, "predict": {"renormalise": True}})
    with pytest.raises(ConfigError, match=r"RunConfig: predict\.renormalise is true"):
        replace(config, network=replace(config.network, norm="none"))


def test_stores_say_what_survey_they_are_of(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'name = "mine"\n[mock.fields]\nDEEP2 = [1, 1]\n[fields.A]\nimages = "{band}.fits"\n'
        'bands = ["g"]\ncatalogue = { file = "a.csv", catalogue = "a.toml" }\n'
    )
    run, stated = load(path), load(path, ["survey=Wide"])
    assert (run.survey_of("A"), stated.survey_of("A")) == ("mine", "Wide")
    assert stated.survey_of("DEEP2") == "mock of HSC-CLAUDS"
