"""Positions and fluxes of source catalogues from their own units to degrees and AB magnitudes.

A descriptor says under ``[units]`` where a file departs from the standard: ``ra`` and ``dec``
take an angle such as ``"hourangle"`` or ``"rad"``, for numbers or for text such as
``10:00:28.6``; ``mag`` takes the unit of a flux density such as ``"uJy"``, or the AB zero point
of fluxes in counts, for all bands at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.constants import MAG_PER_RELATIVE_ERROR
from hscz.errors import ConfigError

KINDS: Mapping[str, str] = {"ra": "deg", "dec": "deg", "mag": "Jy"}
"""What a descriptor may give a unit for, and a unit that it must be convertible to."""


def check_units(units: Mapping[str, str | float]) -> None:
    """Refuse units that cannot be converted.

    Raises
    ------
    ConfigError
        If a unit is unknown, or of another kind than its column.

    Examples
    --------
    >>> check_units({"ra": "hourangle", "mag": "uJy"})
    >>> check_units({"ra": "hours"})
    Traceback (most recent call last):
    ...
    hscz.errors.ConfigError: [units] ra = 'hours' is not a unit like 'deg'; write 'hourangle'
    """
    from astropy.units import Unit

    for key, unit in units.items():
        if key not in KINDS:
            raise ConfigError(f"[units] has the unknown key {key!r}; use {', '.join(KINDS)}")
        if key == "mag" and isinstance(unit, float | int) and not isinstance(unit, bool):
            continue
        known = isinstance(unit, str) and Unit(unit, parse_strict="silent")
        if not known or not known.is_equivalent(KINDS[key]):
            remedies = {
                "ra": "write 'hourangle'",
                "mag": "or give the AB zero point of one of them",
            }
            remedy = remedies.get(key, "see hscz.tables.units")
            raise ConfigError(
                f"[units] {key} = {unit!r} is not a unit like {KINDS[key]!r}; {remedy}"
            )


def known_unit(text: str) -> Any:
    """Return the unit that a file states, in any case and number; None where it is not known.

    Examples
    --------
    >>> [str(known_unit(text)) for text in ("Degrees", "hours", "uJy", "a unit", "")]
    ['deg', 'h', 'uJy', 'None', 'None']
    """
    from astropy.units import Unit, UnrecognizedUnit

    for spelling in (text, text.lower(), text.lower().rstrip("s")):
        unit = Unit(spelling.strip(), parse_strict="silent")
        if spelling.strip() and not isinstance(unit, UnrecognizedUnit):
            return unit
    return None


def zero_point(unit: str | float) -> float:
    """Return the AB magnitude of one unit of flux.

    Examples
    --------
    >>> round(zero_point("uJy"), 3), zero_point(27.0)
    (23.9, 27.0)
    """
    from astropy.units import ABmag, Unit

    return float((1 * Unit(unit)).to_value(ABmag)) if isinstance(unit, str) else float(unit)


def ab_magnitudes(
    flux: ArrayLike, flux_err: ArrayLike, zero_point_mag: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return AB magnitudes, and their errors to first order; NaN where the flux is not positive.

    Parameters
    ----------
    flux, flux_err : array_like, shape (n,)
    zero_point_mag : float
        Magnitude of a flux of 1.

    Returns
    -------
    mag, mag_err : ndarray, shape (n,)

    Examples
    --------
    >>> mag, err = ab_magnitudes([100.0, -1.0], [10.0, 1.0], 23.9)
    >>> mag.round(3).tolist(), err.round(3).tolist()
    ([18.9, nan], [0.109, nan])
    """
    values = np.asarray(flux, dtype=np.float64)
    values = np.where(values > 0, values, np.nan)
    mag = zero_point_mag - 2.5 * np.log10(values)
    return mag, MAG_PER_RELATIVE_ERROR * np.asarray(flux_err, dtype=np.float64) / values
