"""Tables of metrics as text to read and as Parquet files to go on with."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hscz.atomic import write_atomic

TITLES = {
    "bias": "b",
    "sigma_mad": "sigma_MAD",
    "outlier_fraction": "eta(|dz|>0.15)",
    "sigma_iqr": "sigma_IQR",
    "outlier_fraction_iqr": "eta(RAIL)",
}
"""Column headings, by metric."""


PAPER_METRICS = ("bias", "sigma_mad", "outlier_fraction")


def format_table(table: pd.DataFrame, metrics: Sequence[str] = tuple(TITLES)) -> str:
    """Return a table of metrics as fixed-width text, value +- bootstrap error.

    Parameters
    ----------
    table : pandas.DataFrame
        From `hscz.evaluate.metrics.metrics_table`.
    metrics : sequence of str
        Columns to show, keys of `TITLES`.

    Examples
    --------
    >>> from hscz.evaluate.metrics import metrics_table
    >>> text = format_table(metrics_table([1.0, 0.5, 0.7], [1.0, 0.5, 0.7]))
    >>> text.splitlines()[1][:36]
    'all     3        0  0.0000 +- 0.0000'
    """
    heads = ["sample", "N", "missing", *(TITLES[m] for m in metrics)]
    rows = [
        [_sample(row), str(row["n"]), str(row["n_missing"]), *(_value(row, m) for m in metrics)]
        for row in table.to_dict("records")
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in [heads, *rows]
    )


def write_table(table: pd.DataFrame, path: str | Path) -> Path:
    """Write a table of metrics as Parquet, atomically."""
    return write_atomic(Path(path), lambda temporary: table.to_parquet(temporary, index=False))


def _sample(row: Mapping[Hashable, Any]) -> str:
    if row["by"] == "all":
        return "all"
    return f"{row['low']:g} <= {row['by']} < {row['high']:g}".replace("mag_i", "i")


def _value(row: Mapping[Hashable, Any], metric: str) -> str:
    if not row["n"]:
        return "-"
    return f"{row[metric]:.4f} +- {row[f'{metric}_err']:.4f}"
