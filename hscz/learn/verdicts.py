"""What an adversary judges, and the networks that do: by pairs of galaxies, or one by one.

Section 5.1 of the paper: the maps of two galaxies side by side, four 3 x 3 convolutions and fully
connected layers say whether the two share a field. Where each field is normalised by its own
statistics, that is a hard thing to begin to learn: neither of the two galaxies says anything by
itself. `Compared` therefore looks at each galaxy by itself and compares what it has seen, and
`Single` says of each which field it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from hscz.config.learn import AdaptConfig
from hscz.errors import ConfigError
from hscz.learn.normalise import normalisation


class Verdict(nn.Module):
    """An adversary: maps of source and target galaxies in, logits of two classes out.

    Subclasses have `forward` and `truth`.

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

    def seen(self, maps: Tensor) -> Tensor:
        """Return what the convolutions and fully connected layers make of maps, (n, units)."""
        seen: Tensor = self.dense(self.convolutions(maps).flatten(1))
        return seen

    def truth(self, n: int) -> Tensor:
        """Return the true class of each verdict on n source and n target galaxies."""
        raise NotImplementedError


class Pair(Verdict):
    """The paper's: it says whether two galaxies, their maps side by side, are of the same field.

    Examples
    --------
    >>> adapt = AdaptConfig(kernels=(24, 20), dense=(64,))
    >>> maps, swap = torch.zeros(8, 106, 8, 8), torch.zeros(8, dtype=torch.bool)
    >>> Pair(106, 8, adapt, "batch")(maps, maps, swap).shape
    torch.Size([8, 2])
    """

    side_by_side = 2

    def forward(self, source: Tensor, target: Tensor, swap: Tensor) -> Tensor:
        """Return logits (n, 2), different and same field."""
        left, right = pairs_of(source, target)
        turn = swap.view(-1, 1, 1, 1)
        beside = torch.cat([torch.where(turn, right, left), torch.where(turn, left, right)], 3)
        logits: Tensor = self.last(self.seen(beside))
        return logits

    def truth(self, n: int) -> Tensor:
        """Return 0 for the first half, pairs across the fields, and 1 for the second."""
        return torch.arange(n) // (n // 2)


class Compared(Pair):
    """It says whether two galaxies are of the same field, by what it sees in each by itself.

    The units seen in either, centred and scaled over the batch, are compared one by one: the
    product of two and their distance are what a verdict can be linear in from the first step.
    """

    side_by_side = 1

    def __init__(self, channels: int, size_px: int, adapt: AdaptConfig, norm: str) -> None:
        super().__init__(channels, size_px, adapt, norm)
        self.centred = nn.BatchNorm1d(self.last.in_features, affine=False)
        self.last = nn.Linear(2 * self.last.in_features, 2)

    def forward(self, source: Tensor, target: Tensor, swap: Tensor) -> Tensor:
        """Return logits (n, 2), different and same field; `swap` makes no difference here."""
        units = self.centred(self.seen(torch.cat([source, target])))
        left, right = pairs_of(*units.chunk(2))
        logits: Tensor = self.last(torch.cat([left * right, (left - right).abs()], 1))
        return logits


class Single(Verdict):
    """It says which field a galaxy is of."""

    in_pairs = False
    question = "which field?"

    def forward(self, source: Tensor, target: Tensor, swap: Tensor | None = None) -> Tensor:
        """Return logits (2 n, 2), source and target field; there are no pairs to swap."""
        logits: Tensor = self.last(self.seen(torch.cat([source, target])))
        return logits

    def truth(self, n: int) -> Tensor:
        """Return 0 for the first n, of the source, and 1 for the others."""
        return torch.arange(2 * n) // n


VERDICTS: dict[str, type[Verdict]] = {"pair": Pair, "compared": Compared, "single": Single}
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
