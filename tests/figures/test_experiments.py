"""Figures of the comparison: what they draw, and the page of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("holoviews")

from hscz.config import EvaluateConfig
from hscz.errors import InputError
from hscz.experiments.compare import Estimates, compare
from hscz.experiments.gains import gap_closed
from hscz.figures import experiments
from hscz.figures.distributions import n_of_z_by_magnitude, oii_histograms
from hscz.figures.palette import COLOURS, colour

SCATTER = {"v0": 0.1, "v2": 0.06, "oracle": 0.04}
SETTINGS = EvaluateConfig(bootstraps=20, mag_edges=(22.0, 23.0, 24.0, 25.0))


@pytest.fixture(scope="module")
def estimates() -> list[Estimates]:
    made = []
    for target, harder in {"DEEP2": 1.0, "ELAIS": 2.0}.items():
        rng = np.random.default_rng(len(target))
        z_true, noise = rng.gamma(4, 0.25, 900).clip(0.05, 4), rng.normal(size=900)
        is_oii = np.arange(900) < 60
        z_true[is_oii] = 1.4657
        truth = {"object_id": range(900), "mag_i": rng.uniform(22, 25, 900), "z_true": z_true}
        table = pd.DataFrame(truth).assign(is_oii_candidate=is_oii)
        for recipe, scatter in SCATTER.items():
            z_median = z_true + harder * scatter * (1 + z_true) * noise
            one = table.assign(z_median=z_median.clip(0.01, 5.9))
            made.append(Estimates(recipe, target, target, 1, one))
    return made


@pytest.fixture(scope="module")
def training(estimates: list[Estimates]) -> dict[int, pd.DataFrame]:
    return {1: estimates[0].table.rename(columns={"z_true": "z_label"})[["z_label", "mag_i"]]}


@pytest.fixture(scope="module")
def table(estimates: list[Estimates], training: dict[int, pd.DataFrame]) -> pd.DataFrame:
    return compare(estimates, training, SETTINGS)


@pytest.fixture(scope="module")
def gaps(estimates: list[Estimates]) -> pd.DataFrame:
    return gap_closed(estimates, SETTINGS)


def limits(layout: Any, axis: str) -> set[tuple[float, float]]:
    return {panel.opts.get("plot").kwargs[axis] for panel in layout}


def test_metrics_are_drawn_in_the_narrow_bins_on_the_same_axes(table: pd.DataFrame) -> None:
    figure = experiments.metrics_by_magnitude(table, "DEEP2")
    layout, drawn = figure.plot, figure.table
    other = experiments.metrics_by_magnitude(table, "ELAIS").plot
    assert set(drawn["target"]) == {"DEEP2"}
    assert sorted(set(zip(drawn["low"], drawn["high"], strict=True))) == [
        (22, 23),
        (23, 24),
        (24, 25),
    ]
    assert limits(layout, "ylim") == limits(other, "ylim")
    curve = layout[0].Curve.V0
    assert curve.opts.get("style").kwargs["color"] == COLOURS["v0"]
    wanted = drawn.loc[drawn["recipe"] == "v0", "sigma_mad"]
    assert curve.dimension_values(1).tolist() == wanted.tolist()


def test_n_of_z_is_normalised_and_shows_truth_and_training(
    estimates: list[Estimates], training: dict[int, pd.DataFrame]
) -> None:
    figure = n_of_z_by_magnitude(estimates, training, "DEEP2")
    layout, drawn = figure.plot, figure.table
    assert set(drawn["model"]) == {"training", "truth", "v0", "v2"}
    assert len(layout) == 6
    mass = drawn.groupby(["low", "model"])["density"].sum() * 0.1
    assert mass[23:].between(0.97, 1 + 1e-9).all()
    n = drawn.groupby("low")["n"].first()
    assert n[24] == training[1]["mag_i"].between(24, 25).sum()
    assert len(limits(layout, "ylim")) == 2


def test_gap_closed_bars_are_as_long_as_the_share(gaps: pd.DataFrame) -> None:
    figure = experiments.gap_closed_bars(gaps, "DEEP2")
    layout, drawn = figure.plot, figure.table
    assert drawn["recipe"].tolist() == ["v2", "v2"]
    bar = layout[0].Rectangles.I
    assert bar.dimension_values(2)[0] == drawn["closed"].iloc[0] == pytest.approx(2 / 3, abs=0.02)
    none = experiments.gap_closed_bars(gaps.assign(closed=np.nan), "DEEP2").plot
    assert none[0].Labels.I.dimension_values("words").tolist() == ["no gap"]
    with pytest.raises(InputError, match="XMM_DEEP: no gap to an oracle at 23 < i < 25"):
        experiments.gap_closed_bars(gaps, "XMM_DEEP")


def test_oii_histograms_mark_the_line_and_count_the_candidates(estimates: list[Estimates]) -> None:
    figure = oii_histograms(estimates, "DEEP2")
    layout, drawn = figure.plot, figure.table
    assert layout[0].Segments.I.dimension_values(0).tolist() == [1.4657]
    v0 = estimates[0].table
    inside = v0["is_oii_candidate"] & v0["z_median"].between(1.1, 1.84)
    assert drawn.loc[drawn["model"] == "v0", "count"].sum() == inside.sum()
    assert "v0 (60)" in layout[0].opts.get("plot").kwargs["title"]
    bare = Estimates("v0", "DEEP2", "DEEP2", 1, v0.assign(is_oii_candidate=False))
    with pytest.raises(InputError, match=r"DEEP2: no \[OII\] candidates"):
        oii_histograms([bare], "DEEP2")
    with pytest.raises(InputError, match="no estimates of v1 for DEEP2"):
        oii_histograms(estimates, "DEEP2", recipes=["v1"])


def test_page_shows_every_figure_it_wrote(
    estimates: list[Estimates],
    training: dict[int, pd.DataFrame],
    table: pd.DataFrame,
    gaps: pd.DataFrame,
    tmp_path: Path,
) -> None:
    found = [
        Estimates(e.recipe, e.target, e.field, 1, e.table.drop(columns="is_oii_candidate"))
        for e in estimates
        if e.target == "DEEP2" and e.recipe != "oracle"
    ]
    page = experiments.comparison_page(found, training, table, gaps.iloc[:0], tmp_path / "new")
    text = page.read_text(encoding="utf-8")
    images = re.findall(r'<img src="([^"]+)"', text)
    assert images == ["figures/DEEP2_0.png", "figures/DEEP2_2.png"]
    for image in images:
        assert (page.parent / image).read_bytes().startswith(b"\x89PNG")
    assert '<a href="#DEEP2">' in text


def test_colours_are_distinct_and_stay() -> None:
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert colour("a recipe of mine") == colour("a recipe of mine")
