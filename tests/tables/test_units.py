"""Positions and fluxes in other units than degrees and AB magnitudes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from hscz.errors import InputError
from hscz.tables.descriptor import load_descriptor
from hscz.tables.read import read_catalogue, read_columns
from hscz.tables.select import select
from hscz.tables.units import ab_magnitudes, zero_point

DESCRIPTOR = """
title = "Mine"
survey = "MINE"
reference = "me"
bibcode = "-"
selection = "all"
format = "csv"
extinction_corrected = false
z_range = [0.0, 7.0]
missing = [-99.0]
[columns]
ra = "RA"
dec = "DEC"
z = "redshift"
[mag]
i = "flux_i"
[mag_err]
i = "err_i"
"""


def read(folder: Path, table: dict[str, list], units: str = "") -> pd.DataFrame:
    whole = {"RA": [150.0], "DEC": [2.0], "redshift": [0.5], "flux_i": [21.0], "err_i": [0.1]}
    file, descriptor = folder / "mine.csv", folder / "mine.toml"
    pd.DataFrame({**whole, **table}).to_csv(file, index=False)
    descriptor.write_text(DESCRIPTOR + units)
    return read_catalogue(file, descriptor)


@pytest.mark.parametrize("ra", [10.0, "10:00:00.0", "10h00m00.0s", "10 00 00.0"])
def test_right_ascension_in_hours(tmp_path: Path, ra: float | str) -> None:
    table = read(tmp_path, {"RA": [ra]}, '[units]\nra = "hourangle"\n')
    assert table["ra"].tolist() == pytest.approx([150.0])
    assert table["dec"].tolist() == [2.0]


def test_sexagesimal_declination_keeps_its_sign(tmp_path: Path) -> None:
    table = read(tmp_path, {"DEC": ["-00:30:00"]}, '[units]\ndec = "deg"\n')
    assert table["dec"].tolist() == pytest.approx([-0.5])


def test_text_without_a_unit_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'mine\.csv: column .RA. needs numbers.*ra = "hourangle"'):
        read(tmp_path, {"RA": ["10:00:28.6"]})


def test_text_that_is_no_angle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine.csv: column 'RA' cannot be read as hourangle"):
        read(tmp_path, {"RA": ["here"]}, '[units]\nra = "hourangle"\n')


@pytest.mark.parametrize(
    ("unit", "flux"), [("'nJy'", 3631.0), ("'uJy'", 3.631), ("'mJy'", 3.631e-3), ("27.0", 63.0957)]
)
def test_fluxes_become_magnitudes(tmp_path: Path, unit: str, flux: float) -> None:
    table = read(tmp_path, {"flux_i": [flux], "err_i": [flux / 10]}, f"[units]\nmag = {unit}\n")
    assert table["mag_i"].tolist() == pytest.approx([22.5], abs=1e-4)
    assert table["mag_err_i"].tolist() == pytest.approx([0.1086], abs=1e-4)


@pytest.mark.parametrize(("flux", "error"), [(-99.0, 1.0), (0.0, 1.0), (-3.0, 1.0), (5.0, -99.0)])
def test_fluxes_without_a_magnitude_are_missing(tmp_path: Path, flux: float, error: float) -> None:
    table = read(tmp_path, {"flux_i": [flux], "err_i": [error]}, "[units]\nmag = 'uJy'\n")
    assert np.isnan(table[["mag_i", "mag_err_i"]]).all(axis=None)


def test_a_rule_sees_magnitudes(tmp_path: Path) -> None:
    units = "[units]\nmag = 'uJy'\n"
    (tmp_path / "rule").mkdir()
    file = tmp_path / "rule" / "mine.csv"
    table = {"RA": [1.0, 2.0], "DEC": 0.0, "redshift": 1.0, "flux_i": [10.0, 0.1], "err_i": 0.01}
    pd.DataFrame(table).to_csv(file, index=False)
    descriptor = tmp_path / "rule" / "mine.toml"
    descriptor.write_text('select = "mag_i < 25"\n' + DESCRIPTOR + units)
    rule = load_descriptor(descriptor).select
    assert select(read_catalogue(file, descriptor), rule).tolist() == [True, False]


def stated(folder: Path, column: str, unit: str, units: str = "") -> pd.DataFrame:
    columns = {"RA": 150.0, "DEC": 2.0, "redshift": 0.5, "flux_i": 21.0, "err_i": 0.1}
    made = [
        fits.Column(key, "D", unit=unit if key == column else None, array=[value])
        for key, value in columns.items()
    ]
    fits.BinTableHDU.from_columns(made).writeto(folder / "mine.fits", overwrite=True)
    (folder / "mine.toml").write_text(DESCRIPTOR + units)
    return read_catalogue(folder / "mine.fits", folder / "mine.toml")


@pytest.mark.parametrize(
    ("column", "unit", "said"),
    [
        ("RA", "hourangle", 'ra = "hourangle"'),
        ("RA", "h", 'ra = "hourangle"'),
        ("DEC", "rad", 'dec = "rad"'),
        ("flux_i", "uJy", 'mag = "uJy"'),
    ],
)
def test_a_header_with_other_units_is_noticed(
    tmp_path: Path, column: str, unit: str, said: str
) -> None:
    with pytest.raises(InputError, match=rf"mine\.fits: column '{column}' is in {unit}.*{said}"):
        stated(tmp_path, column, unit)


def test_a_header_that_agrees_is_fine(tmp_path: Path) -> None:
    assert stated(tmp_path, "RA", "deg")["ra"].item() == 150.0
    assert stated(tmp_path, "flux_i", "mag")["mag_i"].item() == 21.0
    assert stated(tmp_path, "flux_i", "mag(AB)")["mag_i"].item() == 21.0
    flux = stated(tmp_path, "flux_i", "uJy", "[units]\nmag = 'uJy'\n")
    assert flux["mag_i"].item() == pytest.approx(20.594, abs=1e-3)
    assert stated(tmp_path, "flux_i", "counts", "[units]\nmag = 27.0\n")["mag_i"].item() > 23
    assert stated(tmp_path, "redshift", "km / s")["z"].item() == 0.5


def test_real_fluxes_in_mjy(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "catalogs" / "cosmos_specz_compilation_2.50_z_3.00.txt"
    names = {"subaru.suprime.i": "flux_i", "subaru.suprime.i_err": "err_i", "redshift": "redshift"}
    table = read_columns(path, list(names)).rename(columns=names)
    read_back = read(
        tmp_path,
        {"RA": 150.0, "DEC": 2.0, **{k: list(table[k]) for k in table}},
        "[units]\nmag='mJy'\n",
    )
    mags = read_back["mag_i"].dropna()
    assert len(mags) > 2000
    assert 23 < mags.median() < 25.5
    assert ((read_back["z"] >= 2.5) & (read_back["z"] <= 3.0)).all()


def test_real_fluxes_in_cgs(shared_data: Path) -> None:
    path = shared_data / "catalogs" / "cosmos2020_classic_first100_specz.fits"
    table = read_columns(path, ["f_hsc/iHSC.pb", "ferr_hsc/iHSC.pb"])
    one = zero_point("erg / (s cm2 Hz)")
    assert one == pytest.approx(-48.6, abs=0.001)
    mag, err = ab_magnitudes(table.iloc[:, 0].to_numpy(), table.iloc[:, 1].to_numpy(), one)
    assert 19 < np.nanmedian(mag) < 25
    assert 0 < np.nanmedian(err) < 0.1
