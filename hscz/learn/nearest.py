"""A random one of the galaxies nearest in magnitude."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.errors import ConfigError, InputError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def nearest_partner(
    values: ArrayLike,
    pool: ArrayLike,
    rng: np.random.Generator,
    k: int = 30,
    exclude: IntArray | None = None,
    name: str = "candidate",
) -> IntArray:
    """Return, for each value, a random one of the `k` entries of a pool nearest to it.

    Entries of the same value share their chance: where more of them are tied than still belong
    to the `k` nearest, each is as likely as the others. Of two entries equally far on either
    side, only the lower may belong to the nearest.

    Parameters
    ----------
    values : array_like of float
        Magnitudes, of any shape.
    pool : array_like, shape (m,)
        Magnitudes to choose from, in any order.
    rng : numpy.random.Generator
    k : int
    exclude : ndarray of int, shape of `values`, optional
        An entry of the pool which must not be chosen, for each value: that which it is itself.
    name : str
        What the entries are called in error messages.

    Returns
    -------
    ndarray of int, shape of `values`
        Indices into the pool.

    Raises
    ------
    ConfigError
        If the pool has fewer than `k` entries, the excluded not counted.
    InputError
        If a magnitude is not finite.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> nearest_partner([22.0, 25.0], [24.9, 20.0, 22.1], rng, k=1).tolist()
    [2, 0]
    >>> nearest_partner([24.9], [24.9, 20.0, 22.1], rng, k=1, exclude=np.array([0])).tolist()
    [2]
    """
    wanted, entries = finite(values, "galaxies"), finite(pool, f"{name} galaxies")
    others = len(entries) - (exclude is not None)
    if others < k:
        raise ConfigError(
            f"only {others} {name} galaxies to choose from, fewer than adapt.neighbours = {k}; "
            "lower that or give more galaxies"
        )
    order = np.argsort(entries)
    entries = entries[order]
    own = np.full(wanted.shape, -1) if exclude is None else np.argsort(order)[exclude]
    start = _nearest_window(entries, wanted, k + (exclude is not None))
    chosen = entries[_without(own, start, start + rng.integers(k, size=wanted.shape))]
    # Magnitudes are often rounded: of those tied with the chosen one, any will do.
    first, last = (np.searchsorted(entries, chosen, side) for side in ("left", "right"))
    ties = last - first - ((first <= own) & (own < last))
    return order[_without(own, first, first + rng.integers(ties))]


def _nearest_window(entries: FloatArray, wanted: FloatArray, k: int) -> IntArray:
    """Return where in the sorted entries the `k` nearest to each value start, by bisection."""
    last = len(entries) - k
    middle = np.searchsorted(entries, wanted)
    low, high = np.clip(middle - k, 0, last), np.clip(middle, 0, last)
    for _ in range(k.bit_length()):
        middle = (low + high) // 2
        after = entries[np.minimum(middle + k, len(entries) - 1)]
        nearer = (middle < high) & (after - wanted < wanted - entries[middle])
        low, high = np.where(nearer, middle + 1, low), np.where(nearer, high, middle)
    return low


def _without(own: IntArray, first: IntArray, place: IntArray) -> IntArray:
    """Move places counted from `first` past the galaxy itself, where it stands among them."""
    return place + ((first <= own) & (own <= place))


def finite(mag: ArrayLike, name: str) -> FloatArray:
    """Return magnitudes as floats.

    Raises
    ------
    InputError
        If one of those of the galaxies named so is not finite.
    """
    values = np.asarray(mag, dtype=np.float64)
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise InputError(
            f"{bad} of {values.size} {name} have no finite i magnitude; leave them out"
        )
    return values
