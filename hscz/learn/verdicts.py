"""What an adversary judges, and the networks that do: by pairs of galaxies, or one by one.

Section 5.1 of the paper: the maps of two galaxies side by side, four 3 x 3 convolutions and fully
connected layers say whether the two share a field. That is a hard thing to begin to learn: as
long as nothing is known of the one galaxy, the other says nothing, and where each field is
normalised by its own statistics such an adversary stays at chance. `Single` asks of one galaxy
which field it is of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from hscz.config.learn import AdaptConfig
from hscz.errors import ConfigError
from hscz.learn.normalise import normalisation


@dataclass(frozen=True)
class Judged:
    """What an adversary says, and the truth.

    Attributes
    ----------
    logits : Tensor, shape (n, 2)
        Of two classes.
    truth : Tensor of int, shape (n,)
        Which it is.
    valid : Tensor of bool, shape (n,)
        Whether the galaxies are matched well enough for the verdict to count.
    """

    logits: Tensor
    truth: Tensor
    valid: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of values, (n,), of the verdicts that count; 0 where none does."""
        return (values * self.valid).sum() / self.valid.sum().clamp(min=1)

    @property
    def accuracy(self) -> Tensor:
        """Share of the verdicts that are right."""
        return self.mean((self.logits.argmax(1) == self.truth).float())


class Verdict(nn.Module):
    """An adversary: maps of n source and n target galaxies in, verdicts out.

    Subclasses have `forward`, which returns what is judged (`Judged`).

    Parameters
    ----------
    channels : int
        Maps of one galaxy.
    size_px : int
        Side of the maps.
    adapt : AdaptConfig
        ``kernels`` of the first two and of the last two convolutions (the paper has 156 and
        128) and ``dense``, the widths of the fully connected layers.
    norm : str
        Normalisation after each convolution, as in the network watched.

    Raises
    ------
    ConfigError
        If the maps are too small for the two poolings.
    """

    side_by_side = 1
    """Galaxies whose maps the convolutions see at once, side by side along x."""
    in_pairs = True
    """Whether the galaxies come in pairs, in the order of `hscz.learn.pairs.draw_pairs`."""
    question = "same field?"
    """What it answers, in a few words."""

    def __init__(self, channels: int, size_px: int, adapt: AdaptConfig, norm: str) -> None:
        super().__init__()
        if size_px < 4:
            raise ConfigError(
                f"adapt.layer has maps of {size_px} px, too small for the adversary's two "
                "poolings; name an earlier layer"
            )
        flat = adapt.kernels[1] * (size_px // 4) * (self.side_by_side * size_px // 4)
        self.convolutions = _convolutions(channels, adapt.kernels, norm)
        self.dense = _dense([flat, *adapt.dense])
        self.last = nn.Linear([flat, *adapt.dense][-1], 2)

    def logits(self, maps: Tensor) -> Tensor:
        """Return logits of two classes, shape (n, 2)."""
        logits: Tensor = self.last(self.dense(self.convolutions(maps).flatten(1))).float()
        return logits


class Pair(Verdict):
    """The paper's: it says whether two galaxies, their maps side by side, are of the same field.

    Class 1 is the same field.

    Examples
    --------
    >>> adapt = AdaptConfig(kernels=(24, 20), dense=(64,))
    >>> maps, yes = torch.zeros(8, 106, 8, 8), torch.ones(8, dtype=torch.bool)
    >>> Pair(106, 8, adapt, "batch")(maps, maps, yes, yes).truth.tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """

    side_by_side = 2

    def forward(self, source: Tensor, target: Tensor, valid: Tensor, swap: Tensor) -> Judged:
        """Judge pairs, of which `valid` ones count and those to `swap` change sides."""
        left, right = pairs_of(source, target)
        turn = swap.view(-1, 1, 1, 1)
        beside = torch.cat([torch.where(turn, right, left), torch.where(turn, left, right)], 3)
        return Judged(self.logits(beside), _in_halves(valid), valid)


class Single(Verdict):
    """It says which field a galaxy is of; class 1 is the target."""

    in_pairs = False
    question = "which field?"

    def forward(
        self, source: Tensor, target: Tensor, valid: Tensor, swap: Tensor | None = None
    ) -> Judged:
        """Judge galaxies, of which those at `valid` places of either field count."""
        both = torch.cat([valid, valid])
        return Judged(self.logits(torch.cat([source, target])), _in_halves(both), both)


VERDICTS: dict[str, type[Verdict]] = {"pair": Pair, "single": Single}
"""Adversaries by the name of ``adapt.verdict``."""


def pairs_of(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the second of each pair.

    Parameters
    ----------
    source, target : Tensor, shape (n, ...)
        In the order of `hscz.learn.pairs.draw_pairs`: the first half makes pairs across the
        fields; of the second half each field pairs its own two quarters.

    Returns
    -------
    tuple of Tensor, shape (n, ...)
        First the n/2 pairs from different fields, then the n/2 from the same.

    Examples
    --------
    >>> source = torch.arange(4)
    >>> [side.tolist() for side in pairs_of(source, 10 + source)]
    [[0, 1, 2, 12], [10, 11, 3, 13]]
    """
    half, quarter = len(source) // 2, len(source) // 4
    first = torch.cat([source[: half + quarter], target[half : half + quarter]])
    return first, torch.cat([target[:half], source[half + quarter :], target[half + quarter :]])


def _in_halves(like: Tensor) -> Tensor:
    """Return 0 for the first half and 1 for the second."""
    return torch.arange(len(like), device=like.device) // (len(like) // 2)


def _convolutions(channels: int, kernels: tuple[int, int], norm: str) -> nn.Sequential:
    """Return four convolutions, with a pooling after every second."""
    first, last = kernels
    layers: list[nn.Module] = []
    for inputs, outputs, pools in (
        (channels, first, False),
        (first, first, True),
        (first, last, False),
        (last, last, True),
    ):
        norms = normalisation(norm, outputs)
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), *norms, nn.LeakyReLU(0.2)]
        layers += [nn.AvgPool2d(2)] if pools else []
    return nn.Sequential(*layers)


def _dense(widths: Sequence[int]) -> nn.Sequential:
    """Return fully connected layers from the first of the widths to the last."""
    steps = ([nn.Linear(a, b), nn.LeakyReLU(0.2)] for a, b in pairwise(widths))
    return nn.Sequential(*(layer for step in steps for layer in step))
