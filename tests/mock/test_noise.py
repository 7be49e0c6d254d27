from __future__ import annotations

import numpy as np
import pytest

from hscz.mock import noise


def test_noise_is_correlated_as_its_kernel_says():
    unit = noise.correlated_noise([5], 0, 0, (600, 600))
    assert unit.std() == pytest.approx(1.0, abs=0.01)
    kernel = noise.KERNEL / np.sqrt((noise.KERNEL**2).sum())
    for lag in (1, 2):
        wanted = (kernel[lag:] * kernel[:-lag]).sum()
        assert (unit[:, lag:] * unit[:, :-lag]).mean() == pytest.approx(wanted, abs=0.01)


def test_noise_differs_between_seeds():
    one, other = (noise.correlated_noise([seed], 0, 0, (64, 64)) for seed in (1, 2))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1


def test_pattern_is_the_same_on_a_grid_and_at_points():
    x, y = np.arange(30.0), np.arange(20.0)
    grid = noise.pattern_on([1], x, y, (50.0, 80.0))
    points = noise.pattern_at([1], *(p.ravel() for p in np.meshgrid(x, y)), (50.0, 80.0))
    np.testing.assert_allclose(grid.ravel(), points, atol=1e-5)
