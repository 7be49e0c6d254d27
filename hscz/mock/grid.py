"""Where the pixels of a mock field lie: one tangent plane, cut into overlapping patches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import ArrayLike, NDArray

from hscz.config.mock import MockSettings
from hscz.sky.sphere import ra_near
from hscz.survey import FIELDS, PIXEL_SCALE_ARCSEC, Field

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Patch:
    """One patch: its indices in the tract, and the mosaic pixel its first pixel is."""

    x: int
    y: int
    x_px: int
    y_px: int
    size_px: int

    @property
    def name(self) -> str:
        """Return the name as paths spell it, such as ``4,4``."""
        return f"{self.x},{self.y}"

    def holds(self, x_px: ArrayLike, y_px: ArrayLike, margin_px: float = 0.0) -> NDArray[np.bool_]:
        """Return which mosaic positions lie in the patch, or within a margin around it."""
        dx = np.asarray(x_px) - self.x_px
        dy = np.asarray(y_px) - self.y_px
        low, high = -0.5 - margin_px, self.size_px - 0.5 + margin_px
        return (dx >= low) & (dx < high) & (dy >= low) & (dy < high)


@dataclass(frozen=True)
class FieldGrid:
    """The mosaic of a field, centred on it, and its patches.

    Examples
    --------
    >>> grid = FieldGrid.of(MockSettings(fields={"ELAIS": (3, 2)}), "ELAIS")
    >>> grid.shape, [patch.name for patch in grid.patches()][:2]
    ((4200, 6200), ['3,3', '4,3'])
    >>> x, y = grid.to_pixel(grid.field.ra_deg, grid.field.dec_deg)
    >>> round(float(x), 3), round(float(y), 3)
    (3099.5, 2099.5)
    """

    field: Field
    patches_xy: tuple[int, int]
    patch_px: int
    overlap_px: int

    @classmethod
    def of(cls, settings: MockSettings, field_name: str) -> FieldGrid:
        """Return the grid that the settings give to a field."""
        nx, ny = settings.fields[field_name]
        return cls(FIELDS[field_name], (nx, ny), settings.patch_px, settings.overlap_px)

    @property
    def step_px(self) -> int:
        """Distance from one patch to the next."""
        return self.patch_px - self.overlap_px

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the mosaic."""
        nx, ny = self.patches_xy
        return ny * self.step_px + self.overlap_px, nx * self.step_px + self.overlap_px

    @property
    def area_deg2(self) -> float:
        """Area of the mosaic."""
        return self.shape[0] * self.shape[1] * (PIXEL_SCALE_ARCSEC / 3600.0) ** 2

    def patches(self) -> Iterator[Patch]:
        """Give the patches, x fastest; like in a real tract, 4,4 is in the middle."""
        nx, ny = self.patches_xy
        first_x, first_y = 4 - nx // 2, 4 - ny // 2
        for j in range(ny):
            for i in range(nx):
                x_px, y_px = i * self.step_px, j * self.step_px
                yield Patch(first_x + i, first_y + j, x_px, y_px, self.patch_px)

    def wcs(self, patch: Patch | None = None) -> WCS:
        """Return the WCS of a patch, or of the whole mosaic."""
        rows, columns = self.shape
        x_px, y_px = (patch.x_px, patch.y_px) if patch else (0, 0)
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval = [self.field.ra_deg, self.field.dec_deg]
        wcs.wcs.crpix = [(columns + 1) / 2 - x_px, (rows + 1) / 2 - y_px]
        scale = PIXEL_SCALE_ARCSEC / 3600.0
        wcs.wcs.cd = [[-scale, 0.0], [0.0, scale]]
        wcs.wcs.cunit = ["deg", "deg"]
        wcs.wcs.radesys = "ICRS"
        wcs.wcs.set()
        return wcs

    def to_pixel(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return mosaic pixel positions, counted from 0."""
        x, y = self.wcs().all_world2pix(ra_deg, dec_deg, 0)
        return x, y

    def bounds_deg(self, margin_px: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the ranges of RA and Dec that hold the mosaic and a margin around it."""
        rows, columns = self.shape
        edge = np.linspace(0.0, 1.0, 33)
        low, width, height = -margin_px, columns + 2 * margin_px, rows + 2 * margin_px
        x = low + width * np.concatenate([edge, edge, 0 * edge, 1 + 0 * edge])
        y = low + height * np.concatenate([0 * edge, 1 + 0 * edge, edge, edge])
        ra, dec = self.wcs().all_pix2world(x, y, 0)
        # Unwrapped around the centre, so that a field astride RA = 0 is not the whole circle.
        ra = ra_near(ra, self.field.ra_deg)
        return (float(ra.min()), float(ra.max())), (float(dec.min()), float(dec.max()))

    def patch_of(self, x_px: ArrayLike, y_px: ArrayLike) -> NDArray[np.int64]:
        """Return the index, in the order of `patches`, of the patch that each is deepest in."""
        nx, ny = self.patches_xy
        half = self.overlap_px / 2
        i = np.clip((np.asarray(x_px) - half) // self.step_px, 0, nx - 1)
        j = np.clip((np.asarray(y_px) - half) // self.step_px, 0, ny - 1)
        return (j * nx + i).astype(np.int64)
