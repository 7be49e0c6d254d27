"""Fields whose redshift distribution at fixed magnitude differs by a known factor.

A shift multiplies the numbers of galaxies, of all or those of one kind, by

    f(z) = (1 + z)^t  [1 + (F - 1) exp(-(z - z0)^2 / 2 w^2)]  v(z) :

a tilt, a bump or hole, and cosmic variance, whose v is log-normal with mean 1, constant in slices
of 0.048 in ln(1 + z) and independent between them. The counts of all galaxies stay,

    n'(z | m) = n(z | m) f(z) / <f>_m ,    n'(m) = n(m) ,

where m is the true i magnitude before Galactic extinction and <>_m the mean over the galaxies of
that magnitude. Where a shift acts upon one kind, f is 1 for the other, whose n(z | m) keeps its
form: the kinds trade shares at each magnitude. What a galaxy of given kind, redshift and magnitude
looks like stays the same, and so does the clustering at each redshift. Groups blur f by up to
0.03 (1 + z).

Galaxies are drawn from the luminosity functions times the abundance, which is f times a constant,
planted structures included; groups stand where they would without a shift (`as_unshifted`); what
is too many at a magnitude is thinned out again without regard to redshift (`restore_counts`). The
draws come from child streams of the generator, so a field without a shift is drawn as if there
were no shifts.

How large cosmic variance is: for galaxies of 10^10 solar masses at z = 2 in a depth of 0.5, 0.19
in GOODS (10 x 16 arcmin), 0.13 in GEMS (28 x 28) and 0.06 in COSMOS (84 x 84; Moster et al. 2011,
ApJ 731, 113). It goes with the inverse root of the depth, so that slices of 0.05 (1 + z) = 0.15
have 0.35, 0.24 and 0.11; the mock's fields of 17 x 17 arcmin lie between GOODS and GEMS.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter1d

from hscz.config.mock import MockSettings
from hscz.config.shift import Shift
from hscz.mock import luminosity

FloatArray = NDArray[np.float64]

# Above the mean redshift of any magnitude: at least as many are drawn as are to be kept.
_PIVOT_OF_NEGATIVE = 2.0

# Of whole cells from which redshifts are drawn; 0.048 in ln(1 + z).
_SLICES = luminosity.Z_EDGES[::12]

_NEIGHBOURS = 101


@dataclass(frozen=True)
class LabelShift:
    """By which factor n(z) of one field differs from the usual at fixed magnitude.

    Attributes
    ----------
    asked : Shift
    variance : tuple of float
        Factor of cosmic variance in each slice of redshift.

    Examples
    --------
    >>> bump = LabelShift(Shift(kind="quiescent", at_z=1.0, width_z=0.1, factor=3.0))
    >>> bump.abundance([0.5, 0.9, 1.0, 1.0], [True, True, True, False]).round(1).tolist()
    [1.0, 2.2, 3.0, 1.0]
    """

    asked: Shift = field(default_factory=Shift)
    variance: tuple[float, ...] = (1.0,) * len(_SLICES)

    @classmethod
    def of(cls, settings: MockSettings, field_name: str) -> LabelShift:
        """Return the shift of a field, its cosmic variance drawn."""
        asked = settings.shift.get(field_name, Shift())
        sigma = np.sqrt(np.log1p(asked.cosmic_variance**2))
        rng = np.random.default_rng(settings.stream(field_name, "cosmic-variance"))
        drawn = np.exp(sigma * rng.normal(size=len(_SLICES)) - 0.5 * sigma**2)
        return cls(asked, tuple(drawn.tolist()))

    def abundance(self, z: ArrayLike, is_quiescent: ArrayLike) -> FloatArray:
        """Return how many times as many galaxies to draw at a redshift, f times a constant.

        Parameters
        ----------
        z : array-like, shape (n,)
        is_quiescent : array-like of bool, shape (n,)

        Returns
        -------
        ndarray, shape (n,)
            With a mean over the galaxies of any magnitude of at least 1.
        """
        z, tilt, kind = np.asarray(z, dtype=np.float64), self.asked.tilt, self.asked.kind
        slices = np.searchsorted(_SLICES[1:], z, side="right")
        factor = (1.0 + z) ** tilt * self._bump(z) * np.asarray(self.variance)[slices]
        if kind != "all":
            factor = np.where(np.equal(is_quiescent, kind == "quiescent"), factor, 1.0)
        least = min(self.asked.factor or 1.0, 1.0) * min(self.variance)
        return factor / (least * (1.0 + _PIVOT_OF_NEGATIVE) ** min(tilt, 0.0))

    def _bump(self, z: FloatArray) -> FloatArray:
        at_z, width_z, factor = self.asked.at_z, self.asked.width_z, self.asked.factor
        if at_z is None or width_z is None or factor is None:
            return np.ones_like(z)
        return 1.0 + (factor - 1.0) * np.exp(-0.5 * ((z - at_z) / width_z) ** 2)


def as_unshifted(abundance: FloatArray, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose galaxies whose redshifts spread as without a shift.

    Parameters
    ----------
    abundance : ndarray, shape (n,)
        `LabelShift.abundance` by which they were drawn.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> as_unshifted(np.ones(2), np.random.default_rng(1)).tolist()
    [True, True]
    """
    rarity = 1.0 / abundance
    return rng.spawn(1)[0].random(len(rarity)) * rarity.max(initial=0.0) < rarity


def restore_counts(
    abundance: FloatArray, mag_i: FloatArray, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose galaxies so that n(m) becomes that without a shift.

    At magnitude m a fraction 1 / <abundance>_m is kept. Over the galaxies as they were drawn,
    that is the mean of 1 / abundance, here over the 101 neighbours in magnitude.

    Parameters
    ----------
    abundance, mag_i : ndarray, shape (n,)
        `LabelShift.abundance` by which they were drawn, and magnitudes.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> kept = restore_counts(np.full(4000, 4.0), np.full(4000, 24.0), np.random.default_rng(1))
    >>> float(kept.mean().round(2))
    0.25
    """
    by_mag = np.argsort(mag_i, kind="stable")
    fraction = np.empty(len(mag_i))
    fraction[by_mag] = uniform_filter1d(1.0 / abundance[by_mag], _NEIGHBOURS)
    return rng.spawn(1)[0].random(len(mag_i)) < fraction
