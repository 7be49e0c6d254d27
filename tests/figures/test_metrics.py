from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("holoviews")
import holoviews as hv

from hscz import figures
from hscz.evaluate.metrics import residual, sigma_mad
from hscz.figures import Figure
from hscz.figures.palette import COLOURS
from tests.helpers.toy_figures import Survey, words


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


def test_panels_without_enough_galaxies_say_so(survey: Survey) -> None:
    few = {
        recipe: cube.assign(z_spec=cube["z_spec"].where(cube["object_id"] < 12))
        for recipe, cube in survey["target"].items()
    }
    n = int(few["v0"]["z_spec"].notnull().sum())
    assert words(figures.fig11(few).plot) == [f"N = {n}: no bin has the 10 needed"] * 6
    assert words(figures.fig11(survey["target"]).plot) == []
    faint = {"v2": few["v2"].isel(object=few["v2"]["mag_i"].values > 22)}
    assert words(figures.fig12(faint).plot) == ["no galaxy has a redshift"] * 3
