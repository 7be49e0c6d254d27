"""Matching of two catalogues on the sky, one to one.

Pairs are found in zones of declination (Gray, Nieto-Santisteban & Szalay 2007,
arXiv:cs/0701171): rows sorted by zone and right ascension are looked up in blocks, so that the
memory beyond the two lists and the pairs themselves does not grow with their length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BLOCK = 100_000
"""Positions whose neighbours are looked up at once; this bounds the memory."""

_ZONE_ARCSEC = 2.0
"""Least height of a zone; lower ones would leave right ascension too few digits of the key."""

_KEY_STRIDE = 1024.0
"""Distance between the keys of two zones, more than any shifted right ascension spans."""

_SLACK_DEG = 1e-6
"""What the search window is widened by; rounding of the keys stays below it."""

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def match_one_to_one(
    ra1: ArrayLike,
    dec1: ArrayLike,
    ra2: ArrayLike,
    dec2: ArrayLike,
    radius_arcsec: float = 1.0,
) -> Pairs:
    """Pair two lists of positions, each entry at most once, nearest pairs first.

    All pairs within the radius are taken in the order of their separation, and a pair is
    kept if neither member has been taken before. An object that stands twice in one list is
    thus matched once, its nearest entry. The result does not depend on the order of the rows:
    equal separations are decided by position, the smaller declination first, and only between
    rows at the very same position does the first one count.

    Parameters
    ----------
    ra1, dec1 : array_like, shape (n,)
        First list, degrees. A position that is not finite matches nothing.
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
    index1, index2, separation = pairs_within(ra1, dec1, ra2, dec2, radius_arcsec)
    alone = _occurs_once(index1) & _occurs_once(index2)
    rivals = np.flatnonzero(~alone)
    one, two = index1[rivals], index2[rivals]
    at = [np.asarray(values)[rows] for values, rows in ((ra1, one), (dec1, one))]
    at += [np.asarray(values)[rows] for values, rows in ((ra2, two), (dec2, two))]
    order = rivals[np.lexsort((two, one, *at, separation[rivals]))]
    alone[order[_first_come(index1[order], index2[order])]] = True
    kept = np.flatnonzero(alone)
    kept = kept[np.argsort(index1[kept])]
    return index1[kept], index2[kept], separation[kept]


def without_repeats(
    ra_deg: ArrayLike, dec_deg: ArrayLike, radius_arcsec: float
) -> NDArray[np.bool_]:
    """Return which rows to keep so that no two lie within the radius, the first rows first.

    Sort the rows by preference before: a row goes where a kept one before it is that near.

    Examples
    --------
    >>> without_repeats([10.0, 10.0001, 10.0002, 20.0], [0.0, 0.0, 0.0, 0.0], 0.5).tolist()
    [True, False, True, True]
    """
    first, second, _ = pairs_within(ra_deg, dec_deg, ra_deg, dec_deg, radius_arcsec)
    earlier = first < second
    first, second = first[earlier], second[earlier]
    kept = np.ones(np.size(ra_deg), dtype=bool)
    while len(first):
        # A row that follows no other is sure to stay; all that follow it go, and free others.
        sure = first[~np.isin(first, second)]
        gone = second[np.isin(first, sure)]
        kept[gone] = False
        open_pairs = ~np.isin(first, np.r_[sure, gone]) & ~np.isin(second, gone)
        first, second = first[open_pairs], second[open_pairs]
    return kept


def pairs_within(
    ra1: ArrayLike, dec1: ArrayLike, ra2: ArrayLike, dec2: ArrayLike, radius_arcsec: float
) -> Pairs:
    """Return all pairs of two lists of positions within a radius, in no particular order.

    Parameters
    ----------
    ra1, dec1, ra2, dec2 : array_like, shape (n,) and (m,)
        Degrees; a position that is not finite has no pair.
    radius_arcsec : float

    Returns
    -------
    index1, index2 : ndarray of int
    separation_arcsec : ndarray

    Examples
    --------
    >>> i, j, _ = pairs_within([10.0, 359.9999], [0.0, 0.0], [0.0, 10.0, 10.0], [0.0, 0.0, 0.0], 1)
    >>> sorted(zip(i.tolist(), j.tolist()))
    [(0, 1), (0, 2), (1, 0)]
    """
    one, two = _degrees(ra1, dec1), _degrees(ra2, dec2)
    if len(one[0]) > len(two[0]):
        index2, index1, separation = pairs_within(*two, *one, radius_arcsec)
        return index1, index2, separation
    height_deg = max(radius_arcsec, _ZONE_ARCSEC) / 3600
    key = _KEY_STRIDE * np.floor(two[1] / height_deg) + two[0]
    order = np.argsort(key)
    key = key[order]
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for start in range(0, len(one[0]), _BLOCK):
        ra, dec = one[0][start : start + _BLOCK], one[1][start : start + _BLOCK]
        rows, candidates = _candidates(ra, dec, key, height_deg, radius_arcsec / 3600)
        others = order[candidates]
        separation = _separation_arcsec(ra[rows], dec[rows], two[0][others], two[1][others])
        near = separation <= radius_arcsec
        found.append((start + rows[near], others[near], separation[near]))
    index1, index2, separation = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return index1, index2, separation


def _degrees(ra: ArrayLike, dec: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return positions with right ascension from 0 to 360."""
    return np.mod(np.asarray(ra, np.float64), 360), np.asarray(dec, np.float64)


def _candidates(
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
    key: NDArray[np.float64],
    height_deg: float,
    radius_deg: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows of a block, each with an entry of the sorted keys that may be near it."""
    # Half the width of a circle in right ascension; a circle over a pole holds all of it.
    off_pole = np.maximum(90 - np.abs(dec), radius_deg)
    sine = np.sin(np.radians(radius_deg)) / np.sin(np.radians(off_pole))
    half = np.degrees(np.arcsin(np.minimum(sine, 1))) + _SLACK_DEG
    ra, half = np.where(sine < 1, [ra, half], 180.0)
    by_key = np.argsort(_KEY_STRIDE * np.floor(dec / height_deg) + ra)
    rows, candidates = [], []
    for shift in (0.0, -360.0, 360.0):
        inside = (ra + half + shift > 0) & (ra - half + shift < 360)
        part = by_key[inside[by_key]]
        for zone in (-1, 0, 1):
            centre = _KEY_STRIDE * (np.floor(dec[part] / height_deg) + zone) + ra[part] + shift
            first = np.searchsorted(key, centre - half[part], "left")
            count = np.searchsorted(key, centre + half[part], "right") - first
            offset = np.repeat(np.cumsum(count) - count, count)
            rows.append(np.repeat(part, count))
            candidates.append(np.repeat(first, count) + np.arange(len(offset)) - offset)
    return np.concatenate(rows), np.concatenate(candidates)


def _separation_arcsec(
    ra1: NDArray[np.float64],
    dec1: NDArray[np.float64],
    ra2: NDArray[np.float64],
    dec2: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return separations by the haversine formula, which keeps its digits at small angles."""
    ra1, dec1, ra2, dec2 = (np.radians(angle) for angle in (ra1, dec1, ra2, dec2))
    across = np.cos(dec1) * np.cos(dec2) * np.sin((ra2 - ra1) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(np.sin((dec2 - dec1) / 2) ** 2 + across))) * 3600


def _occurs_once(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (np.bincount(values) == 1)[values]


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
