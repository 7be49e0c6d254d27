"""Training targets: redshift labels as probabilities on the redshift grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from hscz.config.learn import TrainConfig
from hscz.errors import InputError
from hscz.pdf.grid import RedshiftGrid
from hscz.schema import C2020_ESTIMATES


@dataclass(frozen=True)
class LabelTreatment:
    """What a network is taught of a label, one of `hscz.seams.LABEL_TREATMENTS`.

    Attributes
    ----------
    masses : callable
        Gives the probability of each redshift bin, shape (n, bins), float32, from a table of
        objects with the columns ``z_label``, ``sigma`` (width of the label, 0 where it is
        spectroscopic), ``mag_i`` and `columns`, the grid and the settings of the training.
    columns : tuple of str
        Columns of the field store that it needs besides, where the label is one of COSMOS2020;
        NaN for other objects.
    """

    masses: Callable[[pd.DataFrame, RedshiftGrid, TrainConfig], NDArray[np.float32]]
    columns: tuple[str, ...] = ()


def one_hot_target(z_label: ArrayLike, grid: RedshiftGrid) -> NDArray[np.float32]:
    """Return labels as unit mass in their bin (the paper's choice), shape (n, n_bins).

    Raises
    ------
    InputError
        If labels lie outside the grid or are missing; the message counts them.

    Examples
    --------
    >>> one_hot_target([0.7], RedshiftGrid.uniform(4, 2.0)).tolist()
    [[0.0, 1.0, 0.0, 0.0]]
    """
    bins = _bins_inside(z_label, grid)
    target = np.zeros((len(bins), len(grid)), dtype=np.float32)
    target[np.arange(len(bins)), bins] = 1
    return target


def soft_target(
    z_label: ArrayLike, sigma: ArrayLike, grid: RedshiftGrid, sigma_floor: float = 0.015
) -> NDArray[np.float32]:
    """Return labels as a normal distribution integrated over the bins, shape (n, n_bins).

    The width is the label's own, but at least sigma_floor (1 + z). What falls outside the
    grid is shared out over the bins in proportion.

    Parameters
    ----------
    z_label : array_like, shape (n,)
    sigma : array_like, shape (n,) or scalar
        Standard deviation of the label; NaN where unknown.
    grid : RedshiftGrid
    sigma_floor : float

    Raises
    ------
    InputError
        If labels lie outside the grid or are missing; the message counts them.

    Examples
    --------
    >>> soft_target([1.0], [0.25], RedshiftGrid.uniform(4, 2.0)).round(3)
    array([[0.023, 0.477, 0.477, 0.023]], dtype=float32)
    """
    _bins_inside(z_label, grid)
    z = np.asarray(z_label, dtype=np.float64)
    width = np.fmax(sigma_floor * (1 + z), np.asarray(sigma, dtype=np.float64))
    target = np.empty((len(z), len(grid)), dtype=np.float32)
    for start in range(0, len(z), 4096):
        rows = slice(start, start + 4096)
        mass = np.diff(ndtr((grid.edges - z[rows, None]) / width[rows, None]), axis=1)
        target[rows] = mass / mass.sum(axis=1, keepdims=True)
    return target


def mixture_target(
    estimates: ArrayLike, sigma: ArrayLike, grid: RedshiftGrid, sigma_floor: float = 0.015
) -> NDArray[np.float32]:
    """Return labels as the mean of one normal distribution per estimate, shape (n, n_bins).

    Where several methods disagree on a galaxy, all of their redshifts stay possible.

    Parameters
    ----------
    estimates : array_like, shape (n, k)
        NaN where a method has none; each row has at least one within the grid, and others
        outside it do not count.
    sigma : array_like, shape (n,) or scalar
        Standard deviation of each estimate, at least sigma_floor (1 + z); NaN where unknown.
    grid : RedshiftGrid
    sigma_floor : float

    Raises
    ------
    InputError
        If a row has no estimate within the grid; the message counts them.

    Examples
    --------
    >>> grid = RedshiftGrid.uniform(4, 2.0)
    >>> mixture_target([[0.25, 1.25, np.nan]], np.nan, grid).round(3).tolist()
    [[0.5, 0.0, 0.5, 0.0]]
    """
    each = np.asarray(estimates, dtype=np.float64)
    width = np.broadcast_to(np.asarray(sigma, dtype=np.float64), len(each))
    known = grid.index(each) >= 0
    total = np.zeros((len(each), len(grid)), dtype=np.float32)
    for column, there in zip(each.T, known.T, strict=True):
        total[there] += soft_target(column[there], width[there], grid, sigma_floor)
    count = known.sum(axis=1)
    _bins_inside(np.where(count > 0, grid.centres[0], np.nan), grid)
    return total / count[:, None].astype(np.float32)


def _bins_inside(z_label: ArrayLike, grid: RedshiftGrid) -> NDArray[np.int64]:
    bins = grid.index(z_label)
    outside = bins < 0
    if outside.any():
        raise InputError(
            f"{outside.sum()} of {len(bins)} labels are missing or outside the grid "
            f"{grid.edges[0]} to {grid.edges[-1]} (first {np.asarray(z_label)[outside][0]}); "
            "drop these objects or widen the grid"
        )
    return bins


def _one_hot(
    objects: pd.DataFrame, grid: RedshiftGrid, settings: TrainConfig
) -> NDArray[np.float32]:
    return one_hot_target(objects["z_label"].to_numpy(np.float64), grid)


def _soft(objects: pd.DataFrame, grid: RedshiftGrid, settings: TrainConfig) -> NDArray[np.float32]:
    z, sigma = objects["z_label"].to_numpy(np.float64), objects["sigma"].to_numpy()
    return soft_target(z, sigma, grid, settings.soft_sigma)


def _mixture(
    objects: pd.DataFrame, grid: RedshiftGrid, settings: TrainConfig
) -> NDArray[np.float32]:
    each = np.array(objects.reindex(columns=list(C2020_ESTIMATES)), np.float64)
    single = np.isnan(each).all(axis=1)
    each[single, 0] = objects["z_label"].to_numpy(np.float64)[single]
    return mixture_target(each, np.nan, grid, settings.soft_sigma)


ONE_HOT = LabelTreatment(_one_hot)
SOFT = LabelTreatment(_soft)
MIXTURE = LabelTreatment(_mixture, tuple(C2020_ESTIMATES))
