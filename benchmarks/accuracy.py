"""The network beside three methods on measured aperture magnitudes of the same galaxies.

Needs the stores of examples/benchmark.toml, which `hscz run` makes; run() does so.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from hscz.cli import main
from hscz.configfile import load
from hscz.evaluate.metrics import metrics_table
from hscz.learn.loader import band_index, read_stamps
from hscz.learn.model import training_part
from hscz.schema import Flag
from hscz.sky.photometry import aperture_flux
from hscz.stores import open_cube, open_field
from hscz.survey import PIXEL_SCALE_ARCSEC

CONFIG = Path(__file__).parents[1] / "examples" / "benchmark.toml"
APERTURE_ARCSEC = 1.0
MAG_EDGES = np.array([18.0, 24.0, 25.0])


def run() -> dict[str, float]:
    """Return sigma_MAD and eta of each method on unseen galaxies, against the truth."""
    if main(["run", str(CONFIG), "--quiet"]):
        raise SystemExit("the run of examples/benchmark.toml failed")
    history = (load(CONFIG).models[0] / "history.jsonl").read_text().splitlines()
    config = load(CONFIG)
    store = config.field_store(config.train.fields[0])
    n = open_field(store).sizes["object"]
    on_disk = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    side, bands = config.network.input_px, len(config.train.bands)
    results = {
        "accuracy, network, training, CPU s": sum(json.loads(h)["cpu_seconds"] for h in history),
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
    usable = (store["flags"].values & int(Flag.UNUSABLE)) == 0
    learnt = training_part(config.models[0]).query("used")["object_id"]
    train = np.isin(store["object_id"].values, learnt)
    test = usable & ~cube["in_training"].values & (store["z_true"].values > 0)
    features = aperture_features(store, config.train.bands)
    z_label, z_true = store["z_label"].values, store["z_true"].values[test]
    by = {"mag_i": (cube["mag_i"].values[test], MAG_EDGES)}
    tables = {"network": metrics_table(cube["z_median"].values[test], z_true, by)}
    scaler = StandardScaler().fit(features[train])
    for method, regressor in methods().items():
        regressor.fit(scaler.transform(features[train]), z_label[train])
        z = regressor.predict(scaler.transform(features[test]))
        tables[method] = metrics_table(z, z_true, by)
    return tables


def methods() -> dict:
    """Return the photometric methods, with the settings a user would start from."""
    return {
        "k nearest neighbours": KNeighborsRegressor(30, weights="distance"),
        "random forest": RandomForestRegressor(200, min_samples_leaf=3, n_jobs=-1, random_state=1),
        "gradient boosting": HistGradientBoostingRegressor(random_state=1),
    }


def aperture_features(store: xr.Dataset, bands: tuple[str, ...]) -> NDArray[np.float64]:
    """Return asinh magnitudes and adjacent colours in a 1 arcsec radius aperture."""
    rows, index = np.arange(store.sizes["object"]), band_index(store, bands, "field store")
    flux = []
    for part in np.array_split(rows, max(1, len(rows) // 2048)):
        stamps = np.empty((len(part), len(index), 32, 32), np.float16)
        read_stamps(store, part, index, stamps)
        flux.append(aperture_flux(stamps.astype(np.float32), APERTURE_ARCSEC))
    pixels = np.pi * (APERTURE_ARCSEC / PIXEL_SCALE_ARCSEC) ** 2
    softening = np.sqrt(pixels) * np.nanmedian(store["sky_noise"].values[:, index], axis=0)
    mags = (
        -2.5 / np.log(10) * (np.arcsinh(np.concatenate(flux) / (2 * softening)) + np.log(softening))
    )
    return np.concatenate([mags, mags[:, :-1] - mags[:, 1:]], axis=1)


if __name__ == "__main__":
    for key, value in run().items():
        print(f"{key:60} {value:10.4f}")
