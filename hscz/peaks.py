"""Peaks of densities, all rows at once: what `hscz.pdf.peaks` is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

PEAK_PROMINENCE = 0.1
"""A peak must rise above the valleys beside it by this fraction of the PDF's maximum."""


def describe_peaks(
    density: NDArray[Any], cumulative: FloatArray, centres: FloatArray, prominence: float
) -> tuple[NDArray[np.int16], FloatArray, FloatArray]:
    """Return the number of peaks, and the place and probability of the second highest.

    Parameters
    ----------
    density : ndarray, shape (n, n_bins)
    cumulative : ndarray, shape (n, n_bins + 1)
        Cumulative probability at the edges of the bins.
    centres : ndarray, shape (n_bins,)
    prominence : float
        See `PEAK_PROMINENCE`.

    Examples
    --------
    >>> cumulative = np.array([[0.0, 0.0, 0.75, 0.75, 1.0]])
    >>> count, _, _ = describe_peaks(np.array([[0.0, 3, 0, 1]]), cumulative, np.arange(4.0), 0.1)
    >>> count.tolist()
    [2]
    """
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
