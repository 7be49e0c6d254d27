"""Runs that fail or are killed half way: nothing half passes for whole, nothing is lost."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hscz import stores
from hscz.errors import StoreError
from hscz.ingest import cutting
from tests.helpers.tiny_survey import (
    N_OUTSIDE,
    Fails,
    broken_inside,
    calexp,
    shorten,
    snapshot,
    succeeds,
    variables,
)

R0 = "calexp-HSC-R-1-0.fits: "


def test_half_written_labels_do_not_pass_for_labels(
    made: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = stores.replace_folder, []

    def killed_at_the_third(new: Path, path: Path) -> Path:
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(new, path)

    monkeypatch.setattr(stores, "replace_folder", killed_at_the_third)
    assert "stopped; run it again" in fails(made, "label", "--force")
    assert "A.zarr: has no labels; run 'hscz label'" in fails(made, "train", "--force")
    monkeypatch.undo()
    whole_columns = variables(made / "out/fields/A.zarr")
    succeeds(made, "label")
    for name, values in variables(made / "out/fields/A.zarr").items():
        np.testing.assert_array_equal(values, whole_columns[name], err_msg=name)


def test_a_failed_field_does_not_undo_another(
    files: Path, fails: Fails, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = [calexp(files, "B", patch=patch).read_bytes() for patch in (0, 1)]
    for patch in (0, 1):
        shorten(calexp(files, "B", patch=patch), -5000)
    assert "B/calexp-HSC-R-1-0.fits: truncated" in fails(files, "ingest")
    assert stores.open_field(files / "out/fields/A.zarr").sizes["object"] == 76
    assert not (files / "out/fields/B.zarr").exists()
    for patch in (0, 1):
        calexp(files, "B", patch=patch).write_bytes(kept[patch])
    succeeds(files, "ingest")
    lines = capsys.readouterr().out.splitlines()
    assert "up to date" in lines[0]
    assert stores.open_field(files / "out/fields/B.zarr").sizes["object"] == 76


def test_a_failed_ingest_keeps_the_store_that_was(made: Path, fails: Fails) -> None:
    before = snapshot(made / "out/fields/A.zarr")
    for patch in (0, 1):
        broken_inside(made, patch=patch)
    assert R0 + "the IMAGE plane cannot be read" in fails(made, "ingest", "--field", "A")
    assert snapshot(made / "out/fields/A.zarr") == before


@pytest.mark.usefixtures("one_by_one")
def test_a_failed_tile_keeps_the_others(
    files: Path, whole: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, cut_tiles = cutting.cut_tile, []

    def second_fails(tile, *arguments):
        if cut_tiles:
            raise StoreError("b.zarr: cannot be written; make room there")
        cut_tiles.append(tile.name)
        return real(tile, *arguments)

    monkeypatch.setattr(cutting, "cut_tile", second_fails)
    assert "b.zarr: cannot be written" in fails(files, "ingest", "--field", "A")
    assert not (files / "out/fields/A.zarr").exists()
    assert "A.zarr.part is unfinished; run 'hscz ingest'" in fails(files, "predict")

    def counted(tile, *arguments):
        cut_tiles.append(tile.name)
        return real(tile, *arguments)

    monkeypatch.setattr(cutting, "cut_tile", counted)
    succeeds(files, "ingest", "--field", "A")
    assert sorted(cut_tiles) == ["0", "1"]
    unbroken = variables(whole / "out/fields/A.zarr")
    for name, values in variables(files / "out/fields/A.zarr").items():
        np.testing.assert_array_equal(values, unbroken[name], err_msg=name)


KILLED_INGEST = """
import os, sys
import dask
import hscz.ingest.cutting
from hscz.cli import main

real, calls = hscz.ingest.cutting.cut_tile, []

def killed_at_the_second(*arguments):
    calls.append(1)
    if len(calls) == 2:
        os._exit(9)
    return real(*arguments)

hscz.ingest.cutting.cut_tile = killed_at_the_second
dask.config.set(scheduler="synchronous")
main(["ingest", sys.argv[1], "--field", "B", "--quiet"])
"""


def test_an_ingest_killed_half_way_goes_on_to_the_same_store(
    files: Path, whole: Path, fails: Fails
) -> None:
    command = [sys.executable, "-c", KILLED_INGEST, str(files / "run.toml")]
    assert subprocess.run(command, check=False).returncode == 9
    path = files / "out/fields/B.zarr"
    assert len(stores.done_blocks(path)) == 1
    said = fails(files, "predict", "--field", "B")
    assert "B.zarr: no field store here; " in said
    assert "B.zarr.part is unfinished" in said
    succeeds(files, "ingest", "--field", "B")
    unbroken, resumed = variables(whole / "out/fields/B.zarr"), variables(path)
    assert resumed.keys() == unbroken.keys()
    for name, values in resumed.items():
        np.testing.assert_array_equal(values, unbroken[name], err_msg=name)
    assert not stores.part(path).exists()


def test_objects_in_no_tile_are_listed(whole: Path) -> None:
    lost = pd.read_parquet(whole / "out/fields/B.lost.parquet")
    assert lost["object_id"].tolist() == list(range(2000, 2000 + N_OUTSIDE))
    assert stores.attributes(whole / "out/fields/B.zarr")["n_lost"] == N_OUTSIDE


def test_no_folder_to_write_into(files: Path, fails: Fails) -> None:
    (files / "out").write_text("a file, not a folder")
    for verb in ("ingest", "mock"):
        options = ["--set", "mock.fields.DEEP2=[1, 1]"] if verb == "mock" else []
        said = fails(files, verb, *options)
        assert "out" in said
        assert "cannot be written ([Errno 20] Not a directory" in said
    assert (files / "out").read_text() == "a file, not a folder"


def test_a_full_disk(files: Path, fails: Fails) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        said = fails(files, "ingest", "--field", "A")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "A.zarr: cannot be written ([Errno 27] File too large" in said
    assert not (files / "out/fields/A.zarr").exists()
    succeeds(files, "ingest", "--field", "A")


def test_a_store_is_never_half_replaced(
    made: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made / "out/fields/A.zarr"
    real = os.replace

    def killed_before_the_new_name(old: Path, new: Path) -> None:
        if Path(new) == path:
            raise KeyboardInterrupt
        real(old, new)

    monkeypatch.setattr(os, "replace", killed_before_the_new_name)
    assert "stopped" in fails(made, "ingest", "--field", "A", "--force")
    assert not path.exists()
    monkeypatch.undo()
    succeeds(made, "ingest", "--field", "A")
    assert stores.open_field(path).sizes["object"] == 76
