"""How the learning rate goes over a training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hscz.config.learn import TrainConfig
from hscz.learn.steps import Descent


def rates(descent: Descent, steps: int) -> list[float]:
    taken = []
    for _ in range(steps):
        taken.append(descent.optimiser.param_groups[0]["lr"])
        descent.optimiser.step()
        descent.schedule.step()
    return taken


def new(**settings: object) -> Descent:
    train = TrainConfig(learning_rate=1.0, **settings)  # type: ignore[arg-type]
    return Descent([nn.Parameter(torch.zeros(1))], train, total_steps=20)


def test_the_rate_rises_to_its_level() -> None:
    assert rates(new(schedule="constant", warmup=0.2), 6) == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 1]
    )
    assert rates(new(schedule="step", warmup=0.2), 20)[3:12] == pytest.approx(
        [0.8, 1, 1, 1, 1, 1, 1, 0.2, 0.2]
    )


def test_a_rise_that_was_stopped_goes_on() -> None:
    whole, first, second = (new(schedule="step", warmup=0.6) for _ in range(3))
    begun = rates(first, 7)
    second.load_state_dict(first.state_dict())
    assert begun + rates(second, 13) == pytest.approx(rates(whole, 20))
