"""VOTable: fields described in XML by astropy, rows as a stream of base64 (BINARY2)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from hscz.export.catalogue import Catalogue
from hscz.export.columns import Block, Column
from hscz.export.formats import Format
from hscz.export.records import records, text_width

_DATATYPE: Mapping[str, str] = {
    "f4": "float",
    "f8": "double",
    "i8": "long",
    "i4": "int",
    "i2": "short",
    "u1": "unsignedByte",
    "b1": "boolean",
}


@contextmanager
def write_votable(path: Path, catalogue: Catalogue) -> Iterator[Callable[[Block], object]]:
    """Open a VOTable that takes blocks of rows; the bin edges are the parameter ``z_edges``."""
    head, tail = _around_rows(catalogue)
    null_bytes = -(-len(catalogue.columns) // 8)
    rest = b""

    with path.open("wb") as file:

        def write(block: Block) -> None:
            nonlocal rest
            data = rest + records(catalogue.columns, block, null_bytes).tobytes()
            # Base64 turns three bytes into four characters; what is left over waits.
            whole = len(data) // 3 * 3
            file.write(b64encode(memoryview(data)[:whole]))
            rest = data[whole:]

        file.write(head)
        yield write
        file.write(b64encode(rest) + tail)


def _around_rows(catalogue: Catalogue) -> tuple[bytes, bytes]:
    """Return the document before and after its rows."""
    from astropy.io.votable import tree

    document = tree.VOTableFile(version="1.4")
    resource = tree.Resource()
    table = tree.TableElement(document, name="CATALOGUE")
    table.description = catalogue.note()
    document.resources.append(resource)
    resource.tables.append(table)
    table.params.append(_edges(document, catalogue))
    table.fields.extend(_field(document, column) for column in catalogue.columns)
    table.create_arrays(1)
    table.format = "binary2"
    whole = BytesIO()
    document.to_xml(whole)
    head, stream, rest = whole.getvalue().partition(b'<STREAM encoding="base64">')
    return head + stream, rest[rest.index(b"</STREAM>") :]


def _field(document: Any, column: Column) -> Any:
    from astropy.io.votable import tree

    width = text_width(column) if column.is_text else column.shape[0] if column.shape else None
    field = tree.Field(
        document,
        name=column.name,
        datatype="char" if column.is_text else _DATATYPE[column.dtype.str[1:]],
        arraysize=None if width is None else str(width),
        unit=column.about.units or None,
        ucd=column.about.ucd or None,
    )
    field.description = column.about.long_name
    return field


def _edges(document: Any, catalogue: Catalogue) -> Any:
    from astropy.io.votable import tree

    about = catalogue.cube["z_edges"].attrs.get("long_name", "edges of the redshift bins")
    edges = np.asarray(catalogue.edges)
    param = tree.Param(
        document, name="z_edges", datatype="double", arraysize=str(len(edges)), value=edges
    )
    param.description = about
    return param


FORMAT = Format("vot", write_votable)
