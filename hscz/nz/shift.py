"""The ratio of a field's n(z | m) to the one its PDFs carry, from the means of the PDFs.

Like galaxies of known n(z | m), which is pi(z | m), are shown to the same networks. Of calibrated
PDFs p(z | x), their mean of p(z') p(z) is how often a galaxy at z' is seen at z, times pi(z'). A
field of the n(z | m) w pi, where galaxies of a redshift and a magnitude look as elsewhere, has the
mean PDF

    T(z) = sum_z' w(z', m) <p(z') p(z)>_m / sum_z' w(z', m) pi(z' | m) .

That is the condition for the likelihood prod_i sum_z p(z | x_i) w / sum_z pi w to be greatest, for
a w without constraints. ln w is a Gaussian process: a slope in ln(1 + z) common to all magnitudes,
and a smooth function of ln(1 + z) and magnitude, whose amplitude and smoothness are those of the
greatest evidence. The evidence also says whether there is any ratio but 1 (Laplace's approximation,
as in Rasmussen & Williams 2006, chapter 3).

The means scatter as the PDFs do, of the field and of the like galaxies, few as they are. Besides,
no like galaxy is quite like one of the field: zero points, PSF and noise are known to some error,
which moves galaxies to neighbouring redshifts. The share `MISFIT` of pi stands for that. The
likelihood knows no such thing, and where zero points were off by a few hundredths of a magnitude,
it found ratios of 10 and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.errors import InputError
from hscz.pdf import has_pdf, pdf_to_pmf
from hscz.pdf.prior import PriorRatio

FloatArray = NDArray[np.float64]

STEP = 0.04
"""Bins of ln(1 + z) in which the ratio is looked for: 0.04 (1 + z) wide, as PDFs are."""

OBJECTS_A_BIN, MOST_BINS = 150, 20
"""Galaxies of a bin of magnitude, and how many bins there are at most."""

NEIGHBOURS = 150
"""Like galaxies that pi is the mean of, at least, the nearest in magnitude."""

LEAST_OBJECTS = 100
"""Galaxies without which nothing is inferred."""

SLOPE = 1.5
"""Standard deviation of the exponent b of w = (1 + z)^b before anything is seen."""

AMPLITUDES, LENGTHS = (0.15, 0.3, 0.6), (0.12, 0.3)
"""Standard deviations of the smooth part of ln w, and its lengths in ln(1 + z), to choose from."""

MAG_LENGTH = 1.5
"""Its length in magnitude."""

LEAST_GAIN = 3.0
"""Logarithm of the evidence from which a ratio is used: strong evidence, by Kass & Raftery (1995,
JASA 90, 773)."""

BOUND = float(np.log(20.0))
"""Largest change of ln w that is believed, from the mean over the n(z) of a magnitude."""

MISFIT = 0.2
"""Error of pi in each bin of redshift, for what like galaxies lack."""

_MOST_TERMS, _LEAST_VARIANCE, _STEPS, _LEAST_ERROR = 48, 1e-4, 50, 1e-5


@dataclass(frozen=True)
class Shift:
    """What is inferred of a field's n(z | m).

    Attributes
    ----------
    ratio : PriorRatio
        The most likely one, or none.
    z, mag_i : ndarray
        Where deviations are known, as `PriorRatio` has them.
    deviations : ndarray, shape (term, mag_i, z)
        Independent terms by which ln w is uncertain, each one standard deviation: ln w plus
        their sum with standard normal numbers is a draw of it. They are known as well where no
        ratio is used.
    """

    ratio: PriorRatio
    z: FloatArray
    mag_i: FloatArray
    deviations: FloatArray

    @classmethod
    def unknown(cls, why: str, n: int) -> Shift:
        """Return that nothing is inferred, and why."""
        return cls(PriorRatio.none(why, n), np.zeros(1), np.zeros(1), np.zeros((0, 1, 1)))


def infer(
    pdf: ArrayLike,
    mag_i: ArrayLike,
    like: ArrayLike,
    like_mag_i: ArrayLike,
    like_id: ArrayLike,
    edges: ArrayLike,
) -> Shift:
    """Infer the ratio of a field's n(z | m) to that of like galaxies.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
        Of the field; rows that are NaN take no part, nor do magnitudes not known.
    mag_i : array_like, shape (n,)
    like : array_like, shape (m, n_bins)
        PDFs of galaxies of the known n(z), observed, predicted and calibrated as the field's.
    like_mag_i, like_id : array_like, shape (m,)
        Their magnitudes, and which are the same galaxy, shown otherwise each time.
    edges : array_like, shape (n_bins + 1,)

    Returns
    -------
    Shift

    Raises
    ------
    InputError
        If a PDF is partly NaN or without probability, or there is no like galaxy.

    Examples
    --------
    Sharp PDFs of galaxies at z = 0.5 or 1.5, in the field twice as many at 1.5 as elsewhere:

    >>> edges = np.linspace(0, 6, 121)
    >>> at = lambda *z: np.eye(120)[np.digitize(z, edges) - 1] / 0.05
    >>> like, field = at(*[0.5, 1.5] * 500), at(*[0.5, 1.5, 1.5] * 500)
    >>> found = infer(field, np.full(1500, 22.0), like, np.full(1000, 22.0), range(1000), edges)
    >>> found.ratio.used
    True
    >>> n_of_z = found.ratio.apply(at(0.5) + at(1.5), edges, [22.0])[0] * 0.05
    >>> bool(abs(n_of_z.max() - 1.33) < 0.1)
    True
    """
    edge, mag = np.asarray(edges, np.float64), np.asarray(mag_i, np.float64)
    use, shown = has_pdf(pdf) & np.isfinite(mag), has_pdf(like)
    if not shown.any():
        raise InputError("no like galaxy has a PDF, so that it is not known what n(z) PDFs carry")
    n = int(use.sum())
    if n < LEAST_OBJECTS:
        why = f"{n} galaxies are too few to infer it; it takes {LEAST_OBJECTS}"
        return Shift.unknown(why, n)
    coarse, place = _coarse_bins(edge)
    seen = _Seen.of(
        _grouped(np.asarray(pdf)[use], edge, coarse, len(place)),
        mag[use],
        _grouped(np.asarray(like)[shown], edge, coarse, len(place)),
        np.asarray(like_mag_i, np.float64)[shown],
        np.asarray(like_id)[shown],
    )
    fits = [_Fit.of(seen, _basis(place, seen.mag_i, *how)) for how in _choices()]
    best = max(fits, key=lambda fit: fit.evidence)
    z = np.expm1(place)
    return Shift(_as_ratio(seen, best, z, n), z, seen.mag_i, best.deviations)


def _choices() -> Sequence[tuple[float, float]]:
    """Return amplitudes and lengths of the smooth part: none, or each with each."""
    return [(0.0, LENGTHS[0]), *product(AMPLITUDES, LENGTHS)]


def _as_ratio(seen: _Seen, fit: _Fit, z: FloatArray, n: int) -> PriorRatio:
    """Return the ratio of a fit, or none and why."""
    gain = fit.evidence - seen.log_likelihood(np.zeros_like(seen.carried))
    if gain < LEAST_GAIN:
        return PriorRatio.none(
            "nothing asks for another n(z | i) than that of the source "
            f"(evidence exp({gain:.1f}), used from exp({LEAST_GAIN:g}))",
            n,
            gain,
        )
    mean = (seen.carried * fit.log_ratio).sum(axis=1, keepdims=True)
    table = fit.log_ratio - mean
    if np.abs(np.where(seen.carried > 0.002, table, 0)).max() > BOUND:
        return PriorRatio.none(
            f"the ratio that the PDFs ask for is beyond a factor {np.exp(BOUND):.0f}, which no "
            "n(z) explains; look at zero points, stamps and the selection of the field",
            n,
            gain,
        )
    rows = tuple(map(tuple, table.tolist()))
    return PriorRatio(tuple(z.tolist()), tuple(seen.mag_i.tolist()), rows, float(gain), n)


@dataclass(frozen=True)
class _Seen:
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
    ) -> _Seen:
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


@dataclass(frozen=True)
class _Fit:
    """The most probable ratio of one choice of smoothness, and how well it is known."""

    log_ratio: FloatArray
    evidence: float
    deviations: FloatArray

    @classmethod
    def of(cls, seen: _Seen, basis: FloatArray) -> _Fit:
        """Climb to the maximum by the method of Gauss and Newton.

        Parameters
        ----------
        seen : _Seen
        basis : ndarray, shape (term, bin, redshift)
            Each has a standard normal coefficient before anything is seen.
        """
        found, prior = np.zeros(len(basis)), np.eye(len(basis))

        def height(at: FloatArray) -> float:
            return seen.log_likelihood(np.tensordot(at, basis, 1)) - 0.5 * float(at @ at)

        now = height(found)
        for _ in range(_STEPS):
            first, information = seen.slopes(np.tensordot(found, basis, 1), basis)
            step = np.linalg.solve(prior + information, first - found)
            # Far from the maximum a whole step may overshoot.
            length, new = 1.0, height(found + step)
            while not new >= now and length > 1e-3:
                length /= 2
                new = height(found + length * step)
            if not new > now + 1e-3:
                break
            found, now = found + length * step, new
        log_ratio = np.tensordot(found, basis, 1)
        precision = prior + seen.slopes(log_ratio, basis)[1]
        root = np.linalg.inv(np.linalg.cholesky(precision))
        evidence = now - 0.5 * float(np.linalg.slogdet(precision)[1])
        return cls(log_ratio, evidence, np.tensordot(root, basis, 1))


def _basis(place: FloatArray, mag_i: FloatArray, amplitude: float, length: float) -> FloatArray:
    """Return terms of ln w with standard normal coefficients, shape (term, bin, redshift)."""
    centred = place - place.mean()
    slope = np.tile(SLOPE * centred, (1, len(mag_i), 1))
    if not amplitude:
        return slope
    in_z = np.exp(-0.5 * ((place[:, None] - place) / length) ** 2)
    in_mag = np.exp(-0.5 * ((mag_i[:, None] - mag_i) / MAG_LENGTH) ** 2)
    values, vectors = np.linalg.eigh(amplitude**2 * np.kron(in_mag, in_z))
    most = np.argsort(values)[::-1][:_MOST_TERMS]
    most = most[values[most] > _LEAST_VARIANCE * values[most[0]]]
    smooth = (vectors[:, most] * np.sqrt(values[most])).T
    return np.concatenate([slope, smooth.reshape(-1, len(mag_i), len(place))])


def _coarse_bins(edges: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Return which wide bin each redshift bin belongs to, and ln(1 + z) in the wide ones."""
    middle = np.log1p(0.5 * (edges[:-1] + edges[1:]))
    number = np.floor(middle / STEP).astype(np.int64)
    kept, coarse = np.unique(number, return_inverse=True)
    return coarse.astype(np.int64), (kept.astype(np.float64) + 0.5) * STEP


def _grouped(
    pdf: NDArray[np.generic], edges: FloatArray, coarse: NDArray[np.int64], n: int
) -> FloatArray:
    """Return the probabilities of the wide bins."""
    mass = pdf_to_pmf(pdf, edges)
    grouped = np.zeros((len(mass), n))
    for k in range(n):
        grouped[:, k] = mass[:, coarse == k].sum(axis=1)
    return grouped / grouped.sum(axis=1, keepdims=True)


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
