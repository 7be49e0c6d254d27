"""Field stores to models: choose the labelled objects, hold their stamps, train."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import nn

from hscz import pdf
from hscz.atomic import read_json, replace_folder, write_atomic, write_json
from hscz.config import RunConfig, TrainConfig
from hscz.configfile import fingerprint
from hscz.errors import ConfigError, StoreError
from hscz.evaluate.metrics import bias, outlier_fraction, residual, sigma_mad
from hscz.learn.loader import Stamps, band_index, read_stamps
from hscz.learn.model import Model, finished
from hscz.learn.trainer import Metrics, Trainer, autocast, choose_device
from hscz.schema import Flag
from hscz.stores import attributes, open_field, part, provenance
from hscz.tables.labels import one_hot_target, soft_target
from hscz.zgrid import RedshiftGrid


def train(config: RunConfig, resume: bool = False, progress: bool = True) -> list[Path]:
    """Train every run of a configuration.

    Parameters
    ----------
    config : RunConfig
    resume : bool
        Keep finished runs and go on with an unfinished one of the same settings.
    progress : bool
        Whether to draw progress bars.

    Returns
    -------
    list of Path
        Model directories.

    Raises
    ------
    StoreError
        If a source field has no store, no labels or not the wanted bands.
    """
    stores = {
        name: open_field(config.field_store(name), lazy=False) for name in config.train.fields
    }
    for name, store in stores.items():
        if not store.attrs.get("labels"):
            raise StoreError(f"{config.field_store(name)}: has no labels; run 'hscz label' first")
    key = _train_key(config)
    folders = [config.model(run) for run in range(config.train.runs)]
    todo = [run for run in range(len(folders)) if not (resume and finished(folders[run], key))]
    if not todo:
        return folders
    samples = pd.concat([_sample(name, ds, config.train) for name, ds in stores.items()])
    samples = _split(samples, config.train)
    data = _Data(stores, samples, config)
    for run in todo:
        _train_one(config, data, run, key, resume, progress)
    return folders


def is_trained(config: RunConfig) -> bool:
    """Return whether every run of a configuration is whole and up to date."""
    key = _train_key(config)
    return all(finished(config.model(run), key) for run in range(config.train.runs))


def training_report(folders: list[Path]) -> str:
    """Return the last line of each run's history."""
    lines = []
    for folder in folders:
        rows = (folder / "history.jsonl").read_text().splitlines()
        numbers = json.loads(rows[-1])
        seconds = sum(json.loads(row)["seconds"] for row in rows)
        shown = ", ".join(f"{k} {v:.4g}" for k, v in numbers.items() if k != "seconds")
        lines.append(f"  {folder.name}: {seconds:.0f} s, {shown} (validation on source labels)")
    return "\n".join(lines)


def _train_key(config: RunConfig) -> str:
    labels = {name: attributes(config.field_store(name)) for name in config.train.fields}
    return fingerprint(
        config.network, config.train, {k: v.get("labels") for k, v in labels.items()}
    )


class _Data:
    """The stamps and targets of the training and validation samples, read once."""

    def __init__(
        self, stores: dict[str, xr.Dataset], samples: pd.DataFrame, config: RunConfig
    ) -> None:
        settings = config.train
        self.grid = RedshiftGrid.make(settings.grid, settings.n_bins, settings.z_max)
        self.samples = samples
        self.device = choose_device(settings.device)
        self.noise = tuple(_noise(stores, samples, settings).tolist())
        parts = {}
        for split in ("train", "validation"):
            chosen = samples[samples["split"] == split]
            images = [
                read_stamps(
                    store,
                    chosen.loc[chosen["store"] == name, "row"].to_numpy(),
                    band_index(store, settings.bands, name),
                    config.network.input_px,
                    name,
                )
                for name, store in stores.items()
            ]
            targets = self._targets(chosen, settings)
            parts[split] = Stamps(
                torch.from_numpy(np.concatenate(images)), torch.from_numpy(targets)
            ).to(self.device)
        self.train, self.validation = parts["train"], parts["validation"]

    def _targets(self, chosen: pd.DataFrame, settings: TrainConfig) -> NDArray[np.float32]:
        z = chosen["z_label"].to_numpy(np.float64)
        if settings.targets == "one_hot":
            return one_hot_target(z, self.grid)
        if settings.targets == "soft":
            return soft_target(z, chosen["sigma"].to_numpy(), self.grid, settings.soft_sigma)
        raise ConfigError(f"train.targets is {settings.targets!r}; use one_hot or soft")


def _sample(name: str, store: xr.Dataset, settings: TrainConfig) -> pd.DataFrame:
    """Return the labelled, usable objects of a field store, in row order."""
    z_label = store["z_label"].values
    usable = (store["flags"].values & int(Flag.UNUSABLE)) == 0
    inside = RedshiftGrid.make(settings.grid, settings.n_bins, settings.z_max).index(z_label) >= 0
    rows = np.flatnonzero(usable & inside)
    if not len(rows):
        raise StoreError(f"{name}: no usable object has a label within 0 < z < {settings.z_max}")
    from_c2020 = store["label_source"].values[rows] == "c2020"
    sigma = np.where(from_c2020, store["z_c2020_sigma"].values[rows], 0.0)
    return pd.DataFrame(
        {
            "store": name,
            "row": rows,
            "object_id": store["object_id"].values[rows],
            "z_label": z_label[rows],
            "sigma": np.nan_to_num(sigma),
        }
    )


def _split(samples: pd.DataFrame, settings: TrainConfig) -> pd.DataFrame:
    """Draw the validation sample by a hash of the identifier and the seed.

    An object falls on the same side whichever other objects are in the store.
    """
    draws = _uniform(samples["object_id"].to_numpy(np.uint64), settings.seed)
    split = np.where(draws < settings.validation_fraction, "validation", "train").astype(object)
    training = np.flatnonzero(split == "train")
    if 0 < settings.max_galaxies < len(training):
        surplus = training[np.argsort(draws[training])[settings.max_galaxies :]]
        split[surplus] = "unused"
    return samples.assign(split=split)


def _uniform(ids: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """Return a uniform number in [0, 1) for each id (the mixing of SplitMix64)."""
    golden = 0x9E3779B97F4A7C15
    x = ids + np.uint64((seed + 1) * golden % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) / 2.0**64


def _noise(
    stores: dict[str, xr.Dataset], samples: pd.DataFrame, settings: TrainConfig
) -> NDArray[np.float32]:
    """Return the median sky noise of the training objects in each band."""
    rows = []
    for name, store in stores.items():
        bands = band_index(store, settings.bands, name)
        mine = samples.loc[(samples["store"] == name) & (samples["split"] == "train"), "row"]
        rows.append(store["sky_noise"].values[mine.to_numpy()][:, bands])
    return np.asarray(np.nanmedian(np.concatenate(rows), axis=0))


def _train_one(
    config: RunConfig, data: _Data, run: int, key: str, resume: bool, progress: bool
) -> None:
    folder = part(config.model(run))
    if not (resume and read_json(folder / "provenance.json").get("fingerprint") == key):
        shutil.rmtree(folder, ignore_errors=True)
    settings = replace(config.train, seed=1000 * config.train.seed + run)
    model = Model.new(config.network, settings.bands, data.grid, data.noise, settings.seed)
    model.describe(folder, config)
    write_atomic(folder / "split.parquet", data.samples.reset_index(drop=True).to_parquet)
    write_json(
        folder / "provenance.json",
        provenance(fingerprint=key, seed=settings.seed, fields=list(settings.fields)),
    )
    steps = len(data.train) // settings.batch_size
    trainer = Trainer(model.network, settings, steps, folder, data.device)
    if resume:
        trainer.resume()
    trainer.fit(
        lambda generator: data.train.epoch(settings.batch_size, generator, data.device),
        _validator(data, settings),
        progress,
    )
    model.save_weights(folder)
    replace_folder(folder, config.model(run))


def _validator(data: _Data, settings: TrainConfig) -> Callable[[nn.Module], Metrics]:
    """Return a function that judges a network on the source's own validation labels."""
    z_label = data.samples.loc[data.samples["split"] == "validation", "z_label"].to_numpy()

    def validate(network: nn.Module) -> Metrics:
        logits, loss = [], 0.0
        with torch.inference_mode(), autocast(settings.precision, data.device):
            for images, targets in data.validation.batches(512, data.device):
                logits.append(network(images).float())
                loss += float(nn.functional.cross_entropy(logits[-1], targets, reduction="sum"))
        if not len(z_label):
            return {}
        pmf = torch.softmax(torch.cat(logits), 1).cpu().numpy()
        dz = residual(pdf.median(pmf / data.grid.widths, data.grid.edges), z_label)
        return {
            "validation_loss": loss / len(z_label),
            "bias": float(bias(dz)),
            "sigma_mad": float(sigma_mad(dz)),
            "outlier_fraction": float(outlier_fraction(dz)),
        }

    return validate
