"""Whether redshift PDFs mean what they say: PIT, credibility and coverage.

PDFs are calibrated if the true redshift lies below their quantile at p in a fraction p of all
cases. That is necessary and not enough: everyone given the sample's n(z) is calibrated as well
(Schmidt et al. 2020, MNRAS 499, 1587), so proper scores (`hscz.evaluate.proper`) stand beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import xlogy

from hscz.evaluate.metrics import each_bin
from hscz.evaluate.proper import cde_loss, crps, log_loss
from hscz.pdf import cdf_at, has_pdf, pdf_to_pmf
from hscz.pdf.grid import bin_of

FloatArray = NDArray[np.float64]

LEVELS = (0.68, 0.95)
"""Probabilities of the central intervals whose coverage is measured."""

PIT_OUTLIER = 1e-4
"""A PIT nearer than this to 0 or 1 is an outlier, as the library RAIL counts them."""

_LEAST_PIT = 1e-9
"""PITs are kept so far from 0 and 1 in the Anderson-Darling statistic, which diverges there."""

PIT_BINS = 20
"""Bins of the histogram of PITs."""

SCORES = ("crps", "cde_loss", "log_loss")


def pit(
    pdf: ArrayLike, edges: ArrayLike, z: ArrayLike, uniform: ArrayLike | None = None
) -> FloatArray:
    """Return the probability integral transforms, the CDF at the true redshifts.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
    edges : array_like, shape (n_bins + 1,)
    z : array_like, shape (n,)
        True redshifts.
    uniform : array_like, shape (n,), optional
        Random numbers from 0 to 1 that say where the PIT lies between the values of the CDF at
        the edges of the redshift's bin, since a histogram knows no places inside it. Without,
        the CDF is interpolated.

    Returns
    -------
    ndarray, shape (n,)
        Uniform for calibrated PDFs; 0 or 1 for redshifts outside the grid, NaN where there is
        no PDF or no redshift.

    Raises
    ------
    InputError
        If a PDF is partly NaN, negative or without probability.

    Examples
    --------
    >>> pit([[1.0, 3.0]], [0.0, 1.0, 2.0], [1.5]).tolist()
    [0.625]
    """
    has_pdf(pdf)
    truth, edge = np.asarray(z, np.float64), np.asarray(edges, np.float64)
    if uniform is not None:
        bins = bin_of(truth, edge)
        place = edge[bins] + np.asarray(uniform) * np.diff(edge)[bins]
        truth = np.where(bins >= 0, place, truth)
    return cdf_at(pdf, edge, truth)


def pit_statistics(values: ArrayLike) -> dict[str, float]:
    """Return how far PITs are from uniform.

    Parameters
    ----------
    values : array_like, shape (n,)
        NaN takes no part.

    Returns
    -------
    dict of str to float
        ``ks`` (Kolmogorov-Smirnov: largest distance of the distributions), ``cvm``
        (Cramer-von Mises), ``ad`` (Anderson-Darling 1954, JASA 49, 765; sensitive to the tails),
        the p-values of the first two, ``pit_outliers``, the fraction within 1e-4 of 0 or 1, and
        of the PIT histogram (Schmidt et al. 2020) in 20 bins ``pit_rmse``, the root mean square
        of its relative deviation from even, and ``pit_kl``, its Kullback-Leibler divergence from
        even, nats. Of n uniform PITs these are about (19/n)^0.5 and 9.5/n. NaN without any PIT.

    Examples
    --------
    >>> found = pit_statistics(np.arange(0.05, 1, 0.1))
    >>> round(found["ks"], 3), round(found["cvm"], 5), round(found["ad"], 3)
    (0.05, 0.00833, 0.077)
    >>> round(found["pit_rmse"], 3), round(found["pit_kl"], 3)
    (1.0, 0.693)
    """
    u = np.asarray(values, np.float64)
    u = np.sort(u[np.isfinite(u)])
    names = ("ks", "ks_p", "cvm", "cvm_p", "ad", "pit_outliers", "pit_rmse", "pit_kl")
    if len(u) < 2:
        return dict.fromkeys(names, np.nan)
    ks = stats.kstest(u, "uniform", method="asymp")
    cvm = stats.cramervonmises(u, "uniform")
    safe, odd = np.clip(u, _LEAST_PIT, 1 - _LEAST_PIT), 2 * np.arange(len(u)) + 1
    ad = -len(u) - np.mean(odd * (np.log(safe) + np.log1p(-safe[::-1])))
    outliers = np.mean((u < PIT_OUTLIER) | (u > 1 - PIT_OUTLIER))
    height = np.histogram(u, PIT_BINS, (0, 1))[0] * PIT_BINS / len(u)
    rmse, kl = np.sqrt(np.mean((height - 1) ** 2)), np.mean(xlogy(height, height))
    found = (ks.statistic, ks.pvalue, cvm.statistic, cvm.pvalue, ad, outliers, rmse, kl)
    return {name: float(value) for name, value in zip(names, found, strict=True)}


def hpd_level(
    pdf: ArrayLike, edges: ArrayLike, z: ArrayLike, uniform: ArrayLike | None = None
) -> FloatArray:
    """Return the probability of the highest-density region that just takes in the redshift.

    Uniform for calibrated PDFs. Bins as dense as that of the redshift, itself among them, are
    taken in up to the random share `uniform`, or by half without it.

    Examples
    --------
    >>> hpd_level([[0.2, 0.5, 0.3]], [0.0, 1.0, 2.0, 3.0], [2.5]).tolist()
    [0.65]
    """
    good = has_pdf(pdf)
    density, mass = np.asarray(pdf), pdf_to_pmf(pdf, edges)
    truth, edge = np.asarray(z, np.float64), np.asarray(edges, np.float64)
    bins = bin_of(truth, edge)
    at_z = density[np.arange(len(bins)), bins][:, None]
    denser = np.einsum("ij,ij->i", mass, density > at_z)
    level = np.einsum("ij,ij->i", mass, density == at_z)
    share = 0.5 if uniform is None else np.asarray(uniform)
    total = np.where(good & np.isfinite(truth), mass.sum(axis=1), np.nan)
    return np.where((bins >= 0) | np.isnan(total), (denser + share * level) / total, 1.0)


def credibility_curve(hpd: ArrayLike, levels: ArrayLike) -> FloatArray:
    """Return the fraction of redshifts inside the highest-density region of each probability.

    Below the diagonal PDFs are too narrow, above it too wide (Wittman et al. 2016, MNRAS 457,
    4005).

    Parameters
    ----------
    hpd : array_like, shape (n,)
        From `hpd_level`; NaN takes no part.
    levels : array_like, shape (k,)

    Examples
    --------
    >>> credibility_curve([0.1, 0.2, 0.9, 0.95], [0.5, 1.0]).tolist()
    [0.5, 1.0]
    """
    known = np.sort(np.asarray(hpd)[np.isfinite(hpd)])
    inside = np.searchsorted(known, np.asarray(levels), side="right")
    return inside / (len(known) or np.nan)


def binomial_error(fraction: ArrayLike, n: ArrayLike) -> FloatArray:
    """Return the error of a fraction of n, the half-width of Wilson's 68 % interval.

    It is not zero for fractions of 0 and 1 (Wilson 1927, JASA 22, 209).

    Examples
    --------
    >>> binomial_error([0.5, 0.0], [100, 100]).round(4).tolist()
    [0.0498, 0.005]
    """
    p, count = np.asarray(fraction, np.float64), np.asarray(n, np.float64)
    count = np.where(count > 0, count, np.nan)
    return np.sqrt(p * (1 - p) / count + 0.25 / count**2) / (1 + 1 / count)


def coverage(values: ArrayLike, levels: Sequence[float] = LEVELS) -> dict[str, float]:
    """Return the fractions of redshifts inside the central intervals, from PITs, with errors.

    Examples
    --------
    >>> coverage([0.1, 0.3, 0.5, 0.99], levels=[0.68])["coverage_68"]
    0.5
    """
    u = np.asarray(values, np.float64)
    u = u[np.isfinite(u)]
    found: dict[str, float] = {}
    for level in levels:
        inside = float(np.mean(np.abs(u - 0.5) <= level / 2)) if len(u) else np.nan
        name = f"coverage_{100 * level:.0f}"
        found |= {name: inside, f"{name}_err": float(binomial_error(inside, len(u)))}
    return found


def coverage_table(
    values: ArrayLike,
    mag_i: ArrayLike,
    z: ArrayLike,
    mag_edges: Sequence[float],
    z_edges: Sequence[float],
    levels: Sequence[float] = LEVELS,
) -> pd.DataFrame:
    """Return the coverage in cells of magnitude and redshift.

    Parameters
    ----------
    values : array_like, shape (n,)
        PITs; NaN takes no part.
    mag_i, z : array_like, shape (n,)
        What is known of an object beforehand: its magnitude and its estimated redshift. In
        cells of true redshift even perfect PDFs do not cover as they say.
    mag_edges, z_edges : sequence of float
    levels : sequence of float

    Returns
    -------
    pandas.DataFrame
        One row per cell: ``mag_low, mag_high, z_low, z_high, n`` and, for each level,
        ``coverage_68, coverage_68_err`` ...; NaN in empty cells.

    Examples
    --------
    >>> table = coverage_table([0.5, 0.1], [21.0, 21.5], [0.4, 0.6], [20, 22], [0, 1])
    >>> table[["n", "coverage_68", "coverage_95"]].values.tolist()
    [[2.0, 0.5, 1.0]]
    """
    u, mag, redshift = (np.asarray(each, np.float64) for each in (values, mag_i, z))
    rows = []
    for mag_low, mag_high in pairwise(mag_edges):
        for z_low, z_high in pairwise(z_edges):
            cell = (mag >= mag_low) & (mag < mag_high) & (redshift >= z_low) & (redshift < z_high)
            place = {"mag_low": mag_low, "mag_high": mag_high, "z_low": z_low, "z_high": z_high}
            n = int(np.isfinite(u[cell]).sum())
            rows.append(place | {"n": n} | coverage(u[cell], levels))
    return pd.DataFrame(rows)


def object_scores(
    pdf: ArrayLike, edges: ArrayLike, z: ArrayLike, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return everything that is measured object by object.

    One after another, blocks of a sample with one `rng` give what the whole would.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
    edges : array_like, shape (n_bins + 1,)
    z : array_like, shape (n,)
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``pit`` and ``hpd``, both randomised, ``crps``, ``cde_loss`` and ``log_loss``.

    Examples
    --------
    >>> [*object_scores([[1.0, 1.0]], [0.0, 1.0, 2.0], [0.3], np.random.default_rng(1))]
    ['pit', 'hpd', 'crps', 'cde_loss', 'log_loss']
    """
    # Two draws for an object side by side, so that they do not depend on the blocks.
    draws = rng.random((len(np.asarray(pdf)), 2))
    return {
        "pit": pit(pdf, edges, z, draws[:, 0]),
        "hpd": hpd_level(pdf, edges, z, draws[:, 1]),
        "crps": crps(pdf, edges, z),
        "cde_loss": cde_loss(pdf, edges, z),
        "log_loss": log_loss(pdf, edges, z),
    }


def calibration_table(
    scores: Mapping[str, ArrayLike], by: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None
) -> pd.DataFrame:
    """Return the calibration of all objects and in bins.

    Parameters
    ----------
    scores : mapping of str to array_like, shape (n,)
        From `object_scores`, of objects with a true redshift.
    by : mapping of str to (values, edges), optional
        As in `hscz.evaluate.metrics.metrics_table`.

    Returns
    -------
    pandas.DataFrame
        Columns ``by, low, high, n, n_missing`` (objects without a PDF), those of
        `pit_statistics` and `coverage`, ``hpd_ks`` (Kolmogorov-Smirnov distance from uniform of
        the credibilities of `hpd_level`), and the mean of each score with its standard error,
        ``crps, crps_err`` ...

    Examples
    --------
    >>> pdf, rng = np.ones((50, 2)), np.random.default_rng(1)
    >>> scores = object_scores(pdf, [0.0, 1.0, 2.0], 2 * rng.random(50), rng)
    >>> calibration_table(scores)[["n", "n_missing", "cde_loss"]].values.tolist()
    [[50.0, 0.0, -0.5]]
    """
    known = np.isfinite(scores["pit"])
    rows = []
    for name, low, high, members in each_bin(by or {}, len(known)):
        n = int((members & known).sum())
        row: dict[str, str | float] = {"by": name, "low": low, "high": high, "n": n}
        row["n_missing"] = int(members.sum()) - n
        u = np.asarray(scores["pit"])[members & known]
        row |= pit_statistics(u) | coverage(u)
        row["hpd_ks"] = pit_statistics(np.asarray(scores["hpd"])[members & known])["ks"]
        for score in SCORES:
            values = np.asarray(scores[score])[members & known]
            row[score] = float(values.mean()) if len(values) else np.nan
            spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
            row[f"{score}_err"] = spread / np.sqrt(len(values) or np.nan)
        rows.append(row)
    return pd.DataFrame(rows)
