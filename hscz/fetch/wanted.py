"""What a configuration asks for, without a network: whole patches, cut-outs and tables."""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hscz.config import FieldConfig, RunConfig
from hscz.errors import ConfigError
from hscz.fetch.box import SkyBox
from hscz.ingest.label import C2020
from hscz.sky.skymap import PATCHES
from hscz.survey import BANDS
from hscz.tables.descriptor import CatalogueDescriptor, load_descriptor

PATCH_MB = 4200**2 * 12 / 1e6
"""Image, mask and variance of one patch as the archive has them, uncompressed."""

PATCHES_OF_A_TRACT = tuple(f"{x},{y}" for y in range(PATCHES) for x in range(PATCHES))


@dataclass(frozen=True)
class Wanted:
    """One file to fetch.

    Attributes
    ----------
    url : str
    path : Path
        Where it is to be.
    filter_name : str
    place : str
        Tract and patch, such as ``9813-4,4``.
    optional : bool
        Whether the archive may lack it: of a whole tract not every patch was observed.
    """

    url: str
    path: Path
    filter_name: str
    place: str
    optional: bool = False


@dataclass(frozen=True)
class WantedTable:
    """One source catalogue to fetch, as its descriptor says."""

    descriptor: CatalogueDescriptor
    path: Path


def images(config: RunConfig, name: str) -> list[Wanted]:
    """Return the whole patches that a field wants, none where it takes cut-outs.

    Raises
    ------
    ConfigError
        If no address is known for a filter, or the field's pattern does not distinguish the files.

    Examples
    --------
    >>> from hscz.config.read import parse
    >>> field = {"images": "{filter}/{tract}/{patch}.fits", "bands": ["i"], "fetch":
    ...          {"patches": ["9813-4,4"]}, "catalogue": {"file": "c.fits", "catalogue": "vipers"}}
    >>> wanted = images(parse({"fields": {"A": field}}), "A")
    >>> wanted[0].path, wanted[0].url.rpartition("/")[2]
    (PosixPath('HSC-I/9813/4,4.fits'), 'calexp-HSC-I-9813-4,4.fits')
    """
    entry = config.fields[name]
    if entry.fetch is None or entry.fetch.cutouts:
        return []
    return [
        Wanted(
            _address(config, entry, band, tract, patch),
            image_path(entry, name, band, tract, patch),
            BANDS[band].filter_name,
            f"{tract}-{patch}",
            optional,
        )
        for band in entry.bands
        if band not in entry.per_band
        for tract, patch, optional in places(entry)
    ]


def image_path(entry: FieldConfig, name: str, band: str, tract: str, patch: str) -> Path:
    """Return where the image of a band and patch is to be."""
    parts = {part for _, part, _, _ in string.Formatter().parse(entry.images) if part}
    if not {"band", "filter"} & parts or "patch" not in parts:
        raise ConfigError(
            f"fields.{name}.images is {entry.images!r}, which does not distinguish "
            "bands and patches; write it with {filter} or {band}, {tract} and {patch}"
        )
    values = {"band": band, "filter": BANDS[band].filter_name, "tract": tract, "patch": patch}
    return Path(entry.images.format(**values))


def tables(config: RunConfig, name: str) -> list[WantedTable]:
    """Return the source catalogues of a field, each once.

    Raises
    ------
    ConfigError
        If another field wants other rows in the same file.
    """
    entry = config.fields[name]
    if entry.fetch is None:
        return []
    found = [WantedTable(load_descriptor(table), Path(file)) for table, file in _named(entry)]
    selected = {one.path for one in found if one.descriptor.archive.selects}
    for other, its in config.fields.items():
        if its.fetch is None or its.fetch.box == entry.fetch.box:
            continue
        for path in (Path(file) for _, file in _named(its)):
            if path in selected:
                raise ConfigError(
                    f"{path}: fields.{name} and fields.{other} want other rows in it; give each "
                    "its own file, or both the same fetch.box"
                )
    return found


def _named(entry: FieldConfig) -> list[tuple[str, str]]:
    """Return descriptor and file of each source catalogue of a field."""
    tables = (entry.catalogue, *entry.spec, *([entry.oii] if entry.oii else []))
    named = [(table.catalogue, table.file) for table in tables]
    named += zip(C2020, (entry.c2020_classic, entry.c2020_farmer), strict=True)
    return [(catalogue, file) for catalogue, file in dict.fromkeys(named) if file]


def box_of(entry: FieldConfig) -> SkyBox | None:
    """Return the box of a field, None for all of the sky."""
    box = entry.fetch.box if entry.fetch else ()
    return SkyBox(*box) if box else None


def expected(config: RunConfig, name: str) -> tuple[int, int, float]:
    """Return the files, the patches and the megabytes of images that a field asks for.

    A whole tract counts as 81 patches, of which the archive may lack some. Files that are there
    already count too.
    """
    wanted = images(config, name)
    n_patches = len({item.place for item in wanted})
    n_files = len(wanted) + len(tables(config, name)) + (config.fields[name].ebv == "irsa")
    return n_files, n_patches, len(wanted) * PATCH_MB


def places(entry: FieldConfig) -> Iterator[tuple[str, str, bool]]:
    """Yield the tracts and patches that a field wants, and whether the archive may lack them."""
    if entry.fetch is None:
        return
    for tract in entry.fetch.tracts:
        yield from ((str(tract), patch, True) for patch in PATCHES_OF_A_TRACT)
    for place in entry.fetch.patches:
        tract_text, _, patch = place.partition("-")
        yield tract_text, patch, False


def _address(config: RunConfig, entry: FieldConfig, band: str, tract: str, patch: str) -> str:
    assert entry.fetch is not None
    name = BANDS[band].filter_name
    url = config.fetch.image_url(name)
    if url is None:
        raise ConfigError(
            f"no address is known for images of {name}; give one under [fetch.images], or name "
            "where they lie under per_band"
        )
    return url.format(rerun=entry.fetch.rerun, filter=name, tract=tract, patch=patch)
