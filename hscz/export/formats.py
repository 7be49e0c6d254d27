"""The formats by name: what writes each, and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from hscz.errors import ConfigError
from hscz.export.catalogue import Catalogue
from hscz.export.columns import Block
from hscz.export.fits import write_fits
from hscz.export.hats import write_hats
from hscz.export.parquet import write_parquet
from hscz.export.qp import ANCILLARY, write_qp
from hscz.export.votable import write_votable
from hscz.extras import require

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
    package : str
        What must be installed beyond the core.
    """

    suffix: str
    write: Writer
    variables: tuple[str, ...] = ()
    package: str = ""


FORMATS: Mapping[str, Format] = {
    "fits": Format("fits", write_fits),
    "parquet": Format("parquet", write_parquet),
    "votable": Format("vot", write_votable),
    "hats": Format("hats", write_hats, ("ra", "dec"), "hats"),
    "qp": Format("hdf5", write_qp, ("pdf", *ANCILLARY.values()), "h5py"),
}


def check_formats(names: Iterable[str], where: str = "") -> None:
    """Refuse formats that are unknown or need what is not installed.

    Parameters
    ----------
    names : iterable of str
    where : str
        Begins the error message.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> check_formats(["csv"], "run.toml: ")
    Traceback (most recent call last):
    ...
    hscz.errors.ConfigError: run.toml: export format 'csv' is unknown; use fits, parquet, ...
    """
    for name in names:
        if name not in FORMATS:
            *others, last = FORMATS
            known = f"{', '.join(others)} or {last}"
            raise ConfigError(f"{where}export format {name!r} is unknown; use {known}")
        if FORMATS[name].package:
            require(f"{where}export format {name!r}", FORMATS[name].package)


def path_of(stem: str | Path, name: str) -> Path:
    """Return the path of a catalogue in a format.

    Examples
    --------
    >>> path_of("catalogues/DEEP2.v0", "votable").name
    'DEEP2.v0.vot'
    """
    return Path(stem).with_name(f"{Path(stem).name}.{FORMATS[name].suffix}")
