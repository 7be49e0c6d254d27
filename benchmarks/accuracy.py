"""The network beside three methods on measured aperture magnitudes of the same galaxies.

Needs the stores of examples/benchmark.toml, which `hscz run` makes; run() does so.
"""

from __future__ import annotations

import time
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
from hscz.schema import Flag
from hscz.sky.photometry import aperture_flux
from hscz.stores import open_cube, open_field

CONFIG = Path(__file__).parents[1] / "examples" / "benchmark.toml"
APERTURE_ARCSEC = 1.0
MAG_EDGES = np.array([18.0, 24.0, 25.0])


def run() -> dict[str, float]:
    """Return sigma_MAD and eta of each method on unseen galaxies, against the truth."""
    if main(["run", str(CONFIG)]):
        raise SystemExit("the run of examples/benchmark.toml failed")
    results = {}
    for method, table in compare().items():
        for row in table[table["by"] == "mag_i"].itertuples():
            cell = f"accuracy, {method}, {row.low:g}<i<{row.high:g}"
            results[f"{cell}, sigma_MAD"] = row.sigma_mad
            results[f"{cell}, eta"] = row.outlier_fraction
            results[f"{cell}, N"] = row.n
    return results


def compare() -> dict[str, pd.DataFrame]:
    """Return the metrics of the network and of the photometric methods."""
    config = load(CONFIG)
    name = config.train.fields[0]
    store, cube = open_field(config.field_store(name), lazy=False), open_cube(config.cube(name), lazy=False)
    usable = (store["flags"].values & int(Flag.UNUSABLE)) == 0
    split = pd.read_parquet(config.model(0) / "split.parquet")
    train = np.isin(store["object_id"].values, split.loc[split["split"] == "train", "object_id"])
    test = usable & ~train & (store["z_true"].values > 0)
    features = aperture_features(store, config.train.bands)
    z_label, z_true = store["z_label"].values, store["z_true"].values[test]
    by = {"mag_i": (cube["mag_i"].values[test], MAG_EDGES)}
    tables = {"network": metrics_table(cube["z_median"].values[test], z_true, by)}
    scaler = StandardScaler().fit(features[train])
    for method, regressor in methods().items():
        begun = time.perf_counter()
        regressor.fit(scaler.transform(features[train]), z_label[train])
        z = regressor.predict(scaler.transform(features[test]))
        print(f"{method}: {time.perf_counter() - begun:.1f} s")
        tables[method] = metrics_table(z, z_true, by)
    return tables


def methods() -> dict:
    """Return the photometric methods, with the settings a user would start from."""
    return {
        "k nearest neighbours": KNeighborsRegressor(30, weights="distance"),
        "random forest": RandomForestRegressor(200, min_samples_leaf=3, n_jobs=-1, random_state=1),
        "gradient boosting": HistGradientBoostingRegressor(max_iter=400, random_state=1),
    }


def aperture_features(store: xr.Dataset, bands: tuple[str, ...]) -> NDArray[np.float64]:
    """Return asinh magnitudes and adjacent colours in a 1 arcsec radius aperture."""
    rows = np.arange(store.sizes["object"])
    index = band_index(store, bands, "field store")
    flux = []
    for part in np.array_split(rows, max(1, len(rows) // 2048)):
        stamps = read_stamps(store, part, index, 32).astype(np.float32)
        flux.append(aperture_flux(stamps, APERTURE_ARCSEC))
    pixels = np.pi * (APERTURE_ARCSEC / 0.168) ** 2
    softening = np.sqrt(pixels) * np.nanmedian(store["sky_noise"].values[:, index], axis=0)
    mags = (
        -2.5 / np.log(10) * (np.arcsinh(np.concatenate(flux) / (2 * softening)) + np.log(softening))
    )
    return np.concatenate([mags, mags[:, :-1] - mags[:, 1:]], axis=1)


if __name__ == "__main__":
    for key, value in run().items():
        print(f"{key:60} {value:10.4f}")
