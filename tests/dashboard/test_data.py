from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from hscz.dashboard.data import load
from hscz.dashboard.selection import Selection, select
from hscz.stores import open_cube

pytest.importorskip("panel")


def test_models_of_a_field_come_together_under_their_recipes(survey, pair) -> None:
    fields = load([*pair, survey / "pdfs" / "v0-u" / "G.zarr"])
    assert {name: field.models for name, field in fields.items()} == {
        "F": ["v0", "v2"],
        "G": ["v0"],
    }
    assert fields["F"].store == survey / "fields" / "F.zarr"
    assert fields["G"].store is None
    assert load([f"mine={pair[0]}", pair[0]])["F"].models == ["mine", "v0"]


def test_a_field_across_right_ascension_zero_stays_in_one_piece(pair) -> None:
    field = load(pair)["F"]
    assert np.ptp(field.ra_offset_deg) < 0.31
    ra = open_cube(pair[0], lazy=False)["ra"].values
    apart = (field.ra_deg + field.ra_offset_deg - ra + 180) % 360 - 180
    np.testing.assert_allclose(apart, 0, atol=1e-6)


def test_only_point_columns_are_held(pair) -> None:
    field = load(pair)["F"]
    select(field, Selection("v0", mag_i=(21, 22)))
    for cube in field.cubes.values():
        assert not cube.dataset["pdf"].variable._in_memory
        assert not cube.dataset["ra"].variable._in_memory
        assert cube.z_median.dtype == np.float32


def test_what_cannot_be_read_is_said(pair, tmp_path: Path) -> None:
    from hscz.dashboard.view import FieldView

    copies = [shutil.copytree(path, tmp_path / path.parent.name / "F.zarr") for path in pair]
    for chunk in (copies[1] / "pdf" / "c").glob("[3-6]/0"):
        chunk.write_bytes(b"<no chunk>")
    status = FieldView(load(copies)["F"]).status.object
    assert "of 400 selected objects, the rest is not read: " in status
    assert "<no" not in status
