from __future__ import annotations

import numpy as np
import pytest

from hscz.dashboard.maps import View, mean_map

pytest.importorskip("panel")


def test_maps_are_means_per_cell() -> None:
    rng = np.random.default_rng(0)
    x, y, value = rng.random((3, 20_000), np.float32)
    value[::7] = np.nan
    # Without a place, or far outside.
    x[1::70], y[2::70], x[3::70], y[4::70] = np.nan, np.inf, -1e30, 1e30
    drawn = mean_map(x, y, value, View((0.2, 0.8), (0.1, 0.9), 100, 80))
    counted = np.isfinite(x) & np.isfinite(y) & np.isfinite(value)
    counts, ex, ey = np.histogram2d(
        x[counted],
        y[counted],
        bins=drawn.count.shape[::-1],
        range=[drawn.x, drawn.y],
    )
    # Points on a border may fall on either side of it.
    assert abs(counts.T - drawn.count).sum() <= 4
    cell = (x >= ex[20]) & (x < ex[21]) & (y >= ey[15]) & (y < ey[16])
    assert drawn.mean[15, 20] == pytest.approx(np.nanmean(value[cell]), rel=1e-5)
