"""Field stores to models: every fold and run of a configuration, each resumed where it stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from hscz import pdf
from hscz.config import RunConfig
from hscz.config.decisive import key_of
from hscz.config.learn import TrainConfig
from hscz.errors import DivergedError
from hscz.evaluate.metrics import bias, outlier_fraction, residual, sigma_mad
from hscz.files.atomic import read_json, replace_folder, write_atomic
from hscz.files.fresh import Key, mark_made, why_stale
from hscz.files.lock import at_work
from hscz.learn.adversary import Adversarial
from hscz.learn.batches import Epochs
from hscz.learn.data import Labelled, Unlabelled
from hscz.learn.model import Model, why_unfinished
from hscz.learn.steps import Step, Supervised, autocast
from hscz.learn.trainer import Metrics, Trainer, choose_device
from hscz.stores import attributes, part, provenance


def train(
    config: RunConfig, resume: bool = False, force: bool = False, progress: bool = True
) -> list[Path]:
    """Train every fold and run of a configuration that is not finished yet.

    A run whose loss turns NaN is left out of the ensemble and noted beside it; it is tried
    again only with other settings, or by force.

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
        Directories of the models that stand.

    Raises
    ------
    StoreError
        If a field has no store, no labels or not the wanted bands.
    DivergedError
        If more than half of the runs diverge.
    """
    todo = [k for k in range(len(config.models)) if force or why_untrained(config, k)]
    if todo:
        device = choose_device(config.train.device)
        source = Labelled(config, device)
        for member in todo:
            with at_work(config.models[member]):
                _train_member(config, source, member, resume, progress, device)
    return usable_models(config)


def why_stale_models(config: RunConfig) -> str:
    """Return why some run must be trained; empty where all of them have finished or diverged."""
    reasons = (why_untrained(config, member) for member in range(len(config.models)))
    return next(filter(None, reasons), "")


def why_untrained(config: RunConfig, member: int) -> str:
    """Return why one run must be trained; empty where it has come to an end, good or bad."""
    if _diverged(config, member):
        return ""
    return why_unfinished(config.models[member], train_key(config, member))


def usable_models(config: RunConfig) -> list[Path]:
    """Return the models of a configuration without those that diverged.

    Raises
    ------
    DivergedError
        If more than half of the runs diverged.
    """
    lost = {
        folder: note["error"]
        for member, folder in enumerate(config.models)
        if (note := _diverged(config, member))
    }
    if 2 * len(lost) > len(config.models):
        raise DivergedError(
            f"{len(lost)} of {len(config.models)} runs diverged; {next(iter(lost.values()))}"
        )
    return [folder for folder in config.models if folder not in lost]


def training_report(config: RunConfig) -> str:
    """Return the last line of each run's history."""
    lines = []
    for member, folder in enumerate(config.models):
        if note := _diverged(config, member):
            lines.append(f"  {folder.name}: left out, {note['error']}")
            continue
        rows = (folder / "history.jsonl").read_text().splitlines()
        numbers = json.loads(rows[-1])
        seconds = sum(json.loads(row)["cpu_seconds"] for row in rows)
        shown = ", ".join(f"{k} {v:.4g}" for k, v in numbers.items() if not k.endswith("seconds"))
        lines.append(f"  {folder.name}: {seconds:.0f} CPU s, {shown} (validation on source labels)")
    return "\n".join(lines)


def _diverged(config: RunConfig, member: int) -> dict[str, str]:
    """Return the note of a run that diverged with these settings; empty where none did."""
    note = _divergence(config.models[member])
    return {} if why_stale(note, train_key(config, member)) else read_json(note)


def _divergence(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.diverged.json")


def train_key(config: RunConfig, member: int) -> Key:
    """Return what one run of a configuration is made from; of targets, the pixels alone."""
    labelled = (*config.train.fields, *config.train.spec_fields)
    stores = {
        name: attributes(config.field_store(name)) for name in (*labelled, *config.adapt.targets)
    }
    return key_of(
        {
            "ingest": {name: attrs.get("fingerprint") for name, attrs in stores.items()},
            "label": {name: stores[name].get("labels") for name in labelled},
        },
        {"fold": member // config.train.runs, "run": member},
        network=config.network,
        train=config.train,
        adapt=config.adapt,
        flatten=config.flatten,
    )


def _train_member(
    config: RunConfig,
    source: Labelled,
    member: int,
    resume: bool,
    progress: bool,
    device: torch.device,
) -> None:
    """Train one run aside and put it in its place once it is whole."""
    final, key = config.models[member], train_key(config, member)
    folder, fold = part(final), member // config.train.runs
    if not resume or why_stale(folder / "provenance.json", key):
        shutil.rmtree(folder, ignore_errors=True)
    settings = replace(config.train, seed=1000 * config.train.seed + member)
    network = replace(config.network, masks=bool(settings.hidden))
    model = Model.new(network, settings.bands, source.grid, source.noise, settings.seed)
    model.describe(folder, config)
    write_atomic(folder / "split.parquet", source.folds[fold].to_parquet)
    mark_made(folder / "provenance.json", key, **provenance(seed=settings.seed))
    target = Unlabelled.read(config, settings.seed, device) if config.adapt.targets else None
    batches = Epochs.of(config, source, target, fold, settings.seed, device)
    step = _step(config, model, settings, batches.steps, device)
    trainer = Trainer(model.network, step, settings, batches.steps, folder, device)
    if resume:
        trainer.resume()
    try:
        trainer.fit(batches, _validator(source, fold, settings, device), progress)
    except DivergedError as error:
        mark_made(_divergence(final), key, error=str(error))
        return
    model.save_weights(folder)
    replace_folder(folder, final)
    _divergence(final).unlink(missing_ok=True)


def _step(
    config: RunConfig, model: Model, settings: TrainConfig, steps: int, device: torch.device
) -> Step:
    total = steps * settings.epochs
    if config.adapt.targets and config.adapt.adversary != "none":
        return Adversarial(model.network, settings, config.adapt, total, device)
    return Supervised(model.network, settings, total, device)


def _validator(
    source: Labelled, fold: int, settings: TrainConfig, device: torch.device
) -> Callable[[nn.Module], Metrics]:
    """Return a function that judges a network on the labels held out of its training."""
    rows = torch.from_numpy(source.rows(fold, "validation"))
    z_label = source.objects["z_label"].to_numpy()[rows]

    def validate(network: nn.Module) -> Metrics:
        if not len(rows):
            return {}
        logits, loss = [], 0.0
        with torch.inference_mode(), autocast(settings.precision, device):
            for batch in rows.split(settings.batch_size):
                targets = source.targets[batch.to(source.targets.device)]
                logits.append(network(source.stamps.take(batch, device)).float())
                loss += float(nn.functional.cross_entropy(logits[-1], targets, reduction="sum"))
        pmf = torch.softmax(torch.cat(logits), 1).cpu().numpy()
        dz = residual(pdf.median(pmf / source.grid.widths, source.grid.edges), z_label)
        return {
            "validation_loss": loss / len(z_label),
            "bias": float(bias(dz)),
            "sigma_mad": float(sigma_mad(dz)),
            "outlier_fraction": float(outlier_fraction(dz)),
        }

    return validate
