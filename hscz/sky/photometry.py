"""Photometry of stamps, for checks, baselines and zero points."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.constants import MAG_PER_RELATIVE_ERROR
from hscz.survey import PIXEL_SCALE_ARCSEC

SUBPIXELS = 10
"""Points per pixel side with which the edge of an aperture is drawn."""

SIGMA_PER_FWHM = 1 / np.sqrt(8 * np.log(2))

WING_BETA, WING_SIZE_ARCSEC = 2.5, 0.3
"""Slope of the Moffat profile that the PSFs are taken for, and standard deviation of the galaxy
behind it: what the wings take from `matched_flux` is put back for these."""


def aperture_flux(stamps: np.ndarray, radius_arcsec: float) -> np.ndarray:
    """Sum the counts in a circle around the central pixel, index ``s // 2``, of each stamp.

    Parameters
    ----------
    stamps : ndarray of shape (..., s, s)
        Counts, of any float type; the sum is made in float32.
    radius_arcsec : float

    Returns
    -------
    ndarray of float32, shape (...)
        Counts; with the survey's zero point the magnitude is ``27 - 2.5 log10(flux)``.

    Examples
    --------
    >>> flux = aperture_flux(np.ones((2, 6, 64, 64)), 2.0)
    >>> flux.shape, bool(abs(flux[0, 0] / (np.pi * (2.0 / 0.168) ** 2) - 1) < 1e-3)
    ((2, 6), True)
    """
    weights = aperture_weights(stamps.shape[-1], radius_arcsec / PIXEL_SCALE_ARCSEC)
    return np.tensordot(stamps.astype(np.float32, copy=False), weights, axes=2)


def aperture_weights(side: int, radius_px: float) -> np.ndarray:
    """Return the fraction of each pixel inside a circle, float32 of shape (side, side).

    Examples
    --------
    >>> aperture_weights(3, 0.5).round(2)[1]
    array([0. , 0.8, 0. ], dtype=float32)
    """
    axis = (np.arange(side * SUBPIXELS) + 0.5) / SUBPIXELS - 0.5 - side // 2
    inside = axis[:, None] ** 2 + axis**2 < radius_px**2
    return inside.reshape(side, SUBPIXELS, side, SUBPIXELS).mean(axis=(1, 3), dtype=np.float32)


def asinh_mag(
    flux: ArrayLike, flux_err: ArrayLike, softening: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return asinh magnitudes at zero point 0, and their errors.

    Parameters
    ----------
    flux, flux_err : array_like
    softening : array_like
        Flux below which the magnitude is linear in it.

    Examples
    --------
    >>> mag, err = asinh_mag([100.0, 1.0], [1.0, 1.0], 1.0)
    >>> mag.round(3).tolist(), err.round(3).tolist()
    ([-5.0, -0.522], [0.011, 0.486])
    """
    x, b = np.asarray(flux, np.float64), np.asarray(softening, np.float64)
    mag = -MAG_PER_RELATIVE_ERROR * (np.arcsinh(x / (2 * b)) + np.log(b))
    return mag, MAG_PER_RELATIVE_ERROR * np.asarray(flux_err) / np.hypot(x, 2 * b)


def matched_flux(
    stamps: np.ndarray, psf_fwhm_arcsec: np.ndarray, seen_fwhm_arcsec: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum the counts under Gaussians with which every PSF has the same width.

    A galaxy seen through a Gaussian PSF and summed with a Gaussian weight gives the flux of the
    galaxy itself under a Gaussian as wide as both together (GaaP, Kuijken 2008, A&A 482, 1053);
    with the weight chosen such that this is `seen_fwhm_arcsec`, colours do not depend on seeing.
    The wings that real PSFs have beyond a Gaussian are allowed for as those of a Moffat profile.

    Parameters
    ----------
    stamps : ndarray of shape (n, band, s, s)
        Counts, the object in the pixel ``s // 2``.
    psf_fwhm_arcsec : ndarray of shape (n, band)
    seen_fwhm_arcsec : float
        Above those of the PSFs; NaN comes of those that are wider.

    Returns
    -------
    flux : ndarray, shape (n, band)
        Counts.
    noise_factor : ndarray, shape (n, band)
        Error of the flux over the noise of one pixel, where that is white.

    Examples
    --------
    >>> axis = np.arange(48) - 24
    >>> def star(fwhm_px):
    ...     a = fwhm_px / 2 / np.sqrt(2 ** (1 / 2.5) - 1)
    ...     return (1 + (axis[:, None] ** 2 + axis**2) / a**2) ** -2.5 / a**2
    >>> stamps = np.stack([[star(4), star(6)]])
    >>> flux, _ = matched_flux(stamps, 0.168 * np.array([[4, 6]]), 2.4)
    >>> bool(abs(flux[0, 1] / flux[0, 0] - 1) < 0.01)
    True
    """
    axis = np.arange(stamps.shape[-1]) - stamps.shape[-1] // 2
    missing = np.square(seen_fwhm_arcsec) - np.square(psf_fwhm_arcsec, dtype=np.float64)
    missing = np.where(missing > 0, missing, np.nan)
    sigma_px = np.sqrt(missing) * SIGMA_PER_FWHM / PIXEL_SCALE_ARCSEC
    weight = np.exp(-0.5 * np.square(axis / sigma_px[..., None])).astype(np.float32)
    along_x = np.einsum("nbyx,nbx->nby", stamps.astype(np.float32, copy=False), weight)
    flux = np.einsum("nby,nby->nb", along_x, weight)
    scale = seen_fwhm_arcsec**2 / missing
    scale /= np.interp(psf_fwhm_arcsec, *_kept_by_wings(seen_fwhm_arcsec))
    return flux * scale, np.sqrt(np.pi) * sigma_px * scale


@lru_cache(maxsize=4)
def _kept_by_wings(seen_fwhm_arcsec: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return widths of PSFs and, for each, the flux of a Moffat over that of a Gaussian one."""
    r = np.linspace(0, 40, 8001)[1:]
    widths = np.linspace(0.3, 0.98 * seen_fwhm_arcsec, 30)
    kept = []
    for fwhm in widths:
        a = fwhm / 2 / np.sqrt(2 ** (1 / WING_BETA) - 1)
        moffat = (WING_BETA - 1) / (np.pi * a**2) * (1 + (r / a) ** 2) ** -WING_BETA
        variance = (seen_fwhm_arcsec**2 - fwhm**2) * SIGMA_PER_FWHM**2 + WING_SIZE_ARCSEC**2
        summed = np.trapezoid(2 * np.pi * r * moffat * np.exp(-0.5 * r**2 / variance), r)
        kept.append(summed * (1 + (fwhm * SIGMA_PER_FWHM) ** 2 / variance))
    return widths, np.array(kept)
