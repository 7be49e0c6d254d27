"""Mosaics: which files hold the bands of each patch, and which tile an object is cut from.

A tile is a window of a set of aligned band images, small enough for one worker's memory. Tiles
overlap: patches of the survey do so by themselves, and windows of a larger image are laid so
that a stamp which is whole in the image is whole in some tile.
"""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.wcs import WCS

from hscz import survey
from hscz.errors import ConfigError, InputError
from hscz.sky.fits import BandImage, Window, open_band
from hscz.sphere import unit_vectors
from hscz.survey import PIXEL_SCALE_ARCSEC

_log = logging.getLogger("hscz")

MAX_MISALIGNMENT_PX = 0.05
"""Largest distance between the same pixel of two bands of one tile."""


@dataclass(frozen=True, eq=False)
class Tile:
    """A window of the aligned images of one patch, the unit of work of one Dask task.

    Attributes
    ----------
    name : str
        Unique in its field; fit for a file name.
    bands : tuple of BandImage
        One per band, on the same pixel grid.
    window : tuple of int
        (y0, y1, x0, x1) in those images.
    """

    name: str
    bands: tuple[BandImage, ...]
    window: Window

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) of the window."""
        y0, y1, x0, x1 = self.window
        return (y1 - y0, x1 - x0)

    @property
    def wcs(self) -> WCS:
        """WCS of the window."""
        y0, y1, x0, x1 = self.window
        return self.bands[0].wcs.slice((slice(y0, y1), slice(x0, x1)))


def find_files(pattern: str, bands: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """Find the files of a field and sort them into patches.

    Patches that lack a band are left out, with a warning in the log "hscz" that names them:
    HSC observed beyond the footprint of CLAUDS, so at the border of a field that is normal.

    Parameters
    ----------
    pattern : str
        Path with ``{filter}`` (``HSC-I``) or ``{band}`` (``i``), and ``{tract}`` and ``{patch}``
        where the files have them.
    bands : sequence of str
        Short names, blue to red.

    Returns
    -------
    dict of str to tuple of Path
        One file per band, by patch name such as ``9813-4,4``; where the pattern has neither
        tract nor patch, by the file's name without the band.

    Raises
    ------
    ConfigError
        If the pattern does not tell the bands apart.
    InputError
        If no file of a band matches, or no patch has all bands.

    Examples
    --------
    >>> find_files("/nowhere/calexp-{filter}-{tract}-{patch}.fits", ["g", "i"])
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: /nowhere/calexp-HSC-G-*-*.fits: no file matches; ...
    """
    if len(bands) > 1 and not re.search(r"\{(filter|band)\}", pattern):
        raise ConfigError(f"{pattern}: has neither {{filter}} nor {{band}}, so bands share a file")
    found = [_find_band(pattern, band) for band in bands]
    names = sorted(set().union(*found))
    lacking = {b: [n for n in names if n not in f] for b, f in zip(bands, found, strict=True)}
    whole = [name for name in names if all(name in files for files in found)]
    if not whole:
        worst = max(lacking, key=lambda band: len(lacking[band]))
        raise InputError(
            f"{pattern}: none of {len(names)} patches has all bands, {len(lacking[worst])} lack "
            f"band {worst} ({survey.band(worst).filter_name}); add its files or drop the band"
        )
    for band, left_out in lacking.items():
        if left_out:
            _log.warning(
                "%s: %d of %d patches lack band %s and are left out: %s",
                *(pattern, len(left_out), len(names), band, _shortened(left_out)),
            )
    return {name: tuple(files[name] for files in found) for name in whole}


def find_tiles(
    pattern: str,
    bands: Sequence[str],
    tile_px: int = 4200,
    stamp_px: int = 64,
    zero_point: float | None = None,
) -> list[Tile]:
    """Find the images of a field and divide them into tiles, reading headers only.

    Parameters
    ----------
    pattern : str
        As for `find_files`.
    bands : sequence of str
        Short names, blue to red.
    tile_px : int
        Largest side of a tile; larger images become windows that overlap by `stamp_px`.
    stamp_px : int
        Side of the stamps that are to be cut.
    zero_point : float, optional
        AB zero point of images whose headers have none.

    Returns
    -------
    list of Tile

    Raises
    ------
    ConfigError
        If the pattern does not tell the bands apart or a tile holds no stamp.
    InputError
        As `find_files`, and if files are unusable, the bands of a patch are on different grids,
        or their pixels are not of the survey's size.
    """
    if tile_px <= stamp_px:
        raise ConfigError(f"tile_px is {tile_px}, not larger than stamp_px, {stamp_px}")
    tiles = []
    for patch, paths in find_files(pattern, bands).items():
        images = tuple(open_band(path, b, zero_point) for path, b in zip(paths, bands, strict=True))
        _check_grid(images)
        windows = _windows(images[0].shape, tile_px, stamp_px)
        for window in windows:
            name = patch if len(windows) == 1 else f"{patch}+{window[0]}+{window[2]}"
            tiles.append(Tile(name, images, window))
    return tiles


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


def wildcard(pattern: str, band: str) -> tuple[str, str]:
    """Return the shell pattern of the files of one band, and the expression they must match.

    Raises
    ------
    ConfigError
        If the pattern has a placeholder that is not known.

    Examples
    --------
    >>> wildcard("{filter}-{patch}.fits", "i")[0]
    'HSC-I-*.fits'
    """
    known = {"filter": survey.band(band).filter_name, "band": band}
    words = re.split(r"\{(\w+)\}", pattern)
    shell, expression, seen = "", "", set[str]()
    for position, word in enumerate(words):
        literal = word if position % 2 == 0 else known.get(word)
        if literal is not None:
            shell, expression = shell + glob.escape(literal), expression + re.escape(literal)
        elif word in ("tract", "patch"):
            shell += "*"
            expression += f"(?P={word})" if word in seen else f"(?P<{word}>[^/-]+)"
            seen.add(word)
        else:
            raise ConfigError(
                f"{pattern}: {{{word}}} is unknown; use filter, band, tract and patch"
            )
    return shell, expression


def _shortened(names: Sequence[str], most: int = 10) -> str:
    """Join names for a message, as many as one can read."""
    return ", ".join([*names[:most], f"and {len(names) - most} more"][: min(len(names), most + 1)])


def _find_band(pattern: str, band: str) -> dict[str, Path]:
    """Return the files of one band by patch name."""
    shell, expression = wildcard(pattern, band)
    hits = ((path, re.fullmatch(expression, path)) for path in sorted(glob.glob(shell)))
    files = {_patch_name(hit.groupdict(), pattern): Path(path) for path, hit in hits if hit}
    if not files:
        raise InputError(f"{shell}: no file matches; correct the pattern {pattern!r}")
    return files


def _patch_name(place: dict[str, str], pattern: str) -> str:
    """Name a patch by tract and patch or, without them, by the file name less the band."""
    if place:
        return "-".join(place[key] for key in ("tract", "patch") if key in place)
    stem = re.sub(r"[-_.]*\{\w+\}", "", Path(pattern).name.split(".fits")[0])
    return stem.strip("-_.") or "image"


def _check_grid(images: Sequence[BandImage]) -> None:
    """Refuse bands on different pixel grids and pixels of another size than the survey's."""
    first = images[0]
    x, y = _corners(first.shape)
    for image in images[1:]:
        found = image.wcs.all_world2pix(*first.wcs.all_pix2world(x, y, 0), 0, quiet=True)
        offset = np.max(np.hypot(found[0] - x, found[1] - y))
        if image.shape != first.shape or not offset <= MAX_MISALIGNMENT_PX:
            raise InputError(
                f"{image.path}: is not on the pixel grid of {first.path} (shapes {image.shape} and "
                f"{first.shape}, corners up to {offset:.3g} px apart); resample the bands to one "
                "grid with resample = true"
            )
    scale = first.pixel_scale_arcsec
    if abs(scale / PIXEL_SCALE_ARCSEC - 1) > 0.01:
        raise InputError(
            f"{first.path}: has pixels of {scale:.4g} arcsec, the survey's are "
            f"{PIXEL_SCALE_ARCSEC}; resample it with resample = true"
        )


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
