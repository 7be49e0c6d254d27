"""What a recipe gains over another on the same galaxies, and which share of a gap that closes.

The baseline ``v0`` is trained on the source field alone, the ``oracle`` is the same network trained
on the target's own true redshifts, which only a simulation has. The gap closed by a recipe x is
(v0 - x) / (v0 - oracle).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from hscz.config import EvaluateConfig
from hscz.evaluate.metrics import FloatArray, outlier_fraction, residual, sigma_mad
from hscz.experiments.compare import KEYS, POOLED_BINS, Estimates, magnitude_bins
from hscz.experiments.recipes import BASELINE, ORACLE

VALUES = ("value", "gain", "gap", "closed")

METRICS = {"sigma_mad": sigma_mad, "outlier_fraction": outlier_fraction}


def gap_closed(
    estimates: Sequence[Estimates], settings: EvaluateConfig, reference: str = "z_true"
) -> pd.DataFrame:
    """Return what each recipe gains over the baseline, and which share of the gap that is.

    Gains are paired: recipe and baseline are compared on the objects that both have, and each
    bootstrap sample holds the same objects for both. The gap and its share are those of the
    objects that the oracle, too, has not learnt from. A baseline or oracle that was judged for
    another target but in the same field and seed serves where there is none of the target's.

    Parameters
    ----------
    estimates : sequence of Estimates
    settings : EvaluateConfig
    reference : str
        Column with the redshifts to compare with.

    Returns
    -------
    pandas.DataFrame
        Columns ``seed``, ``target``, ``field``, ``recipe``, ``by``, ``low``, ``high``,
        ``metric`` (``sigma_mad`` or ``outlier_fraction``), ``n`` and ``n_gap`` (objects without
        and with the oracle), ``value`` of the recipe on the n objects, ``gain`` (v0 - x), ``gap``
        (v0 - oracle) and ``closed`` (gain / gap), each with ``_err``. ``closed`` is NaN where the
        gap is within two errors of zero: no gap.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth = pd.DataFrame({"object_id": range(900), "mag_i": 24.5, "z_true": 1.0})
    >>> scatter = {"v0": 0.10, "v2": 0.07, "oracle": 0.05}
    >>> noise = rng.normal(size=900)
    >>> made = {name: truth.assign(z_median=1 + s * noise) for name, s in scatter.items()}
    >>> parts = [Estimates(name, "DEEP2", "DEEP2", 1, table) for name, table in made.items()]
    >>> gaps = gap_closed(parts, EvaluateConfig()).set_index(["recipe", "metric", "by"])
    >>> float(gaps.loc[("v2", "sigma_mad", "all"), "closed"].round(3))
    0.6
    """
    parts = list(estimates)
    first = ["seed", *(key for key in KEYS if key != "test"), "n", "n_gap"]
    columns = [*first, *(f"{name}{end}" for name in VALUES for end in ("", "_err"))]
    tables = []
    for one in parts:
        baseline = counterpart(parts, one, BASELINE)
        if one.recipe in (BASELINE, ORACLE) or baseline is None:
            continue
        bins = magnitude_bins(settings)
        table = _paired([baseline, one], bins, settings, reference, _gain)
        oracle = counterpart(parts, one, ORACLE)
        if oracle is not None and len(table):
            trio = _paired([baseline, one, oracle], bins, settings, reference, _share)
            table = table.merge(trio.rename(columns={"n": "n_gap"}), how="left")
        tables.append(table.assign(**one.place))
    return _joined(tables, columns)


def paired_gains(
    estimates: Sequence[Estimates],
    pairs: Iterable[tuple[str, str]],
    settings: EvaluateConfig,
    reference: str = "z_true",
) -> pd.DataFrame:
    """Return what recipes gain over others, on the galaxies that both are judged by.

    Parameters
    ----------
    estimates : sequence of Estimates
    pairs : iterable of (str, str)
        A recipe and the one it is held against, found as in `gap_closed`. Those that were not
        judged are left out.
    settings : EvaluateConfig
    reference : str
        Column with the redshifts to compare with.

    Returns
    -------
    pandas.DataFrame
        Columns ``seed``, ``target``, ``field``, ``recipe``, ``against``, ``by``, ``low``,
        ``high`` (bins of `hscz.experiments.compare.POOLED_BINS`), ``metric``, ``n``, ``value`` of
        the recipe and ``gain``, by how much that of the other is larger, both with ``_err``.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth = pd.DataFrame({"object_id": range(900), "mag_i": 24.5, "z_true": 1.0})
    >>> noise = rng.normal(size=900)
    >>> parts = [
    ...     Estimates(name, "DEEP2", "DEEP2", 1, truth.assign(z_median=1 + scatter * noise))
    ...     for name, scatter in {"v2": 0.08, "control": 0.1}.items()
    ... ]
    >>> gains = paired_gains(parts, [("v2", "control")], EvaluateConfig())
    >>> gains.loc[0, "against"], int(gains.loc[0, "n"]), round(float(gains.loc[0, "gain"]), 2)
    ('control', 900, 0.01)
    """
    parts = list(estimates)
    columns = ["seed", "target", "field", "recipe", "against", "by", "low", "high", "metric", "n"]
    columns += [f"{name}{end}" for name in VALUES[:2] for end in ("", "_err")]
    tables = []
    for recipe, against in pairs:
        for one in (part for part in parts if part.recipe == recipe):
            other = counterpart(parts, one, against)
            if other is not None:
                table = _paired([other, one], POOLED_BINS, settings, reference, _gain)
                tables.append(table.assign(**one.place, against=against))
    return _joined(tables, columns)


def counterpart(parts: Sequence[Estimates], one: Estimates, recipe: str) -> Estimates | None:
    """Return the same field and seed judged by another recipe, the same target's if there is."""
    found = [p for p in parts if (p.recipe, p.field, p.seed) == (recipe, one.field, one.seed)]
    return next((p for p in found if p.target == one.target), found[0] if found else None)


def _joined(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    there = [table for table in tables if len(table)]
    found = pd.concat(there, ignore_index=True) if there else pd.DataFrame()
    return found.reindex(columns=list(columns))


def _paired(
    parts: Sequence[Estimates],
    bins: Iterable[tuple[float, float]],
    settings: EvaluateConfig,
    reference: str,
    numbers: Callable[[FloatArray], dict[str, float]],
) -> pd.DataFrame:
    """Return numbers made of the paired samples of each metric, of all objects and in bins of i."""
    common = _common_residuals(parts, reference)
    mag, dz = common["mag_i"].to_numpy(), common.drop(columns="mag_i").to_numpy().T
    rows: list[dict[str, object]] = []
    samples = [("all", np.nan, np.nan), *(("mag_i", *edges) for edges in bins)]
    for number, (by, low, high) in enumerate(samples):
        members = dz if by == "all" else dz[:, (mag >= low) & (mag < high)]
        if members.shape[1]:
            rng = np.random.default_rng([settings.seed, number])
            for metric, drawn in _paired_samples(members, rng, settings.bootstraps).items():
                place = {"by": by, "low": low, "high": high, "n": members.shape[1]}
                rows.append(place | {"metric": metric} | numbers(drawn))
    return pd.DataFrame(rows)


def _common_residuals(parts: Sequence[Estimates], reference: str) -> pd.DataFrame:
    """Return the magnitudes and residuals of the objects that all parts have."""
    columns = []
    for number, part in enumerate(parts):
        dz = residual(part.known("z_median"), part.known(reference))
        columns.append(pd.Series(dz, index=part.table["object_id"], name=number).dropna())
    magnitudes = parts[0].table.set_index("object_id")["mag_i"]
    return pd.concat([magnitudes, *columns], axis=1, join="inner")


def _paired_samples(
    dz: FloatArray, rng: np.random.Generator, n_bootstrap: int
) -> dict[str, FloatArray]:
    """Return each metric, shape (1 + n_bootstrap, recipe); sample 0 is the data."""
    n = dz.shape[1]
    samples: dict[str, list[FloatArray]] = {name: [] for name in METRICS}
    for number in range(1 + n_bootstrap):
        drawn = np.take(dz, rng.integers(n, size=n), axis=1) if number else dz
        for name, metric in METRICS.items():
            samples[name].append(metric(drawn))
    return {name: np.array(values) for name, values in samples.items()}


def _gain(samples: FloatArray) -> dict[str, float]:
    """Return the value of a recipe and its gain from samples of (the other, the recipe)."""
    other, value = samples.T
    return _with_errors({"value": value, "gain": other - value})


def _share(samples: FloatArray) -> dict[str, float]:
    """Return the gap and the share closed from samples of (baseline, recipe, oracle)."""
    baseline, value, oracle = samples.T
    gain, gap = baseline - value, baseline - oracle
    is_gap = gap[0] > 2 * gap[1:].std()
    closed = gain[0] / gap[0] if is_gap else np.nan
    # The error of a ratio to first order: a bootstrap of it is wild where the gap is small.
    closed_err = (gain - closed * gap)[1:].std() / gap[0] if is_gap else np.nan
    return _with_errors({"gap": gap}) | {"closed": closed, "closed_err": closed_err}


def _with_errors(samples: dict[str, FloatArray]) -> dict[str, float]:
    row: dict[str, float] = {}
    for name, sample in samples.items():
        row |= {name: sample[0], f"{name}_err": sample[1:].std()}
    return row
