"""Statistics of the normalisation layers, measured anew on another field."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from hscz.config.learn import NETWORK_PRESETS
from hscz.errors import ConfigError, InputError
from hscz.learn.multimodal import multimodal
from hscz.learn.network import Network
from hscz.learn.normalise import renormalise

CONFIG = dataclasses.replace(
    NETWORK_PRESETS["compact"],
    input_px=16,
    layers=("conv 4 3 relu 2", "inc 8", "pool"),
    merge_after=1,
    dense=(8,),
)


def network(norm: str = "batch") -> Network:
    torch.manual_seed(1)
    return multimodal(dataclasses.replace(CONFIG, norm=norm), [1.0] * 3, 10)


def target_stamps() -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return 3 * torch.randn(96, 3, 16, 16, generator=generator) + 1


def test_statistics_are_those_of_the_whole_pass() -> None:
    module, stamps = network(), target_stamps()
    batches = stamps.split([64, 32])
    maps: dict[nn.Module, list[Tensor]] = {}
    layers = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    for layer in layers:
        layer.register_forward_pre_hook(
            lambda layer, inputs: maps.setdefault(layer, []).append(inputs[0])
        )
    renormalise(module, batches)
    for layer in layers:
        means = torch.stack([x.mean((0, 2, 3)) for x in maps[layer]])
        variances = torch.stack([x.var((0, 2, 3)) for x in maps[layer]])
        weights = torch.tensor([[2 / 3], [1 / 3]])
        torch.testing.assert_close(layer.running_mean, (weights * means).sum(0))
        torch.testing.assert_close(layer.running_var, (weights * variances).sum(0))
    # The maps of the first layer do not depend on the batch, so that it knows the whole field.
    whole = torch.cat(maps[layers[0]])
    torch.testing.assert_close(layers[0].running_mean, whole.mean((0, 2, 3)))
    torch.testing.assert_close(layers[0].running_var, whole.var((0, 2, 3)), rtol=0.01, atol=0)


def test_weights_and_momentum_stay() -> None:
    module = network()
    before = {name: value.clone() for name, value in module.named_parameters()}
    renormalise(module, [target_stamps()])
    assert all(torch.equal(before[name], value) for name, value in module.named_parameters())
    layers = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {layer.momentum for layer in layers} == {nn.BatchNorm2d(1).momentum}
    assert not any(m.training for m in module.modules())


def test_a_second_pass_changes_nothing() -> None:
    module, batches = network(), target_stamps().split(32)
    renormalise(module, batches)
    once = {key: value.clone() for key, value in module.state_dict().items()}
    renormalise(module, batches)
    assert all(torch.equal(once[key], value) for key, value in module.state_dict().items())


def test_another_brightness_of_the_target_is_undone() -> None:
    linear = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    stamps = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    renormalise(linear, [stamps])
    source = linear(stamps)
    renormalise(linear, [1.7 * stamps])
    torch.testing.assert_close(linear(1.7 * stamps), source, rtol=1e-3, atol=1e-4)


def test_a_network_without_such_layers_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"network\.norm = 'batch'"):
        renormalise(network("none"), [target_stamps()])


def test_no_stamps_are_refused() -> None:
    with pytest.raises(InputError, match="no stamps"):
        renormalise(network(), [])
