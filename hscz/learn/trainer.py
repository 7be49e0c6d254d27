"""The training loop. It knows nothing of astronomy: batches in, a trained module out.

Every epoch draws from a generator seeded by (seed, epoch), and a checkpoint holds the module,
the optimiser and the epoch; a run that was killed therefore goes on exactly as it would have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from hscz.config.learn import TrainConfig
from hscz.errors import ConfigError, DivergedError, StoreError
from hscz.files.atomic import write_atomic
from hscz.learn.folder import ModelFolder
from hscz.learn.steps import Batch, Losses, Step
from hscz.learn.training_sample import epoch_seed

Metrics = Mapping[str, float]

CHECK_EVERY = 50
"""Steps between looks for a NaN loss; each look makes a GPU wait."""


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
    """A module, the step that moves it, and the folder of their checkpoints.

    Parameters
    ----------
    network : torch.nn.Module
    step : Step
    settings : TrainConfig
    steps_per_epoch : int
    folder : ModelFolder
        Where checkpoint and history go.
    device : torch.device
    """

    network: nn.Module
    step: Step
    settings: TrainConfig
    steps_per_epoch: int
    folder: ModelFolder
    device: torch.device
    epoch: int = 0

    def __post_init__(self) -> None:
        if self.steps_per_epoch < 1:
            raise ConfigError(
                f"an epoch has no batch of {self.settings.batch_size}; give more training "
                "galaxies or a smaller train.batch_size"
            )

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
            generator = torch.Generator().manual_seed(epoch_seed(self.settings.seed, self.epoch))
            started, cpu_started = time.perf_counter(), time.process_time()
            row = self._train_epoch(batches(generator), progress)
            row["seconds"] = time.perf_counter() - started
            self.network.eval()
            row |= validate(self.network)
            row["cpu_seconds"] = time.process_time() - cpu_started
            self.epoch += 1
            rounded = {key: float(f"{value:.6g}") for key, value in row.items()}
            self.folder.note_epoch({"epoch": self.epoch} | rounded)
            self.save()
        return self.network.eval()

    def _train_epoch(self, batches: Iterable[Batch], progress: bool) -> dict[str, float]:
        self.network.train()
        notes: list[Losses] = []
        bar = tqdm(
            batches,
            total=self.steps_per_epoch,
            desc=f"epoch {self.epoch + 1}/{self.settings.epochs}",
            disable=not progress,
            leave=False,
        )
        for number, batch in enumerate(bar, start=1):
            done = self.epoch + number / self.steps_per_epoch
            notes.append(self.step(batch, done / self.settings.epochs))
            if number % CHECK_EVERY == 0 or number == self.steps_per_epoch:
                self._check(notes[-CHECK_EVERY:], number)
        means = {key: float(torch.stack([n[key] for n in notes]).mean()) for key in notes[0]}
        return {"steps": len(notes)} | means

    def _check(self, notes: list[Losses], number: int) -> None:
        """Stop at the first loss that is not finite; the last checkpoint stays."""
        losses = torch.stack([note["loss"] for note in notes])
        bad = torch.nonzero(~torch.isfinite(losses))
        if len(bad):
            step = number - len(notes) + int(bad[0]) + 1
            kept = f"the checkpoint of epoch {self.epoch} is kept" if self.epoch else "none is kept"
            raise DivergedError(
                f"{self.folder}: the loss is NaN at step {step} of epoch {self.epoch + 1}, {kept}; "
                "lower train.learning_rate or adapt.weight, or set train.precision to float32"
            )

    def save(self) -> None:
        """Write the checkpoint atomically."""
        state = {
            "network": self.network.state_dict(),
            "step": self.step.state_dict(),
            "epoch": self.epoch,
        }
        write_atomic(self.folder.checkpoint, lambda path: torch.save(state, path))

    def resume(self) -> bool:
        """Go on from the last checkpoint, if there is one."""
        if not self.folder.checkpoint.exists():
            return False
        state = load_tensors(self.folder.checkpoint, self.device)
        self.network.load_state_dict(state["network"])
        self.step.load_state_dict(state["step"])
        self.epoch = state["epoch"]
        return True
