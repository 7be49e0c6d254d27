"""Matches in HATS catalogues."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hscz.errors import InputError
from hscz.tables.hats import match_hats
from hscz.tables.match import match_one_to_one

lsdb = pytest.importorskip("lsdb", reason="LSDB is not installed; pip install 'hscz[hats]'")

# LSDB 0.11 uses what pandas 3.1 will drop.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


@pytest.fixture(scope="module")
def objects() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 4000
    ra, dec = rng.uniform(-0.4, 0.4, n), rng.uniform(-0.4, 0.4, n)
    return pd.DataFrame({"RAJ": ra % 360, "DEJ": dec, "ident": np.arange(n), "mag": 22.0})


@pytest.fixture(scope="module")
def folder(objects: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hats") / "objects"
    catalogue = lsdb.from_dataframe(
        objects,
        ra_column="RAJ",
        dec_column="DEJ",
        partition_rows=1000,
        highest_order=8,
        margin_threshold=None,
    )
    assert catalogue.npartitions > 3
    catalogue.write_catalog(path)
    return path


def test_pairs_are_those_of_the_whole_tables(objects: pd.DataFrame, folder: Path) -> None:
    rng = np.random.default_rng(6)
    table = objects.iloc[rng.permutation(len(objects))[:1500]]
    table = pd.DataFrame(
        {
            "ra": table["RAJ"] + rng.normal(0, 5 / 3600, 1500),
            "dec": table["DEJ"] + rng.normal(0, 5 / 3600, 1500),
        }
    )
    found = match_hats(folder, table, columns=["ident"], radius_arcsec=20)
    row, own, separation = match_one_to_one(
        table["ra"], table["dec"], objects["RAJ"], objects["DEJ"], 20
    )
    assert found["row"].tolist() == row.tolist()
    assert found["ident"].tolist() == objects["ident"].to_numpy()[own].tolist()
    np.testing.assert_allclose(found["separation_arcsec"], separation, atol=1e-6)
    assert len(found) > 1400


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"ra": [45.0], "dec": [0.0]})
    with pytest.raises(InputError, match="no column 'colour'; there are"):
        match_hats(folder, table, columns=["colour"])
    with pytest.raises(InputError, match="none: cannot be opened as a HATS catalogue"):
        match_hats(tmp_path / "none", table)
