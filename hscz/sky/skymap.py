"""The tracts and patches into which HSC divides the sky.

The sky map ``hsc_rings_v1`` of the HSC pipeline has 120 rings of equal height in declination,
divided into tracts of about equal width in right ascension; two more tracts are the poles. A
tract is a tangent plane around its centre, divided into 9 x 9 patches, x to the west and y to the
north. The corner lists of the data releases give what numbers do not follow from that: the
centre of a tract is its pixel 17999, and patches without their borders have 4000 px.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.survey import PIXEL_SCALE_ARCSEC

N_RINGS = 120
RING_HEIGHT_DEG = 180 / (N_RINGS + 1)
PATCH_PX = 4000
"""Side of a patch without the 100 px on each side by which patches overlap."""

PATCHES = 9
"""Patches along each side of a tract."""

CENTRE_PX = 17999
"""0-based pixel of a tract's centre, along both axes."""

Ints = NDArray[np.int64]


def tract_patch(ra_deg: ArrayLike, dec_deg: ArrayLike) -> tuple[Ints, Ints, Ints]:
    """Return the tract and the patch whose inner parts hold positions on the sky.

    Parameters
    ----------
    ra_deg, dec_deg : array_like of shape (n,)
        ICRS positions.

    Returns
    -------
    tract, patch_x, patch_y : ndarray of int64, shape (n,)

    Examples
    --------
    >>> tract, x, y = tract_patch([150.25], [2.2])
    >>> int(tract[0]), int(x[0]), int(y[0])
    (9813, 4, 4)
    """
    ra, dec = np.broadcast_arrays(np.asarray(ra_deg, float) % 360, np.asarray(dec_deg, float))
    counts = _tracts_of_rings()
    ring = np.floor((dec + 90) / RING_HEIGHT_DEG - 0.5).astype(np.int64)
    inside = (ring >= 0) & (ring < N_RINGS)
    # A pole is a ring of one tract, around a centre whose right ascension does not matter.
    count = np.where(inside, counts[ring.clip(0, N_RINGS - 1)], 1)
    number = np.floor(ra / 360 * count + 0.5).astype(np.int64) % count
    before = np.concatenate([[0, 1], 1 + np.cumsum(counts)])
    tract = before[ring + 1] + number
    centre_ra = np.where(inside, 360 * number / count, 0)
    xi, eta = _tangent_plane(ra, dec, centre_ra, RING_HEIGHT_DEG * (ring + 1) - 90)
    scale = np.radians(PIXEL_SCALE_ARCSEC / 3600)
    x, y = (np.floor(CENTRE_PX + 0.5 + offset / scale) // PATCH_PX for offset in (-xi, eta))
    return tract, *(p.astype(np.int64).clip(0, PATCHES - 1) for p in (x, y))


def _tracts_of_rings() -> Ints:
    """Return how many tracts each ring has: as many as fit around its edge nearest the equator."""
    edges = RING_HEIGHT_DEG * (np.arange(N_RINGS + 1) + 0.5) - 90
    widest = np.minimum(np.abs(edges[:-1]), np.abs(edges[1:]))
    # The small number keeps the ring at the equator, of exactly 242 ring heights, in its place.
    around = 360 * np.cos(np.radians(widest)) / RING_HEIGHT_DEG
    return np.floor(around + 1e-9).astype(np.int64) + 1


def _tangent_plane(
    ra_deg: NDArray, dec_deg: NDArray, centre_ra_deg: NDArray, centre_dec_deg: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the gnomonic coordinates east and north of centres, radian."""
    ra, dec, centre = (np.radians(v) for v in (ra_deg - centre_ra_deg, dec_deg, centre_dec_deg))
    depth = np.sin(centre) * np.sin(dec) + np.cos(centre) * np.cos(dec) * np.cos(ra)
    north = np.cos(centre) * np.sin(dec) - np.sin(centre) * np.cos(dec) * np.cos(ra)
    return np.cos(dec) * np.sin(ra) / depth, north / depth
