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
which moves galaxies to neighbouring redshifts. A share of pi, `hscz.nz.means.MISFIT`, stands for
that. The likelihood knows no such thing, and where zero points were off by a few hundredths of a
magnitude, it found ratios of 10 and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.errors import InputError
from hscz.nz.means import MeanPDFs, coarse_bins, grouped
from hscz.pdf import has_pdf
from hscz.pdf.prior import PriorRatio

FloatArray = NDArray[np.float64]

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

_MOST_TERMS, _LEAST_VARIANCE, _STEPS = 48, 1e-4, 50


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
    coarse, place = coarse_bins(edge)
    seen = MeanPDFs.of(
        grouped(np.asarray(pdf)[use], edge, coarse, len(place)),
        mag[use],
        grouped(np.asarray(like)[shown], edge, coarse, len(place)),
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


def _as_ratio(seen: MeanPDFs, fit: _Fit, z: FloatArray, n: int) -> PriorRatio:
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
class _Fit:
    """The most probable ratio of one choice of smoothness, and how well it is known."""

    log_ratio: FloatArray
    evidence: float
    deviations: FloatArray

    @classmethod
    def of(cls, seen: MeanPDFs, basis: FloatArray) -> _Fit:
        """Climb to the maximum by the method of Gauss and Newton.

        Parameters
        ----------
        seen : MeanPDFs
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
