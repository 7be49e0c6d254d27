"""The catalogues of a run: made anew when stale, and never in place of a file of the user's.

A note beside the catalogues lists those the run wrote, with what they hold. A file that the
note does not list, or that has changed since, is somebody else's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hscz.config import RunConfig
from hscz.config.decisive import key_of
from hscz.errors import InputError, StoreError
from hscz.export import export
from hscz.export.formats import path_of
from hscz.files.atomic import read_json, write_json
from hscz.files.fresh import InputFile, Key, mark_made, why_stale
from hscz.files.lock import at_work
from hscz.pdf.prior import PriorRatio
from hscz.stores import identity, open_cube


def export_paths(config: RunConfig, name: str) -> list[Path]:
    """Return the catalogues of a field."""
    return [path_of(config.results(name), kind) for kind in config.export.formats]


def export_field(config: RunConfig, name: str, overwrite: bool = False) -> list[Path]:
    """Write the catalogues of a field.

    Parameters
    ----------
    config : RunConfig
    name : str
        The field.
    overwrite : bool
        Whether to replace files that the run did not write.

    Raises
    ------
    InputError
        If there is such a file and it may not be replaced.
    """
    with at_work(config.results(name)):
        return _export_field(config, name, overwrite)


def _export_field(config: RunConfig, name: str, overwrite: bool) -> list[Path]:
    note, paths, settings = _note(config, name), export_paths(config, name), config.export
    key = export_key(config, name)
    before = read_json(note)
    own = before.get("files", {})
    for path in paths:
        if not overwrite and path.exists() and not _is_own(path, own.get(path.name)):
            raise InputError(
                f"{path}: exists already and is not as this run wrote it; move it away, or "
                "replace it with hscz export --overwrite"
            )
    cube = open_cube(config.cube(name), lazy=False)
    found = {path.name: _record(path) for path in paths if path.exists()}
    # Said beforehand, or a run killed between two files would not know the first for its own.
    write_json(note, {"files": own | {path.name: "begun" for path in paths}})
    try:
        export(
            cube,
            config.results(name),
            settings.formats,
            include_pdf=settings.include_pdf,
            algorithm=settings.algorithm,
            columns=settings.columns,
            select=settings.select,
            overwrite=True,
            ratio=_ratio(config, name) if settings.inferred else None,
        )
    except BaseException:
        there = {path.name: _record(path) for path in paths if path.exists()}
        ours = {file: record for file, record in there.items() if record != found.get(file)}
        # Once a catalogue is another, what was noted before holds of none.
        write_json(note, {"files": own | ours} if ours else before)
        raise
    files = own | {path.name: _record(path) for path in paths}
    mark_made(note, key, files=files)
    return paths


def why_unexported(config: RunConfig, name: str) -> str:
    """Return why the catalogues of a field must be made; empty where they are up to date."""
    there = all(path.exists() for path in export_paths(config, name))
    return why_stale(_note(config, name), export_key(config, name), there)


def export_key(config: RunConfig, name: str) -> Key:
    """Return what the catalogues of a field are made from."""
    inputs: dict[str, dict[str, Any]] = {"predict": {name: identity(config.cube(name))}}
    if config.export.inferred:
        inputs["nz"] = {name: read_json(config.prior_ratio(name)).get("ratio")}
    return key_of(inputs, export=config.export)


def _ratio(config: RunConfig, name: str) -> PriorRatio:
    path = config.prior_ratio(name)
    note = read_json(path)
    if "ratio" not in note:
        raise StoreError(
            f"{path}: is not there, and export.inferred wants it; run 'hscz nz', or set "
            "export.inferred = false"
        )
    return PriorRatio.noted(note["ratio"])


def _note(config: RunConfig, name: str) -> Path:
    stem = config.results(name)
    return stem.with_name(f"{stem.name}.export.json")


def _is_own(path: Path, record: Any) -> bool:
    """Return whether a catalogue is as the run wrote it, or was just being written."""
    if record == "begun":
        return True
    return _record(path) == record if path.is_dir() else InputFile(path).is_as(record)


def _record(path: Path) -> Any:
    """Return what distinguishes catalogues: of those that are folders, names and sizes."""
    if path.is_dir():
        files = (file for file in sorted(path.rglob("*")) if file.is_file())
        return {str(file.relative_to(path)): file.stat().st_size for file in files}
    return InputFile(path).record
