"""What a format of catalogues is; `hscz.seams.EXPORT_FORMATS` has them by name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from hscz.export.catalogue import Catalogue
from hscz.export.columns import Block
from hscz.seams import EXPORT_FORMATS

Writer = Callable[[Path, Catalogue], AbstractContextManager[Callable[[Block], object]]]
"""Opens a file and gives what takes its rows, block by block; the file is whole at the end."""


@dataclass(frozen=True)
class Format:
    """How a format is written.

    Attributes
    ----------
    suffix : str
    write : Writer
    variables : tuple of str
        Variables of the cube it takes beside those of the columns.
    """

    suffix: str
    write: Writer
    variables: tuple[str, ...] = ()


def path_of(stem: str | Path, name: str) -> Path:
    """Return the path of a catalogue in a format.

    Raises
    ------
    ConfigError
        If the format is unknown, or needs what is not installed.

    Examples
    --------
    >>> path_of("catalogues/DEEP2.v0", "votable").name
    'DEEP2.v0.vot'
    """
    return Path(stem).with_name(f"{Path(stem).name}.{EXPORT_FORMATS.load(name).suffix}")
