"""Redshifts from aperture magnitudes: what a network on images has to beat.

Methods learn from `features` of the labelled field, colours and magnitudes measured on its stamps
once these are as noisy, blurred and reddened as those of the field that they are asked about;
`hscz.experiments.baseline` makes estimators of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hscz.sky.dust import image_ebv
from hscz.sky.photometry import aperture_flux, asinh_mag
from hscz.survey import BANDS, PIXEL_SCALE_ARCSEC

if TYPE_CHECKING:
    import torch

    from hscz.learn.conditions import Conditions

FloatArray = NDArray[np.float64]

APERTURE_ARCSEC = 1.0
"""Radius of the aperture."""

_APERTURE_PX = np.pi * (APERTURE_ARCSEC / PIXEL_SCALE_ARCSEC) ** 2
_SIDE_PX = 16
_MARGIN_PX = 4
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
    like: Conditions | None = None,
    seed: int = 1,
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
    like : hscz.learn.conditions.Conditions, optional
        Make each stamp like one of a random galaxy of these, see `hscz.learn.degrade.degrade`.
    seed : int
        Of what is drawn for that.

    Raises
    ------
    StoreError
        If the store lacks a band, its stamps are too small or it knows of no dust.
    """
    import torch

    from hscz.learn.loader import band_index

    index, generator = band_index(store, bands), torch.Generator().manual_seed(seed)
    blocks = np.array_split(rows, -(-len(rows) // _BLOCK) or 1)
    parts = [_measured(store, block, bands, index, like, generator) for block in blocks]
    flux, sky_noise, ebv = (np.concatenate(each) for each in zip(*parts, strict=True))
    k = np.array([BANDS[band].extinction_per_ebv for band in bands])
    right, root = 10 ** (0.4 * np.outer(ebv, k)), np.sqrt(_APERTURE_PX)
    right *= [(scale or {}).get(band, 1.0) for band in bands]
    flux_err, softening = root * right * sky_noise, root * np.asarray(noise)
    return Features(*asinh_mag(right * flux, flux_err, softening))


def _measured(
    store: xr.Dataset,
    rows: NDArray[np.int64],
    bands: Sequence[str],
    index: Sequence[int],
    like: Conditions | None,
    generator: torch.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return aperture fluxes, the noise of a sky pixel, and E(B-V)."""
    from hscz.learn.loader import read_stamps

    side = _SIDE_PX if like is None else _SIDE_PX + 2 * _MARGIN_PX
    stamps = np.empty((len(rows), len(index), side, side), np.float16)
    read_stamps(store, rows, index, stamps)
    if like is not None and len(rows):
        return _degraded(store, rows, bands, stamps, like, generator)
    flux = aperture_flux(stamps, APERTURE_ARCSEC)
    return flux, store["sky_noise"].values[rows][:, index], image_ebv(store)[rows]


def _degraded(
    store: xr.Dataset,
    rows: NDArray[np.int64],
    bands: Sequence[str],
    stamps: NDArray[np.float16],
    like: Conditions,
    generator: torch.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the same of stamps made like those of random galaxies."""
    import torch

    from hscz.learn.conditions import Conditions
    from hscz.learn.degrade import degrade, draw

    have = Conditions.of(store, rows, bands, partial=True)
    want = draw(like, len(rows), 0.0, generator)
    k = torch.tensor([BANDS[band].extinction_per_ebv for band in bands])
    made = degrade(torch.from_numpy(stamps), have, want, k, generator)
    ebv = torch.where(want.ebv.isnan(), have.ebv, want.ebv)
    # A stamp that is noisier already stays so, but for its dust.
    kept = have.sky_noise * 10 ** (-0.4 * torch.outer(ebv - have.ebv, k))
    sky_noise = torch.fmax(want.sky_noise, kept)
    return aperture_flux(made.numpy(), APERTURE_ARCSEC), sky_noise.numpy(), ebv.numpy()
