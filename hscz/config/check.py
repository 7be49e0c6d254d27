"""Settings that would make a stage fail late, or run and mean nothing, are refused at once."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from itertools import pairwise

from hscz.config import RunConfig
from hscz.config.fetch import refuse_secrets
from hscz.errors import ConfigError
from hscz.schema import LABEL_COLUMNS
from hscz.seams import EXPORT_FORMATS
from hscz.survey import BANDS

RANGES: Mapping[str, tuple[float, float]] = {
    "fetch.jobs": (1, 32),
    "fetch.requests_per_second": (0.001, 100),
    "fetch.tries": (1, 100),
    "fetch.wait_s": (0, 3600),
    "fetch.timeout_s": (1, 3600),
    "ingest.stamp_px": (8, 1024),
    "ingest.memory_limit_mb": (0, math.inf),
    "label.radius_arcsec": (0, 60),
    "label.sigma_max": (0, math.inf),
    "network.input_px": (8, 1024),
    "network.merge_after": (0, math.inf),
    "flatten.bandwidth": (0, 6),
    "flatten.neighbours": (1, math.inf),
    "flatten.clips": (0, math.inf),
    "train.runs": (1, math.inf),
    "train.folds": (1, 100),
    "train.epochs": (1, math.inf),
    "train.batch_size": (2, math.inf),
    "train.n_bins": (2, math.inf),
    "train.z_max": (0.1, 100),
    "train.validation_fraction": (0, 0.9),
    "train.max_galaxies": (0, math.inf),
    "train.seed": (0, math.inf),
    "adapt.weight": (0, math.inf),
    "adapt.neighbours": (1, math.inf),
    "adapt.max_gap_mag": (0, math.inf),
    "adapt.n_targets": (1, math.inf),
    "adapt.degrade_scatter": (0, 1),
    "adapt.degrade_share": (0, 1),
    "adapt.zero_point_scatter_mag": (0, 1),
    "experiments.jobs": (1, math.inf),
    "figures.jobs": (1, math.inf),
    "predict.block": (1, math.inf),
    "predict.batch_size": (1, math.inf),
    "evaluate.bootstraps": (2, math.inf),
    "evaluate.seed": (0, math.inf),
    "embed.n": (50, 4000),
    "embed.cells": (1, 64),
    "embed.seed": (0, math.inf),
    "plan.mbit_per_s": (0.001, math.inf),
}
"""Least and largest value of each number."""


EBV_SOURCES = ("", "catalogue", "sfd", "irsa")
"""Values of a field's ``ebv``."""

CALIBRATIONS = ("none", "temperature", "pit")


def check_values(config: RunConfig, where: str) -> None:
    """Refuse numbers out of range, and lists that are empty, repeat or run backwards.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> from hscz.config.learn import TrainConfig
    >>> check_values(RunConfig(train=TrainConfig(epochs=0)), "run.toml")
    Traceback (most recent call last):
    ...
    hscz.errors.ConfigError: run.toml: train.epochs is 0; give at least 1
    """
    _check_numbers(config, where)
    _check_lists(config, where)
    _check_edges(config, where)
    _check_training(config, where)
    _check_dust(config, where)
    _check_stated(config, where)
    for key, url in config.fetch.services.items():
        refuse_secrets(f"{where}: fetch.{key}", url)
    for host, prefix in config.fetch.logins.items():
        if not re.fullmatch("[A-Z][A-Z0-9_]*", prefix):
            raise ConfigError(
                f"{where}: fetch.logins for {host} is not how names of environment variables "
                "begin, such as HSC_SSP_CAS; write that there, and never a password"
            )


def check_fields(config: RunConfig, where: str) -> None:
    """Refuse names of fields that the file does not describe."""
    sections = {
        "predict": config.predict.fields,
        "evaluate": config.evaluate.fields,
        "adapt.targets": config.adapt.targets,
        "experiments.targets": config.experiments.targets,
        "plan.fields": tuple(config.plan.fields),
    }
    for section, names in sections.items():
        for name in names:
            if name not in config.fields:
                known = ", ".join(config.fields) or "none: add [fields.NAME] or [mock]"
                key = section if "." in section else f"{section}.fields"
                raise ConfigError(f"{where}: {key} has {name!r}; the fields are {known}")


def _check_numbers(config: RunConfig, where: str) -> None:
    for key, (low, high) in RANGES.items():
        value = operator.attrgetter(key)(config)
        if not low <= value <= high:
            span = f"at least {low:g}" if high == math.inf else f"a value from {low:g} to {high:g}"
            raise ConfigError(f"{where}: {key} is {value}; give {span}")


def _check_lists(config: RunConfig, where: str) -> None:
    """Refuse empty and repeating lists, and bands that do not exist."""
    bands = {f"fields.{name}.bands": entry.bands for name, entry in config.fields.items()}
    bands["train.bands"] = config.train.bands
    for key, names in bands.items():
        unknown = [name for name in names if name not in BANDS]
        if unknown:
            raise ConfigError(
                f"{where}: {key}: band {unknown[0]!r} is unknown; the bands are {', '.join(BANDS)}"
            )
        # The network pairs neighbours, so the order of the bands is part of what they mean.
        if list(names) != sorted(names, key=lambda name: BANDS[name].pivot_angstrom):
            raise ConfigError(f"{where}: {key} is {list(names)}; write them from blue to red")
    for field, entry in config.fields.items():
        for key, names in (("optional", entry.optional), ("apart", tuple(entry.apart))):
            strange = [name for name in names if name not in entry.bands]
            if strange:
                raise ConfigError(
                    f"{where}: fields.{field}.{key} has {strange[0]!r}, which is not one of its "
                    f"bands, {', '.join(entry.bands)}; add it to them"
                )
        if set(entry.optional) == set(entry.bands):
            raise ConfigError(f"{where}: fields.{field}.optional has all bands; require one")
    strange = [name for name in config.evaluate.reference if name not in LABEL_COLUMNS]
    if strange:
        raise ConfigError(
            f"{where}: evaluate.reference has {strange[0]!r}; use {', '.join(LABEL_COLUMNS)}"
        )
    for name in config.export.formats:
        EXPORT_FORMATS.check(name, f"{where}: ")
    others = ("train.fields", "export.formats", "evaluate.reference")
    for key, names in (bands | {key: operator.attrgetter(key)(config) for key in others}).items():
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"{where}: {key} is {list(names)}; name at least one, each once")


def _check_edges(config: RunConfig, where: str) -> None:
    for key in ("evaluate.z_edges", "evaluate.mag_edges", "flatten.mag_edges"):
        edges = operator.attrgetter(key)(config)
        if len(edges) < 2 or any(b <= a for a, b in pairwise(edges)):
            raise ConfigError(f"{where}: {key} is {list(edges)}; give increasing edges")


def _check_training(config: RunConfig, where: str) -> None:
    train, adapt = config.train, config.adapt
    if config.predict.calibrate not in CALIBRATIONS:
        raise ConfigError(
            f"{where}: predict.calibrate is {config.predict.calibrate!r}; use one of "
            f"{', '.join(CALIBRATIONS)}"
        )
    if config.predict.calibrate != "none" and not train.validation_fraction:
        raise ConfigError(
            f"{where}: predict.calibrate = {config.predict.calibrate!r} needs source galaxies that "
            "are held out; raise train.validation_fraction"
        )
    if train.folds > 1 and train.folds * train.validation_fraction > 1 + 1e-9:
        raise ConfigError(
            f"{where}: {train.folds} folds of train.validation_fraction = "
            f"{train.validation_fraction} are more than the whole; lower one of them"
        )
    if train.label not in ("z_label", "z_true"):
        raise ConfigError(f"{where}: train.label is {train.label!r}; use z_label or z_true")
    if not adapt.targets and (adapt.adversary != "none" or adapt.degrade):
        raise ConfigError(
            f"{where}: adapt.targets is empty, so there is nothing to adapt to; name fields, or "
            'leave adapt.adversary = "none" and adapt.degrade = false'
        )
    for bands in train.hidden:
        strange = set(bands) - set(train.bands)
        if strange or set(bands) == set(train.bands):
            what = f"has {strange.pop()!r}, not one" if strange else "has a set of all"
            raise ConfigError(f"{where}: train.hidden {what} of train.bands; hide some of them")
    both = set(adapt.targets) & set(train.fields)
    if both:
        raise ConfigError(
            f"{where}: adapt.targets has {both.pop()!r}, a source field of train.fields; take it "
            "out of one of them"
        )


def _check_dust(config: RunConfig, where: str) -> None:
    """Refuse a source of E(B-V) that is none, or lacks what it needs."""
    for name, entry in config.fields.items():
        key = f"{where}: fields.{name}.ebv is {entry.ebv!r}"
        if entry.ebv not in EBV_SOURCES:
            raise ConfigError(f"{key}; use one of {', '.join(EBV_SOURCES[1:])}")
        if entry.ebv == "sfd" and not config.ingest.dust:
            raise ConfigError(f"{key}; name the folder of the SFD maps with dust under [ingest]")
        if entry.ebv == "irsa" and not (entry.fetch and entry.fetch.box):
            raise ConfigError(f"{key}; say where on the sky with box under fields.{name}.fetch")


def _check_stated(config: RunConfig, where: str) -> None:
    """Refuse stated numbers that are negative, or labels of more objects than there are."""
    for name, stated in config.plan.fields.items():
        for key, value in vars(stated).items():
            most = math.inf
            if key != "objects" and stated.objects is not None:
                most = stated.objects
            if value is not None and not 0 <= value <= most:
                span = f"from 0 to {most}, its objects" if most < math.inf else "0 or more"
                raise ConfigError(f"{where}: plan.fields.{name}.{key} is {value}; give {span}")
