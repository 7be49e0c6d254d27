"""Calibration, flags and their judgement through the whole chain on the small survey."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import zarr

from hscz.config import RunConfig
from hscz.config.read import load
from hscz.errors import ConfigError, InputError, StoreError
from hscz.learn.model import Model
from hscz.pdf.flags import RUNS_SPREAD
from hscz.predict import calibration as calibrate
from hscz.predict import recalibrate
from hscz.predict.calibration import calibration_of
from hscz.predict.stage import predict, predict_field
from hscz.predict.standins import MOST_DRAWS, stand_ins
from hscz.schema import LABEL_COLUMNS, Flag
from hscz.stores import open_cube, open_field


@pytest.fixture
def calibrated(copy: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """A small survey whose few held-out galaxies make a calibration."""
    monkeypatch.setattr(recalibrate, "LEAST_OBJECTS", 1)
    return load(copy, ['predict.calibrate="pit"'])


def test_a_calibration_sees_held_out_source_labels_alone(calibrated: RunConfig) -> None:
    config = calibrated
    plain = open_cube(config.cube("DEEP2"), lazy=False)["pdf"].values
    predict_field(config, "DEEP2", progress=False)
    first, learnt = open_cube(config.cube("DEEP2"), lazy=False).load(), maps(config, "DEEP2")
    assert json.loads(first.attrs["calibration"])["n"] > 1
    assert not np.allclose(first["pdf"], plain, equal_nan=True)
    np.testing.assert_array_equal(np.isnan(first["pdf"]), np.isnan(plain))

    poison_labels(config.field_store("DEEP2"))
    forget(config, "DEEP2")
    predict_field(config, "DEEP2", progress=False)
    poisoned = open_cube(config.cube("DEEP2"), lazy=False)
    # The same network rounds its PDFs differently where its input lies elsewhere in memory.
    np.testing.assert_allclose(maps(config, "DEEP2"), learnt, rtol=1e-4)
    np.testing.assert_allclose(poisoned["pdf"], first["pdf"], rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(poisoned["flags"], first["flags"])
    assert (poisoned["z_true"] == 5.0).all()

    # The labels that it may see do change it.
    split = config.models[0] / "split.parquet"
    table = pd.read_parquet(split)
    table["z_label"] = np.where(table["part"] == "validation", 5.0, table["z_label"])
    table.to_parquet(split)
    forget(config, "DEEP2")
    predict_field(config, "DEEP2", progress=False)
    assert not np.allclose(maps(config, "DEEP2"), learnt, rtol=1e-2)


def forget(config: RunConfig, name: str) -> None:
    """Take away what has been learnt from a field's stand-ins, and these."""
    for path in (config.calibration(name), config.stand_ins(name)):
        path.unlink()


def maps(config: RunConfig, name: str) -> np.ndarray:
    """Return the maps that a calibration has learnt."""
    note = json.loads(config.calibration(name).read_text())
    return np.array(note["calibration"]["fractions"])


def poison_labels(path: Path) -> None:
    """Put a wrong redshift into every label column of a field store."""
    group = zarr.open_group(path, mode="r+")
    for name in set(group.array_keys()) & set(LABEL_COLUMNS):
        if group[name].dtype.kind == "f":
            group[name][:] = 5.0


def test_a_calibration_is_learnt_once(
    calibrated: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = calibration_of(calibrated, "DEEP2")
    monkeypatch.setattr(calibrate, "stand_ins", None)
    assert calibration_of(calibrated, "DEEP2") == found
    off = dataclasses.replace(calibrated.predict, calibrate="none")
    assert calibration_of(dataclasses.replace(calibrated, predict=off), "DEEP2") is None


def test_a_target_has_a_calibration_of_its_own_and_a_source_one_by_halves(
    calibrated: RunConfig,
) -> None:
    target, source = (calibration_of(calibrated, name) for name in ("DEEP2", "COSMOS_UDF"))
    assert target is not None
    assert source is not None
    assert [len(one.fractions) for one in (target, source)] == [1, 2]
    # As many galaxies, but those of the target come several times, each time otherwise.
    assert target.n == source.n
    shown = stand_ins(calibrated, "DEEP2")
    assert len(shown.objects) == MOST_DRAWS * target.n
    first, second = shown.pdf.reshape(MOST_DRAWS, target.n, -1)[:2]
    assert not np.allclose(first, second)


def test_without_held_out_labels_there_is_no_calibration(copy: Path) -> None:
    config = load(copy, ['predict.calibrate="pit"', "train.validation_fraction=0.1"])
    split = config.models[0] / "split.parquet"
    pd.read_parquet(split).assign(part="training").to_parquet(split)
    with pytest.raises(InputError, match=r"COSMOS_UDF: no galaxy with a label .*fraction \(0.1\)"):
        calibration_of(config, "DEEP2")


@pytest.mark.parametrize("column", ["object_id", "row"])
def test_a_source_that_is_another_one_is_named(copy: Path, column: str) -> None:
    config = load(copy, ['predict.calibrate="pit"'])
    split = config.models[0] / "split.parquet"
    table = pd.read_parquet(split)
    table[column] += 100_000
    table.to_parquet(split)
    with pytest.raises(StoreError, match=r"COSMOS_UDF.*has other objects than when the models"):
        calibration_of(config, "DEEP2")


def test_lazy_prediction_takes_a_calibration(config: RunConfig) -> None:
    store = open_field(config.field_store("DEEP2")).isel(object=slice(0, 20))
    models = [Model.load(config.models[0])]
    settings = dataclasses.replace(config.predict, calibrate="pit")
    with pytest.raises(ConfigError, match="no calibration is handed over"):
        predict(store, models, settings)
    bent = tuple(float(q**2) for q in recalibrate.KNOTS)
    later = recalibrate.Calibration(100, (22.0,), ((bent,),))
    found = predict(store, models, settings, later).compute()
    plain = predict(store, models, config.predict).compute()
    known = plain["mag_i"].values, plain["object_id"].values
    expected = later.apply(plain["pdf"].values, plain["z_edges"].values, *known)
    np.testing.assert_array_equal(found["pdf"], expected)
    assert (found["z_median"] <= plain["z_median"]).sum() == 0


def test_networks_that_disagree_are_flagged(config: RunConfig) -> None:
    first = Model.load(config.models[0])
    second = Model.new(first.network_config, first.bands, first.grid, first.noise, seed=99)
    second.network.eval()
    bias = [p for p in second.network.parameters() if p.shape == (len(first.grid),)][-1]
    bias.data = torch.linspace(-4, 4, len(first.grid))
    store = open_field(config.field_store("DEEP2")).isel(object=slice(0, 20))
    alone = [predict(store, [m], config.predict).compute() for m in (first, second)]
    both = predict(store, [first, second], config.predict).compute()
    z = np.stack([cube["z_median"].values for cube in alone])
    apart = np.ptp(z, axis=0) / (1 + z.mean(axis=0)) > RUNS_SPREAD
    np.testing.assert_array_equal((both["flags"].values & Flag.RUNS_DISAGREE) != 0, apart)
    assert apart.any()
    assert not (alone[0]["flags"].values & Flag.RUNS_DISAGREE).any()
