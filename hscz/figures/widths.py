"""Figures 20, 22, 23 and 24: how wide the PDFs are, and where."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hscz.evaluate.trials import wide_pdf_fraction
from hscz.experiments.recipes import ADVERSARY, BASELINE
from hscz.figures.figure import Missing, paper_figure, present
from hscz.figures.maps import (
    FloatArray,
    Frame,
    Pixels,
    common_limits,
    pixels,
    plane_panel,
    sky_panel,
)
from hscz.figures.marks import decades, empty, error_bars, grid, line, panel
from hscz.figures.palette import field_colour, field_dash
from hscz.figures.samples import FAINT, by_region, judged, within
from hscz.pdf.grid import bin_centres
from hscz.schema import WIDE_PDFW

WIDTH_EDGES = np.linspace(0, 5, 101)
MAG_EDGES = np.arange(18, 25.01, 0.5)
PLANE_EDGES = np.linspace(20, 25, 41), np.linspace(0, 6, 61)

_WIDE = ("n", "wide_fraction", "wide_fraction_err")

LEAST = 3
"""Objects that a pixel of the plane of i and z needs to be drawn."""

PDFW = "mean PDFw"

NO_CUBE = f"there is no PDF cube of {ADVERSARY}; predict a target with it"

Cubes = Mapping[str, xr.Dataset]


def _with_width(cubes: Cubes) -> tuple[dict[str, pd.DataFrame], str]:
    """Return the judged objects of each field that has any, and a note of the others."""
    if not cubes:
        raise Missing(NO_CUBE)
    tables = {name: judged(cube) for name, cube in cubes.items()}
    tables = {name: table[table["pdf_width"].notna()] for name, table in tables.items()}
    there = {name: table for name, table in tables.items() if len(table)}
    return present(there, cubes, "PDF of an object outside the training set")


def _narrow(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["pdf_width"] < WIDE_PDFW]


@paper_figure("fig20", "Distribution of PDF widths")
def fig20(cubes: Cubes) -> Any:
    """Draw how many PDFs of v2 are how wide in each target; PDFw is the central 68 % interval.

    The legend has the fraction wider than 1.5, which the paper calls very insecure.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of v2 by field.

    Returns
    -------
    Figure
        Table: ``field``, ``pdf_width`` (middle of the bin), ``count``, and the field's ``n``,
        ``wide_fraction`` and ``wide_fraction_err`` of
        `hscz.evaluate.trials.wide_pdf_fraction`.

    Examples
    --------
    >>> fig20({}).note
    'there is no PDF cube of v2; predict a target with it'
    """
    middle = bin_centres(WIDTH_EDGES)
    found, note = _with_width(cubes)
    tables, layers = [], []
    for name, table in found.items():
        count, _ = np.histogram(table["pdf_width"], WIDTH_EDGES)
        wide = wide_pdf_fraction(table["pdf_width"], table["mag_i"], (0.0, FAINT[1])).iloc[0]
        place = {"field": name, "pdf_width": middle, "count": count}
        tables.append(pd.DataFrame(place).assign(**{key: wide[key] for key in _WIDE}))
        label = f"{name}, PDFw > {WIDE_PDFW:g}: {wide['wide_fraction']:.1%}"
        # A bin without an object has no logarithm.
        shown = np.log10(np.where(count > 0, count, 0.5))
        style: dict[str, Any] = {"dash": field_dash(name), "width": 2.0, "steps": True}
        layers.append(line(middle, shown, field_colour(name), label, **style))
    drawn = pd.concat(tables, ignore_index=True)
    shown = panel(
        layers,
        x="PDFw",
        y=f"galaxies per ΔPDFw = {WIDTH_EDGES[1]:g}",
        xlim=(0, float(WIDTH_EDGES[-1])),
        ylim=(-0.15, 0.3 + float(np.log10(drawn["count"].max()))),
        legend="top_right",
        aspect=1.6,
        yticks=decades(float(drawn["count"].max())),
        width_px=600,
    )
    return grid([shown], columns=1, inches=7), drawn, note


@paper_figure("fig22", "PDF widths on the sky")
def fig22(cubes: Mapping[str, Cubes]) -> Any:
    """Map the mean width of the PDFs (PDFw < 1.5) at 24 < i < 25: v0 above, v2 below.

    All maps share one colour scale.

    Parameters
    ----------
    cubes : mapping of str to mapping of str to xarray.Dataset
        PDF cubes by recipe, ``v0`` and ``v2``, and field; those of one region share a map.

    Returns
    -------
    Figure
        Table: ``recipe``, ``region``, ``x``, ``y`` (degrees), ``n`` and ``mean`` width of each
        pixel.

    Examples
    --------
    >>> fig22({}).note
    'there is no PDF cube of v0, v2'
    """
    there = {recipe: found for recipe, found in cubes.items() if found}
    kept, note = present(there, (BASELINE, ADVERSARY), "PDF cube")
    tables = {recipe: by_region(_with_width(found)[0]) for recipe, found in kept.items()}
    regions = list(dict.fromkeys(region for found in tables.values() for region in found))
    maps: dict[tuple[str, str], Pixels] = {}
    frames: dict[str, Frame] = {}
    edges: dict[str, tuple[FloatArray, FloatArray]] = {}
    for recipe, found in tables.items():
        for region, table in found.items():
            frame = frames.setdefault(region, Frame.around(table["ra"], table["dec"]))
            faint = _narrow(within(table, *FAINT))
            bins = edges.setdefault(region, frame.edges(len(faint)))
            maps[recipe, region] = pixels(faint["ra"], faint["dec"], faint["pdf_width"], *bins)
    limits = common_limits(maps)
    panels = []
    for recipe in tables:
        for region in regions:
            if (recipe, region) not in maps:
                panels.append(empty())
                continue
            shown = maps[recipe, region]
            title = f"{region}, {recipe}: {int(shown.n.sum()):,} galaxies"
            last = region == regions[-1]
            panels.append(sky_panel(shown, frames[region], limits, PDFW, title, last))
    drawn = [m.table(recipe=recipe, region=region) for (recipe, region), m in maps.items()]
    layout = grid(panels, columns=len(regions), gap=(0.35, 0.3))
    return layout, pd.concat(drawn, ignore_index=True), note


@paper_figure("fig23", "PDF width against magnitude")
def fig23(cubes: Cubes) -> Any:
    """Draw the mean width of the PDFs of v2 (PDFw < 1.5) against i in each target.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of v2 by field.

    Returns
    -------
    Figure
        Table: ``field``, ``low``, ``high`` (magnitudes), ``n``, ``mean_width`` and
        ``mean_width_err``, the error of the mean.

    Examples
    --------
    >>> fig23({}).missing
    True
    """
    found, note = _with_width(cubes)
    rows, layers = [], []
    for name, table in found.items():
        for low, high in pairwise(MAG_EDGES.tolist()):
            width = _narrow(within(table, low, high))["pdf_width"]
            n = len(width)
            mean = float(width.mean()) if n else np.nan
            error = float(width.std() / np.sqrt(n)) if n > 1 else np.nan
            rows.append((name, low, high, n, mean, error))
    drawn = pd.DataFrame(
        rows, columns=["field", "low", "high", "n", "mean_width", "mean_width_err"]
    )
    for name in found:
        mine = drawn[(drawn["field"] == name) & (drawn["n"] >= LEAST)]
        i = 0.5 * (mine["low"] + mine["high"])
        style: dict[str, Any] = {"dash": field_dash(name), "width": 2.0}
        label = f"{name} ({mine['n'].sum():,})"
        layers += [
            line(i, mine["mean_width"], field_colour(name), label, **style),
            error_bars(i, mine["mean_width"], mine["mean_width_err"], field_colour(name)),
        ]
    top = float((drawn["mean_width"] + drawn["mean_width_err"].fillna(0)).max())
    shown = panel(
        layers,
        x="i (mag)",
        y=f"mean PDFw (PDFw < {WIDE_PDFW:g})",
        xlim=(float(MAG_EDGES[0]), float(MAG_EDGES[-1])),
        ylim=(0, 1.1 * np.nan_to_num(top, nan=1.0)),
        legend="top_left",
        aspect=1.6,
        width_px=600,
    )
    return grid([shown], columns=1, inches=7), drawn, note


@paper_figure("fig24", "PDF width in the plane of magnitude and redshift")
def fig24(cubes: Cubes) -> Any:
    """Map the mean width of the PDFs of v2 in pixels of i and predicted redshift.

    All maps share one colour scale; pixels of fewer than three galaxies are blank.

    Parameters
    ----------
    cubes : mapping of str to xarray.Dataset
        PDF cubes of v2 by field.

    Returns
    -------
    Figure
        Table: ``field``, ``x`` (i), ``y`` (redshift), ``n`` and ``mean`` width of each pixel.

    Examples
    --------
    >>> fig24({}).missing
    True
    """
    tables, note = _with_width(cubes)
    maps = {
        name: pixels(t["mag_i"], t["z_median"], t["pdf_width"], *PLANE_EDGES)
        for name, t in tables.items()
    }
    limits = (0.0, max(0.5, common_limits(maps)[1]))
    panels = []
    for number, (name, found) in enumerate(maps.items()):
        values = np.where(found.n >= LEAST, found.mean, np.nan)
        title = f"{name}: {len(tables[name]):,} galaxies"
        last = number % 3 == 2 or number == len(maps) - 1
        axis = "predicted redshift (median)"
        panels.append(plane_panel(found, values, limits, PDFW, title, last, axis))
    drawn = pd.concat([m.table(field=name) for name, m in maps.items()], ignore_index=True)
    columns = min(3, len(panels))
    return grid(panels, columns=columns, inches=4.4, gap=(0.35, 0.35)), drawn, note
