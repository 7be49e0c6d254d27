"""The multimodal network: sizes, pair branches, layers that cannot be read."""

from __future__ import annotations

import dataclasses
from typing import Literal

import pytest
import torch

from hscz.config.learn import NETWORK_PRESETS
from hscz.learn.multimodal import Inception, Smooth, multimodal

COMPACT = NETWORK_PRESETS["compact"]


def test_paper_size_is_the_reconstruction() -> None:
    config = dataclasses.replace(NETWORK_PRESETS["paper"], norm="none")
    network = multimodal(config, [1.0] * 6, 360)
    maps = {name: module for name, module in network.body.named_children()}
    assert isinstance(maps["inc1"], Inception)
    assert maps["inc1"].channels == 522
    features = network.eval().body(network.scaling(torch.zeros(1, 6, 64, 64))).flatten(1)
    assert features.shape[1] == 384
    # 5 branches x (2 -> 96 5x5, 96 -> 96 3x3), then the trunk of Treyer et al. and 360 bins.
    assert sum(p.numel() for p in network.parameters()) == 7_361_352


@pytest.mark.parametrize("norm", ["none", "batch", "group"])
def test_a_pair_branch_sees_only_its_two_bands(norm: Literal["none", "batch", "group"]) -> None:
    torch.manual_seed(0)
    layers = ("conv 4 3 relu", "inc 4")
    config = dataclasses.replace(COMPACT, layers=layers, merge_after=2, norm=norm)
    network = multimodal(config, [1.0] * 6, 10).eval()
    image = torch.randn(1, 6, 32, 32)
    changed = image.clone()
    changed[:, 0] += 1  # only in the pair (u, g)
    before, after = (network.activations(x, "inc1").unflatten(1, (5, -1)) for x in (image, changed))
    moved = (before - after).abs().amax((0, 2, 3, 4)) > 0
    assert moved.tolist() == [True, False, False, False, False]


def test_each_branch_starts_as_a_network_of_its_own() -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(COMPACT, norm="none", layers=("conv 32 5 relu",))
    convolution = multimodal(config, [1.0] * 6, 10).body[0][0]
    # Glorot & Bengio (2010) for 2 bands to 32 kernels of 5 x 5 pixels, not for 10 to 160.
    largest = (6 / (25 * (2 + 32))) ** 0.5
    assert 0.99 * largest < convolution.weight.abs().max() <= largest
    assert torch.equal(convolution.bias, torch.full((160,), 0.1))


def test_he_keeps_the_spread_of_what_comes_in() -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(COMPACT, norm="none", init="he", layers=("conv 64 5 relu",))
    convolution = multimodal(config, [1.0] * 6, 10).body[0][0]
    assert not convolution.bias.any()
    torch.testing.assert_close(
        convolution.weight.std(), torch.tensor((2 / 50) ** 0.5), rtol=0.02, atol=0
    )


def test_one_band_alone_works() -> None:
    assert multimodal(COMPACT, [1.0], 10).eval()(torch.zeros(1, 1, 32, 32)).shape == (1, 10)


def test_smooth_averages_the_pixels_that_exist() -> None:
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2)
    expected = torch.tensor([[2.5, 3.0], [3.5, 4.0]]).view(1, 1, 2, 2)
    assert torch.equal(Smooth()(image), expected)
