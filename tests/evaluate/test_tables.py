"""Tables of metrics, to read and to keep."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hscz.evaluate.metrics import metrics_table
from hscz.evaluate.tables import format_table, write_table


def make_table() -> pd.DataFrame:
    return metrics_table([1.02, 0.5, 0.9], [1.0, 0.5, 0.9], {"mag_i": ([20, 21, 22], [20, 23, 25])})


def test_text_has_a_line_for_each_row_in_straight_columns() -> None:
    lines = format_table(make_table()).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split()[:4] == ["sample", "N", "missing", "b"]
    assert "eta(|dz|>0.15)" in lines[0]
    assert lines[2].startswith("20 <= i < 23")
    assert "+-" in lines[2]
    assert lines[3].split()[-5:] == ["-"] * 5


def test_file_holds_the_same_table(tmp_path: Path) -> None:
    table = make_table()
    path = write_table(table, tmp_path / "new" / "metrics.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)
