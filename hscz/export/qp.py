"""HDF5 that qp and RAIL read: the PDFs as histograms between their exact bin edges."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hscz.export.catalogue import Catalogue
from hscz.export.columns import Block
from hscz.export.formats import Format

ANCILLARY: Mapping[str, str] = {
    "id": "object_id",
    "ra": "ra",
    "dec": "dec",
    "zmode": "z_mode",
    "zmean": "z_mean",
    "zmedian": "z_median",
    "flags": "flags",
}
"""Columns beside the PDFs, under the names RAIL knows: their variables."""


@contextmanager
def write_qp(path: Path, catalogue: Catalogue) -> Iterator[Callable[[Block], object]]:
    """Open an ensemble of type ``hist`` that takes blocks of rows.

    The tables are those `qp.Ensemble.write_to` writes: ``meta`` names the type and has the
    edges, ``data`` has the densities, ``ancil`` the columns. A missing PDF stays NaN.
    """
    import h5py

    n_rows, edges = catalogue.n_rows, catalogue.edges
    with _Disk(path, "w+") as disk, h5py.File(disk, "w") as file:
        file["meta/pdf_name"] = np.array([b"hist"])
        file["meta/pdf_version"] = np.array([0])
        file["meta/bins"] = edges[np.newaxis]
        pdfs = file.create_dataset("data/pdfs", (n_rows, len(edges) - 1), "f4")
        beside = {
            name: file.create_dataset(f"ancil/{name}", (n_rows,), catalogue.cube[variable].dtype)
            for name, variable in ANCILLARY.items()
        }
        begin = 0

        def write(block: Block) -> None:
            nonlocal begin
            rows = slice(begin, begin + len(block["pdf"]))
            pdfs[rows] = block["pdf"]
            for name, variable in ANCILLARY.items():
                beside[name][rows] = block[variable]
            begin = rows.stop
            disk.check()

        yield write
        file.close()
        disk.check()


class _Disk(io.FileIO):
    """A file that keeps what the disk refused for later: HDF5 crashes where it cannot write."""

    refusal: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        try:
            while rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.refusal = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.refusal = error
            return size or 0

    def check(self) -> None:
        """Raise what was kept."""
        if self.refusal:
            raise self.refusal


FORMAT = Format("hdf5", write_qp, ("pdf", *ANCILLARY.values()))
