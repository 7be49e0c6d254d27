"""Sizes, shapes and bulges of galaxies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from hscz.mock.cosmology import kpc_per_arcsec
from hscz.survey import BANDS, OPTICAL_BANDS

FloatArray = NDArray[np.float64]

# Half-light radii in units of the scale length (n = 1), and the constant b of n = 4.
_DISC_SCALE = 1.67835
_BULGE_B = 7.66925

# Bulge minus disc, in magnitudes per ln(wavelength): about 0.6 mag in g - i.
_BULGE_COLOUR = -1.3


def bulge_fraction_i(is_quiescent: NDArray[np.bool_], rng: np.random.Generator) -> FloatArray:
    """Draw bulge fractions in i: high in quiescent galaxies, mostly below 0.3 in others."""
    n = len(is_quiescent)
    early, late = rng.beta(4.0, 2.0, n), rng.beta(0.7, 3.5, n)
    return np.where(is_quiescent, early, late)


def bulge_fractions(fraction_i: FloatArray) -> dict[str, FloatArray]:
    """Return the bulge fraction in each band from that in i: bulges are redder than discs.

    Examples
    --------
    >>> {b: round(float(f[0]), 2) for b, f in bulge_fractions(np.array([0.5])).items()}
    {'u': 0.29, 'us': 0.3, 'g': 0.36, 'r': 0.44, 'i': 0.5, 'z': 0.54, 'y': 0.57}
    """
    return fractions_by_band(fraction_i, _BULGE_COLOUR)


def fractions_by_band(fraction_i: FloatArray, colour: float) -> dict[str, FloatArray]:
    """Return in each band the share of a component from that in i.

    Parameters
    ----------
    fraction_i : ndarray, shape (n,)
    colour : float
        Component minus rest, in magnitudes per ln(wavelength): negative is redder.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        By band.
    """
    fractions = {}
    for name, band in OPTICAL_BANDS.items():
        x = np.log(band.pivot_angstrom / BANDS["i"].pivot_angstrom)
        brighter = 10 ** (-0.4 * colour * x)
        fractions[name] = fraction_i * brighter / (1.0 - fraction_i + fraction_i * brighter)
    return fractions


def disc_radius_arcsec(
    absolute_mag: FloatArray,
    characteristic_mag: FloatArray,
    z: FloatArray,
    is_quiescent: NDArray[np.bool_],
    rng: np.random.Generator,
) -> FloatArray:
    """Draw half-light radii of the discs.

    The size-luminosity relations have the slopes and the evolution of van der Wel et al.
    (2014, ApJ 788, 28), with a scatter of 0.18 dex.
    """
    brighter = -0.4 * (absolute_mag - characteristic_mag)
    late = 6.0 * 10 ** (0.19 * brighter) * (1.0 + z) ** -0.6
    early = 5.0 * 10 ** (0.40 * brighter) * (1.0 + z) ** -0.8
    kpc = np.where(is_quiescent, early, late) * 10 ** (0.18 * rng.normal(size=len(z)))
    return np.clip(kpc / kpc_per_arcsec(z), 0.03, 12.0)


def half_light_radius(
    bulge_fraction: FloatArray, disc_arcsec: FloatArray, bulge_arcsec: FloatArray
) -> FloatArray:
    """Return the half-light radius of disc plus bulge, both round, by bisection in log radius.

    Examples
    --------
    >>> radii = half_light_radius(np.array([0.0, 0.5, 1.0]), np.full(3, 0.8), np.full(3, 0.4))
    >>> radii.round(2).tolist()
    [0.8, 0.62, 0.4]
    """
    low = np.log(np.minimum(disc_arcsec, bulge_arcsec)) - 1e-3
    high = np.log(np.maximum(disc_arcsec, bulge_arcsec)) + 1e-3
    for _ in range(12):
        middle = 0.5 * (low + high)
        radius = np.exp(middle)
        x = _DISC_SCALE * radius / disc_arcsec
        disc = 1.0 - (1.0 + x) * np.exp(-x)
        bulge = gammainc(8.0, _BULGE_B * (radius / bulge_arcsec) ** 0.25)
        inside = (1.0 - bulge_fraction) * disc + bulge_fraction * bulge > 0.5
        low, high = np.where(inside, low, middle), np.where(inside, middle, high)
    return np.exp(0.5 * (low + high))


def axis_ratio(bulge_fraction: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw apparent axis ratios of oblate spheroids at random inclination.

    Discs have an intrinsic thickness near 0.22, bulge-dominated galaxies near 0.65.
    """
    n = len(bulge_fraction)
    thickness = 0.22 + 0.43 * bulge_fraction + 0.06 * rng.normal(size=n)
    thickness = np.clip(thickness, 0.12, 0.95)
    cosine = rng.random(n)
    return np.sqrt(thickness**2 + (1.0 - thickness**2) * cosine**2)
