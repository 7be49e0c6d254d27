"""A field store and a model without astronomy, for timing alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from hscz import stores
from hscz.atomic import read_json, write_json
from hscz.config import RunConfig
from hscz.learn.model import Model
from hscz.learn.settings import NetworkConfig
from hscz.schema import FIELD_STORE
from hscz.zgrid import RedshiftGrid

BANDS = ("u", "g", "r", "i", "z", "y")


def field_store(path: Path, n: int, blank: bool = False) -> Path:
    """Write a labelled field store of `n` noise stamps, or of zeros that take no disk."""
    text = np.dtypes.StringDType()
    rng = np.random.default_rng(1)
    number = np.arange(n)
    per_object = {key: rng.random(n) for key in ("ra", "dec", "snr_i", "ebv")}
    per_object["mag_i"] = rng.uniform(18.0, 25.0, n)
    labels = {"z_label": rng.uniform(0.01, 5.99, n), "z_c2020_sigma": rng.uniform(0.0, 0.1, n)}
    labels["label_source"] = np.full(n, "c2020", text)
    columns = xr.Dataset(
        {key: (("object", "band"), rng.random((n, 6))) for key in ("mag", "mag_err")}
        | {key: ("object", value) for key, value in labels.items()},
        attrs={"labels": "random"},
        coords={key: ("object", value) for key, value in per_object.items()}
        | {
            "object_id": ("object", number),
            "field": ("object", np.full(n, "NOISE", text)),
            "band": ("band", np.array(BANDS, text)),
        },
    )
    shapes = {"image": (n, 6, 64, 64), "sky_noise": (n, 6), "psf_fwhm": (n, 6), "flags": (n,)}
    types = {"image": np.float16, "flags": np.int32}
    bulk = {
        key: xr.Variable(
            FIELD_STORE[key].dims, np.broadcast_to(np.zeros((), types.get(key, np.float32)), shape)
        )
        for key, shape in shapes.items()
    }
    stores.create(path, columns, bulk, "benchmark", [])
    if blank:
        about = stores.part(path) / "store" / "image" / "zarr.json"
        write_json(about, read_json(about) | {"fill_value": 0.0})
    noise = rng.standard_normal((stores.IMAGE_CHUNK, 6, 64, 64), np.float32).astype(np.float16)
    for start in range(0, n, stores.IMAGE_CHUNK):
        rows = min(stores.IMAGE_CHUNK, n - start)
        block = {
            "sky_noise": np.ones((rows, 6), np.float32),
            "psf_fwhm": np.ones((rows, 6), np.float32),
            "flags": np.zeros(rows, np.int32),
        } | ({} if blank else {"image": noise[:rows]})
        stores.write_rows(path, start, block, f"b{start}")
    return stores.commit(path, FIELD_STORE)


def model(folder: Path, config: RunConfig, network: NetworkConfig) -> Model:
    """Write an untrained model, complete with the files a trained one has."""
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    fresh = Model.new(network, BANDS, RedshiftGrid.uniform(), (1.0,) * 6, seed=1)
    fresh.describe(folder, config)
    split = {"field": [""], "object_id": [0], "ra": [0.0], "dec": [0.0], "used": [True]}
    pd.DataFrame(split | {"part": ["training"]}).to_parquet(folder / "split.parquet")
    fresh.save_weights(folder)
    return Model.load(folder)
