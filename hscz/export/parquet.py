"""Parquet: one row group for each block, with unit, meaning and UCD on every field."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hscz.export.catalogue import Catalogue
from hscz.export.columns import Block, Column
from hscz.export.formats import Format


@contextmanager
def write_parquet(path: Path, catalogue: Catalogue) -> Iterator[Callable[[Block], object]]:
    """Open a Parquet file that takes blocks of rows; the bin edges are metadata ``z_edges``."""
    with open_parquet(path, arrow_schema(catalogue)) as writer:
        yield lambda block: writer.write_table(arrow_table(catalogue, block))


def open_parquet(path: Path, schema: Any) -> Any:
    """Return a Parquet writer that looks for repeated values in text only."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [field.name for field in schema if field.type == pa.string()]
    return pq.ParquetWriter(path, schema, use_dictionary=texts)


def arrow_schema(catalogue: Catalogue) -> Any:
    """Return the fields of the catalogue with what they mean."""
    import pyarrow as pa

    fields = [
        pa.field(
            c.name,
            _arrow_type(c),
            metadata={"description": c.about.long_name, "unit": c.about.units, "ucd": c.about.ucd},
        )
        for c in catalogue.columns
    ]
    edges = json.dumps(catalogue.edges.tolist())
    return pa.schema(fields, metadata={"hscz": catalogue.note(), "z_edges": edges})


def arrow_table(catalogue: Catalogue, block: Block) -> Any:
    """Return some rows of the catalogue."""
    import pyarrow as pa

    arrays = [
        pa.FixedSizeListArray.from_arrays(column.entries(block).ravel(), *column.shape)
        if column.shape
        else pa.array(column.entries(block))
        for column in catalogue.columns
    ]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(catalogue))


def _arrow_type(column: Column) -> Any:
    import pyarrow as pa

    if column.is_text:
        return pa.string()
    kind = pa.from_numpy_dtype(column.dtype)
    return pa.list_(kind, *column.shape) if column.shape else kind


FORMAT = Format("parquet", write_parquet)
