"""What every network does with stamps: crop, scale, mask; names of its layers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from hscz.config.learn import NETWORK_PRESETS
from hscz.errors import ConfigError
from hscz.learn.multimodal import multimodal

COMPACT = NETWORK_PRESETS["compact"]


def test_only_the_central_pixels_count() -> None:
    network = multimodal(COMPACT, [1.0] * 3, 10).eval()
    image = torch.randn(1, 3, 64, 64)
    noisy_rim = image.clone()
    noisy_rim[..., :16, :] += 100
    assert torch.equal(network(image), network(noisy_rim))


def test_noise_scales_each_band() -> None:
    torch.manual_seed(0)
    network = multimodal(COMPACT, [1.0, 2.0, 4.0], 10).eval()
    torch.manual_seed(0)
    unit = multimodal(COMPACT, [1.0, 1.0, 1.0], 10).eval()
    image = torch.randn(2, 3, 32, 32)
    scale = torch.tensor([1.0, 2.0, 4.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(network(image * scale), unit(image))


def galaxies(n: int, side_px: int) -> torch.Tensor:
    """Round galaxies of different sizes, fluxes and colours in noise of 1."""
    random = torch.Generator().manual_seed(1)
    flux = 10 ** (2 * torch.rand(n, 6, 1, 1, generator=random))
    width_px = 2 + 2 * torch.rand(n, 1, 1, 1, generator=random)
    along = torch.arange(side_px) - (side_px - 1) / 2
    light = flux * torch.exp(-(along[:, None] ** 2 + along**2) / (2 * width_px**2))
    return light + torch.randn(n, 6, side_px, side_px, generator=random)


def weakest(**settings: Any) -> float:
    """The least scatter between galaxies in any layer of the paper's network over the largest."""
    config = dataclasses.replace(NETWORK_PRESETS["paper"], input_px=56, **settings)
    torch.manual_seed(1)
    *layers, _ = multimodal(config, [1.0] * 6, 10).scatter(galaxies(3, 56)).values()
    return min(layers) / max(layers)


def test_differences_between_galaxies_reach_the_head_of_the_papers_network() -> None:
    assert weakest() > 1 / 3
    assert weakest(norm="none") < 1 / 8


def test_scatter_leaves_a_network_as_it_is() -> None:
    network = multimodal(COMPACT, [1.0] * 6, 10).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    same = network.scatter(galaxies(1, 32).expand(4, -1, -1, -1))
    assert set(same) == {*network.layer_names, "logits"}
    assert max(same.values()) < 1e-4
    assert not network.training
    for key, value in network.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(value, before[key])


def test_unknown_layer_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="conv1, conv2, pool1, inc1"):
        multimodal(COMPACT, [1.0] * 6, 10).activations(torch.zeros(1, 6, 32, 32), "inc9")


def test_stamps_smaller_than_the_input_are_refused() -> None:
    with pytest.raises(ConfigError, match="smaller than 32"):
        multimodal(COMPACT, [1.0] * 6, 10)(torch.zeros(1, 6, 16, 16))


def test_a_missing_band_is_told_from_a_dark_one() -> None:
    config = dataclasses.replace(COMPACT, masks=True)
    network = multimodal(config, [1.0] * 3, 10).eval()
    image = torch.randn(2, 3, 32, 32)
    dark, missing, damaged = image.clone(), image.clone(), image.clone()
    dark[:, 1], missing[:, 1], damaged[:, 1, 3, 3] = 0, torch.nan, torch.nan
    logits = [network(x) for x in (image, dark, missing)]
    assert all(torch.isfinite(x).all() for x in logits)
    assert not torch.allclose(logits[1], logits[2], atol=1e-4)
    # A plane with a hole is no missing band, and must not pass for one.
    assert torch.isnan(network(damaged)).all()
