"""What a run has made of one predicted field, opened when a report asks for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from hscz.config import RunConfig
from hscz.errors import ConfigError, InputError
from hscz.evaluate.judged import is_judged
from hscz.experiments.experiment import Experiment, experiments, planned, seeded
from hscz.learn.folder import ModelFolder
from hscz.nz import files as nz_files
from hscz.predict.recalibrate import Calibration
from hscz.report.comparison import comparison_folder
from hscz.stores import open_cube, open_field


@dataclass(frozen=True)
class Evidence:
    """One predicted field of a run: its stores, tables, pictures and networks.

    Attributes
    ----------
    config : RunConfig
        Of the networks that predicted it.
    name : str
        Of the field.
    recipe : str
        Empty for a run without recipes.
    plan : tuple of Experiment
        All recipes on this field, of the same seed.
    comparison : Path
        Folder of their comparison; none in a run without recipes.
    """

    config: RunConfig
    name: str
    recipe: str = ""
    plan: tuple[Experiment, ...] = ()
    comparison: Path | None = None

    @cached_property
    def cube(self) -> xr.Dataset:
        """PDF cube; raises StoreError where there is none."""
        return open_cube(self.config.cube(self.name), lazy=False)

    @cached_property
    def store(self) -> xr.Dataset:
        """Field store; raises StoreError where there is none."""
        return self.store_of(self.name)

    def store_of(self, name: str) -> xr.Dataset:
        """Return the field store of a field; raises StoreError where there is none."""
        return open_field(self.config.field_store(name), lazy=False)

    @property
    def is_source(self) -> bool:
        """Whether its own labels have trained the networks."""
        return self.name in self.config.train.fields

    @property
    def sources(self) -> str:
        """Fields that the networks learn from."""
        return ", ".join(self.config.train.fields)

    @property
    def calibration(self) -> Calibration | None:
        """By what the PDFs are calibrated; None where they are as the networks give them."""
        note = self.cube.attrs.get("calibration", "none")
        return None if note == "none" else Calibration.noted(json.loads(note))

    @cached_property
    def models(self) -> list[ModelFolder]:
        """Networks whose training has finished; raises InputError where there is none."""
        found = [one for one in map(ModelFolder, self.config.models) if one.whole]
        if not found:
            folder = self.config.models[0].parent
            raise InputError(f"{folder}: no trained network here; run 'hscz train' to make it")
        return found

    @cached_property
    def n_of_z(self) -> xr.Dataset:
        """n(z) of the field and of samples of it; raises InputError where there is none."""
        path = nz_files.path_of(self.config.results(self.name), "fits")
        if not path.exists():
            raise InputError(
                f"{path.name} is not there; run 'hscz nz' with fits among nz.formats to infer n(z)"
            )
        return nz_files.read(path)

    def table(self, kind: str) -> pd.DataFrame:
        """Return one of the tables of the evaluation, such as ``metrics``.

        Raises
        ------
        InputError
            If it is not there, and why if there is nothing to judge by, or if it cannot be read.
        """
        path = self.beside(f"{kind}.parquet")
        if kind in JUDGED and not path.exists() and not self._is_judged:
            raise InputError(
                f"{self.name} is not judged, as none of its objects outside the training has a "
                f"redshift to compare with ({', '.join(self.config.evaluate.reference)})"
            )
        return read_table(path, "evaluate")

    @property
    def coverage_by_mag(self) -> pd.DataFrame:
        """Calibration of the PDFs as the cube has them, of all and by magnitude; see `table`."""
        table = self.table("calibration")
        if "pdfs" not in table:
            raise InputError(
                f"{self.beside('calibration.parquet').name} is of an earlier version; run "
                "'hscz evaluate' to make it again"
            )
        now = table["pdfs"] == table["pdfs"].iloc[-1]
        return table[now & table["by"].isin(["all", "mag_i"])]

    @cached_property
    def _is_judged(self) -> bool:
        known = (one for one in self.config.evaluate.reference if one in self.cube)
        return any(bool(is_judged(self.cube, one).any()) for one in known)

    def comparison_table(self, kind: str) -> pd.DataFrame:
        """Return one of the tables of the comparison of recipes; see `table`."""
        if self.comparison is None:
            raise InputError("the run has no recipes to compare")
        return read_table(self.comparison / f"{kind}.parquet", "evaluate --experiments")

    def beside(self, ending: str) -> Path:
        """Return the path of a file of results, ``NAME_ending``."""
        stem = self.config.results(self.name)
        return stem.with_name(f"{stem.name}_{ending}")

    def shown(self) -> dict[str, Path]:
        """Return the files that a report shows, there or not, by name."""
        tables = [self.beside(f"{kind}.parquet") for kind in TABLES]
        pictures = [self.beside(f"{kind}.png") for kind in PICTURES]
        files = [*tables, *pictures, nz_files.path_of(self.config.results(self.name), "fits")]
        if self.comparison:
            files.append(self.comparison / "comparison.parquet")
        return {path.name: path for path in files}

    def settings(self) -> dict[str, Any]:
        """Return the settings of the networks, as their folder keeps them."""
        return self.models[0].settings()


JUDGED = ("metrics", "calibration", "coverage", "credibility", "flags")
"""Tables of the evaluation that take known redshifts."""

TABLES = (*JUDGED, "cuts")
"""All tables of the evaluation."""

PICTURES = ("redshifts", "examples", "nz", "cuts")
"""Pictures that other stages have drawn."""


def read_table(path: Path, verb: str) -> pd.DataFrame:
    """Return a table that a verb has written.

    Raises
    ------
    InputError
        If it is not there or cannot be read; the message names the verb.
    """
    if not path.exists():
        raise InputError(f"{path.name} is not there; run 'hscz {verb}' to make it")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); run 'hscz {verb} --force' to make it again"
        ) from None


def reported(config: RunConfig) -> Iterator[Evidence]:
    """Yield what there is of each field that a run reports on.

    That is each predicted field, or of a run with recipes each target by the one published.

    Raises
    ------
    ConfigError
        If a run with recipes publishes none of them.
    """
    if not config.experiments.recipes:
        plan = planned(config)
        for name in config.predict_fields:
            yield Evidence(config, name, "", tuple(one for one in plan if one.target == name))
        return
    publish = config.experiments.publish
    if publish not in config.experiments.recipes:
        said = f"is {publish!r}, none of experiments.recipes" if publish else "is empty"
        raise ConfigError(
            f"experiments.publish {said}; name the recipe whose redshifts to report, such as "
            f"{config.experiments.recipes[-1]!r}"
        )
    for each in seeded(config):
        plan = experiments(each)
        for one in plan:
            if one.recipe == publish:
                others = tuple(other for other in plan if other.target == one.target)
                folder = comparison_folder(config)
                yield Evidence(one.config, one.target, publish, others, folder)
