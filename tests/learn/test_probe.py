"""The probe finds what there is to see, and nothing where there is nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from hscz.config.learn import NETWORK_PRESETS, AdaptConfig, TrainConfig
from hscz.learn.adversary import Adversarial
from hscz.learn.loader import Stamps
from hscz.learn.multimodal import multimodal
from hscz.learn.network import Network
from hscz.learn.normalise import renormalise
from hscz.learn.probe import Probe, maps_of, probe
from hscz.learn.steps import Batch

MAG = np.linspace(23, 25, 300)


def maps(seed: int, n: int = 300) -> Tensor:
    return torch.randn(n, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def found(source: Tensor, target: Tensor, mag: np.ndarray = MAG) -> Probe:
    seen = probe(source, target, MAG, mag)
    assert seen is not None
    return seen


def test_a_field_like_the_other_cannot_be_told_apart() -> None:
    seen = found(maps(1), maps(2))
    assert abs(seen.accuracy - 0.5) < 4 * seen.error
    assert 200 < seen.n <= 300


def test_fields_of_one_mean_and_variance_are_told_apart() -> None:
    """As where each is normalised by its own statistics: here noise is correlated in one."""
    blurred = torch.nn.functional.avg_pool2d(maps(2), 3, 1, 1, count_include_pad=False)
    assert found(maps(1), blurred / blurred.std()).accuracy > 0.9


def test_magnitudes_alone_are_not_what_is_told_apart() -> None:
    """Maps that grow with the flux say nothing where galaxies are matched."""
    flux = torch.from_numpy(10 ** (-0.4 * (MAG - 24))).float()
    faint = MAG[100:]
    source, target = (
        flux[part].view(-1, 1, 1, 1) + 0.1 * maps(seed)[: len(flux[part])]
        for seed, part in ((1, slice(None)), (2, slice(100, None)))
    )
    seen = probe(source, target, MAG, faint)
    assert seen is not None
    assert abs(seen.accuracy - 0.5) < 4 * seen.error


def test_the_same_seed_finds_the_same() -> None:
    torch.manual_seed(5)
    one = found(maps(1), 1.2 * maps(2))
    torch.manual_seed(6)
    assert found(maps(1), 1.2 * maps(2)) == one


@pytest.mark.parametrize(("n", "side"), [(40, 4), (300, 3)])
def test_nothing_is_said_of_too_little(n: int, side: int) -> None:
    source = maps(1, n)[..., :side, :side]
    assert probe(source, source, MAG[:n], MAG[:n]) is None


def test_maps_are_those_of_the_network_as_it_predicts() -> None:
    torch.manual_seed(0)
    settings = dataclasses.replace(NETWORK_PRESETS["compact"], dense=(8,))
    network = multimodal(settings, [1.0, 1.0], 4)
    stamps = Stamps(torch.randn(20, 2, 32, 32).half() + 3)
    before = network.state_dict()["body.conv1.1.running_mean"].clone()
    rows = torch.arange(5, 15)
    as_is, own = (maps_of(network, "conv1", stamps, rows, own) for own in (False, True))
    assert torch.equal(network.state_dict()["body.conv1.1.running_mean"], before)
    images = stamps.images[5:15].float()
    whole = network.activations(images, "conv1")
    assert whole.shape[-1] == 16
    torch.testing.assert_close(as_is, whole[..., 4:12, 4:12])
    renormalise(network, [images])
    torch.testing.assert_close(own, network.activations(images, "conv1")[..., 4:12, 4:12])


def toy() -> Network:
    """Return a network of one layer that may learn to ignore a band."""
    torch.manual_seed(0)
    settings = dataclasses.replace(
        NETWORK_PRESETS["compact"],
        layers=("conv 6 3 relu", "pool", "valid 8 3"),
        merge_after=0,
        dense=(8,),
        input_px=8,
    )
    return multimodal(settings, [1.0, 1.0], 4)


def fields(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return stamps of two fields, and whether the source's are bright in the first band.

    The fields differ in the second band, which says nothing else: in the target it is blurred.
    """
    generator = torch.Generator().manual_seed(seed)
    stamps = 3 * torch.randn(2, n, 2, 8, 8, generator=generator)
    bright = torch.randint(2, (2, n), generator=generator)
    stamps[:, :, 0] += 3 * bright[:, :, None, None]
    source, target = stamps
    blurred = torch.nn.functional.avg_pool2d(target[:, 1], 3, 1, 1, count_include_pad=False)
    target[:, 1] = 2 * blurred
    return source, target, bright[0]


def contest(weight: float) -> tuple[float, Probe, float]:
    """Train a network against an adversary: its late accuracy, the probe and the last loss."""
    adapt = AdaptConfig(
        **{"targets": ("B",), "adversary": "inverted", "verdict": "single", "weight": weight},
        **{"layer": "conv1", "kernels": (8, 6), "dense": (8,)},
    )
    network, train = toy(), TrainConfig(learning_rate=1e-2, schedule="constant")
    step = Adversarial(network, train, adapt, 100, torch.device("cpu"))
    yes, said, loss = torch.ones(32, dtype=torch.bool), [], torch.nan
    for seed in range(100):
        source, target, bright = fields(32, seed)
        masses = torch.nn.functional.one_hot(bright, 4).float()
        losses = step(Batch(source, masses, target_stamps=target, swap=yes, valid=yes), 0.5)
        said.append(float(losses["adversary_accuracy"]))
        loss = float(losses["loss"])
    rows, mag = torch.arange(500), np.linspace(23, 25, 500)
    source, target = (
        maps_of(network, "conv1", Stamps(stamps.half()), rows, own)
        for stamps, own in zip(fields(500, 1000), (False, True), strict=False)
    )
    seen = probe(source, target, mag, mag)
    assert seen is not None
    return float(np.mean(said[-20:])), seen, loss


def test_the_adversary_wins_without_a_weight_and_loses_with_one() -> None:
    """It loses because the network has learnt to ignore what gives the field away."""
    won, before, _ = contest(0.0)
    lost, after, loss = contest(1.0)
    assert won > 0.9
    assert before.accuracy > 0.85
    assert lost < 0.65
    assert after.accuracy < before.accuracy - 0.15
    assert loss < 0.1
