"""Settings of network, training and adaptation that would fail or mean nothing are refused."""

from __future__ import annotations

import pytest

from hscz.config import NETWORK_PRESETS, parse
from hscz.errors import ConfigError


def one(section: str, key: str, value: object) -> dict:
    return {section: {key: value}}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (one("train", "optimiser", "sgd"), "train.optimiser is 'sgd'; use adam or adamw"),
        (one("train", "schedule", "cosine"), "train.schedule is 'cosine'; use step, onecycle or"),
        (one("train", "targets", "hard"), "train.targets is 'hard': .*; use one_hot, soft or mix"),
        (one("train", "grid", "log"), "train.grid is 'log'; use uniform or log1pz"),
        (one("train", "label", "z_spec"), "train.label is 'z_spec'; use z_label or z_true"),
        (one("train", "precision", "float16"), "train.precision is 'float16'; use auto, float32"),
        (one("train", "device", "tpu"), "train.device is 'tpu'; use auto, cpu or cuda"),
        (one("train", "learning_rate", -1e-3), "train.learning_rate is -0.001; give more than 0"),
        (one("train", "weight_decay", -1.0), "train.weight_decay is -1.0; give at least 0"),
        (one("train", "z_max", float("inf")), "train.z_max is inf; give a number, from 0.1 to"),
        (one("train", "soft_sigma", float("nan")), "train.soft_sigma is nan; give a number"),
        (
            one("train", "bands", ["g", "g"]),
            r"train.bands is \['g', 'g'\]; name at least one, each",
        ),
        (one("train", "fields", []), r"train.fields is \[\]; name at least one"),
        (one("train", "hidden", [["J"]]), "train.hidden has 'J', not one of train.bands"),
        (one("train", "folds", 9), "train.folds is 9, but so many parts of .* = 0.2 are more"),
        (one("adapt", "adversary", "gan"), "adapt.adversary is 'gan'; use none, inverted, unif"),
        (one("adapt", "ramp", "steep"), "adapt.ramp is 'steep'; use constant, linear or dann"),
        (one("adapt", "statistics", "own"), "adapt.statistics is 'own'; use separate or mixed"),
        (one("adapt", "kernels", [16]), r"adapt.kernels is \[16\]; give a list of 2 whole numbers"),
        (one("adapt", "kernels", [0, 4]), r"adapt.kernels\[0\] is 0; give at least 1"),
        (one("adapt", "dense", [0]), r"adapt.dense\[0\] is 0; give at least 1"),
        (one("adapt", "methods", ["coral"]), r"adapt.methods\[0\] is 'coral': .*unknown; use deg"),
        (
            one("adapt", "methods", ["adversary"]),
            "methods has 'adversary', but adversary is 'none",
        ),
        (one("adapt", "degrade_share", 2), "adapt.degrade_share is 2; give a value from 0 to 1"),
        (
            {"train": {"warmup": 0.1, "schedule": "onecycle"}},
            "warmup is 0.1, but train.schedule is 'onecycle'",
        ),
        (one("train", "warmup", 2), "train.warmup is 2; give a value from 0 to 1"),
        (one("network", "init", "zeros"), "network.init is 'zeros'; use xavier or he"),
        (one("network", "norm", "layer"), "network.norm is 'layer'; use none, batch or group"),
        (one("network", "scaling", "cube"), "network.scaling is 'cube'; use sqrt, log, asinh or"),
        (one("network", "body", "swin"), "network.body is 'swin': .*unknown; use multimodal"),
        (one("network", "dense", [64, 0]), r"network.dense\[1\] is 0; give at least 1"),
        (
            one("network", "layers", []),
            r"network.layers is \[\]; give a list of strings, at least one",
        ),
        (one("flatten", "mag_edges", [20, 19]), r"mag_edges is \[20.0, 19.0\]; give increasing"),
    ],
)
def test_what_means_nothing_is_refused(mapping: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^configuration: .*{message}"):
        parse(mapping)


@pytest.mark.parametrize(
    "layer",
    ["conv 16", "conv 16 5", "conv 0 5 relu", "conv 4 5 gelu", "inc 1", "pool 2", "dense 4"],
)
def test_layers_that_cannot_be_read_are_refused(layer: str) -> None:
    with pytest.raises(ConfigError, match=rf"layers\[1\] is '{layer}'; write 'conv N K ACT"):
        parse({"network": {"layers": ["pool", layer]}})


def test_layers_that_can_be_read_pass() -> None:
    layers = ["conv 4 5 relu 2", "conv 10 3 tanh", "inc 2", "inc 10", "valid 8 3", "pool", "smooth"]
    assert parse({"network": {"layers": layers}}).network.layers == tuple(layers)
    for name, preset in NETWORK_PRESETS.items():
        assert parse({"network": {"size": name}}).network == preset
