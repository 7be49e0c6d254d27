"""Files to field stores: catalogue rows and mosaic pixels become labelled stamps.

The rows are known before a pixel is read: the catalogue is selected, every object is assigned
to the tile that holds its stamp whole, and rows are ordered by tile. Then one Dask task a tile
cuts and writes its own rows, so neither memory nor the graph grows with the number of objects.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import xarray as xr
from astropy.wcs import WCS
from dask.system import cpu_count
from numpy.typing import NDArray

from hscz import stores
from hscz.config import FieldConfig, IngestConfig, RunConfig
from hscz.config.decisive import key_of
from hscz.constants import MAG_PER_RELATIVE_ERROR
from hscz.errors import InputError, about
from hscz.files.atomic import write_atomic
from hscz.files.fresh import InputFile, Key, input_files
from hscz.files.lock import at_work
from hscz.ingest.cutting import blocks_of, cutting_tasks, read_notes, write_places
from hscz.ingest.lightcheck import light_warnings
from hscz.progress import show_progress
from hscz.schema import FIELD_STORE, TILE_VARIABLES, Flag, flag_counts, is_usable
from hscz.sky import dust
from hscz.sky.mosaic import Tile, assign
from hscz.sky.noise import LAGS_PX
from hscz.sky.patches import LeftOut, list_files, summary
from hscz.sky.psf import PsfFiles
from hscz.sky.psf_stars import HALF_PX
from hscz.sky.region import open_region
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

    An unfinished store of the same settings and files goes on where it stopped. What cannot be
    used, such as a damaged file or a patch that lacks a band, is left out and noted.

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
        beside it and counted in its attribute ``n_lost``; files and patches that were left out,
        why, and how many objects that costs, in ``NAME.left_out.csv``.

    Raises
    ------
    InputError
        If a table or column is missing or broken, the selection is empty, or no patch can be
        used.
    """
    path = config.field_store(name)
    with at_work(path):
        key = ingest_key(config, name).begun()
        return _ingest(config, name, path, key, progress)


def _ingest(config: RunConfig, name: str, path: Path, key: Key, progress: bool) -> Path:
    entry, settings = config.fields[name], config.ingest
    folder = path.parent / f"{name}.resampled" if entry.resample else None
    with show_progress(f"images {name}", progress and entry.resample):
        region = open_region(
            *(entry.patterns, entry.zero_points, entry.optional),
            *(tile_px(settings), settings.stamp_px, folder),
        )
    table, n_read = _catalogue(entry, settings, region.first.wcs)
    table, lost, tile, x, y = _by_tile(table, region.tiles, entry, settings)
    left_out = region.lost_by_patch(
        lost["ra"].to_numpy(), lost["dec"].to_numpy(), settings.stamp_px
    )
    ebv, source = _ebv(table, config, name)
    table = table.assign(ebv=ebv)
    columns = _columns(table, name, entry, settings, [t.name for t in region.tiles], tile)
    columns.attrs |= {
        "survey": config.survey_of(name),
        "n_read": n_read,
        "n_selected": len(table) + len(lost),
        "ebv_from": source,
    }
    columns.attrs["n_lost"] = len(lost)
    bulk = _bulk(len(table), len(region.tiles), entry.bands, settings.stamp_px)
    blocks = blocks_of(region.tiles, tile)
    stores.create(path, columns, bulk, key, [b.name for b in blocks])
    write_places(path, x, y, _catalogue_flags(table))
    psf = PsfFiles.find(entry.psf, entry.bands) if entry.psf else None
    with show_progress(f"ingest {name}", progress):
        dask.compute(*cutting_tasks(path, blocks, settings.stamp_px, psf))
    left_out += read_notes(path, blocks)
    write_atomic(path.with_suffix(".lost.parquet"), lost.to_parquet)
    notes = pd.DataFrame(left_out, columns=[f.name for f in dataclasses.fields(LeftOut)])
    write_atomic(path.with_suffix(".left_out.csv"), lambda file: notes.to_csv(file, index=False))
    # Last: a store that is there is never made again, and would stay without its notes.
    return stores.commit(path, FIELD_STORE)


def _by_tile(
    table: pd.DataFrame, tiles: list[Tile], entry: FieldConfig, settings: IngestConfig
) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the objects in the order of their tiles, those in none, and tile, x and y."""
    tile, x, y = assign(tiles, table["ra"].to_numpy(), table["dec"].to_numpy(), settings.stamp_px)
    lost = tile < 0
    largest = max((tile.shape for tile in tiles), key=min)
    if min(largest) < settings.stamp_px:
        raise InputError(
            f"{entry.images}: no image is larger than {largest[0]} x {largest[1]} px, less than a "
            f"stamp of {settings.stamp_px}; give larger images, or set stamp_px under [ingest]"
        )
    if lost.all():
        raise InputError(
            f"{entry.catalogue.file}: none of the {len(table)} selected objects lies in the "
            f"images {entry.images}; check the coordinates and the field"
        )
    order = np.flatnonzero(~lost)[np.argsort(tile[~lost], kind="stable")]
    return table.iloc[order], table[lost], tile[order], x[order], y[order]


def ingest_report(path: Path) -> str:
    """Return how many objects a store holds, what is wrong with them, and what was left out."""
    attrs, store = stores.attributes(path), stores.open_field(path)
    flags = store["flags"].values
    unusable = int((~is_usable(flags)).sum())
    flagged = ", ".join(f"{n:,} {name}" for name, n in flag_counts(flags).items()) or "none"
    lines = [
        f"{attrs['n_read']:,} rows read, {attrs['n_selected']:,} selected, {len(flags):,} cut, "
        f"{attrs['n_lost']:,} in no tile",
        f"{unusable:,} with defects that leave them without a redshift later; flags: {flagged}",
    ]
    if attrs.get("ebv_from") == "nothing":
        lines.append(f"E(B-V) is unknown, which some recipes need: {dust.WAYS}")
    have = store["sky_noise"].notnull().sum("object").compute()
    lines += [
        f"band {band}: {int(have.sel(band=band)):,} objects have it"
        for band in attrs.get("optional_bands", [])
    ]
    lines += light_warnings(store)
    notes = path.with_suffix(".left_out.csv")
    left_out = pd.read_csv(notes, dtype={"patch": str}) if notes.exists() else pd.DataFrame()
    if len(left_out):
        rows = [LeftOut(*row) for row in left_out.itertuples(index=False)]
        lines += [f"left out, see {notes}:", *(f"  {x}" for x in summary(rows).splitlines())]
    return "\n".join(f"  {line}" for line in lines)


def ingest_key(config: RunConfig, name: str) -> Key:
    """Return what a store is made from: settings and input files, without opening them all."""
    entry, settings = config.fields[name], config.ingest
    descriptor = load_descriptor(entry.catalogue.catalogue)
    how = {
        "bands": entry.bands,
        "optional": entry.optional,
        "zero_point": entry.zero_points,
        "resample": entry.resample,
        "ebv": entry.ebv,
        "of_tiles": ("psf", "sky_correlation"),
    }
    images: dict[str, InputFile] = {}
    psfs: dict[str, InputFile] = {}
    for band, pattern in entry.patterns.items():
        images |= _named(pattern, band)
        psfs |= _named(entry.psf, band) if entry.psf else {}
    inputs = {"image": images, "catalogue": input_files({"": entry.catalogue.file})}
    inputs["PSF file"] = psfs
    from_maps = settings.dust and entry.ebv in ("", "sfd")
    maps = {file: Path(settings.dust) / file for file in dust.MAPS.values() if from_maps}
    maps |= {"irsa": config.ebv_image(name)} if entry.ebv == "irsa" else {}
    inputs["dust map"] = input_files(maps)
    selected = dataclasses.replace(settings, select=settings.select or descriptor.select)
    # What else a descriptor says of redshifts decides labels alone.
    read = dataclasses.replace(
        descriptor, select="", secure="", confidence=(), resolution=0.0, survey="any"
    )
    return key_of(inputs, how, catalogue=read, ingest=selected)


def _named(pattern: str, band: str) -> dict[str, InputFile]:
    """Return the files of one band by what the pattern leaves open, wherever they lie."""
    found = {path: " ".join(place.values()) for path, place in list_files(pattern, band).items()}
    return {
        f"{band} {place} {path.suffix}": InputFile(path, whole=False)
        for path, place in found.items()
    }


def tile_px(settings: IngestConfig) -> int:
    """Return the side of the largest tile that fits into the memory limit."""
    if not settings.memory_limit_mb:
        return settings.tile_px
    workers = dask.config.get("num_workers", None) or cpu_count()
    free = max(0.0, settings.memory_limit_mb - PROCESS_MB) * 1e6
    px = math.isqrt(int(free / workers / WORKING_BYTES_PER_PX))
    return max(4 * settings.stamp_px, min(settings.tile_px, px))


def _catalogue(entry: FieldConfig, settings: IngestConfig, wcs: WCS) -> tuple[pd.DataFrame, int]:
    """Read the catalogue and keep the selected rows; return how many there were.

    Pixel positions, where a catalogue has no others, are those of the image with this WCS.
    """
    descriptor = load_descriptor(entry.catalogue.catalogue)
    expression = settings.select or descriptor.select
    table = read_catalogue(entry.catalogue.file, descriptor, wcs=wcs, extra=names_in(expression))
    _check_magnitudes(table, descriptor, entry)
    with about(entry.catalogue.file):
        kept = select(table, expression)
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
                    f"band {band} in {descriptor.name!r}; correct the descriptor, give the right "
                    "file or drop the band"
                )


def _ebv(table: pd.DataFrame, config: RunConfig, name: str) -> tuple[NDArray[np.float64], str]:
    """Return E(B-V) of each object, NaN where nothing gives it, and what it comes from."""
    entry, maps = config.fields[name], config.ingest.dust
    has_column = "ebv" in table
    source = entry.ebv or ("catalogue" if has_column else "sfd" if maps else "nothing")
    if source == "catalogue" and not has_column:
        raise InputError(
            f"{entry.catalogue.file}: no E(B-V), which fields.{name}.ebv takes from it; {dust.WAYS}"
        )
    ra, dec = table["ra"].to_numpy(), table["dec"].to_numpy()
    if source == "sfd":
        return dust.ebv_of_maps(ra, dec, maps), source
    if source == "irsa":
        return dust.ebv_of_image(ra, dec, config.ebv_image(name)), source
    return (table["ebv"].to_numpy() if has_column else np.full(len(table), np.nan)), source


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
        "snr_i": np.float32(MAG_PER_RELATIVE_ERROR) / mag_err_i,
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
        | {"band": ("band", np.array(entry.bands, text))}
        | {stores.TILE: (stores.TILE, np.array(tile_names, text))},
        attrs={
            "pixel_scale_arcsec": PIXEL_SCALE_ARCSEC,
            "zero_point_mag": ZERO_POINT_MAG,
            "image_extinction_corrected": 0,
            "mag_extinction_corrected": int(descriptor.extinction_corrected),
            "select": settings.select or descriptor.select,
            "optional_bands": list(entry.optional),
            "provenance": json.dumps(
                stores.provenance(images=entry.images, table=entry.catalogue.file)
            ),
        },
    )


def _bulk(n: int, n_tiles: int, bands: tuple[str, ...], stamp_px: int) -> dict[str, xr.Variable]:
    """Return the variables that the tiles fill in."""
    import dask.array as da

    def blank(dims: tuple[str, ...], shape: tuple[int, ...], dtype: str) -> xr.Variable:
        return xr.Variable(dims, da.zeros(shape, dtype=dtype, chunks=shape))

    per_band = ("object", "band"), (n, len(bands))
    image = blank(("object", "band", "y", "x"), (n, len(bands), stamp_px, stamp_px), "float16")
    image.attrs["units"] = FLUX_UNIT
    sides = {"psf": 2 * HALF_PX + 1, "sky_correlation": 2 * LAGS_PX + 1}
    return {
        "image": image,
        "sky_noise": blank(*per_band, "float32"),
        "psf_fwhm": blank(*per_band, "float32"),
        "flags": blank(("object",), (n,), "int32"),
    } | {
        key: blank(TILE_VARIABLES[key].dims, (n_tiles, len(bands), side, side), "float32")
        for key, side in sides.items()
    }


def _catalogue_flags(table: pd.DataFrame) -> NDArray[np.int32]:
    """Return the defects that the catalogue knows: trails have no mask plane in HSC coadds."""
    trail = table["trail"] if "trail" in table else pd.Series(0, index=table.index)
    return np.where(trail.fillna(0) != 0, int(Flag.TRAIL), 0).astype(np.int32)
