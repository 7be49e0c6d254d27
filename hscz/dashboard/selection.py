"""Which objects are selected: a box on the sky, a magnitude range and a redshift range."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hscz.dashboard.data import FieldCubes

Range = tuple[float, float]


@dataclass(frozen=True)
class Selection:
    """Limits that hold together; None does not limit.

    The redshift is the median PDF of one model, so that one selection is one set of galaxies
    for all models.

    Attributes
    ----------
    model : str
        Whose redshifts `z` limits.
    ra_deg, dec_deg : tuple of float, optional
        As on the axes of the map, which runs on across right ascension 0.
    mag_i : tuple of float, optional
    z : tuple of float, optional
    """

    model: str
    ra_deg: Range | None = None
    dec_deg: Range | None = None
    mag_i: Range | None = None
    z: Range | None = None

    def anywhere(self) -> Selection:
        """Return the selection without its box on the sky."""
        return replace(self, ra_deg=None, dec_deg=None)

    def any_galaxy(self) -> Selection:
        """Return the selection without its limits in magnitude and redshift."""
        return replace(self, mag_i=None, z=None)


def select(field: FieldCubes, selection: Selection) -> NDArray[np.bool_]:
    """Return which objects of a field are selected, shape (object,).

    Limits belong to the range. An object without a redshift falls out once redshifts are limited.
    """
    chosen = np.ones(len(field), dtype=bool)
    for limits, values, zero in (
        (selection.ra_deg, field.ra_offset_deg, field.ra_deg),
        (selection.dec_deg, field.dec_offset_deg, field.dec_deg),
        (selection.mag_i, field.mag_i, 0.0),
        (selection.z, field.cubes[selection.model].z_median, 0.0),
    ):
        if limits is not None:
            low, high = sorted(limits)
            chosen &= (values >= np.float32(low - zero)) & (values <= np.float32(high - zero))
    return chosen
