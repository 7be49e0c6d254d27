"""How many galaxies of which luminosity there are at each redshift.

Two Schechter luminosity functions in the rest frame at 4400 Angstrom (AB), quiescent and
star-forming, whose parameters change with redshift. At z < 1.2 they follow Faber et al. (2007,
ApJ 665, 265), and the star-forming one runs into the ultraviolet luminosity functions of
Reddy & Steidel (2009) and Bouwens et al. (2015) at z > 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.mock.cosmology import volume_mpc3_per_deg2
from hscz.pdf.grid import bin_centres

FloatArray = NDArray[np.float64]

Z_EDGES = np.expm1(np.arange(np.log1p(0.01), np.log1p(6.1), 0.004))
"""Edges of the redshift cells galaxies are drawn from."""

MAGNITUDE_EDGES = np.arange(-25.5, -11.0, 0.1)
"""Edges of the cells in absolute magnitude."""


@dataclass(frozen=True)
class Schechter:
    """An evolving Schechter function given at a few redshifts and interpolated between.

    Attributes
    ----------
    redshift, magnitude, log_density : tuple of float
        Redshift knots, characteristic magnitude and log10 of the normalisation in Mpc^-3.
    faint_slope : tuple of float
        Slope alpha at the knots.
    """

    redshift: tuple[float, ...]
    magnitude: tuple[float, ...]
    log_density: tuple[float, ...]
    faint_slope: tuple[float, ...]

    def characteristic_magnitude(self, z: ArrayLike) -> FloatArray:
        """Return M* at redshift `z`."""
        return np.interp(np.asarray(z, dtype=np.float64), self.redshift, self.magnitude)

    def density(self, absolute_mag: ArrayLike, z: ArrayLike) -> FloatArray:
        """Return the number per Mpc^3 and magnitude."""
        m, z = np.broadcast_arrays(absolute_mag, z)
        log_density = np.interp(z, self.redshift, self.log_density)
        slope = np.interp(z, self.redshift, self.faint_slope)
        x = 10 ** (-0.4 * (m - self.characteristic_magnitude(z)))
        return 0.4 * np.log(10) * 10**log_density * x ** (slope + 1) * np.exp(-x)


QUIESCENT = Schechter(
    redshift=(0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0),
    magnitude=(-20.2, -20.7, -21.3, -21.7, -21.9, -22.1, -22.1, -22.1),
    log_density=(-2.70, -2.78, -2.87, -3.3, -3.8, -4.6, -6.0, -8.0),
    faint_slope=(-0.5,) * 8,
)
STAR_FORMING = Schechter(
    redshift=(0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0),
    magnitude=(-20.3, -20.9, -21.4, -21.85, -22.1, -22.3, -22.3, -22.3, -22.3),
    log_density=(-2.42, -2.54, -2.70, -2.84, -2.86, -2.88, -3.0, -3.3, -3.6),
    faint_slope=(-1.35, -1.38, -1.38, -1.4, -1.45, -1.5, -1.55, -1.6, -1.6),
)


def expected_per_deg2(function: Schechter) -> FloatArray:
    """Return the expected number per square degree of each cell.

    Returns
    -------
    ndarray, shape (len(Z_EDGES) - 1, len(MAGNITUDE_EDGES) - 1)
    """
    z = bin_centres(Z_EDGES)[:, None]
    magnitude = bin_centres(MAGNITUDE_EDGES)[None]
    cell = np.diff(Z_EDGES)[:, None] * np.diff(MAGNITUDE_EDGES)[None]
    return function.density(magnitude, z) * volume_mpc3_per_deg2(z) * cell


def draw_cells(expected: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draw redshifts and absolute magnitudes from expected numbers per cell.

    Parameters
    ----------
    expected : ndarray, shape (len(Z_EDGES) - 1, len(MAGNITUDE_EDGES) - 1)
    rng : numpy.random.Generator

    Returns
    -------
    redshift, absolute_mag : ndarray, shape (n,)
        Poisson numbers, uniform inside each cell.
    """
    cells = np.repeat(np.arange(expected.size), rng.poisson(expected).ravel())
    z_cell, mag_cell = np.unravel_index(cells, expected.shape)
    z = Z_EDGES[z_cell] + rng.random(len(cells)) * np.diff(Z_EDGES)[z_cell]
    step = MAGNITUDE_EDGES[1] - MAGNITUDE_EDGES[0]
    return z, MAGNITUDE_EDGES[mag_cell] + rng.random(len(cells)) * step
