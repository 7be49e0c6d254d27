"""The batches of an epoch: a fresh draw of the source, and partners from the targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hscz.config import RunConfig
from hscz.learn.adapt import Adaptation, Draw, adaptations, in_batches
from hscz.learn.data import Labelled, Unlabelled
from hscz.learn.loader import turned
from hscz.learn.steps import Batch
from hscz.learn.training_sample import TrainingSample


@dataclass(frozen=True)
class Epochs:
    """A source of batches: call it with an epoch's generator.

    Attributes
    ----------
    config : RunConfig
    source : Labelled
    target : Unlabelled or None
    sample : TrainingSample
        The training galaxies of a fold.
    methods : sequence of Adaptation
        Ways to adapt, which need a target.
    device : torch.device
    """

    config: RunConfig
    source: Labelled
    target: Unlabelled | None
    sample: TrainingSample
    methods: Sequence[Adaptation]
    device: torch.device

    @classmethod
    def of(
        cls,
        config: RunConfig,
        source: Labelled,
        target: Unlabelled | None,
        fold: int,
        device: torch.device,
    ) -> Epochs:
        """Return those of a fold, drawn from the seed of the training."""
        train = config.train
        sample = TrainingSample.of(source.folds[fold], train.fields, config.flatten, train.seed)
        return cls(config, source, target, sample, adaptations(config), device)

    @property
    def steps(self) -> int:
        """Batches of one epoch."""
        return len(self.sample) // self.config.train.batch_size

    def __call__(self, generator: torch.Generator) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        rng = np.random.default_rng(generator.initial_seed())
        rows = self.source.places(self.sample.objects.index)
        for draw in self._draws(rng):
            yield self._batch(draw, rows[draw.source], generator)

    def _draws(self, rng: np.random.Generator) -> Iterator[Draw]:
        order = self.sample.draw(rng)
        for method in self.methods:
            if method.shows_target and self.target is not None:
                return method.draws(order, self.sample.objects, self.target, rng)
        return map(Draw, in_batches(order, self.config.train.batch_size))

    def _batch(self, draw: Draw, rows: NDArray[np.int64], generator: torch.Generator) -> Batch:
        return Batch(
            stamps=self._labelled(torch.from_numpy(rows), generator),
            masses=self.source.masses[torch.from_numpy(rows).to(self.source.masses.device)],
            mag_i=self._there(self.sample.objects["mag_i"].to_numpy(np.float32)[draw.source]),
            **self._shown(draw, generator),
        )

    def _shown(self, draw: Draw, generator: torch.Generator) -> dict[str, Any]:
        """Return what a batch holds of the target fields."""
        if draw.target is None or self.target is None:
            return {}
        places = torch.from_numpy(draw.target)
        marks = {"swap": draw.swap, "valid": draw.valid}
        return {
            "target_stamps": self.target.stamps.turned(places, generator, self.device),
            "target_mag_i": self._there(self.target.mag_i.astype(np.float32)[draw.target]),
            **{key: self._there(value) for key, value in marks.items() if value is not None},
        }

    def _labelled(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return source stamps, altered by the ways to adapt, turned and with bands hidden."""
        stamps = self.source.stamps.take(rows, self.device)
        # As they were observed: what alters them may know how the PSF lay on the sky.
        for method in self.methods:
            assert self.target is not None
            stamps = method.altered(stamps, rows, self.source, self.target, generator)
        return self._hidden(turned(stamps, generator), generator)

    def _hidden(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Put NaN in the place of the bands that each stamp is to lack this time."""
        bands, hidden = self.config.train.bands, self.config.train.hidden
        if not hidden:
            return images
        sets = torch.tensor([[band in some for band in bands] for some in hidden])
        lacking = sets[torch.randint(len(sets), (len(images),), generator=generator)]
        return images.masked_fill(lacking.to(images.device)[:, :, None, None], torch.nan)

    def _there(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self.device)
