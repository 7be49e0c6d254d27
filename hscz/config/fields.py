"""Settings of field stores: where the files of each field are, how they are cut and labelled."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal, Self

from annotated_types import Ge, Le
from pydantic import model_validator

from hscz.config.fetch import FieldFetch
from hscz.config.mock import LABEL_FILES, LABELS_OF_FIELD
from hscz.config.section import section
from hscz.config.values import Amount, BandName, Bands, Flag, InputPx, Number, Whole
from hscz.survey import FIELDS


@section
class TableConfig:
    """A source catalogue on disk."""

    file: str
    """Path of the table."""
    catalogue: str
    """Name of a descriptor in catalogs/, or the path of your own .toml."""


@section
class ImagesConfig:
    """Images of one band that are described separately from those of the others."""

    images: str
    """Path pattern; without {tract} and {patch}, one file that all patches take from."""
    zero_point: Number | None = None
    """AB zero point, where the headers have none."""


@section
class FieldConfig:
    """Section [fields.NAME]: where the files of one field are."""

    images: str
    """Path pattern with {filter} or {band}, and {tract} and {patch} where the files have them."""
    catalogue: TableConfig
    """Catalogue of its objects."""
    bands: Bands
    """Bands to put into the store, blue to red."""
    optional: tuple[BandName, ...] = ()
    """Those of them that a galaxy may be without, such as J, H and Ks; the network sees which."""
    per_band: dict[BandName, ImagesConfig] = field(default_factory=dict)
    """Bands whose images lie elsewhere or have another zero point, such as NIR mosaics."""
    psf: str = ""
    """Path pattern of PSF files, with {position} for the right ascension and declination in
    their names; where there is none, the seeing is measured on the stars of the images."""
    zero_point: Number | None = None
    """AB zero point of images whose headers have none."""
    resample: Flag = False
    """Resample the images to the survey's pixel grid first; the resampled files are kept."""
    c2020_classic: str = ""
    """COSMOS2020 CLASSIC; the labels need FARMER beside it."""
    c2020_farmer: str = ""
    """COSMOS2020 FARMER."""
    spec: tuple[TableConfig, ...] = ()
    """Spectroscopic catalogues."""
    oii: TableConfig | None = None
    """Narrow-band [OII] emitter candidates."""
    truth: str = ""
    """Parquet file with object_id and z_true, in simulations only."""
    ebv: Literal["", "catalogue", "sfd", "irsa"] = ""
    """Where E(B-V) comes from: catalogue (its column), sfd (the maps of ingest.dust) or irsa (an
    image around fetch.box, from its dust service by hscz fetch). Empty takes the column where there
    is one, else the maps where they are given."""
    fetch: FieldFetch | None = None
    """What to get from the archives, to the paths above."""

    @model_validator(mode="after")
    def _bands_are_its_own(self) -> Self:
        for key, names in (("optional", self.optional), ("per_band", tuple(self.per_band))):
            strange = [name for name in names if name not in self.bands]
            if strange:
                raise ValueError(
                    f"{key} has {strange[0]!r}, which is not one of its bands, "
                    f"{', '.join(self.bands)}; add it to them"
                )
        if set(self.optional) == set(self.bands):
            raise ValueError("optional has all bands; require one")
        return self

    @model_validator(mode="after")
    def _cosmos2020_is_both(self) -> Self:
        if bool(self.c2020_classic) != bool(self.c2020_farmer):
            there, absent = "c2020_classic", "c2020_farmer"
            if self.c2020_farmer:
                there, absent = absent, there
            raise ValueError(
                f"{there} has no {absent} beside it; the paper's consensus is of both, and one "
                "alone says nothing of the scatter between them"
            )
        return self

    @model_validator(mode="after")
    def _dust_has_a_place(self) -> Self:
        if self.ebv == "irsa" and not (self.fetch and self.fetch.box):
            raise ValueError("ebv is 'irsa'; say where on the sky with box under its fetch")
        return self

    @property
    def patterns(self) -> dict[str, str]:
        """Path pattern of each band."""
        return {
            b: self.per_band[b].images if b in self.per_band else self.images for b in self.bands
        }

    @property
    def zero_points(self) -> dict[str, float | None]:
        """AB zero point, by band, of images whose headers have none."""
        return {
            b: self.per_band[b].zero_point if b in self.per_band else self.zero_point
            for b in self.bands
        }

    @property
    def has_labels(self) -> bool:
        """Whether the field comes with any catalogue of redshifts."""
        tables = (self.c2020_classic, self.c2020_farmer, self.spec, self.oii, self.truth)
        return any(tables)


@section
class IngestConfig:
    """Section [ingest]: files to field stores."""

    select: str = ""
    """Which rows to take, an expression over catalogue columns; empty takes the descriptor's,
    which for HSC-CLAUDS is the paper's rule."""
    stamp_px: InputPx = 64
    """Side of a stamp in pixels."""
    tile_px: Whole = 4200
    """Largest side of a tile; larger mosaics are read as overlapping windows."""
    memory_limit_mb: Amount = 0.0
    """Shrink tiles so that the process stays below this; 0 sets no limit."""
    dust: str = ""
    """Folder of the SFD maps (SFD_dust_4096_{ngp,sgp}.fits), which give E(B-V) of SFD, not
    rescaled; see ebv of a field."""

    @model_validator(mode="after")
    def _tiles_hold_stamps(self) -> Self:
        if self.tile_px <= self.stamp_px:
            raise ValueError(
                f"tile_px is {self.tile_px}; give more than ingest.stamp_px = {self.stamp_px}"
            )
        return self


@section
class LabelConfig:
    """Section [label]: redshift labels into a field store."""

    radius_arcsec: Annotated[Number, Ge(0), Le(60)] = 1.0
    """Largest distance of a match."""
    sigma_max: Amount = 0.1
    """Keep COSMOS2020 labels whose four redshifts scatter by at most this times 1 + mean."""
    lephare_column: str = "lp_zBEST"
    """Which LePhare estimate joins EAZY's, lp_zBEST or lp_zPDF (the paper names neither)."""


def mock_field(root: Path, name: str) -> FieldConfig:
    """Return where `hscz mock` puts the files of a field."""
    folder = root / "mock" / name
    tree = folder / "deepCoadd-results/{filter}/{tract}/{patch}"
    labels = {key: str(folder / "labels" / LABEL_FILES[key]) for key in LABELS_OF_FIELD[name]}
    spec = [key for key in labels if not key.startswith(("cosmos2020", "nb921"))]
    oii = labels.get("nb921-oii")
    return FieldConfig(
        images=str(tree / "calexp-{filter}-{tract}-{patch}.fits"),
        catalogue=TableConfig(
            str(folder / f"{name}_6bands-SExtractor-Lephare.fits"), "hsc-clauds-sextractor-lephare"
        ),
        bands=FIELDS[name].bands,
        c2020_classic=labels.get("cosmos2020-classic", ""),
        c2020_farmer=labels.get("cosmos2020-farmer", ""),
        spec=tuple(TableConfig(labels[key], key) for key in spec),
        oii=TableConfig(oii, "nb921-oii") if oii else None,
        truth=str(folder / "truth" / f"{name}_truth.parquet"),
    )
