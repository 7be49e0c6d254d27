"""Redshifts from aperture magnitudes: what a network on images has to beat.

Methods learn from `features` of the labelled field, colours and magnitudes measured on its stamps,
and are asked about those of another one; `hscz.experiments.baseline` makes estimators of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hscz.sky.dust import image_ebv
from hscz.sky.photometry import aperture_flux, asinh_mag
from hscz.survey import BANDS, PIXEL_SCALE_ARCSEC

FloatArray = NDArray[np.float64]

APERTURE_ARCSEC = 1.0
"""Radius of the aperture."""

_APERTURE_PX = np.pi * (APERTURE_ARCSEC / PIXEL_SCALE_ARCSEC) ** 2
_SIDE_PX = 16
_BLOCK = 4096


@dataclass(frozen=True)
class Features:
    """Measured magnitudes of n galaxies, corrected for Galactic extinction.

    Attributes
    ----------
    mag, mag_err : ndarray, shape (n, band)
        Asinh magnitudes in the aperture, and their errors.
    """

    mag: FloatArray
    mag_err: FloatArray

    def __len__(self) -> int:
        return len(self.mag)

    @property
    def colour(self) -> FloatArray:
        """Differences of adjacent bands, blue minus red, shape (n, band - 1)."""
        return self.mag[:, :-1] - self.mag[:, 1:]

    @property
    def colour_err(self) -> FloatArray:
        """Errors of the colours."""
        return np.hypot(self.mag_err[:, :-1], self.mag_err[:, 1:])


@dataclass(frozen=True)
class Estimate:
    """Redshifts of n galaxies.

    Attributes
    ----------
    z_median, pdf_width : ndarray, shape (n,)
        Median, and width of the central 68 %; NaN where a method gives no PDF.
    pdf : ndarray, shape (n, bins), or None
        Density in 1/dz.
    """

    z_median: FloatArray
    pdf_width: FloatArray
    pdf: NDArray[np.float32] | None = None


Answer = Callable[[Features], Estimate]
"""What a method has learnt: features of other galaxies in the same bands in, redshifts out."""


def features(
    store: xr.Dataset,
    rows: NDArray[np.int64],
    bands: Sequence[str],
    noise: Sequence[float],
    scale: Mapping[str, float] | None = None,
) -> Features:
    """Measure magnitudes on the stamps of a field store, a block at a time.

    Asinh magnitudes (Lupton, Gunn & Szalay 1999) are those of Pogson where a galaxy is bright,
    and stay finite where its flux is not positive.

    Parameters
    ----------
    store : xarray.Dataset
        Field store opened without Dask (``lazy=False``).
    rows : ndarray of int
        Sorted rows of usable galaxies.
    bands : sequence of str
    noise : sequence of float
        Sky noise of one pixel in each band, counts, around which magnitudes turn into fluxes.
        It must be the same for the galaxies to learn from and those to be asked about.
    scale : mapping of str to float, optional
        What to multiply the counts by in bands whose zero point is off.

    Raises
    ------
    StoreError
        If the store lacks a band, its stamps are too small or it knows of no dust.
    """
    from hscz.learn.loader import band_index

    index = band_index(store, bands)
    blocks = np.array_split(rows, -(-len(rows) // _BLOCK) or 1)
    flux = np.concatenate([_aperture_flux(store, block, index) for block in blocks])
    flux_err = np.sqrt(_APERTURE_PX) * store["sky_noise"].values[rows][:, index]
    softening = np.sqrt(_APERTURE_PX) * np.asarray(noise)
    k = np.array([BANDS[band].extinction_per_ebv for band in bands])
    right = 10 ** (0.4 * np.outer(image_ebv(store)[rows], k))
    right *= [(scale or {}).get(band, 1.0) for band in bands]
    return Features(*asinh_mag(right * flux, right * flux_err, softening))


def _aperture_flux(
    store: xr.Dataset, rows: NDArray[np.int64], index: Sequence[int]
) -> NDArray[np.float32]:
    from hscz.learn.loader import read_stamps

    stamps = np.empty((len(rows), len(index), _SIDE_PX, _SIDE_PX), np.float16)
    read_stamps(store, rows, index, stamps)
    return aperture_flux(stamps, APERTURE_ARCSEC)
