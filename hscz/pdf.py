"""Redshift PDFs on bins: point estimates, quantiles, widths and peaks.

A PDF is a row of densities, one per bin, constant inside the bin: shape (n, n_bins) with
edges (n_bins + 1,). Rows need not be normalised. A row with a NaN, or without any
probability, gives NaN everywhere. Every function treats each row by itself, so the result
does not depend on how rows are grouped into blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.errors import InputError

FloatArray = NDArray[np.float64]

PEAK_PROMINENCE = 0.1
"""A peak must rise above the valleys beside it by this fraction of the PDF's maximum."""

_BLOCK = 4096
"""Rows handled at once, few enough to stay in the processor's cache."""


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
    for rows in _blocks(len(density)):
        cumulative = cdf(density[rows], edges)
        values[:, rows] = _quantiles(cumulative, np.asarray(edges, np.float64), wanted)
    return values if np.ndim(q) else values[0]


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
    for rows in _blocks(len(density)):
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
    first_moment = np.einsum("ij,j->i", density, steps * _centres(edges))
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
    return np.where(found, _centres(edges)[highest], np.nan)


def width(pdf: ArrayLike, edges: ArrayLike, level: float = 0.68) -> FloatArray:
    """Return the width of the central interval that holds `level` of the probability (PDFw).

    Examples
    --------
    >>> width([[1.0, 1.0]], [0.0, 1.0, 2.0]).round(6).tolist()
    [1.36]
    """
    low, high = quantile(pdf, edges, [0.5 - level / 2, 0.5 + level / 2])
    return high - low


def peaks(
    pdf: ArrayLike, edges: ArrayLike, prominence: float = PEAK_PROMINENCE
) -> tuple[NDArray[np.int16], FloatArray, FloatArray]:
    """Count the peaks of each PDF and describe the second highest.

    A peak is a local maximum of the density from which one has to descend by at least
    `prominence` times the PDF's maximum before climbing to any higher point, on either side;
    outside the grid the density is zero. Valleys are the lowest bins between peaks.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
    edges : array_like, shape (n_bins + 1,)
    prominence : float

    Returns
    -------
    n_peaks : ndarray of int
        0 for a PDF that is NaN or without probability.
    z_peak2 : ndarray
        Centre of the bin of the second highest peak; NaN where there is one peak.
    p_peak2 : ndarray
        Probability between the middles of the valleys beside it.

    Examples
    --------
    >>> count, z2, p2 = peaks([[0.0, 3.0, 0.0, 1.0, 0.0]], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    >>> count.tolist(), z2.tolist(), p2.tolist()
    ([2], [3.5], [0.25])
    """
    density = np.asarray(pdf)
    return _peaks(density, cdf(density, edges), _centres(edges), prominence)


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
        ``z_median, z_mean, z_mode, z_q16, z_q84, pdf_width, n_peaks, z_peak2, p_peak2``.

    Examples
    --------
    >>> columns = summarise([[0.0, 1.0, 0.0]], [0.0, 1.0, 2.0, 3.0])
    >>> float(columns["z_median"][0]), int(columns["n_peaks"][0])
    (1.5, 1)
    """
    density = np.asarray(pdf)
    blocks = [_summarise_block(density[rows], edges) for rows in _blocks(len(density))]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _summarise_block(
    pdf: NDArray[np.floating], edges: ArrayLike
) -> dict[str, NDArray[np.float32 | np.int16]]:
    density, cumulative = np.asarray(pdf, dtype=np.float64), cdf(pdf, edges)
    quantiles = np.array([0.16, 0.5, 0.84])
    low, middle, high = _quantiles(cumulative, np.asarray(edges, np.float64), quantiles)
    n_peaks, z_peak2, p_peak2 = _peaks(pdf, cumulative, _centres(edges), PEAK_PROMINENCE)
    columns = {
        "z_median": middle,
        "z_mean": mean(density, edges),
        "z_mode": mode(density, edges),
        "z_q16": low,
        "z_q84": high,
        "pdf_width": high - low,
        "n_peaks": n_peaks,
        "z_peak2": z_peak2,
        "p_peak2": p_peak2,
    }
    return {
        name: values if name == "n_peaks" else values.astype(np.float32)
        for name, values in columns.items()
    }


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, max(n, 1), _BLOCK)]


def _widths(pdf: ArrayLike, edges: ArrayLike) -> FloatArray:
    steps = np.diff(np.asarray(edges, dtype=np.float64))
    if np.ndim(pdf) != 2 or np.shape(pdf)[1] != len(steps):
        raise InputError(f"PDFs of shape {np.shape(pdf)} do not fit {len(steps)} redshift bins")
    return steps


def _centres(edges: ArrayLike) -> FloatArray:
    values = np.asarray(edges, dtype=np.float64)
    return 0.5 * (values[:-1] + values[1:])


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


def _peaks(
    density: NDArray[Any], cumulative: FloatArray, centres: FloatArray, prominence: float
) -> tuple[NDArray[np.int16], FloatArray, FloatArray]:
    n = len(density)
    rows, bins, is_peak = _extremes(density, prominence)
    n_peaks = np.bincount(rows[is_peak], minlength=n).astype(np.int16)
    second = _second_peaks(rows, is_peak, density[rows, bins])
    middle = 0.5 * (cumulative[rows, bins] + cumulative[rows, bins + 1])
    # Peaks and valleys of a row alternate, so the neighbours of a peak are its valleys.
    beside = np.pad(np.where(is_peak, np.nan, middle), 1, constant_values=np.nan)
    same_row = np.pad(rows[1:] == rows[:-1], 1)
    lower = np.where(same_row[second], beside[second], 0.0)
    upper = np.where(same_row[second + 1], beside[second + 2], 1.0)
    z_peak2, p_peak2 = np.full(n, np.nan), np.full(n, np.nan)
    z_peak2[rows[second]] = centres[bins[second]]
    p_peak2[rows[second]] = upper - lower
    return n_peaks, z_peak2, p_peak2


def _extremes(
    density: NDArray[Any], prominence: float
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.bool_]]:
    """Return row and bin of every prominent peak and valley, in order, and which it is.

    One sweep over the bins, all rows at once: the running extreme is confirmed once the
    density has come back from it by the threshold, and then the other kind is sought.
    """
    # The virtual bin of zero density at the end confirms a peak at the edge of the grid.
    columns = np.pad(density.T, ((0, 1), (0, 0)))
    threshold = prominence * columns.max(axis=0)
    threshold[~(threshold > 0)] = np.nan
    sign, extreme = np.ones_like(threshold), np.full_like(threshold, -np.inf)
    place = np.zeros(len(density), dtype=np.int32)
    events = [(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0))]
    for k, column in enumerate(columns):
        signed = sign * column
        # Places only grow, so a maximum sets them, in a tenth of a masked copy's time.
        np.maximum(place, (signed > extreme) * np.int32(k), out=place)
        np.maximum(extreme, signed, out=extreme)
        confirmed = signed <= extreme - threshold
        if confirmed.any():
            back = np.flatnonzero(confirmed)
            events.append((back, place[back], sign[back]))
            sign[back] *= -1
            extreme[back], place[back] = -signed[back], k
    rows, bins, signs = (np.concatenate(parts) for parts in zip(*events, strict=True))
    order = np.lexsort((bins, rows))
    return rows[order], bins[order], signs[order] > 0


def _second_peaks(
    rows: NDArray[np.int64], is_peak: NDArray[np.bool_], height: NDArray[Any]
) -> NDArray[np.int64]:
    """Return which extremes are the second highest peak of their row."""
    found = np.flatnonzero(is_peak)
    found = found[np.lexsort((-height[found], rows[found]))]
    first = np.ones(len(found), dtype=bool)
    first[1:] = rows[found[1:]] != rows[found[:-1]]
    return found[1:][first[:-1] & ~first[1:]]
