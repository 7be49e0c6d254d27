"""Numbers, marks of missing ones, and identifiers of source catalogues."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from hscz.errors import InputError
from hscz.tables.descriptor import load_descriptor
from hscz.tables.labels import secure_redshifts
from hscz.tables.read import read_catalogue

IDS = 43158034708430848 + np.arange(4) * 7
"""As long as those of HSC, which no floating-point number holds."""

PLAIN = dataclasses.replace(
    load_descriptor("deep2"),
    columns={"object_id": "ID", "ra": "RA", "dec": "DEC", "z": "Z", "flag": "Q", "z_sed": "ZPHOT"},
    mag={"i": "i"},
    mag_err={"i": "i_err"},
    secure="Q >= 3",
    confidence=(),
    format="csv",
)


def frame(**changes: object) -> pd.DataFrame:
    columns = {"ID": IDS, "RA": [150.0, 150.1, 150.2, 150.3], "DEC": 2.0, "i": 21.0, "i_err": 0.1}
    return pd.DataFrame(columns | {"Z": 0.5, "Q": 4, "ZPHOT": 0.6} | changes)


def read(folder: Path, table: pd.DataFrame, suffix: str = "csv", **how: object) -> pd.DataFrame:
    path = folder / f"a.{suffix}"
    if suffix == "csv":
        table.to_csv(path, index=False)
    elif suffix == "parquet":
        table.to_parquet(path)
    else:
        Table.from_pandas(table).write(path, overwrite=True)
    return read_catalogue(path, dataclasses.replace(PLAIN, **how))


@pytest.mark.parametrize("suffix", ["csv", "fits", "parquet"])
@pytest.mark.parametrize("ids", [IDS, [str(value) for value in IDS], IDS.astype(np.uint64)])
def test_long_identifiers_keep_every_digit(tmp_path, suffix, ids):
    table = read(tmp_path, frame(ID=ids), suffix)
    assert table["object_id"].tolist() == IDS.tolist()


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (IDS.astype(float), "has 4.3.*e.16 in row 0, which has more digits than its floating"),
        ([1.0, 2.0, np.nan, 4.0], "has nan in row 2, which is no whole number"),
        ([1.0, 2.0, 3.5, 4.0], "has 3.5 in row 2, which is no whole number"),
        (2**63 + np.arange(4, dtype=np.uint64), "has 9223372036854775811, more than 63 bits hold"),
    ],
)
@pytest.mark.parametrize("suffix", ["fits", "parquet"])
def test_identifiers_that_lost_digits_are_refused(tmp_path, suffix, ids, said):
    with pytest.raises(InputError, match=rf"a\.{suffix}: column 'ID' {said}.*number the rows"):
        read(tmp_path, frame(ID=ids), suffix)


def test_blank_text_is_a_missing_value(tmp_path):
    changes = {
        "Q": ["4", " 3", "  ", ""],
        "i": ["21.5", "", " ", "22"],
        "Z": ["0.5", "nan", "", "1"],
    }
    for suffix in ("csv", "fits"):
        table = read(tmp_path, frame(**changes), suffix)
        np.testing.assert_array_equal(table["flag"], [4, 3, np.nan, np.nan])
        np.testing.assert_array_equal(table["mag_i"], [21.5, np.nan, np.nan, 22])
        np.testing.assert_array_equal(table["z"], [0.5, np.nan, np.nan, 1])


def test_fluxes_may_be_text_too(tmp_path):
    changes = {"i": ["3.631", "", "-1", "-99"], "i_err": ["0.1", "0.1", "", "0.1"]}
    table = read(tmp_path, frame(**changes), "fits", units={"mag": "uJy"})
    np.testing.assert_allclose(table["mag_i"], [22.5, np.nan, np.nan, np.nan], atol=1e-3)
    with pytest.raises(InputError, match="column 'i' needs numbers: row 1 has 'faint'"):
        read(tmp_path, frame(i=["1", "faint", "2", "3"]), "fits", units={"mag": "uJy"})


def test_infinite_and_negative_values_are_none(tmp_path):
    changes = {"i": [np.inf, -np.inf, 21.0, 22.0], "ZPHOT": [-1.0, -0.5, 0.0, np.inf]}
    table = read(tmp_path, frame(**changes), "fits")
    np.testing.assert_array_equal(table["mag_i"], [np.nan, np.nan, 21, 22])
    np.testing.assert_array_equal(table["z_sed"], [np.nan, np.nan, 0, np.nan])


def test_a_missing_redshift_is_never_secure_and_a_mark_of_one_is_refused(tmp_path):
    table = read(tmp_path, frame(Z=[0.5, np.nan, np.inf, -0.001]))
    assert secure_redshifts(table, PLAIN)["z"].tolist() == [-0.001, 0.5]
    table = read(tmp_path, frame(Z=[0.5, -999.0, 1.0, -999.0]))
    said = r"'deep2' admits the redshift -999.0 \(2 rows below -0.01\); add 'Z > 0' to the rule"
    with pytest.raises(InputError, match=said):
        secure_redshifts(table, PLAIN)
    stricter = dataclasses.replace(PLAIN, secure="Q >= 3 & Z > 0.002")
    assert secure_redshifts(table, stricter)["z"].tolist() == [0.5, 1.0]


@pytest.mark.parametrize("stated", ["hours", "Hour", "h"])
def test_hours_in_a_header_are_noticed_however_they_are_spelt(tmp_path, stated):
    table = Table.from_pandas(frame(RA=[10.0, 10.01, 10.02, 10.03]))
    table["RA"].unit = "deg"
    table.write(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "a.fits").write_bytes(content.replace(b"'deg     '", f"'{stated:<8}'".encode()))
    with pytest.raises(InputError, match=rf"in {stated} by its header.*ra = \"hourangle\""):
        read_catalogue(tmp_path / "a.fits", PLAIN)


@pytest.mark.parametrize(
    ("stated", "fine"), [("AB mag", True), ("Mag", True), ("mag(AB)", True), ("mag(ST)", False)]
)
def test_magnitudes_of_another_system_are_refused(tmp_path, stated, fine):
    table = Table.from_pandas(frame())
    table["i"].unit = "mag"
    table.write(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "a.fits").write_bytes(content.replace(b"'mag     '", f"'{stated:<8}'".encode()))
    if fine:
        assert read_catalogue(tmp_path / "a.fits", PLAIN)["mag_i"].tolist() == [21.0] * 4
    else:
        with pytest.raises(InputError, match=r"in mag\(ST\) by its header.*convert the column"):
            read_catalogue(tmp_path / "a.fits", PLAIN)


def test_hours_of_a_field_on_both_sides_of_zero_are_noticed(tmp_path):
    rng = np.random.default_rng(1)
    ra = rng.uniform(-0.02, 0.02, 60) % 24
    table = pd.DataFrame({"ID": np.arange(60), "RA": ra, "DEC": rng.uniform(-0.3, 0.3, 60)})
    table = table.assign(**{"i": 21.0, "i_err": 0.1, "Z": 0.5, "Q": 4, "ZPHOT": 0.6})
    with pytest.raises(InputError, match=r"column 'RA' spans 0\.0.*it reads like hours"):
        read(tmp_path, table)
    degrees = table.assign(RA=rng.uniform(-0.3, 0.3, 60) % 360)
    assert len(read(tmp_path, degrees)) == 60
