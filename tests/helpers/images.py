"""World coordinates and stars of the images that tests write."""

from __future__ import annotations

import numpy as np
from astropy.wcs import WCS
from numpy.typing import ArrayLike, NDArray

from hscz.survey import PIXEL_SCALE_ARCSEC


def tan_wcs(
    ra: float = 150.0,
    dec: float = 2.0,
    crpix: tuple[float, float] = (0.0, 0.0),
    scale_arcsec: float = PIXEL_SCALE_ARCSEC,
    turn_deg: float = 0.0,
) -> WCS:
    """Return a tangent plane around (ra, dec), which lies at the pixel `crpix` of FITS."""
    wcs, turn = WCS(naxis=2), np.radians(turn_deg)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [ra, dec], crpix
    directions = np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    wcs.wcs.cd = scale_arcsec / 3600 * directions
    return wcs


def stars(
    shape: tuple[int, int], x: ArrayLike, y: ArrayLike, flux: ArrayLike, sigma_px: float
) -> NDArray[np.float64]:
    """Return an image of Gaussian stars at 0-based pixel positions."""
    row, column = np.ogrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for a, b, counts in np.broadcast(x, y, flux):
        radius2 = (column - a) ** 2 + (row - b) ** 2
        image += counts * np.exp(-0.5 * radius2 / sigma_px**2) / (2 * np.pi * sigma_px**2)
    return image
