"""What redshifts of a field are worth by galaxies that stand in for its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from hscz.config.read import load
from hscz.pdf.grid import RedshiftGrid
from hscz.predict import standins
from hscz.predict.promise import _source_flags, outlier_probability, promised
from hscz.predict.recalibrate import WRONG_LABELS
from hscz.predict.standins import held_out
from hscz.schema import LABEL_COLUMNS, Flag


def test_a_promise_sees_no_label_of_the_field_and_its_magnitudes(copy: Path) -> None:
    config = load(copy)
    first = promised(config, "DEEP2", np.linspace(22, 25, 50))
    group = zarr.open_group(config.field_store("DEEP2"), mode="r+")
    for name in set(group.array_keys()) & set(LABEL_COLUMNS):
        if group[name].dtype.kind == "f":
            group[name][:] = 5.0
    again = promised(config, "DEEP2", np.linspace(22, 25, 50))
    np.testing.assert_allclose(again.outlier, first.outlier, atol=1e-4)
    assert 0 < first.outlier.mean() < 1
    assert (first.weight[first.mag_i < 22] == 0).all()
    faint = promised(config, "DEEP2", np.linspace(24, 25, 50))
    assert (faint.weight[faint.mag_i < 24] == 0).all()


def test_stand_ins_are_as_faint_as_a_zero_point_makes_the_field(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, mag_i = load(copy), np.linspace(22, 25, 50)
    right = promised(config, "DEEP2", mag_i).mag_i
    config.stand_ins("DEEP2").unlink()
    off = pd.DataFrame({"band": ["g", "i"], "shrunk_mag": [0.0, 0.2]})
    monkeypatch.setattr(standins, "measured_zero_points", lambda *_: off)
    np.testing.assert_allclose(promised(config, "DEEP2", mag_i).mag_i, right + 0.2)


def test_stand_ins_have_the_flags_of_their_stamps(copy: Path) -> None:
    config = load(copy)
    objects = held_out(config, config.train.fields)[::-1].reset_index(drop=True)
    row = int(objects["row"][1])
    flags = zarr.open_group(config.field_store("COSMOS_UDF"), mode="r+")["flags"]
    flags[row] = int(Flag.BRIGHT_OBJECT)
    bright = (_source_flags(config, objects) & int(Flag.BRIGHT_OBJECT)) != 0
    np.testing.assert_array_equal(bright, objects["row"] == row)


def test_wrong_labels_are_not_taken_for_outliers() -> None:
    """Two labels in a hundred lie anywhere: outliers by label are too many, by both are right."""
    rng, n, grid = np.random.default_rng(1), 20_000, RedshiftGrid.uniform()
    z = rng.uniform(0.5, 1.5, n)
    # One redshift in twenty is another galaxy's, as the PDFs say.
    middle = np.where(rng.random(n) < 0.95, z + rng.normal(0, 0.03, n), rng.uniform(0, 6, n))
    centre = 0.5 * (grid.edges[1:] + grid.edges[:-1])
    density = 0.95 * np.exp(-0.5 * ((centre - middle[:, None]) / 0.03) ** 2) / (0.03 * 2.5066)
    density += 0.05 / 6
    label = np.where(rng.random(n) < WRONG_LABELS, rng.uniform(0, 6, n), z)
    label += rng.normal(0, 0.01, n)
    outlier = np.abs(middle - z) / (1 + z) > 0.15
    by_label = np.abs(middle - label) / (1 + label) > 0.15
    found = outlier_probability(density, grid.edges, label.clip(0.001, 5.99), np.full(n, 0.01))
    assert by_label.mean() > outlier.mean() + 0.01
    assert found.mean() == pytest.approx(outlier.mean(), abs=0.005)
