"""Files to field stores: catalogue rows and mosaic pixels become labelled stamps.

The rows are known before a pixel is read: the catalogue is selected, every object is assigned
to the tile that holds its stamp whole, and rows are ordered by tile. Then one Dask task a tile
cuts and writes its own rows, so neither memory nor the graph grows with the number of objects.
"""

from __future__ import annotations

import json
import math
import os
from glob import glob
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz import stores
from hscz.atomic import write_atomic
from hscz.config import FieldConfig, IngestConfig, RunConfig
from hscz.configfile import file_stamps, fingerprint
from hscz.errors import InputError
from hscz.progress import show_progress
from hscz.schema import FIELD_STORE, Flag
from hscz.sky.cutouts import cut_tile
from hscz.sky.fits import open_band
from hscz.sky.mosaic import Tile, assign, find_files, find_tiles, wildcard
from hscz.sky.resample import resample_pattern
from hscz.survey import FLUX_UNIT, PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG
from hscz.tables.descriptor import CatalogueDescriptor, load_descriptor
from hscz.tables.read import read_catalogue
from hscz.tables.select import names_in, select

WORKING_BYTES_PER_PX = 100
"""Memory one Dask worker needs per pixel of a tile: the planes of one band and their copies, and
the stamps at the density of i < 25 galaxies (measured by benchmarks/memory.py)."""

PROCESS_MB = 250
"""Memory of the interpreter and its libraries before a pixel is read."""


def ingest(config: RunConfig, name: str, progress: bool = True) -> Path:
    """Make the store of one field.

    An unfinished store of the same settings and files goes on where it stopped.

    Parameters
    ----------
    config : RunConfig
    name : str
        Field, a key of ``config.fields``.
    progress : bool
        Whether to draw a progress bar.

    Returns
    -------
    Path
        The store. Objects that no tile holds whole are listed in ``NAME.lost.parquet``
        beside it and counted in its attribute ``n_lost``.

    Raises
    ------
    InputError
        If a file or column is missing or broken, or the selection is empty.
    """
    entry, settings, path = config.fields[name], config.ingest, config.field_store(name)
    pattern = entry.images
    if entry.resample:
        folder = path.parent / f"{name}.resampled"
        pattern = resample_pattern(pattern, entry.bands, folder, entry.zero_point)
    # Resampled files say their own zero point; the option is for headers that do not.
    zero_point = None if entry.resample else entry.zero_point
    tiles = find_tiles(pattern, entry.bands, tile_px(settings), settings.stamp_px, zero_point)
    table, n_read = _catalogue(entry, settings)
    table, left_out, tile, x, y = _by_tile(table, tiles, entry, settings)
    columns = _columns(table, name, entry, settings, [t.name for t in tiles], tile)
    columns.attrs |= {"n_read": n_read, "n_selected": len(table) + len(left_out)}
    columns.attrs["n_lost"] = len(left_out)
    bulk = _bulk(len(table), entry.bands, settings.stamp_px)
    starts = np.searchsorted(tile, np.arange(len(tiles) + 1))
    rows = {
        f"{tiles[t].name}.{a}-{b}": (tiles[t], slice(a, b))
        for t, (a, b) in enumerate(pairwise(starts.tolist()))
        if b > a
    }
    stores.create(path, columns, bulk, ingest_key(config, name), list(rows))
    done = stores.done_blocks(path)
    known = _catalogue_flags(table)
    tasks = [
        dask.delayed(_cut_and_write, pure=False)(
            whole, x[part], y[part], known[part], settings.stamp_px, path, part.start, block
        )
        for block, (whole, part) in rows.items()
        if block not in done
    ]
    with show_progress(f"ingest {name}", progress):
        dask.compute(*tasks)
    stores.commit(path, FIELD_STORE)
    write_atomic(path.with_suffix(".lost.parquet"), left_out.to_parquet)
    return path


def _by_tile(
    table: pd.DataFrame, tiles: list[Tile], entry: FieldConfig, settings: IngestConfig
) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the objects in the order of their tiles, those in none, and tile, x and y."""
    tile, x, y = assign(tiles, table["ra"].to_numpy(), table["dec"].to_numpy(), settings.stamp_px)
    lost = tile < 0
    if lost.all():
        raise InputError(
            f"{entry.catalogue.file}: none of the {len(table)} selected objects lies in the "
            f"images {entry.images}; check the coordinates and the field"
        )
    order = np.flatnonzero(~lost)[np.argsort(tile[~lost], kind="stable")]
    return table.iloc[order], table[lost], tile[order], x[order], y[order]


def ingest_report(path: Path) -> str:
    """Return how many objects a store holds, and what became of the others."""
    attrs = stores.attributes(path)
    flags = stores.open_field(path, lazy=False)["flags"].values
    unusable = int(((flags & int(Flag.UNUSABLE)) != 0).sum())
    return (
        f"  {attrs['n_read']:,} rows read, {attrs['n_selected']:,} selected, {len(flags):,} cut, "
        f"{attrs['n_lost']:,} in no tile\n"
        f"  {unusable:,} with missing pixels or no noise: flagged, and without a redshift later"
    )


def ingest_key(config: RunConfig, name: str) -> str:
    """Return the fingerprint of a store's settings and input files, without opening them."""
    entry = config.fields[name]
    files = [entry.catalogue.file]
    for band in entry.bands:
        files += sorted(glob(wildcard(entry.images, band)[0]))
    descriptor = load_descriptor(entry.catalogue.catalogue)
    select_rule = config.ingest.select or descriptor.select
    settings = entry.bands, entry.zero_point, entry.resample, select_rule, config.ingest.stamp_px
    return fingerprint(entry.images, list(settings), descriptor, file_stamps(files))


def tile_px(settings: IngestConfig) -> int:
    """Return the side of the largest tile that fits into the memory limit."""
    if not settings.memory_limit_mb:
        return settings.tile_px
    workers = dask.config.get("num_workers", None) or os.cpu_count() or 1
    free = max(0.0, settings.memory_limit_mb - PROCESS_MB) * 1e6
    px = math.isqrt(int(free / workers / WORKING_BYTES_PER_PX))
    return max(4 * settings.stamp_px, min(settings.tile_px, px))


def _catalogue(entry: FieldConfig, settings: IngestConfig) -> tuple[pd.DataFrame, int]:
    """Read the catalogue and keep the selected rows; return how many there were.

    Pixel positions, where a catalogue has no others, are those of the first image as it came.
    """
    descriptor = load_descriptor(entry.catalogue.catalogue)
    first = next(iter(find_files(entry.images, entry.bands).values()))[0]
    wcs = open_band(first, entry.bands[0], entry.zero_point).wcs
    expression = settings.select or descriptor.select
    table = read_catalogue(entry.catalogue.file, descriptor, wcs=wcs, extra=names_in(expression))
    _check_magnitudes(table, descriptor, entry)
    kept = select(table, expression, entry.catalogue.file)
    return table[kept].reset_index(drop=True), len(table)


def _check_magnitudes(
    table: pd.DataFrame, descriptor: CatalogueDescriptor, entry: FieldConfig
) -> None:
    """Refuse a table without a column that its descriptor names for a band of the store."""
    for prefix, columns in (("mag", descriptor.mag), ("mag_err", descriptor.mag_err)):
        for band in entry.bands:
            if band in columns and f"{prefix}_{band}" not in table:
                raise InputError(
                    f"{entry.catalogue.file}: no column {columns[band]!r}, which is {prefix} of "
                    f"band {band} in {descriptor.name!r}; mend the descriptor, give the right "
                    "file or drop the band"
                )


def _columns(
    table: pd.DataFrame,
    name: str,
    entry: FieldConfig,
    settings: IngestConfig,
    tile_names: list[str],
    tile: NDArray[np.int64],
) -> xr.Dataset:
    """Return everything of the store that the catalogue alone says."""
    descriptor = load_descriptor(entry.catalogue.catalogue)
    text = np.dtypes.StringDType()

    def column(key: str, dtype: str = "float64") -> NDArray[Any]:
        values = table[key] if key in table else np.full(len(table), np.nan)
        return np.asarray(values, dtype)

    def bands(prefix: str) -> NDArray[Any]:
        return np.stack([column(f"{prefix}_{b}", "float32") for b in entry.bands], axis=1)

    mag_err_i = column("mag_err_i", "float32")
    coordinates = {
        "object_id": column("object_id", "int64"),
        "ra": column("ra"),
        "dec": column("dec"),
        "field": np.full(len(table), name, text),
        "tile": np.array(tile_names, text)[tile],
        "mag_i": column("mag_i", "float32"),
        # The error of a magnitude is 2.5/ln(10) times noise over signal.
        "snr_i": np.float32(2.5 / math.log(10)) / mag_err_i,
        "ebv": column("ebv", "float32"),
    }
    return xr.Dataset(
        {
            "mag": (("object", "band"), bands("mag")),
            "mag_err": (("object", "band"), bands("mag_err")),
            "z_sed": ("object", column("z_sed", "float32")),
        }
        | {key: ("object", column(key, "float32")) for key in ("z_true",) if key in table},
        coords={key: ("object", value) for key, value in coordinates.items()}
        | {"band": ("band", np.array(entry.bands, text))},
        attrs={
            "survey": "HSC-CLAUDS",
            "pixel_scale_arcsec": PIXEL_SCALE_ARCSEC,
            "zero_point_mag": ZERO_POINT_MAG,
            "image_extinction_corrected": 0,
            "mag_extinction_corrected": int(descriptor.extinction_corrected),
            "select": settings.select or descriptor.select,
            "provenance": json.dumps(
                stores.provenance(images=entry.images, table=entry.catalogue.file)
            ),
        },
    )


def _bulk(n: int, bands: tuple[str, ...], stamp_px: int) -> dict[str, xr.Variable]:
    """Return the variables that the tiles fill in."""
    import dask.array as da

    def blank(dims: tuple[str, ...], shape: tuple[int, ...], dtype: str) -> xr.Variable:
        return xr.Variable(dims, da.zeros(shape, dtype=dtype, chunks=shape))

    per_band = ("object", "band"), (n, len(bands))
    image = blank(("object", "band", "y", "x"), (n, len(bands), stamp_px, stamp_px), "float16")
    image.attrs["units"] = FLUX_UNIT
    return {
        "image": image,
        "sky_noise": blank(*per_band, "float32"),
        "psf_fwhm": blank(*per_band, "float32"),
        "flags": blank(("object",), (n,), "int32"),
    }


def _catalogue_flags(table: pd.DataFrame) -> NDArray[np.int32]:
    """Return the defects that the catalogue knows: trails have no mask plane in HSC coadds."""
    trail = table["trail"] if "trail" in table else pd.Series(0, index=table.index)
    return np.where(trail.fillna(0) != 0, int(Flag.TRAIL), 0).astype(np.int32)


def _cut_and_write(
    tile: Tile,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    known_flags: NDArray[np.int32],
    stamp_px: int,
    path: Path,
    start: int,
    block: str,
) -> None:
    """Cut the stamps of one tile and write their rows: the body of one Dask task."""
    cuts = cut_tile(tile, x, y, stamp_px)
    values = {
        "image": cuts.images,
        "sky_noise": cuts.sky_noise,
        "psf_fwhm": cuts.psf_fwhm_arcsec,
        "flags": cuts.flags | known_flags,
    }
    stores.write_rows(path, start, values, block)
