"""Maps of the mean PDFw over what is in view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELL_PX = (2, 14)
"""Smallest and largest side of a cell on the screen."""

OBJECTS_PER_CELL = 2.0
"""Aimed at: sparse maps get larger cells, so that the eye finds a mean and not single dots."""

MARGIN = 0.25
"""Of the view's side, drawn beyond each of its edges, so that panning uncovers no white."""


@dataclass(frozen=True)
class View:
    """A rectangle of a plot and its size on the screen.

    Attributes
    ----------
    x, y : tuple of float
        Ranges, low before high.
    width_px, height_px : int
    """

    x: tuple[float, float]
    y: tuple[float, float]
    width_px: int
    height_px: int


@dataclass(frozen=True)
class MeanMap:
    """Mean of a quantity in cells.

    Attributes
    ----------
    mean : ndarray of float32, shape (y, x)
        NaN where there is no object.
    count : ndarray of uint32, shape (y, x)
    x, y : tuple of float
        Outer edges.
    """

    mean: NDArray[np.float32]
    count: NDArray[np.uint32]
    x: tuple[float, float]
    y: tuple[float, float]


def mean_map(
    x: NDArray[np.float32], y: NDArray[np.float32], value: NDArray[np.float32], view: View
) -> MeanMap:
    """Return the mean of `value` in cells over a view and a margin around it.

    Parameters
    ----------
    x, y, value : ndarray of float32, shape (object,)
        Objects without a value do not count.
    view : View

    Examples
    --------
    >>> points = np.array([0.1, 0.1, 0.9], np.float32)
    >>> drawn = mean_map(points, points, np.float32([1, 3, 5]), View((0, 1), (0, 1), 30, 30))
    >>> np.unique(drawn.mean[drawn.count > 0]).tolist(), int(drawn.count.sum())
    ([2.0, 5.0], 3)
    """
    x_range, y_range = _widened(view.x), _widened(view.y)
    cell_px = _cell_px(x, y, view)
    side = 1 + 2 * MARGIN
    columns = max(round(side * view.width_px / cell_px), 1)
    rows = max(round(side * view.height_px / cell_px), 1)
    column, row = _cells(x, x_range, columns), _cells(y, y_range, rows)
    drawn = (column >= 0) & (column < columns) & (row >= 0) & (row < rows) & np.isfinite(value)
    cell = row[drawn].astype(np.int64) * columns + column[drawn].astype(np.int64)
    count = np.bincount(cell, minlength=rows * columns)
    total = np.bincount(cell, value[drawn], minlength=rows * columns)
    mean = np.full(rows * columns, np.nan, np.float32)
    np.divide(total, count, out=mean, where=count > 0, casting="same_kind")
    shape = rows, columns
    return MeanMap(mean.reshape(shape), count.astype(np.uint32).reshape(shape), x_range, y_range)


def _cells(values: NDArray[np.float32], limits: tuple[float, float], n: int) -> NDArray[np.float32]:
    """Return the numbers of cells, whole after truncation; outside 0 ... n they lie outside."""
    low, high = limits
    return (values - np.float32(low)) * np.float32(n / (high - low))


def _widened(limits: tuple[float, float]) -> tuple[float, float]:
    edge = MARGIN * (limits[1] - limits[0])
    return limits[0] - edge, limits[1] + edge


def _cell_px(x: NDArray[np.float32], y: NDArray[np.float32], view: View) -> int:
    in_view = (x >= view.x[0]) & (x <= view.x[1]) & (y >= view.y[0]) & (y <= view.y[1])
    n = max(int(np.count_nonzero(in_view)), 1)
    side = math.sqrt(OBJECTS_PER_CELL * view.width_px * view.height_px / n)
    return int(np.clip(round(side), *CELL_PX))
