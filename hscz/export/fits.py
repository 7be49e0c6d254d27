"""FITS: a table whose header says unit, meaning and UCD of each column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hscz import __version__
from hscz.export.catalogue import Catalogue
from hscz.export.columns import FITS_LETTER, Block, Column
from hscz.export.formats import Format
from hscz.export.records import records, text_width

_UNIT_BYTES = 2880
"""Headers and data of a FITS file fill whole units."""


@contextmanager
def write_fits(path: Path, catalogue: Catalogue) -> Iterator[Callable[[Block], object]]:
    """Open a FITS file that takes blocks of rows; PDFs get their bin edges in the HDU EDGES."""
    from astropy.io import fits

    primary = fits.PrimaryHDU().header
    primary["CREATOR"] = f"hscz {__version__}"
    primary.add_history(catalogue.note())
    with path.open("wb") as file:
        file.write(_bytes(primary) + _bytes(_table_header(catalogue)))
        start = file.tell()
        yield lambda block: file.write(records(catalogue.columns, block).data)
        file.write(bytes(-(file.tell() - start) % _UNIT_BYTES))
        if catalogue.has_pdf:
            edges = fits.Column("z_edges", "D", array=catalogue.edges)
            header = fits.BinTableHDU.from_columns([edges], name="EDGES").header
            data = catalogue.edges.astype(">f8").tobytes()
            file.write(_bytes(header) + data + bytes(-len(data) % _UNIT_BYTES))


def _bytes(header: Any) -> bytes:
    return bytes(header.tostring().encode("ascii"))


def _table_header(catalogue: Catalogue) -> Any:
    """Return the header of the catalogue, with TCOMM and TUCD cards astropy has not."""
    from astropy.io import fits

    columns = catalogue.columns
    described = [fits.Column(c.name, _tform(c), unit=c.about.units or None) for c in columns]
    header = fits.BinTableHDU.from_columns(described, name="CATALOGUE").header
    header["NAXIS2"] = catalogue.n_rows
    header["LONGSTRN"] = ("OGIP 1.0", "meanings may go on over several cards")
    for k, column in enumerate(columns, start=1):
        header.set(f"TCOMM{k}", column.about.long_name, after=f"TFORM{k}")
        if column.about.ucd:
            header.set(f"TUCD{k}", column.about.ucd, after=f"TCOMM{k}")
    return header


def _tform(column: Column) -> str:
    if column.is_text:
        return f"{text_width(column)}A"
    return f"{column.shape[0] if column.shape else 1}{FITS_LETTER[column.dtype.str[1:]]}"


FORMAT = Format("fits", write_fits)
