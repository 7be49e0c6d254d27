"""Every figure of data that hold less than it wants: it draws what there is, or says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

pytest.importorskip("holoviews")

from hscz import figures
from hscz.config.learn import FlattenConfig
from hscz.figures.figure import Figure
from hscz.figures.overview import redshift_scatter, stamps_and_pdfs
from hscz.learn.flatten import flatten
from hscz.schema import LABEL_COLUMNS
from tests.helpers.toy_survey import SCATTER, cube, field_store

Survey = dict[str, Any]

SOURCE, TARGET = "COSMOS_UDF", "DEEP2"


def none(data: xr.Dataset) -> xr.Dataset:
    return data.isel(object=slice(0))


def one(data: xr.Dataset) -> xr.Dataset:
    return data.isel(object=slice(100, 101))


def without_labels(data: xr.Dataset) -> xr.Dataset:
    return data.drop_vars([name for name in LABEL_COLUMNS if name in data])


def all_nan(data: xr.Dataset) -> xr.Dataset:
    """Return the objects with their places, and nothing measured of them."""
    kept = ("ra", "dec", "z")
    floats = [k for k, v in data.variables.items() if v.dtype.kind == "f" and k not in kept]
    return data.assign({name: data[name] * np.nan for name in floats})


POOR = {f.__name__: f for f in (none, one, without_labels, all_nan)}


@pytest.fixture(scope="module", params=POOR)
def poor(request: pytest.FixtureRequest) -> Survey:
    change = POOR[request.param]
    whole = {name: field_store(name) for name in (SOURCE, TARGET)}
    stores = {name: change(store) for name, store in whole.items()}
    cubes = {
        recipe: {name: change(cube(store, scatter)) for name, store in whole.items()}
        for recipe, scatter in SCATTER.items()
    }
    training = pd.DataFrame({"z_label": [], "mag_i": []}, dtype=float)
    if "z_label" in stores[SOURCE]:
        columns = {name: stores[SOURCE][name].values for name in ("z_label", "mag_i")}
        training = pd.DataFrame(columns).dropna()
    return {"kind": request.param, "stores": stores, "cubes": cubes, "training": training}


def target(survey: Survey) -> dict[str, xr.Dataset]:
    return {recipe: found[TARGET] for recipe, found in survey["cubes"].items()}


def everywhere(survey: Survey) -> dict[str, xr.Dataset]:
    return {TARGET: survey["cubes"]["v2"][TARGET]}


def labelled(survey: Survey) -> dict[str, xr.Dataset]:
    v0, v2 = (survey["cubes"][recipe][SOURCE] for recipe in ("v0", "v2"))
    return {"u": v0, "us": v2}


def flattened(survey: Survey) -> Figure:
    z, mag_i = (survey["training"][name].to_numpy() for name in ("z_label", "mag_i"))
    settings = FlattenConfig()
    rng = np.random.default_rng(1)
    flat = flatten(z, mag_i, 150 + 0.1 * z, 2 + 0.1 * z, settings, rng) if len(z) else None
    return figures.fig05(z, mag_i, flat, settings)


def planes(survey: Survey) -> pd.DataFrame:
    tables = []
    for name, is_target in ((SOURCE, False), (TARGET, True)):
        found = survey["cubes"]["v2"][name]
        columns = {key: found[key].values for key in ("mag_i", "z_median", "ra", "dec")}
        z_known = found["z_true"].values if "z_true" in found else np.nan
        about = {"field": name, "is_target": is_target, "recipe": "v2", "z_known": z_known}
        table = pd.DataFrame(columns).assign(**about, layer="valid1", method="umap")
        tables.append(table.rename(columns={"ra": "x", "dec": "y"}))
    return pd.concat(tables, ignore_index=True)


def gallery(survey: Survey) -> Figure:
    cubes = {
        name: {recipe: survey["cubes"][recipe][name] for recipe in ("v0", "v2")}
        for name in (SOURCE, TARGET)
    }
    return figures.figA1(survey["stores"], cubes, (SOURCE,))


def examples(survey: Survey) -> Figure:
    store = survey["stores"][TARGET]
    rows = range(min(3, store.sizes["object"]))
    return stamps_and_pdfs(store, target(survey)["v0"], rows, "z_spec")


DRAWN: dict[str, Callable[[Survey], Figure]] = {
    "table1": lambda s: figures.table1(s["stores"]),
    "fig01": lambda s: figures.fig01(s["stores"]),
    "fig02": lambda s: figures.fig02(s["stores"]),
    "fig03": lambda s: figures.fig03(s["stores"][SOURCE]),
    "fig04": lambda s: figures.fig04(s["stores"]),
    "fig05": flattened,
    "fig07": lambda s: figures.fig07(labelled(s)),
    "fig08": lambda s: figures.fig08(target(s)),
    "fig09": lambda s: figures.fig09(target(s), s["training"]),
    "fig11": lambda s: figures.fig11(target(s)),
    "fig12": lambda s: figures.fig12(target(s), s["training"]),
    "fig13": lambda s: figures.fig13(target(s), s["stores"]),
    "fig14": lambda s: figures.fig14(planes(s)),
    "fig15": lambda s: figures.fig15(target(s), s["training"], s["stores"]),
    "fig19": lambda s: figures.fig19(everywhere(s), s["training"]),
    "fig20": lambda s: figures.fig20(everywhere(s)),
    "fig21": lambda s: figures.fig21(s["stores"][TARGET], target(s)),
    "fig22": lambda s: figures.fig22({r: s["cubes"][r] for r in ("v0", "v2")}),
    "fig23": lambda s: figures.fig23(everywhere(s)),
    "fig24": lambda s: figures.fig24(everywhere(s)),
    "fig25": lambda s: figures.fig25(s["stores"][SOURCE]),
    "figA1": gallery,
    "redshifts": lambda s: redshift_scatter(target(s)["v0"], "z_spec"),
    "examples": examples,
}


ALIKE = ("table1", "fig07", "fig09", "fig11", "fig12", "fig15")
"""Figures of many panels, each like one of those that are saved."""


@pytest.mark.parametrize("name", DRAWN)
def test_poor_data_are_drawn_or_named(poor: Survey, name: str, tmp_path: Path) -> None:
    figure = DRAWN[name](poor)
    assert figure.name == name
    assert figure.note or not figure.missing
    assert "nan" not in figure.note
    if not figure.missing and name not in ALIKE:
        # What matplotlib cannot draw, such as limits that are NaN, it says when it saves.
        (png,) = figure.save(tmp_path / name, dpi=20)
        assert png.stat().st_size


def test_dust_that_is_not_known_is_named() -> None:
    store = field_store(TARGET)
    bare = store.assign(ebv=store["ebv"] * np.nan)
    figure = figures.fig02({"A": bare})
    assert figure.missing
    assert figure.note.startswith("there is no E(B-V) of A; name its column as ebv under [columns]")
    figure = figures.fig02({"A": bare, TARGET: store})
    assert figure.note == "without A, of which there is no E(B-V)"
    assert set(figure.table["field"]) == {TARGET}


def test_fields_without_an_object_are_noted() -> None:
    store = field_store(TARGET)
    cubes = {TARGET: cube(store, 0.05), "A": cube(store, 0.05).isel(object=slice(0))}
    assert figures.fig01({TARGET: store, "A": none(store)}).note.startswith("without A, of which")
    assert figures.fig04({TARGET: store, "A": none(store)}).note.startswith("without A, of which")
    for draw in (figures.fig20, figures.fig23, figures.fig24):
        assert draw(cubes).note.startswith("without A, of which there is no PDF")
