"""Figures 1 and 2: where the fields are, how deep, with which redshifts and how much dust."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hscz.figures.figure import Missing, paper_figure, present
from hscz.figures.maps import Frame, Pixels, common_limits, pixels, plane_panel, sky_panel
from hscz.figures.marks import grid, line, panel, points
from hscz.figures.palette import field_colour, field_dash
from hscz.figures.samples import FAINT, by_region, known, usable, within
from hscz.pdf.grid import bin_centres
from hscz.sky.dust import WAYS

PLANE_EDGES = np.linspace(18, 25, 57), np.linspace(0, 6, 61)
"""Pixels of the plane of i magnitude and redshift."""


@paper_figure("fig01", "Signal to noise and known redshifts of the regions")
def fig01(stores: Mapping[str, xr.Dataset], seed: int = 1) -> Any:
    """Map the mean signal to noise in i at 24 < i < 25; below, the known redshifts against i.

    White dots are objects at i < 25 with a known redshift, chosen at random so that the map stays
    visible: one in a pixel that has up to 3, two of up to 15, three of up to 63 and so on. How
    many there are in all stands below. All maps share one colour scale.

    Parameters
    ----------
    stores : mapping of str to xarray.Dataset
        Field stores by field; those of one region share a panel.
    seed : int
        Chooses the dots.

    Returns
    -------
    Figure
        Table: per ``region`` and pixel of a ``panel`` (``sky``: x, y in degrees; ``plane``: x the
        magnitude, y the redshift), ``n`` objects and ``mean`` signal to noise.

    Examples
    --------
    >>> fig01({}).note
    'there is no field store; run hscz ingest'
    """
    if not stores:
        raise Missing("there is no field store; run hscz ingest")
    tables = {name: usable(store) for name, store in stores.items()}
    there, note = present({n: t for n, t in tables.items() if len(t)}, stores, "usable stamp")
    regions = by_region(there)
    frames = {name: Frame.around(t["ra"], t["dec"]) for name, t in regions.items()}
    maps = {name: _noise_map(table, frames[name]) for name, table in regions.items()}
    planes = {name: _plane(table) for name, table in regions.items()}
    limits, rng = common_limits(maps), np.random.default_rng(seed)
    busiest = max(2.0, *(float(p.n.max()) for p in planes.values()))
    top, bottom = [], []
    for name, table in regions.items():
        last = name == list(regions)[-1]
        label = "mean S/N in i at 24 < i < 25"
        dots = _known_dots(table, maps[name], rng)
        title = f"{name}: {len(within(table, *FAINT)):,} at 24 < i < 25"
        top.append(sky_panel(maps[name], frames[name], limits, label, title, last, dots))
        n_spec, n_c2020 = (int(known(table, z).notna().sum()) for z in ("z_spec", "z_c2020"))
        title = f"N spec = {n_spec:,}   N C2020 = {n_c2020:,}"
        counts = np.where(planes[name].n > 0, planes[name].n, np.nan)
        shown = plane_panel(
            planes[name], counts, (1, busiest), "galaxies", title, last, "redshift", log=True
        )
        bottom.append(shown)
    drawn = [m.table(region=name, panel="sky") for name, m in maps.items()]
    drawn += [p.table(region=name, panel="plane") for name, p in planes.items()]
    layout = grid([*top, *bottom], columns=len(regions), gap=(0.3, 0.3))
    return layout, pd.concat(drawn, ignore_index=True), note


def _noise_map(table: pd.DataFrame, frame: Frame) -> Pixels:
    faint = within(table, *FAINT)
    return pixels(faint["ra"], faint["dec"], faint["snr_i"], *frame.edges(len(faint)))


def _plane(table: pd.DataFrame) -> Pixels:
    """Count the known redshifts, spectroscopic ones first, in the plane of i and z."""
    z = known(table, "z_spec").fillna(known(table, "z_c2020"))
    there = table[z.notna()]
    return pixels(there["mag_i"], z[z.notna()], there["snr_i"], *PLANE_EDGES)


def _known_dots(table: pd.DataFrame, sky: Pixels, rng: np.random.Generator) -> Any:
    z = known(table, "z_spec").fillna(known(table, "z_c2020"))
    there = table.iloc[rng.permutation(np.flatnonzero(z.notna()))]
    place = [np.digitize(there["ra"], sky.x_edges), np.digitize(there["dec"], sky.y_edges)]
    pixel = there["ra"].groupby(place)
    chosen = there[pixel.cumcount() < 0.5 * np.log2(1 + pixel.transform("size"))]
    return points(chosen["ra"], chosen["dec"], "#ffffff", size=1.9, outline="#000000")


@paper_figure("fig02", "Galactic dust in the fields")
def fig02(stores: Mapping[str, xr.Dataset], bins: int = 80) -> Any:
    """Draw the normalised distributions of the Galactic E(B-V) of the fields.

    Parameters
    ----------
    stores : mapping of str to xarray.Dataset
        Field stores by field.
    bins : int
        From the least to the largest E(B-V).

    Returns
    -------
    Figure
        Table: ``field``, ``n`` galaxies of the field, ``ebv`` (middle of the bin), ``count`` and
        ``density``, which integrates to 1.

    Examples
    --------
    >>> fig02({}).note
    'there is no field store; run hscz ingest'
    """
    if not stores:
        raise Missing("there is no field store; run hscz ingest")
    values = {name: store["ebv"].values for name, store in stores.items()}
    values = {name: v[np.isfinite(v)] for name, v in values.items()}
    there = {name: v for name, v in values.items() if len(v)}
    values, note = present(there, stores, "E(B-V)", f"{WAYS}, and ingest again")
    every = np.concatenate(list(values.values()))
    edges = np.linspace(0.95 * every.min(), 1.05 * every.max(), bins + 1)
    tables, layers = [], []
    for name, ebv in values.items():
        count, _ = np.histogram(ebv, edges)
        middle = bin_centres(edges)
        density = count / max(len(ebv), 1) / np.diff(edges)
        place = {"field": name, "n": len(ebv), "ebv": middle, "count": count}
        tables.append(pd.DataFrame(place | {"density": density}))
        label = f"{name} ({len(ebv):,})"
        style: dict[str, Any] = {"dash": field_dash(name), "width": 2, "steps": True}
        layers.append(line(middle, density, field_colour(name), label, **style))
    drawn = pd.concat(tables, ignore_index=True)
    shown = panel(
        layers,
        x="E(B−V) (mag)",
        y="normalised n",
        xlim=(float(edges[0]), float(edges[-1])),
        # Room above the curves for the legend.
        ylim=(0, (1.08 + 0.06 * len(values)) * float(drawn["density"].max())),
        legend="top_right",
        aspect=1.6,
        width_px=600,
    )
    return grid([shown], columns=1, inches=7), drawn, note
