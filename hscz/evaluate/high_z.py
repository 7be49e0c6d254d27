"""Recall and purity of samples beyond a redshift, selected by probability or by a point estimate.

The median of a PDF says on which side of a redshift more than half of the probability lies. High
redshifts are rare, and their PDFs have a second peak at low redshift: the median leaves most of
them out. Selected by P(z > limit) > threshold, a sample is as pure or as complete as one asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hscz.errors import InputError
from hscz.evaluate.calibration import binomial_error

LIMITS = (4.0, 5.0)
"""Redshifts beyond which samples are selected."""

THRESHOLDS = (0.02, *(round(0.05 * step, 2) for step in range(1, 20)))
"""Probabilities above which a galaxy is selected."""

SHOWN = (0.1, 0.2, 0.5)
"""Those of them that the text shows."""


def selection_table(
    z_true: ArrayLike,
    p_above: Mapping[float, ArrayLike],
    points: Mapping[str, ArrayLike],
    thresholds: Sequence[float] = THRESHOLDS,
) -> pd.DataFrame:
    """Return recall and purity of samples beyond redshifts.

    Parameters
    ----------
    z_true : array_like, shape (n,)
        Redshifts taken for true, finite.
    p_above : mapping of float to array_like, shape (n,)
        Probabilities to lie beyond each limit. Without an estimate, NaN, an object is not
        selected and lowers the recall.
    points : mapping of str to array_like, shape (n,)
        Point estimates to select by instead.
    thresholds : sequence of float

    Returns
    -------
    pandas.DataFrame
        One row for each limit that a true redshift lies beyond and each selection: ``limit``,
        ``by`` (``probability`` or the name of the estimate), ``threshold`` (a probability, NaN
        for estimates), ``n_true``, ``n_selected``, ``n_both``, ``recall`` (n_both / n_true),
        ``purity`` (n_both / n_selected), each with the binomial error ``_err``, and
        ``expected_recall`` and ``expected_purity``, which the probabilities themselves promise.
        NaN where a fraction is of nothing.

    Raises
    ------
    InputError
        If the arrays differ in length.

    Examples
    --------
    >>> table = selection_table([4.5, 4.2, 0.7], {4.0: [0.6, 0.3, 0.2]}, {}, [0.25, 0.5])
    >>> shown = ["threshold", "n_selected", "recall", "purity", "expected_purity"]
    >>> table[shown].round(2).values.tolist()
    [[0.25, 2.0, 1.0, 1.0, 0.45], [0.5, 1.0, 0.5, 1.0, 0.6]]
    """
    truth = np.asarray(z_true, np.float64)
    if len({len(truth), *(len(np.asarray(a)) for a in (*p_above.values(), *points.values()))}) > 1:
        raise InputError("true redshifts, probabilities and estimates differ in length")
    rows = []
    for limit, probabilities in p_above.items():
        probability, beyond = np.nan_to_num(np.asarray(probabilities, np.float64)), truth > limit
        if not beyond.any():
            continue
        for threshold in thresholds:
            place = {"limit": limit, "by": "probability", "threshold": threshold}
            rows.append(place | _row(probability > threshold, beyond, probability))
        for name, estimate in points.items():
            place = {"limit": limit, "by": name, "threshold": np.nan}
            rows.append(place | _row(np.asarray(estimate) > limit, beyond, probability))
    return pd.DataFrame(rows)


def format_selections(table: pd.DataFrame, limits: Sequence[float] = LIMITS) -> str:
    """Return the table of `selection_table` as fixed-width text, a few thresholds of it.

    Examples
    --------
    >>> table = selection_table([4.5, 0.7], {4.0: [0.6, 0.2]}, {"z_median": [4.4, 4.1]})
    >>> print(format_selections(table, [4.0, 5.0]))
    selected           N true      N            recall            purity
    P(z > 4) > 0.1          1      2  1.0000 +- 0.2500  0.5000 +- 0.2887
    P(z > 4) > 0.2          1      1  1.0000 +- 0.2500  1.0000 +- 0.2500
    P(z > 4) > 0.5          1      1  1.0000 +- 0.2500  1.0000 +- 0.2500
    z_median > 4            1      2  1.0000 +- 0.2500  0.5000 +- 0.2887
    No object has a redshift beyond 5 to compare with.
    """
    lines = [f"{'selected':<18}{'N true':>7}{'N':>7}{'recall':>18}{'purity':>18}"]
    for row in table.to_dict("records"):
        by_probability = row["by"] == "probability"
        if by_probability and row["threshold"] not in SHOWN:
            continue
        what = f"{row['by']} > {row['limit']:g}"
        if by_probability:
            what = f"P(z > {row['limit']:g}) > {row['threshold']:g}"
        cells = [
            f"{row[key]:.4f} +- {row[f'{key}_err']:.4f}" if np.isfinite(row[key]) else "-"
            for key in ("recall", "purity")
        ]
        counts = f"{row['n_true']:>7}{row['n_selected']:>7}"
        lines.append(f"{what:<18}{counts}" + "".join(f"{cell:>18}" for cell in cells))
    found = set(table["limit"]) if len(table) else set()
    absent = [f"{limit:g}" for limit in limits if limit not in found]
    if absent:
        lines.append(f"No object has a redshift beyond {' or '.join(absent)} to compare with.")
    return "\n".join(lines if found else lines[1:])


def _row(
    selected: NDArray[np.bool_], beyond: NDArray[np.bool_], probability: NDArray[np.float64]
) -> dict[str, float]:
    """Return the numbers of one selection."""
    n_true, n_selected = int(beyond.sum()), int(selected.sum())
    both, promised = int((selected & beyond).sum()), float(probability[selected].sum())
    row: dict[str, float] = {"n_true": n_true, "n_selected": n_selected, "n_both": both}
    wholes = {"recall": (n_true, float(probability.sum())), "purity": (n_selected, n_selected)}
    for name, (whole, promised_whole) in wholes.items():
        row[name] = both / whole if whole else np.nan
        row[f"{name}_err"] = float(binomial_error(row[name], whole))
        row[f"expected_{name}"] = promised / promised_whole if promised_whole else np.nan
    return row
