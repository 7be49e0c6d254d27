"""The files of a model by their names."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from hscz.errors import InputError, StoreError
from hscz.files.fresh import Key, mark_made
from hscz.learn.folder import ModelFolder


def test_a_model_is_whole_with_its_weights_and_fresh_with_its_note(tmp_path: Path) -> None:
    folder, key = ModelFolder(tmp_path / "run0"), Key({"train.epochs": 3})
    assert (folder.exists, folder.whole, folder.written_ns) == (False, False, 0)
    folder.path.mkdir()
    mark_made(folder.provenance, key, seed=5)
    folder.config.write_text("bands = ['g']")
    assert (folder.exists, folder.whole) == (True, False)
    assert folder.why_stale(key, there=folder.whole) == "no longer there"
    folder.weights.touch()
    assert folder.whole
    assert folder.written_ns == folder.weights.stat().st_mtime_ns
    assert folder.why_stale(key, there=folder.whole) == ""
    assert folder.why_stale(Key({"train.epochs": 4})) == "train.epochs was 3"
    assert folder.note()["seed"] == 5
    assert folder.settings() == {"bands": ["g"]}


def test_a_run_that_diverged_is_known_by_its_key(tmp_path: Path) -> None:
    folder, key = ModelFolder(tmp_path / "run0"), Key({"train.epochs": 3})
    assert folder.diverged(key) == {}
    mark_made(folder.divergence, key, error="NaN")
    assert folder.diverged(key)["error"] == "NaN"
    assert folder.diverged(Key({"train.epochs": 4})) == {}


def test_an_epoch_noted_again_takes_the_place_of_what_followed(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path)
    assert folder.epochs() == []
    for epoch, loss in ((1, 3.0), (2, 2.0), (3, 1.5), (2, 1.0)):
        folder.note_epoch({"epoch": epoch, "loss": loss})
    assert folder.epochs() == [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 1.0}]
    assert [json.loads(line)["epoch"] for line in folder.history.read_text().splitlines()] == [1, 2]


def test_a_model_of_an_earlier_version_does_not_know_its_draws(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path)
    split = pd.DataFrame({"z_label": [0.5], "mag_i": [22.0], "ra": [30.0], "dec": [-4.0]})
    split.assign(used=True, part="training").to_parquet(folder.split)
    with pytest.raises(StoreError, match=r"does not say how often .* run 'hscz train' again"):
        folder.training_sample()
    folder.split.write_bytes(b"PAR1")
    with pytest.raises(InputError):
        folder.training_sample()
