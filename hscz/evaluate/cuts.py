"""Purity against completeness: what cuts in quality leave of outliers, and of galaxies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hscz.constants import SIGMA_PER_MAD
from hscz.evaluate.calibration import binomial_error
from hscz.evaluate.metrics import each_bin

FloatArray = NDArray[np.float64]
Bins = Mapping[str, tuple[ArrayLike, ArrayLike]]

SHARES = np.linspace(0.05, 1.0, 20)
"""Shares kept at which curves are given."""

_MAG_BINS = 20


@dataclass(frozen=True)
class Score:
    """A quantity by which uncertain redshifts can be cut away.

    Attributes
    ----------
    title : str
        What it is in columns of a PDF cube, or the only cut.
    sign : str
        What a kept value is of the cut: ``<=`` or ``>=``; empty where there is one cut only, which
        keeps what is 0.
    """

    title: str
    sign: str = "<="

    @property
    def least(self) -> bool:
        """Whether large values are good."""
        return self.sign == ">="

    def kept_by(self, cut: float) -> str:
        """Return the condition of a cut.

        Examples
        --------
        >>> SCORES["odds"].kept_by(0.81234), SCORES["flags"].kept_by(0.0)
        ('odds >= 0.8123', 'flags == 0')
        """
        if not self.sign:
            return "all" if cut else self.title
        return f"{self.title} {self.sign} {cut:.4g}"

    def keeps(self, values: ArrayLike, cut: float) -> NDArray[np.bool_]:
        """Return which values a cut keeps."""
        score = np.asarray(values, np.float64)
        return score >= cut if self.least else score <= cut


SCORES: Mapping[str, Score] = {
    "flags": Score("flags == 0", ""),
    "relative_width": Score("pdf_width / (1 + z_median)"),
    "odds": Score("odds", ">="),
    "p_peak2": Score("p_peak2"),
}
"""What cuts are made in."""

PROMISED, CLAIMED, FOUND = "promised", "claimed", "found"
"""How galaxies are judged: by the labels of those that stand in for a field's own, by the PDFs of
its own, and by their known redshifts."""


def scores_of(columns: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
    """Return the scores of galaxies from columns of a PDF cube, NaN where there is no estimate.

    Parameters
    ----------
    columns : mapping of str to array_like, shape (n,)
        ``z_median, pdf_width, odds, p_peak2`` and ``flags``.

    Examples
    --------
    >>> columns = {"z_median": [1.0], "pdf_width": [0.5], "odds": [0.9], "p_peak2": [0.0]}
    >>> {name: float(value[0]) for name, value in scores_of({**columns, "flags": [4]}).items()}
    {'flags': 1.0, 'relative_width': 0.25, 'odds': 0.9, 'p_peak2': 0.0}
    """
    z, width = (np.asarray(columns[name], np.float64) for name in ("z_median", "pdf_width"))
    flagged = (np.asarray(columns["flags"]) != 0).astype(np.float64)
    return {
        "flags": np.where(np.isfinite(z), flagged, np.nan),
        "relative_width": width / (1 + z),
        "odds": np.asarray(columns["odds"], np.float64),
        "p_peak2": np.asarray(columns["p_peak2"], np.float64),
    }


@dataclass(frozen=True)
class Judged:
    """Galaxies with an estimate of which it is known how far it is off.

    Attributes
    ----------
    scores : mapping of str to ndarray, shape (n,)
        From `scores_of`.
    mag_i : ndarray, shape (n,)
    dz : ndarray, shape (n,)
        Residuals, `hscz.evaluate.metrics.residual`.
    outlier : ndarray, shape (n,)
        1 for an outlier and 0 for others, or the probability of it where redshifts are uncertain.
    weight : ndarray, shape (n,)
    galaxy : ndarray of int, shape (n,)
        The same for one galaxy that is shown several times, which counts once in errors.
    """

    scores: Mapping[str, FloatArray]
    mag_i: FloatArray
    dz: FloatArray
    outlier: FloatArray
    weight: FloatArray
    galaxy: NDArray[np.int64]

    def take(self, rows: NDArray[np.bool_]) -> Judged:
        """Return some of them."""
        scores = {name: values[rows] for name, values in self.scores.items()}
        names = ("mag_i", "dz", "outlier", "weight", "galaxy")
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in names}
        return replace(self, scores=scores, **columns)


def magnitude_weights(mag_i: ArrayLike, wanted_mag_i: ArrayLike) -> FloatArray:
    """Return weights with which galaxies are distributed in magnitude as others are.

    Parameters
    ----------
    mag_i : array_like, shape (n,)
    wanted_mag_i : array_like, shape (m,)
        Magnitudes of the others, divided into twenty bins of as many each.

    Returns
    -------
    ndarray, shape (n,)
        Their sum is the share of the others in whose bins there is a galaxy; 0 outside the
        magnitudes of the others.

    Examples
    --------
    >>> faint = np.linspace(23, 24, 101)
    >>> magnitude_weights([22.0, 23.2, 23.21, 23.9], faint).round(3).tolist()
    [0.0, 0.025, 0.025, 0.05]
    """
    mag, wanted = (np.asarray(values, np.float64) for values in (mag_i, wanted_mag_i))
    wanted = wanted[np.isfinite(wanted)]
    if not len(wanted):
        return np.zeros(len(mag))
    edges = np.quantile(wanted, np.linspace(0, 1, _MAG_BINS + 1))
    # The faintest of the others belongs to the last bin.
    edges[-1] = np.nextafter(edges[-1], np.inf)
    edges = np.unique(edges)
    here, there = (np.histogram(values, edges)[0] for values in (mag, wanted))
    place = np.searchsorted(edges, mag, side="right") - 1
    inside = (place >= 0) & (place < len(here)) & np.isfinite(mag)
    each = there / np.maximum(here, 1) / len(wanted)
    return np.where(inside, each[np.where(inside, place, 0)], 0.0)


def purity(judged: Judged, score: str) -> pd.DataFrame:
    """Return what is left by every cut in a score, from the strictest to none.

    Parameters
    ----------
    judged : Judged
    score : str
        A name of `SCORES`.

    Returns
    -------
    pandas.DataFrame
        Columns ``cut, share`` (what is kept), ``n`` (galaxies), ``eta`` and ``eta_err``. The
        error is that of a fraction of as many galaxies as the weights are worth,
        `hscz.evaluate.calibration.binomial_error`. No row without a galaxy.

    Examples
    --------
    >>> one = np.ones(4)
    >>> scores = {"odds": np.array([0.9, 0.8, 0.8, 0.2])}
    >>> outlier = np.array([0.0, 0.0, 0.0, 1.0])
    >>> table = purity(Judged(scores, one, one, outlier, one, np.arange(4)), "odds")
    >>> table[["cut", "share", "n", "eta"]].values.tolist()
    [[0.9, 0.25, 1.0, 0.0], [0.8, 0.75, 3.0, 0.0], [0.2, 1.0, 4.0, 0.25]]
    """
    values = judged.scores[score]
    known = np.flatnonzero(np.isfinite(values) & (judged.weight > 0))
    order = known[np.argsort(-values[known] if SCORES[score].least else values[known])]
    value, weight = values[order], judged.weight[order]
    galaxy = pd.Series(judged.galaxy[order])
    total = weight.cumsum()
    before = pd.Series(weight).groupby(galaxy.to_numpy()).cumsum().to_numpy() - weight
    worth = total**2 / (weight * (weight + 2 * before)).cumsum()
    eta = (weight * judged.outlier[order]).cumsum() / total
    table = pd.DataFrame(
        {
            "cut": value,
            "share": total / (total[-1] if len(total) else 1.0),
            "n": (~galaxy.duplicated()).cumsum(),
            "eta": eta,
            "eta_err": binomial_error(eta.clip(0, 1), worth),
        }
    )
    return table[~table.duplicated("cut", keep="last")].reset_index(drop=True)


def cut_curves(judged: Judged, by: Bins | None = None) -> pd.DataFrame:
    """Return purity against completeness for each score, of all galaxies and in bins.

    Parameters
    ----------
    judged : Judged
    by : mapping of str to (values, edges), optional
        As in `hscz.evaluate.metrics.metrics_table`.

    Returns
    -------
    pandas.DataFrame
        Columns ``score, by, low, high``, those of `purity` at most at `SHARES`, ``sigma_mad`` and
        ``sigma_mad_err`` of what is kept.
    """
    tables = []
    for name, low, high, members in each_bin(by or {}, len(judged.dz)):
        some = judged.take(members)
        for score in judged.scores:
            table = purity(some, score)
            rows = np.searchsorted(table["share"], SHARES - 1e-9)
            table = table.iloc[np.unique(rows[rows < len(table)])]
            spread = [kept_sigma_mad(some, score, cut) for cut in table["cut"]]
            place: dict[str, Any] = {"score": score, "by": name, "low": low, "high": high}
            columns = pd.DataFrame(spread, table.index, ["sigma_mad", "sigma_mad_err"])
            tables.append(pd.concat([table.assign(**place), columns], axis=1))
    found = pd.concat(tables, ignore_index=True)
    first = ["score", "by", "low", "high"]
    return found[[*first, *(name for name in found if name not in first)]]


def kept_sigma_mad(judged: Judged, score: str, cut: float) -> tuple[float, float]:
    """Return sigma_MAD of the galaxies that a cut keeps, with its error; NaN without residuals.

    The error is half the distance of the quantiles that are as far from the median of the absolute
    deviations as it scatters, by a half over the root of the number of galaxies.
    """
    kept = SCORES[score].keeps(judged.scores[score], cut) & (judged.weight > 0)
    dz, weight = judged.dz[kept], judged.weight[kept]
    if not np.isfinite(dz).any():
        return np.nan, np.nan
    worth = (
        weight.sum() ** 2 / np.square(pd.Series(weight).groupby(judged.galaxy[kept]).sum()).sum()
    )
    scatter = min(0.5, 0.5 / np.sqrt(worth))
    deviation = np.abs(dz - _quantiles(dz, weight, [0.5])[0])
    low, middle, high = _quantiles(deviation, weight, [0.5 - scatter, 0.5, 0.5 + scatter])
    return SIGMA_PER_MAD * middle, SIGMA_PER_MAD * 0.5 * (high - low)


def recommended_cut(judged: Judged, score: str, wanted_eta: float) -> float:
    """Return the loosest cut whose eta, its error added, is not above what is wanted.

    NaN where there is none.
    """
    table = purity(judged, score)
    pure = table["cut"][(table["eta"] + table["eta_err"]).clip(upper=1) <= wanted_eta]
    return float(pure.iloc[-1]) if len(pure) else np.nan


def at_cut(judged: Judged, score: str, cut: float, by: Bins | None = None) -> pd.DataFrame:
    """Return what a cut leaves of all galaxies and in bins.

    Returns
    -------
    pandas.DataFrame
        Columns ``by, low, high, share, n, eta`` and ``eta_err``; eta is NaN where nothing is left,
        and so is the share where there is no galaxy.
    """
    rows = []
    for name, low, high, members in each_bin(by or {}, len(judged.dz)):
        table = purity(judged.take(members), score)
        left = table[SCORES[score].keeps(table["cut"], cut)].tail(1)
        share = 0.0 if len(table) else np.nan
        kept = left if len(left) else pd.DataFrame({"share": [share], "n": [0]})
        rows.append(kept.assign(by=name, low=low, high=high))
    columns = ["by", "low", "high", "share", "n", "eta", "eta_err"]
    return pd.concat(rows, ignore_index=True).reindex(columns=columns)


def _quantiles(values: FloatArray, weight: FloatArray, q: Sequence[float]) -> FloatArray:
    """Return quantiles of weighted values, interpolated between their middles."""
    order = np.argsort(values)
    below = weight[order].cumsum() - 0.5 * weight[order]
    return np.interp(q, below / weight.sum(), values[order])
