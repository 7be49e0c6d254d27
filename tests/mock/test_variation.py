from __future__ import annotations

import numpy as np
import pytest

from hscz.config.mock import MockSettings
from hscz.mock.grid import FieldGrid
from hscz.mock.variation import Variation

GRID = FieldGrid.of(MockSettings(fields={"ELAIS": (9, 9)}, patch_px=500, overlap_px=100), "ELAIS")


def test_pixels_and_positions_agree_in_every_patch() -> None:
    variation = Variation(GRID, [4], 0.1, 0.05)
    for patch in list(GRID.patches())[3:60:19]:
        pixels = variation.on(patch)
        y, x = np.array([[0, 49, 51, 449, 451, 499], [0, 13, 77, 451, 449, 2]])
        at = variation.at(patch.x_px + x, patch.y_px + y)
        np.testing.assert_allclose(pixels[y, x], at, atol=1e-5)


def test_scatter_is_that_asked_for_smooth_inside_a_tile_and_stepped_between() -> None:
    x = np.arange(1.0, GRID.shape[1])
    steps = Variation(GRID, [5], 0.0, 0.1)
    values = np.concatenate([steps.at(x, np.full(len(x), 200.0 + 400 * row)) for row in range(9)])
    assert values.std() == pytest.approx(0.1, rel=0.3)
    assert len(np.unique(values)) == 81
    smooth = Variation(GRID, [5], 0.1).at(x, x)
    assert np.abs(np.diff(smooth)).max() < 1e-3
    assert 0.02 < smooth.std() < 0.2


def test_nothing_varies_without_scatter() -> None:
    assert not Variation(GRID, [1], 0.0)
    assert not Variation(GRID, [1], 0.0).at(np.arange(3.0), np.arange(3.0)).any()
