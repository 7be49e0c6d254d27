"""Which settings decide what a stage makes, and the key of a stage made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from hscz.config.read import as_mapping
from hscz.files.fresh import Key

LEFT_OUT: Mapping[str, tuple[str, ...]] = {
    "IngestConfig": ("memory_limit_mb", "dust"),
    "NetworkConfig": ("size",),
    "TrainConfig": ("name", "runs", "folds", "device"),
    "PredictConfig": ("fields", "name", "block", "batch_size", "device"),
    "EvaluateConfig": ("fields",),
    "EmbedConfig": ("recipes",),
    "FiguresConfig": ("jobs",),
    "CatalogueDescriptor": (
        *("name", "title", "reference", "bibcode", "selection", "unconfirmed"),
        *("z_range", "archive"),
    ),
}
"""Settings, by their class, that change no result: names, what is there for a reader, where and
how the work is done, and which other artefacts are made beside."""


def key_of(
    inputs: Mapping[str, Mapping[str, Any]] | None = None,
    others: Mapping[str, Any] | None = None,
    /,
    **sections: Any,
) -> Key:
    """Return the key of what is made from sections of a run's settings.

    Parameters
    ----------
    inputs : mapping of str to mapping, optional
        See `hscz.files.fresh.Key`.
    others : mapping of str to value, optional
        Values beside those of the sections, by dotted name.
    **sections
        Sections, or descriptors of catalogues, by name, such as ``train=config.train``. What of
        them changes no result is left out (`LEFT_OUT`).

    Examples
    --------
    >>> from hscz.config.learn import TrainConfig
    >>> key = key_of(train=TrainConfig(epochs=50, device="cuda"))
    >>> key.fingerprint == key_of(train=TrainConfig(name="v1")).fingerprint
    True
    >>> key_of(train=TrainConfig(epochs=9)).why_stale(key.note())
    'train.epochs was 50'
    """
    settings, defaults = dict(others or {}), {}
    for name, section in sections.items():
        values, standing = as_mapping(section), as_mapping(_defaults(section))
        for key in values.keys() - LEFT_OUT.get(type(section).__name__, ()):
            settings[f"{name}.{key}"] = values[key]
            if key in standing:
                defaults[f"{name}.{key}"] = standing[key]
    return Key(settings, inputs or {}, defaults)


def _defaults(section: Any) -> dict[str, Any]:
    """Return the values of a section's keys in a file that does not name them."""
    made = {
        f.name: f.default_factory() for f in fields(section) if f.default_factory is not MISSING
    }
    return made | {f.name: f.default for f in fields(section) if f.default is not MISSING}
