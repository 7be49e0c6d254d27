"""Artefacts on disk: created whole, filled in blocks, committed atomically, resumed.

A store is written under ``NAME.part/store`` and takes its own name only once every block is
there, so that a killed run leaves nothing a later stage could take for whole. A block that has
been written is noted in ``NAME.part/done``; a run that starts again skips it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from hscz import __version__
from hscz.errors import StoreError
from hscz.files.atomic import read_json, replace_folder, write_json, writing
from hscz.files.fresh import GONE, NOT_YET, Key
from hscz.schema import FIELD_STORE, PDF_CUBE, Variable, describe, validate

IMAGE_CHUNK = 256
"""Stamps in one zarr chunk. Reading whole chunks is what makes stores fast, and noise does
not compress, so the pixels are stored plain."""

ROW_CHUNK = 65_536
"""Objects in one zarr chunk of a column."""

TILE = "tile_name"
"""Dimension of what is measured once for each tile, which has a chunk of its own."""


def part(path: Path) -> Path:
    """Return the folder of a store and its journal while it is being written."""
    return path.with_name(path.name + ".part")


def create(
    path: Path,
    columns: xr.Dataset,
    bulk: Mapping[str, xr.Variable],
    key: Key,
    blocks: Sequence[str],
) -> bool:
    """Lay out a store, or find the unfinished one of the same settings.

    Parameters
    ----------
    path : Path
        Final path of the store.
    columns : xarray.Dataset
        Everything known beforehand: coordinates, catalogue columns and attributes.
    bulk : mapping of str to xarray.Variable
        Variables to be filled in later, one Dask task a block; only their dimensions, shape,
        type and attributes are read, so they may be Dask arrays of zeros.
    key : Key
        What the store is made from.
    blocks : sequence of str
        Names of all blocks to be written, from which the rows of each must follow. An
        unfinished store is kept only if key and blocks are the same, since otherwise its rows
        may stand for other objects.

    Returns
    -------
    bool
        True if an unfinished store was found and goes on.
    """
    folder = part(path)
    before = _plan(path)
    same = before.get("fingerprint") == key.fingerprint and before["blocks"] == list(blocks)
    if same and (folder / "store").exists():
        return True
    with writing(path):
        # First: what is left of a folder that was half removed must not pass for unfinished.
        (folder / "key.json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "done").mkdir(parents=True)
        (folder / "borders").mkdir()
        _lay_out(folder / "store", columns.assign_attrs(fingerprint=key.fingerprint), bulk)
    write_json(folder / "key.json", key.note(blocks=list(blocks)))
    return False


def _lay_out(path: Path, columns: xr.Dataset, bulk: Mapping[str, xr.Variable]) -> None:
    """Write the columns of a store and make empty arrays for its bulk."""
    columns = columns.assign_attrs(hscz_version=__version__)
    chunked = {
        name: {"chunks": tuple(min(ROW_CHUNK, n) for n in var.shape)}
        for name, var in columns.variables.items()
        if var.ndim
    }
    columns.to_zarr(path, mode="w", encoding=chunked, consolidated=False, zarr_format=3)
    group = zarr.open_group(path, mode="a")
    for name, var in bulk.items():
        rows = (
            1
            if TILE in var.dims
            else IMAGE_CHUNK
            if var.ndim > 2
            else ROW_CHUNK
            if var.ndim == 1
            else 16 * IMAGE_CHUNK
        )
        array = group.create_array(
            name,
            shape=var.shape,
            dtype=var.dtype,
            chunks=(min(rows, var.shape[0]), *var.shape[1:]),
            compressors=None if var.ndim > 2 else "auto",
            fill_value=np.nan if var.dtype.kind == "f" else 0,
            dimension_names=[str(d) for d in var.dims],
        )
        array.attrs.update({str(k): v for k, v in var.attrs.items()})


def write_rows(path: Path, start: int, values: Mapping[str, np.ndarray], block: str) -> None:
    """Write the rows of one block of an unfinished store, then note the block as done.

    Blocks need not fall on chunk borders: rows that share a chunk with another block are laid
    aside, and `commit` puts them in, so that blocks may be written side by side anywhere.

    Parameters
    ----------
    path : Path
        Final path of the store.
    start : int
        First row.
    values : mapping of str to ndarray
        Variables to write, rows first.
    block : str
        Name of the block, for resuming.
    """
    group = zarr.open_group(part(path) / "store", mode="r+")
    borders = {}
    with writing(path):
        for name, rows in values.items():
            array = group[name]
            assert isinstance(array, zarr.Array)
            chunk, stop = array.chunks[0], start + len(rows)
            inner = min(-(-start // chunk) * chunk, stop)
            outer = stop if stop == array.shape[0] else max(stop // chunk * chunk, inner)
            if outer > inner:
                array[inner:outer] = rows[inner - start : outer - start]
            for first, last in ((start, inner), (outer, stop)):
                if last > first:
                    borders[f"{first} {name}"] = rows[first - start : last - start]
        if borders:
            np.savez(part(path) / "borders" / f"{block}.npz", allow_pickle=False, **borders)
        (part(path) / "done" / block).touch()


def write_tile(path: Path, number: int, values: Mapping[str, np.ndarray]) -> None:
    """Write what is measured once for a tile, by its number, into an unfinished store."""
    group = zarr.open_group(part(path) / "store", mode="r+")
    with writing(path):
        for name, value in values.items():
            array = group[name]
            assert isinstance(array, zarr.Array)
            array[number] = value


def done_blocks(path: Path) -> set[str]:
    """Return the names of the blocks already written into an unfinished store."""
    return {entry.name for entry in (part(path) / "done").iterdir()}


def commit(path: Path, contract: Mapping[str, Variable]) -> Path:
    """Check that a store has all its blocks and keeps its contract, and name it finally.

    Raises
    ------
    StoreError
        If a block has not been written or a variable is not as it must be.
    """
    whole = part(path) / "store"
    missing = set(_plan(path)["blocks"]) - done_blocks(path)
    if missing:
        raise StoreError(
            f"{part(path)}: {len(missing)} blocks have not been written, such as "
            f"{min(missing)!r}; run the same verb again to go on"
        )
    _join_blocks(path)
    for stale in whole.rglob("*.partial"):
        # What zarr was writing when a worker was killed; the block was written anew since.
        stale.unlink()
    group = zarr.open_group(whole, mode="r+")
    empty = {name: xr.Variable((), 0) for name in group.array_keys()}
    notes = describe(xr.Dataset(empty), contract)
    for name in group.array_keys():
        group[str(name)].attrs.update(notes[str(name)].attrs)
    with _open(whole) as dataset:
        validate(dataset, contract, str(path))
    replace_folder(whole, path)
    write_json(_note(path, "fingerprint"), _plan(path))
    shutil.rmtree(part(path))
    return path


def _join_blocks(path: Path) -> None:
    """Put in the rows of chunks that blocks share."""
    group = zarr.open_group(part(path) / "store", mode="r+")
    files = (part(path) / "borders" / f"{block}.npz" for block in _plan(path)["blocks"])
    with writing(path):
        for file in filter(Path.exists, files):
            with np.load(file) as borders:
                for at, rows in borders.items():
                    first, _, name = at.partition(" ")
                    array = group[name]
                    assert isinstance(array, zarr.Array)
                    array[int(first) : int(first) + len(rows)] = rows


def why_stale(path: Path, key: Key, attribute: str = "fingerprint") -> str:
    """Return why a store, or its labels, must be made again; empty where they are fresh.

    Parameters
    ----------
    path : Path
    key : Key
    attribute : str
        ``fingerprint``, or ``labels`` for the columns of `replace_columns`. The store itself
        knows by which key it was made, and a note beside it what that consisted of.
    """
    made, note = attributes(path).get(attribute), read_json(_note(path, attribute))
    if not made:
        return GONE if note else NOT_YET
    return key.why_stale(note if note.get("fingerprint") == made else {"fingerprint": made})


def _plan(path: Path) -> dict[str, Any]:
    """Return what an unfinished store is made from, and its blocks."""
    return read_json(part(path) / "key.json")


def _note(path: Path, attribute: str) -> Path:
    return path.with_suffix(f".{attribute}.json")


def open_field(path: str | Path, lazy: bool = True) -> xr.Dataset:
    """Open a field store.

    Parameters
    ----------
    path : str or Path
    lazy : bool
        Whether to open Dask arrays in the chunks of the store, or to read directly, which is
        quicker where the values are wanted at once.

    Returns
    -------
    xarray.Dataset
        With the variables of `hscz.schema.FIELD_STORE`.

    Raises
    ------
    StoreError
        If there is no whole field store at `path`.
    """
    return _open_checked(Path(path), lazy, FIELD_STORE, "field store", "ingest")


def open_cube(path: str | Path, lazy: bool = True) -> xr.Dataset:
    """Open a PDF cube; see `open_field`. `hscz.open_cube` gives it its accessor, too."""
    return _open_checked(Path(path), lazy, PDF_CUBE, "PDF cube", "predict")


def replace_columns(
    path: Path, columns: Mapping[str, xr.Variable], attribute: str, key: Key
) -> None:
    """Write or replace columns of a finished field store, and remove those of before.

    Each column is written aside and takes its place whole. The attribute, which becomes the
    fingerprint of the key, is removed meanwhile, so that a store with only some of its columns
    does not pass for labelled.
    """
    aside = path.with_name(path.name + ".columns")
    encoding = {name: {"chunks": (min(ROW_CHUNK, len(var)),)} for name, var in columns.items()}
    with writing(path):
        describe(xr.Dataset(dict(columns)), {}).to_zarr(
            aside, mode="w", encoding=encoding, consolidated=False, zarr_format=3
        )
        group = zarr.open_group(path, mode="r+")
        group.attrs.pop(attribute, None)
        before = read_json(_note(path, attribute)).get("columns", [])
        for name in set(before) - columns.keys():
            shutil.rmtree(path / name, ignore_errors=True)
        for name in columns:
            replace_folder(aside / name, path / name)
        group.attrs[attribute] = key.fingerprint
        shutil.rmtree(aside)
    write_json(_note(path, attribute), key.note(columns=list(columns)))


def attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of a finished store; empty where there is none."""
    return dict(read_json(path / "zarr.json").get("attributes", {}))


def identity(path: Path) -> list[str | None]:
    """Return the fingerprint of a finished store and when it was made; None twice without one.

    Tables and figures are made anew after a store was, even where its settings are the same.
    """
    found = attributes(path)
    return [found.get("fingerprint"), found.get("provenance")]


def provenance(**inputs: Any) -> dict[str, Any]:
    """Return a note of when, by which version and from what an artefact was made."""
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return {"made": made, "hscz": __version__, "git_sha": _git_sha()} | inputs


@cache
def _git_sha() -> str | None:
    """Return the commit of the checkout the package runs from, None for an installed one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _open(path: Path, lazy: bool = False) -> xr.Dataset:
    return xr.open_zarr(path, chunks={} if lazy else None, consolidated=False)


def _open_checked(
    path: Path, lazy: bool, contract: Mapping[str, Variable], kind: str, verb: str
) -> xr.Dataset:
    if not path.exists():
        unfinished = f"; {part(path)} is unfinished" if part(path).exists() else ""
        raise StoreError(f"{path}: no {kind} here{unfinished}; run 'hscz {verb}' to make it")
    try:
        dataset = _open(path, lazy)
    except (OSError, KeyError, TypeError, ValueError, zarr.errors.GroupNotFoundError) as error:
        raise StoreError(f"{path}: not a {kind}: {error}; make it with 'hscz {verb}'") from None
    return validate(dataset, contract, str(path))
