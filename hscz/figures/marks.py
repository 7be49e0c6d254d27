"""The marks that all figures are made of, each styled for matplotlib and for bokeh.

holoviews draws one object with either library but takes their options separately; here the two are
written down side by side once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.extras import require
from hscz.figures.palette import FONTS

DASHES = {"solid": "-", "dashed": "--", "dotted": ":", "dashdot": "-."}
"""Names of bokeh, and what matplotlib calls them."""

Limits = tuple[float, float]


def load_backends() -> None:
    """Load both drawing libraries once; the one a notebook has chosen stays chosen."""
    require("drawing", "holoviews", "matplotlib", "bokeh")
    import holoviews as hv

    loaded = hv.Store.loaded_backends()
    lacking = [name for name in ("matplotlib", "bokeh") if name not in loaded]
    if lacking:
        chosen = hv.Store.current_backend
        hv.extension(*lacking, logo=False)
        if chosen in loaded:
            hv.Store.set_current_backend(chosen)


def _both(element: Any, matplotlib: Mapping[str, Any], bokeh: Mapping[str, Any]) -> Any:
    """Give an element its options for each library."""
    return element.opts(backend="matplotlib", **matplotlib).opts(backend="bokeh", **bokeh)


def line(
    x: ArrayLike,
    y: ArrayLike,
    colour: str,
    label: str = "",
    dash: str = "solid",
    width: float = 1.6,
    steps: bool = False,
    alpha: float = 1.0,
) -> Any:
    """Return a curve, or with `steps` the outline of a histogram of even bins around x."""
    import holoviews as hv

    curve = hv.Curve((np.asarray(x), np.asarray(y)), "x", "y", label=label)
    shape = {"interpolation": "steps-mid" if steps else "linear", "color": colour, "alpha": alpha}
    return _both(
        curve,
        shape | {"linewidth": width, "linestyle": DASHES[dash]},
        shape | {"line_width": width, "line_dash": dash},
    )


def filled(
    edges: ArrayLike,
    height: ArrayLike,
    colour: str,
    label: str = "",
    outline: str = "",
    hatch: str = "",
    alpha: float = 1.0,
) -> Any:
    """Return a filled histogram; the hatch, in the outline's colour, is matplotlib's."""
    import holoviews as hv

    bars = hv.Histogram((np.asarray(edges), np.asarray(height)), kdims="x", vdims="y", label=label)
    mpl: dict[str, Any] = {"facecolor": colour, "edgecolor": outline or colour, "alpha": alpha}
    mpl["linewidth"] = 0.8 if outline else 0
    bokeh: dict[str, Any] = {"fill_color": colour, "line_color": outline or None, "alpha": alpha}
    if hatch:
        mpl["hatch"] = hatch
    return _both(bars, mpl, bokeh)


def band(x: ArrayLike, low: ArrayLike, high: ArrayLike, colour: str) -> Any:
    """Return what lies between two lines, shaded."""
    import holoviews as hv

    area = hv.Area((x, low, high), vdims=["low", "high"])
    return _both(
        area,
        {"facecolor": colour, "alpha": 0.3, "linewidth": 0},
        {"fill_color": colour, "fill_alpha": 0.3, "line_alpha": 0},
    )


def points(
    x: ArrayLike,
    y: ArrayLike,
    colour: str,
    label: str = "",
    size: float = 6,
    marker: str = "o",
    alpha: float = 1.0,
    outline: str = "",
) -> Any:
    """Return dots; marker and outline are matplotlib's."""
    import holoviews as hv

    dots = hv.Scatter((np.asarray(x), np.asarray(y)), "x", "y", label=label)
    common = {"color": colour, "alpha": alpha}
    return _both(
        dots,
        common | {"marker": marker, "s": size**2, "edgecolor": outline or "none", "linewidth": 0.2},
        common | {"size": size},
    )


def coloured_points(
    x: ArrayLike, y: ArrayLike, values: ArrayLike, limits: Limits, label: str, bar: bool
) -> Any:
    """Return dots coloured by a quantity."""
    import holoviews as hv

    columns = (np.asarray(x), np.asarray(y), np.asarray(values))
    dots = hv.Points(columns, kdims=["x", "y"], vdims=label)
    named = {"clabel": label} if bar else {}
    common = {"color": label, "cmap": "viridis", "clim": limits, "colorbar": bar} | named
    return _both(dots, common | {"s": 9}, common | {"size": 3})


def error_bars(x: ArrayLike, y: ArrayLike, error: ArrayLike, colour: str) -> Any:
    """Return vertical bars of plus and minus one error."""
    import holoviews as hv

    bars = hv.ErrorBars((np.asarray(x), np.asarray(y), np.asarray(error)), "x", ["y", "error"])
    return _both(
        bars,
        {"edgecolor": colour, "capsize": 0},
        {"line_color": colour, "lower_head": None, "upper_head": None},
    )


def colour_map(
    values: NDArray[np.floating],
    bounds: tuple[float, float, float, float],
    limits: Limits,
    label: str,
    bar: bool = True,
    log: bool = False,
    cmap: str = "viridis",
) -> Any:
    """Return a map of values (x, y), NaN left blank, on the colour scale `limits`.

    `bounds` are x_low, y_low, x_high, y_high.
    """
    import holoviews as hv

    if not np.isfinite(values).any():
        return points([], [], "white")
    # holoviews takes images from their top row; its own order of the axes is y, x.
    picture = hv.Image(np.asarray(values).T[::-1], kdims=["x", "y"], vdims=label, bounds=bounds)
    common = {"cmap": cmap, "clim": limits, "logz": log, "colorbar": bar}
    named = {"clabel": label} if bar else {}
    return _both(picture, common | named, common | named)


def grey_image(values: NDArray[np.floating], bounds: tuple[float, float, float, float]) -> Any:
    """Return a picture (row, column), the first row on top, dark where it is bright."""
    import holoviews as hv

    picture = hv.Image(np.asarray(values), kdims=["x", "y"], vdims="flux", bounds=bounds)
    common = {"cmap": "gray_r", "clim": (0.0, 1.0), "colorbar": False}
    return _both(picture, common, common)


def colour_picture(values: NDArray[np.floating]) -> Any:
    """Return a picture (row, column, red-green-blue), the first row on top."""
    import holoviews as hv

    return hv.RGB(np.asarray(values))


def boxes(corners: Sequence[tuple[float, float, float, float]], colour: str, outline: str) -> Any:
    """Return rectangles of x_low, y_low, x_high, y_high."""
    import holoviews as hv

    return _both(
        hv.Rectangles(list(corners)),
        {"facecolor": colour, "edgecolor": outline, "linewidth": 1.0},
        {"fill_color": colour, "line_color": outline, "line_width": 1.0},
    )


def strokes(
    ends: Sequence[tuple[float, float, float, float]],
    colour: str,
    width: float = 1.0,
    dash: str = "solid",
) -> Any:
    """Return straight lines from x0, y0 to x1, y1."""
    import holoviews as hv

    return _both(
        hv.Segments(list(ends)),
        {"color": colour, "linewidth": width, "linestyle": DASHES[dash]},
        {"color": colour, "line_width": width, "line_dash": dash},
    )


def text(
    x: float,
    y: float,
    words: str,
    size: float = 9,
    colour: str = "black",
    align: str = "center",
    valign: str = "center",
) -> Any:
    """Return words at a place in the units of the axes."""
    return texts([(x, y, words)], size, colour, align, valign)


def remark(words: str, xlim: Limits = (0, 1), ylim: Limits = (0, 1), width: int = 30) -> Any:
    """Return words in the middle of a panel in which there is nothing else, in short lines."""
    x, y = 0.5 * (xlim[0] + xlim[1]), 0.5 * (ylim[0] + ylim[1])
    return text(x, y, fill(words, width), size=11, colour="#555555")


def texts(
    places: Sequence[tuple[float, float, str]],
    size: float = 9,
    colour: str = "black",
    align: str = "center",
    valign: str = "center",
) -> Any:
    """Return words at several places, each x, y and what is written there."""
    import holoviews as hv

    middle = {"center": "middle"}.get(valign, valign)
    return _both(
        hv.Labels(list(places), ["x", "y"], "words"),
        {
            "size": size,
            "color": colour,
            "horizontalalignment": align,
            "verticalalignment": valign,
        },
        {
            "text_font_size": f"{size:g}pt",
            "text_color": colour,
            "text_align": align,
            "text_baseline": middle,
        },
    )


def decades(top: float) -> list[tuple[float, str]]:
    """Return the ticks of an axis of log10 of numbers up to `top`.

    Examples
    --------
    >>> decades(250)
    [(0, '1'), (1, '10'), (2, '100')]
    """
    return [(k, f"{10**k:,}") for k in range(int(np.log10(max(top, 1))) + 1)]


def panel(
    layers: Sequence[Any],
    title: str = "",
    x: str = "",
    y: str = "",
    xlim: Limits | None = None,
    ylim: Limits | None = None,
    legend: str = "",
    aspect: float = 1.3,
    flip_x: bool = False,
    bare: bool = False,
    width_px: int = 300,
    yticks: Sequence[tuple[float, str]] | None = None,
    xticks: int | None = None,
) -> Any:
    """Lay marks over each other in one pair of axes.

    `legend` is its corner, such as ``top_right``; empty draws none. `bare` draws no axes.
    `xticks` is about how many there are.
    """
    import holoviews as hv

    common: dict[str, Any] = {
        "title": title,
        "xlabel": x,
        "ylabel": y,
        "show_legend": bool(legend),
        "invert_xaxis": flip_x,
        "fontsize": FONTS,
    }
    limits = {"xlim": xlim, "ylim": ylim, "xticks": xticks}
    common |= {key: value for key, value in limits.items() if value is not None}
    if legend:
        common["legend_position"] = legend
    if bare:
        common |= {"xaxis": None, "yaxis": None}
    if yticks is not None:
        common["yticks"] = list(yticks)
    frame = {"frame_width": width_px, "frame_height": round(width_px / aspect)}
    mpl = common | {"aspect": aspect, "show_frame": False}
    return _both(hv.Overlay(list(layers)), mpl, common | frame)


def empty() -> Any:
    """Return a place in a grid where nothing is."""
    import holoviews as hv

    return hv.Empty()


def grid(
    panels: Sequence[Any],
    columns: int,
    title: str = "",
    inches: float = 4.0,
    gap: Limits = (0.25, 0.3),
) -> Any:
    """Lay panels out row by row, `inches` the width of one, `gap` between columns and rows."""
    import holoviews as hv

    options: dict[str, Any] = {"shared_axes": False, "title": title}
    mpl = {"fig_inches": inches, "sublabel_format": "", "hspace": gap[0], "vspace": gap[1]}
    layout = hv.Layout(list(panels)).cols(columns)
    return _both(layout, options | mpl | {"fontsize": {"title": 13}}, options)
