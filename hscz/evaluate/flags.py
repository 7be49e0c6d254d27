"""What each quality flag is worth: how many redshifts it takes away, and how bad they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hscz.errors import InputError
from hscz.evaluate.calibration import binomial_error
from hscz.evaluate.metrics import outlier_fraction, residual
from hscz.schema import SINGLE_FLAGS


def flag_purity(flags: ArrayLike, z_pred: ArrayLike, z_true: ArrayLike) -> pd.DataFrame:
    """Return the fraction of outliers, ``|dz| > 0.15``, inside and outside each flag.

    Parameters
    ----------
    flags : array_like of int, shape (n,)
    z_pred, z_true : array_like, shape (n,)
        Objects with NaN in either take no part.

    Returns
    -------
    pandas.DataFrame
        One row per flag that an object has, first one for all objects (``any redshift``) and
        one for those with any flag: ``flag, n, n_flagged, flagged`` (the fraction), ``eta_in``
        and ``eta_out`` (the outliers' fraction inside and outside) and ``outliers_caught``
        (the fraction of all outliers that has the flag), each with ``_err``. NaN where a
        fraction is of nothing.

    Raises
    ------
    InputError
        If the arrays differ in length or no object has both redshifts.

    Examples
    --------
    >>> table = flag_purity([65536, 0, 0, 0], [3.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0])
    >>> table[["flag", "n_flagged", "eta_in", "eta_out", "outliers_caught"]].values.tolist()[1:]
    [['any_flag', 1, 1.0, 0.0, 1.0], ['wide_pdf', 1, 1.0, 0.0, 1.0]]
    """
    bits, predicted, truth = np.asarray(flags), np.asarray(z_pred), np.asarray(z_true)
    if len({len(bits), len(predicted), len(truth)}) > 1:
        raise InputError(
            f"{len(bits)} flags, {len(predicted)} estimates and {len(truth)} true redshifts do "
            "not fit each other"
        )
    known = np.isfinite(predicted) & np.isfinite(truth)
    if not known.any():
        raise InputError(f"none of {len(bits)} objects has both redshifts to compare")
    bits, dz = bits[known], residual(predicted, truth)[known]
    members = {"any redshift": np.ones(len(bits), bool), "any_flag": bits != 0}
    members |= {str(f.name).lower(): (bits & f.value) != 0 for f in SINGLE_FLAGS}
    outlier = outlier_fraction(dz[:, None]) > 0
    rows = []
    for name, inside in members.items():
        if not inside.any():
            continue
        row: dict[str, str | float] = {"flag": name, "n": len(bits), "n_flagged": int(inside.sum())}
        parts = {
            "flagged": inside,
            "eta_in": outlier[inside],
            "eta_out": outlier[~inside],
            "outliers_caught": inside[outlier],
        }
        for key, part in parts.items():
            row[key] = float(part.mean()) if len(part) else np.nan
            row[f"{key}_err"] = float(binomial_error(row[key], len(part)))
        rows.append(row)
    return pd.DataFrame(rows)


def format_flags(table: pd.DataFrame) -> str:
    """Return the table of `flag_purity` as fixed-width text.

    Examples
    --------
    >>> print(format_flags(flag_purity([0, 4], [1.0, 1.0], [1.0, 2.0])).splitlines()[1])
    any redshift          2  1.0000 +- 0.1667  0.5000 +- 0.2887                 -  1.0000 +- 0.2500
    """
    keys = {
        "flagged": "flagged",
        "eta_in": "eta inside",
        "eta_out": "eta outside",
        "outliers_caught": "outliers caught",
    }
    lines = [f"{'flag':<18}{'N':>5}" + "".join(f"{title:>18}" for title in keys.values())]
    for row in table.to_dict("records"):
        cells = [
            "-" if np.isnan(row[key]) else f"{row[key]:.4f} +- {row[f'{key}_err']:.4f}"
            for key in keys
        ]
        lines.append(f"{row['flag']:<16}{row['n_flagged']:>7}" + "".join(f"{c:>18}" for c in cells))
    return "\n".join(lines)
