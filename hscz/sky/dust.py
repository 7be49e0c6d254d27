"""Galactic E(B-V) at positions, for catalogues that have no column of it.

All values are those of Schlegel, Finkbeiner & Davis (1998, ApJ 500, 525), as the maps hold
them: not multiplied by the 0.86 of Schlafly & Finkbeiner (2011).
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from hscz.errors import InputError, StoreError

logger = logging.getLogger(__name__)

MAPS = {1: "SFD_dust_4096_ngp.fits", -1: "SFD_dust_4096_sgp.fits"}
"""File of the map of each Galactic hemisphere, north 1 and south -1."""

WAYS = (
    "name its column as ebv under [columns] of the descriptor of the catalogue, or set ebv of the "
    "field to 'sfd' or 'irsa'"
)
"""How a field gets its E(B-V), for errors where it has none."""

BLOCK = 1 << 17


def ebv_of_maps(ra: ArrayLike, dec: ArrayLike, folder: str | Path) -> NDArray[np.float64]:
    """Return E(B-V) from the SFD maps, interpolated between their pixels of 2.37 arcmin.

    Parameters
    ----------
    ra, dec : array_like, shape (object,)
        ICRS degrees.
    folder : str or Path
        Where the files of `MAPS` are. Only those of the hemispheres asked for are read.

    Returns
    -------
    ndarray of float, shape (object,)
        E(B-V) of SFD, mag.

    Raises
    ------
    InputError
        If a map is missing or is none, or does not cover a position.

    Examples
    --------
    >>> ebv_of_maps([150.1], [2.2], "nowhere")
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: nowhere/SFD_dust_4096_ngp.fits: no such file; ...
    """
    ra, dec = np.atleast_1d(np.asarray(ra, np.float64)), np.atleast_1d(np.asarray(dec, np.float64))
    out = np.empty(len(ra))
    maps: dict[int, _Map] = {}
    for start in range(0, len(ra), BLOCK):
        rows = slice(start, start + BLOCK)
        galactic = SkyCoord(ra[rows], dec[rows], unit="deg").galactic
        lon, lat = galactic.l.radian, galactic.b.radian
        for side, name in MAPS.items():
            here = (lat >= 0) == (side > 0)
            if here.any():
                if side not in maps:
                    maps[side] = _Map(Path(folder) / name, side)
                out[rows][here] = maps[side].at(lon[here], lat[here])
    return out


def ebv_of_image(ra: ArrayLike, dec: ArrayLike, path: str | Path) -> NDArray[np.float64]:
    """Return E(B-V) from an image of it on the sky, interpolated between its pixels.

    Parameters
    ----------
    ra, dec : array_like, shape (object,)
        ICRS degrees.
    path : str or Path
        FITS image with a celestial WCS, such as `hscz.fetch.dust.fetch_ebv_image` gets.

    Returns
    -------
    ndarray of float, shape (object,)
        mag.

    Raises
    ------
    InputError
        If the image is missing or is none, or does not cover a position.

    Examples
    --------
    >>> ebv_of_image([150.1], [2.2], "nowhere.fits")
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: nowhere.fits: no such file; run 'hscz fetch' first
    """
    path = Path(path)
    ra, dec = (np.atleast_1d(np.asarray(values, np.float64)) for values in (ra, dec))
    if not path.is_file():
        raise InputError(f"{path}: no such file; run 'hscz fetch' first")
    try:
        with warnings.catch_warnings():
            # The images of IRSA name no equinox.
            warnings.simplefilter("ignore", FITSFixedWarning)
            with fits.open(path, memmap=False) as hdus:
                wcs, values = WCS(hdus[0].header), np.asarray(hdus[0].data, np.float64)
        if values.ndim != 2 or not wcs.has_celestial:
            raise ValueError("no image of the sky")
    except (OSError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"{path}: is no image of E(B-V) ({error}); fetch it again") from None
    x, y = wcs.world_to_pixel_values(ra, dec)
    found = _interpolated(values, x, y)
    bad = np.isnan(found)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{path}: does not cover ra={ra[row]:.4f}, dec={dec[row]:.4f} ({bad.sum():,} such "
            "positions); give a larger fetch.box and fetch it again"
        )
    return found


def _interpolated(values: NDArray[Any], x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """Return an image between its pixels, and NaN outside of it."""
    height, width = values.shape
    inside = (np.abs(x - (width - 1) / 2) <= width / 2) & (
        np.abs(y - (height - 1) / 2) <= height / 2
    )
    found = map_coordinates(
        values, np.where(inside, [y, x], 0), np.float64, order=1, mode="nearest"
    )
    return np.where(inside, found, np.nan)


class _Map:
    """The map of one hemisphere, in the equal-area projection from the Galactic pole."""

    def __init__(self, path: Path, side: int):
        self.path, self.side = path, side
        if not path.is_file():
            raise InputError(
                f"{path}: no such file; put the SFD maps {', '.join(MAPS.values())} there"
            )
        try:
            with fits.open(path, memmap=False) as hdus:
                header, self.values = hdus[0].header, np.asarray(hdus[0].data, np.float32)
            self.scale = float(header["LAM_SCAL"])
            self.pole = float(header["CRPIX1"]) - 1, float(header["CRPIX2"]) - 1
            fits_here = int(header["LAM_NSGP"]) == side and self.values.ndim == 2
        except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
            raise InputError(f"{path}: is no SFD map ({error}); fetch it again") from None
        if not fits_here:
            raise InputError(f"{path}: is not the SFD map of this hemisphere; fetch it again")

    def at(self, lon: NDArray[Any], lat: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values at Galactic positions in radians (SFD 1998, appendix C)."""
        from_pole = np.sqrt(np.maximum(1 - self.side * np.sin(lat), 0)) * self.scale
        x = self.pole[0] + from_pole * np.cos(lon)
        y = self.pole[1] - self.side * from_pole * np.sin(lon)
        found = _interpolated(self.values, x, y)
        outside = np.isnan(found)
        if outside.any():
            row = int(np.argmax(outside))
            where = f"l={np.degrees(lon[row]):.4f}, b={np.degrees(lat[row]):.4f}"
            raise InputError(
                f"{self.path}: does not cover {where} ({outside.sum():,} such positions); "
                "give the whole map"
            )
        return found


def image_ebv(
    store: xr.Dataset, name: str = "", partial: bool = False, silent: bool = False
) -> NDArray[np.float32]:
    """Return the E(B-V) of the dust that dims each stamp: 0 where images were corrected for it.

    Raises
    ------
    StoreError
        If it is known of no object, unless `partial`: then it is NaN, with a warning unless
        `silent`.
    """
    if store.attrs.get("image_extinction_corrected"):
        return np.zeros(store.sizes["object"], np.float32)
    message = f"ebv is NaN for every object, as nothing gives E(B-V); {WAYS}, and ingest again"
    message = f"{name}: {message}" if name else message
    return fill_median(store["ebv"].values.astype(np.float32), message, partial, silent)


def fill_median(
    values: NDArray[np.float32], message: str, partial: bool, silent: bool = False
) -> NDArray[np.float32]:
    """Put the median in place of NaN."""
    missing = np.isnan(values)
    if missing.all() and not partial:
        raise StoreError(message)
    if missing.all():
        if silent:
            return values
        logger.warning("%s. Source stamps keep their own", message)
        return values
    values[missing] = np.median(values[~missing])
    return values
