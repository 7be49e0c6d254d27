"""The paper's figures: the numbers in their tables, and that both libraries draw them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

pytest.importorskip("holoviews")

import holoviews as hv

from hscz import figures
from hscz.config import FiguresConfig, RunConfig
from hscz.errors import ConfigError, InputError
from hscz.evaluate.metrics import residual, sigma_mad
from hscz.figures import Figure
from hscz.figures.maps import Frame
from hscz.figures.palette import COLOURS
from hscz.figures.samples import usable
from hscz.report import figures as page
from hscz.tables.descriptor import load_descriptor
from tests.helpers.toy_survey import FIELDS, N

Survey = dict[str, Any]


def planes() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    both = np.arange(200) >= 100
    galaxies = {
        "field": np.where(both, "DEEP2", "COSMOS_UDF"),
        "is_target": both,
        "mag_i": rng.uniform(20, 25, 200),
        "z_known": np.where(np.arange(200) % 4 == 0, np.nan, rng.uniform(0.1, 3, 200)),
        "z_median": rng.uniform(0.1, 3, 200),
        "layer": "valid1",
        "method": "umap",
    }
    return pd.concat(
        [
            pd.DataFrame(galaxies).assign(recipe=recipe, x=rng.random(200), y=rng.random(200))
            for recipe in ("v0", "v2")
        ],
        ignore_index=True,
    )


DRAWN: dict[str, Callable[[Survey], Figure]] = {
    "fig01": lambda s: figures.fig01(s["stores"]),
    "fig02": lambda s: figures.fig02(s["stores"]),
    "fig03": lambda s: figures.fig03(s["source"]),
    "fig04": lambda s: figures.fig04(s["stores"]),
    "fig07": lambda s: figures.fig07({"u": s["target"]["v0"], "us": s["target"]["v2"]}),
    "fig08": lambda s: figures.fig08(s["target"]),
    "fig11": lambda s: figures.fig11(s["target"]),
    "fig12": lambda s: figures.fig12(s["target"], s["training"]),
    "fig13": lambda s: figures.fig13(s["target"], s["stores"]),
    "fig14": lambda s: figures.fig14(planes()),
    "fig19": lambda s: figures.fig19(s["everywhere"], s["training"]),
    "fig20": lambda s: figures.fig20(s["everywhere"]),
    "fig21": lambda s: figures.fig21(s["stores"]["DEEP2"], s["target"]),
    "fig22": lambda s: figures.fig22({r: s["cubes"][r] for r in ("v0", "v2")}),
    "fig23": lambda s: figures.fig23(s["everywhere"]),
    "fig24": lambda s: figures.fig24(s["everywhere"]),
    "fig25": lambda s: figures.fig25(s["source"]),
    "figA1": lambda s: figures.figA1(
        s["stores"],
        {name: {r: s["cubes"][r][name] for r in ("v0", "v2")} for name in FIELDS},
        ("COSMOS_UDF",),
    ),
    "table1": lambda s: figures.table1(s["stores"]),
}


@pytest.fixture(scope="module")
def drawn(survey: Survey) -> dict[str, Figure]:
    return {name: draw(survey) for name, draw in DRAWN.items()}


ALIKE = ("fig07", "fig11", "fig12")
"""Figures of many panels, like those of figure 8."""


@pytest.mark.parametrize("name", DRAWN)
def test_both_libraries_draw_it(drawn: dict[str, Figure], name: str) -> None:
    figure = drawn[name]
    assert (figure.name, figure.missing) == (name, False)
    assert len(figure.table)
    if name not in ALIKE:
        assert hv.render(figure.plot, backend="bokeh") is not None


@pytest.mark.parametrize("name", ["fig13", "figA1"])
def test_matplotlib_saves_it(drawn: dict[str, Figure], name: str, tmp_path: Path) -> None:
    (png,) = drawn[name].save(tmp_path / name)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert png.stat().st_size > 10_000


def test_one_drawing_makes_all_files(drawn: dict[str, Figure], tmp_path: Path) -> None:
    files = drawn["fig23"].save(tmp_path / "new" / "fig23", ("png", "pdf", "html"))
    assert [file.name for file in files] == ["fig23.png", "fig23.pdf", "fig23.html"]
    assert files[1].read_bytes().startswith(b"%PDF")
    assert "Bokeh" in files[2].read_text(encoding="utf-8")
    with pytest.raises(InputError, match="cannot be saved as 'gif'; use png, pdf, html"):
        drawn["fig23"].save(tmp_path / "other", ("gif",))
    assert not list(tmp_path.glob("other*"))


def test_metrics_are_those_of_the_spectroscopic_sample(
    survey: Survey, drawn: dict[str, Figure]
) -> None:
    table = drawn["fig11"].table
    row = table[(table["model"] == "v2") & (table["by"] == "all")].iloc[0]
    v2 = survey["target"]["v2"]
    known = np.isfinite(v2["z_spec"].values)
    dz = residual(v2["z_median"].values[known], v2["z_spec"].values[known])
    assert row["n"] == known.sum()
    assert row["sigma_mad"] == pytest.approx(sigma_mad(dz))
    assert row["sigma_mad_err"] > 0
    curve = drawn["fig11"].plot[1].Curve.V2
    style = hv.Store.lookup_options("matplotlib", curve, "style").kwargs
    assert style["color"] == COLOURS["v2"]


def test_distributions_are_normalised_and_counted(survey: Survey, drawn: dict[str, Figure]) -> None:
    table = drawn["fig12"].table
    mass = table.groupby(["model", "low"])["density"].sum() * 0.1
    assert np.allclose(mass[table.groupby(["model", "low"])["n"].first() > 0], 1)
    faint = table[(table["low"] == 24) & (table["model"] == "v2")]
    assert faint["n"].iloc[0] == (survey["target"]["v2"]["mag_i"] >= 24).sum()
    titles = [
        hv.Store.lookup_options("matplotlib", panel, "plot").kwargs["title"]
        for panel in drawn["fig12"].plot
    ]
    added = np.isfinite(survey["target"]["v3"]["z_spec"]) & (survey["target"]["v3"]["mag_i"] >= 24)
    assert f"{int(added.sum())} spec. added" in titles[-1]
    assert "spec." not in titles[5]


def test_objects_of_the_training_are_left_out(survey: Survey) -> None:
    learnt = np.arange(N) < 200
    v0 = survey["target"]["v0"].assign(in_training=("object", learnt))
    table = figures.fig09({"v0": v0}).table
    assert table.loc[table["model"] == "v0"].groupby("low")["n"].first().sum() == N - 200


def test_oii_metrics_take_every_candidate_to_be_at_the_line(drawn: dict[str, Figure]) -> None:
    rows = drawn["fig13"].table.groupby("model").first()
    assert rows.loc["v0", "n"] == 40
    assert rows.loc["v2", "sigma_mad"] < rows.loc["v0", "sigma_mad"]
    assert rows.loc["spec", "bias"] == pytest.approx(0, abs=1e-6)


def test_maps_count_every_galaxy(survey: Survey, drawn: dict[str, Figure]) -> None:
    sky = drawn["fig01"].table.query("panel == 'sky'")
    store = survey["stores"]["DEEP2"]
    faint = (store["mag_i"] >= 24) & (store["flags"] == 0)
    assert sky.loc[sky["region"] == "DEEP2", "n"].sum() == faint.sum()
    plane = drawn["fig24"].table.groupby("field")["n"].sum()
    assert plane["XMM_UDF"] == N
    pixels = drawn["fig22"].table
    v2 = survey["cubes"]["v2"]["DEEP2"]
    narrow = (v2["pdf_width"] < 1.5) & (v2["mag_i"] >= 24)
    found = pixels[(pixels["recipe"] == "v2") & (pixels["region"] == "DEEP2")]
    assert found["n"].sum() == narrow.sum()
    mean = np.average(found["mean"], weights=found["n"])
    assert mean == pytest.approx(float(v2["pdf_width"].values[narrow.values].mean()))


def test_region_across_right_ascension_zero_stays_in_one_piece(survey: Survey) -> None:
    store = survey["stores"]["DEEP2"]
    moved = store.assign(ra=(store["ra"] - float(store["ra"].mean())) % 360)
    maps = [figures.fig01({"DEEP2": one}).table.query("panel == 'sky'") for one in (store, moved)]
    assert [len(m) for m in maps] == [len(maps[0])] * 2
    assert np.ptp(maps[1]["x"]) == pytest.approx(np.ptp(maps[0]["x"]), abs=1e-3)


def test_widths_and_labels(survey: Survey, drawn: dict[str, Figure]) -> None:
    wide = drawn["fig20"].table.groupby("field")["wide_fraction"].first()
    assert wide["DEEP2"] == pytest.approx(np.mean(survey["everywhere"]["DEEP2"]["pdf_width"] > 1.5))
    maps = drawn["fig25"].table.groupby("panel")["n"].sum()
    assert maps["spec"] == (survey["source"]["label_source"] == "spec").sum()
    assert drawn["fig03"].table["n"].iloc[0] == maps["spec"]
    surveys = drawn["table1"].table.set_index("survey")["n"]
    assert surveys["DEEP2"] == sum(
        (s["z_spec_survey"] == "DEEP2").sum() for s in survey["stores"].values()
    )


def test_a_catalogue_that_says_little_of_itself_is_listed(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[columns]\nra = "RA"\ndec = "DEC"\nz = "Z"\n')
    mine = load_descriptor(tmp_path / "mine.toml")
    printed = figures.table1({}, [mine, load_descriptor("vvds")]).table
    assert printed["survey"].tolist() == ["mine", "VVDS"]
    assert np.isnan(printed["z_low"][0])


def test_galleries_show_what_they_promise(survey: Survey, drawn: dict[str, Figure]) -> None:
    wide, v2 = drawn["fig21"].table, survey["target"]["v2"]
    assert (wide["pdf_width"] > 1.5).all()
    np.testing.assert_array_equal(wide["z_median"], v2["z_median"].values[wide["object_id"]])
    assert not [name for name in wide if "v1" in name or "v3" in name or "recommended" in name]
    gallery = drawn["figA1"].table
    assert (gallery["pdf_width"] < 1.5).all()
    assert gallery["mag_i"].between(24, 25).all()
    assert set(gallery["field"]) == set(FIELDS)
    assert gallery.loc[gallery["field"] == "COSMOS_UDF", "z_label"].notna().all()
    again = figures.fig21(survey["stores"]["DEEP2"], survey["target"])
    pd.testing.assert_frame_equal(again.table, drawn["fig21"].table)


def test_dots_leave_the_map_visible(survey: Survey) -> None:
    store = survey["stores"]["DEEP2"]
    (dots,) = figures.fig01({"DEEP2": store}).plot.traverse(lambda d: d.dframe(), [hv.Scatter])
    table = usable(store)
    edges = Frame.around(table["ra"], table["dec"]).edges(int((table["mag_i"] >= 24).sum()))
    there = table[table["z_spec"].notna()]
    n, _, _ = np.histogram2d(there["ra"], there["dec"], edges)
    shown, _, _ = np.histogram2d(dots["x"], dots["y"], edges)
    np.testing.assert_array_equal(shown, np.ceil(np.log(1 + n) / np.log(4)))
    assert n.max() > 3


def test_network_is_drawn_from_its_modules() -> None:
    pytest.importorskip("torch")
    from hscz.config.learn import NETWORK_PRESETS
    from hscz.learn.adversary import Adversary
    from hscz.learn.multimodal import multimodal

    bands = ("u", "g", "r", "i", "z", "y")
    network = multimodal(NETWORK_PRESETS["compact"], [1.0] * 6, 360)
    adversary = Adversary(106, 8, (24, 20), (64,), "batch")
    figure = figures.fig10(network, adversary, "inc2", bands)
    table = figure.table
    own = table["part"] == "adversary"
    for module, rows in ((network, table[~own]), (adversary, table[own])):
        assert rows["parameters"].sum() == sum(p.numel() for p in module.parameters())
    assert table.iloc[-1][["layer", "maps"]].tolist() == ["same field?", 2]
    assert network.training
    assert hv.render(figure.plot, backend="bokeh") is not None
    pd.testing.assert_frame_equal(figures.fig06(network, bands).table, table[~own])
    assert figures.fig06(None, bands).missing
    assert figures.fig10(network, None, "", bands).note.startswith("no recipe has an adversary")


def test_planes_are_coloured_by_redshift_and_by_field(drawn: dict[str, Figure]) -> None:
    table, given = drawn["fig14"].table, planes()
    known = ~given["is_target"] & (given["recipe"] == "v0") & given["z_known"].notna()
    bright = table[table["row"] == "i < 22"]
    assert bright["mag_i"].max() < 22
    assert list(bright["panel"].unique()) == ["COSMOS_UDF, v0", "DEEP2, v0", "DEEP2, v2"]
    ours = bright[bright["panel"] == "COSMOS_UDF, v0"]
    assert len(ours) == (known & (given["mag_i"] < 22)).sum()
    np.testing.assert_array_equal(ours["z"], ours["z_known"])
    theirs = table[table["panel"] == "DEEP2, v2"]
    np.testing.assert_array_equal(theirs["z"], theirs["z_median"])
    assert (table[table["row"] == "fields"].groupby("panel").size() == 200).all()


def test_lazy_inputs_give_the_same_table(survey: Survey) -> None:
    lazy: dict[str, xr.Dataset] = {"v2": survey["target"]["v2"].chunk({"object": 100})}
    eager = {"v2": survey["target"]["v2"]}
    pd.testing.assert_frame_equal(figures.fig20(lazy).table, figures.fig20(eager).table)


def test_page_shows_what_is_drawn_and_what_is_missing(tmp_path: Path, survey: Survey) -> None:
    config = RunConfig(name="toy", stores=str(tmp_path), figures=FiguresConfig(("png",), jobs=1))
    names = ("fig02", "fig14", "fig23")
    assert list(page.stale_figures(config, names)) == list(names)
    index = page.make_figures(config, names, progress=False)
    assert index == tmp_path / "figures" / "toy" / "index.html"
    text = index.read_text(encoding="utf-8")
    for name in names:
        assert (index.parent / f"{name}.png").exists()
        assert f'<section id="{name}">' in text
    assert "There is no field store; run hscz ingest." in text
    assert not list(index.parent.glob("*.csv"))
    assert not page.stale_figures(config, names)
    assert list(page.stale_figures(config, names, force=True)) == list(names)
    (index.parent / "fig14.png").unlink()
    assert list(page.stale_figures(config, names)) == ["fig14"]
    with pytest.raises(ConfigError, match="figure 'fig99' is unknown; there are table1, fig01"):
        page.make_figures(config, ("fig99",))
    with pytest.raises(ConfigError, match=r"formats\[0\] is 'gif'; use png, pdf or html"):
        page.make_figures(replace(config, figures=FiguresConfig(("gif",))))
