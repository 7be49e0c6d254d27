"""Redshift distributions of samples: the PDFs of many galaxies as one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.errors import InputError
from hscz.pdf import has_pdf, pdf_to_pmf
from hscz.pdf.grid import bin_of

FloatArray = NDArray[np.float64]


def stack(
    pdf: ArrayLike, edges: ArrayLike, group: ArrayLike | None = None, n_groups: int = 1
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return n(z) of groups of galaxies: the sum of their normalised PDFs.

    A sum of PDFs is an estimate of n(z) that is as broad as the PDFs are; it is the quantity
    of the paper's figures, not a deconvolution.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
        Rows that are NaN throughout take no part.
    edges : array_like, shape (n_bins + 1,)
    group : array_like of int, shape (n,), optional
        Number of each galaxy's group; galaxies outside 0 ... n_groups - 1 take no part.
    n_groups : int

    Returns
    -------
    n_of_z : ndarray, shape (n_groups, n_bins)
        Galaxies per unit redshift; the integral is the number of galaxies.
    n : ndarray of int, shape (n_groups,)
        Galaxies with a PDF.

    Raises
    ------
    InputError
        If a PDF is partly NaN, negative or without probability.

    Examples
    --------
    >>> n_of_z, n = stack([[1.0, 0.0], [0.5, 0.5], [0.2, 0.2]], [0.0, 1.0, 2.0], [0, 0, 1], 2)
    >>> n_of_z.tolist(), n.tolist()
    ([[1.5, 0.5], [0.5, 0.5]], [2, 1])
    """
    density = np.asarray(pdf)
    numbers = np.zeros(len(density), np.int64) if group is None else np.asarray(group)
    if len(numbers) != len(density):
        raise InputError(f"{len(numbers)} groups do not fit {len(density)} PDFs; give one each")
    mass = pdf_to_pmf(density, edges)
    good = has_pdf(density) & (numbers >= 0) & (numbers < n_groups)
    weight = np.zeros(len(density))
    weight[good] = 1 / mass[good].sum(axis=1)
    mass[~good] = 0
    total = np.zeros((n_groups, mass.shape[1]))
    for k in range(n_groups):
        total[k] = np.where(numbers == k, weight, 0) @ mass
    counts = np.bincount(numbers[good], minlength=n_groups)
    return total / np.diff(np.asarray(edges, np.float64)), counts


def group_of(values: ArrayLike, groups: ArrayLike, bins: bool) -> NDArray[np.int64]:
    """Return the number of each value's group, -1 for none.

    Parameters
    ----------
    values : array_like, shape (n,)
    groups : array_like
        The values that make a group each, or the edges of bins low <= value < high.
    bins : bool
        Whether they are edges.

    Examples
    --------
    >>> group_of([21.0, 25.0], [20, 22, 24], bins=True).tolist()
    [0, -1]
    >>> group_of(["B", "A"], ["A", "B"], bins=False).tolist()
    [1, 0]
    """
    value, wanted = np.asarray(values), np.asarray(groups)
    if bins:
        return bin_of(value, wanted)
    number = np.full(len(value), -1)
    for k, each in enumerate(wanted):
        number[value == each] = k
    return number
