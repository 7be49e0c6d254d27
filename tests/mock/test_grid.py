from __future__ import annotations

from dataclasses import replace

import pytest

from hscz.config.mock import MockSettings
from hscz.mock.grid import FieldGrid
from tests.helpers.mock_field import SMALL


def test_mosaic_bounds_hold_its_corners_also_across_zero_hours():
    grid = FieldGrid.of(MockSettings(fields={"DEEP2": (2, 2)}), "DEEP2")
    at_zero = replace(grid, field=replace(grid.field, ra_deg=0.0))
    (ra_low, ra_high), (dec_low, dec_high) = at_zero.bounds_deg(0)
    assert -0.11 < ra_low < 0.0 < ra_high < 0.11
    ra, dec = at_zero.wcs().all_pix2world([0, 4199], [0, 4199], 0)
    assert dec_low < dec.min() < dec.max() < dec_high
    assert ra_high == pytest.approx(ra[0], abs=1e-4)


def test_each_object_belongs_to_the_patch_it_is_deepest_in():
    grid = FieldGrid.of(SMALL, "ELAIS")
    assert grid.patch_of([0.0, 249.0, 251.0, 499.0], [150.0] * 4).tolist() == [0, 0, 1, 1]
    left, right = grid.patches()
    assert left.holds([249.0, 260.0], 150.0, -50).tolist() == [True, False]
    assert not left.holds(301.0, 10.0).item()
    assert right.x_px == 200
