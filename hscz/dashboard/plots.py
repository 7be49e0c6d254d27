"""Curves over redshift and stamps in bokeh, empty until they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from bokeh.models import BoxAnnotation, ColumnDataSource, LinearColorMapper, Range1d, Span
from bokeh.palettes import Greys256
from bokeh.plotting import figure
from numpy.typing import ArrayLike, NDArray

from hscz.figures.palette import colour

CURVE_PX = (440, 210)
STAMP_COLUMNS = 3


class CurvePlot:
    """Densities over redshift, one step line per model in its colour.

    Parameters
    ----------
    edges : mapping of str to array_like
        Bin edges by model.
    title, y_label : str
    """

    def __init__(self, edges: Mapping[str, ArrayLike], title: str, y_label: str) -> None:
        self.edges = {model: np.asarray(e, np.float64) for model, e in edges.items()}
        top = max(float(e[-1]) for e in self.edges.values())
        self.figure = empty_figure(
            CURVE_PX,
            ("redshift", y_label),
            title=title,
            x_range=Range1d(0, top),
            y_range=Range1d(0, 1),
            tools="xpan,xwheel_zoom,reset,save",
        )
        self.sources = {model: ColumnDataSource({"z": [], "p": []}) for model in edges}
        for model, source in self.sources.items():
            style = {"color": colour(model), "line_width": 2, "legend_label": model}
            self.figure.step("z", "p", source=source, mode="after", **style)
        self.figure.legend.update(
            location="top_right", label_text_font_size="13px", padding=4, background_fill_alpha=0.7
        )
        self.limits = BoxAnnotation(
            left=0,
            right=0,
            visible=False,
            fill_color="#999999",
            fill_alpha=0.12,
            level="underlay",
        )
        self.truth = Span(
            dimension="height", line_color="black", line_dash="dashed", visible=False, line_width=2
        )
        for mark in (self.limits, self.truth):
            self.figure.add_layout(mark)

    def draw(self, densities: Mapping[str, NDArray[np.floating]]) -> None:
        """Draw one density per model in 1/dz, shape (z,)."""
        highest = 0.0
        for model, density in densities.items():
            known = np.nan_to_num(density).astype(np.float32)
            step = np.append(known, known[-1:])
            self.sources[model].data = {"z": self.edges[model].astype(np.float32), "p": step}
            highest = max(highest, float(known.max()))
        self.figure.y_range.end = 1.08 * highest or 1.0


class StampPlot:
    """The stamps of one object, in rows of three."""

    def __init__(self, bands: Iterable[str], side_px: int = 64) -> None:
        self.bands = list(bands)
        rows = -(-len(self.bands) // STAMP_COLUMNS)
        self.figure = empty_figure(
            (CURVE_PX[0], round(CURVE_PX[0] * rows / STAMP_COLUMNS)),
            ("", ""),
            x_range=Range1d(-0.01, STAMP_COLUMNS),
            y_range=Range1d(-0.01, rows),
            tools="",
            title="stamps",
        )
        # Without axes, bokeh would cut a frame of fixed size at its right. What it leaves of
        # this size for the frame has square pixels.
        size = {"width": CURVE_PX[0] + 70, "height": self.figure.frame_height + 35}
        self.figure.update(frame_width=None, frame_height=None, min_border=0, **size)
        self.figure.axis.visible = False
        self.figure.grid.visible = False
        self.source = ColumnDataSource({"image": [], "x": [], "y": []})
        grey = LinearColorMapper(palette=Greys256, low=-0.1, high=1.0, nan_color="#7a3b3b")
        self.figure.image("image", "x", "y", 0.98, 0.98, source=self.source, color_mapper=grey)
        places = [
            (k % STAMP_COLUMNS, rows - 1 - k // STAMP_COLUMNS) for k in range(len(self.bands))
        ]
        self.places = places
        self.figure.text(
            [x + 0.04 for x, _ in places],
            [y + 0.94 for _, y in places],
            self.bands,
            text_baseline="top",
            text_color="#ffd54f",
            text_font_size="18px",
            text_font_style="bold",
        )

    def draw(self, stamps: NDArray[np.float32]) -> None:
        """Draw stamps, shape (band, y, x), stretched to about 0 to 1."""
        x, y = zip(*self.places, strict=True)
        self.source.data = {"image": list(stamps), "x": list(x), "y": list(y)}

    def clear(self) -> None:
        """Show no stamp."""
        self.source.data = {"image": [], "x": [], "y": []}


def empty_figure(size_px: tuple[int, int], labels: tuple[str, str], **options: Any) -> Any:
    """Return a figure with a frame of fixed size, its axes labelled, and nothing in it."""
    plot = figure(
        frame_width=size_px[0],
        frame_height=size_px[1],
        x_axis_label=labels[0],
        y_axis_label=labels[1],
        toolbar_location="above",
        min_border_right=12,
        **options,
    )
    plot.axis.axis_label_text_font_size = "14px"
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.major_label_text_font_size = "12px"
    plot.title.text_font_size = "15px"
    plot.toolbar.logo = None
    return plot
