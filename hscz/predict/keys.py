"""What predictions are made from, as parts of their keys: the models and the field stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hscz.config import RunConfig
from hscz.files.fresh import InputFile
from hscz.learn.folder import ModelFolder
from hscz.stores import attributes


def trained(folders: Iterable[Path]) -> Mapping[str, Any]:
    """Return the models that there are by name, each known by what its weights hold."""
    weights = {folder.name: ModelFolder(folder).weights for folder in folders}
    return {
        name: InputFile(path, whole=False).content
        for name, path in weights.items()
        if path.exists()
    }


def labelled(config: RunConfig, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Return what pixels and labels of fields were made from."""
    found = {name: attributes(config.field_store(name)) for name in names}
    return {
        "ingest": {name: attrs.get("fingerprint") for name, attrs in found.items()},
        "label": {name: attrs.get("labels") for name, attrs in found.items()},
    }
