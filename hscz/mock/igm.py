"""Mean absorption by the intergalactic medium, after Inoue et al. (2014, MNRAS 442, 1805).

Their model sums the Lyman alpha forest (LAF) and damped systems (DLA), each in the Lyman series
(coefficients of their Table 2) and in the Lyman continuum (their equations 25 to 29). The
optical depth is continuous where the power of 1+z changes, at z = 1.2 and 4.7 (LAF) and z = 2
(DLA), so the coefficients of the first piece give those of the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

LYMAN_LIMIT_ANGSTROM = 911.8

# Lyman alpha (2 -> 1) to 40 -> 1, from the Rydberg formula.
_SERIES_ANGSTROM = 911.753 / (1.0 - np.arange(2.0, 41.0) ** -2)
# fmt: off
_LAF_SERIES = 1e-5 * np.array([
    1689.76, 469.229, 223.898, 131.901, 87.0656, 61.7843, 46.0924, 35.6887, 28.4278, 23.1771,
    19.2348, 16.2155, 13.8498, 11.9611, 10.4314, 9.17397, 8.12784, 7.25069, 6.50549, 5.86816,
    5.31918, 4.84261, 4.42740, 4.06311, 3.73821, 3.45377, 3.19891, 2.97110, 2.76635, 2.58178,
    2.41479, 2.26347, 2.12567, 1.99967, 1.88476, 1.77928, 1.68222, 1.59286, 1.50996])
_DLA_SERIES = 1e-4 * np.array([
    1.61698, 1.54539, 1.49767, 1.46031, 1.42893, 1.40159, 1.37714, 1.35495, 1.33452, 1.31561,
    1.29785, 1.28117, 1.26540, 1.25041, 1.23614, 1.22248, 1.20938, 1.19681, 1.18469, 1.17298,
    1.16167, 1.15071, 1.14011, 1.12983, 1.11972, 1.11002, 1.10051, 1.09125, 1.08220, 1.07337,
    1.06473, 1.05629, 1.04802, 1.03991, 1.03198, 1.02420, 1.01657, 1.00908, 1.00168])
# fmt: on

# Pieces in 1+z of the absorber: from, to, coefficients and powers of the antiderivative.
_LAF_CONTINUUM = ((1.0, 2.2, -0.3248, -0.9), (2.2, 5.7, 2.545e-2, 1.6), (5.7, 99.0, 5.221e-4, 3.4))
_DLA_CONTINUUM = ((1.0, 3.0, 0.2113, 0.07661, 2.0), (3.0, 99.0, 0.04696, 0.01779, 3.0))

FloatArray = NDArray[np.float64]


def transmission(observed_angstrom: ArrayLike, redshift: ArrayLike) -> FloatArray:
    """Return the mean fraction of light that the intergalactic medium lets through.

    Parameters
    ----------
    observed_angstrom : array-like, shape (n,)
        Observed wavelength, at least 912 Angstrom.
    redshift : array-like, shape (m,)
        Redshift of the source.

    Returns
    -------
    ndarray, shape (m, n)
        Between 0 and 1; exactly 1 redwards of Lyman alpha.

    Examples
    --------
    >>> transmission([3700.0, 5000.0, 7000.0], [0.5, 3.0]).round(2).tolist()
    [[1.0, 1.0, 1.0], [0.7, 1.0, 1.0]]
    """
    observed = np.asarray(observed_angstrom, dtype=np.float64)[None, :]
    source = 1.0 + np.asarray(redshift, dtype=np.float64)[:, None]
    return np.exp(-_series_depth(observed, source) - _continuum_depth(observed, source))


def _series_depth(observed: FloatArray, source: FloatArray) -> FloatArray:
    depth = np.zeros(np.broadcast_shapes(observed.shape, source.shape))
    for line, laf, dla in zip(_SERIES_ANGSTROM, _LAF_SERIES, _DLA_SERIES, strict=True):
        absorber = observed / line
        growth = laf * _forest_growth(absorber) + dla * _damped_growth(absorber)
        depth += np.where(absorber < source, growth, 0.0)
    return depth


def _forest_growth(x: FloatArray) -> FloatArray:
    """Return the forest's optical depth at 1+z = `x` over the first coefficient of the line."""
    middle, late = 2.2**-2.5 * x**3.7, 2.2**-2.5 * 5.7**-1.8 * x**5.5
    return np.where(x < 2.2, x**1.2, np.where(x < 5.7, middle, late))


def _damped_growth(x: FloatArray) -> FloatArray:
    return np.where(x < 3.0, x**2, x**3 / 3.0)


def _continuum_depth(observed: FloatArray, source: FloatArray) -> FloatArray:
    """Integrate over the absorbers between the one that absorbs at its edge and the source."""
    edge = observed / LYMAN_LIMIT_ANGSTROM
    edge_power, edge_damped = edge**2.1, edge**-0.3
    depth = np.zeros(np.broadcast_shapes(observed.shape, source.shape))
    for low, high, norm, power in _LAF_CONTINUUM:
        near, far = np.clip(edge, low, high), np.clip(source, low, high)
        depth += norm * edge_power * (far**power - near**power)
    for low, high, total, saturated, power in _DLA_CONTINUUM:
        near, far = np.clip(edge, low, high), np.clip(source, low, high)
        depth += total * (far**power - near**power)
        depth -= saturated * edge_damped * (far ** (power + 0.3) - near ** (power + 0.3))
    return np.where(edge < source, depth, 0.0)
