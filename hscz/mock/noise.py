"""Noise of the sky and of the objects, the same in every patch that shows a piece of sky."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.optimize import brentq

FloatArray = NDArray[np.floating]

CELL_PX = 256
"""Noise is drawn in cells of this side of the mosaic's grid, each from a seed of its own."""

KERNEL = np.array([-0.02, 0.04, 1.0, 0.04, -0.02])
"""Resampling kernel: neighbours correlate by +0.08, next neighbours by -0.04 (real HSC coadds)."""


@lru_cache
def resampling_kernel(correlation: float) -> FloatArray:
    """Return a kernel that correlates the noise of neighbouring pixels by a given amount.

    Its taps are those of a Gaussian, two to either side, as for an image whose pixels were
    resampled from another scale.

    Parameters
    ----------
    correlation : float
        Of neighbours along an axis, 0 to 0.6.

    Returns
    -------
    ndarray, shape (5,)

    Examples
    --------
    >>> kernel = resampling_kernel(0.45)
    >>> round(float((kernel[1:] * kernel[:-1]).sum() / (kernel**2).sum()), 6)
    0.45
    """

    def of(tap: float) -> FloatArray:
        return np.array([tap**4, tap, 1.0, tap, tap**4])

    def excess(tap: float) -> float:
        kernel = of(tap)
        return float((kernel[1:] * kernel[:-1]).sum() / (kernel**2).sum()) - correlation

    return of(brentq(excess, 0.0, 1.0, xtol=1e-12))


def aperture_gain(kernel: FloatArray) -> float:
    """Return by how much resampling raises the noise of a wide aperture over that of its pixels.

    Examples
    --------
    >>> round(aperture_gain(KERNEL), 3)
    1.077
    """
    return float(kernel.sum() ** 2 / (kernel**2).sum())


def correlated_noise(
    seed: list[int],
    x_px: int,
    y_px: int,
    shape: tuple[int, int],
    kernel: FloatArray = KERNEL,
) -> NDArray[np.float32]:
    """Return unit noise as resampling leaves it, for a window of an endless mosaic.

    Windows of the same seed that overlap agree in every common pixel, so that neighbouring
    patches can be made one at a time.

    Parameters
    ----------
    seed : list of int
        Seed of the mosaic.
    x_px, y_px : int
        Mosaic pixel of the window's first pixel.
    shape : (int, int)
        Rows and columns of the window.
    kernel : ndarray
        What resampling convolved white noise with, along either axis.

    Returns
    -------
    ndarray of float32, shape `shape`

    Examples
    --------
    >>> whole = correlated_noise([1, 2], 0, 0, (300, 400))
    >>> part = correlated_noise([1, 2], 250, 100, (50, 60))
    >>> bool(np.array_equal(part, whole[100:150, 250:310]))
    True
    """
    halo = len(kernel) // 2
    rows, columns = shape
    white = _white_noise(seed, x_px - halo, y_px - halo, (rows + 2 * halo, columns + 2 * halo))
    kernel = kernel / np.sqrt((kernel**2).sum())
    for axis in (0, 1):
        white = correlate1d(white, kernel, axis=axis)
    return white[halo : halo + rows, halo : halo + columns]


def _white_noise(
    seed: list[int], x_px: int, y_px: int, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Fill a window from the cells it covers."""
    rows, columns = shape
    noise = np.empty(shape, np.float32)
    for cell_y in range(y_px // CELL_PX, (y_px + rows - 1) // CELL_PX + 1):
        for cell_x in range(x_px // CELL_PX, (x_px + columns - 1) // CELL_PX + 1):
            # Seeds are not negative, and the halo reaches one cell beyond the mosaic.
            rng = np.random.default_rng([*seed, cell_y + 1, cell_x + 1])
            cell = rng.standard_normal((CELL_PX, CELL_PX), np.float32)
            left, bottom = cell_x * CELL_PX - x_px, cell_y * CELL_PX - y_px
            x0, x1 = max(left, 0), min(left + CELL_PX, columns)
            y0, y1 = max(bottom, 0), min(bottom + CELL_PX, rows)
            noise[y0:y1, x0:x1] = cell[y0 - bottom : y1 - bottom, x0 - left : x1 - left]
    return noise


def pattern_at(
    seed: list[int],
    x_px: NDArray[np.number],
    y_px: NDArray[np.number],
    wavelengths_px: tuple[float, ...],
) -> FloatArray:
    """Return a smooth random pattern of unit variance, a sum of waves, at mosaic positions.

    Parameters
    ----------
    seed : list of int
        Seed of the directions and phases.
    x_px, y_px : ndarray, shape (n,)
        Positions.
    wavelengths_px : tuple of float
        One wave for each.

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> x = np.arange(1e5)
    >>> pattern = pattern_at([3], x, 0.5 * x, (2000.0, 3000.0, 5000.0))
    >>> bool(abs(pattern.std() - 1) < 0.1), bool(abs(np.diff(pattern)).max() < 0.02)
    (True, True)
    """
    kx, ky, phase = _waves(seed, wavelengths_px)
    return _unit(np.cos(np.outer(x_px, kx) + np.outer(y_px, ky) + phase).sum(axis=1), kx)


def pattern_on(
    seed: list[int],
    x_px: NDArray[np.number],
    y_px: NDArray[np.number],
    wavelengths_px: tuple[float, ...],
) -> NDArray[np.float32]:
    """Return the pattern of `pattern_at` on the grid of columns `x_px` and rows `y_px`.

    Returns
    -------
    ndarray of float32, shape (len(y_px), len(x_px))
    """
    kx, ky, phase = _waves(seed, wavelengths_px)
    along_x, along_y = np.outer(kx, x_px), np.outer(y_px, ky) + phase
    # cos(a + b) = cos a cos b - sin a sin b makes the grid a product of two thin matrices.
    left = np.hstack([np.cos(along_y), -np.sin(along_y)]).astype(np.float32)
    right = np.vstack([np.cos(along_x), np.sin(along_x)]).astype(np.float32)
    return _unit(left @ right, kx)


def _waves(
    seed: list[int], wavelengths_px: tuple[float, ...]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    angle, phase = rng.uniform(0.0, 2.0 * np.pi, (2, len(wavelengths_px)))
    k = 2.0 * np.pi / np.asarray(wavelengths_px)
    return k * np.cos(angle), k * np.sin(angle), phase


def _unit(total: FloatArray, waves: FloatArray) -> FloatArray:
    return total * total.dtype.type(np.sqrt(2.0 / len(waves)))


def variance(model: FloatArray, sky_sigma: float | FloatArray, sky_counts: float) -> FloatArray:
    """Return the variance of each pixel: that of the sky, and more where objects add photons.

    Photon noise grows as the light: sigma^2 = sky_sigma^2 (1 + object / sky). The ratio of depth
    to sky brightness takes the place of the gain.

    Parameters
    ----------
    model : ndarray
        Noiseless counts of the objects.
    sky_sigma : float or ndarray
        Scatter of an empty pixel, counts.
    sky_counts : float
        Sky brightness, counts per pixel.

    Examples
    --------
    >>> variance(np.array([0.0, 20.0]), 0.5, 20.0).tolist()
    [0.25, 0.5]
    """
    return sky_sigma**2 * (1.0 + np.maximum(model, 0.0) / sky_counts)
