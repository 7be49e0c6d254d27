"""What a way to adapt is; `hscz.seams.ADAPTATIONS` has them by name.

A way to adapt may alter source stamps before the network sees them, show it stamps of the target
fields, and train it in a step of its own, with a loss and a network of its own. What happens in
prediction alone, such as AdaBN (``predict.renormalise``), needs none of this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hscz.config import RunConfig
from hscz.errors import ConfigError
from hscz.learn.data import Labelled, Unlabelled, Wanted
from hscz.learn.network import Network
from hscz.learn.steps import Step, Supervised
from hscz.seams import ADAPTATIONS

if TYPE_CHECKING:
    import pandas as pd

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Draw:
    """Which galaxies make a batch.

    Attributes
    ----------
    source : ndarray of int, shape (n,)
        Places in the training sample.
    target : ndarray of int, shape (m,), optional
        Places among the stamps of the target fields.
    swap, valid : ndarray of bool, shape (n,), optional
        As in `hscz.learn.pairs.Pairs`.
    """

    source: IntArray
    target: IntArray | None = None
    swap: NDArray[np.bool_] | None = None
    valid: NDArray[np.bool_] | None = None


class Adaptation:
    """A way to adapt that does nothing yet; subclasses do one thing or several.

    Settings are those of ``[adapt]``; those of other packages stand in ``adapt.options``.

    Attributes
    ----------
    margin_px : int
        Pixels that it needs on each side beyond those that the network sees.
    needs_conditions : bool
        Whether it needs noise, seeing and dust of the stamps.
    shows_target : bool
        Whether batches hold stamps of the target fields.

    Parameters
    ----------
    config : RunConfig
        With the seed of the network to be trained.
    """

    margin_px: int = 0
    needs_conditions: bool = False
    shows_target: bool = False

    def __init__(self, config: RunConfig) -> None:
        self.config = config

    @property
    def separate_statistics(self) -> bool:
        """Whether layers normalise each field by its own statistics, in prediction too."""
        return False

    def draws(
        self, order: IntArray, learnt: pd.DataFrame, target: Unlabelled, rng: np.random.Generator
    ) -> Iterator[Draw]:
        """Yield the batches of an epoch where the target is shown: here with random galaxies of it.

        Parameters
        ----------
        order : ndarray of int
            The epoch's sequence of places in `learnt`.
        learnt : pandas.DataFrame
            The training sample, with ``field``, ``mag_i`` and ``z_label``.
        target : Unlabelled
        rng : numpy.random.Generator
        """
        for source in in_batches(order, self.config.train.batch_size):
            yield Draw(source, rng.integers(len(target.mag_i), size=len(source)))

    def altered(
        self,
        stamps: Tensor,
        rows: Tensor,
        source: Labelled,
        target: Unlabelled,
        generator: torch.Generator,
    ) -> Tensor:
        """Return source stamps (n, band, y, x), those at `rows` of `source`, as they are shown."""
        return stamps

    def step(self, network: Network, total_steps: int, device: torch.device) -> Step | None:
        """Return what moves the network; None leaves it to the cross-entropy of the redshifts."""
        return None


def adaptations(config: RunConfig) -> tuple[Adaptation, ...]:
    """Return the ways to adapt that a configuration names; none where it has no target.

    Raises
    ------
    ConfigError
        If one is unknown or cannot be loaded.
    """
    names = config.adapt.in_force if config.adapt.targets else ()
    return tuple(ADAPTATIONS.load(name)(config) for name in names)


def step_of(
    config: RunConfig,
    methods: Sequence[Adaptation],
    network: Network,
    total_steps: int,
    device: torch.device,
) -> Step:
    """Return the step by which a network is trained.

    Raises
    ------
    ConfigError
        If several ways to adapt have a step of their own.
    """
    steps = [step for one in methods if (step := one.step(network, total_steps, device))]
    if len(steps) > 1:
        raise ConfigError(
            f"{len(steps)} of {', '.join(config.adapt.in_force)} under [adapt] train the network "
            "in a step of their own; keep one of these"
        )
    return steps[0] if steps else Supervised(network, config.train, total_steps, device)


def wanted(config: RunConfig) -> Wanted:
    """Return what the ways to adapt want of the stamps."""
    methods = adaptations(config)
    return Wanted(
        max((one.margin_px for one in methods), default=0),
        any(one.needs_conditions for one in methods),
    )


def in_batches(order: IntArray, size: int) -> Iterator[IntArray]:
    """Yield an epoch's sequence in batches of one size; what is left over makes none."""
    for start in range(0, len(order) - size + 1, size):
        yield order[start : start + size]
