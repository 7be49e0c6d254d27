"""Normalisation layers, and adaptive batch normalisation: their statistics from the target.

AdaBN is the cheapest adaptation there is (Li, Wang, Shi, Liu & Hou 2016, arXiv:1603.04779): no
weight changes and nothing is trained, but each normalisation layer takes its means and variances
from unlabelled stamps of the field that the network is going to see.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hscz.errors import ConfigError, InputError

MOST_GROUPS = 8
"""Groups of maps, of each pair of bands, that group normalisation makes at most."""


def normalisation(kind: str, maps: int, pairs: int = 1) -> list[nn.Module]:
    """Return the layer that normalises maps, or none.

    Parameters
    ----------
    kind : str
        ``none``, ``batch`` (each map over the batch) or ``group`` (groups of maps of each galaxy
        by themselves; Wu & He 2018, arXiv:1803.08494).
    maps : int
    pairs : int
        Pairs of bands whose maps stand in turn; no group crosses from one to the next.

    Examples
    --------
    >>> normalisation("group", 60, pairs=5)[0].num_groups
    30
    >>> normalisation("none", 60)
    []
    """
    if kind == "batch":
        return [nn.BatchNorm2d(maps)]
    if kind == "group":
        groups = max(n for n in range(1, MOST_GROUPS + 1) if maps // pairs % n == 0)
        return [nn.GroupNorm(pairs * groups, maps)]
    return []


def renormalise(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of all batch-normalisation layers by those of a target.

    The mean and variance of a layer become the averages of those of the batches, each weighted
    with its number of stamps, while every layer already normalises by the batch at hand.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place, and left in evaluation mode. Its weights stay as they are.
    batches : iterable of Tensor, shape (n, band, y, x)
        Unlabelled stamps of the target, on the network's device.

    Raises
    ------
    ConfigError
        If the network has no batch normalisation.
    InputError
        If there is no batch.

    Examples
    --------
    >>> network = nn.Sequential(nn.BatchNorm2d(1))
    >>> renormalise(network, [torch.full((3, 1, 2, 2), 5.0), torch.full((1, 1, 2, 2), 1.0)])
    >>> network[0].running_mean.tolist()
    [4.0]
    """
    layers = _layers(network)
    if not layers:
        raise ConfigError(
            "the network has no layer whose statistics could be measured on a target; "
            "renormalise needs a network trained with network.norm = 'batch'"
        )
    network.eval()
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
    seen = 0
    with torch.no_grad():
        for images in batches:
            seen += len(images)
            for layer in layers:
                # The weight of this batch in the running average; 1 for the first.
                layer.train().momentum = len(images) / seen
            network(images)
    for layer, momentum in zip(layers, before, strict=True):
        layer.eval().momentum = momentum
    if not seen:
        raise InputError("no stamps to measure the statistics of a field on; give usable ones")


@contextmanager
def running_statistics_kept(network: nn.Module) -> Iterator[None]:
    """Let batches be normalised by their own statistics and leave no trace in the running ones.

    Examples
    --------
    >>> network = nn.BatchNorm2d(1)
    >>> with running_statistics_kept(network):
    ...     passed = network(torch.full((2, 1, 2, 2), 5.0))
    >>> network.running_mean.tolist(), network.momentum
    ([0.0], 0.1)
    """
    layers = _layers(network)
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, before, strict=True):
            layer.momentum = momentum


def _layers(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
