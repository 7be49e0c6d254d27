"""Layers of networks looked at through two small fields, one noisier than the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
import zarr

pytest.importorskip("sklearn")

from hscz.cli import main
from hscz.config import RunConfig
from hscz.config.read import load
from hscz.errors import StoreError
from hscz.experiments.insight import (
    MAGNITUDE,
    best_layer,
    draw_samples,
    folder,
    look_key,
    looked_at,
)
from hscz.experiments.layers import activations, draw_sample
from hscz.files.fresh import Key
from hscz.learn.folder import ModelFolder
from hscz.learn.model import Model
from hscz.pdf.grid import RedshiftGrid
from hscz.plan import synthetic
from hscz.schema import Flag
from hscz.stores import open_field, replace_columns

N, TRAINED = 300, 100

CONFIG = """
name = "small"
stores = "out"
[mock]
[mock.fields]
COSMOS_UDF = [1, 1]
DEEP2 = [1, 1]
[network]
size = "compact"
input_px = 16
layers = ["conv 4 5 relu", "pool", "conv 8 3 relu"]
merge_after = 1
dense = [8]
[predict]
device = "cpu"
[embed]
n = 120
method = "pca"
[experiments]
targets = ["DEEP2"]
recipes = ["v0", "v2", "knn"]
"""


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("insight") / "small.toml"
    path.write_text(CONFIG)
    config = load(path)
    for noise, name in ((1.0, "COSMOS_UDF"), (2.0, "DEEP2")):
        _write_store(config.field_store(name), noise)
    for one in looked_at(config)["DEEP2"]:
        torch.manual_seed(1)
        made = one.config.models[0]
        synthetic.model(made, one.config)
        part = np.where(np.arange(N) < TRAINED, "training", "validation")
        source = open_field(config.field_store("COSMOS_UDF"), lazy=False)
        split = {
            "field": "COSMOS_UDF",
            "object_id": np.arange(N),
            "ra": source["ra"].values,
            "dec": source["dec"].values,
            "mag_i": 22.0,
        }
        table = pd.DataFrame(split | {"used": True, "part": part})
        table.to_parquet(made / "split.parquet")
    return path


def _write_store(path: Path, noise: float) -> None:
    """Galaxies whose colour is their redshift, in the noise of a field."""
    synthetic.field_store(path, N, side_px=16)
    rng = np.random.default_rng(int(noise))
    z = rng.uniform(0.1, 2.9, N)
    group = zarr.open_group(path, mode="r+")
    y = np.arange(16) - 7.5
    galaxy = 20 * np.exp(-0.5 * (y[:, None] ** 2 + y**2) / 4)
    colour = np.exp(np.outer(z - 1.5, np.linspace(-0.5, 0.5, 6)))
    stamps = colour[..., None, None] * galaxy + noise * rng.normal(size=(N, 6, 16, 16))
    for key, values in (("image", stamps), ("z_label", z), ("flags", np.arange(N) == N - 1)):
        array = group[key]
        assert isinstance(array, zarr.Array)
        array[:] = values.astype(array.dtype)
    spec = np.where(np.arange(N) % 2, z, np.nan)
    key = Key({"made": "random"})
    replace_columns(path, {"z_spec": xr.Variable("object", spec)}, "labels", key)


@pytest.fixture(scope="module")
def config(config_file: Path) -> RunConfig:
    return load(config_file)


@pytest.fixture(scope="module")
def report(config_file: Path) -> str:
    assert main(["evaluate", str(config_file), "--embed", "--quiet"]) == 0
    return (folder(load(config_file)) / "layers_DEEP2.txt").read_text()


@pytest.fixture(scope="module")
def table(report: str, config: RunConfig) -> pd.DataFrame:
    return pd.read_parquet(folder(config) / "layers_DEEP2.parquet")


@pytest.mark.parametrize("cells", [1, 4, 99])
def test_activations_are_those_of_the_network(config: RunConfig, cells: int) -> None:
    model = Model.load(looked_at(config)["DEEP2"][0].config.models[0])
    store = open_field(config.field_store("DEEP2"), lazy=False)
    rows = np.arange(5, 295)
    seen = activations(model, store, rows, cells)
    images = torch.from_numpy(store["image"].values[rows]).float()
    assert list(seen.vectors) == model.network.layer_names == ["conv1", "pool1", "conv2"]
    for layer, vectors in seen.vectors.items():
        with torch.no_grad():
            maps = model.network.activations(images, layer).numpy()
        side = min(cells, maps.shape[-1])
        step = maps.shape[-1] // side
        means = maps.reshape(*maps.shape[:2], side, step, side, step).mean((3, 5))
        np.testing.assert_allclose(vectors, means.reshape(len(rows), -1), rtol=1e-4, atol=1e-5)
    z = seen.z_median
    assert z.shape == rows.shape
    assert ((z > 0) & (z < 6)).all()


def test_sample_leaves_out_what_was_learnt_from(config: RunConfig) -> None:
    path, learnt = config.field_store("COSMOS_UDF"), np.arange(N) < TRAINED
    sample = draw_sample(path, 120, seed=2, leave_out=learnt)
    assert len(sample.rows) == 120
    assert sample.rows.min() >= TRAINED
    np.testing.assert_array_equal(np.unique(sample.rows), sample.rows)
    assert not np.array_equal(sample.rows, draw_sample(path, 120, 3, learnt).rows)
    every = draw_sample(path, 999, seed=2)
    store = open_field(path, lazy=False)
    assert not (store["flags"].values[every.rows] & int(Flag.UNUSABLE)).any()
    assert len(every.rows) == N - 1
    np.testing.assert_array_equal(every.table["z_known"], store["z_label"].values[every.rows])
    with pytest.raises(StoreError, match="has 9 usable objects outside the training set"):
        draw_sample(path, 120, seed=2, leave_out=np.arange(N) < N - 10)


def test_a_galaxy_may_lack_an_optional_band(config: RunConfig) -> None:
    network = replace(config.network, masks=True)
    model = Model.new(network, tuple("ugrizy"), RedshiftGrid.uniform(), (1.0,) * 6, seed=1)
    model = replace(model, optional=frozenset("u"))
    model.network.eval()
    store = open_field(config.field_store("DEEP2"), lazy=False).load()
    store["image"][3, 0] = np.nan
    seen = activations(model, store, np.arange(5))
    assert all(np.isfinite(vectors).all() for vectors in seen.vectors.values())
    assert np.isfinite(seen.z_median).all()


def test_galaxies_of_an_overlap_are_known_by_their_place(config: RunConfig) -> None:
    plan = looked_at(config)["DEEP2"]
    split = pd.read_parquet(plan[0].config.models[0] / "split.parquet")
    target = open_field(config.field_store("DEEP2"), lazy=False)
    split["object_id"] += 1000
    split.loc[:9, ["ra", "dec"]] = np.stack([target["ra"][50:60], target["dec"][50:60]], axis=-1)
    with pytest.MonkeyPatch.context() as patch:
        training = split[split["part"] == "training"]
        patch.setattr(ModelFolder, "training_part", lambda _: training)
        source, target_sample = draw_samples(plan, replace(config.embed, n=N))
    # The first ten now lie elsewhere, so that the source has them free; the target has not.
    assert set(range(10)) <= set(source.rows.tolist())
    assert not set(range(10, TRAINED)) & set(source.rows.tolist())
    assert not set(range(50, 60)) & set(target_sample.rows.tolist())


def test_every_layer_of_every_recipe_is_scored(table: pd.DataFrame) -> None:
    layers = [MAGNITUDE, "conv1", "pool1", "conv2"]
    for recipe in ("v0", "v2"):
        mine = table[table["recipe"] == recipe]
        assert list(mine["layer"][:4]) == layers
        assert list(mine["space"]) == ["components"] * 4 + ["pca plane"]
    assert (table["n"] == 120).all()
    assert (table["n_z_source"] == 120).all()
    assert table["n_z_target"].between(40, 80).all()
    shares = table[["field_linear", "field_curved"]].to_numpy()
    assert ((shares >= 0) & (shares <= 1)).all()


def test_statistics_of_each_field_hide_it(table: pd.DataFrame) -> None:
    deep = table[(table["layer"] == "conv2") & (table["space"] == "components")]
    v0, v2 = (deep[deep["recipe"] == recipe].iloc[0] for recipe in ("v0", "v2"))
    assert v0["field_linear"] > 0.9
    assert v0["field_linear"] - v2["field_linear"] > 0.05
    assert v0["silhouette_field"] > v2["silhouette_field"] + 3 * v2["silhouette_field_err"]
    alone = table[table["layer"] == MAGNITUDE]
    np.testing.assert_allclose(alone["field_linear"], 0.5, atol=0.13)


def test_maps_know_redshift_where_magnitude_does_not(table: pd.DataFrame) -> None:
    v0 = table[(table["recipe"] == "v0") & (table["space"] == "components")].set_index("layer")
    silhouettes, errors = v0["silhouette_z_source"], v0["silhouette_z_source_err"]
    assert silhouettes["conv2"] > silhouettes[MAGNITUDE] + 3 * errors[MAGNITUDE]


def test_layer_is_chosen_by_the_source(table: pd.DataFrame) -> None:
    chosen = best_layer(table, "v0")
    plane = table[table["space"] == "pca plane"]
    assert set(plane["layer"]) == {chosen}
    rng = np.random.default_rng(1)
    blind = table.assign(silhouette_z_target=rng.random(len(table)), field_linear=0.0)
    assert best_layer(blind, "v0") == chosen
    unlabelled = table.assign(silhouette_z_source=np.nan)
    assert best_layer(unlabelled, "v0") == "conv2"


def test_planes_hold_both_fields(table: pd.DataFrame, config: RunConfig) -> None:
    planes = pd.read_parquet(folder(config) / "layers_DEEP2_planes.parquet")
    assert list(planes["recipe"].unique()) == ["v0", "v2"]
    assert (planes.groupby(["recipe", "field"]).size() == 120).all()
    assert (planes["is_target"] == (planes["field"] == "DEEP2")).all()
    source = planes[~planes["is_target"]]
    assert source["object_id"].min() >= TRAINED
    assert np.isfinite(planes[["x", "y", "z_median"]]).all(axis=None)


def test_text_has_a_block_for_each_score(report: str) -> None:
    assert report.startswith("COSMOS_UDF (not trained on) and DEEP2, 120 galaxies of each")
    assert report.count("conv2, pca plane") + report.count("pool1, pca plane") == 5
    assert "Silhouette by redshift, DEEP2 (z_spec, N = " in report


def test_a_second_run_has_nothing_to_do(
    config_file: Path, report: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(config_file), "--embed", "--dry-run"]
    assert main(command) == 0
    assert "up to date" in capsys.readouterr().out
    assert main([*command, "--set", "embed.cells=2"]) == 0
    assert "would write" in capsys.readouterr().out


def test_bands_that_stand_in_make_it_stale(config: RunConfig, report: str) -> None:
    plan = looked_at(config)["DEEP2"]
    lent = replace(plan[0].config.predict, stand_in={"us": "u"})
    first = replace(plan[0], config=replace(plan[0].config, predict=lent))
    before = look_key(plan, config.embed, config.evaluate)
    after = look_key([first, *plan[1:]], config.embed, config.evaluate)
    assert after.why_stale(before.note()) == "v0.predict.stand_in was {}"
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('embed.layer="inc9"', "embed.layer is 'inc9'; v0 has conv1, pool1, conv2"),
        ('embed.recipes=["v3"]', "embed.recipes has v3, but the networks of this run"),
        ('embed.method="som"', "embed.method is 'som'; use umap, tsne or pca"),
        ("embed.n=3", "embed.n is 3; give a value from 50 to 4000"),
    ],
)
def test_bad_settings_are_named(
    config_file: Path, capsys: pytest.CaptureFixture[str], setting: str, message: str
) -> None:
    command = ["evaluate", str(config_file), "--embed", "--quiet", "--set", setting]
    assert main(command) == 2
    assert message in capsys.readouterr().err


def test_figure_14_draws_the_planes(config_file: Path, table: pd.DataFrame) -> None:
    pytest.importorskip("holoviews")
    from hscz.figures import fig14
    from hscz.report.results import Results

    figure = fig14(Results.of(load(config_file)).planes())
    assert not figure.missing
    assert set(figure.table["panel"]) == {"COSMOS_UDF, v0", "DEEP2, v0", "DEEP2, v2", "v0", "v2"}
