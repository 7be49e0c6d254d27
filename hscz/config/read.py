"""Read a run's TOML file into `hscz.config.RunConfig`, refusing what is not known.

Paths in the file are relative to the file itself, so a run does not depend on where it is
started from.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hscz.config.fields import FieldConfig, TableConfig, mock_field
from hscz.config.learn import NETWORK_PRESETS
from hscz.config.run import RunConfig
from hscz.config.wording import explain
from hscz.errors import ConfigError, about


def load(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run's TOML file.

    Its ``base`` may name another file beside it, whose settings hold where it gives none.

    Parameters
    ----------
    path : str or Path
    overrides : sequence of str
        ``section.key=value`` settings that replace those of the file.

    Raises
    ------
    ConfigError
        If the file is missing or not TOML, or has a key, type or value that is not known.
    """
    path = Path(path)
    mapping = _read(path)
    for override in overrides:
        _override(mapping, override)
    config = parse(mapping, str(path))
    config = _resolve_paths(config, path.resolve().parent)
    with about(path):
        _check_fields(config)
    return config


def _read(path: Path) -> dict[str, Any]:
    """Read a TOML file on top of the one that its ``base`` names."""
    text = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        mapping = tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give the file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        line = re.search(r"at line (\d+)", str(error))
        quoted = f": {text.splitlines()[int(line[1]) - 1].strip()}" if line else ""
        raise ConfigError(f"{path}: not valid TOML: {error}{quoted}") from None
    base = mapping.pop("base", None)
    if base is None:
        return mapping
    below = (path.parent / str(base)).resolve()
    if below == path.resolve():
        raise ConfigError(f"{path}: base is the file itself; name another one")
    if below.parent != path.resolve().parent:
        raise ConfigError(
            f"{path}: base is {base!r} in another folder, from which its paths would be read "
            "differently; put the two files side by side"
        )
    return _merged(_read(below), mapping)


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with those above in the place of those below, section by section."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def parse(mapping: Mapping[str, Any], where: str = "configuration") -> RunConfig:
    """Turn a mapping, as read from TOML, into a checked `RunConfig`.

    Examples
    --------
    >>> parse({"train": {"epochs": 3}}).train.epochs
    3
    >>> parse({"train": {"epoch": 3}})
    Traceback (most recent call last):
    ...
    hscz.errors.ConfigError: configuration: [train] has no key 'epoch'; did you mean 'epochs'?
    """
    mapping = dict(mapping)
    network = mapping.get("network")
    if isinstance(network, Mapping) and (preset := NETWORK_PRESETS.get(str(network.get("size")))):
        mapping["network"] = {**dataclasses.asdict(preset), **network}
    try:
        return TypeAdapter(RunConfig).validate_python(mapping)
    except ValidationError as error:
        raise ConfigError(explain(error, RunConfig, where)) from None


def changed(
    config: RunConfig, changes: Mapping[str, Mapping[str, Any]], where: str = "configuration"
) -> RunConfig:
    """Return settings with some keys of some sections changed, checked as those of a file.

    Examples
    --------
    >>> grouped = parse({"network": {"norm": "group"}})
    >>> changed(grouped, {"predict": {"renormalise": True}}, "recipe adabn")
    Traceback (most recent call last):
    ...
    hscz.errors.ConfigError: recipe adabn: predict.renormalise is true, but network.norm is ...
    """
    # A preset of the network stands in the place of all its settings.
    standing = {
        k: {} if "size" in to else as_mapping(getattr(config, k)) for k, to in changes.items()
    }
    sections = {key: standing[key] | dict(to) for key, to in changes.items()}
    return parse({**vars(config), **sections}, where)


def as_mapping(config: Any) -> dict[str, Any]:
    """Return the settings as plain types, without what is None, ready for TOML or JSON."""

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
            return {key: plain(v) for key, v in pairs if v is not None}
        if isinstance(value, Mapping):
            return {str(key): plain(v) for key, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, tuple | list) else value

    return typing.cast(dict[str, Any], plain(config))


def _override(mapping: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {override!r}: write it as section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.strip().split(".")
    for section in sections:
        mapping = mapping.setdefault(section, {})
        if not isinstance(mapping, dict):
            raise ConfigError(f"--set {override!r}: {section!r} is not a section")
    mapping[last] = value


def _resolve_paths(config: RunConfig, base: Path) -> RunConfig:
    def full(text: str) -> str:
        return os.path.normpath(base / Path(text).expanduser()) if text else text

    def table(entry: TableConfig) -> TableConfig:
        own = entry.catalogue.endswith(".toml")
        return TableConfig(full(entry.file), full(entry.catalogue) if own else entry.catalogue)

    def resolve(entry: FieldConfig) -> FieldConfig:
        paths = {key: full(getattr(entry, key)) for key in ("images", "psf", "truth")}
        paths |= {key: full(getattr(entry, key)) for key in ("c2020_classic", "c2020_farmer")}
        return dataclasses.replace(
            entry,
            **typing.cast(Any, paths),
            catalogue=table(entry.catalogue),
            spec=tuple(table(t) for t in entry.spec),
            oii=table(entry.oii) if entry.oii else None,
            fetch=dataclasses.replace(entry.fetch, cutouts=full(entry.fetch.cutouts))
            if entry.fetch
            else None,
            per_band={
                band: dataclasses.replace(one, images=full(one.images))
                for band, one in entry.per_band.items()
            },
        )

    ingest = dataclasses.replace(config.ingest, dust=full(config.ingest.dust))
    config = dataclasses.replace(config, stores=full(config.stores), ingest=ingest)
    fields = {name: resolve(entry) for name, entry in config.fields.items()}
    if config.mock is not None:
        fields = {n: mock_field(config.root, n) for n in config.mock.fields} | fields
    return dataclasses.replace(config, fields=fields)


def _check_fields(config: RunConfig) -> None:
    """Refuse names of fields that the file does not describe.

    Source fields may be missing, since a file for the ingest alone leaves them at their default.
    """
    for key, names in {
        "predict.fields": config.predict.fields,
        "evaluate.fields": config.evaluate.fields,
        "train.spec_fields": config.train.spec_fields,
        "adapt.targets": config.adapt.targets,
        "experiments.targets": config.experiments.targets,
        "plan.fields": config.plan.fields,
    }.items():
        config.check_fields(key, names)
