"""Recipes judged side by side: every test of every set of estimates in one tidy table.

`hscz.experiments.gains` says what a recipe gains over the baseline, `hscz.experiments.verdict`
turns the tables into text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz.config import EvaluateConfig
from hscz.errors import InputError
from hscz.evaluate.cells import sky_cells
from hscz.evaluate.metrics import FloatArray, metrics_table
from hscz.evaluate.trials import (
    N_OF_Z_MAG_EDGES,
    label_shift_slope,
    n_of_z_distances,
    oii_metrics,
    resampled_n_of_z,
    wide_pdf_fraction,
)
from hscz.schema import has_redshift, known_redshifts

POOLED_BINS = ((18.0, 22.5), (18.0, 24.0), (23.0, 25.0), (24.0, 25.0))
"""Wide bins of i magnitude, besides those of the settings, in which recipes are compared."""

STACKED = "_stacked"
"""Ends the names of tests of the mean of all PDFs, where the others take their medians."""

REFERENCES = {"truth": "z_true", "spec": "z_spec"}
"""Column of known redshifts, by test; a redshift of zero or less is none."""

KEYS = ("target", "field", "recipe", "test", "by", "low", "high", "metric")
"""Columns that say what a row is about, apart from the seed."""


@dataclass(frozen=True)
class Estimates:
    """The redshifts that one trained recipe gives to one field.

    Attributes
    ----------
    recipe : str
        Such as ``v0``, ``v2``, ``adabn``, ``oracle`` or ``knn``.
    target : str
        Field that the recipe was adapted to.
    field : str
        Field judged: the target, or the source to see whether the adaptation did harm there.
    seed : int
    table : pandas.DataFrame
        Objects not trained on: ``object_id``, ``mag_i``, ``z_median`` (NaN where there is none)
        and those known of ``ra``, ``dec``, ``z_draw`` (drawn from each PDF), ``pdf_width``,
        ``z_true``, ``z_spec``, ``is_oii_candidate``.

    Raises
    ------
    InputError
        If a column that every table needs is missing, or an object is there twice.

    Examples
    --------
    >>> table = pd.DataFrame({"object_id": [1], "mag_i": [22.0], "z_median": [0.5]})
    >>> Estimates("v0", "DEEP2", "DEEP2", 1, table).known("z_true").tolist()
    [nan]
    """

    recipe: str
    target: str
    field: str
    seed: int
    table: pd.DataFrame

    def __post_init__(self) -> None:
        name = f"estimates of {self.recipe} for {self.field}, seed {self.seed}"
        missing = {"object_id", "mag_i", "z_median"} - set(self.table)
        if missing:
            raise InputError(f"{name}: no column {', '.join(sorted(missing))}; add it")
        if not self.table["object_id"].is_unique:
            raise InputError(f"{name}: an object_id is there twice; keep one row per object")

    @property
    def place(self) -> dict[str, Any]:
        """Columns that name these estimates in a table of many."""
        return {name: getattr(self, name) for name in ("seed", "target", "field", "recipe")}

    def known(self, column: str) -> NDArray[np.float64]:
        """Return a column as floats, NaN where a redshift is unknown; all NaN if it is absent."""
        if column not in self.table:
            return np.full(len(self.table), np.nan)
        values = self.table[column].to_numpy(dtype=np.float64)
        return known_redshifts(values) if column in REFERENCES.values() else values

    def cells(self, side_arcmin: float) -> NDArray[np.int64]:
        """Return the cell of the sky of each object; one of its own where no place is known."""
        return _cells(self.table, side_arcmin)


def compare(
    estimates: Iterable[Estimates], training: Mapping[int, pd.DataFrame], settings: EvaluateConfig
) -> pd.DataFrame:
    """Put every set of estimates to every test that its columns allow.

    Parameters
    ----------
    estimates : iterable of Estimates
    training : mapping of int to pandas.DataFrame
        By seed, the objects of the source that networks learn from: ``z_label``, ``mag_i`` and,
        where known, ``ra`` and ``dec``. The tests that need them are left out for other seeds.
    settings : EvaluateConfig
        Bins, number of bootstrap samples and their seed.

    Returns
    -------
    pandas.DataFrame
        Columns ``seed``, ``target``, ``field``, ``recipe``; ``test``, one of

        - ``truth`` and ``spec``: `hscz.evaluate.metrics.metrics_table` against ``z_true`` and
          ``z_spec``, in bins of i (those of the settings and `POOLED_BINS`) and of z;
        - ``n_of_z_truth`` and ``n_of_z_training``: `n_of_z_distances`, ``w1`` and ``tv``;
        - ``label_shift``: `label_shift_slope`, and how far the truth is from the training n(z);
        - ``oii``: `oii_metrics` of ``candidates`` and of true ``emitters``;
        - ``pdf_width``: ``wide_fraction``;

        n(z) is that of the medians, and in tests that end in ``_stacked`` the mean of all PDFs, and
        its errors are those of resampled cells of the sky;
        ``by`` (``all``, ``mag_i``, ``z``, ``candidates`` or ``emitters``), ``low``, ``high``,
        ``n``, ``n_missing`` (objects without an estimate) and the values, each with ``_err``;
        NaN where a test has no such.

    Raises
    ------
    InputError
        If there are no estimates.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth = pd.DataFrame({"object_id": range(500), "mag_i": 24.5, "z_true": rng.random(500)})
    >>> one = Estimates("v0", "DEEP2", "DEEP2", 1, truth.assign(z_median=truth["z_true"] + 0.05))
    >>> training = {1: pd.DataFrame({"z_label": rng.random(900), "mag_i": 24.5})}
    >>> table = compare([one], training, EvaluateConfig()).set_index("test")
    >>> table.loc["n_of_z_truth", ["low", "high", "n", "w1"]].dropna().round(3).values.tolist()
    [[24.0, 25.0, 500.0, 0.05]]
    """
    source = {}
    for seed, objects in training.items():
        used = objects[has_redshift(objects["z_label"])]
        z_label, mag_i = (used[name].to_numpy() for name in ("z_label", "mag_i"))
        cells = _cells(used, settings.cell_arcmin)
        source[seed] = _counts(z_label, mag_i, cells, settings, stream=1)
    tables = []
    for one in estimates:
        for test, table in _tests(one, source.get(one.seed), settings):
            tables.append(table.assign(**one.place, test=test))
    if not tables:
        raise InputError("no estimates to compare; predict the fields first")
    table = pd.concat(tables, ignore_index=True)
    first = ["seed", *(key for key in KEYS if key in table), "n", "n_missing"]
    return table[[*first, *table.columns.difference(first, sort=False)]]


def magnitude_bins(settings: EvaluateConfig) -> tuple[tuple[float, float], ...]:
    """Return the bins of i: those of the settings, then `POOLED_BINS` that are not among them.

    Examples
    --------
    >>> magnitude_bins(EvaluateConfig(mag_edges=(24.0, 25.0)))
    ((24.0, 25.0), (18.0, 22.5), (18.0, 24.0), (23.0, 25.0))
    """
    return tuple(dict.fromkeys((*pairwise(settings.mag_edges), *POOLED_BINS)))


def _tests(
    one: Estimates, source: NDArray[np.int64] | None, settings: EvaluateConfig
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the name and the table of every test that the columns allow."""
    z, mag, truth = (one.known(name) for name in ("z_median", "mag_i", "z_true"))
    for test, column in REFERENCES.items():
        reference = one.known(column)
        if np.isfinite(reference).any():
            yield test, _against(z, reference, mag, settings)
    cells = one.cells(settings.cell_arcmin)
    yield from _n_of_z_tests(z, mag, truth, cells, source, settings)
    drawn = one.known("z_draw")
    if np.isfinite(drawn).any():
        for test, table in _n_of_z_tests(drawn, mag, truth, cells, source, settings):
            yield f"{test}{STACKED}", table
    chosen = one.known("is_oii_candidate") == 1
    if chosen.any():
        z_true = truth[chosen] if np.isfinite(truth[chosen]).any() else None
        yield "oii", oii_metrics(z[chosen], z_true, settings.bootstraps, settings.seed)
    width = one.known("pdf_width")
    if np.isfinite(width).any():
        yield "pdf_width", wide_pdf_fraction(width, mag, settings.mag_edges).assign(by="mag_i")


def _against(
    z: FloatArray, reference: FloatArray, mag: FloatArray, settings: EvaluateConfig
) -> pd.DataFrame:
    bins = {f"{low}-{high}": (mag, (low, high)) for low, high in magnitude_bins(settings)}
    by = bins | {"z": (reference, settings.z_edges)}
    table = metrics_table(z, reference, by, settings.bootstraps, settings.seed)
    return table.assign(by=table["by"].where(table["by"].isin(["all", "z"]), "mag_i"))


def _n_of_z_tests(
    z: FloatArray,
    mag: FloatArray,
    truth: FloatArray,
    cells: NDArray[np.int64],
    source: NDArray[np.int64] | None,
    settings: EvaluateConfig,
) -> Iterator[tuple[str, pd.DataFrame]]:
    found = np.isfinite(z)
    missing, _ = np.histogram(mag[~found], N_OF_Z_MAG_EDGES)
    pred = _counts(z[found], mag[found], cells[found], settings)
    if source is not None:
        yield "n_of_z_training", _distances(pred, source).assign(n_missing=missing)
    both = found & np.isfinite(truth)
    if both.any():
        # One seed, so that each bootstrap sample holds the same objects in both.
        pred, true = (
            _counts(values[both], mag[both], cells[both], settings) for values in (z, truth)
        )
        yield "n_of_z_truth", _distances(pred, true).assign(n_missing=missing)
        if source is not None:
            slope, error = label_shift_slope(pred, true, source)
            row = {"by": "all", "n": both.sum(), "slope": slope, "slope_err": error}
            yield "label_shift", pd.concat([pd.DataFrame([row]), _distances(true, source)])


def _cells(table: pd.DataFrame, side_arcmin: float) -> NDArray[np.int64]:
    if not {"ra", "dec"} <= set(table):
        return np.arange(len(table))
    return sky_cells(table["ra"], table["dec"], side_arcmin)


def _counts(
    z: FloatArray,
    mag_i: FloatArray,
    cells: NDArray[np.int64],
    settings: EvaluateConfig,
    stream: int = 0,
) -> NDArray[np.int64]:
    seed = settings.seed + stream
    return resampled_n_of_z(z, mag_i, seed, settings.bootstraps, cells=cells)


def _distances(counts: NDArray[np.int64], reference: NDArray[np.int64]) -> pd.DataFrame:
    low, high = N_OF_Z_MAG_EDGES[:-1], N_OF_Z_MAG_EDGES[1:]
    place = {"by": "mag_i", "low": low, "high": high, "n": counts[0].sum(axis=-1)}
    return pd.DataFrame(place | n_of_z_distances(counts, reference))
