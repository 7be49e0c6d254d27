"""Width of the PSF from models on disk, such as the HSC PSF picker gives for a position.

A file of the picker holds one image of the PSF and says its position in its name alone:
``psf-calexp-<rerun>-<filter>-<tract>-<patch>-<ra>-<dec>.fits``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.ndimage import zoom
from scipy.spatial import cKDTree

from hscz.errors import ConfigError, InputError
from hscz.sky.patches import list_files
from hscz.sky.sphere import chord_length, unit_vectors
from hscz.survey import PIXEL_SCALE_ARCSEC

FINER = 10
"""Finer pixels than those of the file, along each axis, to measure a width on."""

REACH_ARCSEC = 360.0
"""A model stands for objects this far away: half the side of a patch."""


@dataclass(frozen=True)
class PsfFiles:
    """Widths of the PSF at some positions, by band.

    Attributes
    ----------
    positions : dict of str to ndarray, shape (m, 3)
        Points of the unit sphere.
    widths_arcsec : dict of str to ndarray, shape (m,)
    """

    positions: dict[str, np.ndarray]
    widths_arcsec: dict[str, np.ndarray]

    @classmethod
    def find(cls, pattern: str, bands: Sequence[str]) -> PsfFiles:
        """Measure all PSF files of a field.

        Parameters
        ----------
        pattern : str
            Path with ``{filter}`` or ``{band}``, ``{position}`` (right ascension and declination,
            degrees, as in ``29.91464--3.17980``), and ``{tract}`` and ``{patch}`` if need be.
        bands : sequence of str
            Those without a file are passed over.

        Raises
        ------
        ConfigError
            If the pattern says no position.
        InputError
            If there is no file at all, or one cannot be read.
        """
        positions, widths = {}, {}
        for band in bands:
            found = _band_files(pattern, band)
            if found:
                positions[band] = unit_vectors(*np.array([place for _, place in found]).T)
                widths[band] = np.array([psf_fwhm(path) for path, _ in found])
        if not positions:
            raise InputError(f"{pattern}: no PSF file matches; correct the pattern or leave it out")
        return cls(positions, widths)

    def psf_fwhm_arcsec(self, band: str, ra_deg: np.ndarray, dec_deg: np.ndarray) -> np.ndarray:
        """Return the width of the nearest model of n objects, NaN where none is near."""
        if band not in self.positions:
            return np.full(len(ra_deg), np.nan)
        tree = cKDTree(self.positions[band])
        distance, nearest = tree.query(unit_vectors(ra_deg, dec_deg))
        near = distance <= chord_length(REACH_ARCSEC)
        return np.where(near, self.widths_arcsec[band][nearest], np.nan)


def psf_fwhm(path: str | Path, pixel_scale_arcsec: float = PIXEL_SCALE_ARCSEC) -> float:
    """Return the full width at half maximum of the PSF in a file, arcsec.

    It is the diameter of a disc as large as the part of the image above half the peak, after
    cubic interpolation; right to 1 % for Moffat profiles wider than 0.5 arcsec.

    Raises
    ------
    InputError
        If the file has no image of a PSF.
    """
    try:
        image = np.asarray(fits.getdata(path), np.float64)
    except (OSError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"{path}: no PSF can be read ({error}); fetch the file again") from error
    if not np.isfinite(image).all():
        raise InputError(f"{path}: has pixels that are no number; fetch the file again")
    if image.ndim != 2 or min(image.shape) < 15:
        raise InputError(
            f"{path}: has {image.shape} pixels, which are no image of a PSF; fetch the file again"
        )
    if not image.max() > 0:
        raise InputError(f"{path}: has no peak, so it is no PSF; fetch the file again")
    fine = zoom(image, FINER, order=3, mode="nearest", grid_mode=True)
    bright = fine > fine.max() / 2
    if bright[[0, -1]].any() or bright[:, [0, -1]].any():
        raise InputError(
            f"{path}: is above half its peak at an edge, so it shows no whole PSF; fetch the file "
            "again"
        )
    return pixel_scale_arcsec * 2 * float(np.sqrt(bright.sum() / np.pi)) / FINER


def _band_files(pattern: str, band: str) -> list[tuple[Path, tuple[float, float]]]:
    """Return the files of one band with their right ascension and declination."""
    if "{position}" not in pattern:
        raise ConfigError(f"{pattern}: has no {{position}}, so a PSF file stands nowhere")
    found = []
    for path, place in list_files(pattern, band).items():
        ra, _, dec = place["position"].partition("-")
        if not (float(ra) <= 360 and abs(float(dec)) <= 90):
            raise InputError(
                f"{path}: its name says right ascension {ra} and declination {dec}; correct the "
                "name, or the place of {position} in the pattern"
            )
        found.append((path, (float(ra), float(dec))))
    return found
