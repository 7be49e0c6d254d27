"""Cells of the sky, by which samples are resampled whose galaxies are not independent.

Galaxies cluster: one structure moves the n(z) of a field by more than the Poisson noise of its
members. Cells wider than most structures are nearly independent, so a bootstrap draws these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_CELLS = 8
"""Cells are made smaller until a field has so many; the scatter of fewer says little."""

MEAN_OBJECTS = 5
"""Objects that cells hold on average where their area is asked for."""

_SMALLEST_DEG = 0.05 / 60


def sky_cells(ra: ArrayLike, dec: ArrayLike, side_arcmin: float) -> NDArray[np.int64]:
    """Return in which cell of the sky each object lies.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        Degrees.
    side_arcmin : float
        Side of the cells, halved as often as it takes to have `LEAST_CELLS` with objects in them.

    Returns
    -------
    ndarray of int, shape (n,)
        Numbers from 0.

    Examples
    --------
    >>> ra, dec = np.meshgrid(np.arange(150, 150.5, 0.01), np.arange(2, 2.5, 0.01))
    >>> int(sky_cells(ra.ravel(), dec.ravel(), 10.0).max()) + 1
    12
    """
    x, y = np.asarray(ra, np.float64), np.asarray(dec, np.float64)
    side, least = side_arcmin / 60, min(LEAST_CELLS, len(x))
    while True:
        row = np.floor(y / side).astype(np.int64)
        column = np.floor(x * np.cos(np.radians((row + 0.5) * side)) / side).astype(np.int64)
        _, cell = np.unique(np.stack([row, column]), axis=1, return_inverse=True)
        if side < _SMALLEST_DEG or len(np.unique(cell)) >= least:
            return cell.ravel()
        side /= 2


def occupied_deg2(ra: ArrayLike, dec: ArrayLike, side_arcmin: float = 0.5) -> float:
    """Return the area of the cells in which objects lie.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        Degrees.
    side_arcmin : float
        Side of the cells, doubled until they hold `MEAN_OBJECTS` each, lest a cell be empty by
        chance. Cells at the border count whole.

    Returns
    -------
    float
        Square degrees.

    Examples
    --------
    >>> ra, dec = np.meshgrid(np.arange(0.0005, 0.5, 0.002), np.arange(0.0005, 0.5, 0.002))
    >>> round(occupied_deg2(ra.ravel(), dec.ravel()), 2)
    0.25
    """
    x, y = np.asarray(ra, np.float64), np.asarray(dec, np.float64)
    if not len(x):
        return 0.0
    # Cells are counted away from where right ascension begins again.
    x = np.mod(x - x[0] + 180, 360)
    side = side_arcmin / 60
    while True:
        row = np.floor(y / side).astype(np.int64)
        column = np.floor(x * np.cos(np.radians((row + 0.5) * side)) / side).astype(np.int64)
        occupied = np.unique(np.stack([row, column]), axis=1).shape[1]
        if len(x) >= MEAN_OBJECTS * occupied or occupied == 1:
            return float(occupied * side**2)
        side *= 2
