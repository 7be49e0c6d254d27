"""Matching of two catalogues on the sky, one to one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from hscz.sphere import chord_length, unit_vectors

_CHUNK = 100_000
"""Positions whose neighbours are looked up at once; this bounds the memory."""


def match_one_to_one(
    ra1: ArrayLike,
    dec1: ArrayLike,
    ra2: ArrayLike,
    dec2: ArrayLike,
    radius_arcsec: float = 1.0,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pair two lists of positions, each entry at most once, nearest pairs first.

    All pairs within the radius are taken in the order of their separation, and a pair is
    kept if neither member has been taken before. The result does not depend on the order of
    the rows; equal separations are decided by position.

    Parameters
    ----------
    ra1, dec1 : array_like, shape (n,)
        First list, degrees, finite.
    ra2, dec2 : array_like, shape (m,)
        Second list.
    radius_arcsec : float
        Largest separation.

    Returns
    -------
    index1, index2 : ndarray of int
        Rows of the pairs, ascending in `index1`.
    separation_arcsec : ndarray

    Examples
    --------
    >>> i, j, separation = match_one_to_one([10.0, 20.0], [0.0, 0.0], [20.0001], [0.0])
    >>> i.tolist(), j.tolist(), float(separation[0].round(2))
    ([1], [0], 0.36)
    """
    points1, points2 = unit_vectors(ra1, dec1), unit_vectors(ra2, dec2)
    index1, index2, chord = _pairs_within(points1, points2, radius_arcsec)
    ties = (*points2[index2].T, *points1[index1].T)
    order = np.lexsort((*ties, chord))
    kept = order[_first_come(index1[order], index2[order])]
    kept = kept[np.argsort(index1[kept])]
    return index1[kept], index2[kept], np.degrees(2 * np.arcsin(chord[kept] / 2)) * 3600


def _pairs_within(
    points1: NDArray[np.float64], points2: NDArray[np.float64], radius_arcsec: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    tree = cKDTree(points2)
    index1, index2 = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, len(points1), _CHUNK):
        near = tree.query_ball_point(points1[start : start + _CHUNK], chord_length(radius_arcsec))
        counts = np.fromiter(map(len, near), np.int64, len(near))
        index1.append(start + np.repeat(np.arange(len(near)), counts))
        index2.append(np.concatenate([np.empty(0, np.int64), *near]).astype(np.int64))
    first, second = np.concatenate(index1), np.concatenate(index2)
    return first, second, np.linalg.norm(points1[first] - points2[second], axis=1)


def _first_come(index1: NDArray[np.int64], index2: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which pairs of a sorted list to keep so that no row is taken twice."""
    kept = []
    open_pairs = np.arange(len(index1))
    while len(open_pairs):
        # A pair that is the first of both its members is sure; everything that touches it goes.
        first1 = _is_first(index1[open_pairs])
        first2 = _is_first(index2[open_pairs])
        sure = open_pairs[first1 & first2]
        kept.append(sure)
        clear = ~np.isin(index1[open_pairs], index1[sure]) & ~np.isin(
            index2[open_pairs], index2[sure]
        )
        open_pairs = open_pairs[clear]
    return np.sort(np.concatenate([np.empty(0, np.int64), *kept]))


def _is_first(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    first = np.zeros(len(values), dtype=bool)
    first[np.unique(values, return_index=True)[1]] = True
    return first
