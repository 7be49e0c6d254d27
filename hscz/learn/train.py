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
from hscz.config.learn import TrainConfig
from hscz.config.read import fingerprint
from hscz.errors import DivergedError
from hscz.evaluate.metrics import bias, outlier_fraction, residual, sigma_mad
from hscz.files.atomic import read_json, replace_folder, write_atomic, write_json
from hscz.learn.adversary import Adversarial
from hscz.learn.batches import Epochs
from hscz.learn.data import Labelled, Unlabelled
from hscz.learn.model import Model, finished
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
    todo = [k for k in range(len(config.models)) if force or not _settled(config, k)]
    if todo:
        device = choose_device(config.train.device)
        source = Labelled(config, device)
        for member in todo:
            _train_member(config, source, member, resume, progress, device)
    return usable_models(config)


def is_trained(config: RunConfig) -> bool:
    """Return whether every run of a configuration is up to date, finished or diverged."""
    return all(_settled(config, member) for member in range(len(config.models)))


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


def _settled(config: RunConfig, member: int) -> bool:
    """Return whether a run of these settings has come to an end, good or bad."""
    done = finished(config.models[member], _train_key(config, member))
    return done or bool(_diverged(config, member))


def _diverged(config: RunConfig, member: int) -> dict[str, str]:
    """Return the note of a run that diverged with these settings; empty where none did."""
    note = read_json(_divergence(config.models[member]))
    return note if note.get("fingerprint") == _train_key(config, member) else {}


def _divergence(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.diverged.json")


def _train_key(config: RunConfig, member: int) -> str:
    # How many runs and folds there are, and what they are called, changes none of them.
    settings = replace(config.train, runs=1, folds=1, name="")
    fold, run = divmod(member, config.train.runs)
    return fingerprint(
        config.network, settings, config.adapt, config.flatten, fold, run, _inputs(config)
    )


def _inputs(config: RunConfig) -> dict[str, list[str | None]]:
    """Return the fingerprints of pixels and labels; of targets the pixels only."""
    labelled = (*config.train.fields, *config.train.spec_fields)
    stores = {name: attributes(config.field_store(name)) for name in labelled}
    inputs = {name: [a.get("fingerprint"), a.get("labels")] for name, a in stores.items()}
    for name in config.adapt.targets:
        pixels = attributes(config.field_store(name)).get("fingerprint")
        inputs[f"target {name}"] = [pixels]
    return inputs


def _train_member(
    config: RunConfig,
    source: Labelled,
    member: int,
    resume: bool,
    progress: bool,
    device: torch.device,
) -> None:
    """Train one run aside and put it in its place once it is whole."""
    final, key = config.models[member], _train_key(config, member)
    folder, fold = part(final), member // config.train.runs
    if not (resume and read_json(folder / "provenance.json").get("fingerprint") == key):
        shutil.rmtree(folder, ignore_errors=True)
    settings = replace(config.train, seed=1000 * config.train.seed + member)
    network = replace(config.network, masks=bool(settings.hidden))
    model = Model.new(network, settings.bands, source.grid, source.noise, settings.seed)
    model.describe(folder, config)
    write_atomic(folder / "split.parquet", source.folds[fold].to_parquet)
    note = provenance(fingerprint=key, seed=settings.seed, stores=_inputs(config))
    write_json(folder / "provenance.json", note)
    target = Unlabelled.read(config, settings.seed, device) if config.adapt.targets else None
    batches = Epochs.of(config, source, target, fold, settings.seed, device)
    step = _step(config, model, settings, batches.steps, device)
    trainer = Trainer(model.network, step, settings, batches.steps, folder, device)
    if resume:
        trainer.resume()
    try:
        trainer.fit(batches, _validator(source, fold, settings, device), progress)
    except DivergedError as error:
        write_json(_divergence(final), {"fingerprint": key, "error": str(error)})
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
