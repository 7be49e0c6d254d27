"""The multimodal network: pairs of adjacent bands, each in its own branch, then one trunk.

The ``paper`` size is a reconstruction. Ait Ouahmed et al. (2024) give the five pair branches
and the common trunk; the trunk itself follows Treyer et al. (2024), whose inception blocks
have the width 156 that the adversarial paper quotes too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hscz.config.learn import NetworkConfig
from hscz.learn.network import Network, Scaling
from hscz.learn.normalise import normalisation

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def multimodal(config: NetworkConfig, noise: Sequence[float], n_bins: int) -> Network:
    """Return the network that ``network.layers`` describes.

    Parameters
    ----------
    config : NetworkConfig
    noise : sequence of float
        Sky noise by which the fluxes of each band are scaled, in counts.
    n_bins : int
        Number of redshift bins.

    Raises
    ------
    ConfigError
        If the maps shrink to nothing.

    Examples
    --------
    >>> from hscz.config.learn import NETWORK_PRESETS
    >>> network = multimodal(NETWORK_PRESETS["compact"], noise=[1.0] * 6, n_bins=360)
    >>> network(torch.zeros(2, 6, 64, 64)).shape
    torch.Size([2, 360])
    >>> network.activations(torch.zeros(2, 6, 64, 64), "inc1").shape
    torch.Size([2, 106, 8, 8])
    """
    scaling = Scaling(config.scaling, noise, config.input_px, config.masks)
    body = _body(config, pairs=max(1, len(noise) - 1), channels=scaling.channels)
    return Network(scaling, body, config.dense, n_bins, config.norm)


class Smooth(nn.Module):
    """Average over 2 x 2 pixels at stride 1, keeping the size.

    Repeating the last row and column makes the border the mean of the pixels that exist,
    which is what "same" average pooling means in the networks this one descends from.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of the same shape."""
        return functional.avg_pool2d(functional.pad(x, (0, 1, 0, 1), mode="replicate"), 2, 1)


class Convolution(nn.Sequential):
    """A convolution, its normalisation and its activation, in one or several groups."""

    def __init__(
        self,
        channels: int,
        kernels: int,
        kernel_px: int,
        groups: int,
        norm: str,
        init: str,
        activation: str = "relu",
        stride: int = 1,
        padded: bool = True,
    ) -> None:
        convolution = nn.Conv2d(
            channels,
            kernels,
            kernel_px,
            stride=stride,
            padding=kernel_px // 2 if padded else 0,
            groups=groups,
            bias=norm == "none",
        )
        _start(convolution, init)
        norms = normalisation(norm, kernels, groups)
        super().__init__(convolution, *norms, ACTIVATIONS[activation]())


def _start(convolution: nn.Conv2d, init: str) -> None:
    """Draw the first weights."""
    weight, bias = convolution.weight, convolution.bias
    if init == "he":
        nn.init.kaiming_uniform_(weight, nonlinearity="relu")
    elif bias is None:
        nn.init.xavier_uniform_(weight)
    else:
        # Without normalisation the scale matters: that of each branch as a network of its own.
        for branch in weight.detach().chunk(convolution.groups):
            nn.init.xavier_uniform_(branch)
    if bias is not None:
        # The start value of the biases in Pasquet et al. (2019).
        nn.init.constant_(bias, 0.1 if init == "xavier" else 0.0)


class Inception(nn.Module):
    """The inception block of Treyer et al. (2024), of width k.

    1x1 to 5x5, 1x1 to 3x3, 1x1 to average pooling, and a plain 1x1; the widths 0.65 k of the
    reductions and 0.7 k of the plain branch give 522 maps for k = 156.
    """

    def __init__(self, channels: int, width: int, groups: int, norm: str, init: str) -> None:
        super().__init__()
        reduced, plain = int(0.65 * width) * groups, int(0.7 * width) * groups
        wide = width * groups

        def conv(inputs: int, outputs: int, kernel_px: int) -> Convolution:
            return Convolution(inputs, outputs, kernel_px, groups, norm, init)

        self.groups = groups
        self.channels = 2 * wide + reduced + plain
        self.branches = nn.ModuleList(
            [
                nn.Sequential(conv(channels, reduced, 1), conv(reduced, wide, 5)),
                nn.Sequential(conv(channels, reduced, 1), conv(reduced, wide, 3)),
                nn.Sequential(conv(channels, reduced, 1), Smooth()),
                conv(channels, plain, 1),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' maps side by side, group by group."""
        maps = [branch(x) for branch in self.branches]
        if self.groups == 1:
            return torch.cat(maps, 1)
        # Maps of one pair of bands must stay together for the grouped layer that follows.
        return torch.cat([m.unflatten(1, (self.groups, -1)) for m in maps], 2).flatten(1, 2)


def _body(config: NetworkConfig, pairs: int, channels: int) -> nn.Sequential:
    """Build the layers; those before the merge run for each pair as one grouped layer."""
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for position, text in enumerate(config.layers):
        groups = pairs if position < config.merge_after else 1
        kind, *rest = text.split()
        module, channels = _layer(kind, rest, channels, groups, config)
        number = 1 + sum(name.rstrip("0123456789") == kind for name in modules)
        modules[f"{kind}{number}"] = module
    return nn.Sequential(modules)


def _layer(
    kind: str, rest: list[str], channels: int, groups: int, config: NetworkConfig
) -> tuple[nn.Module, int]:
    norm, init = config.norm, config.init
    if kind == "conv":
        kernels, stride = int(rest[0]) * groups, int(rest[3]) if len(rest) > 3 else 1
        module = Convolution(channels, kernels, int(rest[1]), groups, norm, init, rest[2], stride)
        return module, kernels
    if kind == "valid":
        kernels = int(rest[0]) * groups
        module = Convolution(channels, kernels, int(rest[1]), groups, norm, init, padded=False)
        return module, kernels
    if kind == "inc":
        inception = Inception(channels, int(rest[0]), groups, norm, init)
        return inception, inception.channels
    if kind == "pool":
        return nn.AvgPool2d(2), channels
    return Smooth(), channels
