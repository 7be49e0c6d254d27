"""Whether images and catalogue agree: a check of zero points, units and positions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from hscz.schema import Flag
from hscz.sky.photometry import aperture_flux
from hscz.survey import PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG

RADIUS_ARCSEC = 2.0
"""Aperture that holds nearly all light of most galaxies."""

LARGEST_OFFSET_MAG = 1.0
"""Light beyond the aperture, magnitudes of a PSF or small aperture, and dust explain less."""

SAMPLES, SAMPLE_SIZE = 4, 128
"""How many rows in how many places of a store are looked at."""

LEAST_OBJECTS = 10

UNFIT = int(Flag.UNUSABLE | Flag.SATURATED | Flag.BRIGHT_OBJECT)


def light_ratios(store: xr.Dataset) -> dict[str, float]:
    """Return by band the flux in the images over that of the catalogue, of bright objects.

    Parameters
    ----------
    store : xarray.Dataset
        Field store; some hundred of its stamps are read.

    Returns
    -------
    dict of str to float
        Median over the brightest quarter of sound objects in some places of the store, for
        bands with enough of them.
    """
    n, radius = store.sizes["object"], RADIUS_ARCSEC
    radius = min(radius, (store.sizes["y"] // 2 - 1) * PIXEL_SCALE_ARCSEC)
    starts = np.unique(np.linspace(0, max(n - SAMPLE_SIZE, 0), SAMPLES).astype(int))
    parts = [store.isel(object=slice(start, start + SAMPLE_SIZE)) for start in starts]
    mags = np.concatenate([part["mag"].values for part in parts])
    flags = np.concatenate([part["flags"].values for part in parts])
    fluxes = np.concatenate([aperture_flux(part["image"].values, radius) for part in parts])
    ratios = {}
    for band, mag, flux in zip(store["band"].values, mags.T, fluxes.T, strict=True):
        known = np.flatnonzero(((flags & UNFIT) == 0) & np.isfinite(mag) & np.isfinite(flux))
        bright = known[np.argsort(mag[known])][: max(LEAST_OBJECTS, len(known) // 4)]
        if len(bright) >= LEAST_OBJECTS:
            expected = 10 ** (0.4 * (ZERO_POINT_MAG - mag[bright].astype(np.float64)))
            ratios[str(band)] = float(np.median(flux[bright] / expected))
    return ratios


def light_warnings(store: xr.Dataset) -> Iterator[str]:
    """Yield a line for each band whose images and catalogue do not go together."""
    for band, ratio in light_ratios(store).items():
        offset = -2.5 * np.log10(ratio) if ratio > 0 else np.inf
        if abs(offset) > LARGEST_OFFSET_MAG:
            word = "fainter" if offset > 0 else "brighter"
            how = f"{abs(offset):.2f} mag {word} than" if ratio > 0 else "without the light of"
            yield (
                f"band {band}: the objects in the images are {how} the catalogue; check "
                "zero_point, [units] of the descriptor, and the positions"
            )
