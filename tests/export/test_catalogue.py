"""What every format has in common: the same numbers, chosen and written in the same way."""

from __future__ import annotations

import resource
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr
from astropy.table import Table

from hscz import pdf
from hscz.errors import ConfigError, HsczError, InputError, StoreError
from hscz.export import ESTIMATES, export, to_table
from hscz.export.catalogue import Catalogue
from hscz.export.columns import Block
from hscz.export.records import records
from hscz.pdf.prior import PriorRatio
from hscz.seams import EXPORT_FORMATS


def test_the_table_in_memory_has_the_numbers_of_the_cube(cube: xr.Dataset) -> None:
    table = to_table(cube)
    for name in ("object_id", "ra", "dec", "mag_i", "flags", "z_spec", "is_oii_candidate"):
        np.testing.assert_array_equal(table[name], cube[name])
    for variable, name in ESTIMATES.items():
        np.testing.assert_array_equal(table[f"cnn_{name}"], cube[variable])
    assert table["field"].tolist() == cube["field"].to_numpy().tolist()


def test_err95_encloses_err68_and_missing_pdfs_stay_missing(cube: xr.Dataset) -> None:
    table = to_table(cube, algorithm="net")
    assert np.isnan(table.loc[0, "net_z_err95_low"])
    inside = table[1:]
    assert (inside["net_z_err95_low"] < inside["net_z_err68_low"]).all()
    assert (inside["net_z_err95_high"] > inside["net_z_err68_high"]).all()


def test_z_risk_is_that_of_the_pdf_and_under_the_inferred_n_of_z_of_the_changed_pdf(
    cube: xr.Dataset, tmp_path: Path
) -> None:
    edges, mag_i = cube["z_edges"].values, cube["mag_i"].values
    ratio = PriorRatio((0.0, 6.0), (22.0,), ((0.0, 3.0),), 9.0, 1000)
    table = read(export(cube, tmp_path / "a", ["parquet"], ratio=ratio)[0])
    changed = ratio.apply(cube["pdf"].values, edges, mag_i)
    for column, rows in (("cnn_z_risk", cube["pdf"].values), ("cnn_inferred_z_risk", changed)):
        expected = pdf.least_risk(rows, edges).astype(np.float32)
        np.testing.assert_allclose(table[column], expected, rtol=1e-6)


@pytest.mark.parametrize("kind", EXPORT_FORMATS.names)
def test_block_size_changes_nothing(cube: xr.Dataset, tmp_path: Path, kind: str) -> None:
    for package in EXPORT_FORMATS.packages.get(kind, ()):
        pytest.importorskip(package)
    few, all_ = (read(export(cube, tmp_path / f"{n}", [kind], block=n)[0]) for n in (4, 1000))
    pd.testing.assert_frame_equal(few, all_)
    assert len(few) == 25


def read(path: Path) -> pd.DataFrame:
    """Return the rows of a file of any format, by identifier."""
    if path.suffix == ".hdf5":
        import h5py

        with h5py.File(path) as file:
            found = {name: file["ancil"][name][:] for name in file["ancil"]}
            table = pd.DataFrame(found | {"first": file["data/pdfs"][:, 0]})
            return table.sort_values("id", ignore_index=True)
    if path.suffix in (".hats", ".parquet"):
        parts = [path] if path.is_file() else sorted(path.glob("dataset/**/Npix*.parquet"))
        table = pd.concat([pd.read_parquet(part) for part in parts])
    else:
        table = Table.read(path, format="fits" if path.suffix == ".fits" else "votable").to_pandas()
    return table.sort_values("object_id", ignore_index=True)


def test_only_a_block_is_loaded_at_once_and_only_once(cube: xr.Dataset, tmp_path: Path) -> None:
    seen = []

    def note(block: np.ndarray) -> np.ndarray:
        seen.append(len(block))
        return block

    lazy = cube.chunk(object=5)
    lazy["pdf"] = xr.apply_ufunc(note, lazy["pdf"], dask="parallelized", output_dtypes=["f4"])
    seen.clear()
    export(lazy, tmp_path / "cat", ["parquet", "fits", "votable"], block=5)
    assert seen == [5] * 5
    export(lazy, tmp_path / "few", ["parquet"], columns=["object_id", "cnn_z_median"], block=5)
    assert len(seen) == 5


def test_a_block_is_let_go_before_the_next_is_read(
    cube: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[weakref.ref] = []
    load = Catalogue._loaded

    def loaded(self: Catalogue, *piece: object) -> Block:
        assert not [ref for ref in held if ref() is not None]
        values = load(self, *piece)
        held.extend(weakref.ref(value) for value in values.values())
        return values

    monkeypatch.setattr(Catalogue, "_loaded", loaded)
    kinds = ["fits", "parquet", "votable"]
    for name, rule in (("all", ""), ("some", "mag_i < 24")):
        export(cube, tmp_path / name, kinds, include_pdf=True, select=rule, block=5)
    assert len(held) > 100


def test_columns_and_rows_can_be_chosen(cube: xr.Dataset, tmp_path: Path) -> None:
    names = ["cnn_z_median", "object_id", "field"]
    rule = "mag_i < 23 & (CNN_z_err95_high > 1 | flags == 1)"
    paths = export(cube, tmp_path / "cat", ["fits", "votable"], columns=names, select=rule, block=7)
    every = to_table(cube)
    kept = (every["mag_i"] < 23) & ((every["cnn_z_err95_high"] > 1) | (every["flags"] == 1))
    assert 0 < kept.sum() < len(every)
    for path in paths:
        table = Table.read(path).to_pandas()
        assert table.columns.tolist() == names
        np.testing.assert_array_equal(table["object_id"], every["object_id"][kept])
        np.testing.assert_array_equal(table["cnn_z_median"], every["cnn_z_median"][kept])


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"formats": ["fits", "csv"]}, ConfigError, "'csv' is unknown; use fits, parquet, votable"),
        ({"columns": ["cnn_z_med"]}, ConfigError, "'cnn_z_med' is unknown; did you mean 'cnn_z_"),
        ({"algorithm": "my net"}, ConfigError, "algorithm is 'my net', .* use letters, digits"),
        ({"algorithm": ""}, ConfigError, "algorithm is ''"),
        ({"select": "mag_i <"}, InputError, "'mag_i <' cannot be read: invalid syntax; write"),
        ({"columns": ["ra", "ra"]}, ConfigError, "name each once"),
        ({"select": "mag_r < 24"}, InputError, "no column 'mag_r', which the rule"),
        ({"select": "field == 3"}, InputError, "column 'field' holds text"),
        ({"select": "mag_i < 5"}, InputError, "keeps none of 25 objects"),
        ({"formats": ["hats"], "columns": ["ra"]}, ConfigError, "add ra and dec"),
    ],
)
def test_bad_settings_are_refused(
    cube: xr.Dataset, tmp_path: Path, settings: dict, error: type[HsczError], said: str
) -> None:
    if "hats" in settings.get("formats", []):
        pytest.importorskip("hats")
    with pytest.raises(error, match=said):
        export(cube, tmp_path / "cat", **settings)
    assert list(tmp_path.iterdir()) == []


def test_bad_cubes_are_refused(cube: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no object"):
        export(cube.isel(object=slice(0)), tmp_path / "cat")
    with pytest.raises(StoreError, match=r"no\.zarr"):
        export(tmp_path / "no.zarr", tmp_path / "cat")
    with pytest.raises(StoreError, match=r"'dec'.* is missing"):
        export(cube.drop_vars("dec"), tmp_path / "cat")
    assert list(tmp_path.iterdir()) == []


def test_an_extra_that_is_missing_is_named(
    cube: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package, kind in (("h5py", "qp"), ("hats", "hats")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ConfigError, match=rf"needs {package}.* pip install 'hscz\[{kind}\]'"):
            export(cube, tmp_path / "cat", [kind])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_replaced_only_when_told(cube: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "cat.parquet").write_text("my own")
    with pytest.raises(InputError, match=r"cat\.parquet: exists already; .*overwrite"):
        export(cube, tmp_path / "cat")
    assert [file.name for file in tmp_path.iterdir()] == ["cat.parquet"]
    assert (tmp_path / "cat.parquet").read_text() == "my own"
    export(cube, tmp_path / "cat", overwrite=True)
    assert len(pd.read_parquet(tmp_path / "cat.parquet")) == 25


@pytest.mark.parametrize("kind", EXPORT_FORMATS.names)
def test_a_disk_that_fills_up_leaves_what_was_there(
    cube: xr.Dataset, tmp_path: Path, kind: str
) -> None:
    for package in EXPORT_FORMATS.packages.get(kind, ()):
        pytest.importorskip(package)
    many = cube.isel(object=np.arange(2000) % 25)
    (path,) = export(cube, tmp_path / "cat", [kind])
    before = read(path)
    for name in ("cat", "new"):
        suffix = EXPORT_FORMATS.load(kind).suffix
        said = rf"{name}\.{suffix}: cannot be written .*File too large.*; make room"
        with room_for(60_000), pytest.raises(StoreError, match=said) as caught:
            export(many, tmp_path / name, [kind], include_pdf=True, overwrite=True, block=200)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]
    pd.testing.assert_frame_equal(read(path), before)


@contextmanager
def room_for(n_bytes: int) -> Iterator[None]:
    """Let the system refuse every file longer than this, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_estimates_under_the_inferred_n_of_z_stand_beside_the_others(
    cube: xr.Dataset, tmp_path: Path
) -> None:
    ratio = PriorRatio((0.5, 2.0), (20.0, 25.0), ((0.0, 1.5), (0.0, 2.5)), 9.0, 500)
    export(cube, tmp_path / "A", ("parquet", "fits"), include_pdf=True, ratio=ratio, block=7)
    table = pd.read_parquet(tmp_path / "A.parquet")
    changed = ratio.apply(cube["pdf"].values, cube["z_edges"].values, cube["mag_i"].values)
    np.testing.assert_allclose(np.stack(table["cnn_inferred_pdf"]), changed, rtol=1e-5)
    points = pdf.summarise(changed, cube["z_edges"].values)
    np.testing.assert_allclose(table["cnn_inferred_z_median"], points["z_median"], rtol=1e-5)
    np.testing.assert_allclose(table["cnn_inferred_z_err68_low"], points["z_q16"], rtol=1e-5)
    known = table["cnn_z_median"].notna()
    assert (table["cnn_inferred_z_median"] > table["cnn_z_median"])[known].mean() > 0.9
    meaning = pq.read_schema(tmp_path / "A.parquet").field("cnn_inferred_z_median").metadata
    assert b"under the inferred n(z)" in meaning[b"description"]
    assert not any("inferred" in name for name in to_table(cube))


def test_text_of_variable_width_is_kept(cube: xr.Dataset, tmp_path: Path) -> None:
    names = cube["field"].to_numpy().astype(np.dtypes.StringDType())
    (path,) = export(cube.assign_coords(field=("object", names)), tmp_path / "cat", ["fits"])
    assert (
        np.char.decode(read(path)["field"].tolist()).tolist() == cube["field"].to_numpy().tolist()
    )


def test_text_that_is_not_ascii_goes_into_parquet_alone(cube: xr.Dataset, tmp_path: Path) -> None:
    strange = cube.assign_coords(field=("object", np.full(25, "δ-field")))
    with pytest.raises(InputError, match="column 'field' holds 'δ-field', which is not ASCII"):
        export(strange, tmp_path / "cat", ["parquet", "fits"])
    assert list(tmp_path.iterdir()) == []
    (path,) = export(strange, tmp_path / "cat", ["parquet"])
    assert set(pd.read_parquet(path)["field"]) == {"δ-field"}


def test_records_have_no_gaps() -> None:
    assert records([], {"ra": np.zeros(2)}, null_bytes=3).tolist() == [0] * 6
