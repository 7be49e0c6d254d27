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
from hscz.errors import ConfigError
from hscz.schema import central_pixels

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
SCALINGS = {
    "sqrt": lambda x: torch.sign(x) * (torch.sqrt(1 + torch.abs(x)) - 1),
    "log": lambda x: torch.sign(x) * torch.log1p(torch.abs(x)),
    "asinh": torch.asinh,
    "linear": lambda x: x,
}


class Scaling(nn.Module):
    """Compress fluxes in units of each band's sky noise, and stack the bands as pairs.

    With `masks`, a band whose plane is NaN throughout is missing: its fluxes become 0, and each
    pair has two more planes that say which of its bands are there.
    """

    noise: Tensor
    pairs: Tensor

    def __init__(
        self, kind: str, noise: Sequence[float], input_px: int, masks: bool = False
    ) -> None:
        super().__init__()
        if kind not in SCALINGS:
            raise ConfigError(f"network.scaling is {kind!r}; use one of {', '.join(SCALINGS)}")
        self.compress = SCALINGS[kind]
        self.input_px = input_px
        self.masks = masks
        n = len(noise)
        self.register_buffer("noise", torch.tensor(noise, dtype=torch.float32).view(1, n, 1, 1))
        pairs = [band for first in range(n - 1) for band in (first, first + 1)] or [0]
        self.register_buffer("pairs", torch.tensor(pairs))

    @property
    def channels(self) -> int:
        """Planes of the output."""
        return len(self.pairs) * (2 if self.masks else 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return (n, channels, input_px, input_px) from calibrated fluxes (n, band, y, x)."""
        if image.shape[-1] != self.input_px:
            middle = central_pixels(image.shape[-1], self.input_px)
            image = image[..., middle, middle]
        scaled = self.compress(image.float() / self.noise)
        if not self.masks:
            return scaled[:, self.pairs]
        missing = torch.isnan(scaled).all(-1, keepdim=True).all(-2, keepdim=True)
        there = (~missing).to(scaled.dtype).expand_as(scaled)
        planes = (scaled.masked_fill(missing, 0), there)
        pairs = [plane[:, self.pairs].unflatten(1, (-1, 2)) for plane in planes]
        return torch.cat(pairs, 2).flatten(1, 2)


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
        activation: str = "relu",
        stride: int = 1,
        padded: bool = True,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise ConfigError(f"activation {activation!r} is unknown; use relu or tanh")
        convolution = nn.Conv2d(
            channels,
            kernels,
            kernel_px,
            stride=stride,
            padding=kernel_px // 2 if padded else 0,
            groups=groups,
            bias=norm == "none",
        )
        nn.init.xavier_uniform_(convolution.weight)
        if convolution.bias is not None:
            # The start value of the biases in Pasquet et al. (2019).
            nn.init.constant_(convolution.bias, 0.1)
        norms = [nn.BatchNorm2d(kernels)] if norm == "batch" else []
        super().__init__(convolution, *norms, ACTIVATIONS[activation]())


class Inception(nn.Module):
    """The inception block of Treyer et al. (2024), of width k.

    1x1 to 5x5, 1x1 to 3x3, 1x1 to average pooling, and a plain 1x1; the widths 0.65 k of the
    reductions and 0.7 k of the plain branch give 522 maps for k = 156.
    """

    def __init__(self, channels: int, width: int, groups: int, norm: str) -> None:
        super().__init__()
        reduced, plain = int(0.65 * width) * groups, int(0.7 * width) * groups
        wide = width * groups

        def conv(inputs: int, outputs: int, kernel_px: int) -> Convolution:
            return Convolution(inputs, outputs, kernel_px, groups, norm)

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


def on_device(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, its kernels with channels last, which is faster on CPUs too."""
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class Network(nn.Module):
    """Stamps in, logits of the redshift bins out.

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
        If a layer cannot be read or the maps shrink to nothing.

    Examples
    --------
    >>> from hscz.config.learn import NETWORK_PRESETS
    >>> network = Network(NETWORK_PRESETS["compact"], noise=[1.0] * 6, n_bins=360)
    >>> network(torch.zeros(2, 6, 64, 64)).shape
    torch.Size([2, 360])
    >>> network.activations(torch.zeros(2, 6, 64, 64), "inc1").shape
    torch.Size([2, 106, 8, 8])
    """

    def __init__(self, config: NetworkConfig, noise: Sequence[float], n_bins: int) -> None:
        super().__init__()
        if len(noise) < 1 or config.norm not in ("none", "batch"):
            raise ConfigError(f"network.norm is {config.norm!r}; use none or batch")
        self.norm = config.norm
        self.scaling = Scaling(config.scaling, noise, config.input_px, config.masks)
        self.body = _body(config, pairs=max(1, len(noise) - 1), channels=self.scaling.channels)
        self.head = self._head(config.dense, n_bins)

    def _head(self, dense: Sequence[int], n_bins: int) -> nn.Sequential:
        with torch.no_grad():
            size = self.scaling.input_px
            blank = torch.zeros(1, self.scaling.noise.shape[1], size, size)
            try:
                width = self.eval().body(self.scaling(blank)).flatten(1).shape[1]
            except RuntimeError as error:
                raise ConfigError(
                    f"network.input_px is {size}, too few pixels for the layers ({error}); "
                    "enlarge it or take out a pool"
                ) from None
        self.train()
        layers: list[nn.Module] = []
        for units in dense:
            layers += [nn.Linear(width, units), nn.ReLU()]
            width = units
        layers.append(nn.Linear(width, n_bins))
        for layer in layers:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        return nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, bins) of stamps (n, band, y, x) in counts."""
        return self.head(self.body(self.scaling(image)).flatten(1))

    def activations(self, image: Tensor, layer: str) -> Tensor:
        """Return the maps that leave a named layer of the body, such as ``inc3``."""
        return self.body[: self._after(layer)](self.scaling(image))

    def logits(self, maps: Tensor, layer: str) -> Tensor:
        """Return the logits (n, bins) of maps that left a named layer."""
        return self.head(self.body[self._after(layer) :](maps).flatten(1))

    def _after(self, layer: str) -> int:
        if layer not in self.layer_names:
            raise ConfigError(
                f"layer {layer!r} is unknown; there are {', '.join(self.layer_names)}"
            )
        return self.layer_names.index(layer) + 1

    @property
    def layer_names(self) -> list[str]:
        """Names of the body's layers, first to last."""
        return [name for name, _ in self.body.named_children()]


def _body(config: NetworkConfig, pairs: int, channels: int) -> nn.Sequential:
    """Build the layers; those before the merge run for each pair as one grouped layer."""
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for position, text in enumerate(config.layers):
        groups = pairs if position < config.merge_after else 1
        kind, *rest = text.split()
        try:
            module, channels = _layer(kind, rest, channels, groups, config.norm)
        except (ValueError, IndexError):
            raise ConfigError(
                f"network layer {text!r} cannot be read; write 'conv N K ACT [STRIDE]', 'inc K', "
                "'valid N K', 'pool' or 'smooth'"
            ) from None
        number = 1 + sum(name.rstrip("0123456789") == kind for name in modules)
        modules[f"{kind}{number}"] = module
    return nn.Sequential(modules)


def _layer(
    kind: str, rest: list[str], channels: int, groups: int, norm: str
) -> tuple[nn.Module, int]:
    if kind == "conv":
        kernels, stride = int(rest[0]) * groups, int(rest[3]) if len(rest) > 3 else 1
        module = Convolution(channels, kernels, int(rest[1]), groups, norm, rest[2], stride)
        return module, kernels
    if kind == "valid":
        kernels = int(rest[0]) * groups
        module = Convolution(channels, kernels, int(rest[1]), groups, norm, padded=False)
        return module, kernels
    if kind == "inc":
        inception = Inception(channels, int(rest[0]), groups, norm)
        return inception, inception.channels
    if kind == "pool":
        return nn.AvgPool2d(2), channels
    if kind == "smooth":
        return Smooth(), channels
    raise ValueError(kind)
