"""The Dask side of ingest: one task cuts one tile and writes its rows.

A task is given its tile and which rows of the store are its own. Where the objects stand is read
from a file beside the unfinished store, so that the graph grows with the tiles alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask
import numpy as np
from numpy.typing import NDArray

from hscz import stores
from hscz.errors import InputError
from hscz.files.atomic import read_json, write_atomic, write_json
from hscz.schema import Flag
from hscz.sky.cutouts import TileCuts, cut_tile
from hscz.sky.mosaic import Tile
from hscz.sky.patches import LeftOut
from hscz.sky.psf import PsfFiles


@dataclass(frozen=True)
class Block:
    """A tile, its number in the store, and the rows of the store that are cut from it."""

    tile: Tile
    number: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        """Name in the journal; another division into tiles has other names."""
        return f"{self.tile.name}.{self.start}-{self.stop}"


def blocks_of(tiles: Sequence[Tile], tile_index: NDArray[np.integer]) -> list[Block]:
    """Return the blocks of a store whose rows are ordered by tile; tiles without rows have none.

    Parameters
    ----------
    tiles : sequence of Tile
    tile_index : ndarray of int, shape (n,)
        Index into `tiles` of each row, never falling.

    Examples
    --------
    >>> tiles = [Tile(name, (None,), (0, 9, 0, 9)) for name in "abc"]
    >>> [block.name for block in blocks_of(tiles, np.array([0, 0, 2]))]
    ['a.0-2', 'c.2-3']
    """
    starts = np.searchsorted(tile_index, np.arange(len(tiles) + 1)).tolist()
    spans = enumerate(zip(tiles, pairwise(starts), strict=True))
    return [
        Block(tile, number, start, stop) for number, (tile, (start, stop)) in spans if stop > start
    ]


def write_places(
    path: Path, x: NDArray[np.float64], y: NDArray[np.float64], known_flags: NDArray[np.int32]
) -> None:
    """Note for the tasks where each row's object stands in its tile, and the flags it has already.

    Parameters
    ----------
    path : Path
        Final path of the store, which has been created.
    x, y : ndarray of shape (n,)
        0-based pixel positions in the tile.
    known_flags : ndarray of int32, shape (n,)
        Bits of `hscz.schema.Flag` that the catalogue knows.
    """
    places = np.stack([x, y, known_flags.astype(np.float64)])
    write_atomic(_places(path), lambda file: np.save(file, places))


def cutting_tasks(
    path: Path, blocks: Sequence[Block], stamp_px: int, psf: PsfFiles | None = None
) -> list[Any]:
    """Return one lazy task per block that the unfinished store at `path` has not got yet."""
    done = stores.done_blocks(path)
    # One node of the graph, which all tasks share.
    shared = None if psf is None else dask.delayed(psf, pure=False)
    return [
        dask.delayed(_cut_and_write, pure=False)(block, stamp_px, path, shared)
        for block in blocks
        if block.name not in done
    ]


def read_notes(path: Path, blocks: Sequence[Block]) -> list[LeftOut]:
    """Return what the tasks of a whole store had to leave out.

    Raises
    ------
    InputError
        If that is every object.
    """
    notes = [LeftOut(**one) for b in blocks for one in read_json(_note(path, b)).get("notes", [])]
    lost = sum(one.n_objects for one in notes)
    if notes and lost == blocks[-1].stop:
        others = f" (and {len(notes) - 1} more, so no object is left)" if len(notes) > 1 else ""
        raise InputError(f"{notes[0].file}: {notes[0].reason}{others}")
    return notes


def _cut_and_write(block: Block, stamp_px: int, path: Path, psf: PsfFiles | None) -> None:
    """Cut the stamps of one tile and write their rows: the body of one Dask task."""
    places = np.load(_places(path), mmap_mode="r")
    x, y, known = places[:, block.start : block.stop]
    try:
        cuts = cut_tile(block.tile, x, y, stamp_px, psf)
        faults = [LeftOut.of(error, block.tile.name, optional=True) for error in cuts.unread]
    except InputError as error:
        cuts = _unreadable(block, stamp_px)
        broken = LeftOut.of(error, block.tile.name)
        faults = [LeftOut(broken.file, broken.patch, broken.reason, block.stop - block.start)]
    if faults:
        write_json(_note(path, block), {"notes": [asdict(one) for one in faults]})
    values = {
        "image": cuts.images,
        "sky_noise": cuts.sky_noise,
        "psf_fwhm": cuts.psf_fwhm_arcsec,
        "flags": cuts.flags | known.astype(np.int32),
    }
    tile = {"psf": cuts.psf, "sky_correlation": cuts.sky_correlation}
    stores.write_tile(path, block.number, tile)
    stores.write_rows(path, block.start, values, block.name)


def _unreadable(block: Block, stamp_px: int) -> TileCuts:
    """Return what stands for objects whose images turned out to be damaged."""
    n = block.stop - block.start
    cuts = TileCuts.blank(n, len(block.tile.bands), stamp_px)
    cuts.images[:], cuts.flags[:] = 0, int(Flag.UNREADABLE)
    return cuts


def _places(path: Path) -> Path:
    return stores.part(path) / "places.npy"


def _note(path: Path, block: Block) -> Path:
    return stores.part(path) / "left_out" / f"{block.name}.json"
