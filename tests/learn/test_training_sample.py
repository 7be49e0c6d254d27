"""What the epochs of a network are drawn from, in memory and beside the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from hscz.config import RunConfig
from hscz.config.learn import NETWORK_PRESETS, FlattenConfig, TrainConfig
from hscz.learn.adapt import wanted
from hscz.learn.batches import Epochs
from hscz.learn.data import Labelled
from hscz.learn.folder import ModelFolder
from hscz.learn.train import train
from hscz.learn.training_sample import TrainingSample, epoch_seed
from hscz.plan import synthetic

CPU = torch.device("cpu")


def split() -> pd.DataFrame:
    """A spike in the source A, a few galaxies of the target B, some held out or without label."""
    rng = np.random.default_rng(1)
    z = np.r_[rng.gamma(4, 0.2, 3000), rng.normal(0.7, 0.004, 400), rng.gamma(4, 0.2, 20)]
    n = len(z)
    table = {"z_label": z, "mag_i": rng.uniform(21, 24, n).astype(np.float32)}
    table |= dict(zip(("ra", "dec"), rng.uniform(0, 1, (2, n)), strict=True))
    table["field"] = np.repeat(["A", "B"], [n - 20, 20])
    table["part"] = np.where(rng.random(n) < 0.2, "validation", "training")
    return pd.DataFrame(table | {"used": rng.random(n) < 0.9})


@pytest.mark.parametrize("enabled", [True, False])
def test_what_is_noted_gives_the_same_draws(tmp_path: Path, enabled: bool) -> None:
    sample = TrainingSample.of(split(), ("A",), FlattenConfig(enabled=enabled), seed=7)
    sample.noted_in(split()).to_parquet(tmp_path / "split.parquet")
    again = TrainingSample.kept_in(pd.read_parquet(tmp_path / "split.parquet"))
    assert len(again) == len(sample)
    assert (len(sample) < len(sample.objects)) == enabled
    for seed in range(3):
        drawn, redrawn = (one.draw(np.random.default_rng(seed)) for one in (sample, again))
        assert len(drawn) == len(sample)
        np.testing.assert_array_equal(drawn, redrawn)
        pd.testing.assert_frame_equal(
            sample.objects.iloc[drawn], again.objects.iloc[drawn][sample.objects.columns]
        )


def test_galaxies_that_join_from_a_target_field_appear_once(tmp_path: Path) -> None:
    sample = TrainingSample.of(split(), ("A",), FlattenConfig(), seed=7)
    drawn = sample.objects.iloc[sample.draw(np.random.default_rng(1))]
    assert (drawn["part"] == "training").all()
    assert drawn["used"].all()
    joined = drawn[drawn["field"] == "B"]
    assert len(joined) == joined.index.nunique() == (sample.objects["field"] == "B").sum() > 5
    noted = sample.noted_in(split())
    assert noted["weight"].sum() == pytest.approx(len(sample))
    assert (noted.loc[(noted["part"] == "validation") | ~noted["used"], "weight"] == 0).all()
    assert (noted.loc[noted["field"] == "B", "stratum"] == -1).all()


def test_another_network_has_another_sample() -> None:
    one, other = (TrainingSample.of(split(), ("A",), FlattenConfig(), seed=s) for s in (1, 2))
    assert one.flattened is not None
    assert other.flattened is not None
    assert (one.flattened.kept != other.flattened.kept).any()


def test_a_folder_knows_the_galaxies_of_each_epoch(tmp_path: Path) -> None:
    """The table read from disk names the galaxies that the batches held, in their order."""
    network = replace(
        NETWORK_PRESETS["compact"], input_px=16, layers=("conv 4 3 relu",), dense=(4,)
    )
    settings = TrainConfig(
        fields=("A",), bands=("g", "r"), epochs=2, batch_size=16, device="cpu", runs=2
    )
    config = RunConfig(stores=str(tmp_path), network=network, train=settings)
    config.field_store("A").parent.mkdir(parents=True)
    synthetic.field_store(config.field_store("A"), 300, bands=("g", "r"), side_px=16)
    train(config, progress=False)
    for member, path in enumerate(config.models):
        seed = 1000 * settings.seed + member
        own = replace(config, train=replace(settings, seed=seed))
        epochs = Epochs.of(own, Labelled(config, CPU, wanted(config)), None, 0, CPU)
        for number in range(2):
            generator = torch.Generator().manual_seed(epoch_seed(seed, number))
            held = torch.cat(
                [batch.mag_i for batch in epochs(generator) if batch.mag_i is not None]
            )
            told = ModelFolder(path).drawn(number)["mag_i"].to_numpy(np.float32)
            np.testing.assert_array_equal(held.numpy(), told[: len(held)])
            assert 0 <= len(told) - len(held) < 16
