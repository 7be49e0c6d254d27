"""What the shift of a field's colours says of the zero point of each of its bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hscz.sky.colours import Shift

FLOOR_MAG = 0.035
"""What populations, dust and the wings of PSFs leave in the offset of a band at least."""

ANCHOR_WEIGHT = 1.5
"""The band that galaxies are found and counted in counts for so many in what bands share."""


@dataclass(frozen=True)
class Offsets:
    """Zero points of a field against those of another.

    Attributes
    ----------
    offset_mag : ndarray, shape (band,)
        Positive where the field is too faint.
    error_mag : ndarray, shape (band,)
        Standard deviation, `FLOOR_MAG` included.
    """

    offset_mag: NDArray[np.float64]
    error_mag: NDArray[np.float64]

    @property
    def shrunk_mag(self) -> NDArray[np.float64]:
        """Offsets less what errors alone may have made of them.

        The share ``1 - (error / offset)^2`` of each is kept, and nothing of one below its error
        (nonnegative garrote, Breiman 1995, Technometrics 37, 373).

        Examples
        --------
        >>> offsets = Offsets(np.array([0.2, -0.03, 0.01]), np.full(3, 0.02))
        >>> offsets.shrunk_mag.round(4).tolist()
        [0.198, -0.0167, 0.0]
        """
        squared = np.square(self.offset_mag)
        kept = 1 - np.square(self.error_mag) / np.where(squared > 0, squared, np.inf)
        return np.where(squared > 0, self.offset_mag * np.clip(kept, 0, 1), 0.0)


def zero_points(shift: Shift, anchor: int | None = None) -> Offsets:
    """Return the offset of each band, where few bands are off.

    Colours leave open what all bands share. Of all sets of offsets with these colours, that with
    the smallest sum of absolute values has most bands right, and is found by a median over the
    bands.

    Parameters
    ----------
    shift : Shift
        Of the colours.
    anchor : int, optional
        The band that decides where as many bands speak for one answer as for another.

    Examples
    --------
    >>> def off(*mag):
    ...     away = np.array(mag) - np.mean(mag)
    ...     return zero_points(Shift(away, np.zeros(6)), 3).offset_mag.round(3).tolist()
    >>> off(0.0, 0.0, 0.0, 0.2, 0.0, 0.0)
    [0.0, 0.0, 0.0, 0.2, 0.0, 0.0]
    >>> off(-0.2, -0.2, -0.2, 0.0, 0.0, 0.0)
    [-0.2, -0.2, -0.2, 0.0, 0.0, 0.0]
    """
    weight = np.ones(len(shift.offset_mag))
    if anchor is not None:
        weight[anchor] = ANCHOR_WEIGHT
    offset = shift.offset_mag - _median(shift.offset_mag, weight)
    return Offsets(offset, np.hypot(shift.error_mag, FLOOR_MAG))


def _median(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Return the weighted median, the middle of the range where there is one."""
    order = np.argsort(values)
    below = np.cumsum(weight[order])
    first = np.searchsorted(below, 0.5 * below[-1] - 1e-9)
    last = np.searchsorted(below, 0.5 * below[-1] + 1e-9)
    return float(values[order[[first, last]]].mean())
