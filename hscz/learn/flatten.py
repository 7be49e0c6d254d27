"""The training set without the over-densities of the field it comes from.

A pencil beam crosses a few large structures, whose galaxies a network would learn to expect at
the same redshifts everywhere. Where n(z) in a bin of i magnitude stands above its own smooth
curve, the surplus is removed, preferably from the densest places on the sky; what is kept is
smoothed again, and every epoch is a fresh draw that follows this second curve (section 3 and
Fig. 5 of the paper). Counts on a fine redshift grid add up, so the curves of a set larger than
memory come from `binned_counts` of its blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from hscz.config.learn import FlattenConfig
from hscz.errors import InputError
from hscz.sky.sphere import unit_vectors

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

FINE_STEP = 0.001
"""Width in redshift of the bins of the counts, far below any kernel that smooths them."""

INTERVAL = 0.02
"""Width in ln(1+z) of the intervals in which spikes are sought, that of a structure as labels
good to 0.01 (1+z) show it."""

SIGNIFICANCE = 2.0
"""Poisson errors by which the count of an interval must exceed the smooth curve."""

STRATUM_STEPS, STRATUM_GALAXIES = 10, 10
"""Least width, in fine bins, and least number of galaxies which a draw treats alike: the width is
below that of a network's class, the number keeps a lonely galaxy from standing for a wide gap."""


@dataclass(frozen=True)
class Flattened:
    """Which galaxies are kept, and how often each appears in an epoch.

    Attributes
    ----------
    kept : ndarray of bool, shape (n,)
    weight : ndarray, shape (n,)
        Expected number of appearances in an epoch, 0 for the removed; the sum is the number kept.
    stratum : ndarray of int, shape (n,)
        Bin of magnitude and redshift; its kept galaxies have one weight.
    """

    kept: BoolArray
    weight: FloatArray
    stratum: IntArray

    def draw(self, rng: np.random.Generator) -> IntArray:
        """Draw one epoch: as many galaxies as are kept, in random order.

        A galaxy of weight w appears floor(w) or ceil(w) times (systematic resampling), and all
        galaxies of a stratum together differ by less than one from the sum of their weights.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of int64, shape (number kept,)
            Rows, with repeats.

        Examples
        --------
        >>> kept, weight = np.array([True, True, False]), np.array([1.5, 0.5, 0.0])
        >>> flat = Flattened(kept, weight, np.zeros(3, int))
        >>> draws = [sorted(flat.draw(np.random.default_rng(seed)).tolist()) for seed in range(9)]
        >>> sorted(map(list, set(map(tuple, draws))))
        [[0, 0], [0, 1]]
        """
        rows = rng.permutation(np.flatnonzero(self.kept))
        rows = rows[np.argsort(self.stratum[rows], kind="stable")]
        upto = np.cumsum(self.weight[rows])
        upto[-1] = len(rows)
        times = np.diff(np.floor(upto + rng.random()), prepend=0).astype(np.int64)
        return rng.permutation(np.repeat(rows, times))


def flatten(
    z: ArrayLike,
    mag_i: ArrayLike,
    ra: ArrayLike,
    dec: ArrayLike,
    settings: FlattenConfig,
    rng: np.random.Generator,
) -> Flattened:
    """Choose which galaxies to keep, and weights with which their n(z) is smooth.

    Parameters
    ----------
    z, mag_i : array_like, shape (n,)
        Redshift labels and i magnitudes. A galaxy outside all bins of magnitude counts in the
        nearest. A bin with fewer than two distinct redshifts stays as it is.
    ra, dec : array_like, shape (n,)
        Degrees.
    settings : FlattenConfig
    rng : numpy.random.Generator
        Chooses what is removed.

    Returns
    -------
    Flattened

    Raises
    ------
    InputError
        If there is no galaxy, a value is not finite or a redshift is negative.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> z = np.append(rng.gamma(4, 0.2, 9000), rng.normal(0.7, 0.005, 1000))
    >>> ra, dec = rng.uniform(0, 1, (2, 10_000))
    >>> flat = flatten(z, np.full(10_000, 22.5), ra, dec, FlattenConfig(), rng)
    >>> spike = abs(z - 0.7) < 0.01
    >>> float(spike.mean().round(2)), float(spike[flat.draw(rng)].mean().round(2))
    (0.11, 0.02)
    """
    named = {"z": z, "mag_i": mag_i, "ra": ra, "dec": dec}
    z, mag_i, ra, dec = (_finite(name, values) for name, values in named.items())
    if len(z) == 0:
        raise InputError("there is no galaxy to flatten the n(z) of; give some with labels")
    z_max = float(z.max())
    counts = binned_counts(z, mag_i, settings.mag_edges, z_max)
    mag_bin, fine = _places(z, mag_i, settings.mag_edges, z_max)
    kept = _trim(mag_bin, fine, unit_vectors(ra, dec), counts, settings, rng)
    np.subtract.at(counts, (mag_bin[~kept], fine[~kept]), 1)
    weight, stratum = _weights(counts, settings.bandwidth)
    return Flattened(kept, np.where(kept, weight[mag_bin, fine], 0.0), stratum[mag_bin, fine])


def binned_counts(z: Any, mag_i: Any, mag_edges: ArrayLike, z_max: float) -> Any:
    """Count galaxies in bins of magnitude and fine bins of redshift.

    Parameters
    ----------
    z, mag_i : array_like or dask array, shape (n,)
    mag_edges : array_like, shape (m + 1,)
        Increasing; magnitudes outside count in the nearest bin.
    z_max : float
        Redshifts above it count in the last bin.

    Returns
    -------
    ndarray or dask array of int64, shape (m, bins of FINE_STEP from 0 to z_max)
        Lazy for lazy input, from one task a block.

    Raises
    ------
    InputError
        If a redshift or magnitude is not finite, or a redshift is negative; for lazy input,
        when computed.

    Examples
    --------
    >>> counts = binned_counts([0.5, 0.5, 1.0], [20.3, 21.1, 99.0], [20, 21, 22], 1.2)
    >>> counts.shape, counts[:, 500].tolist(), counts.sum(axis=1).tolist()
    ((2, 1201), [1, 1], [1, 2])
    """
    edges = np.asarray(mag_edges, dtype=np.float64)
    if not hasattr(z, "dask"):
        return _count(z, mag_i, edges, z_max)
    blocks = z.map_blocks(
        lambda z, mag_i: _count(z, mag_i, edges, z_max)[None],
        mag_i.rechunk(z.chunks),
        new_axis=(1, 2),
        chunks=((1,) * z.npartitions, len(edges) - 1, _n_fine(z_max)),
        dtype=np.int64,
        meta=np.empty((0, 0, 0), np.int64),
    )
    return blocks.sum(axis=0)


def smooth(counts: NDArray[Any], bandwidth: float = 0.0) -> FloatArray:
    """Return what a Gaussian kernel density estimate expects in each fine bin.

    Divided by the number of galaxies and FINE_STEP this is `scipy.stats.gaussian_kde` at the
    bin centres, which is not reflected at z = 0 either: what leaks below is lost.

    Parameters
    ----------
    counts : ndarray, shape (m, n)
        Each row is smoothed with its own width. A row with fewer than two distinct redshifts
        is returned as it is.
    bandwidth : float
        Standard deviation of the kernel in redshift; 0 takes Scott's rule, the standard
        deviation of the sample times n^(-1/5).

    Returns
    -------
    ndarray, shape (m, n)

    Examples
    --------
    >>> counts = np.zeros((1, 3000))
    >>> counts[0, [1000, 2000]] = 1
    >>> float(smooth(counts, 0.1).sum().round(6)), int(smooth(counts, 0.1)[0, :1500].argmax())
    (2.0, 1000)
    """
    out = np.array(counts, dtype=np.float64)
    centres = FINE_STEP * (np.arange(out.shape[1]) + 0.5)
    for row in out:
        if np.count_nonzero(row) > 1:
            n, mean = row.sum(), np.average(centres, weights=row)
            spread = np.sqrt(np.sum(row * (centres - mean) ** 2) / max(n - 1, 1))
            sigma = (bandwidth or spread * n**-0.2) / FINE_STEP
            row[:] = gaussian_filter1d(row, sigma, mode="constant", truncate=5)
    return out


def surplus(counts: NDArray[Any], settings: FlattenConfig) -> IntArray:
    """Return how many galaxies of each interval stand above the smooth curve.

    The count N of an interval is in surplus where it exceeds the curve S by more than
    2 sqrt(N); the surplus is then N - S, rounded down. A broad spike lifts the curve under itself;
    therefore the counts in surplus are first cut down to the curve and smoothed again,
    `settings.clips` times.

    Parameters
    ----------
    counts : ndarray, shape (m, n)
        From `binned_counts`.
    settings : FlattenConfig

    Returns
    -------
    ndarray of int64, shape (m, intervals of INTERVAL in ln(1+z))

    Examples
    --------
    >>> z = np.random.default_rng(1).gamma(8, 0.1, 10_000)
    >>> counts = binned_counts(z, np.full(10_000, 22.0), [21, 23], z.max())
    >>> counts[0, 640:650] += 50
    >>> above = surplus(counts, FlattenConfig())
    >>> np.flatnonzero(above[0]).tolist(), int(above.sum())
    ([24], 456)
    """
    starts = np.flatnonzero(np.diff(_interval(counts.shape[1]), prepend=-1))
    lengths = np.diff(starts, append=counts.shape[1])
    found = np.add.reduceat(counts, starts, axis=1).astype(np.float64)
    clipped = np.asarray(counts, dtype=np.float64)
    for _ in range(settings.clips + 1):
        curve = np.add.reduceat(smooth(clipped, settings.bandwidth), starts, axis=1)
        above = found - curve > SIGNIFICANCE * np.sqrt(found)
        share = np.divide(curve, found, out=np.ones_like(found), where=above)
        clipped = counts * np.repeat(share, lengths, axis=1)
    return np.where(above, found - curve, 0).astype(np.int64)


def _trim(
    mag_bin: IntArray,
    fine: IntArray,
    xyz: FloatArray,
    counts: IntArray,
    settings: FlattenConfig,
    rng: np.random.Generator,
) -> BoolArray:
    """Remove the surplus of each interval, and return what is kept."""
    kept = np.ones(len(fine), dtype=bool)
    interval = _interval(counts.shape[1])[fine]
    above = surplus(counts, settings)
    for number in np.flatnonzero(above.any(axis=0)):
        rows = np.flatnonzero(interval == number)
        neighbours = min(settings.neighbours + 1, len(rows))
        distance = cKDTree(xyz[rows]).query(xyz[rows], [neighbours])[0][:, 0]
        # A race of exponential clocks draws without replacement with odds of 1 / distance^4,
        # the square of the density: at random, yet seldom outside of the clumps.
        finish = rng.exponential(size=len(rows)) * distance**4
        for bright in np.flatnonzero(above[:, number]):
            racing = np.flatnonzero(mag_bin[rows] == bright)
            first = racing[np.argsort(finish[racing])[: above[bright, number]]]
            kept[rows[first]] = False
    return kept


def _weights(counts: IntArray, bandwidth: float) -> tuple[FloatArray, IntArray]:
    """Return the weight of a galaxy and its stratum in each fine bin, shape as `counts`."""
    within = np.stack([_strata(row) for row in counts])
    stratum = within + (within.max() + 1) * np.arange(len(counts))[:, None]
    curve = smooth(counts, bandwidth)
    curve *= (counts.sum(axis=1) / np.maximum(curve.sum(axis=1), FINE_STEP))[:, None]
    expected = np.bincount(stratum.ravel(), curve.ravel())
    present = np.bincount(stratum.ravel(), counts.ravel())
    return (expected / np.maximum(present, 1))[stratum], stratum


def _strata(counts: IntArray) -> IntArray:
    """Return the stratum of each fine bin, shape as `counts`, (n,)."""
    wide = np.arange(len(counts)) // STRATUM_STEPS
    least = STRATUM_GALAXIES
    held = list(accumulate(np.bincount(wide, counts), lambda h, n: n if h >= least else h + n))
    number = np.cumsum(np.array([0, *held[:-1]]) >= least)
    # What is left over at the end joins the stratum before.
    return np.minimum(number, max(number[-1] - (held[-1] < least), 0))[wide]


def _count(z: ArrayLike, mag_i: ArrayLike, edges: FloatArray, z_max: float) -> IntArray:
    shape = len(edges) - 1, _n_fine(z_max)
    places = _places(_finite("z", z), _finite("mag_i", mag_i), edges, z_max)
    flat = np.ravel_multi_index(places, shape)
    return np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)


def _places(
    z: FloatArray, mag_i: FloatArray, mag_edges: ArrayLike, z_max: float
) -> tuple[IntArray, IntArray]:
    """Return the magnitude bin and the fine redshift bin of each galaxy."""
    inner = np.asarray(mag_edges, dtype=np.float64)[1:-1]
    fine = np.minimum(z / FINE_STEP, _n_fine(z_max) - 1).astype(np.int64)
    return np.searchsorted(inner, mag_i, side="right"), fine


def _n_fine(z_max: float) -> int:
    return int(z_max / FINE_STEP) + 1


def _interval(n_fine: int) -> IntArray:
    """Return the interval of each fine bin."""
    return (np.log1p(FINE_STEP * (np.arange(n_fine) + 0.5)) / INTERVAL).astype(np.int64)


def _finite(name: str, values: ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    bad = ~np.isfinite(array) | ((array < 0) if name == "z" else False)
    if bad.any():
        raise InputError(
            f"{name} is {array[bad][0]} for {bad.sum()} of {array.size} galaxies; leave out those "
            "without a redshift label, magnitude and position"
        )
    return array
