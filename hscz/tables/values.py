"""Values of a column as numbers, with NaN where they stand for none."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz.errors import InputError


def numbers(values: pd.Series) -> pd.Series:
    """Return a column as floating-point numbers, of its own precision if it has one.

    Raises
    ------
    InputError
        If it holds text that is no number, and neither blank nor nan.

    Examples
    --------
    >>> numbers(pd.Series([" 4", "  ", "3.5"])).tolist()
    [4.0, nan, 3.5]
    """
    if values.dtype.kind == "f":
        return values
    if values.dtype.kind in "iub":
        return values.astype(np.float64)
    known = values.notna() & ~values.astype(str).str.strip().str.lower().isin(["", "nan"])
    found = pd.to_numeric(values.where(known), errors="coerce").astype(np.float64)
    bad = found.isna() & known
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"column {values.name!r} needs numbers: row {values.index[row]} has "
            f"{values.iloc[row]!r}; "
            "leave missing values empty, or correct the column or the descriptor"
        )
    return found


def without_sentinels(values: pd.Series, missing: tuple[float, ...]) -> pd.Series:
    """Return the values with NaN for sentinels; whole numbers are codes and stay as they are.

    Examples
    --------
    >>> without_sentinels(pd.Series([-99.9, 1.5], dtype="float32"), (-99.9,)).tolist()
    [nan, 1.5]
    """
    if values.dtype.kind != "f":
        return values
    # A sentinel such as -99.9 has another value in single precision.
    sentinels = np.asarray(missing).astype(values.to_numpy().dtype)
    return values.mask(values.isin(sentinels))


def identifiers(column: str, values: NDArray) -> NDArray[np.int64]:
    """Return identifiers as whole numbers, every digit as it was.

    Raises
    ------
    InputError
        If one is missing, no whole number, or too long for its type.

    Examples
    --------
    >>> identifiers("ID", np.array(["43158034708430849", "12"], object)).tolist()
    [43158034708430849, 12]
    """
    about = f"column {column!r}"
    remedy = "name another column, or none to number the rows"
    if values.dtype.kind == "f":
        # Above this, floating-point numbers leave out whole numbers.
        limit = 2.0 ** (np.finfo(values.dtype).nmant + 1)
        for bad, why in (
            (values != np.round(values), "is no whole number"),
            (np.abs(values) > limit, "has more digits than its floating-point type holds"),
        ):
            if bad.any():
                row = int(np.argmax(bad))
                raise InputError(f"{about} has {values[row]} in row {row}, which {why}; {remedy}")
    elif values.dtype.kind == "u" and (values > np.iinfo(np.int64).max).any():
        raise InputError(f"{about} has {values.max()}, more than 63 bits hold; {remedy}")
    try:
        return values.astype(np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"identifiers must be whole numbers: {error}; "
            "drop object_id from the descriptor to number the rows"
        ) from None
