"""A package of somebody else's brings a label treatment, a way to adapt and a network body."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hscz.config import RunConfig
from hscz.config.read import load
from hscz.errors import ConfigError
from hscz.experiments.layers import activations
from hscz.figures.network import layer_table
from hscz.learn.adapt import adaptations, step_of
from hscz.learn.folder import ModelFolder
from hscz.learn.model import Model
from hscz.learn.train import train
from hscz.pdf.grid import RedshiftGrid
from hscz.plan import synthetic
from hscz.predict.stage import predict_field
from hscz.seams import ADAPTATIONS, LABEL_TREATMENTS, NETWORK_BODIES
from hscz.stores import open_cube, open_field
from tests.helpers.package import install

BANDS = ("g", "r", "i")

PACKAGE = """
from collections import OrderedDict

import numpy as np
from torch import nn

from hscz.experiments.layers import activations
from hscz.figures.network import layer_table
from hscz.learn.adapt import Adaptation
from hscz.learn.network import Network, Scaling
from hscz.learn.steps import Supervised
from hscz.learn.targets import LabelTreatment


def fourth_bin(objects, grid, settings):
    masses = np.zeros((len(objects), len(grid)), np.float32)
    masses[:, 3] = 1
    return masses


FOURTH = LabelTreatment(fourth_bin)


def two_layers(config, noise, n_bins):
    scaling = Scaling(config.scaling, noise, config.input_px)
    convolution = nn.Conv2d(scaling.channels, config.options["maps"], 3, stride=2)
    normalised = nn.BatchNorm2d(config.options["maps"])
    body = nn.Sequential(OrderedDict(first=convolution, second=normalised))
    return Network(scaling, body, config.dense, n_bins, norm="batch")


class Matched(Adaptation):
    shows_target = True
    separate_statistics = True

    def step(self, network, total_steps, device):
        step = Matching(network, self.config.train, total_steps, device)
        step.weight = self.config.adapt.options["weight"]
        return step


class Matching(Supervised):
    def losses(self, batch, progress):
        stamps = (batch.stamps, batch.target_stamps)
        maps = [self.network.activations(each, "first") for each in stamps]
        source, target = (each.mean((0, 2, 3)) for each in maps)
        gap = (source - target).square().sum()
        logits = self.network.logits(maps[0], "first")
        loss = nn.functional.cross_entropy(logits, batch.masses)
        return {"loss": loss + self.weight * gap, "gap": gap}
"""

ENTRIES = {
    "hscz.label_treatments:fourth": "others:FOURTH",
    "hscz.network_bodies:two_layers": "others:two_layers",
    "hscz.adaptations:matched": "others:Matched",
}

CONFIG = """
stores = "out"
[fields.A]
images = "{filter}.fits"
catalogue = { file = "A.csv", catalogue = "own.toml" }
bands = ["g", "r", "i"]
[fields.B]
images = "{filter}.fits"
catalogue = { file = "B.csv", catalogue = "own.toml" }
bands = ["g", "r", "i"]
[network]
size = "compact"
body = "two_layers"
input_px = 16
dense = [8]
options = { maps = 5 }
[train]
fields = ["A"]
bands = ["g", "r", "i"]
targets = "fourth"
n_bins = 20
epochs = 4
batch_size = 16
learning_rate = 1e-2
device = "cpu"
[adapt]
targets = ["B"]
methods = ["matched"]
options = { weight = 0.5 }
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """A run that names what the package brings, on two field stores of noise."""
    install(tmp_path / "site", "others", PACKAGE, ENTRIES, monkeypatch)
    (tmp_path / "run.toml").write_text(CONFIG)
    config = load(tmp_path / "run.toml")
    (config.root / "fields").mkdir(parents=True)
    for name in ("A", "B"):
        synthetic.field_store(config.field_store(name), 128, bands=BANDS, side_px=16)
    return config


def test_a_run_is_trained_with_what_another_package_brings(config: RunConfig) -> None:
    (path,) = train(config, progress=False)
    model, folder = Model.load(path), ModelFolder(path)
    assert model.network.layer_names == ["first", "second"]
    assert model.network.body[0].out_channels == 5
    stamps = torch.randn(32, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    model.measure([stamps])
    # The labels are random; the treatment says the fourth bin of every galaxy.
    assert (model.pdf(stamps).argmax(axis=1) == 3).mean() > 0.8
    assert [row["gap"] > 0 for row in folder.epochs()] == [True] * 4
    assert Model.load(path).needs_statistics
    predict_field(config, "B", progress=False)
    cube = open_cube(config.cube("B"), lazy=False)
    assert (cube["pdf"].values.argmax(axis=1) == 3).mean() > 0.8
    seen = activations(model, open_field(config.field_store("B"), lazy=False), np.arange(9))
    assert {name: vectors.shape for name, vectors in seen.vectors.items()} == {
        "first": (9, 5),
        "second": (9, 5),
    }
    assert list(layer_table(model.network)["layer"]) == [
        "first",
        "second",
        "dense1",
        "redshift bins",
    ]


def test_its_settings_reach_it(config: RunConfig) -> None:
    weights = []
    for weight in (0.0, 5.0):
        one = replace(config, adapt=replace(config.adapt, options={"weight": weight}))
        (path,) = train(one, progress=False)
        weights.append(Model.load(path).network.state_dict())
    assert not torch.equal(weights[0]["body.first.weight"], weights[1]["body.first.weight"])


def test_names_of_ours_and_of_others_stand_side_by_side(config: RunConfig) -> None:
    assert LABEL_TREATMENTS.names == ("one_hot", "soft", "mixture", "fourth")
    assert NETWORK_BODIES.names == ("multimodal", "two_layers")
    assert ADAPTATIONS.names == ("degrade", "adversary", "matched")
    for seam in (LABEL_TREATMENTS, NETWORK_BODIES, ADAPTATIONS):
        for name in seam.names:
            assert callable(getattr(seam.load(name), "masses", seam.load(name)))


def test_two_ways_to_train_at_once_are_refused(config: RunConfig) -> None:
    both = replace(config, adapt=replace(config.adapt, adversary="inverted", layer="first"))
    both = replace(both, adapt=replace(both.adapt, kernels=(4, 4), dense=(8,)))
    model = Model.new(config.network, BANDS, RedshiftGrid.uniform(20), (1.0,) * 3, seed=1)
    with pytest.raises(ConfigError, match=r"2 of adversary, matched under \[adapt\] train"):
        step_of(both, adaptations(both), model.network, 1, torch.device("cpu"))


def test_ways_to_adapt_are_in_force_where_there_is_a_target(config: RunConfig) -> None:
    assert [type(one).__name__ for one in adaptations(config)] == ["Matched"]
    alone = replace(config, adapt=replace(config.adapt, targets=(), methods=()))
    assert adaptations(alone) == ()
    with pytest.raises(ConfigError, match=r"adapt\.targets is empty, so there is nothing to adapt"):
        replace(config, adapt=replace(config.adapt, targets=()))
    with pytest.raises(ConfigError, match="adaptation 'magic' is unknown; use degrade, adversary"):
        replace(config.adapt, methods=("magic",))
