"""Galaxies for the adversary, matched in i magnitude within and across fields.

The paper's adversary is shown two galaxies and says whether they come from the same field: half
of the pairs are a source with a target galaxy, a quarter two source and a quarter two target
galaxies (section 5.1). The paper matches the two of a cross pair in magnitude and is silent about
the others. Were those drawn at random, the difference in magnitude alone would distinguish the
kinds of pairs, and the adversary would have nothing to learn from the conditions of the fields.
Here the two galaxies of every pair, cross or not, are neighbours in magnitude.

However they are paired, the source galaxies of an epoch are those of its draw, each once: pairing
must not undo the flattening of their n(z).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.config.learn import AdaptConfig
from hscz.errors import ConfigError, InputError
from hscz.learn.nearest import finite, nearest_partner

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """The galaxies and pairs of one epoch, step by step, for batches of B, of which m are judged.

    Attributes
    ----------
    source : ndarray of int, shape (steps, B)
        Source galaxies: m/2 of the cross pairs, then the first and the second m/4 of the
        source-source pairs, then those that are in no pair.
    target : ndarray of int, shape (steps, m)
        Target galaxies: m/2 of the cross pairs, then the first and the second m/4 of the
        target-target pairs.
    swap : ndarray of bool, shape (steps, m)
        Whether the second galaxy of a pair stands left. Pairs are ordered cross (m/2),
        source-source (m/4), target-target (m/4).
    valid : ndarray of bool, shape (steps, m)
        Whether a pair is matched well enough to be shown to the adversary.
    """

    source: IntArray
    target: IntArray
    swap: NDArray[np.bool_]
    valid: NDArray[np.bool_]

    def report(self) -> dict[str, float]:
        """Return how the epoch uses the target.

        Returns
        -------
        dict of str to float
            ``distinct_targets``, ``target_reuse_mean`` and ``target_reuse_max`` (how often
            each of them is used) and ``pairs_beyond_gap``, the fraction of pairs left out.
        """
        uses = np.bincount(self.target.ravel())
        used = uses[uses > 0]
        return {
            "distinct_targets": len(used),
            "target_reuse_mean": float(used.mean()),
            "target_reuse_max": int(used.max()),
            "pairs_beyond_gap": float(1 - self.valid.mean()),
        }


def draw_pairs(
    order: IntArray,
    mag_source: ArrayLike,
    mag_target: ArrayLike,
    batch_size: int,
    rng: np.random.Generator,
    settings: AdaptConfig,
    target_domain: NDArray[np.integer] | None = None,
) -> Pairs:
    """Draw the pairs of one epoch.

    The source galaxies are those of `order`, each once. Where two of them make a pair, they are
    neighbours in magnitude: those that are to be paired are cut, in the order of magnitude, into
    groups, and each group is paired at random. A random one of the targets nearest to a source
    galaxy in magnitude is its match: the partner in a cross pair, and the first galaxy of a
    target-target pair, whose second is a random one of those nearest to the first. All kinds of
    pairs thus follow the source's distribution of magnitudes.

    Parameters
    ----------
    order : ndarray of int, shape (n,)
        The epoch's sequence of source galaxies, in random order; it may repeat some.
    mag_source, mag_target : array_like
        i magnitudes of all source and of all target galaxies.
    batch_size : int
        Source galaxies of one step, B.
    rng : numpy.random.Generator
    settings : AdaptConfig
        ``judged_share`` of B, to a multiple of 4, are in pairs; ``neighbours`` and ``max_gap_mag``.
        A pair is valid where the two galaxies, and the draw and its match, lie within that gap.
        The second holds for pairs within one domain too: else all pairs fainter than the target
        reaches would be of the same field.
    target_domain : ndarray of int, shape of `mag_target`, optional
        Number of the field of each target galaxy, where there are several. Both galaxies of
        a target-target pair come from one field.

    Returns
    -------
    Pairs
        n // B steps; the draws that are left over make no pair.

    Raises
    ------
    ConfigError
        If `batch_size` is not a multiple of 4 or exceeds n, or there are too few galaxies
        for ``adapt.neighbours``.
    InputError
        If a magnitude is not finite.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> mag_source, mag_target = rng.uniform(23, 25, 2000), rng.uniform(23, 25, 2000)
    >>> pairs = draw_pairs(rng.permutation(2000), mag_source, mag_target, 64, rng, AdaptConfig())
    >>> pairs.source.shape, pairs.target.shape, bool(pairs.valid.mean() > 0.99)
    ((31, 64), (31, 64), True)
    >>> gap = mag_source[pairs.source[:, :32]] - mag_target[pairs.target[:, :32]]
    >>> bool(np.abs(gap).max() < 0.1)
    True
    """
    bright, faint = np.asarray(mag_source, np.float64), np.asarray(mag_target, np.float64)
    drawn, m = _steps(order, batch_size), judged(batch_size, settings, multiple_of=4)
    half, quarter, k = m // 2, m // 4, settings.neighbours
    two = _paired(drawn[:, half:m].ravel(), finite(bright, "source galaxies"), rng, k)
    first_s, second_s = two.reshape(2, -1, quarter)
    drawn[:, half:m] = np.hstack([first_s, second_s])
    match, gap = _matched(bright[drawn[:, :m]], faint, rng, settings)
    first_t = match[:, -quarter:]
    field = np.zeros(len(faint), np.int64) if target_domain is None else target_domain
    second_t = _partners_within(first_t, faint, field, rng, k)
    own = np.where(first_s == second_s, np.inf, np.abs(bright[first_s] - bright[second_s]))
    gaps = np.hstack([own, np.abs(faint[first_t] - faint[second_t])])
    gap[:, half:] = np.maximum(gap[:, half:], gaps)
    return Pairs(
        source=drawn,
        target=np.hstack([match[:, :half], first_t, second_t]),
        swap=rng.random(match.shape) < 0.5,
        valid=gap <= settings.max_gap_mag,
    )


def draw_singles(
    order: IntArray,
    mag_source: ArrayLike,
    mag_target: ArrayLike,
    batch_size: int,
    rng: np.random.Generator,
    settings: AdaptConfig,
) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
    """Draw the galaxies of one epoch for an adversary that judges each by itself.

    Parameters
    ----------
    order, mag_source, mag_target, batch_size, rng, settings
        As in `draw_pairs`.

    Returns
    -------
    source : ndarray of int, shape (steps, B)
        The epoch's sequence as it is.
    target : ndarray of int, shape (steps, m)
        A random one of the targets nearest in magnitude to each of the first m of a batch.
    valid : ndarray of bool, shape (steps, m)
        Whether the two lie within ``adapt.max_gap_mag``.

    Raises
    ------
    ConfigError, InputError
        As `draw_pairs` does.

    Examples
    --------
    >>> rng, settings = np.random.default_rng(1), AdaptConfig(judged_share=0.5)
    >>> source, target, valid = draw_singles(
    ...     np.arange(20), np.linspace(23, 24, 20), np.linspace(23, 24, 90), 10, rng, settings
    ... )
    >>> source.shape, target.shape
    ((2, 10), (2, 5))
    """
    bright, faint = np.asarray(mag_source, np.float64), np.asarray(mag_target, np.float64)
    drawn, m = _steps(order, batch_size), judged(batch_size, settings)
    match, gap = _matched(bright[drawn[:, :m]], faint, rng, settings)
    return drawn, match, gap <= settings.max_gap_mag


def judged(batch_size: int, settings: AdaptConfig, multiple_of: int = 1) -> int:
    """Return how many source galaxies of a batch the adversary judges.

    Raises
    ------
    ConfigError
        If the batch is no multiple of what they must be.

    Examples
    --------
    >>> [judged(size, AdaptConfig(judged_share=0.5), multiple_of=4) for size in (64, 20, 4)]
    [32, 8, 4]
    """
    if batch_size < 1 or batch_size % multiple_of:
        raise ConfigError(
            f"train.batch_size is {batch_size}; pairs for the adversary need a multiple of "
            f"{multiple_of}"
        )
    return multiple_of * max(1, round(settings.judged_share * batch_size / multiple_of))


def source_only(ours: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pairs hold no labelled galaxy of a target field.

    Parameters
    ----------
    ours : ndarray of bool, shape (steps, m)
        Whether the galaxies in pairs at `Pairs.source` are of a source field.

    Returns
    -------
    ndarray of bool, shape (steps, m)
        In the order of `Pairs.valid`.
    """
    half, quarter = ours.shape[1] // 2, ours.shape[1] // 4
    within = ours[:, half : half + quarter] & ours[:, half + quarter :]
    return np.concatenate([ours[:, :half], within, np.ones_like(within)], axis=1)


def _matched(
    wanted: FloatArray, pool: FloatArray, rng: np.random.Generator, settings: AdaptConfig
) -> tuple[IntArray, FloatArray]:
    """Return a target galaxy near each magnitude, and how far in magnitude it is.

    Draws without a near match get that of another, lest they crowd on the same few targets.
    """
    match = nearest_partner(wanted, pool, rng, settings.neighbours, name="target")
    gap = np.abs(wanted - pool[match])
    far = gap > settings.max_gap_mag
    if far.all():
        raise InputError(
            f"no target galaxy is within adapt.max_gap_mag = {settings.max_gap_mag} of a source "
            "galaxy; compare the i magnitudes of the fields, or raise that"
        )
    match[far] = rng.choice(match[~far], np.count_nonzero(far))
    return match, gap


def _paired(rows: IntArray, mag: FloatArray, rng: np.random.Generator, k: int) -> IntArray:
    """Pair neighbours in magnitude: firsts and seconds, shape (2, n/2), in random order.

    Groups of `k` x 0.4 galaxies of the half of an epoch that is paired make the two of a pair as
    near to each other, at the mean, as a random one of the `k` nearest in the whole epoch. In a
    group the copies of a galaxy stand side by side and pairs are half a group apart, so that a
    galaxy meets itself only where it is more than half of its group.
    """
    size = 2 * max(1, round(0.2 * k))
    rank = np.empty(len(rows), np.int64)
    rank[np.lexsort((rng.random(len(rows)), mag[rows]))] = np.arange(len(rows))
    group = (rank + 2 * rng.integers(size // 2)) // size
    sorted_rows = rows[np.lexsort((rng.permutation(len(mag))[rows], group))]
    length = np.bincount(group)
    length = length[length > 0]
    place = np.arange(len(rows)) - np.repeat(np.cumsum(length) - length, length)
    is_first = place < np.repeat(length, length) // 2
    mixed = rng.permutation(len(rows) // 2)
    return np.stack([sorted_rows[is_first][mixed], sorted_rows[~is_first][mixed]])


def _partners_within(
    first: IntArray,
    mag: FloatArray,
    domain: NDArray[np.generic],
    rng: np.random.Generator,
    k: int,
) -> IntArray:
    """Return a partner of each target galaxy from its own field, never itself."""
    second = np.empty_like(first)
    for number in np.unique(domain[first]):
        pool, here = np.flatnonzero(domain == number), domain[first] == number
        own = np.searchsorted(pool, first[here])
        second[here] = pool[nearest_partner(mag[first[here]], mag[pool], rng, k, own, "target")]
    return second


def _steps(order: IntArray, batch_size: int) -> IntArray:
    """Cut a copy of the epoch's sequence into steps."""
    steps = len(order) // batch_size
    if not steps:
        raise ConfigError(
            f"train.batch_size is {batch_size}, more than the {len(order)} galaxies of an epoch; "
            "lower it or give more galaxies"
        )
    return np.array(order[: steps * batch_size], np.int64).reshape(steps, batch_size)
