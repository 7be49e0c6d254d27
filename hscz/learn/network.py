"""What every network is: scaled fluxes, layers with names, and a head of redshift bins."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hscz.errors import ConfigError
from hscz.learn.normalise import running_statistics_kept
from hscz.schema import central_pixels

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

    def blank(self) -> Tensor:
        """Return an empty stamp, shape (1, band, input_px, input_px), on the same device."""
        shape = 1, self.noise.shape[1], self.input_px, self.input_px
        return torch.zeros(shape, device=self.noise.device)

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


def on_device(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, its kernels with channels last, which is faster on CPUs too."""
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class Network(nn.Module):
    """Stamps in, logits of the redshift bins out: scaling, a body of named layers, a head.

    What stands behind ``network.body`` is a function of the settings (`NetworkConfig`), the noise
    of each band and the number of bins that returns one of these. A body whose layers do not
    simply follow each other is a subclass; the rest of the package uses the methods here, the
    attributes, and that the layers of `body`, called in turn, give the maps of each.

    Parameters
    ----------
    scaling : Scaling
        Fluxes in counts to planes for the first layer.
    body : torch.nn.Sequential
        Layers with names, such as ``inc3``; those with kernels that an adversary may watch by
        default begin with ``conv`` or ``inc``.
    dense : sequence of int
        Widths of the fully connected layers.
    n_bins : int
        Number of redshift bins.
    norm : str
        ``batch`` if the body normalises by batches, or else ``group`` or ``none``.

    Raises
    ------
    ConfigError
        If the maps shrink to nothing.

    Examples
    --------
    >>> from collections import OrderedDict
    >>> body = nn.Sequential(OrderedDict(conv1=nn.Conv2d(4, 8, 3), pool1=nn.AvgPool2d(2)))
    >>> network = Network(Scaling("sqrt", [1.0, 1.0, 1.0], 16), body, (32,), n_bins=60)
    >>> network.layer_names, network(torch.zeros(2, 3, 16, 16)).shape
    (['conv1', 'pool1'], torch.Size([2, 60]))
    """

    def __init__(
        self,
        scaling: Scaling,
        body: nn.Sequential,
        dense: Sequence[int],
        n_bins: int,
        norm: str = "none",
    ) -> None:
        super().__init__()
        self.norm = norm
        self.scaling = scaling
        self.body = body
        self.head = self._head(dense, n_bins)

    def _head(self, dense: Sequence[int], n_bins: int) -> nn.Sequential:
        with torch.no_grad():
            try:
                blank = self.scaling(self.scaling.blank())
                width = self.eval().body(blank).flatten(1).shape[1]
            except RuntimeError as error:
                raise ConfigError(
                    f"network.input_px is {self.scaling.input_px}, too few pixels for the layers "
                    f"({error}); enlarge it or take out a pool"
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

    def scatter(self, image: Tensor) -> dict[str, float]:
        """Return how much the maps of galaxies differ after each layer, and their logits.

        A network in which the differences die on the way learns late or not at all.

        Parameters
        ----------
        image : Tensor, shape (n, band, y, x)
            Stamps of different galaxies in counts, normalised as a batch in training.

        Returns
        -------
        dict of str to float
            Standard deviation between the galaxies, root mean square over maps and pixels, by
            layer; ``logits`` is the last.
        """
        found, maps, mode = {}, self.scaling(image), self.training
        with torch.no_grad(), running_statistics_kept(self.train()):
            for name, layer in self.body.named_children():
                maps = layer(maps)
                found[name] = maps
            found["logits"] = self.head(maps.flatten(1))
        self.train(mode)
        return {name: float(y.std(0).square().mean().sqrt()) for name, y in found.items()}

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
