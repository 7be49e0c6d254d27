from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("holoviews")
from hscz.figures import Figure
from tests.helpers.toy_figures import galaxy_planes


def test_planes_are_coloured_by_redshift_and_by_field(drawn: dict[str, Figure]) -> None:
    table, given = drawn["fig14"].table, galaxy_planes()
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
