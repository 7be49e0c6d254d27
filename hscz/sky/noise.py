"""Sky noise measured on the pixels, since variance planes of coadds understate it.

Coadd pixels are correlated, so their real scatter is 1.1 to 1.4 times what the variance plane
of an HSC coadd says.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft2, rfft2
from scipy.ndimage import maximum_filter, uniform_filter
from scipy.special import ndtri

MIN_SKY_PIXELS = 256
"""Fewest undetected pixels to measure a stamp from; below, the typical value of the others."""

LOW_QUANTILE = 0.1
"""Noise is the distance from the median down to this quantile: sources only reach upwards."""

CLIP_SIGMA = 2.5
"""Pixels this far above the median are left out as sources."""

OUTLIER_SIGMA = 5.0
"""Pixels this far from the sky, and stamps whose mean is this far from that of others, are no part
of its correlation."""

HALO_PX = (9, 9)
"""Sources are grown by so much, since their faint wings correlate."""

BOX_PX, BOX_SIGMA, GROW_PX = 7, 0.8, 5
"""A source, where there is no mask: a mean over BOX_PX squared above BOX_SIGMA times the pixel
noise, grown by a square of GROW_PX. With the noise of a coadd this leaves the noise right to
1 % at depths from 27.5 to 29.5 mag."""


LAGS_PX = 15
"""How far the correlation of the sky is followed: the diameter of an aperture of 2.5 arcsec."""

MIN_BLANK_SHARE = 0.3
"""Fewest undetected pixels of a stamp from which the correlation is measured; stamps with fewer lie
beside something bright."""

BLOCK = 256
"""Stamps measured at a time, which then fit into the processor's cache."""


def stamp_sky_noise(stamps: np.ndarray, detected: np.ndarray | None = None) -> np.ndarray:
    """Measure the sky noise of each stamp from the pixels without a source.

    The scatter is that below the median, after clipping above it. It is right to 2 % whether
    or not the sources are masked; one stamp of 64 x 64 px scatters by 3 %.

    Parameters
    ----------
    stamps : ndarray of shape (n, s, s)
        Counts; pixels that are not finite are left out.
    detected : ndarray of bool, shape (n, s, s), optional
        Pixels of sources. Without it they are searched for on the stamps.

    Returns
    -------
    ndarray of float32, shape (n,)
        Standard deviation of one pixel of sky, counts. Stamps with too few sky pixels get the
        median of the others; NaN if there are no others.

    Examples
    --------
    >>> sky = np.random.default_rng(1).normal(5.0, 0.1, size=(200, 64, 64))
    >>> bool(abs(np.median(stamp_sky_noise(sky)) / 0.1 - 1) < 0.02)
    True
    """
    sigma = np.empty(len(stamps), np.float32)
    for first in range(0, len(stamps), BLOCK):
        block = slice(first, first + BLOCK)
        pixels = np.asarray(stamps[block], np.float32)
        sources = _find_sources(pixels) if detected is None else detected[block]
        sigma[block] = _lower_scatter(_flat(np.where(sources, np.inf, pixels)))[1]
    measured = np.isfinite(sigma)
    if measured.any():
        sigma[~measured] = np.median(sigma[measured])
    return sigma


def sky_correlation(stamps: np.ndarray, detected: np.ndarray | None = None) -> np.ndarray:
    """Measure how pixels without a source correlate, over all stamps together.

    The mean of products of two such pixels so far apart, over their variance: resampling
    correlates neighbours, and what sky subtraction left behind all pixels of a stamp.

    Parameters
    ----------
    stamps : ndarray of shape (n, s, s)
        Counts, s above `LAGS_PX`; pixels that are not finite are left out.
    detected : ndarray of bool, shape (n, s, s), optional
        Pixels of sources. Without it they are searched for on the stamps.

    Returns
    -------
    ndarray of float32, shape (2 LAGS_PX + 1, 2 LAGS_PX + 1)
        At lags from -`LAGS_PX` to `LAGS_PX` px along y and x; 1 in the middle. NaN where too
        few stamps are blank enough.

    Examples
    --------
    >>> sky = np.random.default_rng(1).normal(5.0, 0.1, size=(200, 64, 65))
    >>> smooth = sky[..., 1:] + sky[..., :-1]
    >>> sky_correlation(smooth)[LAGS_PX, LAGS_PX : LAGS_PX + 3].round(2) + 0.0
    array([1. , 0.5, 0. ], dtype=float32)
    """
    side, count = stamps.shape[-1] + LAGS_PX, 2 * LAGS_PX + 1
    level, sigma = _lower_scatter(np.asarray(stamps, np.float32).reshape(1, -1)[:, ::7])
    sky = np.asarray(stamps, np.float32) - level
    source = _find_sources(sky) if detected is None else detected
    with np.errstate(invalid="ignore"):
        blank = (np.abs(sky) < OUTLIER_SIGMA * sigma) & ~maximum_filter(source, (0, *HALO_PX))
    chosen = np.flatnonzero(blank.mean(axis=(1, 2)) >= MIN_BLANK_SHARE)
    if len(chosen) == 0:
        return np.full((count, count), np.nan, np.float32)
    sky, blank = sky[chosen], blank[chosen]
    means = sky.mean(axis=(1, 2), where=blank)
    spread = np.abs(means - np.median(means))
    alike = spread <= OUTLIER_SIGMA * 1.4826 * np.median(spread)
    sky, blank = sky[alike], blank[alike]
    sky = np.where(blank, sky - sky.mean(where=blank), 0)
    products, pairs = (
        np.fft.fftshift(irfft2((np.abs(rfft2(p, (side, side))) ** 2).sum(axis=0), (side, side)))
        for p in (sky, blank.astype(np.float32))
    )
    middle = slice(side // 2 - LAGS_PX, side // 2 - LAGS_PX + count)
    covariance = (products / pairs)[middle, middle]
    return (covariance / covariance[LAGS_PX, LAGS_PX]).astype(np.float32)


def image_sky_noise(image: np.ndarray) -> tuple[float, float]:
    """Return the level and the scatter of the sky of a whole image, from every 7th pixel.

    Examples
    --------
    >>> image_sky_noise(np.full((70, 70), np.nan))
    (nan, nan)
    """
    level, sigma = _lower_scatter(np.asarray(image, np.float32)[::7, ::7].reshape(1, -1))
    return float(level[0]), float(sigma[0])


def _lower_scatter(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return median and scatter below it of each row, NaN with too few finite pixels.

    Each row is sorted once, so that clipping it again only moves an index.
    """
    rows = np.arange(len(pixels))
    ordered = np.sort(np.where(np.isfinite(pixels), pixels, np.inf), axis=1)
    count = kept = np.isfinite(ordered).sum(axis=1)
    enough = count >= min(MIN_SKY_PIXELS, pixels.shape[1] // 16)
    for _ in range(4):
        median = ordered[rows, kept // 2]
        low = ordered[rows, (LOW_QUANTILE * kept).astype(int)]
        with np.errstate(invalid="ignore"):
            sigma = (median - low) / np.float32(-ndtri(LOW_QUANTILE))
            threshold = median + CLIP_SIGMA * sigma
        kept = np.minimum(count, (ordered <= threshold[:, None]).sum(axis=1))
    # On pure noise, clipping at 2.5 sigma narrows the remaining distribution by this factor.
    corrected = (sigma / np.float32(0.9965)).astype(np.float32)
    return np.where(enough, median, np.nan), np.where(enough, corrected, np.float32(np.nan))


def _flat(stamps: np.ndarray) -> np.ndarray:
    """Return the pixels of each stamp as one row."""
    return stamps.reshape(len(stamps), -1)


def _find_sources(stamps: np.ndarray) -> np.ndarray:
    """Mark pixels of sources, those bright in the mean over a small box."""
    sky, sigma = (value[:, None, None] for value in _lower_scatter(_flat(stamps)))
    above = np.where(np.isfinite(stamps), stamps - sky, 0)
    bright = uniform_filter(above, (0, BOX_PX, BOX_PX)) > BOX_SIGMA * sigma
    return maximum_filter(bright, (0, GROW_PX, GROW_PX))
