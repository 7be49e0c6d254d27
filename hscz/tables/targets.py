"""Training targets: redshift labels as probabilities on the redshift grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from hscz.errors import InputError
from hscz.zgrid import RedshiftGrid


def one_hot_target(z_label: ArrayLike, grid: RedshiftGrid) -> NDArray[np.float32]:
    """Return labels as unit mass in their bin (the paper's choice), shape (n, n_bins).

    Raises
    ------
    InputError
        If labels lie outside the grid or are missing; the message counts them.

    Examples
    --------
    >>> one_hot_target([0.7], RedshiftGrid.uniform(4, 2.0)).tolist()
    [[0.0, 1.0, 0.0, 0.0]]
    """
    bins = _bins_inside(z_label, grid)
    target = np.zeros((len(bins), len(grid)), dtype=np.float32)
    target[np.arange(len(bins)), bins] = 1
    return target


def soft_target(
    z_label: ArrayLike, sigma: ArrayLike, grid: RedshiftGrid, sigma_floor: float = 0.015
) -> NDArray[np.float32]:
    """Return labels as a normal distribution integrated over the bins, shape (n, n_bins).

    The width is the label's own, but at least sigma_floor (1 + z). What falls outside the
    grid is shared out over the bins in proportion.

    Parameters
    ----------
    z_label : array_like, shape (n,)
    sigma : array_like, shape (n,) or scalar
        Standard deviation of the label; NaN where unknown.
    grid : RedshiftGrid
    sigma_floor : float

    Raises
    ------
    InputError
        If labels lie outside the grid or are missing; the message counts them.

    Examples
    --------
    >>> soft_target([1.0], [0.25], RedshiftGrid.uniform(4, 2.0)).round(3)
    array([[0.023, 0.477, 0.477, 0.023]], dtype=float32)
    """
    _bins_inside(z_label, grid)
    z = np.asarray(z_label, dtype=np.float64)
    width = np.fmax(sigma_floor * (1 + z), np.asarray(sigma, dtype=np.float64))
    target = np.empty((len(z), len(grid)), dtype=np.float32)
    for start in range(0, len(z), 4096):
        rows = slice(start, start + 4096)
        mass = np.diff(ndtr((grid.edges - z[rows, None]) / width[rows, None]), axis=1)
        target[rows] = mass / mass.sum(axis=1, keepdims=True)
    return target


def _bins_inside(z_label: ArrayLike, grid: RedshiftGrid) -> NDArray[np.int64]:
    bins = grid.index(z_label)
    outside = bins < 0
    if outside.any():
        raise InputError(
            f"{outside.sum()} of {len(bins)} labels are missing or outside the grid "
            f"{grid.edges[0]} to {grid.edges[-1]} (first {np.asarray(z_label)[outside][0]}); "
            "drop these objects or widen the grid"
        )
    return bins
