from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hscz.errors import InputError
from hscz.nz.files import as_table, path_of, read, write
from hscz.nz.samples import Members, distributions
from hscz.nz.shift import Shift
from tests.helpers.toy_field import EDGES, toy_field


@pytest.fixture(scope="module")
def found() -> xr.Dataset:
    field = toy_field(400, 1)
    share = np.stack([np.ones(400), field.mag_i < 23.5, field.mag_i >= 23.5], axis=1).astype(float)
    blocks = [Members(field.pdf, field.mag_i, np.arange(400) % 10, share)]
    shift = Shift.unknown("nobody asks", 400)
    one = distributions(blocks, shift, EDGES, np.linspace(0, 6, 61), 10, 40, 1, xi=0.02)
    note = {"field": "DEEP2", "prior": "n(z) as stacked: " + "nobody asks " * 200}
    return one.assign_coords(sample=["all", "i 22-23.5", "i 23.5-25"]).assign_attrs(note)


def test_fits_gives_back_what_was_written(found: xr.Dataset, tmp_path: Path) -> None:
    again = read(write(found, tmp_path / "DEEP2", "fits"))
    xr.testing.assert_allclose(again, found, rtol=1e-12)
    assert set(found.data_vars) == set(again.data_vars)
    assert {key: again.attrs[key] for key in found.attrs} == found.attrs


def test_fits_has_the_table_that_cosmology_codes_look_for(
    found: xr.Dataset, tmp_path: Path
) -> None:
    from astropy.table import Table

    path = write(found, tmp_path / "DEEP2", "fits")
    table = Table.read(path, hdu="NZ_SAMPLE")
    assert table.colnames == ["Z_LOW", "Z_MID", "Z_HIGH", "BIN1", "BIN2", "BIN3"]
    assert table.meta["NZDATA"] is True
    assert table.meta["SAMPLE2"] == "i 22-23.5"
    np.testing.assert_allclose((table["BIN2"] * (table["Z_HIGH"] - table["Z_LOW"])).sum(), 1)


def test_sacc_takes_n_of_z_and_the_covariance_of_its_means(
    found: xr.Dataset, tmp_path: Path
) -> None:
    sacc = pytest.importorskip("sacc")
    again = read(write(found, tmp_path / "DEEP2", "fits"))
    data = sacc.Sacc()
    for name in again["sample"].values:
        data.add_tracer("NZ", str(name), again["z"].values, again["n_of_z"].sel(sample=name).values)
    data.save_fits(str(tmp_path / "tracers.fits"))
    tracer = sacc.Sacc.load_fits(str(tmp_path / "tracers.fits")).tracers["i 22-23.5"]
    np.testing.assert_allclose(tracer.nz, found["n_of_z"][1])
    np.testing.assert_allclose(np.average(tracer.z, weights=tracer.nz), found["z_mean"][1])


def test_text_has_two_columns_a_sample_and_its_covariance(
    found: xr.Dataset, tmp_path: Path
) -> None:
    folder = write(found, tmp_path / "DEEP2", "text")
    z, n_of_z = np.loadtxt(folder / "i_22-23.5.txt", unpack=True)
    np.testing.assert_allclose(z, found["z"], rtol=1e-6)
    np.testing.assert_allclose(n_of_z, found["n_of_z"][1], rtol=1e-6)
    covariance = np.loadtxt(folder / "i_22-23.5.cov.txt")
    np.testing.assert_allclose(covariance, found["covariance"][1], rtol=1e-6, atol=1e-12)
    means = np.loadtxt(folder / "z_mean.cov.txt")
    np.testing.assert_allclose(means, found["z_mean_covariance"], rtol=1e-6)


def test_parquet_has_a_row_for_each_bin(found: xr.Dataset, tmp_path: Path) -> None:
    table = pd.read_parquet(write(found, tmp_path / "DEEP2", "parquet"))
    assert len(table) == 3 * 60
    one = table[table["sample"] == "i 23.5-25"]
    np.testing.assert_allclose(one["n_of_z"], found["n_of_z"][2])
    error = np.sqrt(np.diagonal(found["covariance"].values[2]))
    np.testing.assert_allclose(one["n_of_z_err"], error)
    pd.testing.assert_frame_equal(table, as_table(found))


def test_qp_reads_samples_and_their_draws(found: xr.Dataset, tmp_path: Path) -> None:
    qp = pytest.importorskip("qp")
    ensemble = qp.read(str(write(found, tmp_path / "DEEP2", "qp")))
    assert ensemble.npdf == 3 + 3 * 40
    np.testing.assert_allclose(ensemble.mean().ravel()[:3], found["z_mean"], atol=1e-3)
    assert ensemble.ancil["draw"].tolist()[:4] == [-1, -1, -1, 0]


def test_another_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.fits"
    path.write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"catalogue.fits: is no n\(z\).*'hscz nz'"):
        read(path)
    assert path_of(tmp_path / "A", "text").name == "A.nz"
