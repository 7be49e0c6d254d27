"""Proper scores of redshift PDFs: numbers that are best, on average, for the true PDF.

Each takes densities, edges and one true redshift per row, and returns a value per row; NaN
where there is no PDF or no redshift. Smaller is better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.errors import InputError
from hscz.pdf import cdf, has_pdf, row_blocks

FloatArray = NDArray[np.float64]

LEAST_DENSITY = 1e-6
"""Densities at the true redshift are not taken for less, since one zero would make a mean
log loss infinite."""


def crps(pdf: ArrayLike, edges: ArrayLike, z: ArrayLike) -> FloatArray:
    """Return the continuous ranked probability scores, in units of redshift.

    The integral of (F(t) - [t >= z])^2 (Matheson & Winkler 1976; Gneiting & Raftery 2007,
    JASA 102, 359), exact for a density that is constant inside the bins.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
    edges : array_like, shape (n_bins + 1,)
    z : array_like, shape (n,)

    Raises
    ------
    InputError
        If the shapes differ, or a PDF is partly NaN, negative or without probability.

    Examples
    --------
    >>> crps([[1.0]], [0.0, 1.0], [0.5]).round(6).tolist()
    [0.083333]
    """
    density, edge = np.asarray(pdf), np.asarray(edges, np.float64)
    bins, truth = _bins(density, edge, z), np.asarray(z, np.float64)
    values = np.empty(len(bins))
    for rows in row_blocks(len(bins)):
        values[rows] = _crps(cdf(density[rows], edge), edge, truth[rows], bins[rows])
    return values


def cde_loss(pdf: ArrayLike, edges: ArrayLike, z: ArrayLike) -> FloatArray:
    """Return the losses of conditional density estimates, per unit redshift.

    The integral of f^2 minus 2 f(z), which is the integrated squared error up to a constant
    (Izbicki & Lee 2017, EJS 11, 2800; Schmidt et al. 2020, MNRAS 499, 1587).

    Examples
    --------
    >>> cde_loss([[0.5, 0.5]], [0.0, 1.0, 2.0], [0.3]).tolist()
    [-0.5]
    """
    density, step = np.asarray(pdf, np.float64), np.diff(np.asarray(edges, np.float64))
    at_z, total = _at_redshift(pdf, edges, z)
    return np.einsum("ij,ij,j->i", density, density, step) / total**2 - 2 * at_z


def log_loss(pdf: ArrayLike, edges: ArrayLike, z: ArrayLike) -> FloatArray:
    """Return -ln f(z), nats per unit redshift, which does not depend on the width of the bins.

    Examples
    --------
    >>> log_loss([[0.5, 0.5]], [0.0, 1.0, 2.0], [0.3]).round(4).tolist()
    [0.6931]
    """
    at_z, _ = _at_redshift(pdf, edges, z)
    return -np.log(np.maximum(at_z, LEAST_DENSITY))


def _crps(
    below: FloatArray, edge: FloatArray, truth: FloatArray, bins: NDArray[np.int64]
) -> FloatArray:
    """Return the scores from the CDF at the edges."""
    step, row = np.diff(edge), np.arange(len(bins))
    low, high = below[:, :-1], below[:, 1:]
    # Where F runs straight from a to b its square has the mean (a^2 + ab + b^2) / 3; beyond
    # the redshift F - 1 takes the place of F, which adds 1 - (a + b) to that mean.
    squares = np.einsum("ij,j->i", low * low + low * high + high * high, step / 3)
    above = np.zeros_like(below)
    above[:, :-1] = np.cumsum(((1 - low - high) * step)[:, ::-1], axis=1)[:, ::-1]
    inside = np.clip(truth, edge[0], edge[-1])
    a, b = low[row, bins], high[row, bins]
    at_z = a + (b - a) * (inside - edge[bins]) / step[bins]
    rest = (1 - at_z - b) * (edge[bins + 1] - inside)
    return squares + above[row, bins + 1] + rest + np.abs(truth - inside)


def _at_redshift(pdf: ArrayLike, edges: ArrayLike, z: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return normalised densities at the redshifts, zero outside the grid, and the norms."""
    bins, truth, edge = _bins(pdf, edges, z), np.asarray(z, np.float64), np.asarray(edges)
    density = np.asarray(pdf)
    total = np.einsum("ij,j->i", density, np.diff(edge), dtype=np.float64)
    inside = (truth >= edge[0]) & (truth < edge[-1])
    at_z = np.where(inside, density[np.arange(len(bins)), bins], 0.0) / total
    at_z[np.isnan(truth)] = np.nan
    return at_z, total


def _bins(pdf: ArrayLike, edges: ArrayLike, z: ArrayLike) -> NDArray[np.int64]:
    """Return the bin of each redshift, the nearest where it is outside, for PDFs that fit."""
    if np.shape(z) != (len(np.asarray(pdf)),):
        raise InputError(
            f"redshifts of shape {np.shape(z)} do not fit {len(np.asarray(pdf))} PDFs; give one "
            "for each"
        )
    has_pdf(pdf)
    edge = np.asarray(edges, np.float64)
    return np.clip(np.searchsorted(edge, np.asarray(z), side="right") - 1, 0, len(edge) - 2)
