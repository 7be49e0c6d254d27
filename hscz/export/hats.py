"""HATS: Parquet files for HEALPix pixels of the sky, a catalogue that LSDB opens.

Blocks come in the order of the cube. Their rows are put down by pixel first, then the rows of
each pixel are brought together. A pixel has at most as many rows as a block.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hscz import __version__
from hscz.errors import ConfigError, InputError
from hscz.export.catalogue import Catalogue
from hscz.export.columns import Block
from hscz.export.formats import Format
from hscz.export.parquet import arrow_table, open_parquet

FINE_ORDER = 10
"""HEALPix order of the smallest pixel a catalogue may be divided into, 3.4 arcmin wide."""

ROW_GROUP = 8192
"""Rows of a pixel that are copied and compressed at once, when they are brought together."""

_INDEX, _INDEX_ORDER = "_healpix_29", 29
"""Column that LSDB sorts by: the number of the HEALPix pixel at the finest order there is."""


@contextmanager
def write_hats(path: Path, catalogue: Catalogue) -> Iterator[Callable[[Block], object]]:
    """Open a HATS catalogue, which is a folder, that takes blocks of rows.

    Raises
    ------
    ConfigError
        If the positions are not among the columns.
    InputError
        If an object has no position.
    """
    if not {"ra", "dec"} <= {column.name for column in catalogue.columns}:
        raise ConfigError("a HATS catalogue is sorted by position; add ra and dec to the columns")
    tiles = Tiles.of(*_count(catalogue), catalogue.block)
    shards = path / "shards"
    n_blocks = 0

    def write(block: Block) -> None:
        nonlocal n_blocks
        _put_down(shards, n_blocks, tiles, _indexed(catalogue, block))
        n_blocks += 1

    for tile in range(len(tiles.pixels)):
        (shards / str(tile)).mkdir(parents=True)
    yield write
    largest = 0
    for tile, pixel in enumerate(tiles.pixels):
        largest = max(largest, _bring_together(shards / str(tile), path, pixel))
        # At once, or the disk would have to hold every row twice.
        shutil.rmtree(shards / str(tile))
    shards.rmdir()
    _describe(path, catalogue, tiles, largest)


@dataclass(frozen=True)
class Tiles:
    """How the sky is divided.

    Attributes
    ----------
    fine : ndarray of int
        Pixels of `FINE_ORDER` that hold objects, in increasing order.
    tile : ndarray of int
        Number of the tile that each of them lies in; does not decrease.
    pixels : list of (int, int)
        HEALPix order and number of each tile.
    """

    fine: NDArray[np.int64]
    tile: NDArray[np.int64]
    pixels: list[tuple[int, int]]

    @classmethod
    def of(cls, fine: NDArray[np.int64], counts: NDArray[np.int64], largest: int) -> Tiles:
        """Divide the sky into the largest pixels that hold at most `largest` objects.

        Examples
        --------
        >>> Tiles.of(np.array([0, 1, 4**10]), np.array([3, 2, 9]), largest=5).pixels
        [(0, 0), (10, 1048576)]
        """
        order = np.full(len(fine), FINE_ORDER)
        for coarser in reversed(range(FINE_ORDER)):
            _, parent = np.unique(_coarser(fine, coarser), return_inverse=True)
            order[np.bincount(parent, counts)[parent] <= largest] = coarser
        number = _coarser(fine, order)
        is_new = (np.diff(order, prepend=-1) != 0) | (np.diff(number, prepend=-1) != 0)
        pixels = zip(order[is_new].tolist(), number[is_new].tolist(), strict=True)
        return cls(fine, np.cumsum(is_new) - 1, list(pixels))

    def of_rows(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the tile of rows from their index."""
        return self.tile[np.searchsorted(self.fine, _fine(index))]


def _coarser(fine: NDArray[np.int64], order: Any) -> NDArray[np.int64]:
    return fine >> 2 * (FINE_ORDER - order)


def _fine(index: NDArray[np.int64]) -> NDArray[np.int64]:
    return index >> 2 * (_INDEX_ORDER - FINE_ORDER)


def _index(block: Block) -> NDArray[np.int64]:
    from hats.pixel_math.spatial_index import compute_spatial_index

    ra, dec = block["ra"].astype(np.float64), block["dec"].astype(np.float64)
    if not (np.isfinite(ra) & (np.abs(dec) <= 90)).all():
        raise InputError("PDF cube: objects have no ra or dec, by which a HATS catalogue is sorted")
    return compute_spatial_index(ra, dec).astype(np.int64)


def _count(catalogue: Catalogue) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the fine pixels that hold objects, and how many each."""
    fine, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    for block in catalogue.blocks(("ra", "dec")):
        found, n = np.unique(_fine(_index(block)), return_counts=True)
        fine, place = np.unique(np.concatenate([fine, found]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([counts, n])).astype(np.int64)
    return fine, counts


def _indexed(catalogue: Catalogue, block: Block) -> Any:
    """Return rows as an Arrow table sorted by their index."""
    import pyarrow as pa

    field = pa.field(_INDEX, pa.int64(), metadata={"description": "HEALPix pixel of order 29"})
    table = arrow_table(catalogue, block).add_column(0, field, pa.array(_index(block)))
    return table.sort_by(_INDEX)


def _put_down(shards: Path, n_blocks: int, tiles: Tiles, rows: Any) -> None:
    from pyarrow import feather

    tile, begin = np.unique(tiles.of_rows(rows[_INDEX].to_numpy()), return_index=True)
    for number, start, stop in zip(tile, begin, [*begin[1:], len(rows)], strict=True):
        shard = shards / str(number) / f"{n_blocks}.arrow"
        feather.write_feather(rows.slice(start, stop - start), shard, compression="uncompressed")


def _bring_together(shards: Path, path: Path, pixel: tuple[int, int]) -> int:
    """Write the rows of one tile, sorted, and return their number."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from hats.io.paths import new_pixel_catalog_file
    from hats.pixel_math import HealpixPixel
    from pyarrow import feather

    table = pa.concat_tables([feather.read_table(shard) for shard in shards.iterdir()])
    # One piece, of which some rows at a time are copied out: sorted whole, it would be here thrice.
    table = table.combine_chunks()
    order = pc.sort_indices(table[_INDEX])
    final = new_pixel_catalog_file(path, HealpixPixel(*pixel))
    with open_parquet(Path(str(final)), table.schema) as file:
        for start in range(0, len(table), ROW_GROUP):
            file.write_table(table.take(order[start : start + ROW_GROUP]))
    return len(table)


def _describe(path: Path, catalogue: Catalogue, tiles: Tiles, largest: int) -> None:
    """Write the files from which LSDB knows what the catalogue holds and where."""
    from hats.catalog import PartitionInfo, TableProperties
    from hats.io import write_parquet_metadata
    from hats.pixel_math import HealpixPixel

    write_parquet_metadata(path)
    partitions = PartitionInfo([HealpixPixel(*pixel) for pixel in tiles.pixels])
    partitions.write_to_file(catalog_path=path)
    builder = f"hscz v{__version__}"
    properties = TableProperties(
        catalog_name=catalogue.name,
        catalog_type="object",
        total_rows=catalogue.n_rows,
        ra_column="ra",
        dec_column="dec",
        healpix_column=_INDEX,
        healpix_order=_INDEX_ORDER,
        hats_max_rows=largest,
        moc_sky_fraction=partitions.calculate_fractional_coverage(),
        hats_order=partitions.get_highest_order(),
        **TableProperties.new_provenance_dict(path, builder=builder),
    )
    properties.to_properties_file(path)


FORMAT = Format("hats", write_hats, ("ra", "dec"))
