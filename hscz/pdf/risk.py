"""The redshift of least expected loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.pdf.density import pdf_to_pmf, row_blocks
from hscz.pdf.grid import bin_centres

FloatArray = NDArray[np.float64]

RISK_GAMMA = 0.15
"""Residual, over 1 + z, whose loss is half of the largest: that of an outlier."""


def least_risk(pdf: ArrayLike, edges: ArrayLike, gamma: float = RISK_GAMMA) -> FloatArray:
    """Return the redshift of least expected loss, by which a far outlier costs no more than a near.

    The loss of an estimate z where the redshift is z' is that of Tanaka et al. (2018, PASJ 70, S9),
    L = 1 - 1 / (1 + ((z - z') / (1 + z') / gamma)^2). Where the median of a PDF with two peaks may
    fall between them, this lies in the one that holds more. It is found among the bins' centres
    and refined by a parabola.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
    edges : array_like, shape (n_bins + 1,)
    gamma : float
        Residual, over 1 + z, that counts half of a complete failure.

    Examples
    --------
    >>> pdf, edges = [[0.0, 5.0, 0.0, 0.0, 2.0, 2.0, 2.0]], np.arange(0.0, 8.0)
    >>> from hscz.pdf import median
    >>> median(pdf, edges).tolist(), least_risk(pdf, edges).round(1).tolist()
    ([4.25], [1.5])
    """
    density, centres = np.asarray(pdf), bin_centres(edges)
    off = (centres - centres[:, None]) / (1 + centres[:, None]) / gamma
    loss = 1 - 1 / (1 + off**2)
    found = np.empty(len(density))
    for rows in row_blocks(len(density)):
        mass = pdf_to_pmf(density[rows], edges)
        total = mass.sum(axis=1, keepdims=True)
        mass /= np.where(total > 0, total, np.nan)
        # The last digits of a matrix product depend on the number of rows.
        place = _lowest(np.round(mass @ loss, 9), centres)
        found[rows] = np.where(total[:, 0] > 0, place, np.nan)
    return found


def _lowest(values: FloatArray, places: FloatArray) -> FloatArray:
    """Return where rows of values at some places are least, by a parabola within the grid."""
    least, rows = values.argmin(axis=1), np.arange(len(values))
    inner = np.clip(least, 1, len(places) - 2)
    before, here, after = (values[rows, inner + step] for step in (-1, 0, 1))
    left, right = places[inner] - places[inner - 1], places[inner + 1] - places[inner]
    bend = left * (after - here) + right * (before - here)
    shift = 0.5 * (left**2 * (after - here) - right**2 * (before - here))
    vertex = places[inner] - shift / np.where(bend > 0, bend, np.inf)
    return np.where(inner == least, vertex, places[least])
