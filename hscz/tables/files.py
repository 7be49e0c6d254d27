"""Tables in files of any format: which columns there are, and some of them in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from hscz.errors import InputError
from hscz.files.check import refuse_web_page
from hscz.files.compression import DAMAGED, SUFFIXES, open_decompressed
from hscz.tables import tablefile
from hscz.tables.fitsrows import open_fits
from hscz.tables.lines import open_lines
from hscz.tables.tablefile import TableFile, whole_file
from hscz.tables.wholetable import open_whole

KINDS: Mapping[str, tuple[str, ...]] = {
    "fits": (".fits", ".fit"),
    "csv": (".csv", ".tsv"),
    "text": (".txt", ".dat", ".cat"),
    "parquet": (".parquet",),
    "votable": (".vot", ".votable", ".xml"),
    "ecsv": (".ecsv",),
    "ipac": (".tbl",),
    "mrt": (".mrt",),
}
"""Formats, and endings of file names that stand for them."""

BEGINNINGS: Mapping[bytes, str] = {
    b"SIMPLE  =": "fits",
    b"PAR1": "parquet",
    b"<?xml": "votable",
    b"<VOTABLE": "votable",
    b"# %ECSV": "ecsv",
    b"Title:": "mrt",
}
"""First bytes of files that are of a format whatever their name says."""


def open_table(path: Path, kind: str = "parquet", hdu: int = 1) -> TableFile:
    """Open a table of any format, compressed or not.

    Parameters
    ----------
    path : Path
        FITS; CSV, or text with blanks between its words, with or without a line of names;
        Parquet; and what astropy reads whole: VOTable, ECSV, IPAC tables, and the
        machine-readable tables of journals.
    kind : str
        Format of a file whose beginning and suffix do not show it, one of `KINDS`.
    hdu : int
        Extension of a FITS file.

    Raises
    ------
    InputError
        If the file is missing or is no such table.

    Examples
    --------
    >>> open_table(Path("nowhere.csv"))
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: nowhere.csv: no such file; check the path in the configuration
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path in the configuration")
    kind = _kind(path, kind)
    openers: Mapping[str, Callable[[], TableFile]] = {
        "fits": lambda: open_fits(path, hdu),
        "csv": lambda: open_lines(path, kind),
        "text": lambda: open_lines(path, kind),
        "parquet": lambda: _open_parquet(path),
    }
    with whole_file(path, kind):
        return openers.get(kind, lambda: open_whole(path, kind))()._replace(kind=kind)


def _kind(path: Path, kind: str) -> str:
    """Return the format of a file by its beginning, or else its suffix, or else `kind`."""
    try:
        with open_decompressed(path) as stream:
            head = stream.read(4096)
        refuse_web_page(head)
    except (*DAMAGED, InputError) as error:
        raise InputError(f"{path}: {error}; fetch the file again") from None
    if head.startswith(b"PK\x03\x04"):
        raise InputError(f"{path}: is a zip archive; unpack it")
    shown = (name for start, name in BEGINNINGS.items() if head.lstrip().startswith(start))
    name = path.name.lower()
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    named = (one for one, suffixes in KINDS.items() if name.endswith(suffixes))
    return next(shown, None) or next(named, kind)


def _open_parquet(path: Path) -> TableFile:
    import pyarrow.parquet as pq

    def read(wanted: list[str]) -> Iterator[pd.DataFrame]:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(tablefile.BLOCK_ROWS, columns=wanted):
                yield batch.to_pandas(ignore_metadata=True)

    return TableFile(path, pq.read_schema(path).names, pq.read_metadata(path).num_rows, read)
