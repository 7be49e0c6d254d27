"""Maps of the sky and of the plane of magnitude and redshift: what their pixels hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hscz.figures.figure import Missing
from hscz.figures.marks import Limits, colour_map, panel
from hscz.pdf.grid import bin_centres

FloatArray = NDArray[np.float64]

PER_PIXEL = 12
"""Objects that a pixel of a sky map holds on average; the map has as many pixels as that allows."""

PIXELS = (12, 160)
"""Least and largest number of pixels along a side."""

I_LABEL = "i (mag)"
RA_LABEL, DEC_LABEL = "RA (deg)", "Dec (deg)"


@dataclass(frozen=True)
class Pixels:
    """A map: edges of its pixels, how many objects each holds, and the mean of a quantity."""

    x_edges: FloatArray
    y_edges: FloatArray
    n: FloatArray
    mean: FloatArray

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """x_low, y_low, x_high, y_high."""
        x, y = self.x_edges, self.y_edges
        return float(x[0]), float(y[0]), float(x[-1]), float(y[-1])

    def table(self, **place: Any) -> pd.DataFrame:
        """Return ``x``, ``y`` (middle of the pixel), ``n`` and ``mean`` of pixels with objects."""
        x, y = bin_centres(self.x_edges), bin_centres(self.y_edges)
        x, y = (grid.ravel() for grid in np.meshgrid(x, y, indexing="ij"))
        values = {"x": x, "y": y, "n": self.n.ravel().astype(int), "mean": self.mean.ravel()}
        table = pd.DataFrame(place | values)
        return table[table["n"] > 0].reset_index(drop=True)


def pixels(
    x: ArrayLike, y: ArrayLike, values: ArrayLike, x_edges: FloatArray, y_edges: FloatArray
) -> Pixels:
    """Count objects in pixels and take the mean of a quantity, NaN where there is none.

    Examples
    --------
    >>> edges = np.array([0.0, 1.0, 2.0])
    >>> found = pixels([0.5, 0.6, 1.5], [0.5, 0.5, 1.5], [1.0, 3.0, 5.0], edges, edges)
    >>> found.n.tolist(), found.mean.tolist()
    ([[2.0, 0.0], [0.0, 1.0]], [[2.0, nan], [nan, 5.0]])
    """
    bins = (x_edges, y_edges)
    n, _, _ = np.histogram2d(np.asarray(x), np.asarray(y), bins)
    total, _, _ = np.histogram2d(np.asarray(x), np.asarray(y), bins, weights=np.asarray(values))
    with np.errstate(invalid="ignore", divide="ignore"):
        return Pixels(x_edges, y_edges, n, np.where(n > 0, total / n, np.nan))


@dataclass(frozen=True)
class Frame:
    """A square of sky that holds all objects: limits in right ascension and declination."""

    ra: Limits
    dec: Limits

    @classmethod
    def around(cls, ra: ArrayLike, dec: ArrayLike) -> Frame:
        """Return the frame of objects; degrees on the sky are as long along both of its sides.

        Examples
        --------
        >>> Frame.around([10.0, 12.0], [59.5, 60.5])
        Frame(ra=(9.96, 12.04), dec=(59.48, 60.52))
        """
        ra, dec = np.asarray(ra, np.float64), np.asarray(dec, np.float64)
        middle = 0.5 * (ra.min() + ra.max()), 0.5 * (dec.min() + dec.max())
        squeeze = np.cos(np.radians(middle[1]))
        half = 0.52 * max(np.ptp(ra) * squeeze, np.ptp(dec), 1e-3)
        ends = ((m - h, m + h) for m, h in zip(middle, (half / squeeze, half), strict=True))
        (ra_low, ra_high), (dec_low, dec_high) = (tuple(np.round(e, 6).tolist()) for e in ends)
        return cls((ra_low, ra_high), (dec_low, dec_high))

    def edges(self, n: int) -> tuple[FloatArray, FloatArray]:
        """Return the edges of pixels fit for `n` objects."""
        side = int(np.clip(np.sqrt(n / PER_PIXEL), *PIXELS))
        return np.linspace(*self.ra, side + 1), np.linspace(*self.dec, side + 1)


def common_limits(maps: Mapping[Any, Pixels], quantiles: Limits = (0.03, 0.97)) -> Limits:
    """Return the colour scale that maps of one quantity share; refuse maps that are all blank."""
    values = np.concatenate([m.mean[np.isfinite(m.mean)] for m in maps.values()])
    if not len(values):
        raise Missing("no galaxy falls on the maps")
    low, high = (float(q) for q in np.quantile(values, quantiles))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def sky_panel(
    found: Pixels, frame: Frame, limits: Limits, label: str, title: str, bar: bool, *more: Any
) -> Any:
    """Return a map of the sky, east to the left, with further marks on top."""
    return panel(
        [colour_map(found.mean, found.bounds, limits, label, bar), *more],
        title=title,
        x=RA_LABEL,
        y=DEC_LABEL,
        xlim=frame.ra,
        ylim=frame.dec,
        aspect=1,
        flip_x=True,
        # Coordinates are long words; more of them would run together.
        xticks=4,
    )


def plane_panel(
    found: Pixels,
    values: FloatArray,
    limits: Limits,
    label: str,
    title: str,
    bar: bool,
    y: str,
    log: bool = False,
    cmap: str = "viridis",
) -> Any:
    """Return a map of the plane of magnitude and redshift."""
    x_low, y_low, x_high, y_high = found.bounds
    shown = colour_map(values, found.bounds, limits, label, bar, log, cmap)
    return panel(
        [shown],
        title=title,
        x=I_LABEL,
        y=y,
        xlim=(x_low, x_high),
        ylim=(y_low, y_high),
        aspect=1.1,
    )
