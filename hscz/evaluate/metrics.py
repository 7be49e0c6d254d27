"""The paper's metrics of point redshifts, with bootstrap errors, in bins.

Residuals are normalised, dz = (z_pred - z_true) / (1 + z_true). The paper (section 4.2) quotes
bias, sigma_MAD and the fraction of outliers with ``|dz| > 0.15``, with the scatter over 100
bootstrap samples as error; the photometric-redshift library RAIL takes sigma_IQR and calls
``|dz| > max(0.06, 3 sigma_IQR)`` an outlier. Both are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hscz.constants import IQR_PER_SIGMA, SIGMA_PER_MAD
from hscz.errors import InputError

FloatArray = NDArray[np.float64]

OUTLIER_DZ = 0.15
"""Residual from which the paper calls a redshift an outlier."""

_SAMPLES_AT_ONCE = 4_000_000
"""Residuals held at once while bootstrapping; bounds the memory to some 100 MB."""


def residual(z_pred: ArrayLike, z_true: ArrayLike) -> FloatArray:
    """Return the normalised residuals dz = (z_pred - z_true) / (1 + z_true).

    Examples
    --------
    >>> residual([1.2], [1.0]).round(3).tolist()
    [0.1]
    """
    truth = np.asarray(z_true, dtype=np.float64)
    return (np.asarray(z_pred, dtype=np.float64) - truth) / (1 + truth)


def bias(dz: FloatArray) -> FloatArray:
    """Return b, the median of the residuals along the last axis."""
    return np.median(dz, axis=-1)


def sigma_mad(dz: FloatArray) -> FloatArray:
    """Return 1.4826 times the median absolute deviation of the residuals from their median.

    Examples
    --------
    >>> float(sigma_mad(np.array([-0.1, 0.0, 0.1, 5.0])).round(4))
    0.1483
    """
    centre = np.median(dz, axis=-1, keepdims=True)
    return SIGMA_PER_MAD * np.median(np.abs(dz - centre), axis=-1)


def outlier_fraction(dz: FloatArray) -> FloatArray:
    """Return eta, the fraction of residuals beyond 0.15.

    Examples
    --------
    >>> float(outlier_fraction(np.array([0.0, 0.15, -0.2, 0.1])))
    0.25
    """
    return np.mean(np.abs(dz) > OUTLIER_DZ, axis=-1)


def sigma_iqr(dz: FloatArray) -> FloatArray:
    """Return the interquartile range of the residuals over 1.349, as RAIL does.

    Examples
    --------
    >>> float(sigma_iqr(np.array([0.0, 1.0, 2.0, 3.0, 4.0])).round(4))
    1.4826
    """
    low, high = np.quantile(dz, [0.25, 0.75], axis=-1)
    return (high - low) / IQR_PER_SIGMA


def outlier_fraction_iqr(dz: FloatArray) -> FloatArray:
    """Return the fraction of residuals beyond max(0.06, 3 sigma_IQR), as RAIL does."""
    limit = np.maximum(0.06, 3 * sigma_iqr(dz))
    return np.mean(np.abs(dz) > limit[..., None], axis=-1)


METRICS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "bias": bias,
    "sigma_mad": sigma_mad,
    "outlier_fraction": outlier_fraction,
    "sigma_iqr": sigma_iqr,
    "outlier_fraction_iqr": outlier_fraction_iqr,
}
"""Columns of `metrics_table`; each has its error beside it, ``<name>_err``."""


def bootstrap_errors(
    dz: FloatArray, rng: np.random.Generator, n_bootstrap: int = 100
) -> dict[str, float]:
    """Return the standard deviation of each metric over samples drawn with replacement.

    Parameters
    ----------
    dz : ndarray, shape (n,)
        Finite residuals, at least one.
    rng : numpy.random.Generator
    n_bootstrap : int
        Number of samples; the paper takes 100.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> errors = bootstrap_errors(rng.normal(0, 0.02, 10_000), rng)
    >>> 0.0002 < errors["bias"] < 0.0003
    True
    """
    at_once = max(1, _SAMPLES_AT_ONCE // len(dz))
    values: dict[str, list[FloatArray]] = {name: [] for name in METRICS}
    for start in range(0, n_bootstrap, at_once):
        shape = (min(at_once, n_bootstrap - start), len(dz))
        samples = dz[rng.integers(len(dz), size=shape)]
        for name, metric in METRICS.items():
            values[name].append(metric(samples))
    return {name: float(np.concatenate(parts).std()) for name, parts in values.items()}


def metrics_table(
    z_pred: ArrayLike,
    z_true: ArrayLike,
    by: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    n_bootstrap: int = 100,
    seed: int = 1,
) -> pd.DataFrame:
    """Return the metrics of all objects and in bins, with bootstrap errors.

    Parameters
    ----------
    z_pred : array_like, shape (n,)
        Estimated redshifts. NaN (no estimate) is counted in ``n_missing`` of its row.
    z_true : array_like, shape (n,)
        Redshifts taken for true; objects where it is NaN take no part.
    by : mapping of str to (values, edges), optional
        Quantities to bin in, such as ``{"mag_i": (mag_i, [22, 23, 24, 25])}``. A bin holds
        low <= value < high; objects outside every bin are in the row of all only.
    n_bootstrap, seed : int
        Each row has its own random stream, so an error does not depend on the other rows.

    Returns
    -------
    pandas.DataFrame
        Columns ``by`` (``all`` or the quantity), ``low``, ``high``, ``n`` (objects with both
        redshifts), ``n_missing`` and, for each of `METRICS`, value and ``_err``; NaN where
        there is no object.

    Raises
    ------
    InputError
        If the arrays differ in length or no object has a true redshift.

    Examples
    --------
    >>> by = {"i": ([20, 21, 23], [20, 24])}
    >>> table = metrics_table([1.02, 0.50, np.nan], [1.0, 0.5, 0.7], by)
    >>> table[["by", "n", "n_missing", "bias"]].round(3).values.tolist()
    [['all', 2, 1, 0.005], ['i', 2, 1, 0.005]]
    """
    predicted, truth = np.asarray(z_pred, dtype=np.float64), np.asarray(z_true, dtype=np.float64)
    lengths = {len(predicted), len(truth), *(len(np.asarray(v)) for v, _ in (by or {}).values())}
    if len(lengths) > 1:
        raise InputError(f"the arrays to compare have different lengths: {sorted(lengths)}")
    known = np.isfinite(truth)
    if not known.any():
        raise InputError(f"none of {len(truth)} objects has a true redshift to compare with")
    dz = residual(predicted, truth)
    rows = []
    for number, (name, low, high, members) in enumerate(each_bin(by or {}, len(truth))):
        rng = np.random.default_rng([seed, number])
        place = {"by": name, "low": low, "high": high}
        rows.append(place | _row(dz[members & known], rng, n_bootstrap))
    return pd.DataFrame(rows)


def each_bin(
    by: Mapping[str, tuple[ArrayLike, ArrayLike]], n: int
) -> Iterator[tuple[str, float, float, NDArray[np.bool_]]]:
    """Yield name, edges and members of all `n` objects and of the bins of each quantity.

    Examples
    --------
    >>> [(name, int(members.sum())) for name, _, _, members in each_bin({"i": ([1], [0, 2])}, 1)]
    [('all', 1), ('i', 1)]
    """
    yield "all", np.nan, np.nan, np.ones(n, dtype=bool)
    for name, (values, edges) in by.items():
        value, edge = np.asarray(values), np.asarray(edges, dtype=np.float64)
        for low, high in pairwise(edge):
            yield name, low, high, (value >= low) & (value < high)


def _row(dz: FloatArray, rng: np.random.Generator, n_bootstrap: int) -> dict[str, float]:
    found = dz[np.isfinite(dz)]
    row: dict[str, float] = {"n": len(found), "n_missing": len(dz) - len(found)}
    errors = bootstrap_errors(found, rng, n_bootstrap) if len(found) else {}
    for name, metric in METRICS.items():
        row[name] = float(metric(found)) if len(found) else np.nan
        row[f"{name}_err"] = errors.get(name, np.nan)
    return row
