"""Fields whose redshift distribution at fixed magnitude differs by a known factor.

A tilt t changes the numbers of galaxies to

    n'(z | m) = n(z | m) (1 + z)^t / <(1 + z)^t>_m ,    n'(m) = n(m) ,

where m is the true i magnitude before Galactic extinction and <>_m the mean over n(z | m). What
a galaxy of given redshift and magnitude looks like stays the same, and so does the clustering
at each redshift.

Galaxies are drawn from the luminosity functions times `abundance`, planted structures included;
groups stand where they would without a tilt (`as_untilted`); what the tilt adds at a magnitude
is thinned out again without regard to redshift (`restore_counts`). The draws come from child
streams of the generator, so a field with a tilt of 0 is drawn as if there were no tilts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter1d

FloatArray = NDArray[np.float64]

# Above the mean redshift of any magnitude: at least as many are drawn as are to be kept.
_PIVOT_OF_NEGATIVE = 2.0

_NEIGHBOURS = 501


def abundance(z: ArrayLike, tilt: float) -> FloatArray:
    """Return how many times as many galaxies to draw at a redshift, (1 + z)^tilt times a constant.

    Parameters
    ----------
    z : array-like, shape (n,)
    tilt : float
        Exponent t; positive puts more galaxies at high redshift.

    Returns
    -------
    ndarray, shape (n,)
        With a mean over n(z | m) of at least 1 at every magnitude.

    Examples
    --------
    >>> abundance([0.0, 1.0, 3.0], 0.5).round(2).tolist()
    [1.0, 1.41, 2.0]
    """
    pivot = 0.0 if tilt > 0 else _PIVOT_OF_NEGATIVE
    return ((1.0 + np.asarray(z, dtype=np.float64)) / (1.0 + pivot)) ** tilt


def as_untilted(z: FloatArray, tilt: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose galaxies drawn with `abundance` whose redshifts spread as without a tilt.

    Parameters
    ----------
    z : ndarray, shape (n,)
    tilt : float
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> as_untilted(np.array([0.2, 0.5]), 0.0, np.random.default_rng(1)).tolist()
    [True, True]
    """
    rarity = 1.0 / abundance(z, tilt)
    return rng.spawn(1)[0].random(len(z)) * rarity.max(initial=0.0) < rarity


def restore_counts(
    z: FloatArray, mag_i: FloatArray, tilt: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose galaxies drawn with `abundance` so that n(m) becomes that without a tilt.

    At magnitude m a fraction 1 / <abundance>_m is kept. Over the galaxies as they were drawn,
    that is the mean of 1 / abundance, here over the 501 neighbours in magnitude.

    Parameters
    ----------
    z, mag_i : ndarray, shape (n,)
    tilt : float
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> z, mag_i = np.full(4000, 3.0), np.full(4000, 24.0)
    >>> kept = restore_counts(z, mag_i, 1.0, np.random.default_rng(1))
    >>> float(kept.mean().round(2))
    0.25
    """
    by_mag = np.argsort(mag_i, kind="stable")
    fraction = np.empty(len(z))
    fraction[by_mag] = uniform_filter1d(1.0 / abundance(z[by_mag], tilt), _NEIGHBOURS)
    return rng.spawn(1)[0].random(len(z)) < fraction
