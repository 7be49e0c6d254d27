"""By what the galaxies of a mock field differ from those of the others: their n(z)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from annotated_types import Ge, Le
from pydantic import model_validator

from hscz.config.section import section
from hscz.config.values import Number, Share

MAX_TILT = 2.0
"""Largest tilt of n(z) either way; beyond, far more galaxies would be drawn than kept."""

MAX_FACTOR = 10.0
"""Largest factor on n(z), and the inverse of the least, for the same reason."""

MIN_WIDTH = 0.05
"""Narrowest bump; what is narrower is washed out, as galaxies move to groups nearby."""

Tilt = Annotated[Number, Ge(-MAX_TILT), Le(MAX_TILT)]
Redshift = Annotated[Number, Ge(0), Le(6)]
Width = Annotated[Number, Ge(MIN_WIDTH), Le(2)]
Factor = Annotated[Number, Ge(1 / MAX_FACTOR), Le(MAX_FACTOR)]


@section
class Shift:
    """By which factor n(z) of a field differs from the usual at fixed i magnitude.

    What is given multiplies; the counts n(m) of all galaxies stay. See `hscz.mock.label_shift`.

    Raises
    ------
    ConfigError
        If a bump lacks its place, width or height, or a number is out of range.

    Examples
    --------
    >>> Shift(at_z=0.8, width_z=0.1, factor=3.0).kind
    'all'
    >>> Shift(at_z=0.8, factor=3.0)
    Traceback (most recent call last):
    ...
    hscz.errors.ConfigError: Shift: width_z is absent; a bump or hole has at_z, width_z and factor
    """

    kind: Literal["all", "quiescent", "star_forming"] = "all"
    """Galaxies whose numbers it multiplies; n(z) of the others keeps its form at each magnitude."""
    tilt: Tilt = 0.0
    """Exponent t of a factor (1 + z)^t."""
    at_z: Redshift | None = None
    """Redshift of a bump or hole."""
    width_z: Width | None = None
    """Its Gaussian sigma in redshift."""
    factor: Factor | None = None
    """Factor on n(z) at its middle: 3 makes a bump, 0.2 a hole."""
    cosmic_variance: Share = 0.0
    """Root mean square of a log-normal factor of mean 1, drawn from the seed and the name of the
    field for each slice of 0.05 (1 + z). Real are 0.35 for 0.04 square degrees, 0.25 for 0.2
    and 0.1 for 2, of galaxies of 10^10 solar masses at z = 2 (Moster et al. 2011)."""

    @model_validator(mode="after")
    def _bump_is_whole(self) -> Self:
        absent = [key for key in ("at_z", "width_z", "factor") if getattr(self, key) is None]
        if 0 < len(absent) < 3:
            raise ValueError(f"{absent[0]} is absent; a bump or hole has at_z, width_z and factor")
        return self
