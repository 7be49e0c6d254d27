"""Mosaics: aligned images of one patch, and which tile of them an object is cut from.

A tile is a window of a set of aligned band images, small enough for one worker's memory. Tiles
overlap: patches of the survey do so by themselves, and windows of a larger image are laid so
that a stamp which is whole in the image is whole in some tile.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS

from hscz.errors import ConfigError, InputError
from hscz.sky.fits import BandImage, Window
from hscz.sky.sphere import unit_vectors
from hscz.survey import PIXEL_SCALE_ARCSEC

Images = tuple[BandImage | None, ...]
"""The images of one patch, one per band; None where an optional band has none."""

MAX_MISALIGNMENT_PX = 0.05
"""Largest distance between the same pixel of two bands of one tile."""


@dataclass(frozen=True, eq=False)
class Tile:
    """A window of the aligned images of one patch, the unit of work of one Dask task.

    Attributes
    ----------
    name : str
        Unique in its field; fit for a file name.
    bands : tuple of BandImage or None
        One per band, on the same pixel grid; None where an optional band has no image.
    window : tuple of int
        (y0, y1, x0, x1) in those images.
    optional : frozenset of str
        Bands that an object may lack.
    """

    name: str
    bands: Images
    window: Window
    optional: frozenset[str] = frozenset()

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) of the window."""
        y0, y1, x0, x1 = self.window
        return (y1 - y0, x1 - x0)

    @property
    def wcs(self) -> WCS:
        """WCS of the window."""
        y0, y1, x0, x1 = self.window
        return first_image(self.bands).wcs.slice((slice(y0, y1), slice(x0, x1)))


def first_image(images: Images) -> BandImage:
    """Return the first image there is; a patch has at least one."""
    return next(image for image in images if image is not None)


def divide(
    patch: str, images: Images, tile_px: int, stamp_px: int, optional: Collection[str] = ()
) -> list[Tile]:
    """Divide the images of one patch into tiles.

    Parameters
    ----------
    patch : str
        Its name.
    images : tuple of BandImage or None
    tile_px : int
        Largest side of a tile; larger images become windows that overlap by `stamp_px`.
    stamp_px : int
        Side of the stamps that are to be cut.
    optional : collection of str
        Bands that an object may lack.

    Raises
    ------
    ConfigError
        If a tile holds no stamp.
    """
    if tile_px <= stamp_px:
        raise ConfigError(f"tile_px is {tile_px}, not larger than stamp_px, {stamp_px}")
    windows = _windows(first_image(images).shape, tile_px, stamp_px)
    names = [f"{patch}+{y0}+{x0}" if len(windows) > 1 else patch for y0, _, x0, _ in windows]
    return [
        Tile(name, images, window, frozenset(optional))
        for name, window in zip(names, windows, strict=True)
    ]


def assign(
    tiles: Sequence[Tile], ra_deg: np.ndarray, dec_deg: np.ndarray, stamp_px: int = 64
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Choose for each object the tile that holds its whole stamp, farthest from an edge.

    The stamp of an object at pixel (x, y) covers the rows ``floor(y + 0.5) - stamp_px // 2``
    and on, so that the object's own pixel has the index ``stamp_px // 2``; columns likewise.

    Parameters
    ----------
    tiles : sequence of Tile
    ra_deg, dec_deg : ndarray of shape (n,)
        ICRS positions.
    stamp_px : int
        Side of the stamps.

    Returns
    -------
    tile_index : ndarray of int32, shape (n,)
        Index into `tiles`, -1 where no tile holds the whole stamp.
    x, y : ndarray of float64, shape (n,)
        0-based position in the tile, NaN where there is none.

    Examples
    --------
    >>> assign([], np.array([150.0]), np.array([2.0]))
    (array([-1], dtype=int32), array([nan]), array([nan]))
    """
    ra_deg, dec_deg = np.asarray(ra_deg, float), np.asarray(dec_deg, float)
    tile_index = np.full(ra_deg.shape, -1, np.int32)
    x_best, y_best = np.full(ra_deg.shape, np.nan), np.full(ra_deg.shape, np.nan)
    margin = np.full(ra_deg.shape, -np.inf)
    by_dec, vectors = np.argsort(dec_deg), unit_vectors(ra_deg, dec_deg)
    for index, tile in enumerate(tiles):
        near = _near(tile, dec_deg, vectors, by_dec)
        x, y = tile.wcs.all_world2pix(ra_deg[near], dec_deg[near], 0, quiet=True)
        edge = np.minimum(
            np.minimum(x, tile.shape[1] - 1 - x), np.minimum(y, tile.shape[0] - 1 - y)
        )
        better = holds_stamp(tile.shape, x, y, stamp_px) & (edge > margin[near])
        chosen = near[better]
        tile_index[chosen], margin[chosen] = index, edge[better]
        x_best[chosen], y_best[chosen] = x[better], y[better]
    return tile_index, x_best, y_best


def corner(position: np.ndarray, stamp_px: int) -> np.ndarray:
    """Return the first row (or column) of the stamps around pixel positions.

    Examples
    --------
    >>> corner(np.array([100.4, 100.6]), 64)
    array([68, 69])
    """
    return np.floor(np.asarray(position) + 0.5).astype(np.int64) - stamp_px // 2


def holds_stamp(shape: tuple[int, int], x: np.ndarray, y: np.ndarray, stamp_px: int) -> np.ndarray:
    """Return whether stamps around pixel positions lie wholly inside an image.

    Examples
    --------
    >>> holds_stamp((100, 100), np.array([32.0, 31.0, np.nan]), np.full(3, 50.0), 64)
    array([ True, False, False])
    """
    inside = np.isfinite(x) & np.isfinite(y)
    for position, side in ((x, shape[1]), (y, shape[0])):
        first = corner(np.where(inside, position, -1.0), stamp_px)
        inside = inside & (first >= 0) & (first + stamp_px <= side)
    return inside


def check_grid(images: Images) -> None:
    """Refuse bands on different pixel grids and pixels of another size than the survey's.

    Raises
    ------
    InputError
    """
    first = first_image(images)
    for image in images:
        if image is not None and not is_aligned(image, first.wcs, first.shape):
            raise InputError(
                f"{image.path}: is not on the pixel grid of {first.path} (shapes {image.shape} and "
                f"{first.shape}, corners up to {_offset_px(image, first.wcs, first.shape):.3g} px "
                "apart); resample the bands to one grid with resample = true"
            )
    if not has_survey_pixels(first):
        sides = dict.fromkeys(f"{side:.4g}" for side in first.pixel_sides_arcsec)
        raise InputError(
            f"{first.path}: has pixels of {' x '.join(sides)} arcsec, the survey's are "
            f"{PIXEL_SCALE_ARCSEC}; resample it with resample = true"
        )


def is_aligned(image: BandImage, wcs: WCS, shape: tuple[int, int]) -> bool:
    """Return whether an image is on a pixel grid, to `MAX_MISALIGNMENT_PX`."""
    return image.shape == shape and bool(_offset_px(image, wcs, shape) <= MAX_MISALIGNMENT_PX)


def has_survey_pixels(image: BandImage) -> bool:
    """Return whether the pixels of an image are of the survey's size, to 1 %."""
    return bool((np.abs(image.pixel_sides_arcsec / PIXEL_SCALE_ARCSEC - 1) <= 0.01).all())


def _offset_px(image: BandImage, wcs: WCS, shape: tuple[int, int]) -> float:
    """Return the largest distance between the corners of a grid and those of an image."""
    x, y = _corners(shape)
    found = image.wcs.all_world2pix(*wcs.all_pix2world(x, y, 0), 0, quiet=True)
    return float(np.max(np.hypot(found[0] - x, found[1] - y)))


def _corners(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of the outer corners of an image."""
    x, y = np.meshgrid([-0.5, shape[1] - 0.5], [-0.5, shape[0] - 0.5])
    return x.ravel(), y.ravel()


def _windows(shape: tuple[int, int], tile_px: int, stamp_px: int) -> list[Window]:
    """Divide an image into equal windows that overlap by at least `stamp_px`."""
    rows, columns = (_spans(side, tile_px, stamp_px) for side in shape)
    return [(y0, y1, x0, x1) for y0, y1 in rows for x0, x1 in columns]


def _spans(side: int, tile_px: int, overlap: int) -> list[tuple[int, int]]:
    """Divide one side into the fewest equal spans that overlap."""
    count = max(1, -(-(side - overlap) // (tile_px - overlap)))
    length = -(-(side + (count - 1) * overlap) // count)
    starts = np.linspace(0, max(side - length, 0), count).astype(int)
    return [(int(start), min(int(start) + length, side)) for start in starts]


def _near(tile: Tile, dec_deg: np.ndarray, vectors: np.ndarray, by_dec: np.ndarray) -> np.ndarray:
    """Return the objects in the circle around a tile, given their order in declination."""
    corners = unit_vectors(*tile.wcs.all_pix2world(*_corners(tile.shape), 0))
    centre = corners.mean(axis=0) / np.linalg.norm(corners.mean(axis=0))
    cosine = (corners @ centre).min()
    dec, reach = np.degrees(np.arcsin(centre[2])), np.degrees(np.arccos(cosine))
    low, high = np.searchsorted(dec_deg, [dec - reach, dec + reach], sorter=by_dec)
    strip = by_dec[low:high]
    return strip[vectors[strip] @ centre >= cosine]
