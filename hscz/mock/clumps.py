"""Star-forming clumps in the discs of mock galaxies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz.mock.morphology import fractions_by_band
from hscz.mock.render import Sources

FloatArray = NDArray[np.floating]

CLUMPS = 4
"""Clumps of a disc."""

# Clumps minus the rest of the disc, in magnitudes per ln(wavelength): 0.5 mag bluer in g - i.
_COLOUR = 1.1
_MAX_SHARE = 0.6
_STAR_FORMING = 2.0

# Clumps of discs that are smaller or fainter would not show, and are not painted.
_MIN_RADIUS_PX = 1.5
_FAINTEST_I_MAG = 25.5


def add_clumps(truth: pd.DataFrame, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """Put clumps into the discs of star-forming galaxies.

    Parameters
    ----------
    truth : DataFrame
        From `hscz.mock.population.draw_field`.
    share : float
        Mean share of the disc's light in i.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        With ``clump_fraction_i``, the share of the disc's light (0 without clumps), and the
        places of the clumps in the plane of the disc, ``clump_major_{j}`` along the major axis and
        ``clump_minor_{j}`` across, in half-light radii of the disc.
    """
    n = len(truth)
    drawn = np.minimum(rng.gamma(2.0, 0.5 * share, n), _MAX_SHARE)
    late = ~truth["is_star"].to_numpy() & (truth["template"].to_numpy() >= _STAR_FORMING)
    columns = {"clump_fraction_i": np.where(late, drawn, 0.0)}
    # Distances of an exponential disc, of which 2.2 scale lengths hold most of the clumps.
    radius = np.minimum(rng.gamma(2.0, 1.0 / 1.678, (CLUMPS, n)), 2.0)
    angle = rng.uniform(0.0, 2.0 * np.pi, (CLUMPS, n))
    for j in range(CLUMPS):
        columns[f"clump_major_{j}"] = np.where(late, radius[j] * np.cos(angle[j]), 0.0)
        columns[f"clump_minor_{j}"] = np.where(late, radius[j] * np.sin(angle[j]), 0.0)
    return truth.assign(**columns)


def with_clumps(sources: Sources, truth: pd.DataFrame, bands: tuple[str, ...]) -> Sources:
    """Move the clumps' part of the discs' light into clumps; as they are where there are none."""
    if "clump_fraction_i" not in truth:
        return sources
    seen = (sources.disc_radius_px > _MIN_RADIUS_PX) & (truth["mag_i"] < _FAINTEST_I_MAG).to_numpy()
    by_band = fractions_by_band(np.where(seen, truth["clump_fraction_i"], 0.0), _COLOUR)
    share = np.array([by_band[band] for band in bands])
    major, minor = (
        np.array([truth[f"clump_{axis}_{j}"] for j in range(CLUMPS)]) for axis in ("major", "minor")
    )
    # The radius is the geometric mean of both axes.
    stretch = np.sqrt(sources.axis_ratio)
    along, across = (
        major * sources.disc_radius_px / stretch,
        minor * sources.disc_radius_px * stretch,
    )
    cosine, sine = np.cos(sources.angle_rad), np.sin(sources.angle_rad)
    return replace(
        sources,
        disc_flux=sources.disc_flux * (1.0 - share),
        clump_flux=sources.disc_flux * share,
        clump_dx_px=along * cosine - across * sine,
        clump_dy_px=along * sine + across * cosine,
    )
