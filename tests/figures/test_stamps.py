from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("holoviews")
from hscz import figures
from hscz.figures import Figure
from tests.helpers.toy_figures import Survey
from tests.helpers.toy_survey import FIELDS


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
