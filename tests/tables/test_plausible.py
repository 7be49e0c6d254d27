"""Values that give away a wrong unit or an undeclared mark of missing ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hscz.errors import InputError
from hscz.tables.read import read_catalogue


def plain(tmp_path: Path, frame: pd.DataFrame, units: str = "") -> pd.DataFrame:
    """Read a table of positions, g magnitudes and redshifts with a descriptor of its own."""
    toml = tmp_path / "own.toml"
    toml.write_text(
        'title = "p"\nsurvey = "P"\nreference = "-"\nbibcode = "-"\nmissing = [-99.0]\n'
        'selection = "-"\nextinction_corrected = false\nz_range = [0.0, 1.0]\n'
        f'[columns]\nra = "ra"\ndec = "dec"\nz = "z"\n[mag]\ng = "g"\n{units}'
    )
    frame.to_csv(tmp_path / "own.csv", index=False)
    return read_catalogue(tmp_path / "own.csv", toml)


@pytest.fixture
def good() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "ra": rng.uniform(149, 151, 200),
            "dec": rng.uniform(1, 3, 200),
            "g": rng.uniform(19, 27, 200),
            "z": rng.uniform(0, 3, 200),
        }
    )


@pytest.mark.parametrize(
    ("change", "units", "message"),
    [
        (
            {"z": lambda t: t["z"].where(t.index != 7, 999.0)},
            "",
            r"column 'z' has 999.0 in row 7 \(1 rows above 20\), which is no redshift; add it to",
        ),
        (
            {"g": lambda t: t["g"].where(t.index % 50 != 9, 99.9)},
            "",
            r"column 'g' has 99.9 in row 9 \(4 rows above 40\), which is no magnitude; add it to",
        ),
        (
            {"g": lambda t: 10 ** (-0.4 * (t["g"] - 23.9))},
            "",
            r"column 'g' gives values from .* no AB magnitudes; write .* mag = \"uJy\"",
        ),
        (
            {"g": lambda t: 10 ** (-0.4 * (t["g"] - 31.4))},
            "",
            r"column 'g' gives values from .* no AB magnitudes",
        ),
        ({}, '[units]\nmag = "uJy"\n', r"column 'g' hardly varies for fluxes in uJy .*magnitudes"),
        (
            {"g": lambda t: 10 ** (-0.4 * (t["g"] + 48.6))},
            '[units]\nmag = "uJy"\n',
            r"column 'g' gives values from .* no AB magnitudes; write the right unit",
        ),
        (
            {"ra": lambda t: t["ra"] / 15},
            "",
            r"column 'ra' spans 0.1\d+ and the declinations .* write ra = \"hourangle\"",
        ),
        (
            {"z": lambda t: t["z"].astype(object).where(t.index != 3, "--")},
            "",
            r"column 'z' needs numbers: row 3 has '--'",
        ),
        ({"dec": lambda t: t["dec"].where(t.index != 5, -99)}, "", "row 5 lies at ra=.*dec=-99"),
        (
            {"RA": lambda t: t["ra"], "Ra": lambda t: t["ra"], "ra": None},
            "",
            r"own.csv: 'ra' could be any of the columns RA, Ra, which differ in case alone",
        ),
    ],
)
def test_values_that_cannot_be_are_named_with_their_mend(
    tmp_path: Path, good: pd.DataFrame, change: dict[str, Any], units: str, message: str
) -> None:
    bad = good.assign(**{name: make for name, make in change.items() if make})
    bad = bad.drop(columns=[name for name, make in change.items() if not make])
    with pytest.raises(InputError, match=message):
        plain(tmp_path, bad, units)


def test_a_flux_that_is_almost_nothing_by_chance_passes(tmp_path: Path, good: pd.DataFrame) -> None:
    faint = good.assign(g=good["g"].where(good.index != 3, 40.85))
    assert plain(tmp_path, faint)["mag_g"][3] == 40.85
    for others in ([3, 4], [3]):
        value = 40.85 if len(others) > 1 else 99.0
        marked = good.assign(g=good["g"].where(~good.index.isin(others), value))
        with pytest.raises(InputError, match=f"has {value} in row 3 .* which is no magnitude"):
            plain(tmp_path, marked)


def test_values_that_may_be_pass(tmp_path: Path, good: pd.DataFrame) -> None:
    assert len(plain(tmp_path, good)) == 200
    fluxes = good.assign(g=10 ** (-0.4 * (good["g"] - 23.9)))
    np.testing.assert_allclose(
        plain(tmp_path, fluxes, '[units]\nmag = "uJy"\n')["mag_g"], good["g"]
    )
    masked = good.assign(g=good["g"].where(good.index > 9), z=good["z"].where(good.index > 5, -99))
    table = plain(tmp_path, masked)
    assert (table["mag_g"].isna().sum(), table["z"].isna().sum()) == (10, 6)
    hours = good.assign(ra=good["ra"] / 15)
    table = plain(tmp_path, hours, '[units]\nra = "hourangle"\n')
    np.testing.assert_allclose(table["ra"], good["ra"])
    narrow = good.assign(ra=10 + good["ra"] / 15)
    assert len(plain(tmp_path, narrow, '[units]\nra = "deg"\n')) == 200
