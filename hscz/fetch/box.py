"""A box on the sky, in which rows of a table are asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SkyBox:
    """A box in right ascension and declination, degrees.

    Attributes
    ----------
    ra_min, ra_max, dec_min, dec_max : float
        A box across right ascension 0 has ``ra_min`` above ``ra_max``.

    Examples
    --------
    >>> SkyBox(149.0, 151.0, 1.0, 3.0).condition("ra", "dec")
    'ra BETWEEN 149.0 AND 151.0 AND dec BETWEEN 1.0 AND 3.0'
    >>> SkyBox(359.0, 1.0, -1.0, 1.0).condition("ra", "dec")
    '(ra >= 359.0 OR ra <= 1.0) AND dec BETWEEN -1.0 AND 1.0'
    """

    ra_min: float
    ra_max: float
    dec_min: float
    dec_max: float

    def condition(self, ra: str, dec: str) -> str:
        """Return the box as a condition of SQL or ADQL."""
        inside = f"{ra} BETWEEN {self.ra_min} AND {self.ra_max}"
        if self.ra_min > self.ra_max:
            inside = f"({ra} >= {self.ra_min} OR {ra} <= {self.ra_max})"
        return f"{inside} AND {dec} BETWEEN {self.dec_min} AND {self.dec_max}"
