"""How well the fields can be told apart by what a layer of a trained network sees.

While an adversary is trained, its accuracy says how the contest stands, not what is left to see:
it may stand at chance because the fields look alike, or because it has learnt nothing. The probe is
a fresh classifier on the maps of the finished network. It learns from one half of galaxies that
were held out of the training, matched in i magnitude, and is judged on the other.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from hscz.config import RunConfig
from hscz.config.learn import AdaptConfig
from hscz.evaluate.calibration import binomial_error
from hscz.learn.data import PROBED, Labelled, Unlabelled, Wanted
from hscz.learn.loader import Stamps
from hscz.learn.model import Model
from hscz.learn.nearest import nearest_partner
from hscz.learn.network import Network, on_device
from hscz.learn.normalise import renormalise
from hscz.learn.verdicts import Single
from hscz.schema import central_pixels

MATCHED = AdaptConfig(kernels=(24, 20), dense=(64,), neighbours=10)
"""The classifier, and how galaxies are matched."""

SIDE_PX = 8
"""Central pixels of the maps that it sees, where they are larger: noise shows in any part."""

LEAST = 100
"""Galaxies of a field without which there is no probe."""

STEPS, BATCH, BATCH_SHOWN = 160, 64, 256
LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class Probe:
    """What the probe found.

    Attributes
    ----------
    accuracy : float
        Share of the galaxies whose field it gets right; 0.5 where it cannot tell.
    error : float
        Binomial error of the share.
    n : int
        Different galaxies that it was judged on.
    """

    accuracy: float
    error: float
    n: int

    def row(self) -> dict[str, float]:
        """Return it as numbers of a history: ``probe``, ``probe_err`` and ``probe_n``."""
        return {"probe": self.accuracy, "probe_err": self.error, "probe_n": self.n}


def probe_run(
    config: RunConfig,
    model: Model,
    layer: str,
    source: Labelled,
    fold: int,
    device: torch.device,
) -> Probe | None:
    """Probe a trained network with galaxies of source and targets that its training left out.

    Parameters
    ----------
    config : RunConfig
        Of the run, with its seed.
    model : Model
    layer : str
        Of which the maps are taken.
    source : Labelled
    fold : int
    device : torch.device

    Returns
    -------
    Probe or None
        See `probe`.
    """
    target = Unlabelled.read(config, device, Wanted(), held_out=True)
    ours, theirs = source.held_out(fold)[:PROBED], np.arange(len(target.stamps))
    if min(len(ours), len(theirs)) < LEAST:
        return None
    return probe(
        maps_of(model.network, layer, source.stamps, torch.from_numpy(ours), own=False),
        maps_of(
            model.network,
            layer,
            target.stamps,
            torch.from_numpy(theirs),
            own=model.needs_statistics,
        ),
        source.objects["mag_i"].to_numpy()[ours],
        target.mag_i,
        config.train.seed,
    )


def probe(
    source: Tensor,
    target: Tensor,
    mag_source: NDArray[np.floating],
    mag_target: NDArray[np.floating],
    seed: int = 1,
) -> Probe | None:
    """Learn to tell two fields apart by their maps, and say how well it can be done.

    Parameters
    ----------
    source, target : Tensor, shape (n, c, y, x) and (m, c, y, x)
        Maps of galaxies that the network has not learnt from.
    mag_source, mag_target : ndarray, shape (n,) and (m,)
        Their i magnitudes.
    seed : int
        Of the halves, the matches and the classifier's weights.

    Returns
    -------
    Probe or None
        None where there are too few galaxies, or the maps are too small for a classifier.

    Examples
    --------
    >>> noise = torch.randn(2, 240, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    >>> mag = np.linspace(23, 25, 240)
    >>> found = probe(noise[0], 3 * noise[1], mag, mag)
    >>> found.accuracy > 0.95, found.error < 0.02
    (True, True)
    """
    if min(len(source), len(target)) < LEAST or source.shape[-1] < 4:
        return None
    rng = np.random.default_rng(seed)
    halves = [np.array_split(rng.permutation(len(maps)), 2) for maps in (source, target)]
    known, judged = (
        _Half(source, target, np.asarray(mag_source), np.asarray(mag_target), ours, theirs)
        for ours, theirs in zip(*halves, strict=True)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = Single(source.shape[1], source.shape[-1], MATCHED, "batch")
    on_device(classifier, source.device)
    _learn(classifier, known, rng)
    return _judge(classifier.eval(), judged, rng)


@dataclass(frozen=True)
class _Half:
    """The maps and magnitudes of both fields, and which of them belong to one half."""

    source: Tensor
    target: Tensor
    mag_source: NDArray[np.floating]
    mag_target: NDArray[np.floating]
    ours: NDArray[np.int64]
    theirs: NDArray[np.int64]

    def matched(
        self, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Return all source galaxies, a partner of each, and whether it is near enough."""
        ours = rng.permutation(self.ours)
        wanted, pool = self.mag_source[ours], self.mag_target[self.theirs]
        partner = self.theirs[nearest_partner(wanted, pool, rng, MATCHED.neighbours)]
        return ours, partner, np.abs(wanted - self.mag_target[partner]) <= MATCHED.max_gap_mag

    def maps(self, ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the maps of source and target galaxies."""
        rows = zip((self.source, self.target), (ours, theirs), strict=True)
        first, second = (
            maps[torch.from_numpy(some).to(maps.device)].float() for maps, some in rows
        )
        return first, second


def _learn(classifier: Single, half: _Half, rng: np.random.Generator) -> None:
    descent = torch.optim.AdamW(classifier.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    step = 0
    while step < STEPS:
        ours, theirs, near = half.matched(rng)
        size = min(BATCH, len(ours))
        for start in range(0, len(ours) - size + 1, size):
            rows = slice(start, start + size)
            maps = half.maps(ours[rows], theirs[rows])
            judged = classifier(*maps, torch.from_numpy(near[rows]).to(maps[0].device))
            loss = judged.mean(cross_entropy(judged.logits, judged.truth, reduction="none"))
            descent.zero_grad()
            loss.backward()
            descent.step()
            step += 1


def _judge(classifier: Single, half: _Half, rng: np.random.Generator) -> Probe | None:
    ours, theirs, near = half.matched(rng)
    ours, theirs = ours[near], theirs[near]
    if len(ours) < LEAST // 4:
        return None
    right = 0.0
    for some in np.array_split(np.arange(len(ours)), -(-len(ours) // BATCH_SHOWN)):
        maps = half.maps(ours[some], theirs[some])
        yes = torch.ones(len(some), dtype=torch.bool, device=maps[0].device)
        with torch.no_grad():
            right += float(classifier(*maps, yes).accuracy) * len(some)
    share, n = right / len(ours), len(ours) + len(np.unique(theirs))
    return Probe(share, float(binomial_error(share, n)), n)


def maps_of(network: Network, layer: str, stamps: Stamps, rows: Tensor, own: bool) -> Tensor:
    """Return the central maps, (n, c, y, x), that leave a layer, as the network predicts.

    Parameters
    ----------
    network : Network
    layer : str
    stamps : Stamps
    rows : Tensor of int, shape (n,)
    own : bool
        Whether these stamps are normalised by their own statistics, not those of the training.
    """
    device = next(network.parameters()).device
    network = copy.deepcopy(network) if own else network
    parts = rows.split(BATCH_SHOWN)
    if own:
        renormalise(network, (stamps.take(some, device) for some in parts))
    network.eval()
    with torch.no_grad():
        maps = torch.cat([network.activations(stamps.take(some, device), layer) for some in parts])
    middle = central_pixels(maps.shape[-1], min(SIDE_PX, maps.shape[-1]))
    return maps[..., middle, middle]
