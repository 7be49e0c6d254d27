"""The PSF and the sky of the tiles that stamps were cut from, as `degrade` needs them.

Both are transforms: a PSF that is known at all wave numbers can be divided by another one, and the
power of the noise of two skies be subtracted.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from hscz.survey import PIXEL_SCALE_ARCSEC

logger = logging.getLogger(__name__)

SEEING_POWER = 5 / 3
"""The logarithm of the transform of a PSF grows as this power of its width, and of the wave number:
Kolmogorov's turbulence. A PSF s times as wide has the transform to the power s^(5/3)."""

WINGS_PX = (0.5, 3.0, 12.0)
"""The logarithm of a measured transform is followed by k^2 / (1 + a k) with each of these a:
a profile with wings falls as k^2 up to a wave number of about 1 / a, and as k from there."""

LEAST_TRANSFORM = 0.01
"""Below this a measured transform is noise."""


@dataclass(frozen=True, eq=False)
class Tiles:
    """PSF and sky of some tiles; NaN where one is not known.

    Attributes
    ----------
    psf : Tensor, shape (tile, band, p, p)
        Centred images of stars, p odd.
    fwhm_arcsec : Tensor, shape (tile, band)
        Width of each, as it is measured around galaxies.
    sky_correlation : Tensor, shape (tile, band, l, l)
        Of pixels at lags around the middle one, where it is 1.
    """

    psf: Tensor
    fwhm_arcsec: Tensor
    sky_correlation: Tensor

    @classmethod
    def unknown(cls, bands: int) -> Tiles:
        """Return one tile of which nothing is known: its sky is white, its PSF Kolmogorov's."""
        nothing = torch.full((1, bands, 1, 1), torch.nan)
        return cls(nothing, nothing[..., 0, 0], nothing)

    @classmethod
    def of(
        cls, store: xr.Dataset, index: NDArray[np.int64], name: str
    ) -> tuple[Tiles, NDArray[np.int64]]:
        """Return the tiles of a field store and, for each object, which is its own.

        Parameters
        ----------
        store : xarray.Dataset
            Opened without Dask.
        index : ndarray of int, shape (band,)
            Where the bands stand in the store; -1 for one that it lacks.
        name : str
            What the store is called in messages.
        """
        n, bands = store.sizes["object"], len(index)
        if "psf" not in store:
            logger.warning(
                "%s: has no stacked stars and no correlation of the sky, so stamps are blurred "
                "as by turbulence alone and get white noise; make it again with 'hscz ingest'",
                name,
            )
            return cls.unknown(bands), np.zeros(n, np.int64)
        names = pd.Index(store["tile_name"].values.astype(object))
        own = names.get_indexer(store["tile"].values.astype(object)).astype(np.int64)
        widths = pd.DataFrame(store["psf_fwhm"].values[:, index]).groupby(own).median()
        fwhm = widths.reindex(range(len(names))).to_numpy(np.float32, copy=True)
        images = [store[key].values[:, index] for key in ("psf", "sky_correlation")]
        for values in (fwhm, *images):
            values[:, index < 0] = np.nan
        psf, correlation = (torch.from_numpy(np.asarray(v, np.float32)) for v in images)
        return cls(psf, torch.from_numpy(fwhm), correlation), own

    @classmethod
    def join(cls, parts: Sequence[Tiles]) -> Tiles:
        """Return the tiles of several fields, one field after the other."""
        return cls(
            _stacked([one.psf for one in parts]),
            torch.cat([one.fwhm_arcsec for one in parts]),
            _stacked([one.sky_correlation for one in parts]),
        )

    def __len__(self) -> int:
        return len(self.psf)


@dataclass(frozen=True)
class Transforms:
    """What `degrade` needs of tiles, at the wave numbers of real stamps of one side.

    Attributes
    ----------
    log_psf : Tensor, shape (band, tile, side, side // 2 + 1)
        Logarithm of the transform of each PSF; 0 at wave number 0, falling from there.
    fwhm_arcsec : Tensor, shape (band, tile)
        The widths at which these hold.
    sky_power : Tensor, shape (band, tile, side, side // 2 + 1)
        Variance of the transform of sky of unit scatter: of its real and imaginary parts each,
        or of the real one where no imaginary one counts.
    """

    log_psf: Tensor
    fwhm_arcsec: Tensor
    sky_power: Tensor


@lru_cache(maxsize=4)
def transforms(tiles: Tiles, side: int, device: torch.device) -> Transforms:
    """Return the transforms of tiles for stamps of so many pixels; made once."""
    log_psf = _log_psf(tiles.psf, side)
    unknown = log_psf.isnan().flatten(2).any(-1) | tiles.fwhm_arcsec.isnan()
    log_psf[unknown] = _turbulence(side)
    fwhm = torch.where(unknown, 1.0, tiles.fwhm_arcsec)
    power = _sky_power(tiles.sky_correlation, side)
    return Transforms(
        *(one.transpose(0, 1).contiguous().to(device) for one in (log_psf, fwhm, power))
    )


def _turbulence(side: int) -> Tensor:
    """Return the logarithm of the transform of a PSF of 1 arcsec in long exposures.

    It is -3.44 (l f / r0)^(5/3) at the frequency f, and the width 0.976 l / r0 (Fried 1966).
    """
    cycles_per_arcsec = _wave_number(side)[0] / (2 * math.pi * PIXEL_SCALE_ARCSEC)
    return -3.44 * (cycles_per_arcsec / 0.976) ** SEEING_POWER


def _log_psf(psf: Tensor, side: int) -> Tensor:
    """Return a smooth logarithm of the transform of centred images, NaN where they are.

    Round and elliptical functions are fitted where the transform stands above the noise of the
    stars, which lets it be followed beyond.
    """
    k, angle = _wave_number(side)
    shapes = (torch.ones_like(k), torch.cos(2 * angle), torch.sin(2 * angle))
    parts = [k**2 / (1 + wing * k) * shape for wing in WINGS_PX for shape in shapes]
    basis = torch.stack(parts, -1).flatten(0, 1).double()
    measured = _at_wave_numbers(psf, side).flatten(2).double()
    measured = measured / measured[..., :1]
    # The error of a logarithm is that of its argument over the argument.
    weight = torch.where(measured > LEAST_TRANSFORM, measured, 0).square()
    value = measured.clamp(min=LEAST_TRANSFORM).log()
    normal = torch.einsum("tbk,ki,kj->tbij", weight.nan_to_num(), basis, basis)
    right = torch.einsum("tbk,ki->tbi", (weight * value).nan_to_num(), basis)
    ridge = 1e-9 * torch.eye(normal.shape[-1], dtype=normal.dtype)
    fitted = torch.linalg.solve(normal + ridge, right) @ basis.T
    known = measured.isfinite().all(-1, keepdim=True)
    fitted = torch.where(known, fitted.clamp(max=0), torch.nan)
    return fitted.unflatten(-1, k.shape).float()


def _sky_power(correlation: Tensor, side: int) -> Tensor:
    """Return the power of sky of unit variance at the wave numbers of a stamp; white where NaN."""
    reach = correlation.shape[-1] // 2
    white = correlation.isnan().flatten(2).any(-1)
    lag = torch.arange(-reach, reach + 1).abs()
    # What is left at large lags is the level of the sky, which differs from stamp to stamp.
    edge = torch.maximum(lag[:, None], lag) > 0.8 * reach
    level = correlation[..., edge].mean(-1).clamp(min=0)[..., None, None]
    power = _at_wave_numbers(correlation - level, side).clamp(min=0)
    power[..., :1, :1] += side**2 * level
    power[white] = 1.0
    half = torch.full((side // 2 + 1,), 0.5)
    half[0] = 1
    if side % 2 == 0:
        half[-1] = 1
    return power * half * side**2


def _wave_number(side: int) -> tuple[Tensor, Tensor]:
    """Return the length, radian per pixel, and the angle of the wave vectors of real stamps."""
    ky = 2 * math.pi * torch.fft.fftfreq(side)[:, None]
    kx = 2 * math.pi * torch.fft.rfftfreq(side)
    return torch.hypot(ky, kx), torch.atan2(ky.expand(-1, len(kx)), kx.expand(side, -1))


def _at_wave_numbers(images: Tensor, side: int) -> Tensor:
    """Return the real transform of images (tile, band, p, p) around their middle pixels."""
    reach = images.shape[-1] // 2
    offset = torch.arange(-reach, reach + 1)
    along_y, along_x = (
        torch.exp(-2j * math.pi * frequency(side)[:, None] * offset)
        for frequency in (torch.fft.fftfreq, torch.fft.rfftfreq)
    )
    return torch.einsum("yp,tbpq,xq->tbyx", along_y, images.to(along_y.dtype), along_x).real


def _stacked(images: Sequence[Tensor]) -> Tensor:
    """Join images of tiles; fields of which nothing is known have one pixel, NaN."""
    side = max(one.shape[-1] for one in images)
    return torch.cat(
        [one if one.shape[-1] == side else one.expand(-1, -1, side, side) for one in images]
    )
