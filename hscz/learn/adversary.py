"""The adversary: it reads maps of a middle layer and says whether two galaxies share a field.

Section 5.1 of the paper: maps of two galaxies side by side, four 3 x 3 convolutions, fully
connected layers, a cross-entropy that moves the adversary alone, and for the layers below the
same loss with inverted labels. Both moves are made from the same forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from hscz.config.learn import AdaptConfig, TrainConfig
from hscz.errors import ConfigError
from hscz.learn.adapt import Adaptation, Draw, IntArray
from hscz.learn.network import Network, on_device
from hscz.learn.normalise import normalisation, running_statistics_kept
from hscz.learn.pairs import draw_pairs, source_only
from hscz.learn.steps import Batch, Descent, Losses, autocast

if TYPE_CHECKING:
    import pandas as pd

    from hscz.learn.data import Unlabelled

Judgement = Callable[[Tensor, Tensor], Tensor]

CONFUSION: dict[str, Judgement] = {
    "inverted": lambda logits, same: cross_entropy(logits, 1 - same, reduction="none"),
    "uniform": lambda logits, same: -log_softmax(logits, 1).mean(1),
    "reversal": lambda logits, same: -cross_entropy(logits, same, reduction="none"),
}
"""Loss of each pair for the layers below the adversary. ``inverted`` is the paper's, the
non-saturating loss of Tzeng et al. (2017); ``uniform`` the domain confusion of Tzeng et al.
(2015), which is bounded; ``reversal`` the reversed gradient of Ganin et al. (2016)."""

RAMPS: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: progress,
    "dann": lambda progress: 2 / (1 + math.exp(-10 * progress)) - 1,
}
"""Share of the weight in force, by progress from 0 to 1; ``dann`` is that of Ganin et al."""


class Adversary(nn.Module):
    """Four convolutions and fully connected layers on the maps of a pair.

    Parameters
    ----------
    channels : int
        Maps of one galaxy.
    size_px : int
        Side of the maps.
    kernels : (int, int)
        Kernels of the first two and of the last two convolutions; the paper has 156 and 128.
    dense : sequence of int
        Widths of the fully connected layers.
    norm : str
        Normalisation after each convolution, as in the network watched.

    Raises
    ------
    ConfigError
        If the maps are too small for the two poolings.

    Examples
    --------
    >>> Adversary(106, 8, (24, 20), (64,), "batch")(torch.zeros(5, 106, 8, 16)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        channels: int,
        size_px: int,
        kernels: tuple[int, int],
        dense: Sequence[int],
        norm: str,
    ) -> None:
        super().__init__()
        if size_px < 4:
            raise ConfigError(
                f"adapt.layer has maps of {size_px} px, too small for the adversary's two "
                "poolings; name an earlier layer"
            )

        def convolution(inputs: int, outputs: int) -> list[nn.Module]:
            norms = normalisation(norm, outputs)
            return [nn.Conv2d(inputs, outputs, 3, padding=1), *norms, nn.LeakyReLU(0.2)]

        first, last = kernels
        layers = [*convolution(channels, first), *convolution(first, first), nn.AvgPool2d(2)]
        layers += [*convolution(first, last), *convolution(last, last), nn.AvgPool2d(2)]
        layers.append(nn.Flatten())
        widths = [last * (size_px // 4) * (size_px // 2), *dense]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 2))

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits (n, 2), different and same field, of paired maps (n, c, y, 2 x)."""
        logits: Tensor = self.layers(maps)
        return logits


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
    if not kernels:
        raise ConfigError(f"no layer among {', '.join(names)} can be adapted; set adapt.layer")
    return kernels[:5][-1]


def pair_maps(source: Tensor, target: Tensor, swap: Tensor) -> Tensor:
    """Put the maps of the two galaxies of each pair side by side along x.

    Parameters
    ----------
    source, target : Tensor, shape (n, c, y, x)
        Maps of a batch in the order of `hscz.learn.pairs.draw_pairs`: the first half makes
        pairs across the fields; of the second half each field pairs its own two quarters.
    swap : Tensor of bool, shape (n,)
        Whether left and right change places.

    Returns
    -------
    Tensor, shape (n, c, y, 2 x)
        First the n/2 pairs from different fields, then the n/2 from the same.
    """
    half, quarter = len(source) // 2, len(source) // 4
    left = torch.cat([source[: half + quarter], target[half : half + quarter]])
    right = torch.cat([target[:half], source[half + quarter :], target[half + quarter :]])
    turn = swap.view(-1, 1, 1, 1)
    return torch.cat([torch.where(turn, right, left), torch.where(turn, left, right)], 3)


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
        self.layer = adapt.layer or default_layer(network.layer_names)
        self.adversary = on_device(_new_adversary(network, self.layer, adapt, settings), device)
        self.descents = {
            "network": Descent(network.parameters(), settings, total_steps),
            "adversary": Descent(self.adversary.parameters(), settings, total_steps),
        }

    def __call__(self, batch: Batch, progress: float) -> Losses:
        """Descend on a batch whose source and target stamps are paired."""
        assert batch.target_stamps is not None
        assert batch.swap is not None
        assert batch.valid is not None
        n = len(batch.stamps)
        same = torch.arange(n, device=self.device) // (n // 2)
        with autocast(self.settings.precision, self.device):
            maps = self._maps(batch.stamps, batch.target_stamps)
            loss = cross_entropy(self.network.logits(maps[0], self.layer), batch.masses)
            watched = (maps[0].detach().requires_grad_(), maps[1].detach().requires_grad_())
            verdict = self.adversary(pair_maps(*watched, batch.swap)).float()
        share = batch.valid / batch.valid.sum().clamp(min=1)
        judged = (cross_entropy(verdict, same, reduction="none") * share).sum()
        confused = (CONFUSION[self.adapt.adversary](verdict, same) * share).sum()
        own = list(self.adversary.parameters())
        gradients = torch.autograd.grad(judged, own, retain_graph=True)
        pushes = torch.autograd.grad(confused, watched)
        weight = self.adapt.weight * RAMPS[self.adapt.ramp](progress)
        for descent in self.descents.values():
            descent.zero_grad()
        for parameter, gradient in zip(own, gradients, strict=True):
            parameter.grad = gradient
        torch.autograd.backward([loss, *maps], [None, *(weight * push for push in pushes)])
        for descent in self.descents.values():
            descent.step()
        right = ((verdict.argmax(1) == same) * share).sum()
        return {
            "loss": loss.detach(),
            "adversary_loss": judged.detach(),
            "adversary_accuracy": right,
        }

    def _maps(self, images: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps of source and target stamps, each stamp passed once."""
        if not self.adapt.separate_statistics:
            both = self.network.activations(torch.cat([images, others]), self.layer)
            return both[: len(images)], both[len(images) :]
        maps = self.network.activations(images, self.layer)
        with running_statistics_kept(self.network):
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
) -> Adversary:
    """Make an adversary that fits a layer, its weights drawn from the run's seed."""
    with torch.no_grad():
        maps = network.eval().activations(network.scaling.blank(), layer)
    network.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return Adversary(maps.shape[1], maps.shape[2], adapt.kernels, adapt.dense, network.norm)


class WithAdversary(Adaptation):
    """An adversary watches a layer; batches are pairs matched in magnitude."""

    shows_target = True

    @property
    def separate_statistics(self) -> bool:
        """Whether each field is normalised by its own statistics."""
        return self.config.adapt.separate_statistics

    def draws(
        self, order: IntArray, learnt: pd.DataFrame, target: Unlabelled, rng: np.random.Generator
    ) -> Iterator[Draw]:
        """Yield an epoch in pairs; those that hold a labelled galaxy of a target do not count."""
        train, adapt = self.config.train, self.config.adapt
        mag_i = learnt["mag_i"].to_numpy(np.float64)
        pairs = draw_pairs(order, mag_i, target.mag_i, train.batch_size, rng, adapt, target.field)
        ours = learnt["field"].isin(train.fields).to_numpy()
        valid = pairs.valid & source_only(ours[pairs.source])
        for row in zip(pairs.source, pairs.target, pairs.swap, valid, strict=True):
            yield Draw(*row)

    def step(self, network: Network, total_steps: int, device: torch.device) -> Adversarial:
        """Return the step of the network and its adversary."""
        return Adversarial(network, self.config.train, self.config.adapt, total_steps, device)
