"""The paper's tests of a target field: n(z), [OII] emitters, wide PDFs, and prior leakage.

The labelled sample, the first of the paper's three tests, is `hscz.evaluate.metrics`. The second
compares redshift distributions in bins of magnitude with the training set's (section 5.2). That
distribution is also what an adversary is made to reproduce, so on a simulation it is compared
with the truth as well, and `label_shift_slope` measures which of the two a model follows.

Distributions are counts in redshift bins of 0.01, shape (sample, magnitude bin, redshift bin),
where sample 0 is the data and the others are bootstrap samples of it.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from hscz.errors import InputError
from hscz.evaluate.metrics import metrics_table
from hscz.schema import WIDE_PDFW

FloatArray = NDArray[np.float64]

N_OF_Z_MAG_EDGES = (0.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0)
"""The six bins of i magnitude in which n(z) is compared."""

BIN_WIDTH_Z = 0.1
"""Redshift bins of the total variation and the label shift, wide enough to hold many objects."""

FINE_WIDTH_Z = 0.01
Z_MAX = 6.0

Z_OII = 1.4657
"""Redshift of the NB921-selected [OII] emitters (section 5.3)."""

OII_HALF_WIDTH_Z = 0.02
"""True emitters lie this close to `Z_OII`: half the width of NB921, 135 / 3728 / 2, rounded up."""


def resampled_n_of_z(
    z: ArrayLike,
    mag_i: ArrayLike,
    seed: int,
    n_bootstrap: int = 100,
    mag_edges: tuple[float, ...] = N_OF_Z_MAG_EDGES,
    cells: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Return n(z) in bins of magnitude, of the objects and of bootstrap samples of them.

    Samples are made of whole cells of the sky, one fewer than there are: so many give the variance
    of a mean without bias, where as many would give (cells - 1) / cells of it. The same seed
    draws the same cells, so that two redshifts of the same objects are resampled together.

    Parameters
    ----------
    z, mag_i : array_like, shape (n,)
        Finite redshifts, those beyond 0 to 6 counted in the outermost bins, and magnitudes.
    seed, n_bootstrap : int
    mag_edges : tuple of float
    cells : array_like of int, shape (n,), optional
        Number of the cell of each object, see `hscz.evaluate.cells.sky_cells`; without, each
        object is one of its own.

    Returns
    -------
    ndarray of int, shape (1 + n_bootstrap, magnitude bin, 600)

    Examples
    --------
    >>> counts = resampled_n_of_z([0.105, 0.5, 0.9], [19, 24.5, 24.5], seed=1)
    >>> counts.shape, counts[0].sum(axis=1).tolist(), int(counts[0, 0, 10])
    ((101, 6, 600), [1, 0, 0, 0, 0, 2], 1)
    """
    n_bins, n_mag = round(Z_MAX / FINE_WIDTH_Z), len(mag_edges) - 1
    redshift = np.clip(np.asarray(z) / FINE_WIDTH_Z, 0, n_bins - 1).astype(np.int64)
    mag_bin = np.digitize(np.asarray(mag_i), mag_edges) - 1
    inside = (mag_bin >= 0) & (mag_bin < n_mag)
    cell = np.arange(len(redshift)) if cells is None else np.asarray(cells)
    n_cells = int(cell.max(initial=-1)) + 1
    places = (cell[inside], mag_bin[inside] * n_bins + redshift[inside])
    by_cell = csr_array(
        (np.ones(len(places[0]), np.int64), places), shape=(n_cells, n_mag * n_bins)
    )
    counts = np.zeros((1 + n_bootstrap, n_mag * n_bins), dtype=np.int64)
    counts[0] = by_cell.sum(axis=0)
    rng, transposed = np.random.default_rng(seed), by_cell.T.tocsr()
    for sample in range(1, 1 + n_bootstrap if n_cells > 1 else 1):
        drawn = rng.integers(n_cells, size=n_cells - 1)
        counts[sample] = transposed @ np.bincount(drawn, minlength=n_cells)
    return counts.reshape(-1, n_mag, n_bins)


def wasserstein(counts: ArrayLike, reference: ArrayLike) -> FloatArray:
    """Return the Wasserstein-1 distance of distributions: the mean shift in z that maps them.

    Parameters
    ----------
    counts, reference : array_like, shape (..., redshift bin)
        In bins of 0.01, which is how exact the distance is.

    Returns
    -------
    ndarray, shape (...)
        NaN where a distribution is empty.

    Examples
    --------
    >>> float(wasserstein([1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 1]).round(4))
    0.005
    """
    gap = np.cumsum(_pmf(counts), axis=-1) - np.cumsum(_pmf(reference), axis=-1)
    return np.abs(gap).sum(axis=-1) * FINE_WIDTH_Z


def total_variation(
    counts: ArrayLike, reference: ArrayLike, bin_width: float = BIN_WIDTH_Z
) -> FloatArray:
    """Return the total-variation distance: the fraction of one distribution the other lacks.

    Parameters
    ----------
    counts, reference : array_like, shape (..., redshift bin)
        In bins of 0.01.
    bin_width : float
        Bins to compare in, a multiple of 0.01 that divides the range.

    Examples
    --------
    >>> near, far = np.zeros((2, 20))
    >>> near[[1, 5]], far[[2, 15]] = 1, 1
    >>> float(total_variation(near, far))
    0.5
    """
    gap = _pmf(rebin(counts, bin_width)) - _pmf(rebin(reference, bin_width))
    return 0.5 * np.abs(gap).sum(axis=-1)


def rebin(counts: ArrayLike, bin_width: float = BIN_WIDTH_Z) -> FloatArray:
    """Return counts in bins of 0.01 summed into wider bins along the last axis.

    Raises
    ------
    InputError
        If the bins of 0.01 do not fill the wider ones.

    Examples
    --------
    >>> rebin(np.ones((2, 40)), 0.2).tolist()
    [[20.0, 20.0], [20.0, 20.0]]
    """
    values = np.asarray(counts, dtype=np.float64)
    factor = round(bin_width / FINE_WIDTH_Z)
    if not np.isclose(factor * FINE_WIDTH_Z, bin_width) or values.shape[-1] % max(factor, 1):
        raise InputError(
            f"bin width {bin_width:g} does not divide z = 0 to "
            f"{values.shape[-1] * FINE_WIDTH_Z:g} into bins of 0.01; take 0.1"
        )
    return values.reshape(*values.shape[:-1], -1, factor).sum(axis=-1)


def n_of_z_distances(
    counts: NDArray[np.int64], reference: NDArray[np.int64], bin_width: float = BIN_WIDTH_Z
) -> dict[str, FloatArray]:
    """Compare the n(z) of each magnitude bin with a reference.

    Two finite samples of one distribution differ as well: the ``_floor`` of a distance is what
    it is on average between two bootstrap samples of the reference, scaled to the numbers of
    objects here. Redshifts of the same objects can come closer to each other than that.

    Parameters
    ----------
    counts, reference : ndarray, shape (sample, magnitude bin, redshift bin)
        From `resampled_n_of_z`; with the same seed if they are the same objects.
    bin_width : float
        Of the total variation.

    Returns
    -------
    dict of str to ndarray, shape (magnitude bin,)
        ``w1`` and ``tv``, each with ``_err`` and ``_floor``.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> mag_i, z = np.full(1000, 24.5), rng.uniform(0.5, 1.5, (2, 1000))
    >>> counts, reference = (resampled_n_of_z(one, mag_i, seed) for seed, one in enumerate(z))
    >>> found = n_of_z_distances(counts, reference)
    >>> {name: float(value[-1].round(2)) for name, value in found.items() if "tv" in name}
    {'tv': 0.07, 'tv_err': 0.02, 'tv_floor': 0.05}
    """
    n, n_reference = counts[0].sum(axis=-1), reference[0].sum(axis=-1)
    half = (len(reference) - 1) // 2
    first, second = reference[1 : 1 + half], reference[1 + half : 1 + 2 * half]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(0.5 * (1 + n_reference / n))
    found = {
        "w1": (wasserstein(counts, reference), wasserstein(first, second)),
        "tv": (
            total_variation(counts, reference, bin_width),
            total_variation(first, second, bin_width),
        ),
    }
    columns: dict[str, FloatArray] = {}
    for name, (distance, between_samples) in found.items():
        columns[name] = distance[0]
        # A sample of whole cells may have nothing in a bin that is nearly empty.
        columns[f"{name}_err"] = pd.DataFrame(distance[1:]).std(ddof=0).to_numpy()
        floor = pd.DataFrame(between_samples).mean().to_numpy()
        with np.errstate(invalid="ignore"):
            columns[f"{name}_floor"] = scale * floor
    return columns


def label_shift_slope(
    n_pred: ArrayLike, n_true: ArrayLike, n_source: ArrayLike, bin_width: float = BIN_WIDTH_Z
) -> tuple[float, float]:
    """Return how much of a target's own n(z) a model finds, and the bootstrap error.

    The slope through the origin of n_pred - n_source on n_true - n_source over all magnitude and
    redshift bins, each magnitude bin weighted with its objects: 1 where the prediction follows
    the target, 0 where it repeats the n(z) it was trained with. What sampling noise adds to the
    sums of products and squares is measured on the bootstrap samples and taken off.

    Parameters
    ----------
    n_pred, n_true, n_source : array_like, shape (sample, magnitude bin, redshift bin)
        Predicted, true and training counts in bins of 0.01, sample 0 the data and the others
        bootstrap samples, as `resampled_n_of_z` returns them.
    bin_width : float

    Returns
    -------
    slope, slope_err : float
        NaN where n_true has not moved from n_source by more than two errors: no shift to find.

    Examples
    --------
    >>> source, true = np.zeros((2, 2, 1, 20))
    >>> source[..., 2], true[..., 12] = 100, 50
    >>> [label_shift_slope(n, true, source)[0] for n in (true, source, source + 2 * true)]
    [1.0, 0.0, 0.5]
    """
    pred, true, source = (rebin(n, bin_width) for n in (n_pred, n_true, n_source))
    moved, shift = _pmf(pred) - _pmf(source), _pmf(true) - _pmf(source)
    weight = true[:1].sum(axis=-1, keepdims=True)
    product, square = (
        np.nansum(weight * x * shift, axis=(-2, -1))
        - np.nansum(weight * ((x - x[0]) * (shift - shift[0])).mean(axis=0), axis=(-2, -1))
        for x in (moved, shift)
    )
    if square[0] <= 2 * square[1:].std():
        return np.nan, np.nan
    slope = product[0] / square[0]
    # The error of a ratio to first order: a bootstrap of it is wild where the shift is small.
    error = (product[1:] - slope * square[1:]).std() / square[0]
    return float(slope), float(error)


def oii_metrics(
    z_median: ArrayLike, z_true: ArrayLike | None = None, n_bootstrap: int = 100, seed: int = 1
) -> pd.DataFrame:
    """Return the metrics of narrow-band candidates as though all were at z = 1.4657.

    Parameters
    ----------
    z_median : array_like, shape (n,)
        Estimates of the candidates. With ``|dz| > 0.15`` they lie outside 1.1 < z < 1.84.
    z_true : array_like, shape (n,), optional
        True redshifts, in simulations: they give a second row, without the interlopers.
    n_bootstrap, seed : int

    Returns
    -------
    pandas.DataFrame
        As `hscz.evaluate.metrics.metrics_table`, ``by`` being ``candidates`` or ``emitters``.

    Examples
    --------
    >>> table = oii_metrics([1.45, 1.48, 0.9], z_true=[1.46, 1.47, 0.84])
    >>> table[["by", "n", "outlier_fraction"]].round(2).values.tolist()
    [['candidates', 3, 0.33], ['emitters', 2, 0.0]]
    """
    z = np.asarray(z_median, dtype=np.float64)
    samples = {"candidates": np.ones(len(z), dtype=bool)}
    if z_true is not None:
        samples["emitters"] = np.abs(np.asarray(z_true) - Z_OII) < OII_HALF_WIDTH_Z
    tables = [
        metrics_table(z[chosen], np.full(chosen.sum(), Z_OII), None, n_bootstrap, seed).assign(
            by=name
        )
        for name, chosen in samples.items()
        if chosen.any()
    ]
    return pd.concat(tables, ignore_index=True)


def wide_pdf_fraction(
    pdf_width: ArrayLike, mag_i: ArrayLike, mag_edges: tuple[float, ...]
) -> pd.DataFrame:
    """Return the fraction of PDFs wider than 1.5 in bins of magnitude.

    The error is sqrt(f (1 - f) / n), to which a bootstrap of a fraction converges.

    Examples
    --------
    >>> wide_pdf_fraction([0.2, 1.8, np.nan], [24.2, 24.3, 24.9], (24, 25)).values.tolist()
    [[24.0, 25.0, 1.0, 2.0, 0.5, 0.353...]]
    """
    width, mag = np.asarray(pdf_width, dtype=np.float64), np.asarray(mag_i)
    rows = []
    for low, high in pairwise(mag_edges):
        inside = width[(mag >= low) & (mag < high)]
        found = inside[np.isfinite(inside)]
        n = len(found)
        wide = float(np.mean(found > WIDE_PDFW)) if n else np.nan
        error = np.sqrt(wide * (1 - wide) / n) if n else np.nan
        rows.append((low, high, len(inside) - n, n, wide, error))
    columns = ["low", "high", "n_missing", "n", "wide_fraction", "wide_fraction_err"]
    return pd.DataFrame(rows, columns=columns)


def _pmf(counts: ArrayLike) -> FloatArray:
    values = np.asarray(counts, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return values / values.sum(axis=-1, keepdims=True)
