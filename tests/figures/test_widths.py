from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

pytest.importorskip("holoviews")
from hscz import figures
from hscz.figures import Figure
from tests.helpers.toy_figures import Survey


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


def test_lazy_inputs_give_the_same_table(survey: Survey) -> None:
    lazy: dict[str, xr.Dataset] = {"v2": survey["target"]["v2"].chunk({"object": 100})}
    eager = {"v2": survey["target"]["v2"]}
    pd.testing.assert_frame_equal(figures.fig20(lazy).table, figures.fig20(eager).table)
