"""The network: sizes, pair branches, layer names, errors."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from hscz.config.learn import NETWORK_PRESETS
from hscz.errors import ConfigError
from hscz.learn.multimodal import Inception, Smooth, multimodal

COMPACT = NETWORK_PRESETS["compact"]


def test_paper_size_is_the_reconstruction() -> None:
    network = multimodal(NETWORK_PRESETS["paper"], [1.0] * 6, 360)
    maps = {name: module for name, module in network.body.named_children()}
    assert isinstance(maps["inc1"], Inception)
    assert maps["inc1"].channels == 522
    features = network.eval().body(network.scaling(torch.zeros(1, 6, 64, 64))).flatten(1)
    assert features.shape[1] == 384
    # 5 branches x (2 -> 96 5x5, 96 -> 96 3x3), then the trunk of Treyer et al. and 360 bins.
    assert sum(p.numel() for p in network.parameters()) == 7_361_352


def test_a_pair_branch_sees_only_its_two_bands() -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(COMPACT, layers=("conv 4 3 relu", "inc 4"), merge_after=2)
    network = multimodal(config, [1.0] * 6, 10).eval()
    image = torch.randn(1, 6, 32, 32)
    changed = image.clone()
    changed[:, 0] += 1  # only in the pair (u, g)
    before, after = (network.activations(x, "inc1").unflatten(1, (5, -1)) for x in (image, changed))
    moved = (before - after).abs().amax((0, 2, 3, 4)) > 0
    assert moved.tolist() == [True, False, False, False, False]


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


def test_one_band_alone_works() -> None:
    assert multimodal(COMPACT, [1.0], 10).eval()(torch.zeros(1, 1, 32, 32)).shape == (1, 10)


def test_smooth_averages_the_pixels_that_exist() -> None:
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2)
    expected = torch.tensor([[2.5, 3.0], [3.5, 4.0]]).view(1, 1, 2, 2)
    assert torch.equal(Smooth()(image), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": ("conv 16",)}, "network layer 'conv 16' cannot be read"),
        ({"layers": ("dense 16",)}, "'dense 16'"),
        ({"scaling": "cube"}, "network.scaling is 'cube'"),
        ({"norm": "layer"}, "network.norm is 'layer'"),
    ],
)
def test_bad_settings_are_named(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        multimodal(dataclasses.replace(COMPACT, **change), [1.0] * 6, 360)


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
