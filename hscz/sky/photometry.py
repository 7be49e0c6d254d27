"""Aperture photometry of stamps, for checks and baselines."""

from __future__ import annotations

import numpy as np

from hscz.survey import PIXEL_SCALE_ARCSEC

SUBPIXELS = 10
"""Points per pixel side with which the edge of an aperture is drawn."""


def aperture_flux(stamps: np.ndarray, radius_arcsec: float) -> np.ndarray:
    """Sum the counts in a circle around the central pixel, index ``s // 2``, of each stamp.

    Parameters
    ----------
    stamps : ndarray of shape (..., s, s)
        Counts, of any float type; the sum is made in float32.
    radius_arcsec : float

    Returns
    -------
    ndarray of float32, shape (...)
        Counts; with the survey's zero point the magnitude is ``27 - 2.5 log10(flux)``.

    Examples
    --------
    >>> flux = aperture_flux(np.ones((2, 6, 64, 64)), 2.0)
    >>> flux.shape, bool(abs(flux[0, 0] / (np.pi * (2.0 / 0.168) ** 2) - 1) < 1e-3)
    ((2, 6), True)
    """
    weights = aperture_weights(stamps.shape[-1], radius_arcsec / PIXEL_SCALE_ARCSEC)
    return np.tensordot(stamps.astype(np.float32, copy=False), weights, axes=2)


def aperture_weights(side: int, radius_px: float) -> np.ndarray:
    """Return the fraction of each pixel inside a circle, float32 of shape (side, side).

    Examples
    --------
    >>> aperture_weights(3, 0.5).round(2)[1]
    array([0. , 0.8, 0. ], dtype=float32)
    """
    axis = (np.arange(side * SUBPIXELS) + 0.5) / SUBPIXELS - 0.5 - side // 2
    inside = axis[:, None] ** 2 + axis**2 < radius_px**2
    return inside.reshape(side, SUBPIXELS, side, SUBPIXELS).mean(axis=(1, 3), dtype=np.float32)
