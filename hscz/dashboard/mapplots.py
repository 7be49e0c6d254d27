"""Maps of a field in bokeh, empty until they are drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from bokeh.events import RangesUpdate, Reset, SelectionGeometry, Tap
from bokeh.models import (
    BoxAnnotation,
    BoxSelectTool,
    ColorBar,
    ColumnDataSource,
    CustomJSTickFormatter,
    HoverTool,
    LinearColorMapper,
    Range1d,
)
from bokeh.palettes import Viridis256
from numpy.typing import NDArray

from hscz.dashboard.data import FieldCubes
from hscz.dashboard.maps import MeanMap, View, mean_map
from hscz.dashboard.plots import empty_figure
from hscz.dashboard.selection import Range

SKY_PX = (400, 330)
GALAXY_PX = (400, 250)

_SKY_EDGE = 1.04
"""Sides of the first view over those of the field."""

_CLEAR = "rgba(0, 0, 0, 0)"


def _colour_mapper(field: FieldCubes) -> LinearColorMapper:
    """Return the one scale of PDFw that all maps of a field share."""
    widths = [cube.pdf_width[np.isfinite(cube.pdf_width)] for cube in field.cubes.values()]
    # The 98 % of a sample places the end of a scale as well as that of a million.
    tops = [np.percentile(width[:: len(width) // 50_000 + 1], 98) for width in widths if len(width)]
    return LinearColorMapper(
        palette=Viridis256, low=0, high=float(max(tops, default=1.0)), nan_color=_CLEAR
    )


def _sky_ranges(field: FieldCubes) -> tuple[Range1d, Range1d]:
    """Return ranges that hold the field, east to the left, with equal degrees on both axes."""
    stretch = 1 / math.cos(math.radians(field.dec_deg))
    half_x, half_y = (
        max(float(np.abs(offset).max()), 1e-3)
        for offset in (field.ra_offset_deg, field.dec_offset_deg)
    )
    degrees_per_px = _SKY_EDGE * max(2 * half_x / stretch / SKY_PX[0], 2 * half_y / SKY_PX[1])
    x, y = degrees_per_px * stretch * SKY_PX[0] / 2, degrees_per_px * SKY_PX[1] / 2
    return (
        Range1d(field.ra_deg + x, field.ra_deg - x),
        Range1d(field.dec_deg - y, field.dec_deg + y),
    )


def _galaxy_ranges(field: FieldCubes) -> tuple[Range1d, Range1d]:
    """Return ranges in i magnitude and redshift that hold nearly all objects."""
    faint, bright = np.nanmax(field.mag_i), np.nanpercentile(field.mag_i, 0.05)
    tops = [
        np.percentile(z, 99.8)
        for cube in field.cubes.values()
        if len(z := cube.z_median[np.isfinite(cube.z_median)])
    ]
    top = max(tops, default=6.0)
    return Range1d(float(bright) - 0.1, float(faint) + 0.1), Range1d(0, 1.05 * float(top))


class MapPlot:
    """A map of mean PDFw with its hover, its frame of the selection and the object clicked.

    Parameters
    ----------
    size_px : tuple of int
        Of the frame inside the axes.
    ranges : tuple of Range1d
        Shared by maps that pan together.
    labels : tuple of str
        Of the axes.
    whole : tuple of Range
        Limits in x and y that hold all objects.
    mapper : LinearColorMapper
    colour_bar : bool
    """

    def __init__(
        self,
        size_px: tuple[int, int],
        ranges: tuple[Range1d, Range1d],
        labels: tuple[str, str],
        whole: tuple[Range, Range],
        mapper: LinearColorMapper,
        colour_bar: bool,
    ) -> None:
        self.size_px, self.whole = size_px, whole
        self.figure = empty_figure(
            size_px,
            labels,
            x_range=ranges[0],
            y_range=ranges[1],
            tools="pan,wheel_zoom,reset,save",
            active_scroll="wheel_zoom",
        )
        self.source = ColumnDataSource({key: [] for key in ("mean", "count", "x", "y", "w", "h")})
        image = self.figure.image(
            image="mean", x="x", y="y", dw="w", dh="h", source=self.source, color_mapper=mapper
        )
        tips = [("mean PDFw", "@mean{0.000}"), ("objects", "@count{0,0}")]
        self.figure.add_tools(
            HoverTool(renderers=[image], tooltips=tips), BoxSelectTool(renderers=[])
        )
        # Numbers throughout: an edge that follows the frame is a model of its own, and bokeh walks
        # through the whole document whenever one comes or goes.
        self.box = BoxAnnotation(
            **dict.fromkeys(("left", "right", "bottom", "top"), 0),
            visible=False,
            fill_alpha=0,
            line_color="black",
            line_width=2,
            line_alpha=1,
            line_dash="dashed",
        )
        self.figure.add_layout(self.box)
        self.clicked = ColumnDataSource({"x": [], "y": []})
        for width, line in ((4, "white"), (2, "#d81b60")):
            self.figure.scatter(
                *("x", "y"),
                source=self.clicked,
                size=15,
                fill_color=None,
                line_color=line,
                line_width=width,
            )
        if colour_bar:
            self.figure.add_layout(_colour_bar(mapper), "right")

    def view(self) -> View:
        """Return what is in view."""
        x, y = self.figure.x_range, self.figure.y_range
        return View(_sorted(x.start, x.end), _sorted(y.start, y.end), *self.size_px)

    def draw(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.float32],
        value: NDArray[np.float32],
        zero: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Draw points whose coordinates are offsets from `zero`."""
        view = self.view()
        shifted = View(
            (view.x[0] - zero[0], view.x[1] - zero[0]),
            (view.y[0] - zero[1], view.y[1] - zero[1]),
            *self.size_px,
        )
        self.source.data = image_columns(mean_map(x, y, value, shifted), zero)

    def frame(self, x: Range | None, y: Range | None) -> None:
        """Show the limits of the selection; where only one is given, the other holds all."""
        (left, right), (bottom, top) = sorted(x or self.whole[0]), sorted(y or self.whole[1])
        self.box.update(left=left, right=right, bottom=bottom, top=top, visible=bool(x or y))

    def mark(self, x: float, y: float) -> None:
        """Ring one object."""
        self.clicked.data = {"x": [x], "y": [y]}

    def on_view(self, call: Any) -> None:
        """Call a function of no argument whenever the view has changed."""
        for event in (RangesUpdate, Reset):
            self.figure.on_event(event, lambda _: call())

    def on_box(self, call: Any) -> None:
        """Call a function of the x and y limits once a box has been drawn."""

        def drawn(event: SelectionGeometry) -> None:
            box = event.geometry
            if event.final and box.get("type") == "rect":
                call((box["x0"], box["x1"]), (box["y0"], box["y1"]))

        self.figure.on_event(SelectionGeometry, drawn)

    def on_tap(self, call: Any) -> None:
        """Call a function of x and y on a click."""
        self.figure.on_event(Tap, lambda event: call(event.x, event.y))


def image_columns(drawn: MeanMap, zero: tuple[float, float]) -> dict[str, list[Any]]:
    """Return a map as the columns of an image glyph."""
    return {
        "mean": [drawn.mean],
        "count": [drawn.count],
        "x": [drawn.x[0] + zero[0]],
        "y": [drawn.y[0] + zero[1]],
        "w": [drawn.x[1] - drawn.x[0]],
        "h": [drawn.y[1] - drawn.y[0]],
    }


def map_plots(field: FieldCubes) -> tuple[list[MapPlot], list[MapPlot]]:
    """Return empty maps of the sky and over magnitude and redshift, two models side by side."""
    mapper, sky, galaxy = _colour_mapper(field), _sky_ranges(field), _galaxy_ranges(field)
    last = len(field.models[:2]) - 1
    axes = ("right ascension (deg)", "declination (deg)"), ("i magnitude", "redshift (median)")
    (low, high), dec = (_sorted(limits.start, limits.end) for limits in sky)
    wholes = ((low, high), dec), (field.mag_limits, (0.0, field.z_max))
    kinds = zip((SKY_PX, GALAXY_PX), (sky, galaxy), axes, wholes, strict=True)
    skies, galaxies = (
        [MapPlot(*kind, mapper, k == last) for k in range(last + 1)] for kind in kinds
    )
    if low < 0 or high > 360:
        for plot in skies:
            plot.figure.xaxis.formatter = CustomJSTickFormatter(
                code="return (((tick % 360) + 360) % 360).toFixed(2)"
            )
    return skies, galaxies


def _colour_bar(mapper: LinearColorMapper) -> ColorBar:
    return ColorBar(
        color_mapper=mapper,
        title="mean PDFw",
        title_text_font_size="13px",
        title_text_font_style="normal",
        major_label_text_font_size="12px",
        width=14,
        padding=6,
    )


def _sorted(a: float, b: float) -> Range:
    return (a, b) if a <= b else (b, a)
