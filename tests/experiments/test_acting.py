"""Whether an adversary acts is read from the probes, against its own control."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hscz.config import mock_field, parse
from hscz.experiments.acting import format_probes, probes
from hscz.experiments.experiment import Experiment, experiments
from hscz.learn.folder import ModelFolder

FIELDS = {"COSMOS_UDF": [1, 1], "DEEP2": [1, 1]}
OWN = {
    "single": {"base": "v2", "adapt": {"verdict": "single", "rate": 2.0, "judged_share": 0.5}},
    "mixed": {"base": "v2", "adapt": {"statistics": "mixed"}},
    "early": {"base": "v2", "adapt": {"layer": "inc1"}},
}
PROBED = {"v2": 0.92, "single": 0.7, "control": 0.95, "mixed": 0.7, "early": 0.7, "degraded": 0.9}


@pytest.fixture
def plan(tmp_path: Path) -> list[Experiment]:
    """Return experiments whose networks have a history of two epochs and nothing else."""
    config = parse(
        {
            "stores": str(tmp_path),
            "mock": {"fields": FIELDS},
            "network": {"size": "compact"},
            "train": {"runs": 2},
            "recipes": OWN,
            "experiments": {"targets": ["DEEP2"], "recipes": ["v0", *PROBED]},
        }
    )
    config = replace(config, fields={name: mock_field(config.root, name) for name in FIELDS})
    made = experiments(config)
    for one in made:
        for run, folder in enumerate(one.config.models):
            for epoch in (1, 2):
                row = {"epoch": epoch, "loss": 1.0}
                if epoch == 2 and one.recipe in PROBED:
                    value = PROBED[one.recipe] + (0.01 if run else -0.01)
                    row |= {"probe": value, "probe_err": 0.02, "probe_n": 500}
                folder.mkdir(parents=True, exist_ok=True)
                ModelFolder(folder).note_epoch(row)
    return made


def test_each_adversary_is_held_against_its_own_control(plan: list[Experiment]) -> None:
    table = probes(plan).set_index("recipe")
    assert list(table.index) == list(PROBED)
    assert table.loc["v2", "probe"] == pytest.approx(0.92)
    assert table.loc["v2", "probe_err"] == pytest.approx(0.02 / 2**0.5)
    assert table.loc["v2", "probe_n"] == 1000
    # What the adversary is like makes no difference to a control; what it reads does.
    assert table["against"].to_dict() == {
        "v2": "control",
        "single": "control",
        **dict.fromkeys(["control", "mixed", "early", "degraded"], ""),
    }
    assert table["watched"].tolist() == [True, True, False, True, True, False]


def test_an_adversary_without_effect_is_called_inactive(plan: list[Experiment]) -> None:
    lines = {line.partition(":")[0]: line for line in format_probes(probes(plan)).splitlines()}
    assert lines["DEEP2, v2"].endswith("control 0.950 +- 0.014: the adversary is inactive")
    assert lines["DEEP2, single"].endswith("control 0.950 +- 0.014: the adversary acts")
    assert "without a control" in lines["DEEP2, early"]
    assert lines["DEEP2, degraded"].endswith("0.900 +- 0.014 (N 1000, seeds 1)")
