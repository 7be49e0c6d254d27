import pytest

from hscz.plan import trial
from hscz.plan.trial import Rung


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
