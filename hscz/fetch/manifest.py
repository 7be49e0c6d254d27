"""What has been fetched: one line of JSON a file, added when the file has got its name.

Lines are only ever added, each in one write, so that a killed run leaves the others whole and
two runs at a time do not undo each other's; of several lines on a file the last counts. Files
go by their paths from the manifest's folder, so that all may be moved together.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hscz.files.atomic import writing
from hscz.files.fresh import InputFile


class Manifest:
    """The files that are there, and from where.

    Parameters
    ----------
    path : Path
        The manifest itself, a file of JSON lines.

    Examples
    --------
    >>> Manifest(Path("nowhere.jsonl")).has(Path("a.fits"), "https://a.org/a.fits")
    False
    """

    def __init__(self, path: Path):
        self.path = path
        self._known: dict[str, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._learn(line)

    def has(self, path: Path, source: str) -> bool:
        """Return whether a file came from that source and has not changed since.

        A file that the archive was found not to have counts as there.
        """
        entry = self._known.get(self._name(path), {})
        if entry.get("source") != source:
            return False
        return bool(entry.get("absent")) or InputFile(path).is_as(entry.get("file"))

    def owns(self, path: Path) -> bool:
        """Return whether the file on disk is one that was fetched, so may be replaced."""
        entry = self._known.get(self._name(path))
        return entry is not None and not entry.get("absent")

    def is_absent(self, path: Path) -> bool:
        """Return whether the archive was found to have no such file."""
        return bool(self._known.get(self._name(path), {}).get("absent"))

    def add(self, path: Path, source: str, absent: bool = False) -> None:
        """Note that a file is there, or that the archive has none."""
        entry: dict[str, Any] = {"path": self._name(path), "source": source}
        entry |= {"absent": True} if absent else {"file": InputFile(path).record}
        entry["at"] = datetime.now(UTC).isoformat(timespec="seconds")
        self._known[entry["path"]] = entry
        line = (json.dumps(entry) + "\n").encode()
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)

    def _learn(self, line: str) -> None:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            return  # the run was killed while it wrote this line
        self._known[entry["path"]] = entry

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.path.parent)
