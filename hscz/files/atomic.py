"""Files and folders that are whole or not there: written aside, then renamed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hscz.errors import StoreError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name what was being written where the disk refuses: no room, no right, no folder.

    Raises
    ------
    StoreError
        In place of any `OSError` inside the context.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error}); make room there, or choose another folder "
            "with the key stores"
        ) from error


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder; what is there in the end gets its name.

    Parameters
    ----------
    path : Path
        A file or a folder to be. Missing folders above it are made.

    Yields
    ------
    Path
        The temporary path, which has the suffix of `path`.

    Raises
    ------
    StoreError
        If the disk does not take it; what was there before stays.
    """
    temporary = path.with_name(f".part-{os.getpid()}-{path.name}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if temporary.is_dir():
                replace_folder(temporary, path)
            else:
                os.replace(temporary, path)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)


def write_atomic(path: Path, write: Callable[[Path], Any]) -> Path:
    """Call `write` on a temporary path, then give the file its name; see `aside`.

    Returns
    -------
    Path
        `path`.
    """
    with aside(path) as temporary:
        write(temporary)
    return path


def replace_folder(new: Path, path: Path) -> Path:
    """Give a whole folder its final name; what had the name before goes away last.

    Deleting the old folder in place would leave a half of it under the name if the run is
    killed meanwhile.
    """
    old = new.with_name(f"{new.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        os.replace(path, old)
    os.replace(new, path)
    shutil.rmtree(old, ignore_errors=True)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write text atomically, as UTF-8."""
    return write_atomic(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> Path:
    """Write JSON atomically."""
    return write_text(path, json.dumps(value, indent=1, default=str) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON file's mapping; empty where there is none or it is damaged."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError, TypeError, ValueError):
        return {}
