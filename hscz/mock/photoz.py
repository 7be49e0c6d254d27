"""Photometric redshifts of other people: how SED fitting errs, without doing the fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz.mock.population import FIELD_NUMBER

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Accuracy:
    """Scatter and outliers of one redshift estimate, interpolated in i magnitude.

    Attributes
    ----------
    i_mag : tuple of float
        Magnitude knots.
    sigma : tuple of float
        Scatter of dz / (1+z) at the knots.
    outliers : tuple of float
        Fraction of redshifts that belong to another galaxy, for all purposes.
    """

    i_mag: tuple[float, ...]
    sigma: tuple[float, ...]
    outliers: tuple[float, ...]

    def sigma_at(self, i_mag: FloatArray) -> FloatArray:
        """Return the scatter at each magnitude."""
        return np.exp(np.interp(i_mag, self.i_mag, np.log(self.sigma)))

    def outliers_at(self, i_mag: FloatArray) -> FloatArray:
        """Return the outlier fraction at each magnitude."""
        return np.exp(np.interp(i_mag, self.i_mag, np.log(self.outliers)))


COSMOS2020_ACCURACY = Accuracy(
    i_mag=(20.0, 22.0, 23.3, 24.6, 25.5, 26.5),
    sigma=(0.0075, 0.0090, 0.0120, 0.0205, 0.031, 0.045),
    outliers=(0.007, 0.011, 0.033, 0.09, 0.17, 0.27),
)
"""LePhare on 30 bands (Weaver et al. 2022): 0.009 at i < 22.5 to 0.024 at 24 < i < 25."""

SIX_BAND_ACCURACY = Accuracy(
    i_mag=(20.0, 22.0, 23.5, 24.5, 25.5, 26.5),
    sigma=(0.021, 0.024, 0.028, 0.034, 0.048, 0.075),
    outliers=(0.02, 0.028, 0.052, 0.09, 0.20, 0.33),
)
"""SED fitting on u g r i z y (Desprez et al. 2023): 0.04 and 10 % near i = 25."""

_BREAK_RATIO = 3800.0 / 1216.0


def mistaken_redshift(
    z: FloatArray, rng: np.random.Generator, confused_share: float = 0.5
) -> FloatArray:
    """Return redshifts of catastrophic failures.

    Some take the Lyman break for the Balmer break or the reverse, the others are those of another
    galaxy of the sample.

    Parameters
    ----------
    z : ndarray, shape (n,)
        True redshifts.
    rng : numpy.random.Generator
    confused_share : float
        Share of those that take one break for the other, where both redshifts can be.

    Returns
    -------
    ndarray, shape (n,)
    """
    higher, lower = (1.0 + z) * _BREAK_RATIO - 1.0, (1.0 + z) / _BREAK_RATIO - 1.0
    swapped = np.where(z > 2.2, lower, higher)
    possible = (swapped > 0.02) & (swapped < 5.5) & (rng.random(len(z)) < confused_share)
    return np.where(possible, swapped, rng.permutation(z))


def sed_redshift(
    truth: pd.DataFrame, field: str, seed: int, depth_offset_mag: float = 0.0
) -> FloatArray:
    """Return redshifts as SED fitting of six bands finds them (``Z_BEST`` of HSC-CLAUDS).

    Without near-infrared bands 1.4 < z < 2.4 is hardest: the Balmer break has left the last
    band and the Lyman break has not entered the first. Stars get redshifts of galaxies.

    Parameters
    ----------
    truth : DataFrame
        From `hscz.mock.population.draw_field`.
    field : str
        Its field; each has errors of its own.
    seed : int
    depth_offset_mag : float
        How much deeper than the Deep layer the field is; scatter and outliers are those of
        objects brighter by that much.

    Returns
    -------
    ndarray, shape (n,)
        Between 0 and 6.
    """
    rng = np.random.default_rng([seed, FIELD_NUMBER[field], 6])
    is_star = truth["is_star"].to_numpy()
    z = truth["z_true"].to_numpy().copy()
    if (~is_star).any():
        z[is_star] = rng.choice(z[~is_star], is_star.sum())
    i_mag = truth["mag_i"].to_numpy() - depth_offset_mag
    harder = np.where((z > 1.4) & (z < 2.4), 1.7, 0.9)
    sigma = SIX_BAND_ACCURACY.sigma_at(i_mag) * harder
    found = z + sigma * (1.0 + z) * _long_tailed(rng, len(z))
    failed = rng.random(len(z)) < SIX_BAND_ACCURACY.outliers_at(i_mag) * harder
    return np.clip(np.where(failed, mistaken_redshift(z, rng), found), 0.0, 6.0)


def _long_tailed(rng: np.random.Generator, *shape: int) -> FloatArray:
    """Draw deviates whose normalised MAD is 1 and whose tails are those of Student's t, 5 dof."""
    return rng.standard_t(5, shape) / 1.077


def four_redshifts(
    z: FloatArray,
    i_mag: FloatArray,
    rng: np.random.Generator,
    failure_rate_factor: FloatArray | float = 1.0,
    confused_share: float = 0.5,
) -> dict[tuple[str, str], FloatArray]:
    """Draw the redshifts of {CLASSIC, FARMER} x {LePhare, EAZY} for galaxies of COSMOS2020.

    Errors are shared in part: by all four (the galaxy), by the two codes on one catalogue (the
    photometry) and by one code on both catalogues (the templates). Of the failures a third is
    common to all four, a third to the two codes on one catalogue, and a third single. The bias
    is negative and grows with redshift.

    Parameters
    ----------
    z, i_mag : ndarray, shape (n,)
    rng : numpy.random.Generator
    failure_rate_factor : ndarray, shape (n,), or float
        Rate of failures over that of all galaxies of the magnitude.
    confused_share : float
        See `mistaken_redshift`.

    Returns
    -------
    dict of (catalogue, code) to ndarray, shape (n,)
        Catalogues are ``CLASSIC`` and ``FARMER``, codes ``lephare`` and ``eazy``.
    """
    n, catalogues, codes = len(z), ("CLASSIC", "FARMER"), ("lephare", "eazy")
    galaxy = np.sqrt(0.5) * _long_tailed(rng, n)
    photometry = {c: np.sqrt(0.15) * rng.normal(size=n) for c in catalogues}
    templates = {c: np.sqrt(0.15) * rng.normal(size=n) for c in codes}
    third = COSMOS2020_ACCURACY.outliers_at(i_mag) / 3.0 * failure_rate_factor
    mistaken = {"all": mistaken_redshift(z, rng, confused_share)}
    mistaken |= {c: mistaken_redshift(z, rng, confused_share) for c in catalogues}
    fails = {who: rng.random(n) < third for who in mistaken}
    scale = COSMOS2020_ACCURACY.sigma_at(i_mag) * (1.0 + z)
    found = {}
    for catalogue in catalogues:
        for code in codes:
            single = np.sqrt(0.2) * rng.normal(size=n)
            error = galaxy + photometry[catalogue] + templates[code] + single
            estimate = z - 0.003 * z * (1.0 + z) + scale * error
            alone = rng.random(n) < third
            estimate = np.where(alone, mistaken_redshift(z, rng, confused_share), estimate)
            for who in (catalogue, "all"):
                estimate = np.where(fails[who], mistaken[who] + 0.3 * scale * single, estimate)
            found[catalogue, code] = np.clip(estimate, 0.001, 6.9)
    return found
