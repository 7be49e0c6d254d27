"""One stage of a run: an artefact that knows why it is stale, if it is, and how it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, eq=False)
class Stage:
    """One verb on one field.

    Attributes
    ----------
    verb : str
    field : str or None
        None for training, which takes several fields.
    output : Path
        The artefact it writes.
    after : tuple of Stage
        Stages whose output it reads: once one of them is made again, it is stale.
    why_stale : callable
        Why the artefact must be made, empty where it is up to date.
    make : callable
        ``make(resume, force)`` writes the artefact and returns a report to print, or None.
    report : callable
        The report of an artefact made before, or None.
    preview : callable
        What a dry run says beside the output, or None.
    """

    verb: str
    field: str | None
    output: Path
    after: tuple[Stage, ...]
    why_stale: Callable[[], str]
    make: Callable[[bool, bool], str | None]
    report: Callable[[], str | None] = lambda: None
    preview: Callable[[], str | None] = lambda: None

    @property
    def name(self) -> str:
        """Verb and field."""
        return f"{self.verb} {self.field}" if self.field else self.verb
