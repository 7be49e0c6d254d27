"""A first look at a PDF cube: how its redshifts compare, and what stamps and PDFs look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz.evaluate.metrics import OUTLIER_DZ, bias, outlier_fraction, residual, sigma_mad
from hscz.experiments.recipes import BASELINE
from hscz.figures.figure import Figure, nothing
from hscz.figures.maps import pixels
from hscz.figures.marks import (
    colour_map,
    colour_picture,
    grid,
    line,
    load_backends,
    panel,
    strokes,
)
from hscz.figures.palette import KNOWN, colour
from hscz.figures.stamps import stretched
from hscz.schema import has_redshift, known_redshifts


def redshift_scatter(
    cube: xr.Dataset, reference: str, title: str = "", bins: int = 120, z_max: float = 5.0
) -> Figure:
    """Draw predicted against reference redshifts as a density map.

    Parameters
    ----------
    cube : xarray.Dataset
        PDF cube, loaded or lazy; only two columns are read.
    reference : str
        Column to compare with, such as ``z_true``.
    title : str
    bins : int
        Pixels along each side of the map.
    z_max : float
        Largest redshift drawn.

    Returns
    -------
    Figure
        With the lines of ``|dz| = 0.15 (1+z)`` and the metrics in its title. Table: the pairs
        drawn, ``z_reference`` and ``z_median``.
    """
    load_backends()
    heading, z_median = f"{title} against {reference}", cube["z_median"].values
    z_reference = known_redshifts(cube[reference].values if reference in cube else 0 * z_median)
    known = np.isfinite(z_reference) & np.isfinite(z_median)
    if not known.any():
        return nothing("redshifts", heading, f"there is no object with a PDF and {reference}")
    table = pd.DataFrame({"z_reference": z_reference[known], "z_median": z_median[known]})
    edges = np.linspace(0, z_max, bins + 1)
    found = pixels(table["z_reference"], table["z_median"], np.ones(len(table)), edges, edges)
    counts = np.where(found.n > 0, found.n, np.nan)
    shift = OUTLIER_DZ * (1 + z_max)
    outer = [(0, sign * OUTLIER_DZ, z_max, z_max + sign * shift) for sign in (-1, 1)]
    layers = [
        colour_map(counts, found.bounds, (1, max(2.0, found.n.max())), "galaxies", log=True),
        strokes([(0, 0, z_max, z_max)], "black", 0.8),
        strokes(outer, "black", 0.8, "dashed"),
    ]
    dz = residual(table["z_median"].to_numpy(), table["z_reference"].to_numpy())
    label = (
        f"{title}  N = {len(dz):,}\nσ_MAD = {sigma_mad(dz):.3f}   "
        f"η = {outlier_fraction(dz):.3f}   b = {bias(dz):+.4f}"
    )
    limits = (0.0, z_max)
    shown = panel(layers, label, reference, "predicted redshift (median)", limits, limits, aspect=1)
    plot = grid([shown], columns=1, inches=5)
    return Figure("redshifts", heading, plot, table)


def colour_image(stamps: NDArray[np.floating], noise: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return an RGB picture of stamps with an asinh stretch in units of their sky noise.

    Parameters
    ----------
    stamps : ndarray, shape (3, y, x)
        Fluxes of the bands shown as red, green and blue.
    noise : ndarray, shape (3,)
        Sky noise of the bands.

    Returns
    -------
    ndarray, shape (y, x, 3), from 0 to 1
        Turned so that y grows upwards when the first row is drawn at the top.

    Examples
    --------
    >>> colour_image(np.zeros((3, 2, 2)), np.ones(3)).shape
    (2, 2, 3)
    """
    shown = stretched(np.asarray(stamps, np.float64), np.asarray(noise))
    return np.moveaxis(np.clip(0.1 + shown, 0, 1), 0, -1)[::-1]


def stamps_and_pdfs(
    store: xr.Dataset, cube: xr.Dataset, rows: Sequence[int], reference: str | None = None
) -> Figure:
    """Draw a colour stamp above the PDF of each chosen object.

    Parameters
    ----------
    store : xarray.Dataset
        Field store.
    cube : xarray.Dataset
        Its PDF cube.
    rows : sequence of int
        Objects to draw, at most ten look well.
    reference : str, optional
        Column whose value is marked in the PDFs.

    Returns
    -------
    Figure
        Table: ``mag_i``, ``z_median`` and the reference of the objects.
    """
    load_backends()
    if not len(rows):
        return nothing("examples", "Stamps and PDFs", "there is no object to show")
    reference = reference if reference in cube else None
    bands = [str(b) for b in store["band"].values]
    rgb = (
        [bands.index(b) for b in ("z", "i", "g")]
        if "z" in bands
        else np.linspace(len(bands) - 1, 0, 3).astype(int)
    )
    pictures: list[Any] = []
    curves: list[Any] = []
    for row in rows:
        picture = colour_image(store["image"][row].values[rgb], store["sky_noise"][row].values[rgb])
        title = f"i = {float(cube['mag_i'][row]):.1f}"
        pictures.append(panel([colour_picture(picture)], title, bare=True, aspect=1, width_px=100))
        density = cube["pdf"][row].values
        top = 1.1 * float(np.nan_to_num(density.max(), nan=1.0))
        marks = [line(cube["z"].values, density, colour(BASELINE), width=1.2)]
        if reference and has_redshift(cube[reference][row]):
            z = float(cube[reference][row])
            marks.append(strokes([(z, 0, z, top)], KNOWN, 1.0, "dashed"))
        title = f"z = {float(cube['z_median'][row]):.2f}"
        options: dict[str, Any] = {
            "xlim": (0, 4),
            "ylim": (0, top),
            "aspect": 1,
            "width_px": 100,
            "yticks": [(0.0, "")],
        }
        curves.append(panel(marks, title, "redshift", "p(z)" if not curves else "", **options))
    plot = grid(pictures + curves, columns=len(rows), inches=1.6, gap=(0.15, 0.25))
    names = ["mag_i", "z_median", *([reference] if reference else [])]
    table = pd.DataFrame({name: cube[name].values[list(rows)] for name in names})
    return Figure("examples", "Stamps and PDFs", plot, table)
