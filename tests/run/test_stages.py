"""The whole chain on a mock field of a few dozen galaxies, through the command line."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
import zarr
from astropy.table import Table

from hscz.cli import VERBS, main
from hscz.config import RunConfig
from hscz.config.read import load
from hscz.errors import StoreError
from hscz.info import describe_artefact
from hscz.learn import train as train_stage
from hscz.learn.folder import ModelFolder
from hscz.learn.model import Model
from hscz.learn.trainer import Trainer
from hscz.pdf.flags import RULES
from hscz.predict.stage import predict, predict_field
from hscz.schema import FIELD_STORE, PDF_CUBE, is_usable, validate
from hscz.stores import open_cube, open_field, part


def test_artefacts_keep_their_contracts(config: RunConfig) -> None:
    for name in ("COSMOS_UDF", "DEEP2"):
        store, cube = open_field(config.field_store(name)), open_cube(config.cube(name))
        validate(store, FIELD_STORE, name)
        validate(cube, PDF_CUBE, name)
        assert store.sizes["object"] == cube.sizes["object"] > 50
        np.testing.assert_array_equal(store["object_id"], cube["object_id"])
    assert [str(b) for b in store["band"].values] == ["u", "g", "r", "i", "z", "y"]


def test_densities_integrate_to_one_over_their_edges(config: RunConfig) -> None:
    cube = open_cube(config.cube("DEEP2"), lazy=False)
    mass = (cube["pdf"].values * np.diff(cube["z_edges"])).sum(1)
    usable = is_usable(cube["flags"].values)
    np.testing.assert_allclose(mass[usable], 1, atol=1e-5)
    assert np.isnan(cube["pdf"].values[~usable]).all()
    assert np.isnan(cube["z_median"].values[~usable]).all()


def test_a_second_run_has_nothing_to_do(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(config_file), "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    stages = [line for line in lines if line.split()[0] in VERBS]
    assert len(stages) > 9
    assert all("up to date" in line for line in stages)


@pytest.mark.parametrize(
    ("change", "redone"),
    [
        ("export.include_pdf=true", {"export"}),
        ("evaluate.bootstraps=50", {"evaluate"}),
        ('predict.precision="bfloat16"', {"predict", "evaluate", "nz", "export"}),
        ('predict.calibrate="pit"', {"predict", "evaluate", "nz", "export"}),
        ("train.epochs=3", {"train", "predict", "evaluate", "nz", "export"}),
        ("label.sigma_max=0.2", {"label", "train", "predict", "evaluate", "nz", "export"}),
        ("ingest.stamp_px=48", {"ingest", "label", "train", "predict", "evaluate", "nz", "export"}),
        ("predict.batch_size=8", set()),
        ("train.runs=1", set()),
    ],
)
def test_a_changed_setting_remakes_what_depends_on_it(
    config_file: Path, capsys: pytest.CaptureFixture[str], change: str, redone: set[str]
) -> None:
    assert main(["run", str(config_file), "--dry-run", "--set", change]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines if "would write" in line} == redone


def test_cubes_of_other_flags_are_made_again(
    config_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hscz.predict.stage.RULES", (0.3, *RULES[1:]))
    assert main(["run", str(config_file), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    redone = {line.split()[0] for line in lines if "would write" in line}
    assert redone == {"predict", "evaluate", "nz", "export"}


def test_labels_come_from_c2020_and_spectra_alone(config: RunConfig) -> None:
    store = open_field(config.field_store("COSMOS_UDF"), lazy=False)
    source = store["label_source"].values
    labelled = np.isfinite(store["z_label"].values)
    assert set(source) <= {"spec", "c2020", ""}
    np.testing.assert_array_equal(labelled, source != "")
    assert labelled.mean() > 0.5
    assert (store["z_label"].values != store["z_true"].values)[labelled].mean() > 0.5
    target = open_field(config.field_store("DEEP2"), lazy=False)
    assert (target["label_source"].values != "c2020").all()


def test_training_used_only_the_source(config: RunConfig) -> None:
    part = ModelFolder(config.models[0]).training_part()
    assert set(part["field"]) == {"COSMOS_UDF"}
    store = open_field(config.field_store("COSMOS_UDF"), lazy=False)
    labelled = store["object_id"].values[store["label_source"].values != ""]
    assert part.loc[part["used"], "object_id"].isin(labelled).all()
    cube = open_cube(config.cube("COSMOS_UDF"), lazy=False)
    inside = np.isin(cube["object_id"], part["object_id"])
    np.testing.assert_array_equal(cube["in_training"], inside)
    assert 0.6 < inside.mean() < 0.95
    assert not open_cube(config.cube("DEEP2"), lazy=False)["in_training"].values.any()


def test_the_catalogue_holds_the_cube(config: RunConfig) -> None:
    cube = open_cube(config.cube("DEEP2"), lazy=False)
    fits = Table.read(config.results("DEEP2").with_suffix(".fits"))
    parquet = pd.read_parquet(config.results("DEEP2").with_suffix(".parquet"))
    for table in (fits, parquet):
        np.testing.assert_array_equal(np.asarray(table["cnn_z_median"]), cube["z_median"])
        np.testing.assert_array_equal(np.asarray(table["object_id"]), cube["object_id"])
    assert list(fits.colnames) == list(parquet.columns)


def test_metrics_leave_out_what_was_trained_on(config: RunConfig) -> None:
    table = pd.read_parquet(config.results("COSMOS_UDF").with_name("COSMOS_UDF_metrics.parquet"))
    cube = open_cube(config.cube("COSMOS_UDF"), lazy=False)
    unseen = ~cube["in_training"].values & (cube["z_true"].values > 0)
    whole = table[(table["by"] == "all") & (table["reference"] == "z_true")]
    assert int(whole["n"].iloc[0] + whole["n_missing"].iloc[0]) == int(unseen.sum())
    assert config.results("DEEP2").with_name("DEEP2_redshifts.png").stat().st_size > 10_000


def test_lazy_prediction_equals_the_cube(config: RunConfig) -> None:
    store = open_field(config.field_store("DEEP2"))
    lazy = predict(store, [Model.load(config.models[0])], config.predict)
    assert lazy["pdf"].chunks is not None
    whole = open_cube(config.cube("DEEP2"), lazy=False)
    computed = lazy[["pdf", "z_median", "n_peaks", "flags"]].compute()
    same = (computed["flags"].values == whole["flags"].values).mean()
    assert same > 0.98  # the networks' rounding may move a PDF across a limit
    np.testing.assert_allclose(computed["pdf"], whole["pdf"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(computed["z_median"], whole["z_median"], atol=1e-4)
    validate(lazy, PDF_CUBE, "lazy cube")


def test_an_ensemble_averages_densities(config: RunConfig) -> None:
    first = Model.load(config.models[0])
    second = Model.new(first.network_config, first.bands, first.grid, first.noise, seed=99)
    second.network.eval()
    store = open_field(config.field_store("DEEP2")).isel(object=slice(0, 20))
    alone = [predict(store, [m], config.predict)["pdf"].values for m in (first, second)]
    both = predict(store, [first, second], config.predict)["pdf"].values
    np.testing.assert_allclose(both, 0.5 * (alone[0] + alone[1]), rtol=1e-5)


def test_a_model_of_other_bands_is_refused(config: RunConfig) -> None:
    store = open_field(config.field_store("DEEP2"))
    model = Model.load(config.models[0])
    model.bands = ("us", *model.bands[1:])
    with pytest.raises(StoreError, match="needs band 'us', the store has u, g, r, i, z, y"):
        predict(store, [model])
    other = dataclasses.replace(Model.load(config.models[0]), bands=("g",))
    with pytest.raises(StoreError, match="must share bands and redshift bins"):
        predict(store, [model, other])


def test_a_band_can_stand_in_for_another(config: RunConfig) -> None:
    store = open_field(config.field_store("DEEP2")).isel(object=slice(0, 20))
    model = Model.load(config.models[0])
    own = predict(store, [model], config.predict)["pdf"].values
    model.bands = ("us", *model.bands[1:])
    for band, same in (("u", True), ("g", False)):
        settings = dataclasses.replace(config.predict, stand_in={"us": band})
        lent = predict(store, [model], settings)["pdf"].values
        assert np.array_equal(own, lent, equal_nan=True) == same


def test_an_interrupted_prediction_goes_on(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(copy)
    path = config.cube("DEEP2")
    whole = open_cube(path, lazy=False).load()
    shutil.rmtree(path)
    import hscz.predict.stage as module

    real, calls = module.mean_pdf, []

    def fails_at_the_second(*args: object) -> np.ndarray:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "mean_pdf", fails_at_the_second)
    import dask

    with dask.config.set(scheduler="synchronous"), pytest.raises(KeyboardInterrupt):
        predict_field(config, "DEEP2", progress=False)
    assert not path.exists()
    assert len(list((part(path) / "done").iterdir())) == 1
    monkeypatch.setattr(module, "mean_pdf", real)
    predict_field(config, "DEEP2", progress=False)
    xr.testing.assert_identical(open_cube(path, lazy=False).load()["pdf"], whole["pdf"])


def test_a_killed_training_resumes_to_the_same_weights(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(copy)
    whole = Model.load(config.models[0]).network.state_dict()
    save = Trainer.save

    def killed(self: Trainer) -> None:
        save(self)
        if self.epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "save", killed)
    shutil.rmtree(config.models[0])
    assert main(["train", str(copy), "--quiet"]) == 1
    with pytest.raises(StoreError, match="training has not finished"):
        Model.load(config.models[0])
    monkeypatch.setattr(Trainer, "save", save)
    assert main(["train", str(copy), "--quiet", "--resume"]) == 0
    resumed = Model.load(config.models[0]).network.state_dict()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_a_field_without_labels_is_refused(config: RunConfig, tmp_path: Path) -> None:
    path = tmp_path / "out" / "fields" / "COSMOS_UDF.zarr"
    shutil.copytree(config.field_store("COSMOS_UDF"), path)
    zarr.open_group(path, mode="r+").attrs.pop("labels")
    bare = dataclasses.replace(config, stores=str(tmp_path / "out"))
    with pytest.raises(StoreError, match="has no labels; run 'hscz label' first"):
        train_stage.train(bare, progress=False)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run"], 2, "give the run's TOML file"),
        (["train", "none.toml"], 2, "no such configuration file"),
        (["train", "{config}", "--set", "train.epoch=1"], 2, "did you mean 'epochs'"),
        (["ingest", "{config}", "--field", "ELAIS"], 2, "nothing to ingest"),
        (["info", "nowhere.zarr"], 1, "no field store, model or PDF cube"),
        (["predict", "{config}", "--set", 'train.name="v9"'], 1, "run 'hscz train"),
    ],
)
def test_bad_use_says_what_to_do(
    config_file: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    filled = [argument.format(config=config_file) for argument in arguments]
    assert main(filled) == code
    assert message in capsys.readouterr().err


def test_info_tells_what_each_artefact_is(config: RunConfig) -> None:
    assert "u, g, r, i, z, y" in describe_artefact(config.models[0])
    assert "labels" in describe_artefact(config.field_store("COSMOS_UDF"))
    assert "360 over 0 < z < 6" in describe_artefact(config.cube("DEEP2"))
