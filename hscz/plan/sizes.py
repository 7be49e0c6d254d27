"""How large a field is: counted where its store or catalogue is there, else stated or estimated."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hscz import stores
from hscz.config import RunConfig, StatedCounts
from hscz.errors import InputError, about
from hscz.fetch.wanted import expected, places
from hscz.mock.grid import FieldGrid
from hscz.sky.fits import open_band
from hscz.sky.mosaic import Tile, assign
from hscz.sky.patches import list_files
from hscz.sky.skymap import tract_patch
from hscz.survey import PIXEL_SCALE_ARCSEC
from hscz.tables.descriptor import load_descriptor
from hscz.tables.read import read_catalogue
from hscz.tables.select import names_in, select

PATCH_PX, PATCH_STEP_PX = 4200, 4000
"""Side of an HSC patch, and how far it is to the next."""

MOCK_PER_ARCMIN2, SURVEY_PER_ARCMIN2 = 34.0, 45.0
"""Selected galaxies per square arcmin: of the mock, and of HSC-CLAUDS, 4.2 million over the
26 deg2 of HSC Deep (sections 1 and 2 of the paper)."""

LABELLED_SHARE, SPEC_SHARE = 0.8, 0.03
"""Share of a mock field with labels that has one, and of one with spectroscopy alone."""

SOURCES = ("store", "catalogue", "stated", "area")
"""Where the number of objects may come from, the surest first: counted in the store, in the
catalogue, stated under [plan.fields], or the area of the images times a density."""


@dataclass(frozen=True)
class FieldSize:
    """What a field holds.

    Attributes
    ----------
    name : str
    objects, labelled, spectra : int
        Selected galaxies, those with a redshift label, and those with a spectroscopic redshift.
    tiles, tile_px, bands : int
        Patches, their side, and how many bands each has.
    area_arcmin2 : float
        Sky of the patches, without what overlaps.
    source : str
        One of `SOURCES`: where the number of objects comes from.
    at_most : bool
        Whether nothing says how many labels there are, so that every object counts as one.
    """

    name: str
    objects: int
    labelled: int
    spectra: int
    tiles: int
    tile_px: int
    bands: int
    area_arcmin2: float
    source: str
    at_most: bool = False


def field_size(config: RunConfig, name: str) -> FieldSize:
    """Return the size of a field from its store, its catalogue, what is stated, or its area.

    Examples
    --------
    >>> from hscz.config.read import parse
    >>> config = parse({"mock": {"fields": {"ELAIS": [2, 1]}}, "stores": "/nowhere"})
    >>> size = field_size(config, "ELAIS")
    >>> size.objects, size.tiles, size.tile_px, size.source
    (2463, 2, 2200, 'area')
    """
    mock = config.mock is not None and name in config.mock.fields
    files = _files(config, name)
    tiles, tile_px, area_arcmin2 = _layout(config, name, files)
    bands = _bands(config, name)
    found = _stored(config, name)
    if found is not None:
        return FieldSize(name, *found, tiles, tile_px, bands, area_arcmin2, "store")
    stated = config.plan.fields.get(name, StatedCounts())
    counted = _in_catalogue(config, name, files)
    if counted is not None:
        objects, source = counted, "catalogue"
    elif stated.objects is not None:
        objects, source = stated.objects, "stated"
    else:
        density = MOCK_PER_ARCMIN2 if mock else SURVEY_PER_ARCMIN2
        objects, source = round(area_arcmin2 * density), "area"
    labelled, spectra, at_most = _labels(config, name, objects, stated, mock)
    counts = objects, labelled, spectra
    return FieldSize(name, *counts, tiles, tile_px, bands, area_arcmin2, source, at_most)


def _layout(config: RunConfig, name: str, files: Sequence[Path]) -> tuple[int, int, float]:
    """Return how many patches a field has, their side in pixels, and the sky they cover."""
    if config.mock is not None and name in config.mock.fields:
        grid = FieldGrid.of(config.mock, name)
        return len(list(grid.patches())), grid.patch_px, grid.area_deg2 * 3600.0
    tiles = max(len(files), expected(config, name)[1])
    side, step = PATCH_PX, PATCH_STEP_PX
    if files:
        entry = config.fields[name]
        side = max(open_band(files[0], _reference(config, name), entry.zero_point).shape)
        step = side - (PATCH_PX - PATCH_STEP_PX if len(files) > 1 else 0)
    return tiles, side, tiles * (step * PIXEL_SCALE_ARCSEC / 60.0) ** 2


def _bands(config: RunConfig, name: str) -> int:
    if config.mock is not None and name in config.mock.fields:
        return len(FieldGrid.of(config.mock, name).field.bands)
    return len(config.fields[name].bands)


def _stored(config: RunConfig, name: str) -> tuple[int, int, int] | None:
    """Return objects, labels and spectra of a finished store."""
    path = config.field_store(name)
    if not stores.attributes(path):
        return None
    store = stores.open_field(path, lazy=False)
    labelled, spectra = (
        int(np.isfinite(store[key].values).sum()) if key in store else 0
        for key in ("z_label", "z_spec")
    )
    return store.sizes["object"], labelled, spectra


def _in_catalogue(config: RunConfig, name: str, files: Sequence[Path]) -> int | None:
    """Return how many selected galaxies of the catalogue lie where images are, or will be."""
    entry = config.fields.get(name)
    if entry is None or not Path(entry.catalogue.file).exists():
        return None
    descriptor = load_descriptor(entry.catalogue.catalogue)
    if "ra" not in descriptor.columns:
        return None
    rule = config.ingest.select or descriptor.select
    table = read_catalogue(entry.catalogue.file, descriptor, extra=names_in(rule))
    with about(entry.catalogue.file):
        table = table[select(table, rule)]
    ra, dec = table["ra"].to_numpy(), table["dec"].to_numpy()
    if files:
        return _in_images(config, name, files, ra, dec)
    if entry.fetch is not None and (entry.fetch.tracts or entry.fetch.patches):
        tract, x, y = tract_patch(ra, dec)
        wanted = [[int(t), *map(int, patch.split(","))] for t, patch, _ in places(entry)]
        codes = np.array(wanted).reshape(-1, 3) @ [100, 10, 1]
        return int(np.isin(np.stack([tract, x, y], axis=1) @ [100, 10, 1], codes).sum())
    return len(table)


def _in_images(
    config: RunConfig,
    name: str,
    files: Sequence[Path],
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
) -> int:
    """Return how many positions have their stamp whole in one of the images of a band."""
    tiles = []
    for path in files:
        with suppress(InputError):
            image = open_band(path, _reference(config, name), config.fields[name].zero_point)
            tiles.append(Tile(path.name, (image,), (0, image.shape[0], 0, image.shape[1])))
    return int((assign(tiles, ra, dec, config.ingest.stamp_px)[0] >= 0).sum())


def _labels(
    config: RunConfig, name: str, objects: int, stated: StatedCounts, mock: bool
) -> tuple[int, int, bool]:
    """Return labels and spectra of a field without a store, and whether that is a mere limit."""
    entry = config.fields.get(name)
    if entry is None or not entry.has_labels:
        return 0, 0, False
    c2020 = bool(entry.c2020_classic or entry.c2020_farmer)
    spectra, labelled = stated.spectra, stated.labelled
    if spectra is None:
        spectra = round(objects * SPEC_SHARE) if mock else objects
    if labelled is None and c2020:
        labelled = round(objects * LABELLED_SHARE) if mock else objects
    known = mock or stated.labelled is not None or (stated.spectra is not None and not c2020)
    labelled = spectra if labelled is None else labelled
    return min(labelled, objects), min(spectra, objects), not known


def _files(config: RunConfig, name: str) -> list[Path]:
    """Return the files of one band, one a patch."""
    entry = config.fields.get(name)
    return list(list_files(entry.images, _reference(config, name))) if entry else []


def _reference(config: RunConfig, name: str) -> str:
    """Return the first band that every patch has in a file of its own."""
    entry = config.fields[name]
    return next(
        (b for b in entry.bands if b not in (*entry.optional, *entry.per_band)), entry.bands[0]
    )
