from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hscz.config.conditions import CONDITIONS
from hscz.mock import defects
from hscz.mock.defects import Defects, Trail
from hscz.sky.mask import mask_value
from tests.helpers.mock_field import observed, plan_with


def test_bright_stars_saturate_bleed_and_are_masked():
    plan = plan_with([150.0], [150.0], mag=15.0)
    image, mask, _ = observed(plan)
    assert np.nanmax(image) <= defects.SATURATION_COUNTS
    assert mask[150, 150] & mask_value("SAT")
    columns = (mask & mask_value("SAT") > 0).sum(axis=0)
    rows = (mask & mask_value("SAT") > 0).sum(axis=1)
    assert columns.max() > 2 * rows.max()
    radius = np.sqrt((mask & mask_value("BRIGHT_OBJECT") > 0).sum() / np.pi)
    assert radius == pytest.approx(float(defects.bright_star_radius_px(15.0)), rel=0.02)


def test_faint_stars_do_not_saturate():
    _, mask, _ = observed(plan_with([150.0], [150.0], mag=18.5))
    assert not (mask & (mask_value("SAT") | mask_value("BRIGHT_OBJECT"))).any()


def test_missing_pixels_are_nan_and_no_data():
    plan = plan_with([150.0], [150.0])
    holed = replace(plan, defects={"i": Defects((), ((40, 60, 10, 15),))})
    image, mask, variance = observed(holed)
    missing = np.zeros(image.shape, bool)
    missing[10:15, 40:60] = True
    np.testing.assert_array_equal(np.isnan(image), missing)
    np.testing.assert_array_equal(np.isnan(variance), missing)
    np.testing.assert_array_equal(mask & mask_value("NO_DATA") > 0, missing)
    inside = holed.defects["i"].missing(np.array([40.0, 59.4, 60.0]), np.array([12.0, 14.4, 12.0]))
    assert inside.tolist() == [True, True, False]


def test_trails_are_bright_and_clipped_along_their_line():
    plan = plan_with([10_000.0], [10_000.0])
    crossed = replace(plan, defects={"i": Defects((Trail(150.0, 100.0, 0.0, 4.0),), ())})
    image, mask, _ = observed(crossed)
    sigma = CONDITIONS["ELAIS"].sky_sigma("i")
    assert image[100].mean() == pytest.approx(4.0 * sigma, rel=0.1)
    assert abs(image[200].mean()) < sigma
    np.testing.assert_array_equal(
        np.flatnonzero((mask & mask_value("CLIPPED") > 0).all(axis=1)), np.arange(93, 108)
    )
