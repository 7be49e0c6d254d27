"""Files that are whole or not there: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_atomic(path: Path, write: Callable[[Path], Any]) -> Path:
    """Call `write` on a temporary path in the same folder, then give the file its name.

    Parameters
    ----------
    path : Path
        Folders that lack are made.
    write : callable
        Takes the temporary path, which has the suffix of `path`.

    Returns
    -------
    Path
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_json(path: Path, value: Any) -> Path:
    """Write JSON atomically."""
    text = json.dumps(value, indent=1, default=str) + "\n"
    return write_atomic(path, lambda temporary: temporary.write_text(text))


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON file's mapping; empty where there is none or it is cut short."""
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return {}
