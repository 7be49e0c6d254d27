"""What keeps estimates below z = 4: the median, the prior, or the labels.

``python -m benchmarks.high_z examples/experiments.toml --seeds 12 13`` reads the field stores and
PDF cubes of a finished run of the experiments, of at least two seeds, and prints

- the metrics of ``z_median`` and ``z_risk`` by magnitude and redshift,
- how many labels beyond 4 are right,
- recall and purity of samples beyond 4, by probability and by point estimates, of the PDFs as they
  are, with the n(z | i) that the targets truly have, and with a flat one,
- the same of boosted trees on magnitudes, which learn from the labels, from labels without the
  wrong ones, each with those beyond 4 counted eight times, and from true redshifts of more and more
  galaxies of another seed.

Takes the extra ``baselines``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from sklearn.ensemble import HistGradientBoostingClassifier

from hscz import pdf
from hscz.config import RunConfig
from hscz.config.read import load
from hscz.evaluate.high_z import selection_table
from hscz.evaluate.judged import is_judged
from hscz.evaluate.metrics import OUTLIER_DZ, metrics_table, residual
from hscz.experiments.experiment import Experiment, experiments, seeded
from hscz.experiments.recipes import RECOMMENDED
from hscz.stores import open_cube, open_field

FloatArray = NDArray[np.float64]

LIMIT, TIMES = 4.0, 8.0
"""Redshift beyond which samples are selected, and how often its labels are counted."""

MAG_EDGES = (0.0, 23.0, 23.7, 24.3, 24.7, 30.0)
"""Bins of i magnitude in which priors are measured."""

FAINTEST = 30.0
"""Magnitude in place of one that is fainter or could not be measured."""

RIGHT_LABELS = (10, 30, 100, 200)


def judged(config: RunConfig, name: str, seed: int) -> dict[str, Any]:
    """Return PDFs, true redshifts and i magnitudes of the galaxies of a field to judge by."""
    cube = open_cube(config.cube(name), lazy=False)
    cube = cube.isel(object=np.flatnonzero(is_judged(cube, "z_true")))
    density, edges = cube["pdf"].values, cube["z_edges"].values
    return {
        "seed": seed,
        "pmf": pdf.pdf_to_pmf(density, edges),
        "edges": edges,
        "z": cube["z_true"].values.astype(float),
        "mag_i": cube["mag_i"].values.astype(float),
    }


def by_magnitude(mag_i: FloatArray) -> NDArray[np.int64]:
    """Return the bin of `MAG_EDGES` of each galaxy."""
    return np.clip(np.digitize(mag_i, MAG_EDGES) - 1, 0, len(MAG_EDGES) - 2)


def carried(source: dict[str, Any]) -> FloatArray:
    """Return the n(z | i) that PDFs carry, shape (magnitude bin, redshift bin)."""
    bins = by_magnitude(source["mag_i"])
    stacked = [source["pmf"][bins == k].mean(axis=0) for k in range(len(MAG_EDGES) - 1)]
    return gaussian_filter1d(stacked, 6, axis=1) + 1e-5


def true_prior(field: dict[str, Any]) -> FloatArray:
    """Return the n(z | i) that a field has, as smooth as `carried`."""
    bins, edges = by_magnitude(field["mag_i"]), field["edges"]
    rows = [field["z"][bins == k] for k in range(len(MAG_EDGES) - 1)]
    return np.stack([gaussian_filter1d(np.histogram(z, edges)[0] / len(z), 6) + 1e-6 for z in rows])


def selected(name: str, beyond: FloatArray, z: FloatArray, points: dict[str, Any]) -> pd.DataFrame:
    """Return recall and purity by a few thresholds, and the best recall of a half-pure sample."""
    thresholds = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
    table = selection_table(z, {LIMIT: beyond}, points, thresholds)
    order = np.argsort(-beyond)
    right = np.cumsum(z[order] > LIMIT)
    pure = np.flatnonzero(2 * right >= 1 + np.arange(len(right)))
    table["recall_half_pure"] = right[pure[-1]] / right[-1] if len(pure) else 0.0
    table["precision_mean"] = float((right / (1 + np.arange(len(right))))[z[order] > LIMIT].mean())
    columns = ["n_true", "n_selected", "recall", "recall_err", "purity", "purity_err"]
    columns += ["expected_purity", "recall_half_pure", "precision_mean"]
    return table[["by", "threshold", *columns]].assign(of=name)


def of_pdfs(
    name: str, fields: Sequence[dict[str, Any]], factors: Sequence[FloatArray]
) -> pd.DataFrame:
    """Return the selections of PDFs times factors of magnitude and redshift."""
    beyond, points = [], []
    for field, factor in zip(fields, factors, strict=True):
        density = field["pmf"] * factor[by_magnitude(field["mag_i"])] / np.diff(field["edges"])
        beyond.append(1 - pdf.cdf_at(density, field["edges"], LIMIT))
        points.append(
            (pdf.median(density, field["edges"]), pdf.least_risk(density, field["edges"]))
        )
    z = np.concatenate([field["z"] for field in fields])
    medians, risks = (np.concatenate(part) for part in zip(*points, strict=True))
    return selected(name, np.concatenate(beyond), z, {"z_median": medians, "z_risk": risks})


def colours(config: RunConfig, name: str) -> tuple[FloatArray, pd.DataFrame]:
    """Return colours with i, and truth, label and part of the usable galaxies of a field."""
    store, cube = open_field(config.field_store(name), lazy=False), open_cube(config.cube(name))
    bands = [str(band) for band in store["band"].values]
    mag = store["mag"].values[:, [bands.index(band) for band in config.train.bands]].astype(float)
    mag = np.where(mag < FAINTEST, mag, FAINTEST)
    objects = pd.DataFrame(
        {
            "z": store["z_true"].values.astype(float),
            "label": store["z_label"].values.astype(float),
            "training": cube["in_training"].values,
        }
    )
    use = np.isfinite(cube["z_median"].values)
    return np.c_[mag[:, :-1] - mag[:, 1:], store["mag_i"].values][use], objects[use]


def of_trees(plans: Sequence[Sequence[Experiment]]) -> pd.DataFrame:
    """Return the selections of boosted trees by what they have learnt from."""
    surveys = []
    for plan in plans:
        names = [*(one.target for one in plan), *plan[0].config.train.fields]
        surveys.append([colours(plan[0].config, name) for name in names])
    found: dict[str, list[tuple[FloatArray, FloatArray]]] = {}
    for number, survey in enumerate(surveys):
        (x, source), other = survey[-1], surveys[number - 1]
        labelled = (source["training"] & (source["label"] > 0)).to_numpy()
        off = np.abs(residual(source["label"], source["z"])) > OUTLIER_DZ
        right = labelled & ~(off & (source["label"].to_numpy() > 3))
        high, seed = (source["label"] > LIMIT).to_numpy(), plans[number][0].seed
        print(f"seed {seed}: {(high & labelled).sum()} labels beyond {LIMIT:g}", end=", ")
        print(f"{(high & labelled & (source['z'] > LIMIT)).sum()} of them right")
        samples = {"labels": (x[labelled], high[labelled]), "right labels": (x[right], high[right])}
        all_x = np.concatenate([one for one, _ in other])
        truth = np.concatenate([table["z"] > LIMIT for _, table in other])
        rng = np.random.default_rng(seed)
        for n in RIGHT_LABELS:
            rows = rng.permutation(len(truth))
            rows = rows[: np.searchsorted(np.cumsum(truth[rows]), n) + 1]
            samples[f"truth, {n} beyond"] = (all_x[rows], truth[rows])
        targets = np.concatenate([one for one, _ in survey[:-1]])
        z = np.concatenate([table["z"] for _, table in survey[:-1]])
        for name, (features, beyond) in samples.items():
            for times in (1.0, TIMES) if "labels" in name else (1.0,):
                p = _trees(features, beyond, times).predict_proba(targets)[:, 1]
                key = name if times == 1 else f"{name}, {times:g} times"
                found.setdefault(key, []).append((p, z))
                if times > 1:
                    found.setdefault(f"{key}, adjusted", []).append((p / (p + (1 - p) * times), z))
    tables = [
        selected(f"trees, {name}", *map(np.concatenate, zip(*parts, strict=True)), {})
        for name, parts in found.items()
    ]
    return pd.concat(tables)


def _trees(x: FloatArray, beyond: NDArray[np.bool_], times: float) -> Any:
    trees = HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.08, max_leaf_nodes=8, l2_regularization=5.0, random_state=1
    )
    return trees.fit(x, beyond, sample_weight=np.where(beyond, times, 1.0))


def point_estimates(fields: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the metrics of medians and of the redshifts of least risk, by magnitude and z."""
    z, mag_i = (np.concatenate([field[key] for field in fields]) for key in ("z", "mag_i"))
    by = {"mag_i": (mag_i, (0, 22, 23, 24, 25)), "z": (z, (0, 1.5, 2, 3, 4, 6))}
    tables = {}
    for name, estimate in (("z_median", pdf.median), ("z_risk", pdf.least_risk)):
        parts = [estimate(f["pmf"] / np.diff(f["edges"]), f["edges"]) for f in fields]
        tables[name] = metrics_table(np.concatenate(parts), z, by)
    table = pd.concat(tables, names=["estimate"]).reset_index(level=0)
    columns = [
        c for metric in ("bias", "sigma_mad", "outlier_fraction") for c in (metric, f"{metric}_err")
    ]
    return table[["estimate", "by", "low", "high", "n", *columns]]


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.high_z", description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--recipe", default=RECOMMENDED)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    asked = parser.parse_args()
    config = load(asked.config, [f"experiments.seeds={asked.seeds}"])
    plans = [[e for e in experiments(c) if e.recipe == asked.recipe] for c in seeded(config)]
    fields, flat, true = [], [], []
    for plan in plans:
        [name], own = plan[0].config.train.fields, plan[0].config
        prior = carried(judged(own, name, plan[0].seed))
        for one in plan:
            fields.append(judged(own, one.target, one.seed))
            flat.append(1 / np.maximum(prior, 2e-4))
            true.append(true_prior(fields[-1]) / prior)
    print(point_estimates(fields).round(4).to_string(index=False))
    as_they_are = [np.ones_like(factor) for factor in flat]
    tables = [
        of_pdfs(name, fields, factors)
        for name, factors in (
            ("PDFs", as_they_are),
            ("PDFs, the target's n(z | i)", true),
            ("PDFs, flat to half", [np.sqrt(factor) for factor in flat]),
            ("PDFs, flat", flat),
        )
    ]
    print(pd.concat([*tables, of_trees(plans)]).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
