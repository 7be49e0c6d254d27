"""Images on disk: HSC coadds, server cut-outs and plain single images, read window by window.

A calexp file holds a primary header (FILTER, FLUXMAG0), then IMAGE, MASK and VARIANCE, told
apart by EXTNAME or, where that is blank as in server cut-outs, by EXTTYPE. Mask planes are
named by MP_* cards; their bits move between data releases, so they are read from the header.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from hscz.survey import ZERO_POINT_MAG

HSC_MASK_PLANES: Mapping[str, int] = {
    "BAD": 0,
    "SAT": 1,
    "INTRP": 2,
    "CR": 3,
    "EDGE": 4,
    "DETECTED": 5,
    "DETECTED_NEGATIVE": 6,
    "SUSPECT": 7,
    "NO_DATA": 8,
    "BRIGHT_OBJECT": 9,
    "CROSSTALK": 10,
    "NOT_DEBLENDED": 11,
    "UNMASKEDNAN": 12,
    "REJECTED": 13,
    "CLIPPED": 14,
    "SENSOR_EDGE": 15,
    "INEXACT_PSF": 16,
}
"""Bits of the mask planes in the HSC cut-outs of S18A; only for writing, never for reading."""


def write_calexp(
    path: str | Path,
    image: np.ndarray,
    mask: np.ndarray | None,
    variance: np.ndarray | None,
    wcs: WCS,
    filter_name: str,
    zero_point: float = ZERO_POINT_MAG,
    mask_planes: Mapping[str, int] = HSC_MASK_PLANES,
    header: Mapping[str, str | float | int | bool] | None = None,
) -> Path:
    """Write an image, its mask and its variance as the HSC pipeline lays out a calexp.

    Parameters
    ----------
    path : str or Path
        File to write; folders are made, and the file takes its name only once it is whole.
    image : ndarray of shape (Y, X)
        Counts at `zero_point`.
    mask : ndarray of shape (Y, X) or None
        Integer bit mask in `mask_planes`.
    variance : ndarray of shape (Y, X) or None
        Variance of `image`, counts squared.
    wcs : astropy.wcs.WCS
        Celestial WCS, written as a CD matrix.
    filter_name : str
        Such as ``HSC-I``.
    zero_point : float
        AB magnitude of one count; stored as ``FLUXMAG0``.
    mask_planes : mapping of str to int
        Bit of each plane, written as ``MP_*`` cards.
    header : mapping, optional
        Further cards of the primary header.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If image, mask and variance differ in shape.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from astropy.wcs import WCS
    >>> wcs = WCS(naxis=2)
    >>> wcs.wcs.ctype, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [-5e-5, 5e-5]
    >>> write_calexp(mkdtemp() + "/a.fits", np.zeros((8, 9)), None, None, wcs, "HSC-I").name
    'a.fits'
    """
    planes = {"IMAGE": (image, np.float32), "MASK": (mask, np.int32)}
    planes["VARIANCE"] = (variance, np.float32)
    cards = _cd_cards(wcs)
    hdus = fits.HDUList([fits.PrimaryHDU()])
    hdus[0].header.update({"FILTER": filter_name, "FLUXMAG0": 10 ** (0.4 * zero_point)})
    hdus[0].header.update(header or {})
    for name, (pixels, dtype) in planes.items():
        if pixels is None:
            continue
        if pixels.shape != image.shape:
            raise ValueError(f"{path}: {name} has shape {pixels.shape}, the image {image.shape}")
        hdu = fits.ImageHDU(np.asarray(pixels, dtype), cards, name=name)
        hdu.header["EXTTYPE"] = name
        if name == "MASK":
            hdu.header.update({_mask_card(plane): bit for plane, bit in mask_planes.items()})
        hdus.append(hdu)
    return _write_whole(hdus, Path(path))


def _cd_cards(wcs: WCS) -> fits.Header:
    """Return the WCS as header cards with a CD matrix in place of PC and CDELT."""
    cards = wcs.to_header(relax=True)
    for key in [key for key in cards if key.startswith(("PC", "CDELT"))]:
        del cards[key]
    matrix = wcs.pixel_scale_matrix
    cards.update({f"CD{i + 1}_{j + 1}": matrix[i, j] for i in (0, 1) for j in (0, 1)})
    return cards


def _mask_card(plane: str) -> str:
    """Return the keyword of a mask plane; long ones need the HIERARCH convention."""
    keyword = f"MP_{plane}"
    return keyword if len(keyword) <= 8 else f"HIERARCH {keyword}"


def _write_whole(hdus: fits.HDUList, path: Path) -> Path:
    """Write a file under a temporary name in its folder, then give it its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        hdus.writeto(temporary, overwrite=True)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
