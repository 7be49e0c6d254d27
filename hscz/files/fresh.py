"""Whether an artefact is still what its settings and inputs would make: keys, notes, reasons.

A `Key` says what a thing is made from, part by part. When the thing is made, a note of the key is
written beside it, last; as long as the key of the moment agrees with the note, the thing is fresh,
and where it does not, the note says what is different.

Keys hold no folder: files go by the part they play and by what they hold, so that a project that
is moved or copied stays fresh.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hscz.files.atomic import read_json, write_json

PIECES, PIECE_BYTES = 16, 1 << 20
"""How much is read of a file that is not looked at as a whole: so many pieces, evenly spread."""

MOST_REASONS = 3
"""Differences that a reason names, and things of one kind."""

NOT_YET, GONE, FORCED = "not there yet", "no longer there", "to be made again"

UNKNOWN = "what it was made from is not known"


@dataclass(frozen=True)
class InputFile:
    """A file that something is made from.

    It has changed if its size has, or its time and what it holds.

    Attributes
    ----------
    path : Path
    whole : bool
        Whether all that it holds counts. Of images and weights, of which there are terabytes,
        only sixteen pieces of 1 MiB do; a change between them that keeps the size is not noticed.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "a.csv"
    >>> _ = path.write_text("ra,dec")
    >>> before = InputFile(path).record
    >>> os.utime(path, (0, 0))
    >>> InputFile(path).is_as(before)
    True
    >>> _ = path.write_text("ra,DEC")
    >>> InputFile(path).is_as(before)
    False
    """

    path: Path
    whole: bool = True

    @property
    def content(self) -> str:
        """Hash of size and contents."""
        return str(self.record[2])

    @cached_property
    def record(self) -> list[Any]:
        """Size in bytes, time of change in ns, and hash, as they are when first asked for."""
        found = hashlib.sha256()
        with self.path.open("rb") as file:
            about = os.fstat(file.fileno())
            size = about.st_size
            found.update(str(size).encode())
            starts: Sequence[int] = range(0, size, PIECE_BYTES)
            if not self.whole and len(starts) > PIECES:
                starts = [n * (size - PIECE_BYTES) // (PIECES - 1) for n in range(PIECES)]
            for start in starts:
                file.seek(start)
                found.update(file.read(PIECE_BYTES))
        return [size, about.st_mtime_ns, found.hexdigest()[:16]]

    def is_as(self, record: Any) -> bool:
        """Return whether the file is as it was when this record was made."""
        if not isinstance(record, list) or not self.path.exists():
            return False
        about = self.path.stat()
        if about.st_size != record[0]:
            return False
        return about.st_mtime_ns == record[1] or self.content == record[2]


def input_files(paths: Mapping[str, str | Path]) -> dict[str, InputFile]:
    """Return those of the files that exist, by the names they go by."""
    return {name: InputFile(Path(path)) for name, path in paths.items() if os.path.isfile(path)}


@dataclass(frozen=True)
class Key:
    """What a thing is made from.

    Parameters
    ----------
    settings : mapping of str to value
        Settings that decide it, by dotted name, as plain values.
    inputs : mapping of str to mapping
        What it reads, by kind and then by name. A kind is the verb that made it (``ingest``,
        ``label``, ``train``, ``predict``), and then each value is the fingerprint it was made
        with; or a word for files, such as ``image``, and then each is an `InputFile`.
    defaults : mapping of str to value
        What was made before a setting existed was made with its default.

    Examples
    --------
    >>> before = Key({"train.epochs": 50, "network.norm": "none"}, {"ingest": {"COSMOS": "ab12"}})
    >>> now = Key({"train.epochs": 50, "network.norm": "batch"}, {"ingest": {"COSMOS": "ab12"}})
    >>> now.why_stale(before.note())
    "network.norm was 'none'"
    >>> Key(before.settings, {"ingest": {"COSMOS": "cd34"}}).why_stale(before.note())
    'COSMOS was ingested again'
    >>> before.why_stale(before.note())
    ''
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> str:
        """A short hash, the same wherever and whenever the files lie.

        Settings at their defaults count, since defaults may change and others know the thing by
        its fingerprint alone.
        """
        inputs = {
            kind: {name: one.content if isinstance(one, InputFile) else one for name, one in some}
            for kind, some in self._kinds()
            if some
        }
        text = json.dumps([_plain(self.settings), inputs], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def begun(self) -> Key:
        """Return the key, its files now looked at: what changes while a thing is made will show."""
        self.note()
        return self

    def note(self, **more: Any) -> dict[str, Any]:
        """Return what is to be written beside the thing once it is made."""
        inputs = {
            kind: {name: one.record if isinstance(one, InputFile) else one for name, one in some}
            for kind, some in self._kinds()
        }
        made_from = {"settings": _plain(self.settings), "inputs": inputs}
        return {"fingerprint": self.fingerprint, "made_from": made_from, **more}

    def why_stale(self, note: Mapping[str, Any]) -> str:
        """Return what is different from the thing that a note describes; empty where it is fresh.

        Names of settings are as in the file of a run, values are the old ones.
        """
        if "made_from" not in note:
            return "" if note.get("fingerprint") == self.fingerprint else UNKNOWN
        reasons = [*self._other_inputs(note["made_from"]), *self._other_settings(note["made_from"])]
        rest = len(reasons) - MOST_REASONS
        return ", ".join(reasons[:MOST_REASONS]) + (f" and {rest} more" if rest > 0 else "")

    def _kinds(self) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
        for kind, some in sorted(self.inputs.items()):
            yield kind, sorted(some.items())

    def _other_settings(self, made_from: Mapping[str, Any]) -> Iterator[str]:
        before, now = made_from["settings"], _plain(self.settings)
        defaults = _plain(self.defaults)
        for name in sorted({*before, *now}):
            old = before.get(name, defaults.get(name))
            if old != now.get(name, defaults.get(name)):
                yield f"{name} was {_shown(old)}"

    def _other_inputs(self, made_from: Mapping[str, Any]) -> Iterator[str]:
        for kind in dict.fromkeys([*self.inputs, *made_from["inputs"]]):
            now, before = self.inputs.get(kind, {}), made_from["inputs"].get(kind, {})
            both = now.keys() & before.keys()
            changed = [name for name in sorted(both) if not _same(now[name], before[name])]
            new, gone = sorted(now.keys() - before.keys()), sorted(before.keys() - now.keys())
            if kind in AGAIN:
                if changed or new or gone:
                    yield _again(kind, [*changed, *new, *gone])
                continue
            for names, what in ((changed, "changed"), (new, "new"), (gone, "gone")):
                if names:
                    yield _counted(kind, len(names), len(now), what)


AGAIN = {
    "mock": "made",
    "ingest": "ingested",
    "label": "labelled",
    "train": "trained",
    "predict": "predicted",
}
"""What happened to an input of each of these kinds, if it is another one now."""


def mark_made(path: Path, key: Key, **more: Any) -> Path:
    """Write the note of a thing that is made, with whatever else is to be kept of it."""
    return write_json(path, key.note(**more))


def why_stale(path: Path, key: Key, there: bool = True) -> str:
    """Return why a thing must be made again, empty where it is fresh.

    Parameters
    ----------
    path : Path
        The note beside it.
    key : Key
    there : bool
        Whether the thing itself is there.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "A.made.json"
    >>> why_stale(path, Key({"a": 1}))
    'not there yet'
    >>> _ = mark_made(path, Key({"a": 1}))
    >>> why_stale(path, Key({"a": 1})), why_stale(path, Key({"a": 2}))
    ('', 'a was 1')
    """
    note = read_json(path)
    if "fingerprint" not in note:
        return UNKNOWN if note and there else NOT_YET
    return key.why_stale(note) if there else GONE


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they come back from JSON."""
    return dict(json.loads(json.dumps(dict(settings), default=str)))


def _same(now: Any, before: Any) -> bool:
    return now.is_as(before) if isinstance(now, InputFile) else bool(now == before)


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _again(kind: str, names: list[str]) -> str:
    if kind == "train":
        return "the models were trained again"
    rest = len(names) - MOST_REASONS
    shown = [*names[:MOST_REASONS], *([f"{rest} more"] if rest > 0 else [])]
    were = "was" if len(shown) == 1 else "were"
    return f"{' and '.join(shown)} {were} {AGAIN[kind]} again"


def _counted(kind: str, n: int, n_now: int, what: str) -> str:
    if n == n_now == 1 and what == "changed":
        return f"the {kind} changed"
    words = f"{n} {kind}{'s' if n > 1 else ''}"
    return f"{words} changed" if what == "changed" else f"{words} {'are' if n > 1 else 'is'} {what}"
