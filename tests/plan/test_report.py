from dataclasses import replace

from hscz.config.learn import NETWORK_PRESETS
from hscz.plan import costs
from hscz.plan.costs import Cost
from hscz.plan.report import problems, text
from hscz.plan.sizes import field_size
from hscz.plan.survey import Machine, Plan
from tests.helpers.planned import train_cost

MACHINE = Machine(2, 16_000.0, 0.0, 1_000_000.0)


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


def test_what_the_same_setting_remedies_is_said_once(config):
    names = [f"v2-{letter}" for letter in "ABCDEFGH"]
    found = [Cost("train", n, memory_mb=20_000.0 + k, remedy="m = 1") for k, n in enumerate(names)]
    found.append(Cost("predict", "v0 A", memory_mb=30_000.0, remedy="p = 1"))
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
    assert "evaluate, nz and label are not estimated" in said
