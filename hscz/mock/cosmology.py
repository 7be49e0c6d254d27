"""Distances and volumes of a flat universe with H0 = 70 km/s/Mpc and Omega_m = 0.3."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

HUBBLE_DISTANCE_MPC = 299792.458 / 70.0
OMEGA_MATTER = 0.3

_Z = np.linspace(0.0, 7.5, 7501)
_EXPANSION = np.sqrt(OMEGA_MATTER * (1.0 + _Z) ** 3 + 1.0 - OMEGA_MATTER)
_STEPS = 0.5 * np.diff(_Z) * (1.0 / _EXPANSION[1:] + 1.0 / _EXPANSION[:-1])
_COMOVING_MPC = HUBBLE_DISTANCE_MPC * np.concatenate([[0.0], np.cumsum(_STEPS)])

FloatArray = NDArray[np.float64]


def comoving_distance_mpc(redshift: ArrayLike) -> FloatArray:
    """Return the comoving distance in Mpc, for redshifts below 7.5.

    Examples
    --------
    >>> comoving_distance_mpc([0.5, 1.0, 3.0]).round(0).tolist()
    [1889.0, 3304.0, 6356.0]
    """
    return np.interp(np.asarray(redshift, dtype=np.float64), _Z, _COMOVING_MPC)


def redshift_at_mpc(distance_mpc: ArrayLike) -> FloatArray:
    """Return the redshift at a comoving distance in Mpc, the inverse of the above."""
    return np.interp(np.asarray(distance_mpc, dtype=np.float64), _COMOVING_MPC, _Z)


def distance_modulus(redshift: ArrayLike) -> FloatArray:
    """Return the luminosity distance modulus in magnitudes, for redshifts above zero."""
    z = np.asarray(redshift, dtype=np.float64)
    return 5.0 * np.log10((1.0 + z) * comoving_distance_mpc(z)) + 25.0


def kpc_per_arcsec(redshift: ArrayLike) -> FloatArray:
    """Return the proper transverse scale in kpc per arcsec."""
    z = np.asarray(redshift, dtype=np.float64)
    return comoving_distance_mpc(z) / (1.0 + z) * 1e3 * np.deg2rad(1.0 / 3600.0)


def volume_mpc3_per_deg2(redshift: ArrayLike) -> FloatArray:
    """Return the comoving volume per unit redshift and square degree, in Mpc^3."""
    z = np.asarray(redshift, dtype=np.float64)
    expansion = np.sqrt(OMEGA_MATTER * (1.0 + z) ** 3 + 1.0 - OMEGA_MATTER)
    per_steradian = HUBBLE_DISTANCE_MPC * comoving_distance_mpc(z) ** 2 / expansion
    return per_steradian * np.deg2rad(1.0) ** 2
