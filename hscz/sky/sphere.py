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


def ra_near(ra_deg: ArrayLike, centre_deg: ArrayLike) -> NDArray[np.float64]:
    """Return right ascensions within 180 degrees of a centre, below 0 or above 360 if need be.

    Examples
    --------
    >>> ra_near([359.5, 0.5], 359.0).tolist()
    [359.5, 360.5]
    """
    centre = np.asarray(centre_deg, float)
    return centre + (np.asarray(ra_deg, float) - centre + 180) % 360 - 180


def chord_length(separation_arcsec: float) -> float:
    """Return the straight distance between two points of the unit sphere.

    Examples
    --------
    >>> round(chord_length(180 * 3600), 6)
    2.0
    """
    return float(2 * np.sin(np.radians(separation_arcsec / 3600) / 2))
