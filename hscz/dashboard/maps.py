"""Maps of the mean PDFw, drawn with datashader for what is in view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
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
    import datashader as ds

    x_range, y_range = _widened(view.x), _widened(view.y)
    cell = _cell_px(x, y, view)
    side = 1 + 2 * MARGIN
    canvas = ds.Canvas(
        plot_width=max(round(side * view.width_px / cell), 1),
        plot_height=max(round(side * view.height_px / cell), 1),
        x_range=x_range,
        y_range=y_range,
    )
    points = pd.DataFrame({"x": x, "y": y, "value": value}, copy=False)
    # The count before the mean, in one pass: each combination is compiled on first use.
    both = canvas.points(
        points, "x", "y", ds.summary(mean=ds.mean("value"), count=ds.count("value"))
    )
    mean = both["mean"].to_numpy().astype(np.float32)
    return MeanMap(mean, both["count"].to_numpy().astype(np.uint32), x_range, y_range)


def compile_maps() -> None:
    """Draw a map of one object, since datashader is imported and compiled on first use."""
    one = np.zeros(1, np.float32)
    mean_map(one, one, one, View((0, 1), (0, 1), 10, 10))


def _widened(limits: tuple[float, float]) -> tuple[float, float]:
    edge = MARGIN * (limits[1] - limits[0])
    return limits[0] - edge, limits[1] + edge


def _cell_px(x: NDArray[np.float32], y: NDArray[np.float32], view: View) -> int:
    in_view = (x >= view.x[0]) & (x <= view.x[1]) & (y >= view.y[0]) & (y <= view.y[1])
    n = max(int(np.count_nonzero(in_view)), 1)
    side = math.sqrt(OBJECTS_PER_CELL * view.width_px * view.height_px / n)
    return int(np.clip(round(side), *CELL_PX))
