"""The training set without the over-densities of the field it comes from.

A pencil beam crosses a few large structures, whose galaxies a network would learn to expect at
the same redshifts everywhere. Where n(z) in a bin of i magnitude stands above its own smooth
curve, the surplus is removed among the galaxies in the densest places on the sky; what is kept is
smoothed again, and every epoch is a fresh draw that follows this second curve (section 3 and
Fig. 5 of the paper). Counts on a fine redshift grid add up, so the curves of a set larger than
memory come from `binned_counts` of its blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from hscz.errors import InputError
from hscz.learn.settings import FlattenConfig
from hscz.sphere import unit_vectors

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FINE_STEP = 0.001
"""Step of the redshift grid of the counts, far below any kernel that smooths them."""

_INTERVAL = 0.02
"""Width in ln(1+z) of the intervals searched for spikes, that of a structure seen in labels good
to 0.01 (1+z)."""

_SIGNIFICANCE = 2.0
_DENSITY_POWER = 2.0

_STRATUM_STEPS, _STRATUM_GALAXIES = 10, 10
"""Least width in fine steps, and least number, of galaxies which a draw holds for equal. The
width is below a class of the network, the number bounds the repeats of a lonely galaxy."""


@dataclass(frozen=True)
class Flattened:
    """Which galaxies are kept, and how often each appears in an epoch.

    Attributes
    ----------
    kept : ndarray of bool, shape (n,)
    weight : ndarray, shape (n,)
        Expected number of appearances in an epoch, 0 for the removed; sums to the kept.
    stratum : ndarray of int64, shape (n,)
        Bin of magnitude and redshift whose galaxies have one weight.
    """

    kept: NDArray[np.bool_]
    weight: FloatArray
    stratum: IntArray

    def draw(self, rng: np.random.Generator) -> IntArray:
        """Draw one epoch, as many galaxies as are kept, in random order.

        A galaxy of weight w appears floor(w) or ceil(w) times (systematic resampling), and so
        does every stratum with its summed weight.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of int64
            Row numbers.

        Examples
        --------
        >>> three = Flattened(np.array([True, True, False]), np.array([1.5, 0.5, 0]), np.zeros(3))
        >>> set(map(tuple, (np.sort(three.draw(np.random.default_rng(s))) for s in range(9))))
        {(0, 0), (0, 1)}
        """
        rows = rng.permutation(np.flatnonzero(self.kept))
        rows = rows[np.argsort(self.stratum[rows], kind="stable")]
        upto = np.cumsum(self.weight[rows])
        upto[-1:] = len(rows)
        times = np.diff(np.floor(upto + rng.random()).astype(np.int64), prepend=0)
        return rng.permutation(np.repeat(rows, times))


def flatten(
    z: ArrayLike,
    mag_i: ArrayLike,
    ra: ArrayLike,
    dec: ArrayLike,
    settings: FlattenConfig,
    rng: np.random.Generator,
) -> Flattened:
    """Choose the galaxies to keep and the weights that make their n(z) smooth.

    Parameters
    ----------
    z, mag_i : array_like, shape (n,)
        Redshift labels and i magnitudes. Galaxies outside every bin of magnitude count in the
        nearest; a bin with fewer than two distinct redshifts stays as it is.
    ra, dec : array_like, shape (n,)
        Degrees.
    settings : FlattenConfig
    rng : numpy.random.Generator
        Draws the galaxies to remove.

    Returns
    -------
    Flattened

    Raises
    ------
    InputError
        If there is no galaxy, or a redshift is negative or any value not finite.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> z = np.append(rng.gamma(4, 0.2, 9000), rng.normal(0.7, 0.005, 1000))
    >>> ra, dec = rng.uniform(0, 1, (2, 10_000))
    >>> flat = flatten(z, np.full(10_000, 22.5), ra, dec, FlattenConfig(), rng)
    >>> in_spike = abs(z - 0.7) < 0.01
    >>> bool(in_spike.mean() > 0.1), bool(in_spike[flat.draw(rng)].mean() < 0.03)
    (True, True)
    """
    columns = {"z": z, "mag_i": mag_i, "ra": ra, "dec": dec}
    z, mag_i, ra, dec = (_finite(name, values) for name, values in columns.items())
    if len(z) == 0:
        raise InputError("no galaxy to flatten the n(z) of; give at least one with a label")
    z_max = float(z.max())
    cell = _cells(z, mag_i, settings.mag_edges, z_max)
    counts = binned_counts(z, mag_i, settings.mag_edges, z_max)
    interval = np.log1p(grid_centres(counts.shape[1])) // _INTERVAL
    kept = np.ones(len(z), dtype=bool)
    surplus = excess(counts, settings)
    xyz = unit_vectors(ra, dec)
    mag_bin, interval_of = cell // counts.shape[1], interval.astype(np.int64)[cell % counts.shape[1]]
    for number in np.flatnonzero(surplus.any(axis=0)):
        rows = np.flatnonzero(interval_of == number)
        removed = _densest(xyz[rows], mag_bin[rows], surplus[:, number], settings.neighbours, rng)
        kept[rows[removed]] = False
    weight, stratum = _weights(np.bincount(cell[kept], minlength=counts.size).reshape(counts.shape), settings)
    return Flattened(kept, np.where(kept, weight.ravel()[cell], 0.0), stratum.ravel()[cell])
