"""A run: all sections of its file together, and the paths of what it makes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from pathlib import Path
from typing import Self

from pydantic import model_validator

from hscz.config.fetch import FetchConfig
from hscz.config.fields import FieldConfig, IngestConfig, LabelConfig, mock_field
from hscz.config.learn import AdaptConfig, FlattenConfig, NetworkConfig, TrainConfig
from hscz.config.mock import MockSettings
from hscz.config.recipes import ExperimentsConfig, Recipe
from hscz.config.results import (
    EmbedConfig,
    EvaluateConfig,
    ExportConfig,
    FiguresConfig,
    NzConfig,
    PlanConfig,
    PredictConfig,
)
from hscz.config.section import section
from hscz.errors import ConfigError


@section
class RunConfig:
    """One run: what the whole TOML file says."""

    name: str = "run"
    """What the run is called."""
    stores: str = "stores"
    """Folder of the artefacts."""
    survey: str = ""
    """Survey that the fields belong to, written into their stores; empty takes the name of the run.
    Stores of [mock] say that they are a mock."""
    mock: MockSettings | None = None
    fields: dict[str, FieldConfig] = field(default_factory=dict)
    """Fields by name."""
    fetch: FetchConfig = field(default_factory=FetchConfig)
    ingest: IngestConfig = field(default_factory=IngestConfig)
    label: LabelConfig = field(default_factory=LabelConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    flatten: FlattenConfig = field(default_factory=FlattenConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    adapt: AdaptConfig = field(default_factory=AdaptConfig)
    predict: PredictConfig = field(default_factory=PredictConfig)
    nz: NzConfig = field(default_factory=NzConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    embed: EmbedConfig = field(default_factory=EmbedConfig)
    figures: FiguresConfig = field(default_factory=FiguresConfig)
    experiments: ExperimentsConfig = field(default_factory=ExperimentsConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    recipes: dict[str, Recipe] = field(default_factory=dict)
    """Recipes of your own by name."""

    @model_validator(mode="after")
    def _adaptation_has_galaxies(self) -> Self:
        adapt = self.adapt
        if not adapt.targets and adapt.in_force:
            raise ValueError(
                "adapt.targets is empty, so there is nothing to adapt to; name fields, or leave "
                'adapt.adversary = "none", adapt.degrade = false and adapt.methods = []'
            )
        if adapt.adversary != "none" and self.train.batch_size % 4:
            raise ValueError(
                f"train.batch_size is {self.train.batch_size}; pairs for the adversary need a "
                "multiple of 4"
            )
        both = set(adapt.targets) & set(self.train.fields)
        if both:
            raise ValueError(
                f"adapt.targets has {both.pop()!r}, a source field of train.fields; take it out "
                "of one of them"
            )
        return self

    @model_validator(mode="after")
    def _statistics_can_be_measured(self) -> Self:
        # Bodies of other packages have layers of their own.
        ours = self.network.body == "multimodal"
        if self.predict.renormalise and ours and self.network.norm != "batch":
            raise ValueError(
                f"predict.renormalise is true, but network.norm is {self.network.norm!r}, so there "
                'are no statistics to measure on a field; set network.norm = "batch", or leave '
                "predict.renormalise = false"
            )
        return self

    @model_validator(mode="after")
    def _calibration_has_galaxies(self) -> Self:
        if self.predict.calibrate != "none" and not self.train.validation_fraction:
            raise ValueError(
                f"predict.calibrate is {self.predict.calibrate!r}, which needs source galaxies "
                "that are held out; raise train.validation_fraction"
            )
        return self

    @model_validator(mode="after")
    def _dust_has_maps(self) -> Self:
        for name, entry in self.fields.items():
            if entry.ebv == "sfd" and not self.ingest.dust:
                raise ValueError(
                    f"fields.{name}.ebv is 'sfd'; name the folder of the SFD maps with dust under "
                    "[ingest]"
                )
        return self

    def check_fields(self, key: str, names: Iterable[str], hint: str = "") -> None:
        """Refuse names of fields that the file does not describe.

        Raises
        ------
        ConfigError
            Naming the key, the name found there and the fields there are.

        Examples
        --------
        >>> RunConfig().check_fields("predict.fields", ["DEEP3"])
        Traceback (most recent call last):
        ...
        hscz.errors.ConfigError: predict.fields has 'DEEP3'; the fields are none: add ...
        """
        for name in names:
            if name not in self.fields:
                known = ", ".join(self.fields) or "none: add [fields.NAME] or [mock]"
                raise ConfigError(f"{key} has {name!r}; the fields are {known}{hint}")

    @property
    def root(self) -> Path:
        """Folder of the artefacts as a path."""
        return Path(self.stores)

    def field_store(self, name: str) -> Path:
        """Path of a field's store."""
        return self.root / "fields" / f"{name}.zarr"

    def zero_points(self, name: str) -> Path:
        """Path of a field's zero points against those of the source fields."""
        return self.root / "zero_points" / "+".join(self.train.fields) / f"{name}.json"

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

    def calibration(self, name: str) -> Path:
        """Path of what a field's PDFs are calibrated by."""
        return self.root / "pdfs" / self._cubes / "calibration" / f"{name}.json"

    def stand_ins(self, name: str) -> Path:
        """Path of the galaxies that stand in for those of a field."""
        return self.root / "pdfs" / self._cubes / "calibration" / f"{name}.npz"

    def results(self, name: str) -> Path:
        """Stem of a field's catalogue, metrics and pictures."""
        return self.root / "catalogues" / self._cubes / name

    def prior_ratio(self, name: str) -> Path:
        """Path of the ratio of a field's n(z) to that which its PDFs carry."""
        stem = self.results(name)
        return stem.with_name(f"{stem.name}.ratio.json")

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

    def survey_of(self, name: str) -> str:
        """Return the survey that a field belongs to, as its store says it."""
        mocked = self.mock is not None and name in self.mock.fields
        if mocked and self.fields.get(name) == mock_field(self.root, name):
            return "mock of HSC-CLAUDS"
        return self.survey or self.name
