"""Redshift PDFs on bins: point estimates, quantiles, widths and peaks.

A PDF is a row of densities, one per bin, constant inside the bin: shape (n, n_bins) with
edges (n_bins + 1,). Rows need not be normalised. A row with a NaN, or without any
probability, gives NaN everywhere. Every function treats each row by itself, so the result
does not depend on how rows are grouped into blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.errors import InputError
from hscz.pdf.grid import bin_centres
from hscz.pdf.peak_finding import PEAK_DISTANCE, PEAK_PROMINENCE, describe_peaks

FloatArray = NDArray[np.float64]

ODDS_DISTANCE = 0.15
"""Distance from the median, times 1 + z, that `odds` counts: what the paper calls an outlier."""

_BLOCK = 4096


def row_blocks(n: int) -> list[slice]:
    """Return slices of rows, few enough at once to stay in the processor's cache."""
    return [slice(start, start + _BLOCK) for start in range(0, max(n, 1), _BLOCK)]


def has_pdf(pdf: ArrayLike, where: str = "PDFs") -> NDArray[np.bool_]:
    """Return which rows are a PDF; the others must be NaN throughout, as flagged objects are.

    Raises
    ------
    InputError
        If a row is neither: NaN or infinite in some bins, negative, or without probability.

    Examples
    --------
    >>> has_pdf([[1.0, 1.0], [np.nan, np.nan]]).tolist()
    [True, False]
    """
    density = np.asarray(pdf)
    least, total = density.min(axis=1, initial=np.inf), density.sum(axis=1)
    good = (least >= 0) & (total > 0) & np.isfinite(total)
    bad = np.flatnonzero(~good)
    bad = bad[~np.isnan(density[bad]).all(axis=1)]
    if len(bad):
        raise InputError(
            f"{where}: {len(bad)} of {len(density)} PDFs are partly NaN, negative or sum to zero, "
            f"the first in row {bad[0]}; predict again, or leave them out"
        )
    return good


def pdf_to_pmf(pdf: ArrayLike, edges: ArrayLike) -> FloatArray:
    """Return the probability of each bin from the density.

    Examples
    --------
    >>> pdf_to_pmf([[1.0, 0.5]], [0.0, 0.5, 1.5]).tolist()
    [[0.5, 0.5]]
    """
    return np.asarray(pdf, dtype=np.float64) * _widths(pdf, edges)


def pmf_to_pdf(pmf: ArrayLike, edges: ArrayLike) -> FloatArray:
    """Return the density from the probability of each bin; a softmax is such a pmf.

    Examples
    --------
    >>> pmf_to_pdf([[0.5, 0.5]], [0.0, 0.5, 1.5]).tolist()
    [[1.0, 0.5]]
    """
    return np.asarray(pmf, dtype=np.float64) / _widths(pmf, edges)


def cdf(pdf: ArrayLike, edges: ArrayLike) -> FloatArray:
    """Return the cumulative probability at the edges, from 0 to 1, shape (n, n_bins + 1).

    Examples
    --------
    >>> cdf([[1.0, 1.0, 2.0]], [0.0, 1.0, 2.0, 3.0]).tolist()
    [[0.0, 0.25, 0.5, 1.0]]
    """
    mass = pdf_to_pmf(pdf, edges)
    cumulative = np.zeros((len(mass), mass.shape[1] + 1))
    np.cumsum(mass, axis=1, out=cumulative[:, 1:])
    total = cumulative[:, -1:].copy()
    cumulative /= np.where(total > 0, total, np.nan)
    return cumulative


def quantile(pdf: ArrayLike, edges: ArrayLike, q: float | ArrayLike) -> FloatArray:
    """Return quantiles, interpolated inside the bins.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
    edges : array_like, shape (n_bins + 1,)
    q : float or array_like, shape (k,)
        Probabilities from 0 to 1. The quantile at 0 is the lower edge of the grid.

    Returns
    -------
    ndarray
        Shape (n,) for one probability, (k, n) for several.

    Examples
    --------
    >>> quantile([[0.0, 1.0, 1.0]], [0.0, 1.0, 2.0, 3.0], 0.25).tolist()
    [1.5]
    """
    density, wanted = np.asarray(pdf), np.atleast_1d(q)
    values = np.empty((len(wanted), len(density)))
    for rows in row_blocks(len(density)):
        cumulative = cdf(density[rows], edges)
        values[:, rows] = _quantiles(cumulative, np.asarray(edges, np.float64), wanted)
    return values if np.ndim(q) else values[0]


def cdf_at(pdf: ArrayLike, edges: ArrayLike, z: ArrayLike) -> FloatArray:
    """Return the probability that the redshift is below `z`, interpolated inside the bins.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
    edges : array_like, shape (n_bins + 1,)
    z : array_like, shape (), (n,), (k, 1) or (k, n)
        One redshift for all PDFs or one for each; k of them with a first axis.

    Returns
    -------
    ndarray
        Shape (n,), or (k, n). NaN where `z` is.

    Examples
    --------
    >>> cdf_at([[1.0, 1.0], [1.0, 3.0]], [0.0, 1.0, 2.0], [0.5, 1.5]).tolist()
    [0.25, 0.625]
    """
    density, edge = np.asarray(pdf), np.asarray(edges, np.float64)
    steps, wanted = _widths(pdf, edges), np.asarray(z, np.float64)
    one_for_all = wanted.shape[-1:] in ((), (1,))
    values = np.empty((*wanted.shape[:-1], len(density)))
    for rows in row_blocks(len(density)):
        redshift = wanted if one_for_all else wanted[..., rows]
        # How much of each bin lies below the redshift.
        below = np.clip(np.atleast_1d(redshift)[..., None] - edge[:-1], 0, steps)
        total = np.einsum("ij,j->i", density[rows], steps)
        found = np.einsum("ij,...ij->...i", density[rows], below)
        values[..., rows] = found / np.where(total > 0, total, np.nan)
    return values


def median(pdf: ArrayLike, edges: ArrayLike) -> FloatArray:
    """Return the median, the paper's point estimate, interpolated inside the bins."""
    return quantile(pdf, edges, 0.5)


def draw(pdf: ArrayLike, edges: ArrayLike, rng: np.random.Generator) -> FloatArray:
    """Return a random redshift of each PDF: their histogram estimates the mean of all PDFs.

    Examples
    --------
    >>> z = draw([[0.0, 1.0, 3.0]] * 1000, [0.0, 1.0, 2.0, 3.0], np.random.default_rng(1))
    >>> bool(z.min() >= 1), bool(abs((z > 2).mean() - 0.75) < 0.03)
    (True, True)
    """
    density = np.asarray(pdf)
    values = np.empty(len(density))
    for rows in row_blocks(len(density)):
        cumulative = cdf(density[rows], edges)
        probability = rng.random(len(cumulative))
        values[rows] = _quantiles(cumulative, np.asarray(edges, np.float64), [probability])[0]
    return values


def mean(pdf: ArrayLike, edges: ArrayLike) -> FloatArray:
    """Return the mean.

    Examples
    --------
    >>> mean([[3.0, 1.0]], [0.0, 1.0, 2.0]).tolist()
    [0.75]
    """
    density, steps = np.asarray(pdf, dtype=np.float64), _widths(pdf, edges)
    # Not a matrix product, whose rounding depends on the number of rows.
    total = np.einsum("ij,j->i", density, steps)
    first_moment = np.einsum("ij,j->i", density, steps * bin_centres(edges))
    return first_moment / np.where(total > 0, total, np.nan)


def mode(pdf: ArrayLike, edges: ArrayLike) -> FloatArray:
    """Return the centre of the bin of highest density, the first of equals.

    Examples
    --------
    >>> mode([[0.2, 0.5, 0.3]], [0.0, 1.0, 2.0, 3.0]).tolist()
    [1.5]
    """
    density = np.asarray(pdf, dtype=np.float64)
    highest = density.argmax(axis=1)
    found = density[np.arange(len(density)), highest] > 0
    return np.where(found, bin_centres(edges)[highest], np.nan)


def width(pdf: ArrayLike, edges: ArrayLike, level: float = 0.68) -> FloatArray:
    """Return the width of the central interval that holds `level` of the probability (PDFw).

    Examples
    --------
    >>> width([[1.0, 1.0]], [0.0, 1.0, 2.0]).round(6).tolist()
    [1.36]
    """
    low, high = quantile(pdf, edges, [0.5 - level / 2, 0.5 + level / 2])
    return high - low


def odds(pdf: ArrayLike, edges: ArrayLike, distance: float = ODDS_DISTANCE) -> FloatArray:
    """Return the probability within `distance` times 1 + z of the median z (Benitez 2000).

    With PDFs that are calibrated, 1 - odds is about the chance of an outlier.

    Examples
    --------
    >>> odds([[1.0, 0.0], [1.0, 1.0]], [0.0, 0.1, 1.0]).round(3).tolist()
    [1.0, 0.45]
    """
    return _near(pdf, edges, median(pdf, edges), distance)


def peaks(
    pdf: ArrayLike,
    edges: ArrayLike,
    prominence: float = PEAK_PROMINENCE,
    distance: float = PEAK_DISTANCE,
) -> tuple[NDArray[np.int16], FloatArray, FloatArray]:
    """Count the peaks of each PDF and describe those that mean another redshift.

    A peak is a local maximum of the density from which one has to descend by at least
    `prominence` times the PDF's maximum before climbing to any higher point, on either side;
    outside the grid the density is zero. Valleys are the lowest bins between peaks. A peak
    farther than `distance` times 1 + z from the highest, at z, means another redshift; nearer
    ones are ripples of the same.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
    edges : array_like, shape (n_bins + 1,)
    prominence, distance : float

    Returns
    -------
    n_peaks : ndarray of int
        Peaks, near ones and distant; 0 for a PDF that is NaN or without probability.
    z_peak2 : ndarray
        Centre of the bin of the highest distant peak; NaN where there is none.
    p_peak2 : ndarray
        Probability of all distant peaks, each between the middles of the valleys beside it;
        0 where there is none.

    Examples
    --------
    >>> count, z2, p2 = peaks([[0.0, 3.0, 0.0, 1.0, 0.0]], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    >>> count.tolist(), z2.tolist(), p2.tolist()
    ([2], [3.5], [0.25])
    """
    return describe_peaks(
        np.asarray(pdf), cdf(pdf, edges), bin_centres(edges), prominence, distance
    )


def combine(pdfs: Sequence[ArrayLike]) -> NDArray[np.float32]:
    """Return the mean density of several PDFs of the same objects, as ensembles are averaged.

    Raises
    ------
    InputError
        If there is none, or their shapes differ.

    Examples
    --------
    >>> combine([[[1.0, 0.0]], [[0.0, 1.0]]]).tolist()
    [[0.5, 0.5]]
    """
    shapes = {np.shape(pdf) for pdf in pdfs}
    if len(shapes) != 1:
        raise InputError(f"PDFs to combine must be of one shape, these have {sorted(shapes)}")
    total = np.zeros(shapes.pop())
    for pdf in pdfs:
        total += np.asarray(pdf)
    return (total / len(pdfs)).astype(np.float32)


def summarise(pdf: ArrayLike, edges: ArrayLike) -> dict[str, NDArray[np.float32 | np.int16]]:
    """Return every point column of a PDF cube (`hscz.schema.PDF_CUBE`).

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
        Density.
    edges : array_like, shape (n_bins + 1,)

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``z_median, z_mean, z_mode, z_q16, z_q84, pdf_width, odds, n_peaks, z_peak2, p_peak2``.

    Examples
    --------
    >>> columns = summarise([[0.0, 1.0, 0.0]], [0.0, 1.0, 2.0, 3.0])
    >>> float(columns["z_median"][0]), int(columns["n_peaks"][0])
    (1.5, 1)
    """
    density = np.asarray(pdf)
    blocks = [_summarise_block(density[rows], edges) for rows in row_blocks(len(density))]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _summarise_block(
    pdf: NDArray[np.floating], edges: ArrayLike
) -> dict[str, NDArray[np.float32 | np.int16]]:
    density, cumulative = np.asarray(pdf, dtype=np.float64), cdf(pdf, edges)
    quantiles = np.array([0.16, 0.5, 0.84])
    low, middle, high = _quantiles(cumulative, np.asarray(edges, np.float64), quantiles)
    n_peaks, z_peak2, p_peak2 = describe_peaks(pdf, cumulative, bin_centres(edges))
    columns = {
        "z_median": middle,
        "z_mean": mean(density, edges),
        "z_mode": mode(density, edges),
        "z_q16": low,
        "z_q84": high,
        "pdf_width": high - low,
        "odds": _near(density, edges, middle, ODDS_DISTANCE),
        "z_peak2": z_peak2,
        "p_peak2": p_peak2,
    }
    floats = {name: values.astype(np.float32) for name, values in columns.items()}
    return {**floats, "n_peaks": n_peaks}


def _near(pdf: ArrayLike, edges: ArrayLike, z: FloatArray, distance: float) -> FloatArray:
    reach = distance * (1 + z)
    below, above = cdf_at(pdf, edges, np.stack([z - reach, z + reach]))
    return above - below


def _widths(pdf: ArrayLike, edges: ArrayLike) -> FloatArray:
    steps = np.diff(np.asarray(edges, dtype=np.float64))
    if np.ndim(pdf) != 2 or np.shape(pdf)[1] != len(steps):
        raise InputError(f"PDFs of shape {np.shape(pdf)} do not fit {len(steps)} redshift bins")
    return steps


def _quantiles(
    cumulative: FloatArray, edges: FloatArray, q: FloatArray | Sequence[FloatArray]
) -> FloatArray:
    """Return quantiles, shape (k, n), at each of q: one probability for all rows, or one each."""
    rows = np.arange(len(cumulative))
    out = np.empty((len(q), len(rows)))
    for k, probability in enumerate(q):
        bins = np.argmax(cumulative[:, 1:] >= np.reshape(probability, (-1, 1)), axis=1)
        below = cumulative[rows, bins]
        mass = cumulative[rows, bins + 1] - below
        inside = (probability - below) / np.where(mass > 0, mass, 1.0)
        out[k] = edges[bins] + inside * (edges[bins + 1] - edges[bins])
    return out
