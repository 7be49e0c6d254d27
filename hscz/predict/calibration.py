"""The calibration of an ensemble: learnt on held-out source galaxies, once for all its cubes."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz import stores
from hscz.config import RunConfig
from hscz.errors import InputError, StoreError, about
from hscz.files.atomic import read_json
from hscz.files.fresh import Key, mark_made, why_stale
from hscz.learn.folder import ModelFolder
from hscz.predict.ensemble import Ensemble, in_training, mean_pdf, read_rows
from hscz.predict.keys import labelled, trained
from hscz.predict.recalibrate import Calibration, fit
from hscz.schema import is_usable

LEARNT_FROM = 8192
"""Held-out galaxies, drawn at random, from which a calibration is learnt at most."""

BLOCK = 1024
"""Stamps of them in memory at once."""


def calibration_of(config: RunConfig) -> Calibration | None:
    """Return the calibration of a configuration's models, learning it where that is not done.

    It stands in ``calibration.json`` beside the PDF cubes. Only galaxies of ``train.fields``
    that were held out of the training and have a label there take part; no label of another
    field is read.

    Returns
    -------
    Calibration or None
        None where ``predict.calibrate`` is "none".

    Raises
    ------
    StoreError
        If a model or a source field is absent, or they do not fit each other.
    InputError
        If too few galaxies were held out.
    """
    if config.predict.calibrate == "none":
        return None
    key = calibration_key(config)
    if why_stale(config.calibration, key):
        pdf, edges, z_label = held_out_pdfs(config)
        seed = config.train.seed
        found = fit(config.predict.calibrate, pdf, edges, z_label, np.random.default_rng(seed))
        mark_made(config.calibration, key, calibration=asdict(found))
    return Calibration(**read_json(config.calibration)["calibration"])


def held_out_pdfs(
    config: RunConfig,
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Return averaged PDFs, edges and labels of galaxies held out of the training.

    A galaxy that only some of the models held out gets the mean of those.

    Raises
    ------
    StoreError
        If a source field is absent, or another than the models have learnt from.
    InputError
        If no galaxy with a label was held out.
    """
    from hscz.learn.train import usable_models

    settings, folders = replace(config.predict, stand_in={}), usable_models(config)
    rows = pd.concat([ModelFolder(folder).held_out() for folder in folders])
    rows = rows.drop_duplicates(["field", "row"])
    rows = rows[rows["field"].isin(config.train.fields)].reset_index(drop=True)
    if rows.empty:
        raise InputError(
            f"{', '.join(config.train.fields)}: no galaxy with a label was held out of the "
            f"training, and predict.calibrate = {settings.calibrate!r} is learnt from such; raise "
            f"train.validation_fraction ({config.train.validation_fraction:g}) and train again, or "
            'set predict.calibrate = "none"'
        )
    chosen = np.random.default_rng(config.train.seed).permutation(len(rows))[:LEARNT_FROM]
    rows = rows.loc[chosen].sort_values(["field", "row"])
    densities, labels = [], []
    for name, part in rows.groupby("field", sort=False):
        ensemble = Ensemble.of(folders, settings, config.field_store(str(name)))
        densities.append(_predicted(ensemble, part["row"].to_numpy(), part["object_id"]))
        labels.append(part["z_label"].to_numpy(np.float64))
    edges = ensemble.load()[0].grid.edges
    return np.concatenate(densities), edges, np.concatenate(labels)


def _predicted(
    ensemble: Ensemble, rows: NDArray[np.int64], object_id: pd.Series
) -> NDArray[np.float32]:
    """Return the PDFs of some rows of the ensemble's field."""
    store = stores.open_field(ensemble.field, lazy=False)
    if (
        rows.max(initial=-1) >= store.sizes["object"]
        or (store["object_id"].values[rows] != object_id).any()
    ):
        raise StoreError(
            f"{ensemble.field}: has other objects than when the models learnt; train again"
        )
    models, settings = ensemble.load(), ensemble.settings
    learnt, usable = in_training(store, ensemble.folders), is_usable(store["flags"].values)
    found = []
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        with about(ensemble.field):
            image = read_rows(store, some, models, settings)
            found.append(mean_pdf(image, usable[some], learnt[:, some], models, settings)[0])
    return np.concatenate(found)


def calibration_key(config: RunConfig) -> Key:
    """Return what the calibration of an ensemble is learnt from."""
    settings = config.predict
    decisive = ("calibrate", "precision", "renormalise", "turns")
    how = {key: getattr(settings, key) for key in decisive}
    how |= {"train.seed": config.train.seed}
    return Key(how, {"train": trained(config.models), **labelled(config, config.train.fields)})
