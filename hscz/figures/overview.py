"""A first look at a PDF cube: how its redshifts compare, and what stamps and PDFs look like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz.atomic import write_atomic
from hscz.evaluate.metrics import bias, outlier_fraction, residual, sigma_mad

OUTLIER_LIMIT = 0.15


def redshift_scatter(
    cube: xr.Dataset, reference: str, title: str = "", bins: int = 120, z_max: float = 5.0
) -> tuple[Any, pd.DataFrame]:
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
    holoviews.Overlay
        With the lines of |dz| = 0.15 (1+z) and the metrics in its title.
    pandas.DataFrame
        The pairs drawn: ``z_reference``, ``z_median``.
    """
    import holoviews as hv

    hv.extension("matplotlib", logo=False)
    z_reference, z_median = cube[reference].values, cube["z_median"].values
    known = np.isfinite(z_reference) & np.isfinite(z_median) & (z_reference > 0)
    table = pd.DataFrame({"z_reference": z_reference[known], "z_median": z_median[known]})
    edges = np.linspace(0, z_max, bins + 1)
    counts, _, _ = np.histogram2d(table["z_median"], table["z_reference"], bins=(edges, edges))
    centres = 0.5 * (edges[1:] + edges[:-1])
    density = hv.Image(
        (centres, centres, np.where(counts > 0, counts, np.nan)),
        kdims=[f"{reference}", "predicted redshift (median)"],
        vdims="galaxies",
    ).opts(cmap="viridis", logz=True, colorbar=True, aspect=1, fig_inches=5)
    z = np.array([0.0, z_max])
    lines = [
        hv.Curve((z, z + shift * OUTLIER_LIMIT * (1 + z))).opts(
            color="black", linewidth=0.8, linestyle="-" if shift == 0 else "--"
        )
        for shift in (-1, 0, 1)
    ]
    dz = residual(table["z_median"].to_numpy(), table["z_reference"].to_numpy())
    label = (
        f"{title}  N = {len(dz):,}\nσ_MAD = {sigma_mad(dz):.3f}   "
        f"η = {outlier_fraction(dz):.3f}   b = {bias(dz):+.4f}"
    )
    overlay = hv.Overlay([density, *lines]).opts(
        title=label, xlim=(0, z_max), ylim=(0, z_max), fontsize={"title": 10}
    )
    return overlay, table


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
    scaled = np.asarray(stamps, np.float64) / np.reshape(noise, (3, 1, 1))
    stretched = np.arcsinh(scaled / 2) / np.arcsinh(25)
    return np.moveaxis(np.clip(0.1 + stretched, 0, 1), 0, -1)[::-1]


def stamps_and_pdfs(
    store: xr.Dataset, cube: xr.Dataset, rows: Sequence[int], reference: str | None = None
) -> Any:
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
    holoviews.Layout
    """
    import holoviews as hv

    hv.extension("matplotlib", logo=False)
    bands = [str(b) for b in store["band"].values]
    rgb = [bands.index(b) for b in ("z", "i", "g")] if "z" in bands else [2, 1, 0]
    pictures, curves = [], []
    for row in rows:
        picture = colour_image(store["image"][row].values[rgb], store["sky_noise"][row].values[rgb])
        title = f"i = {float(cube['mag_i'][row]):.1f}"
        pictures.append(hv.RGB(picture).opts(title=title, xaxis=None, yaxis=None, aspect=1))
        density = cube["pdf"][row].values
        curve = hv.Area((cube["z"].values, density), "redshift", "p(z)").opts(
            aspect=1, yaxis=None, title=f"z = {float(cube['z_median'][row]):.2f}", xlim=(0, 4)
        )
        if reference and np.isfinite(cube[reference][row]):
            mark = hv.VLine(float(cube[reference][row]))
            curve = curve * mark.opts(color="red", linestyle="--", linewidth=1)
        curves.append(curve.opts(ylim=(0, 1.1 * float(density.max()))))
    return (
        hv.Layout(pictures + curves)
        .cols(len(rows))
        .opts(fig_inches=1.6, sublabel_format="", hspace=0.15, vspace=0.25, shared_axes=False)
    )


def save(figure: Any, path: Path) -> Path:
    """Write a figure as PNG."""
    import holoviews as hv

    return write_atomic(
        path, lambda temporary: hv.save(figure, temporary, fmt="png", backend="matplotlib", dpi=130)
    )
