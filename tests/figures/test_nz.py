from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("holoviews")
import holoviews as hv

from hscz import figures
from hscz.figures import Figure
from tests.helpers.toy_figures import Survey
from tests.helpers.toy_survey import N


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
