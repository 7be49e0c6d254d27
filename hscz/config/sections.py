"""Settings: every section of the one TOML file that describes a run, as frozen dataclasses.

What a key means stands beside its default; `hscz.config.read` reads the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hscz.config.fetch import FetchConfig, FieldFetch
from hscz.config.learn import (
    AdaptConfig,
    ExperimentsConfig,
    FlattenConfig,
    NetworkConfig,
    TrainConfig,
)
from hscz.config.mock import LABEL_FILES, LABELS_OF_FIELD, MockSettings
from hscz.survey import FIELDS


@dataclass(frozen=True)
class TableConfig:
    """A source catalogue on disk."""

    file: str
    catalogue: str
    """Name of a descriptor in catalogs/, or the path of your own .toml."""


@dataclass(frozen=True)
class ImagesConfig:
    """Images of one band that lie apart from those of the others."""

    images: str
    """Path pattern; without {tract} and {patch}, one file that all patches take from."""
    zero_point: float | None = None


@dataclass(frozen=True)
class FieldConfig:
    """Where the files of one field are."""

    images: str
    """Path pattern with {filter} or {band}, and {tract} and {patch} where the files have them."""
    catalogue: TableConfig
    bands: tuple[str, ...]
    """Bands to put into the store, blue to red."""
    optional: tuple[str, ...] = ()
    """Those of them that a galaxy may lack, such as J, H and Ks; the network is told."""
    apart: dict[str, ImagesConfig] = field(default_factory=dict)
    """Bands whose images lie elsewhere or have another zero point, such as NIR mosaics."""
    psf: str = ""
    """Path pattern of PSF files, with {position} for the right ascension and declination in
    their names; where there is none, the stars of the images tell the seeing."""
    zero_point: float | None = None
    """AB zero point of images whose headers have none."""
    resample: bool = False
    """Resample the images to the survey's pixel grid first; the resampled files are kept."""
    c2020_classic: str = ""
    c2020_farmer: str = ""
    spec: tuple[TableConfig, ...] = ()
    """Spectroscopic catalogues."""
    oii: TableConfig | None = None
    """Narrow-band [OII] emitter candidates."""
    truth: str = ""
    """Parquet file with object_id and z_true, in simulations only."""
    ebv: str = ""
    """Where E(B-V) comes from: catalogue (its column), sfd (the maps of ingest.dust) or irsa (an
    image around fetch.box, from its dust service by hscz fetch). Empty takes the column where there
    is one, else the maps where they are given."""
    fetch: FieldFetch | None = None
    """What to get from the archives, to the paths above."""

    @property
    def patterns(self) -> dict[str, str]:
        """Path pattern of each band."""
        return {b: self.apart[b].images if b in self.apart else self.images for b in self.bands}

    @property
    def zero_points(self) -> dict[str, float | None]:
        """AB zero point, by band, of images whose headers have none."""
        return {
            b: self.apart[b].zero_point if b in self.apart else self.zero_point for b in self.bands
        }

    @property
    def has_labels(self) -> bool:
        """Whether the field comes with any catalogue of redshifts."""
        tables = (self.c2020_classic, self.c2020_farmer, self.spec, self.oii, self.truth)
        return any(tables)


@dataclass(frozen=True)
class IngestConfig:
    """Section [ingest]: files to field stores."""

    select: str = ""
    """Which rows to take, an expression over catalogue columns; empty takes the descriptor's,
    which for HSC-CLAUDS is the paper's rule."""
    stamp_px: int = 64
    tile_px: int = 4200
    """Largest side of a tile; larger mosaics are read as overlapping windows."""
    memory_limit_mb: float = 0.0
    """Shrink tiles so that the process stays below this; 0 sets no limit."""
    dust: str = ""
    """Folder of the SFD maps (SFD_dust_4096_{ngp,sgp}.fits), which give E(B-V) of SFD, not
    rescaled; see `FieldConfig.ebv`."""


@dataclass(frozen=True)
class LabelConfig:
    """Section [label]: redshift labels into a field store."""

    radius_arcsec: float = 1.0
    sigma_max: float = 0.1
    """Keep COSMOS2020 labels whose four redshifts scatter by at most this times 1 + mean."""
    lephare_column: str = "lp_zBEST"
    """Which LePhare estimate joins EAZY's, lp_zBEST or lp_zPDF (the paper names neither)."""


@dataclass(frozen=True)
class PredictConfig:
    """Section [predict]: field stores and models to PDF cubes."""

    fields: tuple[str, ...] = ()
    """Fields to predict; empty predicts every field of the run."""
    block: int = 4096
    """Objects of one Dask task."""
    batch_size: int = 64
    """Objects that pass the network at once. More fill a GPU better; a processor takes longer over
    them, and each of its threads 25 MB for each with the paper's network."""
    device: str = "auto"
    precision: str = "auto"
    renormalise: bool = False
    """Measure the statistics of the normalisation layers on each field (AdaBN)."""
    calibrate: str = "none"
    """Calibrate the averaged PDFs on held-out source galaxies: none (the paper), temperature
    (one number) or pit (a map of the CDF that makes their PITs uniform)."""
    stand_in: dict[str, str] = field(default_factory=dict)
    """Bands to feed in place of others, such as {us = "u"} for a model trained on u*."""
    name: str = ""
    """Folder of the PDF cubes and catalogues; empty takes that of the models."""


@dataclass(frozen=True)
class ExportConfig:
    """Section [export]: PDF cubes to catalogues."""

    formats: tuple[str, ...] = ("fits", "parquet")
    """Of fits, parquet, votable, hats and qp."""
    include_pdf: bool = False
    """Add the PDFs as a vector column; qp files have them always."""
    algorithm: str = "cnn"
    """Prefix of the redshift columns."""
    columns: tuple[str, ...] = ()
    """Columns to write, in this order; empty writes all."""
    select: str = ""
    """Which rows to write, an expression over the columns; empty writes all."""


@dataclass(frozen=True)
class EvaluateConfig:
    """Section [evaluate]: metrics of PDF cubes against known redshifts."""

    fields: tuple[str, ...] = ()
    """Fields to judge; empty judges every predicted field."""
    reference: tuple[str, ...] = ("z_true", "z_spec", "z_label")
    """Label columns to compare with, where the store has them."""
    z_edges: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
    mag_edges: tuple[float, ...] = (18.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0)
    bootstraps: int = 100
    seed: int = 1


@dataclass(frozen=True)
class EmbedConfig:
    """Section [embed]: what the layers of the networks see, for hscz evaluate --embed."""

    recipes: tuple[str, ...] = ()
    """Recipes to look at, those before the adaptation first; the ones the run has not are left
    out. Empty takes v0, v2 and recommended."""
    n: int = 1000
    """Objects of each field, drawn at random."""
    cells: int = 1
    """Squares along the side of a map in which it is averaged; 1 takes the mean of the map."""
    layer: str = ""
    """Layer to draw, such as valid1; empty takes the one in which the first recipe groups the
    source's galaxies best by redshift."""
    method: str = "umap"
    """Way to the plane: umap or tsne, which need hscz[embed], or pca."""
    seed: int = 1


@dataclass(frozen=True)
class FiguresConfig:
    """Section [figures]: the paper's figures of this run."""

    formats: tuple[str, ...] = ("png", "pdf")
    """png, pdf and html, which is to zoom in; png is always made."""
    jobs: int = 2
    """Figures drawn side by side, each in its own process."""


@dataclass(frozen=True)
class StatedCounts:
    """What is known of a field before its catalogue is there."""

    objects: int | None = None
    """Selected galaxies."""
    labelled: int | None = None
    """Those with a redshift label."""
    spectra: int | None = None
    """Those with a secure spectroscopic redshift."""


@dataclass(frozen=True)
class PlanConfig:
    """Section [plan]: what hscz plan cannot count or time; no other verb reads it."""

    fields: dict[str, StatedCounts] = field(default_factory=dict)
    """Numbers of fields, which count until a catalogue or store is there to be counted."""
    mbit_per_s: float = 100.0
    """Rate of downloads."""


@dataclass(frozen=True)
class RunConfig:
    """One run: what the whole TOML file says."""

    name: str = "run"
    stores: str = "stores"
    """Folder of the artefacts."""
    mock: MockSettings | None = None
    """Make a mock survey and use its fields."""
    fields: dict[str, FieldConfig] = field(default_factory=dict)
    fetch: FetchConfig = field(default_factory=FetchConfig)
    ingest: IngestConfig = field(default_factory=IngestConfig)
    label: LabelConfig = field(default_factory=LabelConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    flatten: FlattenConfig = field(default_factory=FlattenConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    adapt: AdaptConfig = field(default_factory=AdaptConfig)
    predict: PredictConfig = field(default_factory=PredictConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    embed: EmbedConfig = field(default_factory=EmbedConfig)
    figures: FiguresConfig = field(default_factory=FiguresConfig)
    experiments: ExperimentsConfig = field(default_factory=ExperimentsConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Recipes of your own: ``base`` (the recipe it starts from) and settings that differ."""

    @property
    def root(self) -> Path:
        """Folder of the artefacts as a path."""
        return Path(self.stores)

    def field_store(self, name: str) -> Path:
        """Path of a field's store."""
        return self.root / "fields" / f"{name}.zarr"

    def ebv_image(self, name: str) -> Path:
        """Path of the image of E(B-V) that is fetched for a field."""
        return self.root / "dust" / f"{name}.fits"

    @property
    def models(self) -> tuple[Path, ...]:
        """Paths of all trained networks, fold by fold, run by run."""
        folder, runs = self.root / "models" / self.train.name, range(self.train.runs)
        if self.train.folds == 1:
            return tuple(folder / f"run{run}" for run in runs)
        folds = range(self.train.folds)
        return tuple(folder / f"fold{fold}-run{run}" for fold in folds for run in runs)

    def cube(self, name: str) -> Path:
        """Path of a field's PDF cube."""
        return self.root / "pdfs" / self._cubes / f"{name}.zarr"

    @property
    def calibration(self) -> Path:
        """Path of the calibration that the PDF cubes of these models share."""
        return self.root / "pdfs" / self._cubes / "calibration.json"

    def results(self, name: str) -> Path:
        """Stem of a field's catalogue, metrics and pictures."""
        return self.root / "catalogues" / self._cubes / name

    @property
    def _cubes(self) -> str:
        return self.predict.name or self.train.name

    @property
    def predict_fields(self) -> tuple[str, ...]:
        """Fields to predict, in the order of the file."""
        return self.predict.fields or tuple(self.fields)

    @property
    def evaluate_fields(self) -> tuple[str, ...]:
        """Fields to judge."""
        return self.evaluate.fields or self.predict_fields


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
