"""The images of a whole field: patches that are fit for use, and those left out and why.

Only headers are read here, and pixels where images must be resampled. One bad file among
hundreds costs its patch, not the run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import dask
import numpy as np

from hscz.errors import InputError
from hscz.sky.fits import BandImage, open_band
from hscz.sky.mosaic import Images, Tile, assign, check_grid, divide, first_image
from hscz.sky.patches import LeftOut, find_patches, list_files
from hscz.sky.resample import Grid, common_grid, remove_others, resample_patch


@dataclass(frozen=True)
class Region:
    """What a field's images are cut from.

    Attributes
    ----------
    tiles : list of Tile
    left_out : list of LeftOut
        What the tiles go without.
    footprints : dict of str to Tile
        The sky of patches that were left out, by patch, where one of their images gives it.
    first : BandImage
        First image of the first patch, as it came.
    """

    tiles: list[Tile]
    left_out: list[LeftOut]
    footprints: dict[str, Tile]
    first: BandImage

    def lost_by_patch(
        self, ra_deg: np.ndarray, dec_deg: np.ndarray, stamp_px: int
    ) -> list[LeftOut]:
        """Return `left_out` with the number of objects, out of those in no tile, that it costs.

        Parameters
        ----------
        ra_deg, dec_deg : ndarray of shape (n,)
            Objects that no tile holds.
        stamp_px : int
        """
        names = list(self.footprints)
        index, _, _ = assign(list(self.footprints.values()), ra_deg, dec_deg, stamp_px)
        counts = np.bincount(index[index >= 0], minlength=len(names)).tolist()
        lost = dict(zip(names, counts, strict=True))
        return [
            replace(one, n_objects=lost.get(one.patch, -1)) if one.n_objects else one
            for one in self.left_out
        ]


def open_region(
    patterns: Mapping[str, str],
    zero_points: Mapping[str, float | None] | None = None,
    optional: Collection[str] = (),
    tile_px: int = 4200,
    stamp_px: int = 64,
    folder: Path | None = None,
) -> Region:
    """Open all images of a field, bring them to one grid if asked to, and divide them into tiles.

    Resampling is one Dask task per image that is not on its patch's grid; images already made
    are kept.

    Parameters
    ----------
    patterns : mapping of str to str
        Path pattern of each band, blue to red, as for `hscz.sky.patches.find_patches`.
    zero_points : mapping of str to float or None, optional
        AB zero points of images whose headers have none, by band.
    optional : collection of str
        Bands that a patch may lack.
    tile_px, stamp_px : int
        As for `hscz.sky.mosaic.divide`.
    folder : Path, optional
        Where resampled images go; without it, bands on different grids are refused.

    Returns
    -------
    Region

    Raises
    ------
    ConfigError
        As `find_patches` and `hscz.sky.mosaic.divide`.
    InputError
        If no patch is fit for use, or none has a band.
    """
    found, left_out = find_patches(patterns, optional)
    patches: dict[str, dict[str, BandImage]] = {}
    for name, paths in found.items():
        patches[name], faults = _open(name, paths, zero_points or {}, optional)
        left_out += faults
    usable = _usable(patches, left_out)
    first = first_image(tuple(next(iter(usable.values())).values()))
    if folder is not None:
        faults = _resample(usable, optional, folder)
        left_out += faults
    left_out += [
        fault for name, images in usable.items() for fault in _off_grid(name, images, optional)
    ]
    usable = _usable(usable, left_out)
    for band in optional:
        if not any(band in images for images in usable.values()):
            raise InputError(_why_nowhere(band, patterns[band], left_out))
    tiles = []
    for name, images in usable.items():
        row: Images = tuple(images.get(band) for band in patterns)
        tiles += divide(name, row, tile_px, stamp_px, optional)
    footprints = {}
    for name in sorted(patches.keys() - usable.keys()):
        for image in list(patches[name].values())[:1]:
            footprints[name] = Tile(name, (image,), (0, image.shape[0], 0, image.shape[1]))
    return Region(tiles, left_out, footprints, first)


def _open(
    patch: str,
    paths: Mapping[str, Path],
    zero_points: Mapping[str, float | None],
    optional: Collection[str],
) -> tuple[dict[str, BandImage], list[LeftOut]]:
    """Return the images of a patch by band, and the files that are none."""
    images, faults = {}, []
    for band, path in paths.items():
        try:
            images[band] = open_band(path, band, zero_points.get(band))
        except InputError as error:
            faults.append(LeftOut.of(error, patch, band in optional))
    return images, faults


def _usable(
    patches: Mapping[str, dict[str, BandImage]], left_out: Sequence[LeftOut]
) -> dict[str, dict[str, BandImage]]:
    """Return the patches that lack no band but optional ones, sorted by name."""
    bad = {one.patch for one in left_out if one.n_objects}
    usable = {name: patches[name] for name in sorted(patches) if name not in bad}
    if not usable:
        worst = next(one for one in left_out if one.n_objects)
        others = f" (none of {len(patches)} patches can be used)" if len(patches) > 1 else ""
        raise InputError(f"{worst.file}: {worst.reason}{others}")
    return usable


def _why_nowhere(band: str, pattern: str, left_out: Sequence[LeftOut]) -> str:
    """Say why no patch has an optional band."""
    files = {str(path) for path in list_files(pattern, band)}
    why = next((f"{one.file}: {one.reason} (" for one in left_out if one.file in files), "")
    remedy = f"no patch that can be used has band {band}; correct that, or take it out of the bands"
    return f"{why}{remedy})" if why else f"{pattern}: {remedy}"


def _resample(
    patches: Mapping[str, dict[str, BandImage]], optional: Collection[str], folder: Path
) -> list[LeftOut]:
    """Put images on the grid of their patch in the place of those that are not."""
    jobs = []
    for name, images in patches.items():
        needed: Images = tuple(i for band, i in images.items() if band not in optional)
        grid = common_grid(needed)
        jobs += [(name, band, image, grid) for band, image in images.items()]
    tasks = [
        dask.delayed(_resample_one, pure=False)(name, band in optional, image, grid, folder)
        for name, band, image, grid in jobs
    ]
    faults, kept = [], set()
    for (name, band, image, _), made in zip(jobs, dask.compute(*tasks), strict=True):
        if isinstance(made, LeftOut):
            faults.append(made)
            del patches[name][band]
        elif made != image.path:
            patches[name][band] = open_band(made, band)
            kept.add(made)
    remove_others(folder, kept)
    return faults


def _resample_one(
    patch: str, optional: bool, image: BandImage, grid: Grid, folder: Path
) -> Path | LeftOut:
    """Resample one image if need be: the body of one Dask task."""
    try:
        return resample_patch(image, grid, patch, folder)
    except InputError as error:
        return LeftOut.of(error, patch, optional)


def _off_grid(patch: str, images: dict[str, BandImage], optional: Collection[str]) -> list[LeftOut]:
    """Return what is not on the patch's grid, and take such optional bands out of `images`."""
    needed = {band: image for band, image in images.items() if band not in optional}
    faults = []
    try:
        check_grid(tuple(needed.values()))
    except InputError as error:
        return [LeftOut.of(error, patch)]
    for band in images.keys() & set(optional):
        try:
            check_grid((first_image(tuple(needed.values())), images[band]))
        except InputError as error:
            faults.append(LeftOut.of(error, patch, optional=True))
            del images[band]
    return faults
