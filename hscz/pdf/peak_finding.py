"""Peaks of densities, all rows at once: what `hscz.pdf.peaks` is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

PEAK_PROMINENCE = 0.1
"""A peak must rise above the valleys beside it by this fraction of the PDF's maximum."""

PEAK_DISTANCE = 0.15
"""Peaks farther than this times 1 + z from the highest are another redshift; an error as large
is what the paper calls an outlier."""


def describe_peaks(
    density: NDArray[Any],
    cumulative: FloatArray,
    centres: FloatArray,
    prominence: float = PEAK_PROMINENCE,
    distance: float = PEAK_DISTANCE,
) -> tuple[NDArray[np.int16], FloatArray, FloatArray]:
    """Return the number of peaks, the highest distant one and what all distant ones hold.

    Parameters
    ----------
    density : ndarray, shape (n, n_bins)
    cumulative : ndarray, shape (n, n_bins + 1)
        Cumulative probability at the edges of the bins.
    centres : ndarray, shape (n_bins,)
    prominence, distance : float
        See `PEAK_PROMINENCE` and `PEAK_DISTANCE`.

    Examples
    --------
    >>> density, cumulative = np.array([[0.0, 3, 0, 1]]), np.array([[0.0, 0.0, 0.75, 0.75, 1.0]])
    >>> count, z, share = describe_peaks(density, cumulative, np.arange(4.0))
    >>> count.tolist(), z.tolist(), share.tolist()
    ([2], [3.0], [0.25])
    """
    n = len(density)
    rows, bins, is_peak = _extremes(density, prominence)
    # Peaks and valleys of a row alternate, so the neighbours of a peak are its valleys.
    middle = 0.5 * (cumulative[rows, bins] + cumulative[rows, bins + 1])
    lower, upper, same_row = np.zeros(len(rows)), np.ones(len(rows)), rows[1:] == rows[:-1]
    lower[1:][same_row], upper[:-1][same_row] = middle[:-1][same_row], middle[1:][same_row]
    rows, bins, share = rows[is_peak], bins[is_peak], (upper - lower)[is_peak]
    # By height from here on: the first peak of each row is its highest, the first of equals.
    order = np.lexsort((-density[rows, bins], rows))
    rows, z, share = rows[order], centres[bins[order]], share[order]
    with_peak, first = np.unique(rows, return_index=True)
    z_highest, z_peak2, p_peak2 = np.full((3, n), np.nan)
    z_highest[with_peak], p_peak2[with_peak] = z[first], 0.0
    distant = np.abs(z - z_highest[rows]) > distance * (1 + z_highest[rows])
    with_distant, first = np.unique(rows[distant], return_index=True)
    z_peak2[with_distant] = z[distant][first]
    np.add.at(p_peak2, rows[distant], share[distant])
    return np.bincount(rows, minlength=n).astype(np.int16), z_peak2, p_peak2


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
