"""Field stores to models: every fold and run of a configuration, each resumed where it stopped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from hscz import pdf
from hscz.config import RunConfig
from hscz.config.decisive import key_of
from hscz.config.learn import AdaptConfig, FlattenConfig, TrainConfig
from hscz.errors import DivergedError
from hscz.evaluate.metrics import bias, outlier_fraction, residual, sigma_mad
from hscz.files.atomic import replace_folder, write_atomic
from hscz.files.fresh import Key, mark_made
from hscz.files.lock import at_work
from hscz.learn.adapt import adaptations, step_of, wanted
from hscz.learn.adversary import watched_layer
from hscz.learn.batches import Epochs
from hscz.learn.data import Labelled, Unlabelled
from hscz.learn.folder import ModelFolder
from hscz.learn.model import Model
from hscz.learn.probe import probe_run
from hscz.learn.steps import autocast
from hscz.learn.trainer import Metrics, Trainer, choose_device
from hscz.stores import attributes, provenance


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
        # Before the stores are read: of one that is made again meanwhile, they know the old.
        keys = {member: train_key(config, member) for member in todo}
        source = Labelled(config, device, wanted(config))
        for member, key in keys.items():
            with at_work(config.models[member]):
                _train_member(config, source, member, key, resume, progress, device)
    return usable_models(config)


def why_stale_models(config: RunConfig) -> str:
    """Return why some run must be trained; empty where all of them have finished or diverged."""
    reasons = (why_untrained(config, member) for member in range(len(config.models)))
    return next(filter(None, reasons), "")


def why_untrained(config: RunConfig, member: int) -> str:
    """Return why one run must be trained; empty where it has come to an end, good or bad."""
    if _diverged(config, member):
        return ""
    model = ModelFolder(config.models[member])
    return model.why_stale(train_key(config, member), there=model.whole)


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
        rows = ModelFolder(folder).epochs()
        seconds = sum(row["cpu_seconds"] for row in rows)
        shown = ", ".join(f"{k} {v:.4g}" for k, v in rows[-1].items() if not k.endswith("seconds"))
        lines.append(f"  {folder.name}: {seconds:.0f} CPU s, {shown} (validation on source labels)")
    return "\n".join(lines)


def _diverged(config: RunConfig, member: int) -> dict[str, str]:
    """Return the note of a run that diverged with these settings; empty where none did."""
    return ModelFolder(config.models[member]).diverged(train_key(config, member))


def train_key(config: RunConfig, member: int) -> Key:
    """Return what one run of a configuration is made from; of targets, the pixels alone."""
    # Nothing of a section counts that is not in force.
    adapt = config.adapt if config.adapt.in_force else AdaptConfig()
    flatten = config.flatten if config.flatten.enabled else FlattenConfig(enabled=False)
    labelled = (*config.train.fields, *config.train.spec_fields)
    stores = {name: attributes(config.field_store(name)) for name in (*labelled, *adapt.targets)}
    return key_of(
        {
            "ingest": {name: attrs.get("fingerprint") for name, attrs in stores.items()},
            "label": {name: stores[name].get("labels") for name in labelled},
        },
        {"fold": member // config.train.runs, "run": member},
        network=config.network,
        train=config.train,
        adapt=adapt,
        flatten=flatten,
    )


def _train_member(
    config: RunConfig,
    source: Labelled,
    member: int,
    key: Key,
    resume: bool,
    progress: bool,
    device: torch.device,
) -> None:
    """Train one run aside and put it in its place once it is whole."""
    final, fold = ModelFolder(config.models[member]), member // config.train.runs
    folder = final.part
    if not resume or folder.why_stale(key):
        shutil.rmtree(folder.path, ignore_errors=True)
    own = replace(config, train=replace(config.train, seed=1000 * config.train.seed + member))
    settings = own.train
    target = Unlabelled.read(own, device, wanted(own)) if adaptations(own) else None
    batches = Epochs.of(own, source, target, fold, device)
    model = Model.untrained(own, source.noise)
    layer = watched_layer(model.network, own.adapt)
    model.describe(folder, config)
    write_atomic(folder.split, batches.sample.noted_in(source.folds[fold]).to_parquet)
    mark_made(folder.provenance, key, **provenance(seed=settings.seed))
    step = step_of(own, batches.methods, model.network, batches.steps * settings.epochs, device)
    trainer = Trainer(model.network, step, settings, batches.steps, folder, device)
    if resume:
        trainer.resume()
    try:
        trainer.fit(batches, _validator(source, fold, settings, device), progress)
    except DivergedError as error:
        mark_made(final.divergence, key, error=str(error))
        return
    if target is not None and (found := probe_run(own, model, layer, source, fold, device)):
        folder.note_epoch(folder.epochs()[-1] | found.row())
    model.save_weights(folder)
    replace_folder(folder.path, final.path)
    final.divergence.unlink(missing_ok=True)


def _validator(
    source: Labelled, fold: int, settings: TrainConfig, device: torch.device
) -> Callable[[nn.Module], Metrics]:
    """Return a function that judges a network on the labels held out of its training."""
    rows = torch.from_numpy(source.held_out(fold))
    z_label = source.objects["z_label"].to_numpy()[rows]

    def validate(network: nn.Module) -> Metrics:
        if not len(rows):
            return {}
        logits, loss = [], 0.0
        with torch.inference_mode(), autocast(settings.precision, device):
            for batch in rows.split(settings.batch_size):
                masses = source.masses[batch.to(source.masses.device)]
                logits.append(network(source.stamps.take(batch, device)).float())
                loss += float(nn.functional.cross_entropy(logits[-1], masses, reduction="sum"))
        pmf = torch.softmax(torch.cat(logits), 1).cpu().numpy()
        dz = residual(pdf.median(pmf / source.grid.widths, source.grid.edges), z_label)
        return {
            "validation_loss": loss / len(z_label),
            "bias": float(bias(dz)),
            "sigma_mad": float(sigma_mad(dz)),
            "outlier_fraction": float(outlier_fraction(dz)),
        }

    return validate
