"""What a recipe gains over the baseline.

The baseline ``v0`` is trained on the source field alone, the ``oracle`` is the same network trained
on the target's own true redshifts, which only a simulation has. The gap closed by a recipe x is
(v0 - x) / (v0 - oracle).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hscz.config import EvaluateConfig
from hscz.evaluate.metrics import FloatArray, outlier_fraction, residual, sigma_mad
from hscz.experiments.compare import KEYS, Estimates, magnitude_bins
from hscz.experiments.recipes import BASELINE, ORACLE

VALUES = ("value", "gain", "gap", "closed")

METRICS = {"sigma_mad": sigma_mad, "outlier_fraction": outlier_fraction}


def gap_closed(
    estimates: Sequence[Estimates], settings: EvaluateConfig, reference: str = "z_true"
) -> pd.DataFrame:
    """Return what each recipe gains over the baseline, and which share of the gap that is.

    Gains are paired: baseline, recipe and oracle are compared on the objects that all have, and
    each bootstrap sample holds the same objects for all. A baseline or oracle that was judged
    for another target but in the same field and seed serves where there is none of the target's.

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
        ``metric`` (``sigma_mad`` or ``outlier_fraction``), ``n``, ``value`` of the recipe on
        these objects, ``gain`` (v0 - x), ``gap`` (v0 - oracle) and ``closed`` (gain / gap), each
        with ``_err``. ``closed`` is NaN where the gap is within two errors of zero: no gap.

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
    tables = []
    for one in parts:
        baseline = _counterpart(parts, one, BASELINE)
        if one.recipe in (BASELINE, ORACLE) or baseline is None:
            continue
        trio = [baseline, one, _counterpart(parts, one, ORACLE)]
        common = _common_residuals([each for each in trio if each is not None], reference)
        if len(common):
            tables.append(_gains(common, settings).assign(**one.place))
    first = ["seed", *(key for key in KEYS if key != "test"), "n"]
    columns = [*first, *(f"{name}{end}" for name in VALUES for end in ("", "_err"))]
    return (
        pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    )


def _counterpart(parts: Sequence[Estimates], one: Estimates, recipe: str) -> Estimates | None:
    """Return the same field and seed judged by another recipe, the same target's if there is."""
    found = [p for p in parts if (p.recipe, p.field, p.seed) == (recipe, one.field, one.seed)]
    return next((p for p in found if p.target == one.target), found[0] if found else None)


def _common_residuals(parts: Sequence[Estimates], reference: str) -> pd.DataFrame:
    """Return the magnitudes and residuals of the objects that all parts have."""
    columns = []
    for number, part in enumerate(parts):
        dz = residual(part.known("z_median"), part.known(reference))
        columns.append(pd.Series(dz, index=part.table["object_id"], name=number).dropna())
    magnitudes = parts[0].table.set_index("object_id")["mag_i"]
    return pd.concat([magnitudes, *columns], axis=1, join="inner")


def _gains(common: pd.DataFrame, settings: EvaluateConfig) -> pd.DataFrame:
    mag, dz = common["mag_i"].to_numpy(), common.drop(columns="mag_i").to_numpy().T
    rows: list[dict[str, object]] = []
    bins = [("all", np.nan, np.nan), *(("mag_i", *edges) for edges in magnitude_bins(settings))]
    for number, (by, low, high) in enumerate(bins):
        members = dz if by == "all" else dz[:, (mag >= low) & (mag < high)]
        if members.shape[1]:
            rng = np.random.default_rng([settings.seed, number])
            for metric, samples in _paired_samples(members, rng, settings.bootstraps).items():
                place = {"by": by, "low": low, "high": high, "n": members.shape[1]}
                rows.append(place | {"metric": metric} | _gain(samples))
    return pd.DataFrame(rows)


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
    """Return the values and errors of `VALUES` from (baseline, recipe[, oracle]) samples."""
    baseline, value = samples.T[:2]
    oracle = samples.T[2] if samples.shape[1] > 2 else np.full_like(value, np.nan)
    gain, gap = baseline - value, baseline - oracle
    is_gap = gap[0] > 2 * gap[1:].std()
    closed = gain[0] / gap[0] if is_gap else np.nan
    # The error of a ratio to first order: a bootstrap of it is wild where the gap is small.
    closed_err = (gain - closed * gap)[1:].std() / gap[0] if is_gap else np.nan
    row = {"closed": closed, "closed_err": closed_err}
    for name, sample in zip(VALUES, (value, gain, gap), strict=False):
        row |= {name: sample[0], f"{name}_err": sample[1:].std()}
    return row
