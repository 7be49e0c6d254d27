"""What a run will take."""

from dataclasses import replace

import pytest

from hscz.cli import main
from hscz.config import PlanConfig, PredictConfig
from hscz.config.learn import NETWORK_PRESETS
from hscz.plan import costs, files, timings, trial
from hscz.plan.costs import Cost
from hscz.plan.files import Mocking
from hscz.plan.report import problems, text
from hscz.plan.sizes import FieldSize, field_size
from hscz.plan.survey import Machine, Plan, plan
from hscz.plan.trial import Prediction, Rung, Training

SIZE = FieldSize("COSMOS_UDF", 200_000, 160_000, 6_000, 40, 4200, 7, 5000.0, "area")
TARGET = FieldSize("DEEP2", 500_000, 0, 15_000, 160, 4200, 6, 20_000.0, "stated")
SIZES = {"COSMOS_UDF": SIZE, "DEEP2": TARGET}
TRAINING = Training(0.1, 1000.0, 0.0, 30.0)
PREDICTION = Prediction(1e-3, 2.0, 1200.0, 0.0)
MACHINE = Machine(2, 16_000.0, 0.0, 1_000_000.0)


def train_cost(config, training=TRAINING):
    return costs.train_cost(config, SIZES, training, PREDICTION)


def test_ingest_has_a_task_a_patch_however_many_objects(config):
    few = costs.ingest_cost(config, SIZE, 0.1, workers=2)
    many = costs.ingest_cost(config, replace(SIZE, objects=20 * SIZE.objects), 0.1, workers=2)
    assert few.tasks == many.tasks == 40
    assert few.memory_mb == many.memory_mb
    assert many.disk_mb == 20 * few.disk_mb


def test_training_counts_stamps_of_source_and_target(config):
    alone = replace(config, adapt=replace(config.adapt, targets=()))
    cost, without = (train_cost(c) for c in (config, alone))
    assert cost.objects - without.objects == config.adapt.n_targets
    stamp_mb = 6 * 32 * 32 * 2 / 1e6
    assert cost.memory_mb - without.memory_mb == pytest.approx(1e5 * stamp_mb)
    # 160,000 labels, a fifth held out, 14 % of the others thinned out, batches of 64.
    steps = 160_000 * 0.8 * 0.86 / 64
    reading = 160_000 * 6 * 64 * 64 * 2 / 1e6 / costs.READ_MB_PER_S
    assert without.seconds == pytest.approx(reading + 3 * (steps * 0.1 + 32_000 * 1e-3))


def test_training_counts_the_spectra_of_fields_that_add_them(config):
    with_spectra = replace(config, train=replace(config.train, spec_fields=("DEEP2",)))
    without, cost = (train_cost(c) for c in (config, with_spectra))
    assert cost.objects - without.objects == TARGET.spectra


def test_gpu_holds_the_stamps_where_there_is_one(config):
    on_cpu = train_cost(config)
    on_gpu = train_cost(config, replace(TRAINING, gpu_mb=500.0))
    assert on_gpu.gpu_mb == pytest.approx(500.0 + on_cpu.memory_mb - TRAINING.memory_mb)
    assert on_gpu.memory_mb == TRAINING.memory_mb


def test_more_networks_take_more_time_and_disk(config):
    ten = replace(config, train=replace(config.train, runs=10))
    one, many = (train_cost(c) for c in (config, ten))
    assert many.disk_mb == 10 * one.disk_mb
    assert many.memory_mb == one.memory_mb
    one, many = (costs.predict_cost(c, TARGET, PREDICTION, 2) for c in (config, ten))
    assert many.seconds - 2.0 == pytest.approx(10 * (one.seconds - 2.0))
    assert many.tasks == -(-500_000 // PredictConfig().block)


def test_statistics_of_a_field_are_measured_on_stamps_that_are_then_predicted(config):
    renormalised = replace(config, predict=replace(config.predict, renormalise=True))
    adversarial = replace(config, adapt=replace(config.adapt, adversary="inverted"))
    plain, *others = (
        costs.predict_cost(c, TARGET, PREDICTION, 2).seconds
        for c in (config, renormalised, adversarial)
    )
    # One core measures while the other waits.
    assert others == pytest.approx([plain + 2 * 4.096, plain + 2 * 4.096])


def test_a_field_of_one_block_keeps_one_core_busy(config):
    one = replace(TARGET, objects=4000)
    cost = costs.predict_cost(config, one, PREDICTION, 2)
    assert cost.seconds == pytest.approx(2.0 + 2 * 4.0)
    on_gpu = costs.predict_cost(config, one, replace(PREDICTION, gpu_mb=1.0), 2)
    assert on_gpu.seconds == pytest.approx(2.0 + 4.0)
    many = costs.predict_cost(config, replace(TARGET, objects=5 * 4096), PREDICTION, 2)
    assert many.seconds == pytest.approx(2.0 + 2 * 3 * 4.096)


def test_training_is_as_sure_as_the_least_sure_of_its_fields(config):
    assert train_cost(config).source == "area"
    with_spectra = replace(config, train=replace(config.train, spec_fields=("DEEP2",)))
    counted = SIZES | {"COSMOS_UDF": replace(SIZE, source="store", at_most=True)}
    cost = costs.train_cost(with_spectra, counted, TRAINING, PREDICTION)
    assert (cost.source, cost.at_most) == ("stated", True)


def test_a_fetch_is_as_slow_as_the_line_or_the_rate_of_requests(real):
    size = field_size(real, "A")
    slow = replace(real, plan=PlanConfig(mbit_per_s=8.0))
    megabytes = 2 * 81 * 4200**2 * 12 / 1e6
    assert costs.fetch_cost(slow, size).seconds == pytest.approx(megabytes)
    quick = replace(real, plan=PlanConfig(mbit_per_s=1e9))
    assert costs.fetch_cost(quick, size).seconds == (2 * 81 + 2) / real.fetch.requests_per_second


def test_images_are_read_no_quicker_than_a_disk_gives_them(config):
    seconds = costs.ingest_cost(config, SIZE, 1e-6, workers=2).seconds
    assert seconds == pytest.approx(40 * 7 * 4200**2 * 12 / 1e6 / costs.READ_MB_PER_S)
    assert costs.ingest_cost(config, SIZE, 10.0, workers=2).seconds > 100 * seconds


def test_a_mock_shares_its_patches_among_the_cores(config):
    one = replace(SIZE, tiles=1, area_arcmin2=100.0)
    cost = costs.mock_cost(config, one, Mocking(8.0, 0.1), workers=4)
    # Two fields share the start.
    assert cost.seconds == pytest.approx(4.0 + 10.0)
    many = costs.mock_cost(config, replace(one, tiles=8), Mocking(8.0, 0.1), workers=4)
    assert many.seconds == pytest.approx(4.0 + 2.5)


def test_labels_take_time_once_their_tables_are_there(real):
    size = field_size(real, "A")
    assert costs.label_cost(real, size).seconds == 0
    file = real.fields["A"].spec[0].file
    with open(file, "wb") as handle:
        handle.truncate(100_000_000)
    assert costs.label_cost(real, size).seconds == pytest.approx(100 / costs.TABLE_MB_PER_S)


def test_what_does_not_fit_is_named_with_its_mend(config):
    cost = train_cost(config)
    small = Plan(config, (cost,), Machine(2, 2000.0, 0.0, 10.0))
    memory, disk = problems(small)
    assert "train v0 needs" in memory
    assert "adapt.n_targets = 25000" in memory
    assert "needs 0.0 GB of disk" in disk
    assert not problems(Plan(config, (cost,), MACHINE))
    assert "does not all fit" in text(small)
    on_gpu = Plan(config, (replace(cost, memory_mb=1.0, gpu_mb=9e4),), replace(MACHINE, gpu_mb=8e4))
    assert "train v0 needs 90.0 GB on a GPU of 80.0 GB; set train.batch_size" in problems(on_gpu)[0]


def test_what_the_same_setting_mends_is_said_once(config):
    names = [f"v2-{letter}" for letter in "ABCDEFGH"]
    found = [Cost("train", n, memory_mb=20_000.0 + k, mend="m = 1") for k, n in enumerate(names)]
    found.append(Cost("predict", "v0 A", memory_mb=30_000.0, mend="p = 1"))
    train, predict = problems(Plan(config, tuple(found), MACHINE))
    assert train.startswith("train v2-A, v2-B, v2-C, v2-D, v2-E and 3 more need 20.0 GB of memory")
    assert train.endswith("set m = 1")
    assert predict.startswith("predict v0 A needs 30.0 GB")
    found[0] = replace(found[0], memory_mb=25_000.0)
    assert "need up to 25.0 GB" in problems(Plan(config, tuple(found[:3]), MACHINE))[0]


def test_networks_that_take_long_want_a_gpu(config):
    paper = replace(config, network=NETWORK_PRESETS["paper"])
    shown = 10 * 50 * 155_000
    cost = Cost("train", "v2", seconds=40 * 86_400.0, shown=shown)
    said = text(Plan(paper, (cost,), MACHINE))
    # The paper: ten runs of 50 epochs, each 7.5 hours.
    assert "training and prediction take 40.0 days here and want a GPU; an A100 would train" in said
    assert "for 3.1 days at the paper's 287 source galaxies/s" in said
    assert "A100" not in text(Plan(config, (cost,), MACHINE))
    for quick in (replace(cost, seconds=3600.0), cost):
        machine = replace(MACHINE, gpu_mb=80_000.0 * (quick is cost))
        assert "want a GPU" not in text(Plan(paper, (quick,), machine))


def test_the_table_says_where_numbers_come_from(real):
    size = field_size(real, "A")
    found = costs.label_cost(real, size), costs.fetch_cost(real, size)
    said = text(Plan(real, (costs.ingest_cost(real, size, 0.1, 2), *found), MACHINE))
    row = next(line for line in said.splitlines() if line.startswith("label"))
    assert row.split()[:5] == ["label", "A", "<=", f"{size.objects:,}", "area"]
    assert '"<=" counts a label for every object' in said
    assert '"area" is the sky of the images times a density' in said
    assert "fetch is at plan.mbit_per_s = 100 and fetch.requests_per_second = 4;" in said
    assert "evaluate and label are not estimated" in said


@pytest.mark.parametrize(
    ("limit", "tried"), [(0.01, [4, 64]), (0.2, [4, 20, 40]), (0.3, [4, 12, 24]), (5.0, [4, 8])]
)
def test_batches_grow_until_they_are_full_or_long(limit, tried):
    batches = []

    def measure(batch):
        batches.append(batch)
        return Rung(batch, limit * batch / 4, 100.0 + 2.0 * batch, 10.0 * batch)

    found = trial.climb(measure, 64)
    assert batches == tried
    assert found.seconds == pytest.approx(limit * 16)
    assert (found.batch, found.memory_mb, found.gpu_mb) == (64, 228.0, 640.0)


def test_a_full_batch_may_be_small():
    assert trial.climb(lambda batch: Rung(batch, 9.0, 1.0, 0.0), 2) == Rung(2, 9.0, 1.0, 0.0)


def test_a_plan_of_a_small_survey(config, tmp_path, monkeypatch):
    monkeypatch.setattr(timings, "try_mock", lambda settings: Mocking(1.0, 0.1))
    monkeypatch.setattr(files, "EXPORT_ROWS", 300)
    # Too few objects are timed to learn a calibration from; the estimates of a mixture are absent.
    settings = replace(config.train, batch_size=8, targets="mixture")
    config = replace(config, predict=PredictConfig(calibrate="pit", batch_size=8, block=16))
    found = plan(replace(config, train=settings), progress=False)
    stages = [(cost.stage, cost.what) for cost in found.costs]
    assert stages[:2] == [("mock", "COSMOS_UDF"), ("mock", "DEEP2")]
    assert ("train", "v0") in stages
    assert all(cost.seconds > 0 for cost in found.costs if cost.stage != "label")
    assert {cost.source for cost in found.costs} == {"area"}
    # Nothing is written: the timings use a folder of their own.
    assert not (tmp_path / "stores").exists()


def test_progress_says_what_is_timed_and_each_kind_is_timed_once(config, monkeypatch, capsys):
    asked = []

    def of(name, answer):
        monkeypatch.setattr(timings, name, lambda *given: asked.append(name) or answer)

    of("try_ingest", 0.1)
    of("try_mock", Mocking(1.0, 0.1))
    of("try_export", 1e-5)
    of("try_training", TRAINING)
    of("try_prediction", PREDICTION)
    fields = {"COSMOS_UDF": (1, 1), "DEEP2": (1, 1), "XMM_DEEP": (1, 1), "ELAIS": (1, 1)}
    recipes = replace(
        config.experiments, targets=("DEEP2", "XMM_DEEP", "ELAIS"), recipes=("v0", "v2", "adabn")
    )
    mock = replace(config.mock, fields=fields)
    run = load_again(config, mock, replace(config.adapt, targets=()), recipes)
    found = plan(run)
    assert asked.count("try_training") == 2
    assert asked.count("try_prediction") == 1
    trained = [cost.what for cost in found.costs if cost.stage == "train"]
    assert trained == ["v0-u", "v2-DEEP2", "v0-us", "v2-XMM_DEEP", "v2-ELAIS"]
    said = capsys.readouterr().err
    for label in ("cutting stamps", "training v0-u", "training v2-DEEP2", "predicting with v0-u"):
        assert f"timing: {label}" in said


def load_again(config, mock, adapt, recipes):
    from hscz.config import mock_field

    fields = {name: mock_field(config.root, name) for name in mock.fields}
    return replace(config, mock=mock, fields=fields, adapt=adapt, experiments=recipes)


def test_two_areas_tell_the_time_of_a_mock(config, monkeypatch):
    monkeypatch.setattr(files, "MOCK_PX", (160, 320))
    found = files.try_mock(config.mock)
    assert found.start_seconds >= 0
    assert found.seconds_per_arcmin2 > 0


def test_the_verb_wants_a_file(capsys):
    assert main(["plan"]) == 2
    assert "give the run's TOML file" in capsys.readouterr().err
