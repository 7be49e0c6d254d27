"""Methods on measured magnitudes as estimators: what networks on images have to beat.

A method learns from the galaxies that the first fold of a configuration learns from, each made like
one of the field that it is asked about, of whose pixels alone this takes something.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hscz import pdf, stores
from hscz.config import RunConfig
from hscz.config.decisive import key_of
from hscz.errors import InputError, about
from hscz.experiments.photometric import Answer, Features, features
from hscz.extras import needed_by
from hscz.files.atomic import write_atomic
from hscz.files.fresh import Key, mark_made, why_stale
from hscz.ingest.zeropoints import corrects, zero_point_scale, zero_points_key
from hscz.pdf.grid import RedshiftGrid
from hscz.predict.keys import labelled
from hscz.schema import LABEL_COLUMNS, is_usable

if TYPE_CHECKING:
    from hscz.learn.conditions import Conditions

LEAST_GALAXIES = 30
"""Labelled galaxies from fewer of which nothing is learnt."""

BLOCK = 16_384
"""Galaxies asked about at once; their PDFs are not kept."""

COLUMNS = ("object_id", "ra", "dec", "mag_i", "ebv", *LABEL_COLUMNS)

Fit = Callable[[Features, NDArray[np.float64], RedshiftGrid, int], Answer]
"""Features and redshifts of known galaxies, bins of PDFs and a seed in, what is learnt out."""


@dataclass(frozen=True)
class Baseline:
    """A method that learns from magnitudes; see `hscz.experiments.estimator.Estimator`.

    Attributes
    ----------
    name : str
        That of the method.
    fit : callable
        See `Fit`.
    """

    name: str
    fit: Fit
    trains = False

    def learn(
        self, known: Features, z_label: ArrayLike, grid: RedshiftGrid, seed: int = 1
    ) -> Answer:
        """Let the method learn from galaxies of known redshift.

        Parameters
        ----------
        known : Features
            At least `LEAST_GALAXIES` galaxies.
        z_label : array_like, shape (len(known),)
            Inside the grid.
        grid : RedshiftGrid
            Bins of the PDFs, where the method gives any.
        seed : int

        Returns
        -------
        callable
            Takes `Features` of other galaxies, in the same bands, and gives an
            `hscz.experiments.photometric.Estimate`.

        Raises
        ------
        ConfigError
            If the method needs a package that is not installed.
        InputError
            If there are too few galaxies, or labels are missing or outside the grid.

        Examples
        --------
        >>> from hscz.seams import ESTIMATORS
        >>> rng = np.random.default_rng(1)
        >>> z = rng.uniform(0, 1, 1000)
        >>> mag = 20 + np.outer(z, [3.0, 1.0])
        >>> grid = RedshiftGrid.uniform(60, 1.0)
        >>> nearest = ESTIMATORS.load("knn").learn(Features(mag, 0 * mag), z, grid)
        >>> nearest(Features(np.array([[21.5, 20.5]]), np.zeros((1, 2)))).z_median.round(1)
        array([0.5])
        """
        z = np.asarray(z_label, np.float64)
        bad = int((grid.index(z) < 0).sum())
        if bad or len(z) < LEAST_GALAXIES:
            raise InputError(
                f"{len(z)} labels to learn from, {bad} of them missing or outside "
                f"{grid.edges[0]:g} <= z < {grid.edges[-1]:g}; give at least {LEAST_GALAXIES}, "
                "all inside"
            )
        with needed_by(f"method {self.name!r}"):
            return self.fit(known, z, grid, seed)

    def output(self, config: RunConfig, name: str) -> Path:
        """Return the table of a field."""
        stem = config.results(name)
        return stem.with_name(f"{stem.name}_estimates.parquet")

    def key(self, config: RunConfig, name: str) -> Key:
        """Return what the table of a field is made from."""
        inputs = labelled(config, [*config.train.fields, name])
        how = {"method": self.name}
        if corrects(config, name):
            how |= zero_points_key(config, name).settings
        return key_of(inputs, how, train=config.train)

    def why_stale(self, config: RunConfig, name: str) -> str:
        """Return why the table of a field must be made; empty where it is up to date."""
        path = self.output(config, name)
        return why_stale(path.with_suffix(".json"), self.key(config, name), path.exists())

    def predict(self, config: RunConfig, name: str) -> None:
        """Write the table of a field.

        It has ``z_median``, ``pdf_width``, where there are PDFs ``z_draw``, a redshift drawn from
        each, and the columns of the store that redshifts are judged by.
        """
        from hscz.learn.sample import divide, median_noise

        train, key = config.train, self.key(config, name)
        source = {f: stores.open_field(config.field_store(f), lazy=False) for f in train.fields}
        sample = divide(source, train)
        known = sample[(sample["part"] == "training") & sample["used"]]
        noise = median_noise(source, known, train.bands)
        store = stores.open_field(config.field_store(name), lazy=False)
        rows = np.flatnonzero(is_usable(store["flags"].values))
        like = None
        if name not in train.fields:
            with about(name):
                like = _conditions(store, rows, train.bands)
        measured = []
        for f, labelled_store in source.items():
            with about(f):
                places = known.loc[known["field"] == f, "row"].to_numpy()
                args = (labelled_store, places, train.bands, noise)
                measured.append(features(*args, like=like, seed=train.seed))
        grid = RedshiftGrid.make(train.grid, train.n_bins, train.z_max)
        answer = self.learn(_joined(measured), known["z_label"], grid, train.seed)
        learnt = sample[(sample["field"] == name) & (sample["part"] == "training")]
        rows = np.setdiff1d(rows, learnt["row"])
        tables, rng = [], np.random.default_rng(train.seed)
        scale = zero_point_scale(config, name)
        for start in range(0, len(rows), BLOCK):
            some = rows[start : start + BLOCK]
            with about(name):
                found = answer(features(store, some, train.bands, noise, scale))
            estimates = {"z_median": found.z_median, "pdf_width": found.pdf_width}
            if found.pdf is not None:
                estimates["z_draw"] = pdf.draw(found.pdf, grid.edges, rng)
            tables.append(_columns(store, some).assign(**estimates))
        table, path = pd.concat(tables, ignore_index=True), self.output(config, name)
        note = path.with_suffix(".json")
        note.unlink(missing_ok=True)
        write_atomic(path, partial(table.to_parquet, index=False))
        mark_made(note, key)

    def read(self, config: RunConfig, name: str) -> pd.DataFrame:
        """Return the table of a field."""
        return pd.read_parquet(self.output(config, name))


def _conditions(store: xr.Dataset, rows: NDArray[np.int64], bands: tuple[str, ...]) -> Conditions:
    """Return how galaxies were observed, as far as the store says."""
    from hscz.learn.conditions import Conditions

    return Conditions.of(store, rows, bands, partial=True)


def _columns(store: xr.Dataset, rows: NDArray[np.int64]) -> pd.DataFrame:
    return pd.DataFrame({key: store[key].values[rows] for key in COLUMNS if key in store})


def _joined(parts: list[Features]) -> Features:
    return Features(
        np.concatenate([part.mag for part in parts]), np.concatenate([p.mag_err for p in parts])
    )
