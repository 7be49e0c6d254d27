"""Models, field stores and PDF cubes that are absent, damaged or do not fit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import torch

from hscz import stores
from hscz.learn.model import Model
from tests.helpers.tiny_survey import Fails, shorten, snapshot, succeeds


@pytest.mark.parametrize(
    ("setting", "code", "said"),
    [
        ("train.batch_size=5000", 2, "an epoch has no batch of 5000; give more training galaxies"),
        ("train.schedule=none", 2, "train.schedule is 'none'; use step, onecycle or constant"),
        (
            "train.learning_rate=1e30",
            1,
            "the loss is NaN at step 2 of epoch 1, none is kept; lower train.learning_rate",
        ),
        ('train.bands=["u", "g"]', 1, "the model needs band 'u', the store has g, r, i; choose"),
        ('train.fields=["B"]', 1, "B.zarr: has no labels; run 'hscz label' first"),
        (
            'train.fields=["C"]',
            2,
            "train.fields has 'C'; the fields are A, B; name those with redshifts, or ingest alone",
        ),
        ("train.z_max=0.1", 1, "A: no usable object has a label within 0 < z < 0.1"),
        ("network.input_px=128", 1, "its stamps are 64 px wide, the network sees 128; lower"),
        ('network.layers=["valid 4 99"]', 2, "network.input_px is 32, too few pixels for the lay"),
    ],
)
def test_a_training_that_fails_keeps_the_model_that_was(
    made: Path, fails: Fails, setting: str, code: int, said: str
) -> None:
    before = snapshot(made / "out/models/v0/run0")
    assert said in fails(made, "train", "--force", "--set", setting, code=code)
    assert snapshot(made / "out/models/v0/run0") == before
    Model.load(made / "out/models/v0/run0")


def rewrite_config(model: Path, **changes: object) -> None:
    content = {"bands": ["g", "r", "i"], "noise": [1.0] * 3, "z_edges": [0.0, 1.0, 2.0]}
    (model / "config.toml").write_text(tomli_w.dumps(content | changes))


def nan_weights(model: Path) -> None:
    state = torch.load(model / "weights.pt", weights_only=True)
    for value in state.values():
        if value.is_floating_point():
            value.fill_(np.nan)
    torch.save(state, model / "weights.pt")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "run0: no model here; run 'hscz train"),
        (lambda m: (m / "weights.pt").unlink(), "run0: no model here; run 'hscz train"),
        (lambda m: m.rename(m.with_name("run0.part")), "run0: training has not finished; run 'hsc"),
        (lambda m: shorten(m / "weights.pt", 0), "weights.pt: cannot be read (EOFError); train a"),
        (lambda m: shorten(m / "weights.pt", 2000), "weights.pt: cannot be read (PytorchStreamRe"),
        (lambda m: shorten(m / "weights.pt", -200), "weights.pt: cannot be read"),
        (lambda m: (m / "weights.pt").write_bytes(b"\x80\x02x" * 9), "weights.pt: cannot be read"),
        (lambda m: (m / "config.toml").unlink(), "config.toml does not fit the weights"),
        (lambda m: shorten(m / "config.toml", 30), "config.toml does not fit the weights"),
        (nan_weights, "A.zarr: a network gives a usable stamp no PDF; set predict.precision"),
        (rewrite_config, "config.toml does not fit the weights ('network'); train again"),
        (lambda m: rewrite_config(m, network={}), "config.toml does not fit the weights"),
        (lambda m: (m / "split.parquet").unlink(), "split.parquet: no such file"),
        (lambda m: shorten(m / "split.parquet", 60), "split.parquet: cannot be read as parquet"),
    ],
)
def test_models(made: Path, fails: Fails, damage: Callable[[Path], object], said: str) -> None:
    damage(made / "out/models/v0/run0")
    before = snapshot(made / "out/pdfs/v0/A.zarr")
    assert said in fails(made, "predict", "--force")
    assert snapshot(made / "out/pdfs/v0/A.zarr") == before


def test_a_damaged_checkpoint_is_named(
    made: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(made / "out/models")

    def killed(model: Model, folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "save_weights", killed)
    assert "stopped; run it again to go on" in fails(made, "train")
    assert "training has not finished" in fails(made, "predict")
    monkeypatch.undo()
    shorten(made / "out/models/v0/run0.part/last.ckpt", 500)
    assert "last.ckpt: cannot be read" in fails(made, "train", "--resume")
    succeeds(made, "train", "--force")


def test_a_model_of_other_bands_than_the_store(made: Path, fails: Fails) -> None:
    change = ("--set", 'fields.B.bands=["g", "r"]', "--field", "B")
    succeeds(made, "ingest", *change)
    said = fails(made, "predict", *change)
    assert "out/fields/B.zarr: the model needs band 'i', the store has g, r; choose other" in said


def chunk(array: Path) -> Path:
    return next(path for path in (array / "c").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "A.zarr: no field store here; run 'hscz ingest' to make it"),
        (lambda s: s.rename(stores.part(s)), "A.zarr.part is unfinished; run 'hscz ingest' to"),
        (lambda s: (shutil.rmtree(s), s.write_text("")), "A.zarr: not a field store"),
        (lambda s: (s / "zarr.json").unlink(), "A.zarr: not a field store"),
        (lambda s: shorten(s / "zarr.json", 50), "A.zarr: not a field store"),
        (lambda s: shutil.rmtree(s / "flags"), "A.zarr: variable 'flags' (defects of stamp"),
        (lambda s: chunk(s / "image").unlink(), "A.zarr: a stamp without a flag has pixels that"),
    ],
)
def test_field_stores(
    made: Path, fails: Fails, damage: Callable[[Path], object], said: str
) -> None:
    damage(made / "out/fields/A.zarr")
    before = snapshot(made / "out/pdfs/v0/A.zarr")
    assert said in fails(made, "predict", "--force", "--field", "A")
    assert snapshot(made / "out/pdfs/v0/A.zarr") == before


@pytest.mark.parametrize("verb", ["export", "evaluate"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "A.zarr: no PDF cube here; run 'hscz predict' to make it"),
        (lambda c: c.rename(stores.part(c)), "A.zarr.part is unfinished; run 'hscz predict'"),
        (lambda c: shutil.rmtree(c / "z_median"), "A.zarr: variable 'z_median' (median of the"),
    ],
)
def test_pdf_cubes(
    made: Path, fails: Fails, verb: str, damage: Callable[[Path], object], said: str
) -> None:
    damage(made / "out/pdfs/v0/A.zarr")
    before = snapshot(made / "out/catalogues")
    assert said in fails(made, verb, "--force", "--field", "A")
    assert snapshot(made / "out/catalogues") == before


def test_a_cube_of_an_older_model_is_not_up_to_date(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("ingest", "label", "train", "predict"):
        succeeds(made, verb)
    succeeds(made, "train", "--force", "--set", "train.seed=5")
    capsys.readouterr()
    succeeds(made, "predict", "--dry-run", "--set", "train.seed=5")
    assert "up to date" not in capsys.readouterr().out
