from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from hscz.dashboard.data import load
from hscz.dashboard.meanpdf import MeanPDF
from hscz.files.atomic import write_json
from hscz.pdf.prior import PriorRatio
from hscz.stores import open_cube
from tests.helpers.mean_pdfs import assert_exact

pytest.importorskip("panel")


def test_n_of_z_is_the_mean_pdf_of_the_selection(pair) -> None:
    field = load(pair)["F"]
    mean = MeanPDF(field.cubes, field.mag_i < 23)
    mean.read(0.0)
    densities, n_read = mean.so_far()
    assert 0 < n_read < mean.n_selected
    assert not mean.finished
    # A mean of what was read: normalised, though most is still to come.
    width = np.diff(field.cubes["v0"].dataset["z_edges"].values)
    assert densities["v0"] @ width == pytest.approx(1, rel=1e-5)
    mean.start()
    until = time.monotonic() + 20
    while not mean.finished and time.monotonic() < until:
        time.sleep(0.01)
    assert_exact(mean, pair)


def test_an_outdated_reading_is_abandoned(pair) -> None:
    field = load(pair)["F"]
    mean = MeanPDF(field.cubes, field.mag_i < 23)
    mean.read(0.0)
    n_read = mean.n_read
    mean.stop()
    mean.read()
    assert mean.n_read == n_read


def test_chunks_that_are_selected_whole_are_read_once(pair, tmp_path: Path) -> None:
    copies = [shutil.copytree(path, tmp_path / path.parent.name / "F.zarr") for path in pair]
    field = load(copies)["F"]
    first = MeanPDF(field.cubes, np.ones(len(field), dtype=bool))
    first.read()
    for path in copies:
        shutil.rmtree(path / "pdf" / "c")
    again = MeanPDF(field.cubes, np.ones(len(field), dtype=bool))
    again.read()
    assert_exact(again, pair)
    some = np.arange(len(field)) >= 64
    most = MeanPDF(field.cubes, some)
    most.read()
    assert_exact(most, pair)
    some[100] = False
    part = MeanPDF(field.cubes, some)
    part.read()
    assert not part.finished
    assert "PDFs are missing among rows 64 to 127" in str(part.error)


def test_n_of_z_that_was_inferred_stands_beside_the_sum(pair, tmp_path: Path) -> None:
    root = tmp_path / "stores"
    path = shutil.copytree(pair[0], root / "pdfs" / "mine" / "F.zarr")
    assert list(load([path])["F"].stacks) == ["mine"]
    ratio = PriorRatio((0.5, 1.5), (22.0, 24.0), ((0.0, 1.0), (0.0, 2.0)), 9.0, 500)
    note = {"ratio": dataclasses.asdict(ratio)}
    write_json(root / "catalogues" / "mine" / "F.ratio.json", note)
    field = load([path])["F"]
    mean = MeanPDF(field.stacks, np.ones(len(field), bool))
    mean.read()
    cube = open_cube(path, lazy=False)
    changed = ratio.apply(cube["pdf"].values, cube["z_edges"].values, cube["mag_i"].values)
    summed, inferred = mean.so_far()[0].values()
    np.testing.assert_allclose(inferred, np.nanmean(changed, axis=0), rtol=1e-5)
    assert not np.allclose(inferred, summed, rtol=1e-2)
