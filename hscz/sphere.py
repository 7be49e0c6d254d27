"""Positions on the sky as points of the unit sphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def unit_vectors(ra_deg: ArrayLike, dec_deg: ArrayLike) -> NDArray[np.float64]:
    """Return positions as points on the unit sphere, shape (n, 3).

    Examples
    --------
    >>> unit_vectors([90.0], [0.0]).round(3).tolist()
    [[0.0, 1.0, 0.0]]
    """
    ra, dec = np.radians(np.asarray(ra_deg, float)), np.radians(np.asarray(dec_deg, float))
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def chord_length(separation_arcsec: float) -> float:
    """Return the straight distance between two points of the unit sphere.

    Examples
    --------
    >>> round(chord_length(180 * 3600), 6)
    2.0
    """
    return float(2 * np.sin(np.radians(separation_arcsec / 3600) / 2))
