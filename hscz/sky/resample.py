"""Images on another pixel grid, brought to the survey's.

Cubic interpolation times the ratio of pixel areas keeps the flux of well-sampled images to
0.1 % and widens the PSF by less than 1 %; linear interpolation and averaging kernels widen a
seeing of 0.75 arcsec by 1 to 8 %.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from reproject import reproject_interp
from scipy.ndimage import maximum_filter

from hscz.errors import InputError
from hscz.files.atomic import writing
from hscz.files.fresh import InputFile
from hscz.sky.fits import BandImage, Window, write_calexp
from hscz.sky.mask import NO_DATA
from hscz.sky.mosaic import Images, has_survey_pixels, is_aligned
from hscz.survey import PIXEL_SCALE_ARCSEC

STRIP_ROWS = 512
"""Rows made at a time, so that memory does not grow with the height of a mosaic."""

MARGIN_PX = 12
"""Input read around a strip; the reach of a cubic spline has died out by then."""

FINGERPRINT = "[0-9a-f]{32}"
"""What the card ORIGIN of a resampled file holds, see `_origin`."""

INTERPOLATION = {"IMAGE": "bicubic", "MASK": "nearest-neighbor", "VARIANCE": "bilinear"}


@dataclass(frozen=True, eq=False)
class Grid:
    """A pixel grid on the sky: a WCS and the shape (Y, X) of the image on it."""

    wcs: WCS
    shape: tuple[int, int]


def survey_grid(image: BandImage) -> Grid:
    """Return the north-up tangent grid of the survey's pixels that covers an image.

    Examples
    --------
    >>> wcs = WCS(naxis=2)
    >>> wcs.wcs.ctype, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [-0.2 / 3600, 0.2 / 3600]
    >>> survey_grid(BandImage(Path("a.fits"), "i", (210, 420), wcs, 27.0, {}, {})).shape
    (250, 500)
    """
    rows, columns = image.shape
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cdelt = [-PIXEL_SCALE_ARCSEC / 3600, PIXEL_SCALE_ARCSEC / 3600]
    wcs.wcs.crval = image.wcs.all_pix2world((columns - 1) / 2, (rows - 1) / 2, 0)
    edge = _rim((0, rows, 0, columns))
    reach_x, reach_y = wcs.all_world2pix(*image.wcs.all_pix2world(*edge, 0), 1)
    shape = (_even_side(reach_y), _even_side(reach_x))
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    return Grid(wcs, shape)


def common_grid(images: Images) -> Grid:
    """Return the grid of a patch: that of an image with the survey's pixels, i before others.

    A smaller image comes before a mosaic of many patches. Where none has such pixels, the grid is
    `survey_grid`.
    """
    there = sorted(
        (image for image in images if image is not None),
        key=lambda image: (not has_survey_pixels(image), np.prod(image.shape), image.band != "i"),
    )
    if has_survey_pixels(there[0]):
        return Grid(there[0].wcs, there[0].shape)
    return survey_grid(there[0])


def resample_patch(image: BandImage, grid: Grid, patch: str, folder: str | Path) -> Path:
    """Return the file of one band of a patch on a grid: as it is, or resampled.

    Parameters
    ----------
    image : BandImage
    grid : Grid
        As `common_grid` gives it.
    patch : str
        Name of the patch, for the file's.
    folder : str or Path
        Where the file is written; one that was made before from the same input is kept.

    Raises
    ------
    InputError
        If the image cannot be read or does not reach the grid.
    """
    if is_aligned(image, grid.wcs, grid.shape):
        return image.path
    if _window(image, grid.wcs, grid.shape) is None:
        raise InputError(
            f"{image.path}: does not reach patch {patch}; give band {image.band} an image that "
            "does, or make the band optional"
        )
    return resample_band(image, grid, Path(folder) / f"calexp-{image.band}-{patch}.fits")


def remove_others(folder: str | Path, kept: Collection[Path]) -> None:
    """Remove the files resampled before, such as of patches that are gone, but for those kept."""
    for path in set(Path(folder).glob("calexp-*.fits")) - set(kept):
        # ORIGIN is a common card; only with a fingerprint in it is the file one of these.
        if re.fullmatch(FINGERPRINT, _read_origin(path)):
            path.unlink()


def resample_band(image: BandImage, grid: Grid, path: str | Path) -> Path:
    """Resample one image onto a grid and write it as a calexp, strip by strip.

    Flux is conserved, and so is the variance of the flux summed over an area; single pixels
    scatter less than that, since interpolation correlates them. Mask bits are those of the
    nearest pixel. Pixels within two of a missing one, or outside the input, become NaN.

    Parameters
    ----------
    image : BandImage
    grid : Grid
        Such as `survey_grid` of the same or of another image.
    path : str or Path
        File to write. If it is there already and was made from the same input on the same
        grid, it is kept.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the input cannot be read.
    """
    path = Path(path)
    origin = _origin(image, grid)
    if _read_origin(path) == origin:
        return path
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as scratch:
        # Planes larger than memory lie in mapped files until they are written.
        planes = {
            name: np.memmap(
                Path(scratch) / name,
                np.int32 if name == "MASK" else np.float32,
                mode="w+",
                shape=grid.shape,
            )
            for name in image.hdus
        }
        for first in range(0, grid.shape[0], STRIP_ROWS):
            rows = slice(first, min(first + STRIP_ROWS, grid.shape[0]))
            for name, strip in _strip(image, grid, rows).items():
                planes[name][rows] = strip
        return write_calexp(
            path,
            planes["IMAGE"],
            planes.get("MASK"),
            planes.get("VARIANCE"),
            grid.wcs,
            image.band,
            mask_planes=image.mask_planes,
            header={"ORIGIN": origin},
        )


def _strip(image: BandImage, grid: Grid, rows: slice) -> dict[str, np.ndarray]:
    """Return the planes of some rows of the grid."""
    shape = (rows.stop - rows.start, grid.shape[1])
    target = grid.wcs.slice((rows, slice(None)))
    window = _window(image, target, shape)
    planes = {"IMAGE": np.full(shape, np.nan, np.float32)}
    planes |= {"MASK": np.zeros(shape, np.int32), "VARIANCE": planes["IMAGE"].copy()}
    if window is not None:
        y0, y1, x0, x1 = window
        source = image.wcs.slice((slice(y0, y1), slice(x0, x1)))
        pixels = dict(zip(INTERPOLATION, image.read(window), strict=True))
        for name, values in pixels.items():
            if values is not None:
                planes[name] = _onto(values, source, target, shape, name)
        area = (PIXEL_SCALE_ARCSEC / image.pixel_scale_arcsec) ** 2
        planes["IMAGE"] *= np.float32(area)
        planes["VARIANCE"] *= np.float32(area)
    planes["MASK"][np.isnan(planes["IMAGE"])] |= image.bits(NO_DATA)
    return {name: planes[name] for name in image.hdus}


def _onto(
    values: np.ndarray, source: WCS, target: WCS, shape: tuple[int, int], plane: str
) -> np.ndarray:
    """Interpolate one plane; where nothing is known, NaN or for the mask 0."""
    project = {"output_projection": target, "shape_out": shape, "return_footprint": False}
    # A spline would carry a single NaN along whole rows and columns.
    missing = ~np.isfinite(values)
    known = np.where(missing, 0, values).astype(np.float64)
    found = reproject_interp(
        (known, source), order=INTERPOLATION[plane], roundtrip_coords=False, **project
    )
    if plane == "MASK":
        return np.nan_to_num(found).astype(np.int32)
    if missing.any():
        grown = maximum_filter(missing, size=5).astype(np.float64)
        near = reproject_interp(
            (grown, source), order="nearest-neighbor", roundtrip_coords=False, **project
        )
        found[near != 0] = np.nan
    return found.astype(np.float32)


def _window(image: BandImage, target: WCS, shape: tuple[int, int]) -> Window | None:
    """Return the window of the input that a strip needs, None if they do not overlap."""
    sky = target.all_pix2world(*_rim((0, shape[0], 0, shape[1])), 0)
    x, y = image.wcs.all_world2pix(*sky, 0, quiet=True)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    (y0, y1), (x0, x1) = (
        (max(int(p.min()) - MARGIN_PX, 0), min(int(p.max()) + MARGIN_PX, side))
        for p, side in ((y, image.shape[0]), (x, image.shape[1]))
    )
    return (y0, y1, x0, x1) if y0 < y1 and x0 < x1 else None


def _rim(window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of points on and inside the outline of a window, 0-based."""
    y0, y1, x0, x1 = window
    x, y = np.meshgrid(np.linspace(x0 - 0.5, x1 - 0.5, 17), np.linspace(y0 - 0.5, y1 - 0.5, 17))
    return x.ravel(), y.ravel()


def _even_side(reach: np.ndarray) -> int:
    """Return how many whole pixels fit as far as the farthest point on both sides of 0."""
    return 2 * int(np.abs(reach).max() + 0.01)


def _origin(image: BandImage, grid: Grid) -> str:
    """Return a fingerprint of an input file and of the grid it is resampled to."""
    facts = (
        InputFile(image.path).content,
        image.zero_point,
        grid.shape,
        grid.wcs.to_header_string(),
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _read_origin(path: Path) -> str:
    """Return the fingerprint in a file made before, empty where there is none."""
    try:
        return str(fits.getheader(path).get("ORIGIN", ""))
    except OSError:
        return ""
