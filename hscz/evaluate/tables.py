"""Tables of metrics as text to read and as Parquet files to go on with."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hscz.files.atomic import write_atomic

TITLES = {
    "bias": "b",
    "sigma_mad": "sigma_MAD",
    "outlier_fraction": "eta(|dz|>0.15)",
    "sigma_iqr": "sigma_IQR",
    "outlier_fraction_iqr": "eta(RAIL)",
}
"""Column headings, by metric."""

CALIBRATION_TITLES = {
    "coverage_68": "in 68 %",
    "coverage_95": "in 95 %",
    "ks": "PIT KS",
    "pit_rmse": "PIT RMS",
    "pit_kl": "PIT KL",
    "hpd_ks": "HPD KS",
    "crps": "CRPS",
    "cde_loss": "CDE loss",
}
"""Column headings of `hscz.evaluate.calibration.calibration_table`, where it is shown as text."""

PAPER_METRICS = ("bias", "sigma_mad", "outlier_fraction")


def format_table(
    table: pd.DataFrame,
    metrics: Sequence[str] = tuple(TITLES),
    titles: Mapping[str, str] = TITLES,
    before: pd.DataFrame | None = None,
) -> str:
    """Return a table of metrics as fixed-width text, value +- error where it has one.

    Parameters
    ----------
    table : pandas.DataFrame
        From `hscz.evaluate.metrics.metrics_table` or another with ``by, low, high, n,
        n_missing``.
    metrics : sequence of str
        Columns to show, keys of `titles`.
    titles : mapping of str to str
        Their headings.
    before : pandas.DataFrame, optional
        The same rows at an earlier stage, whose values are to stand first: ``0.75 to 0.68``.

    Examples
    --------
    >>> from hscz.evaluate.metrics import metrics_table
    >>> text = format_table(metrics_table([1.0, 0.5, 0.7], [1.0, 0.5, 0.7]))
    >>> text.splitlines()[1][:36]
    'all     3        0  0.0000 +- 0.0000'
    """
    heads = ["sample", "N", "missing", *(titles[m] for m in metrics)]
    records = table.to_dict("records")
    earlier = [{}] * len(records) if before is None else before.to_dict("records")
    rows = [
        [_sample(row), str(row["n"]), str(row["n_missing"])]
        + [_value(row, metric, old) for metric in metrics]
        for row, old in zip(records, earlier, strict=True)
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


def _value(row: Mapping[Hashable, Any], metric: str, old: Mapping[Hashable, Any]) -> str:
    if not row["n"]:
        return "-"
    was = f"{old[metric]:.4f} to " if old else ""
    error = f" +- {row[f'{metric}_err']:.4f}" if f"{metric}_err" in row else ""
    return f"{was}{row[metric]:.4f}{error}"
