"""What a recipe's method is: a way from field stores to redshifts."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pandas as pd

from hscz.config import RunConfig


class Estimator(Protocol):
    """A way from field stores to redshifts, as `hscz.seams.ESTIMATORS` names it.

    A method that learns from measured magnitudes is a `hscz.experiments.baseline.Baseline`, which
    leaves nothing to say but how. Anything else that has these attributes will do.
    """

    @property
    def trains(self) -> bool:
        """Whether it uses the networks of `hscz.config.RunConfig.models`, to be trained first."""
        ...

    def output(self, config: RunConfig, name: str) -> Path:
        """Return where the redshifts of a field are: a PDF cube (.zarr) or a table (.parquet)."""
        ...

    def why_stale(self, config: RunConfig, name: str) -> str:
        """Return why the redshifts of a field must be made; empty where they are up to date."""
        ...

    def predict(self, config: RunConfig, name: str) -> object:
        """Make the redshifts of a field from its store and those of the source fields."""
        ...

    def read(self, config: RunConfig, name: str) -> pd.DataFrame:
        """Return the redshifts of a field to be judged, see `hscz.experiments.compare.Estimates`.

        Objects that it has learnt from are left out.
        """
        ...
