from dataclasses import replace

import pytest

from hscz.config import PlanConfig, PredictConfig
from hscz.plan import costs
from hscz.plan.files import Mocking
from hscz.plan.sizes import field_size
from tests.helpers.planned import PREDICTION, SIZE, SIZES, TARGET, TRAINING, train_cost


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
