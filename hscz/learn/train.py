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
from numpy.typing import NDArray
from torch import nn

from hscz import pdf
from hscz.atomic import read_json, replace_folder, write_atomic, write_json
from hscz.config import RunConfig
from hscz.configfile import fingerprint
from hscz.errors import ConfigError, StoreError
from hscz.evaluate.metrics import bias, outlier_fraction, residual, sigma_mad
from hscz.learn.loader import Stamps
from hscz.learn.model import Model, finished
from hscz.learn.sample import Fields, divide, median_noise, read_images
from hscz.learn.settings import TrainConfig
from hscz.learn.trainer import Metrics, Trainer, autocast, choose_device
from hscz.stores import attributes, open_field, part, provenance
from hscz.tables.targets import one_hot_target, soft_target
from hscz.zgrid import RedshiftGrid


def train(
    config: RunConfig, resume: bool = False, force: bool = False, progress: bool = True
) -> list[Path]:
    """Train every run of a configuration that is not finished yet.

    Parameters
    ----------
    config : RunConfig
    resume : bool
        Go on with an unfinished run of the same settings rather than begin it anew.
    force : bool
        Train finished runs again, too.
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
    runs = range(config.train.runs)
    todo = [k for k in runs if force or not finished(config.model(k), _train_key(config, k))]
    if todo:
        data = _Data(stores, config)
        for run in todo:
            _train_one(config, data, run, resume, progress)
    return [config.model(run) for run in runs]


def is_trained(config: RunConfig) -> bool:
    """Return whether every run of a configuration is whole and up to date."""
    runs = range(config.train.runs)
    return all(finished(config.model(run), _train_key(config, run)) for run in runs)


def training_report(folders: list[Path]) -> str:
    """Return the last line of each run's history."""
    lines = []
    for folder in folders:
        rows = (folder / "history.jsonl").read_text().splitlines()
        numbers = json.loads(rows[-1])
        seconds = sum(json.loads(row)["cpu_seconds"] for row in rows)
        shown = ", ".join(f"{k} {v:.4g}" for k, v in numbers.items() if not k.endswith("seconds"))
        lines.append(f"  {folder.name}: {seconds:.0f} CPU s, {shown} (validation on source labels)")
    return "\n".join(lines)


def _train_key(config: RunConfig, run: int) -> str:
    # How many runs there are, and what they are called, changes none of them.
    settings = replace(config.train, runs=1, name="")
    return fingerprint(config.network, settings, run, _inputs(config))


def _inputs(config: RunConfig) -> dict[str, list[str | None]]:
    """Return the fingerprints of the source fields' pixels and labels."""
    stores = {name: attributes(config.field_store(name)) for name in config.train.fields}
    return {name: [a.get("fingerprint"), a.get("labels")] for name, a in stores.items()}


class _Data:
    """The stamps and targets of the training and validation samples, read once."""

    def __init__(self, stores: Fields, config: RunConfig) -> None:
        settings = config.train
        self.grid = RedshiftGrid.make(settings.grid, settings.n_bins, settings.z_max)
        self.objects = divide(stores, settings)
        self.device = choose_device(settings.device)
        self.noise = median_noise(stores, self.sample("training"), settings.bands)
        self.training, self.validation = (
            Stamps(
                torch.from_numpy(
                    read_images(stores, self.sample(part), settings.bands, config.network.input_px)
                ),
                torch.from_numpy(self._targets(self.sample(part), settings)),
            ).to(self.device)
            for part in ("training", "validation")
        )

    def sample(self, part: str) -> pd.DataFrame:
        """Return the objects of one part whose labels are used."""
        return self.objects[(self.objects["part"] == part) & self.objects["used"]]

    def _targets(self, chosen: pd.DataFrame, settings: TrainConfig) -> NDArray[np.float32]:
        z = chosen["z_label"].to_numpy(np.float64)
        if settings.targets == "one_hot":
            return one_hot_target(z, self.grid)
        if settings.targets == "soft":
            return soft_target(z, chosen["sigma"].to_numpy(), self.grid, settings.soft_sigma)
        raise ConfigError(f"train.targets is {settings.targets!r}; use one_hot or soft")


def _train_one(config: RunConfig, data: _Data, run: int, resume: bool, progress: bool) -> None:
    """Train one run aside and put it in its place once it is whole."""
    folder, key = part(config.model(run)), _train_key(config, run)
    if not (resume and read_json(folder / "provenance.json").get("fingerprint") == key):
        shutil.rmtree(folder, ignore_errors=True)
    settings = replace(config.train, seed=1000 * config.train.seed + run)
    model = Model.new(config.network, settings.bands, data.grid, data.noise, settings.seed)
    model.describe(folder, config)
    write_atomic(folder / "split.parquet", data.objects.to_parquet)
    note = provenance(fingerprint=key, seed=settings.seed, stores=_inputs(config))
    write_json(folder / "provenance.json", note)
    steps = len(data.training) // settings.batch_size
    trainer = Trainer(model.network, settings, steps, folder, data.device)
    if resume:
        trainer.resume()
    trainer.fit(
        lambda generator: data.training.epoch(settings.batch_size, generator, data.device),
        _validator(data, settings),
        progress,
    )
    model.save_weights(folder)
    replace_folder(folder, config.model(run))


def _validator(data: _Data, settings: TrainConfig) -> Callable[[nn.Module], Metrics]:
    """Return a function that judges a network on the source's own validation labels."""
    z_label = data.sample("validation")["z_label"].to_numpy()

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
