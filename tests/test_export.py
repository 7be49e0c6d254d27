"""Catalogues written from PDF cubes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr
from astropy.io import fits

from hscz import pdf
from hscz.errors import ConfigError, StoreError
from hscz.export import ESTIMATES, export, to_table
from hscz.schema import PDF_CUBE, Flag, describe, validate
from hscz.zgrid import RedshiftGrid

GRID = RedshiftGrid.uniform(60, 6.0)


def make_cube(n: int = 25) -> xr.Dataset:
    rng = np.random.default_rng(3)
    density = pdf.pmf_to_pdf(rng.dirichlet(np.full(len(GRID), 0.3), size=n), GRID.edges)
    density[0] = np.nan
    rows = pdf.summarise(density, GRID.edges)
    rows |= {"flags": np.where(np.arange(n) == 0, Flag.MISSING_PIXELS, 0).astype(np.int32)}
    columns = {
        "object_id": 44223461475791504 + np.arange(n),
        "ra": rng.uniform(149, 151, n),
        "dec": rng.uniform(1, 3, n),
        "field": np.array(["ELAIS", "XMM_DEEP"])[np.arange(n) % 2],
        "mag_i": rng.uniform(20, 25, n).astype(np.float32),
        "snr_i": rng.uniform(5, 100, n).astype(np.float32),
        "ebv": rng.uniform(0, 0.1, n).astype(np.float32),
        "z_spec": np.where(np.arange(n) < 3, 0.7, np.nan).astype(np.float32),
        "label_source": np.where(np.arange(n) < 3, "spec", ""),
        "is_oii_candidate": np.arange(n) % 3 == 0,
    }
    cube = xr.Dataset(
        {"pdf": (("object", "z"), density.astype(np.float32))}
        | {name: ("object", values) for name, values in rows.items()},
        coords={name: ("object", values) for name, values in columns.items()}
        | {"z": GRID.centres, "z_edges": ("z_edge", GRID.edges)},
        attrs={"provenance": {"model": "v0", "seed": 7}, "note": "δ"},
    )
    return describe(validate(cube, PDF_CUBE, "test cube"), PDF_CUBE)


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    return make_cube()


def test_fits_and_parquet_hold_the_same_numbers(cube: xr.Dataset, tmp_path: Path) -> None:
    paths = export(cube, tmp_path / "out" / "cat.v0", block=7)
    assert [path.name for path in paths] == ["cat.v0.fits", "cat.v0.parquet"]
    stored = fits.getdata(paths[0], 1)
    frame = pd.read_parquet(paths[1])
    assert stored.names == list(frame.columns)
    for name in frame.columns:
        if frame[name].dtype.kind in "biuf":
            np.testing.assert_array_equal(np.asarray(stored[name]), frame[name].to_numpy())
        else:
            assert stored[name].tolist() == frame[name].tolist()
    pd.testing.assert_frame_equal(frame, to_table(cube), check_dtype=False)
    np.testing.assert_array_equal(frame["object_id"], cube["object_id"])
    np.testing.assert_array_equal(frame["ra"], cube["ra"])
    np.testing.assert_array_equal(frame["is_oii_candidate"], cube["is_oii_candidate"])
    for variable, name in ESTIMATES.items():
        np.testing.assert_array_equal(frame[f"cnn_{name}"], cube[variable])


def test_err95_encloses_err68_and_missing_pdfs_stay_missing(cube: xr.Dataset) -> None:
    table = to_table(cube, algorithm="net")
    assert np.isnan(table.loc[0, "net_z_err95_low"])
    inside = table[1:]
    assert (inside["net_z_err95_low"] < inside["net_z_err68_low"]).all()
    assert (inside["net_z_err95_high"] > inside["net_z_err68_high"]).all()


def test_fits_is_standard_and_says_what_columns_mean(cube: xr.Dataset, tmp_path: Path) -> None:
    (path,) = export(cube, tmp_path / "cat", ["fits"], include_pdf=True, block=10)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        header = hdus["CATALOGUE"].header
        k = hdus["CATALOGUE"].columns.names.index("ra") + 1
        assert header[f"TUNIT{k}"] == "deg"
        assert header[f"TUCD{k}"] == "pos.eq.ra;meta.main"
        assert header[f"TCOMM{k}"] == "right ascension (ICRS)"
        commented = [f"TCOMM{k}" in header for k in range(1, header["TFIELDS"] + 1)]
        assert all(commented)
        np.testing.assert_array_equal(hdus["CATALOGUE"].data["cnn_pdf"], cube["pdf"])
        np.testing.assert_array_equal(hdus["EDGES"].data["z_edges"], GRID.edges)
        assert '"seed": 7' in "".join(hdus[0].header["HISTORY"])
    assert path.stat().st_size % 2880 == 0


def test_parquet_fields_carry_unit_description_and_ucd(cube: xr.Dataset, tmp_path: Path) -> None:
    (path,) = export(cube, tmp_path / "cat", ["parquet"], include_pdf=True, block=10)
    schema = pq.read_schema(path)
    assert schema.field("mag_i").metadata == {
        b"description": b"total i magnitude",
        b"unit": b"mag",
        b"ucd": b"phot.mag;em.opt.I",
    }
    assert json.loads(schema.metadata[b"z_edges"]) == GRID.edges.tolist()
    stored = np.stack(pd.read_parquet(path)["cnn_pdf"].to_numpy())
    np.testing.assert_array_equal(stored, cube["pdf"])


def test_block_size_changes_nothing(cube: xr.Dataset, tmp_path: Path) -> None:
    for block in (3, 1000):
        export(cube, tmp_path / f"cat{block}", include_pdf=True, block=block)
    assert (tmp_path / "cat3.fits").read_bytes() == (tmp_path / "cat1000.fits").read_bytes()
    a, b = (pd.read_parquet(tmp_path / f"cat{block}.parquet") for block in (3, 1000))
    pd.testing.assert_frame_equal(a, b)


def test_text_of_variable_width_is_kept(cube: xr.Dataset, tmp_path: Path) -> None:
    names = cube["field"].to_numpy().astype(np.dtypes.StringDType())
    (path,) = export(cube.assign_coords(field=("object", names)), tmp_path / "cat", ["fits"])
    assert fits.getdata(path, 1)["field"].tolist() == cube["field"].to_numpy().tolist()


def test_only_a_block_is_loaded_at_once(cube: xr.Dataset, tmp_path: Path) -> None:
    seen = []

    def note(block: np.ndarray) -> np.ndarray:
        seen.append(len(block))
        return block

    lazy = cube.chunk(object=5)
    lazy["pdf"] = xr.apply_ufunc(note, lazy["pdf"], dask="parallelized", output_dtypes=["f4"])
    seen.clear()
    export(lazy, tmp_path / "cat", ["parquet"], block=5)
    assert seen == [5] * 5


def test_a_failed_export_leaves_the_old_file(cube: xr.Dataset, tmp_path: Path) -> None:
    (path,) = export(cube, tmp_path / "cat", ["fits"])
    before = path.read_bytes()
    with pytest.raises(KeyError):
        export(cube.drop_vars("z_edges"), tmp_path / "cat", ["fits"])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["cat.fits"]


def test_bad_use_is_refused(cube: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'votable' is unknown; use fits or parquet"):
        export(cube, tmp_path / "cat", ["fits", "votable"])
    with pytest.raises(StoreError, match="no object"):
        export(cube.isel(object=slice(0)), tmp_path / "cat")
    with pytest.raises(StoreError, match=r"no\.zarr"):
        export(tmp_path / "no.zarr", tmp_path / "cat")
    assert list(tmp_path.iterdir()) == []
