"""One step of training: a batch in, weights moved, named losses out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hscz.config.learn import TrainConfig

Losses = Mapping[str, Tensor]


@dataclass(frozen=True)
class Batch:
    """What one step learns from.

    Attributes
    ----------
    stamps : Tensor, shape (n, band, y, x), float32
        Of labelled galaxies, counts; NaN in the bands that one lacks.
    masses : Tensor, shape (n, bins), float32
        Probability of their labels in each redshift bin.
    mag_i : Tensor, shape (n,), float32, optional
    target_stamps : Tensor, shape (m, band, y, x), float32, optional
        Of unlabelled galaxies of the target fields, where a way to adapt shows them.
    target_mag_i : Tensor, shape (m,), float32, optional
    swap, valid : Tensor of bool, shape (n,), optional
        How `hscz.learn.pairs` pairs the two.
    """

    stamps: Tensor
    masses: Tensor
    mag_i: Tensor | None = None
    target_stamps: Tensor | None = None
    target_mag_i: Tensor | None = None
    swap: Tensor | None = None
    valid: Tensor | None = None


class Step(Protocol):
    """What the trainer asks of a step: it keeps all state but the network's own."""

    def __call__(self, batch: Batch, progress: float) -> Losses:
        """Move the weights by one batch; `progress` goes from 0 to 1 over the training.

        Returns
        -------
        mapping of str to Tensor
            Scalars for the history; ``loss`` must be among them.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""


class Supervised:
    """Cross-entropy of a network's logits with the masses of the labels.

    Another loss is a subclass with its own `losses`.

    Parameters
    ----------
    network : torch.nn.Module
    settings : TrainConfig
    total_steps : int
    device : torch.device
    """

    def __init__(
        self, network: nn.Module, settings: TrainConfig, total_steps: int, device: torch.device
    ) -> None:
        self.network, self.settings, self.device = network, settings, device
        self.descent = Descent(network.parameters(), settings, total_steps)

    def __call__(self, batch: Batch, progress: float) -> Losses:
        """Descend on one batch."""
        with autocast(self.settings.precision, self.device):
            losses = self.losses(batch, progress)
        self.descent.zero_grad()
        losses["loss"].backward()
        self.descent.step()
        return {name: value.detach() for name, value in losses.items()}

    def losses(self, batch: Batch, progress: float) -> Losses:
        """Return the scalars for the history; the network descends on ``loss``."""
        return {"loss": nn.functional.cross_entropy(self.network(batch.stamps), batch.masses)}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of optimiser and schedule."""
        return self.descent.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.descent.load_state_dict(state)


class Descent:
    """An optimiser and its learning-rate schedule, as the settings say."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], settings: TrainConfig, total_steps: int
    ) -> None:
        self.optimiser = _optimiser(parameters, settings)
        self.schedule = _schedule(self.optimiser, settings, total_steps)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.optimiser.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Move along the gradients, and the learning rate along its schedule."""
        self.optimiser.step()
        self.schedule.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both."""
        return {
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context in which the network runs at ``float32``, ``bfloat16`` or ``auto``."""
    low = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16) if low else nullcontext()


def _optimiser(parameters: Iterable[nn.Parameter], settings: TrainConfig) -> torch.optim.Optimizer:
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    optimiser: torch.optim.Optimizer = kinds[settings.optimiser](
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    return optimiser


def _schedule(
    optimiser: torch.optim.Optimizer, settings: TrainConfig, total_steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Make the learning-rate schedule; ``step`` divides by 5 half-way, as P19's group does."""
    lr_scheduler = torch.optim.lr_scheduler
    if settings.schedule == "onecycle":
        return lr_scheduler.OneCycleLR(
            optimiser, settings.learning_rate, total_steps=total_steps + 1
        )
    level: torch.optim.lr_scheduler.LRScheduler
    if settings.schedule == "step":
        level = lr_scheduler.StepLR(optimiser, max(1, total_steps // 2), gamma=0.2)
    else:
        level = lr_scheduler.ConstantLR(optimiser, factor=1.0)
    if not settings.warmup:
        return level
    rising = max(1, round(settings.warmup * total_steps))
    rise = lr_scheduler.LinearLR(optimiser, start_factor=1 / (rising + 1), total_iters=rising)
    return lr_scheduler.ChainedScheduler([level, rise], optimiser)
