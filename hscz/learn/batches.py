"""The batches of an epoch: a fresh draw of the source, and partners from the targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hscz.config import RunConfig
from hscz.learn.data import Labelled, Unlabelled
from hscz.learn.degrade import degrade, draw
from hscz.learn.flatten import Flattened, flatten
from hscz.learn.pairs import draw_pairs
from hscz.learn.steps import Batch
from hscz.survey import BANDS


@dataclass(frozen=True)
class Epochs:
    """A source of batches: call it with an epoch's generator.

    Attributes
    ----------
    config : RunConfig
    source : Labelled
    target : Unlabelled or None
    rows : ndarray of int
        Where the training galaxies stand in the source's stamps.
    flattened : Flattened or None
        The draw of those from the fields to be flattened, which come first in `rows`.
    device : torch.device
    """

    config: RunConfig
    source: Labelled
    target: Unlabelled | None
    rows: NDArray[np.int64]
    flattened: Flattened | None
    device: torch.device

    @classmethod
    def of(
        cls,
        config: RunConfig,
        source: Labelled,
        target: Unlabelled | None,
        fold: int,
        seed: int,
        device: torch.device,
    ) -> Epochs:
        """Choose the training galaxies of a fold, thinned out where the settings say so."""
        rows = source.rows(fold, "training")
        if not config.flatten.enabled:
            return cls(config, source, target, rows, None, device)
        # Galaxies that join from a target field are too few to have an n(z) of their own.
        ours = source.objects["field"].iloc[rows].isin(config.train.fields).to_numpy()
        table = source.objects.iloc[rows[ours]]
        z, mag_i, ra, dec = (
            table[key].to_numpy(float) for key in ("z_label", "mag_i", "ra", "dec")
        )
        flattened = flatten(z, mag_i, ra, dec, config.flatten, np.random.default_rng([seed, 1]))
        return cls(config, source, target, np.r_[rows[ours], rows[~ours]], flattened, device)

    @property
    def steps(self) -> int:
        """Batches of one epoch."""
        n = len(self.rows)
        if self.flattened is not None:
            n -= int((~self.flattened.kept).sum())
        return n // self.config.train.batch_size

    def __call__(self, generator: torch.Generator) -> Iterator[Batch]:
        """Yield the batches of one epoch.

        Yields
        ------
        images : Tensor, shape (batch_size, band, y, x), float32
        targets : Tensor, shape (batch_size, bins)
        others, swap, valid : Tensor
            With an adversary only: stamps of the targets, and how `hscz.learn.pairs` pairs
            the two.
        """
        rng = np.random.default_rng(generator.initial_seed())
        order = self._order(rng)
        size = self.config.train.batch_size
        if self.target is None or self.config.adapt.adversary == "none":
            for start in range(0, len(order) - size + 1, size):
                yield self._labelled(order[start : start + size], generator)
            return
        yield from self._paired(order, rng, generator)

    def _order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the epoch's draw, as places in `rows`."""
        if self.flattened is None:
            return rng.permutation(len(self.rows))
        joined = np.arange(len(self.flattened.kept), len(self.rows))
        return rng.permutation(np.r_[self.flattened.draw(rng), joined])

    def _paired(
        self, order: NDArray[np.int64], rng: np.random.Generator, generator: torch.Generator
    ) -> Iterator[Batch]:
        assert self.target is not None
        mag_i = self.source.objects["mag_i"].to_numpy(np.float64)[self.rows]
        size, target = self.config.train.batch_size, self.target
        pairs = draw_pairs(order, mag_i, target.mag_i, size, rng, self.config.adapt, target.field)
        valid = pairs.valid & self._from_source(pairs.source)
        for labelled, unlabelled, swap, ok in zip(
            pairs.source, pairs.target, pairs.swap, valid, strict=True
        ):
            images, targets = self._labelled(labelled, generator)
            others = target.stamps.turned(torch.from_numpy(unlabelled), generator, self.device)
            flags = (torch.from_numpy(x).to(self.device) for x in (swap, ok))
            yield images, targets, others, *flags

    def _from_source(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which pairs hold no labelled galaxy of a target field, shape as `valid`."""
        fields = self.source.objects["field"].to_numpy()[self.rows]
        ours = np.isin(fields, self.config.train.fields)[places]
        half, quarter = ours.shape[1] // 2, ours.shape[1] // 4
        within = ours[:, half : half + quarter] & ours[:, half + quarter :]
        return np.concatenate([ours[:, :half], within, np.ones_like(within)], axis=1)

    def _labelled(
        self, places: NDArray[np.int64], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(self.rows[places])
        images = self.source.stamps.turned(rows, generator, self.device)
        targets = self.source.targets[rows.to(self.source.targets.device)]
        return self._hidden(self._degraded(images, rows, generator), generator), targets

    def _hidden(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Put NaN in the place of the bands that each stamp is to lack this time."""
        bands, hidden = self.config.train.bands, self.config.train.hidden
        if not hidden:
            return images
        sets = torch.tensor([[band in some for band in bands] for some in hidden])
        lacking = sets[torch.randint(len(sets), (len(images),), generator=generator)]
        return images.masked_fill(lacking.to(images.device)[:, :, None, None], torch.nan)

    def _degraded(self, images: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        adapt = self.config.adapt
        if self.source.conditions is None or self.target is None or self.target.conditions is None:
            return images
        # Whole batches, so that each is normalised by the statistics of one kind of stamps.
        if adapt.degrade_share < 1 and torch.rand((), generator=generator) >= adapt.degrade_share:
            return images
        wanted = draw(self.target.conditions, len(rows), adapt.degrade_scatter, generator)
        extinction = [BANDS[name].extinction_per_ebv for name in self.config.train.bands]
        return degrade(
            images,
            self.source.conditions.take(rows),
            wanted,
            torch.tensor(extinction),
            generator,
            adapt.zero_point_scatter_mag,
        )
