"""Whether PDFs hold what they say, and how the bins of n(z) go together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from hscz.experiments.recipes import BASELINE, RECOMMENDED
from hscz.figures.figure import Figure
from hscz.figures.marks import (
    colour_map,
    error_bars,
    grid,
    line,
    load_backends,
    panel,
    points,
    strokes,
)
from hscz.figures.nz import Z_SHOWN
from hscz.figures.palette import colour

COVERAGES = {68: RECOMMENDED, 95: BASELINE}
"""Central intervals drawn, in per cent, and whose colours they have."""

LEAST_SCALE = 0.1
"""Correlation at which the colours of its map end at least; those of bins with themselves are 1."""


def coverage_figure(calibration: pd.DataFrame, credibility: pd.DataFrame, title: str) -> Figure:
    """Draw what intervals hold by magnitude, and what highest-density regions do.

    Parameters
    ----------
    calibration : pandas.DataFrame
        From `hscz.evaluate.calibration.calibration_table`, by ``mag_i``.
    credibility : pandas.DataFrame
        ``level`` and ``fraction``, from `hscz.evaluate.calibration.credibility_curve`.
    title : str
    """
    load_backends()
    bins = calibration[(calibration["by"] == "mag_i") & (calibration["n"] > 0)]
    middle = 0.5 * (bins["low"] + bins["high"]).to_numpy(np.float64)
    ends = (float(bins["low"].min()), float(bins["high"].max())) if len(bins) else (18.0, 25.0)
    layers = []
    for level, model in COVERAGES.items():
        held = bins[f"coverage_{level}"].to_numpy(np.float64)
        layers += [
            strokes([(ends[0], level / 100, ends[1], level / 100)], colour(model), 1.0, "dashed"),
            error_bars(middle, held, bins[f"coverage_{level}_err"], colour(model)),
            points(middle, held, colour(model), f"{level} % intervals"),
        ]
    least = min(0.4, float(bins["coverage_68"].min()) - 0.05) if len(bins) else 0.4
    by_mag = panel(layers, title, "i", "redshifts inside", ends, (least, 1.02), "bottom_left")
    curve = [
        strokes([(0, 0, 1, 1)], "black", 0.8, "dashed"),
        line(credibility["level"], credibility["fraction"], colour(RECOMMENDED)),
    ]
    names = "probability of the region", "redshifts inside"
    hpd = panel(curve, "highest-density regions", *names, (0, 1), (0, 1))
    return Figure("coverage", title, grid([by_mag, hpd], columns=2, inches=7), calibration)


def correlation_figure(found: xr.Dataset, title: str, sample: str = "all") -> Figure:
    """Draw the correlations of the bins of n(z) of a sample.

    Parameters
    ----------
    found : xarray.Dataset
        From `hscz.nz.files.read` or `hscz.nz.field.n_of_z_of`.
    title : str
    sample : str
    """
    load_backends()
    edges, covariance = found["z_edges"].values, found["covariance"].sel(sample=sample).values
    error = np.sqrt(np.diagonal(covariance))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = covariance / np.outer(error, error)
    bounds = (float(edges[0]), float(edges[0]), float(edges[-1]), float(edges[-1]))
    others = np.abs(correlation[~np.eye(len(error), dtype=bool)])
    most = max(LEAST_SCALE, float(np.nanmax(others, initial=0.0)))
    picture = colour_map(correlation, bounds, (-most, most), "correlation", cmap="RdBu_r")
    limits = (0.0, Z_SHOWN)
    shown = panel([picture], title, "redshift", "redshift", limits, limits, aspect=1)
    middle = found["z"].values
    table = pd.DataFrame(correlation, index=middle, columns=middle.astype(str))
    return Figure("correlation", title, grid([shown], columns=1, inches=5), table)
