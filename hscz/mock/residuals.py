"""What the sky subtraction left: waves over the field, and bowls around bright galaxies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hscz.mock import noise
from hscz.mock.grid import Patch
from hscz.mock.plan import FieldPlan

FloatArray = NDArray[np.floating]

WAVELENGTHS_PX = (500.0, 800.0, 1300.0, 2100.0)
"""Waves of the residual sky."""

BOWL_SIGMA_PX = 40.0
"""Width of a bowl, its Gaussian sigma: 7 arcsec, as of a background mesh with a galaxy in it."""

BOWL_I_MAG = 21.5
"""Galaxies brighter than this have bowls."""

_BOWL_REACH_PX = 160


def left_by_subtraction(plan: FieldPlan, patch: Patch, band: str) -> FloatArray:
    """Return the residual sky of a patch in counts, shape (size, size)."""
    seed = plan.settings.stream(plan.grid.field.name, band, "sky")
    pixels = np.arange(patch.size_px)
    pattern = noise.pattern_on(seed, patch.x_px + pixels, patch.y_px + pixels, WAVELENGTHS_PX)
    waves = np.float32(plan.settings.sky_residual_sigma * plan.sky_sigma(band)) * pattern
    if plan.settings.sky_bowl_share:
        _dig_bowls(waves, plan, patch, band)
    return waves


def _dig_bowls(sky: FloatArray, plan: FieldPlan, patch: Patch, band: str) -> None:
    """Subtract a share of each bright galaxy's light from around it, in place."""
    truth = plan.truth
    bright = truth[~truth["is_star"] & (truth["mag_i"] < BOWL_I_MAG)]
    rng = np.random.default_rng(plan.settings.stream(plan.grid.field.name, band, "bowls"))
    share = plan.settings.sky_bowl_share * (1.0 + rng.standard_normal(len(bright)))
    taken = share * plan.image_flux(band, bright)
    near = patch.holds(bright["x_px"], bright["y_px"], _BOWL_REACH_PX)
    pixels = np.arange(patch.size_px)
    for x, y, counts in zip(
        bright["x_px"][near] - patch.x_px,
        bright["y_px"][near] - patch.y_px,
        taken[near],
        strict=True,
    ):
        (columns, along_x), (rows, along_y) = _bell(pixels, x), _bell(pixels, y)
        sky[rows, columns] -= (np.float32(counts) * along_y)[:, None] * along_x


def _bell(pixels: NDArray[np.integer], centre: float) -> tuple[slice, NDArray[np.float32]]:
    """Return the pixels within reach of a centre, and a Gaussian of unit area on them.

    It ends where it has reached zero, so that its window leaves no step.
    """
    inside = slice(
        max(round(centre) - _BOWL_REACH_PX, 0), max(round(centre) + _BOWL_REACH_PX + 1, 0)
    )
    bell = np.exp(-0.5 * ((pixels[inside] - centre) / BOWL_SIGMA_PX) ** 2)
    bell -= np.exp(-0.5 * ((_BOWL_REACH_PX + 1) / BOWL_SIGMA_PX) ** 2)
    scale = np.sqrt(2.0 * np.pi) * BOWL_SIGMA_PX
    return inside, (np.maximum(bell, 0.0) / scale).astype(np.float32)
