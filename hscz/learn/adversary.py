"""The adversary: it reads maps of a middle layer and says which galaxies share a field.

Section 5.1 of the paper: a cross-entropy moves the adversary alone, and the layers below get the
same loss with inverted labels. Both moves are made from the same forward pass. What is judged,
and by which network, is in `hscz.learn.verdicts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from hscz.config.learn import AdaptConfig, TrainConfig
from hscz.errors import ConfigError
from hscz.learn.adapt import Adaptation, Draw, IntArray
from hscz.learn.network import Network, on_device
from hscz.learn.normalise import running_statistics_kept
from hscz.learn.pairs import draw_pairs, draw_singles, source_only
from hscz.learn.steps import Batch, Descent, Losses, autocast
from hscz.learn.verdicts import VERDICTS, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from hscz.learn.data import Unlabelled

Judgement = Callable[[Tensor, Tensor], Tensor]

CONFUSION: dict[str, Judgement] = {
    "inverted": lambda logits, truth: cross_entropy(logits, 1 - truth, reduction="none"),
    "uniform": lambda logits, truth: -log_softmax(logits, 1).mean(1),
    "reversal": lambda logits, truth: -cross_entropy(logits, truth, reduction="none"),
}
"""Loss of each verdict for the layers below the adversary. ``inverted`` is the paper's, the
non-saturating loss of Tzeng et al. (2017); ``uniform`` the domain confusion of Tzeng et al.
(2015), which is bounded; ``reversal`` the reversed gradient of Ganin et al. (2016)."""

RAMPS: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: progress,
    "dann": lambda progress: 2 / (1 + math.exp(-10 * progress)) - 1,
}
"""Share of the weight in force, by progress from 0 to 1; ``dann`` is that of Ganin et al."""


def weight_at(adapt: AdaptConfig, progress: float) -> float:
    """Return the weight of the confusion loss in force, by progress from 0 to 1.

    Examples
    --------
    >>> adapt = AdaptConfig(weight=2.0, ramp="linear")
    >>> [weight_at(adapt, progress) for progress in (0.25, 0.75, 1)]
    [0.5, 1.5, 2.0]
    """
    return adapt.weight * RAMPS[adapt.ramp](progress)


def watched_layer(network: Network, adapt: AdaptConfig) -> str:
    """Return the layer that an adversary or a probe reads.

    Raises
    ------
    ConfigError
        If ``adapt.layer`` is no layer of the network.
    """
    layer = adapt.layer or default_layer(network.layer_names)
    if layer not in network.layer_names:
        raise ConfigError(f"adapt.layer is {layer!r}; there are {', '.join(network.layer_names)}")
    return layer


def default_layer(names: Sequence[str]) -> str:
    """Return the fifth layer with kernels, the paper's choice, or the last inception before it.

    Examples
    --------
    >>> default_layer(["conv1", "conv2", "pool1", "inc1", "inc2", "inc3", "pool2", "inc4"])
    'inc3'
    >>> default_layer(["conv1", "conv2", "pool1", "inc1", "inc2", "pool2", "valid1"])
    'inc2'
    """
    kernels = [name for name in names if name.startswith(("conv", "inc"))]
    return (kernels or list(names))[:5][-1]


class Adversarial:
    """The step of a network and its adversary.

    One forward pass of the layers up to the one watched serves both. The adversary descends on
    the cross-entropy of its verdicts on detached maps; the layers below get the gradient of
    the confusion loss with respect to those maps, besides that of the redshifts.

    Parameters
    ----------
    network : Network
    settings : TrainConfig
    adapt : AdaptConfig
    total_steps : int
    device : torch.device
    """

    def __init__(
        self,
        network: Network,
        settings: TrainConfig,
        adapt: AdaptConfig,
        total_steps: int,
        device: torch.device,
    ) -> None:
        self.network, self.settings, self.adapt, self.device = network, settings, adapt, device
        self.layer = watched_layer(network, adapt)
        self.adversary = _new_adversary(network, self.layer, adapt, settings)
        on_device(self.adversary, device)
        faster = replace(settings, learning_rate=adapt.rate * settings.learning_rate)
        self.descents = {
            "network": Descent(network.parameters(), settings, total_steps),
            "adversary": Descent(self.adversary.parameters(), faster, total_steps),
        }

    def __call__(self, batch: Batch, progress: float) -> Losses:
        """Descend on a batch; its first source stamps, and the target's, are judged."""
        assert batch.target_stamps is not None
        assert batch.valid is not None
        n, weight = len(batch.target_stamps), weight_at(self.adapt, progress)
        with autocast(self.settings.precision, self.device):
            source, target = self._maps(batch.stamps, batch.target_stamps, pushed=weight > 0)
            loss = cross_entropy(self.network.logits(source, self.layer), batch.masses)
            judged = source[:n]
            watched = (judged.detach().requires_grad_(), target.detach().requires_grad_())
            verdict = self.adversary(*watched, batch.valid, batch.swap)
        own_loss = verdict.mean(cross_entropy(verdict.logits, verdict.truth, reduction="none"))
        own = list(self.adversary.parameters())
        gradients = torch.autograd.grad(own_loss, own, retain_graph=weight > 0)
        for descent in self.descents.values():
            descent.zero_grad()
        for parameter, gradient in zip(own, gradients, strict=True):
            parameter.grad = gradient
        if weight > 0:
            push = CONFUSION[self.adapt.adversary](verdict.logits, verdict.truth)
            pushes = torch.autograd.grad(weight * verdict.mean(push), watched)
            torch.autograd.backward([loss, judged, target], [None, *pushes])
        else:
            loss.backward()
        for descent in self.descents.values():
            descent.step()
        return {
            "loss": loss.detach(),
            "adversary_loss": own_loss.detach(),
            "adversary_accuracy": verdict.accuracy,
        }

    def _maps(self, images: Tensor, others: Tensor, pushed: bool) -> tuple[Tensor, Tensor]:
        """Return the maps of source and target stamps, each stamp passed once.

        Those of the target remember how they came about only where they are to be `pushed`.
        """
        if not self.adapt.separate_statistics:
            both = self.network.activations(torch.cat([images, others]), self.layer)
            return both[: len(images)], both[len(images) :]
        maps = self.network.activations(images, self.layer)
        with running_statistics_kept(self.network), torch.set_grad_enabled(pushed):
            return maps, self.network.activations(others, self.layer)

    def state_dict(self) -> dict[str, Any]:
        """Return the adversary's weights and the state of both descents."""
        descents = {name: descent.state_dict() for name, descent in self.descents.items()}
        return {"weights": self.adversary.state_dict(), **descents}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.adversary.load_state_dict(state["weights"])
        for name, descent in self.descents.items():
            descent.load_state_dict(state[name])


def _new_adversary(
    network: Network, layer: str, adapt: AdaptConfig, settings: TrainConfig
) -> Verdict:
    """Make an adversary that fits a layer, its weights drawn from the run's seed."""
    with torch.no_grad():
        maps = network.eval().activations(network.scaling.blank(), layer)
    network.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return VERDICTS[adapt.verdict](maps.shape[1], maps.shape[2], adapt, network.norm)


class WithAdversary(Adaptation):
    """An adversary watches a layer; what it judges is matched in magnitude."""

    shows_target = True

    @property
    def separate_statistics(self) -> bool:
        """Whether each field is normalised by its own statistics."""
        return self.config.adapt.separate_statistics

    def draws(
        self, order: IntArray, learnt: pd.DataFrame, target: Unlabelled, rng: np.random.Generator
    ) -> Iterator[Draw]:
        """Yield an epoch with its targets; labelled galaxies of a target are not judged."""
        train, adapt = self.config.train, self.config.adapt
        mags = learnt["mag_i"].to_numpy(np.float64), target.mag_i
        ours = learnt["field"].isin(train.fields).to_numpy()
        if VERDICTS[adapt.verdict].in_pairs:
            pairs = draw_pairs(order, *mags, train.batch_size, rng, adapt, target.field)
            judged = pairs.source[:, : pairs.target.shape[1]]
            valid = pairs.valid & source_only(ours[judged])
            rows = zip(pairs.source, pairs.target, pairs.swap, valid, strict=True)
            yield from (Draw(*row) for row in rows)
            return
        source, partner, near = draw_singles(order, *mags, train.batch_size, rng, adapt)
        near &= ours[source[:, : partner.shape[1]]]
        for first, second, valid in zip(source, partner, near, strict=True):
            yield Draw(first, second, valid=valid)

    def step(self, network: Network, total_steps: int, device: torch.device) -> Adversarial:
        """Return the step of the network and its adversary."""
        return Adversarial(network, self.config.train, self.config.adapt, total_steps, device)
