"""Quantities that drift over a field and step from tile to tile: depth, seeing, zero points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hscz.mock import noise
from hscz.mock.grid import FieldGrid, Patch

FloatArray = NDArray[np.floating]

FIELD_WAVELENGTHS_PX = (4500.0, 6500.0, 9000.0)
"""Waves that make up what drifts over a field: 0.2 to 0.4 degrees."""


@dataclass(frozen=True)
class Variation:
    """Deviation of a quantity from its mean, by mosaic position.

    A tile is the part of the mosaic that lies deeper in one patch than in any other, so that
    patches agree where they overlap.

    Attributes
    ----------
    grid : FieldGrid
    seed : list of int
    field_rms, tile_rms : float
        Scatter of the smooth part and of the steps.

    Examples
    --------
    >>> from hscz.config.mock import MockSettings
    >>> grid = FieldGrid.of(MockSettings(fields={"ELAIS": (2, 1)}), "ELAIS")
    >>> steps = Variation(grid, [3], field_rms=0.0, tile_rms=0.1)
    >>> left, same, right = steps.at(np.array([0.0, 2099.0, 2101.0]), np.zeros(3))
    >>> bool(left == same), bool(left == right)
    (True, False)
    """

    grid: FieldGrid
    seed: list[int]
    field_rms: float
    tile_rms: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.field_rms or self.tile_rms)

    def at(self, x_px: FloatArray, y_px: FloatArray) -> FloatArray:
        """Return the deviation at mosaic positions, shape (n,)."""
        drift = noise.pattern_at(self.seed, x_px, y_px, FIELD_WAVELENGTHS_PX)
        return self.field_rms * drift + self._steps()[self.grid.patch_of(x_px, y_px)]

    def on(self, patch: Patch) -> NDArray[np.float32]:
        """Return the deviation in the pixels of a patch, shape (size, size)."""
        x, y = (start + np.arange(patch.size_px) for start in (patch.x_px, patch.y_px))
        drift = noise.pattern_on(self.seed, x, y, FIELD_WAVELENGTHS_PX)
        nx, ny = self.grid.patches_xy
        column, row = self.grid.patch_of(x, 0 * x), self.grid.patch_of(0 * y, y) // nx
        steps = self._steps().astype(np.float32).reshape(ny, nx)
        drift *= np.float32(self.field_rms)
        drift += steps[row][:, column]
        return drift

    def _steps(self) -> FloatArray:
        nx, ny = self.grid.patches_xy
        return np.random.default_rng([*self.seed, 1]).normal(0.0, self.tile_rms, nx * ny)
