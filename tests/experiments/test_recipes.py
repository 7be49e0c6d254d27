"""Experiments on a mock survey of two small fields, through the command line."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
import zarr

from hscz.cli import main
from hscz.config import RunConfig
from hscz.config.learn import AdaptConfig
from hscz.config.read import load
from hscz.errors import ConfigError, DivergedError, HsczError, StoreError
from hscz.experiments.campaign import side_by_side, trainings
from hscz.experiments.experiment import Experiment, experiments, seeded
from hscz.experiments.gather import training_sample, training_samples
from hscz.experiments.recipes import RECIPES
from hscz.files.fresh import Key
from hscz.learn import train as train_module
from hscz.learn.adapt import wanted
from hscz.learn.batches import Epochs
from hscz.learn.data import Labelled, Unlabelled
from hscz.learn.model import Model
from hscz.learn.steps import Supervised
from hscz.predict.stage import predict
from hscz.report.comparison import compare_experiments
from hscz.schema import is_usable
from hscz.stores import open_cube, open_field, replace_columns

CONFIG = """
name = "small"
stores = "out"
[mock]
seed = 4
patch_px = 800
overlap_px = 100
[mock.fields]
COSMOS_UDF = [1, 1]
DEEP2 = [1, 1]
[network]
size = "compact"
layers = ["conv 4 5 relu 2", "conv 4 3 relu", "pool", "inc 4", "valid 8 3"]
dense = [8]
[train]
epochs = 2
batch_size = 16
n_bins = 60
optimiser = "adamw"
learning_rate = 1e-2
targets = "soft"
device = "cpu"
[adapt]
kernels = [4, 4]
dense = [8]
neighbours = 10
[predict]
device = "cpu"
[evaluate]
bootstraps = 10
[experiments]
targets = ["DEEP2"]
recipes = ["v0", "v3", "v2", "recommended", "adabn", "oracle", "knn", "mine",
    "v0-both-u", "v0-swapped", "v0-mixture"]
publish = "v2"
[recipes.mine]
base = "v2"
adapt = { weight = 0.3, layer = "inc1" }
"""


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("experiments") / "small.toml"
    path.write_text(CONFIG)
    for verb in ("mock", "ingest", "label"):
        assert main([verb, str(path), "--quiet"]) == 0
    # So small a field has too few stars to measure the seeing by.
    for number, name in enumerate(("COSMOS_UDF", "DEEP2")):
        group = zarr.open_group(load(path).field_store(name), mode="r+")
        fwhm = group["psf_fwhm"]
        assert isinstance(fwhm, zarr.Array)
        fwhm[:] = np.full(fwhm.shape, 0.7 + 0.1 * number, np.float32)
    assert main(["run", str(path), "--quiet"]) == 0
    return path


@pytest.fixture(scope="module")
def config(config_file: Path) -> RunConfig:
    return load(config_file)


@pytest.fixture(scope="module")
def plan(config: RunConfig) -> dict[str, Experiment]:
    return {one.recipe: one for one in experiments(config)}


def copied(config: RunConfig, folder: Path) -> RunConfig:
    """The same configuration on a copy of the field stores, with nothing trained."""
    shutil.copytree(config.root / "fields", folder / "fields")
    return replace(config, stores=str(folder))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return Model.load(folder).network.state_dict()


def test_one_command_makes_the_comparison(config: RunConfig) -> None:
    folder = config.root / "comparisons" / "small"
    table = pd.read_parquet(folder / "comparison.parquet")
    assert set(table["recipe"]) == set(config.experiments.recipes)
    truth = table[(table["test"] == "truth") & (table["by"] == "all")]
    target = truth[truth["field"] == "DEEP2"].set_index("recipe")
    # All recipes are judged on the same galaxies, the oracle on those of them that it held out.
    assert target["n"].drop("oracle").nunique() == 1
    assert 0 < target.loc["oracle", "n"] < 0.5 * target.loc["v0", "n"]
    effort = pd.read_parquet(folder / "effort.parquet").set_index("recipe")
    for recipe, epochs in {"v0": 2, "v2": 2, "oracle": 4}.items():
        one = effort.loc[recipe]
        assert one["steps"] == epochs * (one["labels"] // 16) > 0
    assert effort.loc["v3", "networks"] == 5
    pairs = pd.read_parquet(folder / "pairs.parquet")
    held_out = pairs[(pairs["against"] == "oracle") & (pairs["by"] == "all")]
    assert (held_out["n"] == target.loc["oracle", "n"]).all()
    gaps = pd.read_parquet(folder / "gaps.parquet")
    assert {"v2", "adabn", "knn", "mine"} <= set(gaps["recipe"])
    # So few galaxies are not scored.
    assert len(pd.read_parquet(folder / "scores.parquet")) == 0
    assert "v2" in (folder / "comparison.txt").read_text()
    assert (config.root / "catalogues" / "v2-DEEP2" / "DEEP2.fits").exists()


def test_a_second_run_has_nothing_to_do(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--experiments", str(config_file)]) == 0
    assert "up to date" in capsys.readouterr().out
    assert main(["run", str(config_file), "--dry-run"]) == 0
    assert "would write" not in capsys.readouterr().out


def test_the_training_sample_holds_labels_of_the_source_alone(
    config: RunConfig, plan: dict[str, Experiment], tmp_path: Path
) -> None:
    first = plan["v0"]
    expected = training_sample(first)
    several = [plan[name] for name in ("oracle", "knn", "v3", "v2", "v0")]
    pd.testing.assert_frame_equal(training_samples(several)[first.seed], expected)
    source = open_field(config.field_store("COSMOS_UDF"), lazy=False)["z_label"].values
    assert np.isin(expected["z_label"], source).all()
    # The oracle's own sample would not pass.
    assert not np.isin(training_sample(plan["oracle"])["z_label"], source).all()
    alone = [plan[name] for name in ("oracle", "v3", "knn")]
    assert training_samples(alone) == {}
    assert "no recipe learns from the source alone; add v0" in compare_experiments(
        alone, config.evaluate, tmp_path
    )


def test_the_order_of_recipes_changes_no_test(
    config: RunConfig, plan: dict[str, Experiment], tmp_path: Path
) -> None:
    def compared(*recipes: str) -> pd.DataFrame:
        compare_experiments([plan[name] for name in recipes], config.evaluate, tmp_path)
        table = pd.read_parquet(tmp_path / "comparison.parquet")
        keys = ["recipe", "field", "test", "by", "low"]
        return table.sort_values(keys, ignore_index=True)

    pd.testing.assert_frame_equal(compared("oracle", "v3", "v0"), compared("v0", "v3", "oracle"))


def test_recipes_differ_in_what_they_say(plan: dict[str, Experiment]) -> None:
    v0, v2, v3 = (plan[name].config for name in ("v0", "v2", "v3"))
    assert (v0.train.name, v2.train.name) == ("v0-u", "v2-DEEP2")
    assert v0.adapt.targets == ()
    assert v2.adapt.targets == ("DEEP2",)
    assert v2.train == replace(v0.train, name="v2-DEEP2")
    assert v3.adapt == v2.adapt
    assert (v3.train.spec_fields, v3.train.folds) == (("DEEP2",), 5)
    assert plan["mine"].config.adapt == replace(v2.adapt, weight=0.3, layer="inc1")
    assert plan["adabn"].config.models == v0.models
    assert plan["adabn"].output("DEEP2") != plan["v0"].output("DEEP2")
    assert plan["v0-swapped"].config.predict.stand_in == {"us": "u"}
    assert plan["v0-swapped"].config.train.bands[0] == "us"
    assert len(trainings(list(plan.values()))) == 9


def test_no_label_of_the_target_reaches_the_training(
    config: RunConfig, plan: dict[str, Experiment], tmp_path: Path
) -> None:
    poisoned = copied(config, tmp_path)
    path = poisoned.field_store("DEEP2")
    store = open_field(path, lazy=False)
    names = ("z_label", "z_spec", "z_true", "z_sed", "z_c2020")
    poison = {
        name: xr.Variable("object", np.full(store.sizes["object"], 5.5, np.float32))
        for name in names
        if name in store
    }
    assert "z_true" in poison
    replace_columns(path, poison, "labels", Key({"made": "poisoned"}))
    for recipe in ("recommended", "v2"):
        one = replace(plan[recipe].config, stores=str(tmp_path))
        clean = weights(plan[recipe].config.models[0])
        train_module.train(one, progress=False)
        poisoned_weights = weights(one.models[0])
        assert all(torch.equal(clean[key], poisoned_weights[key]) for key in clean)
    # The same poison in the labels of v3 must change its weights, else this test is blind.
    v3 = replace(plan["v3"].config, stores=str(tmp_path))
    v3 = replace(v3, train=replace(v3.train, folds=1))
    train_module.train(v3, progress=False)
    before = weights(plan["v3"].config.models[0])
    after = weights(v3.models[0])
    assert not all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("unit", ["stamp", "batch"])
def test_stamps_or_batches_are_degraded_in_their_share(
    plan: dict[str, Experiment], unit: str
) -> None:
    one, cpu = plan["recommended"].config, torch.device("cpu")
    source, target = Labelled(one, cpu, wanted(one)), Unlabelled.read(one, cpu, wanted(one))
    noise = {}
    for share in (0.0, 0.5, 1.0):
        adapt = replace(one.adapt, degrade_share=share, degrade_by=unit)
        batches = Epochs.of(replace(one, adapt=adapt), source, target, 0, cpu)
        epochs = [batches(torch.Generator().manual_seed(seed)) for seed in range(3)]
        # Each stamp's own noise, in a corner without an object.
        corners = [batch.stamps[:, :, :4, :4].std((1, 2, 3)) for epoch in epochs for batch in epoch]
        noise[share] = torch.stack(corners)
    # DEEP2 is shallower by more than a magnitude.
    threshold = 0.5 * (noise[0.0].median() + noise[1.0].median())
    degraded = {share: (values > threshold).float().mean(1) for share, values in noise.items()}
    assert degraded[0.0].median() < 0.2
    assert degraded[1.0].median() > 0.8
    assert 0.3 < degraded[0.5].mean() < 0.7
    if unit == "stamp":
        assert degraded[0.5].std() < 0.15
    else:
        assert degraded[0.5].std() > 0.2


def test_each_object_is_predicted_by_networks_that_have_not_learnt_from_it(
    plan: dict[str, Experiment],
) -> None:
    v3 = plan["v3"].config
    assert [folder.name for folder in v3.models] == [f"fold{k}-run0" for k in range(5)]
    splits = [pd.read_parquet(folder / "split.parquet") for folder in v3.models]
    held_out = [set(s.loc[s["part"] == "validation", "object_id"]) for s in splits]
    assert sum(map(len, held_out)) == len(set().union(*held_out)) == len(splits[0])
    spec = splits[0][splits[0]["field"] == "DEEP2"]
    store = open_field(v3.field_store("DEEP2"), lazy=False)
    assert 0 < len(spec) == int(np.isfinite(store["z_spec"].values).sum())
    assert not open_cube(v3.cube("DEEP2"), lazy=False)["in_training"].values.any()
    assert not open_cube(v3.cube("COSMOS_UDF"), lazy=False)["in_training"].values.any()
    oracle = open_cube(plan["oracle"].config.cube("DEEP2"), lazy=False)
    assert 0.6 < oracle["in_training"].values.mean() < 0.95


def test_adabn_changes_the_redshifts_and_not_the_weights(plan: dict[str, Experiment]) -> None:
    v0, adabn = (open_cube(plan[n].output("DEEP2"), lazy=False) for n in ("v0", "adabn"))
    usable = np.isfinite(v0["z_median"].values)
    np.testing.assert_array_equal(usable, np.isfinite(adabn["z_median"].values))
    assert (v0["z_median"].values != adabn["z_median"].values)[usable].mean() > 0.9


def test_one_network_serves_fields_with_u_and_with_u_star(plan: dict[str, Experiment]) -> None:
    one = plan["v0-both-u"].config
    assert one.train.bands[:2] == ("u", "us")
    # DEEP2 has no u*, the source has both; all their usable galaxies get a redshift.
    for name in ("DEEP2", "COSMOS_UDF"):
        cube = open_cube(one.cube(name), lazy=False)
        usable = is_usable(cube["flags"].values)
        assert np.isfinite(cube["z_median"].values[usable]).all()
    model, store = Model.load(one.models[0]), open_field(one.field_store("COSMOS_UDF"))
    both = predict(store, [model])["z_median"].values
    alone = predict(store.sel(band=[b for b in store["band"].values if b != "us"]), [model])
    known = np.isfinite(both)
    assert (both != alone["z_median"].values)[known].mean() > 0.9
    with pytest.raises(StoreError, match="needs band 'g'"):
        predict(store.sel(band=["u", "us", "r", "i", "z", "y"]), [model])


def test_a_diverged_run_is_named_and_left_out(
    config: RunConfig, plan: dict[str, Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replace(copied(config, tmp_path), train=replace(plan["v0"].config.train, runs=3))
    one = replace(one, adapt=AdaptConfig())
    real = Supervised.__call__

    def sometimes_nan(self: Supervised, batch: object, progress: float) -> object:
        losses = real(self, batch, progress)  # type: ignore[arg-type]
        diverges = self.settings.seed % 1000 == 1 and progress > 0.6
        return {"loss": losses["loss"] * float("nan")} if diverges else losses

    monkeypatch.setattr(Supervised, "__call__", sometimes_nan)
    kept = train_module.train(one, progress=False)
    assert [folder.name for folder in kept] == ["run0", "run2"]
    report = train_module.training_report(one)
    assert "run1: left out" in report
    assert "the checkpoint of epoch 1 is kept" in report
    assert not train_module.why_stale_models(one)
    alone = replace(one, train=replace(one.train, runs=2, seed=9))
    monkeypatch.setattr(
        Supervised, "__call__", lambda *a: {"loss": real(*a)["loss"] * float("nan")}
    )
    with pytest.raises(DivergedError, match="2 of 2 runs diverged"):
        train_module.train(alone, progress=False)


def test_two_processes_train_what_one_does(
    config: RunConfig, plan: dict[str, Experiment], tmp_path: Path
) -> None:
    one = replace(plan["v0"].config, stores=str(copied(config, tmp_path).root))
    side_by_side([(train_module.train, (one, False, False, False))], 2, "trainings", False)
    before, after = weights(plan["v0"].config.models[0]), weights(one.models[0])
    assert all(torch.allclose(before[key], after[key], atol=1e-5) for key in before)
    broken = replace(one, stores=str(tmp_path / "nowhere"))
    tasks = [(train_module.train, (broken, False, False, False))] * 2
    with pytest.raises(HsczError, match=r"2 of 2 trainings failed; the first: .*no field store"):
        side_by_side(tasks, 2, "trainings", False)


def test_seeds_repeat_mock_and_training_in_their_own_folders(config: RunConfig) -> None:
    both = replace(config, experiments=replace(config.experiments, seeds=(5, 6)))
    made = list(seeded(both))
    assert [(c.mock.seed, c.train.seed) for c in made if c.mock] == [(5, 5), (6, 6)]
    assert len({c.field_store("DEEP2") for c in made}) == 2
    assert "seed5" in made[0].fields["DEEP2"].images
    with pytest.raises(ConfigError, match="there is no \\[mock\\]"):
        list(seeded(replace(both, mock=None)))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('experiments.targets=["COSMOS_UDF"]', "the source field in train.fields"),
        ('experiments.targets=["EGS"]', "experiments.targets has 'EGS'; the fields are"),
        ('train.fields=["COSMOS"]', "train.fields has 'COSMOS'; the fields are COSMOS_UDF"),
        ("experiments.publish=v22", "experiments.publish is 'v22'; did you mean 'v2'"),
        ('experiments.recipes=["v9"]', "experiments.recipes has 'v9'; there are v0, v1"),
        ('experiments.recipes=["recomended"]', "'recomended'; did you mean 'recommended'"),
        ("recipes.mine.base=v22", r"recipes\.mine\.base is 'v22'; did you mean 'v2'"),
        ('recipes.mine.base="mine"', "recipe 'mine' starts from itself"),
        (
            'network.norm="none"',
            "recipe adabn: predict.renormalise is true, but network.norm",
        ),
        ("recipes.mine.adopt={}", r"\[recipes.mine\] has no key 'adopt'"),
        ("recipes.mine.adapt.wait=1", "recipes.mine.adapt. has no key 'wait'"),
        ('adapt.targets=["COSMOS_UDF"]', "a source field of train.fields"),
        ('adapt.adversary="inverted"', "adapt.targets is empty"),
        ("train.folds=6", "train.folds is 6, but .* train.validation_fraction = 0.2 are more"),
        ('train.label="z_sed"', "use z_label or z_true"),
        ('train.hidden=[["us"]]', "train.hidden has 'us', not one of train.bands"),
        ('train.hidden=[["u","g","r","i","z","y"]]', "train.hidden has a set of all"),
    ],
)
def test_bad_settings_are_named(config_file: Path, setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        experiments(load(config_file, [setting]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adapt": {"neighbours": 5000}}, "fewer than adapt.neighbours"),
        ({"adapt": {"layer": "inc7"}}, "adapt.layer is 'inc7'"),
        ({"train": {"bands": ("us", "g", "r", "i", "z", "y")}}, "needs band 'us'"),
    ],
)
def test_what_does_not_fit_the_target_is_named(
    plan: dict[str, Experiment], tmp_path: Path, change: dict, message: str
) -> None:
    one = plan["v2"].config
    one = replace(one, **{s: replace(getattr(one, s), **c) for s, c in change.items()})
    one = replace(one, train=replace(one.train, name="bad"))
    with pytest.raises(HsczError, match=message):
        train_module.train(one, progress=False)


def test_a_field_without_spectra_cannot_join(
    config: RunConfig, plan: dict[str, Experiment], tmp_path: Path
) -> None:
    bare = copied(config, tmp_path)
    path = bare.field_store("DEEP2")
    n = open_field(path, lazy=False).sizes["object"]
    empty = {"z_spec": xr.Variable("object", np.full(n, np.nan, np.float32))}
    replace_columns(path, empty, "spectra", Key({"made": "none"}))
    with pytest.raises(StoreError, match="DEEP2: no usable object has a spectroscopic redshift"):
        train_module.train(replace(plan["v3"].config, stores=bare.stores), progress=False)


def test_every_recipe_can_be_read(config: RunConfig) -> None:
    every = replace(config.experiments, recipes=tuple(RECIPES))
    plan = experiments(replace(config, experiments=every))
    assert [one.recipe for one in plan] == list(RECIPES)
    assert all(RECIPES[one.recipe].about for one in plan)
