"""Mean PDFs of a field in bins of magnitude, and what they would be under another n(z).

See `hscz.nz.shift`, which looks for the n(z) under which they are as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hscz.pdf import pdf_to_pmf

FloatArray = NDArray[np.float64]

STEP = 0.04
"""Bins of ln(1 + z) in which the ratio is looked for: 0.04 (1 + z) wide, as PDFs are."""

OBJECTS_A_BIN, MOST_BINS = 150, 20
"""Galaxies of a bin of magnitude, and how many bins there are at most."""

NEIGHBOURS = 150
"""Like galaxies that pi is the mean of, at least, the nearest in magnitude."""

MISFIT = 0.2
"""Error of pi in each bin of redshift, for what like galaxies lack."""

_LEAST_ERROR = 1e-5


@dataclass(frozen=True)
class MeanPDFs:
    """Mean PDFs in bins of magnitude, and what they should be.

    `mean` is that of the field, shape (bin, redshift), and `weight` the inverse of its covariance
    about what is expected; `carried` is that of like galaxies, and `joint` their mean of
    p(z') p(z), shape (bin, redshift, redshift).
    """

    mag_i: FloatArray
    mean: FloatArray
    weight: FloatArray
    carried: FloatArray
    joint: FloatArray

    @classmethod
    def of(
        cls,
        pmf: FloatArray,
        mag_i: FloatArray,
        like: FloatArray,
        like_mag_i: FloatArray,
        like_id: NDArray[np.generic],
    ) -> MeanPDFs:
        """Take the means of a field, `pmf` and `mag_i`, and of like galaxies.

        Probabilities are those of wide bins (`grouped`), shape (n, redshift) and (m, redshift);
        `like_id` tells which of the like galaxies are the same one.
        """
        order, by_mag = np.argsort(mag_i, kind="stable"), np.argsort(like_mag_i, kind="stable")
        # The same galaxy several times is no other, and bins that share them are not independent.
        different = len(np.unique(like_id))
        least = int(NEIGHBOURS * len(like_id) / different)
        n_bins = min(len(order) // OBJECTS_A_BIN, different // NEIGHBOURS, MOST_BINS)
        columns: list[tuple[Any, ...]] = []
        for part in np.array_split(order, max(n_bins, 1)):
            ours, middle = pmf[part], mag_i[part].mean()
            rows = by_mag[_alike(like_mag_i[by_mag], mag_i[part], least)]
            few = like[rows]
            both = np.concatenate([ours - ours.mean(axis=0), few - few.mean(axis=0)])
            scatter = both.T @ both / len(both)
            scatter *= 1 / len(ours) + 1 / _independent(few, like_id[rows])
            misfit = np.hypot(MISFIT * few.mean(axis=0), _LEAST_ERROR)
            weight = np.linalg.inv(scatter + np.diag(misfit**2))
            mean, carried = ours.mean(axis=0), few.mean(axis=0)
            columns.append((middle, mean, weight, carried, few.T @ few / len(few)))
        return cls(*(np.array(column) for column in zip(*columns, strict=True)))

    def log_likelihood(self, log_ratio: FloatArray) -> float:
        """Return the logarithm of the likelihood of the means, up to a constant."""
        off = self.mean - self._expected(np.exp(log_ratio))
        return -0.5 * float(np.einsum("bz,bzy,by->", off, self.weight, off))

    def slopes(self, log_ratio: FloatArray, basis: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return first derivatives by coefficients of terms of ln w, and the information on them.

        Returns
        -------
        ndarray, shape (term,)
        ndarray, shape (term, term)
        """
        ratio = np.exp(log_ratio)
        expected, whole = self._expected(ratio), (self.carried * ratio).sum(axis=1)
        moved = ratio[..., None] * (self.joint - self.carried[..., None] * expected[:, None])
        by_term = np.einsum("tbx,bxz->tbz", basis, moved / whole[:, None, None])
        weighted = np.einsum("tbz,bzy->tby", by_term, self.weight)
        first = np.tensordot(weighted, self.mean - expected, 2)
        return first, np.einsum("tbz,sbz->ts", weighted, by_term)

    def _expected(self, ratio: FloatArray) -> FloatArray:
        """Return the mean PDFs of a field of some ratio."""
        whole = (self.carried * ratio).sum(axis=1, keepdims=True)
        return np.einsum("bx,bxz->bz", ratio, self.joint) / whole


def coarse_bins(edges: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Return which wide bin each redshift bin belongs to, and ln(1 + z) in the wide ones.

    Examples
    --------
    >>> wide, place = coarse_bins(np.array([0.0, 0.02, 0.04, 0.08]))
    >>> wide.tolist(), place.round(3).tolist()
    ([0, 0, 1], [0.02, 0.06])
    """
    middle = np.log1p(0.5 * (edges[:-1] + edges[1:]))
    number = np.floor(middle / STEP).astype(np.int64)
    kept, coarse = np.unique(number, return_inverse=True)
    return coarse.astype(np.int64), (kept.astype(np.float64) + 0.5) * STEP


def grouped(
    pdf: NDArray[np.generic], edges: FloatArray, coarse: NDArray[np.int64], n: int
) -> FloatArray:
    """Return the probabilities of the `n` wide bins of `coarse_bins`, shape (len(pdf), n).

    Examples
    --------
    >>> wide = np.array([0, 0, 1])
    >>> grouped(np.array([[1.0, 1.0, 2.0]]), np.arange(4.0), wide, 2).tolist()
    [[0.5, 0.5]]
    """
    mass = pdf_to_pmf(pdf, edges)
    wide = np.zeros((len(mass), n))
    for k in range(n):
        wide[:, k] = mass[:, coarse == k].sum(axis=1)
    return wide / wide.sum(axis=1, keepdims=True)


def _alike(like_mag_i: FloatArray, mag_i: FloatArray, least: int) -> slice:
    """Return which of sorted magnitudes lie in the range of others, or so many nearest to it."""
    low, high = np.searchsorted(like_mag_i, [mag_i.min(), mag_i.max()])
    if high - low >= least:
        return slice(low, high)
    centre = int(np.searchsorted(like_mag_i, mag_i.mean()))
    start = int(np.clip(centre - least // 2, 0, max(0, len(like_mag_i) - least)))
    return slice(start, start + least)


def _independent(pmf: FloatArray, identity: NDArray[np.generic]) -> float:
    """Return how many independent PDFs are worth some of which are of the same galaxies."""
    deviation = pmf - pmf.mean(axis=0)
    _, galaxy = np.unique(identity, return_inverse=True)
    total = np.zeros((int(galaxy.max()) + 1, pmf.shape[1]))
    np.add.at(total, galaxy, deviation)
    among = float((deviation**2).sum())
    return len(pmf) * among / max(float((total**2).sum()), among) if among else float(len(total))
