"""Stamps cut out of tiles: the pixels, their noise and PSF, and what is wrong with them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from hscz.errors import InputError
from hscz.schema import Flag, is_usable
from hscz.sky.fits import BandImage
from hscz.sky.mask import BRIGHT_STAR, DETECTED, EDGE, NO_DATA, SATURATED, TRAILS
from hscz.sky.mosaic import Tile, corner, holds_stamp
from hscz.sky.noise import LAGS_PX, sky_correlation, stamp_sky_noise
from hscz.sky.psf import PsfFiles
from hscz.sky.psf_stars import HALF_PX, LocalPsf, local_psf

SATURATION_RADIUS_PX = 10
"""Saturated pixels within this distance of the centre set `Flag.SATURATED`."""

SKY_STAMPS = 256
"""Random places of a tile on which the correlation of its sky is measured."""


@dataclass(frozen=True)
class TileCuts:
    """What is cut from one tile for n objects.

    Attributes
    ----------
    images : ndarray of float16, shape (n, band, s, s)
        Counts at zero point 27. Missing pixels are 0 and their object is flagged; a band that
        an object lacks is NaN throughout.
    sky_noise : ndarray of float32, shape (n, band)
        Counts per pixel; NaN where it could not be measured.
    psf_fwhm_arcsec : ndarray of float32, shape (n, band)
        NaN where it is not known.
    flags : ndarray of int32, shape (n,)
        Bits of `hscz.schema.Flag`.
    psf : ndarray of float32, shape (band, p, p)
        The stacked stars of the tile, see `hscz.sky.psf_stars.LocalPsf`; NaN where there are few.
    sky_correlation : ndarray of float32, shape (band, l, l)
        How pixels of its sky correlate, see `hscz.sky.noise.sky_correlation`.
    unread : list of InputError
        Why images of optional bands could not be read.
    """

    images: np.ndarray
    sky_noise: np.ndarray
    psf_fwhm_arcsec: np.ndarray
    flags: np.ndarray
    psf: np.ndarray
    sky_correlation: np.ndarray
    unread: list[InputError] = field(default_factory=list)

    @classmethod
    def blank(cls, n: int, bands: int, stamp_px: int) -> TileCuts:
        """Return what is known of n objects before any band is read."""
        sides = 2 * HALF_PX + 1, 2 * LAGS_PX + 1
        psf, correlation = (np.full((bands, side, side), np.nan, np.float32) for side in sides)
        return cls(
            np.full((n, bands, stamp_px, stamp_px), np.nan, np.float16),
            np.full((n, bands), np.nan, np.float32),
            np.full((n, bands), np.nan, np.float32),
            np.zeros(n, np.int32),
            psf,
            correlation,
        )


def gather(
    cube: np.ndarray, x0: np.ndarray, y0: np.ndarray, size: int, out: np.ndarray | None = None
) -> np.ndarray:
    """Copy square stamps out of a stack of images.

    Parameters
    ----------
    cube : ndarray of shape (band, Y, X)
        Rows contiguous in memory.
    x0, y0 : ndarray of int, shape (n,)
        First column and row of each stamp.
    size : int
        Side of the stamps in pixels.
    out : ndarray of shape (n, band, size, size), optional
        Where to put them, contiguous and of the type of `cube`.

    Returns
    -------
    ndarray of shape (n, band, size, size)

    Raises
    ------
    ValueError
        If a stamp reaches over the edge, or the arrays are laid out otherwise.

    Examples
    --------
    >>> cube = np.arange(2 * 5 * 6).reshape(2, 5, 6)
    >>> gather(cube, np.array([1]), np.array([2]), 2)[0, 0]
    array([[13, 14],
           [19, 20]])
    """
    x0, y0 = np.asarray(x0), np.asarray(y0)
    bands, rows, columns = cube.shape
    if out is None:
        out = np.empty((len(x0), bands, size, size), cube.dtype)
    if out.shape != (len(x0), bands, size, size) or out.dtype != cube.dtype:
        raise ValueError(f"out is {out.shape} {out.dtype}, for {len(x0)} stamps of {cube.dtype}")
    if cube.strides[2] != cube.itemsize or not out.flags.c_contiguous:
        raise ValueError("the rows of cube and the whole of out must be contiguous in memory")
    if len(x0) == 0:
        return out
    if min(x0.min(), y0.min()) < 0 or x0.max() + size > columns or y0.max() + size > rows:
        raise ValueError(f"a stamp of {size} px reaches over the edge of {rows} x {columns} px")
    # numpy copies item by item, so a whole stamp row is made one item; and in this order the
    # rows that neighbouring stamps share are still in the cache.
    item = np.dtype((np.void, size * cube.itemsize))
    starts = sliding_window_view(cube, size, axis=2).view(item)[..., 0]
    windows = sliding_window_view(starts, size, axis=1).transpose(1, 2, 0, 3)
    stamps = out.view(item)[..., 0]
    order = np.lexsort((x0, y0 // size))
    for index, y, x in zip(order.tolist(), y0[order].tolist(), x0[order].tolist(), strict=True):
        stamps[index] = windows[y, x]
    return out


def to_half(stamps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert stamps to float16, clipping what it cannot hold instead of making it infinite.

    A count of 65504, the largest, is a magnitude of 15 in one pixel; the steps of the type are
    at most 0.05 % of a value, far below the noise of the sky.

    Parameters
    ----------
    stamps : ndarray of shape (n, s, s)

    Returns
    -------
    stamps : ndarray of float16, shape (n, s, s)
    clipped : ndarray of bool, shape (n,)
        Whether a pixel of the stamp was clipped.

    Examples
    --------
    >>> half, clipped = to_half(np.array([[[1e5]], [[1.0]]]))
    >>> half.ravel(), clipped
    (array([6.55e+04, 1.00e+00], dtype=float16), array([ True, False]))
    """
    largest = float(np.finfo(np.float16).max)
    clipped = (stamps.max(axis=(1, 2)) > largest) | (stamps.min(axis=(1, 2)) < -largest)
    return np.clip(stamps, -largest, largest).astype(np.float16), clipped


def cut_tile(
    tile: Tile, x: np.ndarray, y: np.ndarray, stamp_px: int = 64, psf: PsfFiles | None = None
) -> TileCuts:
    """Cut the stamps of n objects from a tile, one band in memory at a time.

    An object has an optional band only where its stamp is whole and has a measurable noise;
    elsewhere its plane is NaN and the band sets no flag.

    Parameters
    ----------
    tile : Tile
    x, y : ndarray of shape (n,)
        0-based positions in the tile, as `hscz.sky.mosaic.assign` gives them.
    stamp_px : int
        Side of the stamps; the object's pixel has the index ``stamp_px // 2``.
    psf : PsfFiles, optional
        Models of the PSF; where there is none near, its width is that of the stars around.

    Returns
    -------
    TileCuts

    Raises
    ------
    ValueError
        If a stamp is not wholly inside the tile.
    InputError
        If a file of a band that is not optional cannot be read.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if not holds_stamp(tile.shape, x, y, stamp_px).all():
        raise ValueError(f"tile {tile.name}: {tile.shape} px do not hold every stamp")
    cuts = TileCuts.blank(len(x), len(tile.bands), stamp_px)
    for number, band in enumerate(tile.bands):
        if band is None:
            continue
        try:
            one = _cut_band(tile, band, x, y, stamp_px)
        except InputError as error:
            if band.band not in tile.optional:
                raise
            cuts.unread.append(error)
            continue
        there = np.full(len(x), True)
        if band.band in tile.optional:
            there = is_usable(one.flags)
        psf_fwhm = one.psf.fwhm_arcsec
        if psf is not None:
            near = psf.psf_fwhm_arcsec(band.band, *tile.wcs.all_pix2world(x, y, 0))
            psf_fwhm = np.where(np.isnan(near), psf_fwhm, near)
        cuts.images[there, number] = one.stamps[there]
        cuts.sky_noise[there, number] = one.noise[there]
        cuts.psf_fwhm_arcsec[there, number] = psf_fwhm[there]
        cuts.flags[there] |= one.flags[there]
        cuts.psf[number], cuts.sky_correlation[number] = one.psf.image, one.sky_correlation
    return cuts


@dataclass(frozen=True)
class _BandCuts:
    """What is cut from one band of a tile."""

    stamps: np.ndarray
    noise: np.ndarray
    flags: np.ndarray
    psf: LocalPsf
    sky_correlation: np.ndarray


def _cut_band(
    tile: Tile, band: BandImage, x: np.ndarray, y: np.ndarray, stamp_px: int
) -> _BandCuts:
    """Cut the stamps of one band and measure its noise and PSF."""
    x0, y0 = corner(x, stamp_px), corner(y, stamp_px)
    plane, mask = band.read_image(tile.window), band.read_mask(tile.window)
    # Saturated stars are left out, where the mask marks them.
    unusable = None if mask is None else band.mask_bit(mask, SATURATED, NO_DATA)
    psf = local_psf(plane, band.pixel_scale_arcsec, x, y, unusable)
    correlation = _sky_correlation(tile, band, plane, mask, stamp_px)
    stamps = gather(plane[None], x0, y0, stamp_px)[:, 0]
    bits = None if mask is None else gather(mask[None], x0, y0, stamp_px)[:, 0]
    del plane, mask, unusable
    missing = _missing(band, stamps, bits)
    stamps[missing] = np.nan
    noise = stamp_sky_noise(stamps, _detected(band, bits))
    stamps[missing] = 0.0
    half, clipped = to_half(stamps)
    flags = _defects(band, bits, missing)
    flags |= np.where(clipped, Flag.CLIPPED, 0) | np.where(noise > 0, 0, Flag.NO_NOISE)
    return _BandCuts(half, noise, flags.astype(np.int32), psf, correlation)


def _sky_correlation(
    tile: Tile, band: BandImage, plane: np.ndarray, mask: np.ndarray | None, size: int
) -> np.ndarray:
    """Measure the correlation of the sky at random places, the same ones in every band."""
    rng = np.random.default_rng(zlib.crc32(tile.name.encode()))
    y0, x0 = (rng.integers(0, side - size + 1, SKY_STAMPS) for side in plane.shape)
    stamps = gather(plane[None], x0, y0, size)[:, 0]
    bits = None if mask is None else gather(mask[None], x0, y0, size)[:, 0]
    detected = _detected(band, bits)
    if bits is not None and detected is not None:
        detected |= band.mask_bit(bits, BRIGHT_STAR, NO_DATA)
    return sky_correlation(stamps, detected)


def _missing(band: BandImage, stamps: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
    """Return which pixels hold no measurement: not finite, or masked as NO_DATA."""
    missing = ~np.isfinite(stamps)
    return missing if bits is None else missing | band.mask_bit(bits, NO_DATA)


def _detected(band: BandImage, bits: np.ndarray | None) -> np.ndarray | None:
    """Return which pixels the pipeline found sources on, None where it does not say."""
    if bits is None or DETECTED not in band.mask_planes:
        return None
    return band.mask_bit(bits, DETECTED)


def _defects(band: BandImage, bits: np.ndarray | None, missing: np.ndarray) -> np.ndarray:
    """Return the flags of each stamp that follow from its pixels and its mask."""
    side = missing.shape[-1]
    flags = np.where(missing.any(axis=(1, 2)), Flag.MISSING_PIXELS, 0)
    flags |= np.where(missing.all(axis=(1, 2)), Flag.ALL_MASKED, 0)
    if bits is not None:
        axis = np.arange(side) - side // 2
        near = axis[:, None] ** 2 + axis**2 <= SATURATION_RADIUS_PX**2
        saturated = band.mask_bit(bits[:, near], SATURATED).any(axis=1)
        bright = band.mask_bit(bits[:, side // 2, side // 2], BRIGHT_STAR)
        anywhere = np.bitwise_or.reduce(bits, axis=(1, 2))
        trail = band.mask_bit(anywhere, *TRAILS)
        edge = band.mask_bit(anywhere, EDGE)
        flags |= np.where(saturated, Flag.SATURATED, 0) | np.where(bright, Flag.BRIGHT_OBJECT, 0)
        flags |= np.where(trail, Flag.TRAIL, 0) | np.where(edge, Flag.EDGE, 0)
    return flags.astype(np.int32)
