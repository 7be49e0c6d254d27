from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("holoviews")
import holoviews as hv

from hscz import figures
from hscz.figures import Figure
from hscz.figures.maps import Frame
from hscz.figures.samples import usable
from tests.helpers.toy_figures import Survey
from tests.helpers.toy_survey import N


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
