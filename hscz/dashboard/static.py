"""The dashboard as one file: what a browser can link without a server behind it.

Maps are pictures of all objects. Behind them lies a random sample with its PDFs; limits, boxes,
n(z), clicks and the catalogue act on that sample, in the browser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.embed import components
from bokeh.layouts import column, row
from bokeh.models import (
    Button,
    ColumnDataSource,
    CustomJS,
    Div,
    RangeSlider,
    TabPanel,
    Tabs,
)
from bokeh.resources import Resources
from numpy.typing import NDArray

from hscz import __version__, pdf
from hscz.dashboard.data import Cube, FieldCubes, load, named
from hscz.dashboard.mapplots import MapPlot, map_plots
from hscz.dashboard.plots import CurvePlot
from hscz.errors import InputError
from hscz.files.atomic import write_text
from hscz.files.fresh import NOT_YET, Key
from hscz.files.lock import at_work
from hscz.stores import identity

SAMPLE = 5000
"""Objects that can be selected in the page."""

BINS = 120
"""Redshift bins of the PDFs in the page, at most."""


def write_html(
    stores: Sequence[str | Path],
    path: str | Path,
    field_stores: Sequence[str | Path] = (),
    overwrite: bool = False,
    sample: int = SAMPLE,
) -> Path:
    """Write the dashboard as one HTML file that needs neither server nor network.

    Parameters
    ----------
    stores, field_stores
        See `hscz.dashboard.app`. The page has no stamps.
    path : str or Path
    overwrite : bool
        Replace a file that is there and was not written here.
    sample : int
        Objects of each field that can be selected; the maps show all.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the file exists and may not be replaced, or see `hscz.dashboard.data.load`.
    StoreError
        If a cube is not there, or the file cannot be written.
    """
    path = Path(path)
    if path.exists() and not overwrite and not _key_in(path):
        raise InputError(f"{path}: exists; give another --html file, or --overwrite")
    with at_work(path):
        key = page_key(stores, sample).fingerprint
        fields = load(stores, field_stores)
        tabs = [TabPanel(child=_page(f, sample), title=f.name) for f in fields.values()]
        script, division = components(Tabs(tabs=tabs))
        return write_text(path, _standing_alone(script, division, key))


def page_key(stores: Sequence[str | Path], sample: int = SAMPLE) -> Key:
    """Return what a page is made from; it holds the fingerprint itself, since it is one file."""
    cubes = {}
    for label, path in map(named, stores):
        cubes[f"{label or path.absolute().parent.name}/{path.name}"] = identity(path)
    return Key({"models": list(cubes), "sample": sample, "hscz": __version__}, {"predict": cubes})


def why_stale(stores: Sequence[str | Path], path: Path, sample: int = SAMPLE) -> str:
    """Return why a page must be written; empty where it shows these cubes as they are."""
    if not path.exists():
        return NOT_YET
    return "" if _key_in(path) == page_key(stores, sample).fingerprint else "other PDF cubes"


def _key_in(path: Path) -> str:
    """Return the fingerprint in a page that was written here; empty in any other file."""
    with path.open("rb") as file:
        found = re.search(rb'<meta name="hscz" content="(\w+)">', file.read(512))
    return found[1].decode() if found else ""


def _standing_alone(script: str, division: str, key: str) -> str:
    """Return a page that holds bokeh itself, and nothing other extensions have registered."""
    bokeh = Resources(mode="inline", components=["bokeh", "bokeh-widgets"]).js_raw
    inline = "\n".join(f"<script>{code}</script>" for code in bokeh)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="hscz" content="{key}">'
        f"<title>hscz redshift PDFs</title>\n{inline}\n{script}</head>"
        f"<body>{division}</body></html>\n"
    )


def _page(field: FieldCubes, n_sample: int) -> Any:
    rows = np.arange(len(field))
    if n_sample < len(field):
        rows = np.sort(np.random.default_rng(0).choice(rows, n_sample, replace=False))
    objects = ColumnDataSource(_objects(field, rows))
    edges, densities = _sampled_pdfs(field, rows)
    curves = {m: ColumnDataSource({"p": d.ravel()}) for m, d in densities.items()}
    n_of_z = CurvePlot(edges, "n(z) of the selection", "mean PDF (per unit z)")
    one = CurvePlot(edges, "PDFs of the object clicked", "PDF (per unit z)")
    n_of_z.draw({model: np.nanmean(d, axis=0) for model, d in densities.items()})
    skies, galaxies = _maps(field)
    sliders = _sliders(field)
    note = Div(text="", width=270)
    table = Div(text="Click on an object in a map.", width=800)
    everything, save = Button(label="Select all"), Button(label="Catalogue of the selection (CSV)")
    shared = {
        "objects": objects,
        "models": field.models,
        "pdfs": [curves[m] for m in field.models],
        "lines": [n_of_z.sources[m] for m in field.models],
        "one": [one.sources[m] for m in field.models],
        "plots": [n_of_z.figure, one.figure],
        "edges": [ColumnDataSource({"z": edges[m]}) for m in field.models],
        "sliders": sliders,
        "boxes": [[plot.box for plot in plots] for plots in (skies, galaxies)],
        "rings": [[plot.clicked for plot in plots] for plots in (skies, galaxies)],
        "figures": [[plot.figure for plot in plots] for plots in (skies, galaxies)],
        "note": note,
        "table": table,
        "n_all": len(field),
        "name": field.name,
    }

    def js(action: str) -> CustomJS:
        return CustomJS(args=shared, code=_script() + action)

    for k, plots in enumerate((skies, galaxies)):
        for side, plot in enumerate(plots):
            plot.figure.js_on_event("selectiongeometry", js(f"draw_box({k}, cb_obj)"))
            plot.figure.js_on_event("tap", js(f"click({k}, {side}, cb_obj)"))
    for slider in sliders:
        slider.js_on_change("value_throttled", js("update()"))
    everything.js_on_click(js("select_all()"))
    save.js_on_click(js("download()"))
    note.text = f"{len(rows):,} of {len(rows):,} objects of the sample selected"
    about = Div(
        text=f"The maps show the mean PDFw of all {len(field):,} objects. Limits, boxes, clicks, "
        f"n(z) and the catalogue are of {len(rows):,} of them"
        + ("." if len(rows) == len(field) else ", drawn at random."),
        width=270,
    )
    side_bar = column(*sliders, everything, note, save, about, width=280)
    # Curves stand below the maps, since two maps and a side bar fill a laptop's screen.
    maps = (row([plot.figure for plot in plots]) for plots in (skies, galaxies))
    return row(side_bar, column(*maps, row(n_of_z.figure, one.figure), table))


def _sliders(field: FieldCubes) -> list[RangeSlider]:
    """Return the limits of magnitude and redshift, wide open."""
    return [
        RangeSlider(title=title, start=low, end=high, value=(low, high), step=step, width=260)
        for title, (low, high), step in (
            ("i magnitude", field.mag_limits, 0.05),
            (f"redshift (median of {field.models[0]})", (0.0, field.z_max), 0.01),
        )
    ]


def _maps(field: FieldCubes) -> tuple[list[MapPlot], list[MapPlot]]:
    """Return the maps of all models, drawn."""
    skies, galaxies = map_plots(field)
    for model, on_sky, on_galaxy in zip(field.models, skies, galaxies, strict=False):
        cube = field.cubes[model]
        zero = (field.ra_deg, field.dec_deg)
        on_sky.draw(field.ra_offset_deg, field.dec_offset_deg, cube.pdf_width, zero)
        on_galaxy.draw(field.mag_i, cube.z_median, cube.pdf_width)
        for plot in (on_sky, on_galaxy):
            plot.figure.title.text = model
    return skies, galaxies


def _objects(field: FieldCubes, rows: NDArray[np.int64]) -> dict[str, Any]:
    dataset = next(iter(field.cubes.values())).dataset
    columns = {
        # Text, since a browser's numbers do not hold all 64 bits.
        "object_id": dataset["object_id"][rows].values.astype(str).tolist(),
        "ra": field.ra_deg + field.ra_offset_deg[rows].astype(np.float64),
        "dec": field.dec_deg + field.dec_offset_deg[rows].astype(np.float64),
        "mag_i": field.mag_i[rows],
    }
    for model, cube in field.cubes.items():
        columns |= {f"{model}_z_median": cube.z_median[rows]}
        columns |= {f"{model}_pdf_width": cube.pdf_width[rows]}
    return columns


def _sampled_pdfs(
    field: FieldCubes, rows: NDArray[np.int64]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float32]]]:
    """Return bin edges and PDFs of some objects, in fewer bins where there are many."""
    edges, densities = {}, {}
    for model, cube in field.cubes.items():
        fine = cube.dataset["z_edges"].values
        merge = -(-(len(fine) - 1) // BINS)
        starts = np.arange(0, len(fine) - 1, merge)
        edges[model] = np.append(fine[starts], fine[-1])
        mass = np.concatenate(
            [np.add.reduceat(pdf.pdf_to_pmf(d, fine), starts, axis=1) for d in _read(cube, rows)]
        )
        densities[model] = pdf.pmf_to_pdf(mass, edges[model]).astype(np.float32)
    return edges, densities


def _read(cube: Cube, rows: NDArray[np.int64]) -> Any:
    for block in cube.blocks():
        inside = rows[(rows >= block.start) & (rows < block.stop)] - block.start
        if len(inside):
            yield cube.dataset["pdf"][block].values[inside]


def _script() -> str:
    return (Path(__file__).parent / "static.js").read_text(encoding="utf-8")
