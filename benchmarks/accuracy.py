"""The network beside the methods on measured aperture magnitudes of the same galaxies.

Needs the stores of examples/benchmark.toml, which `hscz run` makes; run() does so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hscz.cli import main
from hscz.config.read import load
from hscz.evaluate.judged import is_unseen
from hscz.evaluate.metrics import metrics_table
from hscz.experiments.photometric import features
from hscz.learn.folder import ModelFolder
from hscz.learn.model import Model
from hscz.pdf.grid import RedshiftGrid
from hscz.schema import has_redshift, is_usable
from hscz.seams import ESTIMATORS
from hscz.stores import open_cube, open_field

CONFIG = Path(__file__).parents[1] / "examples" / "benchmark.toml"
MAG_EDGES = np.array([18.0, 24.0, 25.0])


def run() -> dict[str, float]:
    """Return sigma_MAD and eta of each method on unseen galaxies, against the truth."""
    if main(["run", str(CONFIG), "--quiet"]):
        raise SystemExit("the run of examples/benchmark.toml failed")
    history = ModelFolder(load(CONFIG).models[0]).epochs()
    config = load(CONFIG)
    store = config.field_store(config.train.fields[0])
    n = open_field(store).sizes["object"]
    on_disk = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    side, bands = config.network.input_px, len(config.train.bands)
    results = {
        "accuracy, network, training, CPU s": sum(row["cpu_seconds"] for row in history),
        "bytes a stamp of 7 bands on disk, all columns": on_disk / n,
        "bytes a stamp of 6 bands in training memory": 2.0 * bands * side**2,
    }
    for method, table in compare().items():
        for row in table[table["by"] == "mag_i"].itertuples():
            cell = f"accuracy, {method}, {row.low:g}<i<{row.high:g}"
            for metric in ("sigma_mad", "outlier_fraction"):
                results[f"{cell}, {metric}"] = getattr(row, metric)
                results[f"{cell}, {metric} error"] = getattr(row, f"{metric}_err")
            results[f"{cell}, N"] = row.n
    return results


def compare() -> dict[str, pd.DataFrame]:
    """Return the metrics of the network and of the photometric methods."""
    config = load(CONFIG)
    name = config.train.fields[0]
    store = open_field(config.field_store(name), lazy=False)
    cube = open_cube(config.cube(name), lazy=False)
    learnt = ModelFolder(config.models[0]).training_part().query("used")["object_id"]
    known = np.flatnonzero(np.isin(store["object_id"].values, learnt))
    unseen = is_usable(store["flags"].values) & is_unseen(cube)
    rows = np.flatnonzero(unseen & has_redshift(store["z_true"].values))
    z_true = store["z_true"].values[rows]
    by = {"mag_i": (cube["mag_i"].values[rows], MAG_EDGES)}
    tables = {"network": metrics_table(cube["z_median"].values[rows], z_true, by)}
    noise = Model.load(config.models[0]).noise
    source, target = (features(store, r, config.train.bands, noise) for r in (known, rows))
    grid = RedshiftGrid.make(config.train.grid, config.train.n_bins, config.train.z_max)
    for method in ("knn", "flexzboost"):
        learnt_method = ESTIMATORS.load(method).learn(source, store["z_label"].values[known], grid)
        found = learnt_method(target)
        tables[method] = metrics_table(found.z_median, z_true, by)
    return tables


if __name__ == "__main__":
    for key, value in run().items():
        print(f"{key:60} {value:10.4f}")
