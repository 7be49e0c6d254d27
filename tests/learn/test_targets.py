"""Training targets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from hscz.errors import InputError
from hscz.learn.targets import mixture_target, one_hot_target, soft_target
from hscz.pdf.grid import RedshiftGrid

GRID = RedshiftGrid.uniform()


def test_one_hot_targets_fill_the_bin_of_the_label() -> None:
    z = np.array([0.0, 0.0166, 0.0167, 5.999])
    target = one_hot_target(z, GRID)
    assert target.dtype == np.float32
    assert target.shape == (4, 360)
    np.testing.assert_array_equal(target.argmax(axis=1), [0, 0, 1, 359])
    np.testing.assert_array_equal(target.sum(axis=1), 1)


@given(st.floats(0.3, 3.0), st.floats(0.0, 0.1))
def test_soft_targets_are_normals_of_the_labels_width(z: float, sigma: float) -> None:
    target = soft_target([z], [sigma], GRID)[0]
    width = max(0.015 * (1 + z), sigma)
    assert target.sum() == pytest.approx(1, abs=1e-5)
    mean = (target * GRID.centres).sum()
    assert mean == pytest.approx(z, abs=1e-3)
    scatter = np.sqrt((target * (GRID.centres - mean) ** 2).sum())
    assert scatter == pytest.approx(np.hypot(width, (1 / 60) / np.sqrt(12)), rel=0.01)


def test_soft_targets_at_the_border_and_without_sigma() -> None:
    target = soft_target([0.001, 1.0], [0.05, np.nan], GRID)
    np.testing.assert_allclose(target.sum(axis=1), 1, rtol=1e-6)
    inside = np.diff(norm.cdf(GRID.edges, 0.001, 0.05))
    np.testing.assert_allclose(target[0], inside / inside.sum(), atol=1e-6)
    np.testing.assert_array_equal(target[1], soft_target([1.0], 0.0, GRID)[0])


def test_soft_targets_come_in_blocks_without_seams() -> None:
    z = np.linspace(0.1, 5.5, 5000)
    whole = soft_target(z, 0.02, GRID)
    np.testing.assert_array_equal(whole[4000:4200], soft_target(z[4000:4200], 0.02, GRID))


@pytest.mark.parametrize("bad", [-0.1, 6.0, np.nan])
def test_labels_outside_the_grid_are_counted_and_refused(bad: float) -> None:
    message = rf"1 of 3 labels are missing or outside the grid 0.0 to 6.0 \(first {bad}\)"
    with pytest.raises(InputError, match=message):
        one_hot_target([0.5, bad, 1.0], GRID)
    with pytest.raises(InputError, match=message):
        soft_target([0.5, bad, 1.0], [0.1, 0.1, 0.1], GRID)


def test_a_mixture_keeps_every_estimate_possible() -> None:
    four = [[0.5, 0.52, 2.1, 0.5], [1.0, np.nan, np.nan, 9.0]]
    mixed = mixture_target(four, np.nan, GRID)
    single = [soft_target([z], np.nan, GRID)[0] for z in four[0]]
    np.testing.assert_allclose(mixed[0], np.mean(single, axis=0), atol=1e-7)
    # What a method lacks, or puts beyond the grid, leaves the weight to the others.
    np.testing.assert_array_equal(mixed[1], soft_target([1.0], np.nan, GRID)[0])
    with pytest.raises(InputError, match="1 of 2 labels are missing"):
        mixture_target([[0.5], [np.nan]], 0.1, GRID)
