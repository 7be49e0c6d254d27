"""Stores: blocks on any border, from several threads, killed and resumed, never half whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from hscz import stores
from hscz.errors import StoreError
from hscz.files.atomic import write_atomic
from hscz.files.fresh import Key
from hscz.schema import FIELD_STORE, Flag, Variable

CONTRACT = {
    "image": FIELD_STORE["image"],
    "flags": FIELD_STORE["flags"],
    "ra": FIELD_STORE["ra"],
}
N = 600


def lay_out(path: Path, key: str = "k", blocks: tuple[str, ...] = ("b0",)) -> bool:
    columns = xr.Dataset(coords={"ra": ("object", np.arange(N, dtype=float))})
    bulk = {
        "image": xr.Variable(("object", "band", "y", "x"), np.zeros((N, 2, 4, 4), np.float16)),
        "flags": xr.Variable("object", np.zeros(N, np.int32)),
    }
    return stores.create(path, columns, bulk, Key({"key": key}), blocks)


def fill(path: Path, start: int, stop: int) -> None:
    rows = np.arange(start, stop)
    image = np.broadcast_to(rows[:, None, None, None], (len(rows), 2, 4, 4)).astype(np.float16)
    stores.write_rows(path, start, {"image": image, "flags": rows.astype(np.int32)}, f"b{start}")


def test_blocks_on_any_border_from_several_threads(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    rng = np.random.default_rng(1)
    borders = [0, *sorted(rng.choice(np.arange(1, N), 60, replace=False)), N]
    assert not lay_out(path, blocks=tuple(f"b{start}" for start in borders[:-1]))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: fill(path, borders[k], borders[k + 1]), range(len(borders) - 1)))
    stores.commit(path, CONTRACT)
    with xr.open_zarr(path, consolidated=False) as store:
        np.testing.assert_array_equal(store["flags"], np.arange(N))
        np.testing.assert_array_equal(store["image"][:, 1, 2, 3], np.arange(N))
        assert store["ra"].attrs["units"] == "deg"
        assert "missing_pixels" in store["flags"].attrs["flag_meanings"]


def test_an_unfinished_store_is_kept_only_for_the_same_settings(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    lay_out(path)
    fill(path, 0, 100)
    assert lay_out(path)
    assert stores.done_blocks(path) == {"b0"}
    assert not lay_out(path, "other")
    assert stores.done_blocks(path) == set()
    fill(path, 0, 100)
    assert not lay_out(path, "other", ("b0", "b100"))
    assert stores.done_blocks(path) == set()


def test_a_store_with_a_block_missing_is_not_committed(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    lay_out(path, blocks=("b0", "b300"))
    fill(path, 0, 300)
    with pytest.raises(StoreError, match=r"1 blocks have not been written, such as 'b300'"):
        stores.commit(path, CONTRACT)
    assert not path.exists()
    fill(path, 300, N)
    assert stores.commit(path, CONTRACT) == path


def test_an_unfinished_store_does_not_open(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    lay_out(path)
    with pytest.raises(StoreError, match=r"s\.zarr\.part is unfinished; run 'hscz ingest'"):
        stores.open_field(path)


def test_a_contract_broken_is_named_and_not_committed(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    lay_out(path)
    fill(path, 0, N)
    contract = dict(CONTRACT) | {"ebv": Variable(("object",), "f", "Galactic E(B-V)")}
    with pytest.raises(StoreError, match="variable 'ebv'"):
        stores.commit(path, contract)
    assert not path.exists()


def test_the_old_store_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    lay_out(path)
    fill(path, 0, N)
    stores.commit(path, CONTRACT)
    lay_out(path, "new")
    with xr.open_zarr(path, consolidated=False) as store:
        assert store.attrs["fingerprint"] == Key({"key": "k"}).fingerprint


def test_replaced_columns_are_noted_last(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    lay_out(path)
    fill(path, 0, N)
    stores.commit(path, CONTRACT)
    for value in (1.0, 2.0):
        column = xr.Variable("object", np.full(N, value, np.float32))
        stores.replace_columns(path, {"z_label": column}, "labels", Key({"value": value}))
        with xr.open_zarr(path, consolidated=False) as store:
            assert (store["z_label"] == value).all()
            assert store.attrs["labels"] == Key({"value": value}).fingerprint
            assert store.attrs["fingerprint"] == Key({"key": "k"}).fingerprint
            assert store["z_label"].attrs["ucd"] == "src.redshift"


def test_something_else_is_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "s.zarr").mkdir()
    with pytest.raises(StoreError, match="not a field store"):
        stores.open_field(tmp_path / "s.zarr")
    with pytest.raises(StoreError, match="no PDF cube here"):
        stores.open_cube(tmp_path / "none.zarr")


def test_flags_that_must_not_reach_the_network() -> None:
    bad = Flag.MISSING_PIXELS | Flag.ALL_MASKED | Flag.NO_NOISE | Flag.UNREADABLE
    assert bad == Flag.UNUSABLE


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(StoreError, match=r"a\.txt: cannot be written \(disk full\)"):
        write_atomic(tmp_path / "a.txt", write)
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_of_a_half_removed_store_is_not_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.zarr"
    lay_out(path)
    fill(path, 0, N)

    def killed(*arguments: object, **how: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stores.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        lay_out(path, "other")
    monkeypatch.undo()
    assert not lay_out(path)
    assert stores.done_blocks(path) == set()


def test_columns_that_are_no_longer_asked_for_go(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    lay_out(path)
    fill(path, 0, N)
    stores.commit(path, CONTRACT)
    column = xr.Variable("object", np.ones(N, np.float32))
    for names in (("z_label", "z_true"), ("z_label",)):
        stores.replace_columns(path, dict.fromkeys(names, column), "labels", Key({"n": len(names)}))
    with xr.open_zarr(path, consolidated=False) as store:
        assert "z_label" in store
        assert "z_true" not in store


@pytest.mark.parametrize("killed_at", ["_join_blocks", "replace_folder", "write_json", "rmtree"])
def test_a_commit_killed_anywhere_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    starts = (0, 100, 300, 511)
    blocks = tuple(f"b{start}" for start in starts)
    paths = tmp_path / "whole" / "s.zarr", tmp_path / "killed" / "s.zarr"
    for path in paths:
        lay_out(path, blocks=blocks)
        for start, stop in zip(starts, (*starts[1:], N), strict=True):
            fill(path, start, stop)
    stores.commit(paths[0], CONTRACT)

    def killed(*arguments: object, **how: object) -> None:
        raise KeyboardInterrupt

    place = stores.shutil if killed_at == "rmtree" else stores
    monkeypatch.setattr(place, killed_at, killed)
    with pytest.raises(KeyboardInterrupt):
        stores.commit(paths[1], CONTRACT)
    monkeypatch.undo()
    key = Key({"key": "k"})
    if stores.why_stale(paths[1], key):
        assert lay_out(paths[1], blocks=blocks)
        stores.commit(paths[1], CONTRACT)
    assert stores.why_stale(paths[1], key) == ""
    whole, resumed = (
        {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}
        for path in paths
    )
    assert resumed == whole
