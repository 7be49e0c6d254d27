"""Speed of cutting stamps, in memory and from files, beside what a user would pick instead.

Each pair is run in turn several times and the best time of each is taken, so that a busy
moment of the machine does not fall on one side only.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from scipy.ndimage import gaussian_filter

from hscz.sky.cutouts import cut_tile, gather
from hscz.sky.fits import write_calexp
from hscz.sky.mask import mask_value
from hscz.sky.mosaic import assign, corner
from hscz.sky.region import open_region
from hscz.survey import BANDS, PIXEL_SCALE_ARCSEC

SIDE_PX, STAMP_PX, OBJECTS, LOOP_OBJECTS = 4200, 64, 3000, 60
BAND_NAMES = ("u", "g", "r", "i", "z", "y")


def run() -> dict[str, float]:
    """Measure everything and return rates in six-band stamps per second, and ratios."""
    return _in_memory(np.float32) | _in_memory(np.float16) | _from_files()


def _in_memory(dtype: type[np.floating]) -> dict[str, float]:
    """Compare `gather` with a loop of `Cutout2D` and with a plain copy of the same stamps."""
    rng = np.random.default_rng([20, 1])
    plane = rng.normal(size=(SIDE_PX, SIDE_PX)).astype(dtype)
    cube = np.stack([np.roll(plane, shift) for shift in range(len(BAND_NAMES))])
    x, y = rng.integers(STAMP_PX, SIDE_PX - STAMP_PX, size=(2, OBJECTS))
    stamps = np.zeros((OBJECTS, len(cube), STAMP_PX, STAMP_PX), dtype)
    out, looped = np.zeros_like(stamps), np.zeros_like(stamps)

    x0, y0 = corner(x, STAMP_PX), corner(y, STAMP_PX)

    def cutout_loop() -> None:
        for index, position in enumerate(zip(x, y, strict=True)):
            for band, image in enumerate(cube):
                looped[index, band] = Cutout2D(image, position, STAMP_PX).data

    ours_s, loop_s, copy_s, new_s, new_copy_s = _best(
        [
            lambda: gather(cube, x0, y0, STAMP_PX, out=stamps),
            cutout_loop,
            lambda: np.copyto(out, stamps),
            lambda: gather(cube, x0, y0, STAMP_PX),
            lambda: stamps.copy(),
        ],
        7,
    )
    if not np.array_equal(stamps, looped):
        raise AssertionError("gather and Cutout2D cut different pixels")
    name = f"gather_{np.dtype(dtype).name}"
    return {
        f"{name}_stamps_per_s": OBJECTS / ours_s,
        f"{name}_over_cutout2d_loop": loop_s / ours_s,
        f"{name}_over_memory_copy": new_copy_s / new_s,
        f"{name}_over_memory_copy_in_place": copy_s / ours_s,
    }


def _from_files() -> dict[str, float]:
    """Compare files to stamps, noise, seeing and flags with the loop that only cuts stamps."""
    with tempfile.TemporaryDirectory() as folder:
        pattern = _write_mosaic(Path(folder))
        rng = np.random.default_rng([20, 2])
        tiles = open_region(
            dict.fromkeys(BAND_NAMES, pattern), tile_px=SIDE_PX, stamp_px=STAMP_PX
        ).tiles
        x, y = rng.uniform(STAMP_PX, SIDE_PX - STAMP_PX, size=(2, OBJECTS))
        ra, dec = tiles[0].wcs.all_pix2world(x, y, 0)

        def ours() -> None:
            _, x, y = assign(tiles, ra, dec, STAMP_PX)
            cut_tile(tiles[0], x, y, STAMP_PX)

        def user_loop() -> None:
            for position in SkyCoord(ra[:LOOP_OBJECTS] * u.deg, dec[:LOOP_OBJECTS] * u.deg):
                for band in tiles[0].bands:
                    with fits.open(band.path, memmap=True) as hdus:
                        wcs = WCS(hdus[1].header)
                        Cutout2D(hdus[1].data, position, STAMP_PX, wcs=wcs, copy=True)

        ours_s, loop_s = _best([ours, user_loop], 3)
    loop_s *= OBJECTS / LOOP_OBJECTS
    return {
        "files_stamps_per_s": OBJECTS / ours_s,
        "files_over_user_loop": loop_s / ours_s,
    }


def _write_mosaic(folder: Path) -> str:
    """Write six calexp files of noise and point sources; return their pattern."""
    rng = np.random.default_rng([20, 3])
    image = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    image[tuple(rng.integers(0, SIDE_PX, size=(2, 5000)))] = rng.uniform(10, 1000, size=5000)
    image = gaussian_filter(image, 1.8) + rng.normal(0, 0.03, size=image.shape)
    mask = np.where(image > 0.1, mask_value("DETECTED"), 0)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.0, 2.0]
    wcs.wcs.crpix = [SIDE_PX / 2, SIDE_PX / 2]
    wcs.wcs.cdelt = [-PIXEL_SCALE_ARCSEC / 3600, PIXEL_SCALE_ARCSEC / 3600]
    for band in BAND_NAMES:
        path = folder / f"calexp-{BANDS[band].filter_name}.fits"
        write_calexp(path, image, mask, None, wcs, BANDS[band].filter_name)
    return str(folder / "calexp-{filter}.fits")


def _best(functions: list[Callable[[], object]], repeats: int) -> list[float]:
    """Run the functions in turn and return the shortest time of each in seconds."""
    seconds = np.full((repeats, len(functions)), np.inf)
    for repeat in range(repeats):
        for number, function in enumerate(functions):
            start = time.perf_counter()
            function()
            seconds[repeat, number] = time.perf_counter() - start
    return seconds.min(axis=0).tolist()


if __name__ == "__main__":
    for key, value in run().items():
        print(f"{key:40s} {value:12,.2f}")
