"""How galaxies were observed: noise, seeing and dust of their stamps, and the tiles of these."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from hscz.errors import about
from hscz.learn.loader import band_index
from hscz.learn.tiles import Tiles
from hscz.sky.dust import fill_median, image_ebv


@dataclass(frozen=True)
class Conditions:
    """How n galaxies were observed.

    Attributes
    ----------
    sky_noise : Tensor, shape (n, band)
        Scatter of one sky pixel, counts.
    psf_fwhm_arcsec : Tensor, shape (n, band)
    ebv : Tensor, shape (n,)
        E(B-V) of the Galactic dust that dims the images.
    tile : Tensor of int, shape (n,)
        Which of the tiles each was cut from.
    tiles : Tiles
        Their PSF and the correlation of their sky.
    """

    sky_noise: Tensor
    psf_fwhm_arcsec: Tensor
    ebv: Tensor
    tile: Tensor
    tiles: Tiles

    @classmethod
    def plain(cls, sky_noise: Tensor, psf_fwhm_arcsec: Tensor, ebv: Tensor) -> Conditions:
        """Return the conditions of galaxies of whose tiles nothing is known."""
        tile = torch.zeros(len(ebv), dtype=torch.long)
        return cls(sky_noise, psf_fwhm_arcsec, ebv, tile, Tiles.unknown(sky_noise.shape[1]))

    @classmethod
    def of(
        cls,
        store: xr.Dataset,
        rows: NDArray[np.int64],
        bands: Sequence[str],
        name: str = "field store",
        partial: bool = False,
        optional: Collection[str] = (),
        silent: bool = False,
    ) -> Conditions:
        """Return the measured conditions of some galaxies of a field store.

        Where no seeing or dust is known, the field's median stands in. A small field may have too
        few stars for any: with `partial` these are NaN then, which `degrade` leaves as they are.
        So are noise and seeing in a band that a galaxy lacks.

        Parameters
        ----------
        store : xarray.Dataset
            Field store opened without Dask (``lazy=False``).
        rows : ndarray of int
            Usable galaxies.
        bands : sequence of str
        name : str
            What the store is called in messages.
        partial : bool
            Warn of seeing or dust that is known nowhere, rather than refuse it.
        optional : collection of str
            Bands that the store or a galaxy may lack.
        silent : bool
            Do not warn.

        Raises
        ------
        StoreError
            If the store lacks a band, or, unless `partial`, the seeing of a band or the dust is
            known nowhere.
        """
        with about(name):
            index = np.array(band_index(store, bands, optional))
        noise = np.where(index < 0, np.nan, store["sky_noise"].values[:, index])
        fwhm = np.where(index < 0, np.nan, store["psf_fwhm"].values[:, index])
        for band, values, measured in zip(bands, fwhm.T, noise.T, strict=True):
            if band in optional and np.isnan(measured).all():
                continue
            message = (
                f"{name}: psf_fwhm of band {band!r} is NaN for every object, as too few stars "
                "were found; ingest larger images or set adapt.degrade = false"
            )
            fill_median(values, message, partial, silent)
        columns = (
            noise[rows],
            fwhm[rows],
            image_ebv(store, name, partial, silent)[rows],
        )
        tiles, tile = Tiles.of(store, index, name)
        sky, seeing, ebv = (torch.from_numpy(np.asarray(c, np.float32)) for c in columns)
        return cls(sky, seeing, ebv, torch.from_numpy(tile[rows]), tiles)

    @classmethod
    def join(cls, parts: Sequence[Conditions]) -> Conditions:
        """Return the conditions of galaxies of several fields, one field after the other."""
        first = np.cumsum([0, *(len(part.tiles) for part in parts)]).tolist()
        return cls(
            torch.cat([part.sky_noise for part in parts]),
            torch.cat([part.psf_fwhm_arcsec for part in parts]),
            torch.cat([part.ebv for part in parts]),
            torch.cat([part.tile + start for part, start in zip(parts, first, strict=False)]),
            Tiles.join([part.tiles for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.ebv)

    def take(self, indices: Tensor) -> Conditions:
        """Return the conditions of the galaxies at `indices`."""
        columns = ("sky_noise", "psf_fwhm_arcsec", "ebv", "tile")
        return replace(self, **{key: getattr(self, key)[indices] for key in columns})
