"""Photometric methods on the same galaxies as the networks: what an adversary has to beat."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz import stores
from hscz.config import RunConfig
from hscz.config.decisive import key_of
from hscz.experiments.photometric import Features, features, fit
from hscz.files.atomic import write_atomic
from hscz.files.fresh import Key, mark_made, why_stale
from hscz.learn.sample import divide, median_noise
from hscz.pdf.grid import RedshiftGrid
from hscz.predict.keys import labelled
from hscz.schema import LABEL_COLUMNS, is_usable

BLOCK = 16_384
"""Galaxies asked about at once; their PDFs are not kept."""

COLUMNS = ("object_id", "mag_i", "ebv", *LABEL_COLUMNS)


def estimate_field(config: RunConfig, method: str, name: str) -> Path:
    """Write the redshifts of one field by a photometric method.

    It learns from the galaxies that the first fold of the configuration learns from, and is
    asked about all others.

    Parameters
    ----------
    config : RunConfig
    method : str
        A key of `hscz.experiments.photometric.METHODS`.
    name : str

    Returns
    -------
    Path
        A Parquet table with ``z_median``, ``pdf_width`` and the columns of the store that
        redshifts are judged by.
    """
    train = config.train
    source = {f: stores.open_field(config.field_store(f), lazy=False) for f in train.fields}
    sample = divide(source, train)
    known = sample[(sample["part"] == "training") & sample["used"]]
    noise = median_noise(source, known, train.bands)
    measured = [
        features(store, known.loc[known["field"] == f, "row"].to_numpy(), train.bands, noise, f)
        for f, store in source.items()
    ]
    grid = RedshiftGrid.make(train.grid, train.n_bins, train.z_max)
    answer = fit(method, _joined(measured), known["z_label"], grid, train.seed)
    store = stores.open_field(config.field_store(name), lazy=False)
    rows = np.flatnonzero(is_usable(store["flags"].values))
    learnt = sample[(sample["field"] == name) & (sample["part"] == "training")]
    rows = np.setdiff1d(rows, learnt["row"])
    tables = []
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        found = answer(features(store, some, train.bands, noise, name))
        estimates = {"z_median": found.z_median, "pdf_width": found.pdf_width}
        tables.append(_columns(store, some).assign(**estimates))
    table = pd.concat(tables, ignore_index=True)
    path = _output(config, name)
    write_atomic(path, partial(table.to_parquet, index=False))
    mark_made(path.with_suffix(".json"), estimate_key(config, method, name))
    return path


def why_unestimated(config: RunConfig, method: str, name: str) -> str:
    """Return why the table of a field must be made; empty where it is up to date."""
    path = _output(config, name)
    return why_stale(path.with_suffix(".json"), estimate_key(config, method, name), path.exists())


def _output(config: RunConfig, name: str) -> Path:
    stem = config.results(name)
    return stem.with_name(f"{stem.name}_estimates.parquet")


def estimate_key(config: RunConfig, method: str, name: str) -> Key:
    """Return what the table of a field is made from."""
    inputs = labelled(config, [*config.train.fields, name])
    return key_of(inputs, {"method": method}, train=config.train)


def _columns(store: xr.Dataset, rows: NDArray[np.int64]) -> pd.DataFrame:
    return pd.DataFrame({key: store[key].values[rows] for key in COLUMNS if key in store})


def _joined(parts: list[Features]) -> Features:
    return Features(
        np.concatenate([part.mag for part in parts]), np.concatenate([p.mag_err for p in parts])
    )
