"""What spoils real coadds: saturated stars, satellite trails, holes, and an uneven sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter, maximum_filter1d

from hscz.config.mock import MockSettings
from hscz.mock.grid import FieldGrid, Patch
from hscz.mock.psf import PLAIN_PSF
from hscz.sky.mask import (
    BRIGHT_STAR,
    CLIPPED,
    DETECTED,
    INTERPOLATED,
    NO_DATA,
    SATURATED,
    mask_value,
)
from hscz.survey import PIXEL_SCALE_ARCSEC

FloatArray = NDArray[np.floating]
MaskArray = NDArray[np.int32]

SATURATION_MAG = 17.5
"""Point sources brighter than this saturate (HSC bright star masks, PDR1 documentation)."""

SATURATION_COUNTS = 300.0
"""Peak of a star of `SATURATION_MAG` in the seeing of 0.6 arcsec."""

TRAIL_SIGMA_PX = 3.0
TRAIL_MASK_PX = 8.0

_BLEEDING = 2.0
_HALO_SHARE = 0.04
_HALO_CORE_PX = 30.0
_HALO_SLOPE = 1.6
_HALO_REACH_PX = 240


@dataclass(frozen=True)
class Trail:
    """What the rejection left of a satellite: a faint straight line through the mosaic."""

    x_px: float
    y_px: float
    angle_rad: float
    peak_sigma: float

    def distance_px(self, x_px: ArrayLike, y_px: ArrayLike) -> FloatArray:
        """Return the distance of mosaic positions from the line."""
        dx, dy = np.asarray(x_px) - self.x_px, np.asarray(y_px) - self.y_px
        return np.abs(dy * np.cos(self.angle_rad) - dx * np.sin(self.angle_rad))


@dataclass(frozen=True)
class Defects:
    """Trails and holes of one band of one field, in mosaic pixels.

    Attributes
    ----------
    trails : tuple of Trail
    gaps : tuple of (x0, x1, y0, y1)
        Rectangles without data; the last is a strip along one edge of the mosaic.

    Examples
    --------
    >>> settings = MockSettings(fields={"ELAIS": (1, 1)})
    >>> defects = Defects.draw(settings, FieldGrid.of(settings, "ELAIS"), "g")
    >>> len(defects.gaps) >= 1
    True
    """

    trails: tuple[Trail, ...]
    gaps: tuple[tuple[int, int, int, int], ...]

    @classmethod
    def draw(cls, settings: MockSettings, grid: FieldGrid, band: str) -> Defects:
        """Draw the defects of a band from the seed of the survey."""
        rng = np.random.default_rng(settings.stream(grid.field.name, band, "defects"))
        rows, columns = grid.shape
        trails = tuple(
            Trail(
                float(rng.uniform(0, columns)),
                float(rng.uniform(0, rows)),
                float(rng.uniform(0, np.pi)),
                float(rng.uniform(1, 4)),
            )
            for _ in range(rng.poisson(settings.trails_per_deg2 * grid.area_deg2))
        )
        holes = [
            _hole(rng, rows, columns)
            for _ in range(rng.poisson(settings.gaps_per_deg2 * grid.area_deg2))
        ]
        return cls(trails, (*holes, _edge_strip(rng, rows, columns)))

    def missing(self, x_px: ArrayLike, y_px: ArrayLike) -> NDArray[np.bool_]:
        """Return which mosaic positions have no data."""
        x, y = np.asarray(x_px), np.asarray(y_px)
        outside = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
        for x0, x1, y0, y1 in self.gaps:
            outside |= (x > x0 - 0.5) & (x < x1 - 0.5) & (y > y0 - 0.5) & (y < y1 - 0.5)
        return outside

    def near_trail(self, x_px: FloatArray, y_px: FloatArray) -> NDArray[np.bool_]:
        """Return which mosaic positions lie in the mask of a trail."""
        near = np.zeros(np.shape(x_px), bool)
        for trail in self.trails:
            near |= trail.distance_px(x_px, y_px) < TRAIL_MASK_PX
        return near

    def spoil(self, image: FloatArray, mask: MaskArray, patch: Patch, sky_sigma: float) -> None:
        """Lay trails over a patch and punch its holes, in place; holes become NaN."""
        x = patch.x_px + np.arange(patch.size_px)
        y = patch.y_px + np.arange(patch.size_px)[:, None]
        for trail in self.trails:
            distance = trail.distance_px(x, y)
            peak = trail.peak_sigma * sky_sigma
            image += (peak * np.exp(-0.5 * (distance / TRAIL_SIGMA_PX) ** 2)).astype(np.float32)
            mask[distance < TRAIL_MASK_PX] |= mask_value(CLIPPED)
        missing = self.missing(x, y)
        image[missing] = np.nan
        mask[missing] |= mask_value(NO_DATA)


def _hole(rng: np.random.Generator, rows: int, columns: int) -> tuple[int, int, int, int]:
    x0, y0 = int(rng.integers(0, columns)), int(rng.integers(0, rows))
    return x0, x0 + int(rng.integers(4, 60)), y0, y0 + int(rng.integers(4, 30))


def _edge_strip(rng: np.random.Generator, rows: int, columns: int) -> tuple[int, int, int, int]:
    width = int(rng.integers(2, 9))
    strips = (
        (0, width, 0, rows),
        (columns - width, columns, 0, rows),
        (0, columns, 0, width),
        (0, columns, rows - width, rows),
    )
    return strips[int(rng.integers(4))]


def bright_star_radius_px(mag: ArrayLike) -> FloatArray:
    """Return the radius of the mask around a star of a magnitude.

    The formula of the HSC bright star masks: 200 10^(0.25 (7 - m)) + 12 10^(0.05 (16 - m))
    arcsec (hsc-release.mtk.nao.ac.jp, bright star masks).

    Examples
    --------
    >>> (bright_star_radius_px([15.0, 17.5]) * 0.168).round(1).tolist()
    [15.5, 10.6]
    """
    m = np.asarray(mag, float)
    arcsec = 200.0 * 10 ** (0.25 * (7.0 - m)) + 12.0 * 10 ** (0.05 * (16.0 - m))
    return arcsec / PIXEL_SCALE_ARCSEC


def add_halo(image: FloatArray, x_px: float, y_px: float, flux: float) -> None:
    """Add the light that telescope and camera scatter far around a bright star, in place."""
    rows, columns = _window(image.shape, x_px, y_px, _HALO_REACH_PX)
    y, x = np.ogrid[rows, columns]
    r2 = ((x - x_px) ** 2 + (y - y_px) ** 2) / _HALO_CORE_PX**2
    centre = _HALO_SHARE * flux * (_HALO_SLOPE - 1.0) / (np.pi * _HALO_CORE_PX**2)
    # The halo ends where it has reached zero, so that its square window leaves no step.
    ring = (1.0 + (_HALO_REACH_PX / _HALO_CORE_PX) ** 2) ** -_HALO_SLOPE
    image[rows, columns] += centre * np.maximum((1.0 + r2) ** -_HALO_SLOPE - ring, 0.0)


def saturate(image: FloatArray, mask: MaskArray) -> None:
    """Cap pixels at the saturation level and mask them, in place."""
    saturated = image > SATURATION_COUNTS
    image[saturated] = SATURATION_COUNTS
    mask[saturated] |= mask_value(SATURATED, INTERPOLATED)


def star_peak(flux: float, psf_fwhm_px: float) -> float:
    """Return the peak that a star would have if no pixel saturated."""
    alpha = psf_fwhm_px / PLAIN_PSF.fwhm
    return flux * (PLAIN_PSF.beta - 1.0) / (np.pi * alpha**2)


def bleed(image: FloatArray, mask: MaskArray, x_px: float, y_px: float, peak: float) -> None:
    """Let the charge of a star whose unsaturated peak is given run along its column, in place."""
    if peak < _BLEEDING * SATURATION_COUNTS:
        return
    reach = int(8.0 * np.sqrt(peak / SATURATION_COUNTS))
    rows, columns = _window(image.shape, x_px, y_px, reach)
    x0 = round(x_px)
    columns = slice(max(x0 - 1, columns.start), min(x0 + 2, columns.stop))
    if rows.start < rows.stop and columns.start < columns.stop:
        # Interpolation over the trail leaves it well below the saturation level.
        image[rows, columns] = np.maximum(image[rows, columns], 0.1 * SATURATION_COUNTS)
        mask[rows, columns] |= mask_value(SATURATED, INTERPOLATED)


def mask_bright_star(mask: MaskArray, x_px: float, y_px: float, radius_px: float) -> None:
    """Set BRIGHT_OBJECT in a disc, in place."""
    rows, columns = _window(mask.shape, x_px, y_px, int(radius_px) + 1)
    y, x = np.ogrid[rows, columns]
    mask[rows, columns][(x - x_px) ** 2 + (y - y_px) ** 2 < radius_px**2] |= mask_value(BRIGHT_STAR)


def mask_detections(
    image: FloatArray, mask: MaskArray, psf_fwhm_px: float, sky_sigma: float, threshold: float = 5.0
) -> None:
    """Set DETECTED where the image smoothed with the PSF exceeds a threshold, and around it."""
    psf_sigma = psf_fwhm_px / 2.3548
    smoothed = gaussian_filter(image, psf_sigma, truncate=3.0)
    white_noise = sky_sigma / (2.0 * np.sqrt(np.pi) * psf_sigma)
    grown = smoothed > threshold * white_noise
    for axis in (0, 1):
        grown = maximum_filter1d(grown.view(np.uint8), 2 * round(2.4 * psf_sigma) + 1, axis=axis)
    mask[grown.view(bool)] |= mask_value(DETECTED)


def _window(shape: tuple[int, ...], x_px: float, y_px: float, reach: int) -> tuple[slice, slice]:
    """Return the rows and columns within a reach of a position, empty if outside the image."""
    x0, y0 = round(x_px), round(y_px)
    rows = slice(max(y0 - reach, 0), max(min(y0 + reach + 1, shape[0]), 0))
    columns = slice(max(x0 - reach, 0), max(min(x0 + reach + 1, shape[1]), 0))
    return rows, columns
