from __future__ import annotations

from pathlib import Path

import numpy as np

from hscz import figures
from hscz.tables.descriptor import load_descriptor


def test_a_catalogue_that_says_little_of_itself_is_listed(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[columns]\nra = "RA"\ndec = "DEC"\nz = "Z"\n')
    mine = load_descriptor(tmp_path / "mine.toml")
    printed = figures.table1({}, [mine, load_descriptor("vvds")]).table
    assert printed["survey"].tolist() == ["mine", "VVDS"]
    assert np.isnan(printed["z_low"][0])
