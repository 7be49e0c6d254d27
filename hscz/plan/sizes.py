"""How large a field is: counted where its store is there, else estimated from its area."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hscz import stores
from hscz.config import RunConfig
from hscz.mock.grid import FieldGrid
from hscz.sky.fits import open_band
from hscz.sky.patches import list_files
from hscz.survey import PIXEL_SCALE_ARCSEC

PATCH_PX, PATCH_STEP_PX = 4200, 4000
"""Side of an HSC patch, and how far it is to the next."""

MOCK_PER_ARCMIN2, SURVEY_PER_ARCMIN2 = 34.0, 45.0
"""Selected galaxies per square arcmin: of the mock, and of HSC-CLAUDS, 4.2 million over the
26 deg2 of HSC Deep (sections 1 and 2 of the paper)."""

LABELLED_SHARE, SPEC_SHARE = 0.8, 0.03
"""Share of a field with labels that has one, and of one with spectroscopy alone, in the mock."""


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
    counted : bool
        Whether the objects were counted in a store, rather than estimated from the area.
    """

    name: str
    objects: int
    labelled: int
    spectra: int
    tiles: int
    tile_px: int
    bands: int
    counted: bool


def field_size(config: RunConfig, name: str, n_patches: int = 0) -> FieldSize:
    """Return the size of a field from its store, its mock settings or its image files.

    Parameters
    ----------
    config : RunConfig
    name : str
    n_patches : int
        Patches that are still to be fetched.

    Examples
    --------
    >>> from hscz.configfile import parse
    >>> config = parse({"mock": {"fields": {"ELAIS": [2, 1]}}, "stores": "/nowhere"})
    >>> size = field_size(config, "ELAIS")
    >>> size.objects, size.tiles, size.tile_px
    (2463, 2, 2200)
    """
    bands, objects, labelled, spectra = _counted(config, name)
    if config.mock is not None and name in config.mock.fields:
        grid = FieldGrid.of(config.mock, name)
        tiles, tile_px = len(list(grid.patches())), grid.patch_px
        area_arcmin2, density = grid.area_deg2 * 3600.0, MOCK_PER_ARCMIN2
        bands = bands or len(grid.field.bands)
    else:
        files = _files(config, name)
        tiles = max(len(files), n_patches)
        tile_px, step_px = _patch_px(config, name, files)
        area_arcmin2 = tiles * (step_px * PIXEL_SCALE_ARCSEC / 60.0) ** 2
        density = SURVEY_PER_ARCMIN2
    counted = objects >= 0
    if not counted:
        objects = round(area_arcmin2 * density)
        labelled, spectra = (
            round(objects * share) for share in (_label_share(config, name), SPEC_SHARE)
        )
    bands = bands or len(config.fields[name].bands)
    return FieldSize(name, objects, labelled, spectra, tiles, tile_px, bands, counted)


def _counted(config: RunConfig, name: str) -> tuple[int, int, int, int]:
    """Return bands, objects, labels and spectra of a finished store; objects -1 without one."""
    path = config.field_store(name)
    if not stores.attributes(path):
        return 0, -1, 0, 0
    store = stores.open_field(path, lazy=False)
    labelled, spectra = (
        int(np.isfinite(store[key].values).sum()) if key in store else 0
        for key in ("z_label", "z_spec")
    )
    return store.sizes["band"], store.sizes["object"], labelled, spectra


def _label_share(config: RunConfig, name: str) -> float:
    entry = config.fields.get(name)
    if entry is None or not entry.has_labels:
        return 0.0
    return LABELLED_SHARE if entry.c2020_classic or entry.c2020_farmer else SPEC_SHARE


def _files(config: RunConfig, name: str) -> list[Path]:
    """Return the files of one band, one a patch."""
    entry = config.fields[name]
    return list(list_files(entry.images, _reference(config, name)))


def _reference(config: RunConfig, name: str) -> str:
    """Return the first band that every patch has in a file of its own."""
    entry = config.fields[name]
    return next(
        (b for b in entry.bands if b not in (*entry.optional, *entry.apart)), entry.bands[0]
    )


def _patch_px(config: RunConfig, name: str, files: list[Path]) -> tuple[int, int]:
    """Return the side of an image and the step to the next."""
    if not files:
        return PATCH_PX, PATCH_STEP_PX
    entry = config.fields[name]
    side = max(open_band(files[0], _reference(config, name), entry.zero_point).shape)
    overlap = PATCH_PX - PATCH_STEP_PX if len(files) > 1 else 0
    return side, side - overlap
