"""The rows of a catalogue, read from its PDF cube block by block."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz import __version__, pdf
from hscz.errors import ConfigError, InputError, StoreError, about
from hscz.export.columns import COMPUTED, INFERRED, Block, Column, choose, known_columns, plain
from hscz.pdf.prior import PriorRatio
from hscz.schema import PDF_CUBE, validate
from hscz.tables.select import find_name, names_in, select


@dataclass(frozen=True)
class Catalogue:
    """What is to be written, whatever the format.

    Attributes
    ----------
    cube : xarray.Dataset
    columns : list of Column
        Columns to write.
    rule : str
        Which rows to write; see `hscz.tables.select.select`.
    block : int
        Objects of the cube held in memory at once.
    known : list of Column
        Columns the rule may name.
    name : str
        What the catalogue is called inside formats that name it.
    n_rows : int
        Rows that the rule keeps.
    ratio : PriorRatio, optional
        What estimates under the inferred n(z) are made by; without one there are none.
    """

    cube: xr.Dataset
    columns: Sequence[Column]
    rule: str
    block: int
    known: Sequence[Column]
    name: str = ""
    n_rows: int = 0
    ratio: PriorRatio | None = None

    @classmethod
    def of(
        cls,
        cube: xr.Dataset,
        algorithm: str,
        include_pdf: bool,
        columns: Sequence[str],
        rule: str,
        block: int,
        name: str = "",
        ratio: PriorRatio | None = None,
    ) -> Catalogue:
        """Lay out the catalogue of a cube and count its rows.

        Raises
        ------
        ConfigError
            If a column to write is unknown, or the estimator's name is none for a column.
        InputError
            If the rule cannot be read, names an unknown column or keeps no row.
        StoreError
            If the cube breaks its contract or has no objects.
        """
        validate(cube, PDF_CUBE, "PDF cube")
        if not cube.sizes["object"]:
            raise StoreError("the PDF cube has no object to export; predict the field again")
        if not (algorithm.isascii() and algorithm.isidentifier()):
            raise ConfigError(
                f"export.algorithm is {algorithm!r}, with which columns begin; use letters, digits "
                "and _, a letter first"
            )
        known = known_columns(cube, algorithm, block, ratio is not None)
        chosen = choose(known, columns, include_pdf)
        points = [column for column in known if not column.shape]
        return cls(cube, chosen, rule, block, points, name, ratio=ratio)._counted()

    @property
    def edges(self) -> NDArray[np.float64]:
        """Edges of the redshift bins."""
        return self.cube["z_edges"].to_numpy().astype(np.float64)

    @property
    def has_pdf(self) -> bool:
        """Whether the PDFs are among the columns."""
        return any(column.shape for column in self.columns)

    def note(self) -> str:
        """Return where the cube came from, as ASCII text."""
        return json.dumps({"hscz": __version__} | dict(self.cube.attrs), default=str)

    def blocks(self, variables: Iterable[str]) -> Iterator[Block]:
        """Return the kept rows of the variables, block by block, none held beside the next."""
        wanted, judged = set(variables), self._judged()
        pieces = self._read(wanted | {column.variable for column in judged})
        return map(lambda values: self._selected(values, wanted, judged), pieces)

    def _selected(self, values: Block, wanted: set[str], judged: Sequence[Column]) -> Block:
        if not self.rule:
            return values
        kept = self._kept({column.name: column.entries(values) for column in judged})
        return {name: values[name][kept] for name in wanted}

    def _counted(self) -> Catalogue:
        if not self.rule:
            return replace(self, n_rows=self.cube.sizes["object"])
        # An empty table shows what is wrong with the rule before a row is read.
        self._kept({column.name: np.empty(0, column.dtype) for column in self.known})
        variables = {column.variable for column in self._judged()}
        counts = (len(next(iter(b.values()))) for b in self.blocks(variables or {"object_id"}))
        n_rows = sum(counts)
        if not n_rows:
            raise InputError(
                f"PDF cube: the selection '{self.rule}' keeps none of "
                f"{self.cube.sizes['object']} objects; widen the rule"
            )
        return replace(self, n_rows=n_rows)

    def _judged(self) -> list[Column]:
        """Return the columns the rule names."""
        by_name = {column.name: column for column in self.known}
        found = (find_name(name, list(by_name)) for name in names_in(self.rule))
        return [by_name[name] for name in found if name]

    def _kept(self, table: Block) -> NDArray[np.bool_]:
        with about("PDF cube"):
            return select(pd.DataFrame(table), self.rule, allow_empty=True).to_numpy()

    def _read(self, variables: set[str]) -> Iterator[Block]:
        """Yield rows of variables of the cube, and of those that it does not hold."""
        computed = variables & {*COMPUTED, *INFERRED}
        stored = (variables - computed) | ({"pdf", "mag_i"} if computed else set())
        dataset = self.cube.reset_coords()[sorted(stored)]
        for start in range(0, self.cube.sizes["object"], self.block):
            yield self._loaded(dataset.isel(object=slice(start, start + self.block)), computed)

    def _loaded(self, piece: xr.Dataset, computed: set[str]) -> Block:
        piece = piece.load()
        values = {str(name): plain(piece[name]) for name in piece.data_vars}
        values |= {
            name: COMPUTED[name](values["pdf"], self.edges) for name in computed & {*COMPUTED}
        }
        inferred = computed & {*INFERRED}
        if inferred and self.ratio is not None:
            changed = self.ratio.apply(values["pdf"], self.edges, values["mag_i"])
            points = {"pdf": changed, **pdf.summarise(changed, self.edges)}
            for column in inferred:
                name = INFERRED[column]
                make = COMPUTED.get(name)
                values[column] = make(changed, self.edges) if make else points[name]
        return values
