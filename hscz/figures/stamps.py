"""Figures 21 and A.1: stamps of single galaxies beside their PDFs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz.experiments.recipes import ADVERSARY, BASELINE
from hscz.figures.figure import Missing, paper_figure
from hscz.figures.marks import empty, grey_image, grid, line, panel, strokes, text, texts
from hscz.figures.palette import KNOWN, colour
from hscz.figures.samples import FAINT, columns, known
from hscz.schema import WIDE_PDFW
from hscz.survey import symbol

Z_SHOWN = 5.0
"""Redshifts of the PDFs drawn."""

GAP, PDF_SPAN = 0.3, 3.2
"""Width of the gap and of the PDFs beside the stamps, in stamps."""

RECIPES = (BASELINE, ADVERSARY)
"""Recipes whose PDFs are drawn, that of the redshift last."""

Cubes = Mapping[str, xr.Dataset]


@paper_figure("fig21", "Galaxies with wide PDFs")
def fig21(store: xr.Dataset | None, cubes: Cubes, n: int = 8, seed: int = 1) -> Any:
    """Show random galaxies of the target at 24 < i < 25 whose PDF from v2 is wider than 1.5.

    Stamps in all bands, stretched alike in units of their sky noise; PDFs of v0 (blue) and v2
    (orange), each to its own height; on the right the redshift of v2.

    Parameters
    ----------
    store : xarray.Dataset or None
        Field store of the target.
    cubes : mapping of str to xarray.Dataset
        PDF cubes of the target by recipe; v2 must be among them.
    n, seed : int
        How many galaxies, and what draws them.

    Returns
    -------
    Figure
        Table: ``object_id``, ``mag_i``, ``z_median``, ``pdf_width`` of v2, ``z_median_v0`` and
        ``pdf_width_v0`` where there is v0.

    Examples
    --------
    >>> fig21(None, {}).note
    'there is no PDF cube of v2 for the target; predict it'
    """
    if store is None or ADVERSARY not in cubes:
        raise Missing(f"there is no PDF cube of {ADVERSARY} for the target; predict it")
    rows = _chosen(cubes[ADVERSARY], wide=True, n=n, seed=seed)
    both = {recipe: cubes[recipe] for recipe in RECIPES if recipe in cubes}
    shown, drawn = _gallery(store, both, rows, store.sizes["band"])
    return grid([shown], columns=1, inches=9), drawn, ""


@paper_figure("figA1", "Random galaxies of every field")
def figA1(
    stores: Cubes, cubes: Mapping[str, Cubes], source: Sequence[str] = (), n: int = 4, seed: int = 1
) -> Any:
    """Show random galaxies of every field at 24 < i < 25 with PDFs narrower than 1.5.

    Stamps in all bands, stretched alike in units of their sky noise; PDFs of v0 (blue) and v2
    (orange). In the labelled field those of v0 alone, of galaxies it did not learn from, with
    their labels in red; elsewhere the redshift on the right is that of v2.

    Parameters
    ----------
    stores : mapping of str to xarray.Dataset
        Field stores by field.
    cubes : mapping of str to mapping of str to xarray.Dataset
        PDF cubes by field and recipe.
    source : sequence of str
        Labelled fields.
    n, seed : int
        How many galaxies of a field, and what draws them.

    Returns
    -------
    Figure
        Table: as that of `fig21`, with the ``field`` and, in the labelled field, ``z_label``.

    Examples
    --------
    >>> figA1({}, {}).note
    'there is no PDF cube of v0 or v2; predict a field'
    """
    panels, tables = [], []
    widest = max((store.sizes["band"] for store in stores.values()), default=0)
    for name, store in stores.items():
        found = cubes.get(name, {})
        wanted = RECIPES[:1] if name in source else RECIPES
        there = {recipe: found[recipe] for recipe in wanted if recipe in found}
        if not there:
            continue
        last = list(there)[-1]
        rows = _chosen(there[last], wide=False, n=n, seed=seed, labelled=name in source)
        if not len(rows):
            continue
        shown, drawn = _gallery(store, there, rows, widest, name, labelled=name in source)
        panels.append(shown)
        tables.append(drawn.assign(field=name))
    if not panels:
        raise Missing(f"there is no PDF cube of {BASELINE} or {ADVERSARY}; predict a field")
    panels += [empty()] * (len(panels) % 2)
    layout = grid(panels, columns=2, inches=7, gap=(0.1, 0.2))
    return layout, pd.concat(tables, ignore_index=True), ""


def stretched(
    flux: NDArray[np.floating], noise: NDArray[np.floating], brightest: float = 50
) -> NDArray[np.floating]:
    """Return stamps with an asinh stretch in units of their sky noise.

    Parameters
    ----------
    flux : ndarray, shape (..., y, x)
    noise : ndarray, shape (...)
    brightest : float
        Flux over noise that becomes 1; the sky becomes 0.

    Examples
    --------
    >>> stretched(np.array([[0.0, 100.0]]), np.float64(2.0)).tolist()
    [[0.0, 1.0]]
    """
    return np.arcsinh(flux / noise[..., None, None] / 2) / np.arcsinh(brightest / 2)


def _chosen(
    cube: xr.Dataset, wide: bool, n: int, seed: int, labelled: bool = False
) -> NDArray[np.intp]:
    """Return rows of random galaxies at 24 < i < 25 with wide or narrow PDFs, in order of z."""
    table = columns(cube)
    fits = table["mag_i"].between(*FAINT) & table["z_median"].notna()
    fits &= (table["pdf_width"] > WIDE_PDFW) == wide
    if labelled:
        fits &= ~table["in_training"] & known(table, "z_label").notna()
    rows = np.flatnonzero(fits)
    if wide and not len(rows):
        words = f"no galaxy at 24 < i < 25 has a PDF of {ADVERSARY} wider than {WIDE_PDFW:g}"
        raise Missing(words)
    drawn = np.random.default_rng(seed).permutation(rows)[:n]
    return drawn[np.argsort(-table["z_median"].to_numpy()[drawn])]


def _gallery(
    store: xr.Dataset,
    cubes: Cubes,
    rows: NDArray[np.intp],
    width: int,
    title: str = "",
    labelled: bool = False,
) -> tuple[Any, pd.DataFrame]:
    """Draw one line per galaxy: its stamps, in the width of so many, its PDFs, its redshift."""
    bands = [str(band) for band in store["band"].values]
    n = len(rows)
    last = list(cubes)[-1]
    table = columns(cubes[last]).iloc[rows][["object_id", "mag_i", "z_median", "pdf_width"]]
    if labelled:
        table["z_label"] = cubes[last]["z_label"].values[rows]
    layers = [grey_image(_mosaic(store, rows), (0.0, 0.0, float(len(bands)), float(n)))]
    places = [(width + GAP, y, width + GAP + PDF_SPAN, y) for y in range(n)]
    layers.append(strokes(places, "#888888", 0.6))
    for recipe, cube in cubes.items():
        if recipe != last:
            own = columns(cube).iloc[rows]
            table[f"z_median_{recipe}"] = own["z_median"].to_numpy()
            table[f"pdf_width_{recipe}"] = own["pdf_width"].to_numpy()
        layers += _pdfs(cube, rows, width + GAP, colour(recipe))
    layers += _words(table, bands, width + GAP, "z_label" if labelled else "z_median")
    names = [
        text(width + GAP + PDF_SPAN * (0.3 + 0.25 * k), n + 0.25, recipe, 11, colour(recipe))
        for k, recipe in enumerate(cubes)
    ]
    right = width + GAP + PDF_SPAN + 1.5
    shown = panel(
        [*layers, *names],
        title=title,
        xlim=(-0.05, right),
        ylim=(-0.55, n + 0.6),
        bare=True,
        aspect=(right + 0.05) / (n + 1.15),
        width_px=700,
    )
    return shown, table.reset_index(drop=True)


def _mosaic(store: xr.Dataset, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the stamps side by side, a line per galaxy, from 0 (sky) to 1 (bright)."""
    order = np.sort(rows)
    images = store["image"].isel(object=order).values.astype(np.float64)
    noise = store["sky_noise"].isel(object=order).values.astype(np.float64)
    images = images[np.searchsorted(order, rows)]
    noise = noise[np.searchsorted(order, rows)]
    shown = np.clip(0.12 + stretched(images, noise, brightest=30), 0, 1)[..., ::-1, :]
    # A white line between stamps.
    shown[..., 0, :], shown[..., :, 0] = 0, 0
    return np.concatenate([np.concatenate(list(line), axis=1) for line in shown], axis=0)


def _pdfs(cube: xr.Dataset, rows: NDArray[np.intp], left: float, tint: str) -> list[Any]:
    order = np.sort(rows)
    pdfs = cube["pdf"].isel(object=order).values[np.searchsorted(order, rows)]
    z = cube["z"].values
    inside = z <= Z_SHOWN
    x = left + PDF_SPAN * z[inside] / Z_SHOWN
    return [
        line(x, len(rows) - 1 - k + 0.88 * p[inside] / max(p.max(), 1e-9), tint, width=1.2)
        for k, p in enumerate(pdfs)
        if np.isfinite(p).all()
    ]


def _words(table: pd.DataFrame, bands: Sequence[str], left: float, redshift: str) -> list[Any]:
    """Return the bands above, the redshift axis below and each galaxy's numbers."""
    n, right = len(table), left + PDF_SPAN
    heads = [(k + 0.5, n + 0.25, symbol(band)) for k, band in enumerate(bands)]
    ticks = [(left + PDF_SPAN * z / Z_SHOWN, -0.25, f"{z:g}") for z in range(round(Z_SHOWN) + 1)]
    lines = list(zip(range(n - 1, -1, -1), table[redshift], table["mag_i"], strict=True))
    found = [(right + 0.75, y + 0.62, f"z = {z:.2f}") for y, z, _ in lines]
    faint = [(right + 0.75, y + 0.3, f"i = {i:.1f}") for y, _, i in lines]
    words = [
        texts(heads, 11),
        texts([*ticks, (right + 0.85, -0.25, "redshift")], 9),
        texts(found, 9),
        texts(faint, 8, "#666666"),
    ]
    if redshift == "z_label":
        x = [left + PDF_SPAN * min(z, Z_SHOWN) / Z_SHOWN for _, z, _ in lines]
        ends = [(at, y, at, y + 0.9) for at, (y, _, _) in zip(x, lines, strict=True)]
        words.append(strokes(ends, KNOWN, 1.2, "dashed"))
    return words
