"""Cells of the sky, on fields whose area is known."""

from __future__ import annotations

import numpy as np
import pytest

from hscz.evaluate.cells import LEAST_CELLS, sky_cells


def field(side_arcmin: float, dec: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, side_arcmin / 60, (2, n))
    return 30 + x / np.cos(np.radians(dec)), dec + y


@pytest.mark.parametrize("dec", [-4.0, 56.0])
def test_cells_have_the_side_asked_for(dec: float) -> None:
    ra, dec_ = field(60, dec)
    cells = sky_cells(ra, dec_, 10.0)
    assert 36 <= len(np.unique(cells)) <= 49
    for cell in np.unique(cells):
        inside = cells == cell
        width = np.ptp(ra[inside]) * np.cos(np.radians(dec))
        assert max(width, np.ptp(dec_[inside])) <= 10.3 / 60


def test_cells_of_a_small_field_are_smaller_and_few_objects_are_cells_themselves() -> None:
    assert LEAST_CELLS <= len(np.unique(sky_cells(*field(6, -4.0), 10.0))) < 5 * LEAST_CELLS
    ra, dec = field(6, -4.0, 3)
    assert sorted(sky_cells(ra, dec, 10.0)) == [0, 1, 2]
    assert sky_cells([], [], 10.0).tolist() == []
    assert sky_cells([1.0, 1.0], [0.0, 0.0], 10.0).tolist() == [0, 0]
