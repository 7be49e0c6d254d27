"""What a run will take."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from hscz.cli import main
from hscz.config import PredictConfig
from hscz.configfile import load
from hscz.plan import costs, synthetic, trial
from hscz.plan.sizes import FieldSize, field_size
from hscz.plan.survey import Machine, Plan, _problems, plan, text
from hscz.plan.trial import Trial
from hscz.stores import replace_columns

SIZE = FieldSize("COSMOS_UDF", 200_000, 160_000, 6_000, 40, 4200, 7, False)
TARGET = FieldSize("DEEP2", 500_000, 0, 15_000, 160, 4200, 6, False)
TRIAL = Trial(0.1, 1000.0, 0.0, 1e-3, 1200.0, 30.0)


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(
        'stores = "stores"\n[mock.fields]\nCOSMOS_UDF = [1, 1]\nDEEP2 = [2, 1]\n'
        '[network]\nsize = "compact"\n[train]\nepochs = 3\n[adapt]\ntargets = ["DEEP2"]\n'
    )
    return load(file)


def test_ingest_has_a_task_a_patch_however_many_objects(config):
    few = costs.ingest_cost(config, SIZE, 0.1, workers=2)
    many = costs.ingest_cost(config, replace(SIZE, objects=20 * SIZE.objects), 0.1, workers=2)
    assert few.tasks == many.tasks == 40
    assert few.memory_mb == many.memory_mb
    assert many.disk_mb == 20 * few.disk_mb


def test_training_counts_stamps_of_source_and_target(config):
    sizes = {"COSMOS_UDF": SIZE, "DEEP2": TARGET}
    alone = replace(config, adapt=replace(config.adapt, targets=()))
    cost, without = (costs.train_cost(c, sizes, TRIAL) for c in (config, alone))
    assert cost.objects - without.objects == config.adapt.n_targets
    stamp_mb = 6 * 32 * 32 * 2 / 1e6
    assert cost.memory_mb - without.memory_mb == pytest.approx(1e5 * stamp_mb)
    # 160,000 labels, a fifth held out, 14 % of the others thinned out, batches of 64.
    steps = 160_000 * 0.8 * 0.86 / 64
    reading = 160_000 * 6 * 64 * 64 * 2 / 1e6 / costs.READ_MB_PER_S
    assert without.seconds == pytest.approx(reading + 3 * (steps * 0.1 + 32_000 * 1e-3))


def test_training_counts_the_spectra_of_fields_that_add_them(config):
    sizes = {"COSMOS_UDF": SIZE, "DEEP2": TARGET}
    with_spectra = replace(config, train=replace(config.train, spec_fields=("DEEP2",)))
    without, cost = (costs.train_cost(c, sizes, TRIAL) for c in (config, with_spectra))
    assert cost.objects - without.objects == TARGET.spectra


def test_a_field_with_a_store_is_counted(config):
    path = config.field_store("COSMOS_UDF")
    path.parent.mkdir(parents=True)
    synthetic.field_store(path, 80, side_px=8)
    spectra = np.where(np.arange(80) < 7, 0.5, np.nan)
    replace_columns(path, {"z_spec": xr.Variable("object", spectra)}, {"labels": "random"})
    size = field_size(config, "COSMOS_UDF")
    assert (size.objects, size.labelled, size.spectra, size.counted) == (80, 80, 7, True)


def test_gpu_holds_the_stamps_where_there_is_one(config):
    sizes = {"COSMOS_UDF": SIZE, "DEEP2": TARGET}
    on_cpu = costs.train_cost(config, sizes, TRIAL)
    on_gpu = costs.train_cost(config, sizes, replace(TRIAL, gpu_mb=500.0))
    assert on_gpu.gpu_mb == pytest.approx(500.0 + on_cpu.memory_mb - TRIAL.train_mb)
    assert on_gpu.memory_mb == TRIAL.train_mb


def test_more_networks_take_more_time_and_disk(config):
    sizes = {"COSMOS_UDF": SIZE, "DEEP2": TARGET}
    ten = replace(config, train=replace(config.train, runs=10))
    one, many = (costs.train_cost(c, sizes, TRIAL) for c in (config, ten))
    assert many.disk_mb == 10 * one.disk_mb
    assert many.memory_mb == one.memory_mb
    one, many = (costs.predict_cost(c, TARGET, TRIAL, 2) for c in (config, ten))
    assert many.seconds == pytest.approx(10 * one.seconds)
    assert many.tasks == -(-500_000 // PredictConfig().block)


def test_what_does_not_fit_is_named_with_its_mend(config):
    cost = costs.train_cost(config, {"COSMOS_UDF": SIZE, "DEEP2": TARGET}, TRIAL)
    small = Machine(2, 2000.0, 0.0, 10.0)
    memory, disk = _problems([cost], small)
    assert "train v0 needs" in memory
    assert "adapt.n_targets = 25000" in memory
    assert "needs 0.0 GB of disk" in disk
    assert not list(_problems([cost], Machine(2, 16_000.0, 0.0, 1000.0)))
    shown = text(Plan((cost,), small, (memory, disk)), "run")
    assert "does not all fit" in shown


def test_a_field_is_estimated_from_its_area(config):
    one, two = field_size(config, "COSMOS_UDF"), field_size(config, "DEEP2")
    assert (one.tiles, two.tiles) == (1, 2)
    assert one.labelled == pytest.approx(0.8 * one.objects, abs=1)
    assert not two.counted


def test_plan_of_a_small_survey(config, tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "LEAST_SECONDS", 0.0)
    # Too few objects are timed to learn a calibration from.
    config = replace(config, predict=replace(config.predict, calibrate="pit"))
    found = plan(config, progress=False)
    stages = [(cost.stage, cost.what) for cost in found.costs]
    assert stages[:2] == [("mock", "COSMOS_UDF"), ("mock", "DEEP2")]
    assert ("train", "v0") in stages
    assert all(cost.seconds > 0 for cost in found.costs if cost.stage in ("train", "predict"))
    # Nothing is written: the timings use a folder of their own.
    assert not (tmp_path / "stores").exists()


def test_the_verb_wants_a_file(capsys):
    assert main(["plan"]) == 2
    assert "give the run's TOML file" in capsys.readouterr().err
