"""The profile of the PSF: Moffat functions of half-integer slope, alone or with wings.

A Moffat profile of slope beta has the transform t^(beta-1) K_(beta-1)(t) / (2^(beta-2)
Gamma(beta-1)) at t = k alpha, and Bessel functions of half-integer order are elementary.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

FloatArray = NDArray[np.floating]

WING_SCALE = 2.0
"""Scale of the wings' profile over that of the core."""

WING_BETA = 2.5
"""Slope of the wings' profile."""

# Coefficients of t^2, t^3 in the polynomial 1 + t + ... that multiplies exp(-t).
_HIGHER: dict[float, tuple[float, ...]] = {2.5: (), 3.5: (1 / 3,), 4.5: (2 / 5, 1 / 15)}


@dataclass(frozen=True)
class PsfProfile:
    """A core and wings, in units of the core's scale alpha.

    Attributes
    ----------
    beta : float
        Slope of the core: 2.5, 3.5 or 4.5. HSC r PSFs fit 2.4.
    wing_share : float
        Share of the light in a second profile of slope `WING_BETA` and `WING_SCALE` times the
        scale.

    Examples
    --------
    >>> plain, winged = PsfProfile(), PsfProfile(3.5, 0.2)
    >>> round(plain.fwhm, 3), round(winged.fwhm, 3)
    (1.131, 0.957)
    >>> round(plain.half_light / plain.fwhm, 3), round(winged.half_light / winged.fwhm, 3)
    (0.678, 0.684)
    """

    beta: float = 2.5
    wing_share: float = 0.0

    def transform(self, t: FloatArray) -> FloatArray:
        """Return the transform of the profile of unit light at t = k alpha."""
        fall = np.exp(-t)
        total = self._core(t) * fall
        if self.wing_share:
            total *= 1.0 - self.wing_share
            # exp(-2t) without another exponential: the wings' scale is twice the core's.
            total += self.wing_share * (1.0 + WING_SCALE * t) * fall * fall
        return total

    def _core(self, t: FloatArray) -> FloatArray:
        total = 1.0 + t
        power = t
        for factor in _HIGHER[self.beta]:
            power = power * t
            total += factor * power
        return total

    @cached_property
    def fwhm(self) -> float:
        """Full width at half maximum."""
        if not self.wing_share:
            return float(2.0 * np.sqrt(2.0 ** (1.0 / self.beta) - 1.0))
        half = 0.5 * self._brightness(0.0)
        return float(2.0 * brentq(lambda r: self._brightness(r) - half, 0.0, 5.0))

    @cached_property
    def half_light(self) -> float:
        """Radius that holds half of the light."""
        if not self.wing_share:
            return float(np.sqrt(0.5 ** (1.0 / (1.0 - self.beta)) - 1.0))
        return float(brentq(lambda r: self._light_inside(r) - 0.5, 0.0, 5.0))

    def _components(self) -> tuple[tuple[float, float, float], ...]:
        """Return share, slope and scale of core and wings."""
        return (
            (1.0 - self.wing_share, self.beta, 1.0),
            (self.wing_share, WING_BETA, WING_SCALE),
        )

    def _brightness(self, r: float) -> float:
        return sum(
            share * (beta - 1.0) / (np.pi * scale**2) * (1.0 + (r / scale) ** 2) ** -beta
            for share, beta, scale in self._components()
        )

    def _light_inside(self, r: float) -> float:
        return sum(
            share * (1.0 - (1.0 + (r / scale) ** 2) ** (1.0 - beta))
            for share, beta, scale in self._components()
        )


PLAIN_PSF = PsfProfile()
"""The PSF of a plain sky."""
