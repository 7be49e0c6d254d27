"""The training loop. It knows nothing of astronomy: batches in, a trained module out.

Every epoch draws from a generator seeded by (seed, epoch), and a checkpoint holds the module,
the optimiser and the epoch; a run that was killed therefore goes on exactly as it would have.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from hscz.atomic import write_atomic
from hscz.errors import ConfigError, StoreError
from hscz.learn.network import on_device
from hscz.learn.settings import TrainConfig

Batch = tuple[Tensor, ...]
Loss = Callable[[nn.Module, Batch], Tensor]
Metrics = Mapping[str, float]


def cross_entropy(network: nn.Module, batch: Batch) -> Tensor:
    """Return the mean cross-entropy of the network's logits with target masses."""
    images, targets = batch
    return nn.functional.cross_entropy(network(images), targets)


def choose_device(name: str) -> torch.device:
    """Return the device named ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    ConfigError
        If the device is not one of these, or is not there.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device is {name!r}; use auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device is 'cuda', but no GPU can be used; set it to auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context in which the network runs at ``float32``, ``bfloat16`` or ``auto``."""
    if precision not in ("auto", "float32", "bfloat16"):
        raise ConfigError(f"precision is {precision!r}; use auto, float32 or bfloat16")
    low = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16) if low else nullcontext()


def load_tensors(path: Path, device: torch.device) -> dict[str, Any]:
    """Load what `torch.save` wrote, tensors and plain numbers only.

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    """
    try:
        return dict(torch.load(path, map_location=device, weights_only=True))
    except Exception as error:  # a damaged stream of pickled tensors may raise anything
        why = str(error).partition("\n")[0][:80] or type(error).__name__
        raise StoreError(
            f"{path}: cannot be read ({why}); train again with 'hscz train --force'"
        ) from None


@dataclass
class Trainer:
    """A module, its optimiser and its learning-rate schedule.

    Parameters
    ----------
    network : torch.nn.Module
    settings : TrainConfig
    steps_per_epoch : int
    folder : Path
        Where ``last.ckpt`` and ``history.jsonl`` go.
    device : torch.device
    loss : callable
        ``loss(network, batch)`` gives the scalar to minimise.
    """

    network: nn.Module
    settings: TrainConfig
    steps_per_epoch: int
    folder: Path
    device: torch.device
    loss: Loss = cross_entropy

    def __post_init__(self) -> None:
        if self.steps_per_epoch < 1:
            raise ConfigError(
                f"an epoch has no batch of {self.settings.batch_size}; give more training "
                "galaxies or a smaller train.batch_size"
            )
        on_device(self.network, self.device)
        self.optimiser = _optimiser(self.network, self.settings)
        self.schedule = _schedule(self.optimiser, self.settings, self.steps_per_epoch)
        self.epoch = 0

    def fit(
        self,
        batches: Callable[[torch.Generator], Iterable[Batch]],
        validate: Callable[[nn.Module], Metrics],
        progress: bool = True,
    ) -> nn.Module:
        """Train from the current epoch to the last, with a checkpoint after each.

        Parameters
        ----------
        batches : callable
            Gives the batches of one epoch from a seeded generator.
        validate : callable
            Gives named numbers for the history, with the network in evaluation mode.
        progress : bool
            Whether to draw progress bars.
        """
        while self.epoch < self.settings.epochs:
            generator = torch.Generator().manual_seed(100_003 * self.settings.seed + self.epoch)
            started, cpu_started = time.perf_counter(), time.process_time()
            row = self._train_epoch(batches(generator), progress)
            row["seconds"] = time.perf_counter() - started
            self.network.eval()
            row |= validate(self.network)
            row["cpu_seconds"] = time.process_time() - cpu_started
            self.epoch += 1
            self._note(row)
            self.save()
        return self.network.eval()

    def _train_epoch(self, batches: Iterable[Batch], progress: bool) -> dict[str, float]:
        self.network.train()
        total = torch.zeros((), device=self.device)
        bar = tqdm(
            batches,
            total=self.steps_per_epoch,
            desc=f"epoch {self.epoch + 1}/{self.settings.epochs}",
            disable=not progress,
            leave=False,
        )
        for batch in bar:
            with autocast(self.settings.precision, self.device):
                loss = self.loss(self.network, batch)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            self.schedule.step()
            total += loss.detach()
        mean = float(total) / self.steps_per_epoch
        if mean != mean:
            raise StoreError(
                f"{self.folder}: the loss is NaN in epoch {self.epoch + 1}; lower "
                "train.learning_rate or set train.precision to float32"
            )
        return {"loss": mean}

    def save(self) -> None:
        """Write the checkpoint atomically."""
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epoch": self.epoch,
        }
        write_atomic(self.folder / "last.ckpt", lambda path: torch.save(state, path))

    def resume(self) -> bool:
        """Go on from the last checkpoint, if there is one."""
        path = self.folder / "last.ckpt"
        if not path.exists():
            return False
        state = load_tensors(path, self.device)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch = state["epoch"]
        return True

    def _note(self, row: Metrics) -> None:
        """Append to the history; what a killed run noted past its checkpoint is dropped."""
        path = self.folder / "history.jsonl"
        lines = path.read_text().splitlines()[: self.epoch - 1] if path.exists() else []
        rounded = {key: float(f"{value:.6g}") for key, value in row.items()}
        lines.append(json.dumps({"epoch": self.epoch} | rounded))
        write_atomic(path, lambda temporary: temporary.write_text("\n".join(lines) + "\n"))


def _optimiser(network: nn.Module, settings: TrainConfig) -> torch.optim.Optimizer:
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    if settings.optimiser not in kinds:
        raise ConfigError(f"train.optimiser is {settings.optimiser!r}; use {' or '.join(kinds)}")
    optimiser: torch.optim.Optimizer = kinds[settings.optimiser](
        network.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    return optimiser


def _schedule(
    optimiser: torch.optim.Optimizer, settings: TrainConfig, steps_per_epoch: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Make the learning-rate schedule; ``step`` divides by 5 half-way, as P19's group does."""
    steps = settings.epochs * steps_per_epoch
    lr_scheduler = torch.optim.lr_scheduler
    if settings.schedule == "onecycle":
        return lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps + 1)
    if settings.schedule == "step":
        return lr_scheduler.StepLR(optimiser, max(1, steps // 2), gamma=0.2)
    if settings.schedule == "constant":
        return lr_scheduler.ConstantLR(optimiser, factor=1.0)
    raise ConfigError(f"train.schedule is {settings.schedule!r}; use step, onecycle or constant")
