"""The catalogues of a run: made anew when stale, and never in place of a file of the user's.

A note beside the catalogues lists those the run wrote, with size and time of change. A file
that the note does not list, or that has changed since, is somebody else's.
"""

from __future__ import annotations

from pathlib import Path

from hscz.config import RunConfig
from hscz.config.read import fingerprint
from hscz.errors import InputError
from hscz.export import export
from hscz.export.formats import path_of
from hscz.files.atomic import read_json, write_json
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
    note, paths, settings = _note(config, name), export_paths(config, name), config.export
    before = read_json(note)
    own = before.get("files", {})
    for path in paths:
        if not overwrite and path.exists() and own.get(path.name) not in ("begun", _state(path)):
            raise InputError(
                f"{path}: exists already and is not as this run wrote it; move it away, or "
                "replace it with hscz export --overwrite"
            )
    cube = open_cube(config.cube(name), lazy=False)
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
        )
    except BaseException:
        write_json(note, before)
        raise
    files = own | {path.name: _state(path) for path in paths}
    write_json(note, {"fingerprint": _key(config, name), "files": files})
    return paths


def is_exported(config: RunConfig, name: str) -> bool:
    """Return whether the catalogues of a field are there and up to date."""
    there = all(path.exists() for path in export_paths(config, name))
    return there and read_json(_note(config, name)).get("fingerprint") == _key(config, name)


def _note(config: RunConfig, name: str) -> Path:
    stem = config.results(name)
    return stem.with_name(f"{stem.name}.export.json")


def _key(config: RunConfig, name: str) -> str:
    return fingerprint(config.export, identity(config.cube(name)))


def _state(path: Path) -> list[int]:
    about = path.stat()
    return [about.st_size, about.st_mtime_ns]
