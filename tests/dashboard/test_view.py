from __future__ import annotations

import numpy as np
import pytest

from hscz.dashboard.data import load
from hscz.dashboard.selection import Selection
from tests.helpers.mean_pdfs import assert_exact

pytest.importorskip("panel")


def test_views_follow_a_selection_and_a_click(pair) -> None:
    from hscz.dashboard.view import FieldView

    view = FieldView(load(pair)["F"])
    models = view.galaxies[0].figure.references()
    view.choose(Selection("v0", z=(1.0, 4.0)))
    box = view.galaxies[0].box
    assert (box.left, box.right, box.bottom, box.top) == (*view.field.mag_limits, 1.0, 4.0)
    view.choose(Selection("v0", mag_i=(21.0, 22.0), z=(1.0, 4.0)))
    assert view.galaxies[0].figure.references() == models
    assert view.status.object == f"Mean PDF of all {view.chosen.sum():,} selected objects."
    assert_exact(view.mean_pdf, pair)
    assert view.controls.mag_i.value == (21.0, 22.0)
    assert f"<b>{view.chosen.sum():,}</b> of 400" in view.controls.summary.object
    assert view.galaxies[0].box.left == 21.0
    assert view.skies[1].source.data["count"][0].sum() == view.chosen.sum()
    view.click(5)
    assert str(44223461475791509) in view.row.object
    assert len(view.stamps.source.data["image"]) == 6
    before = view.skies[0].source.data["mean"][0]
    view.show_models(["v2", "v0"])
    assert view.selection.model == "v2"
    assert not np.array_equal(view.skies[0].source.data["mean"][0], before, equal_nan=True)
