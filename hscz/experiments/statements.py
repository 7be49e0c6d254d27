"""Which recipe is better than which: differences on the same galaxies, with errors of seeds.

What is said of two recipes follows from the difference of the pair, whose error is smaller than
those of the two values: they are judged on the same galaxies of the same skies.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from hscz.evaluate.tables import TITLES
from hscz.experiments.gains import METRICS
from hscz.experiments.recipes import (
    ADVERSARY,
    BASELINE,
    CONTROL,
    EARLIER,
    LONG,
    ORACLE,
    RECOMMENDED,
)
from hscz.experiments.seeds import over_seeds

PAIRS = (
    (ADVERSARY, CONTROL),
    (ADVERSARY, BASELINE),
    (RECOMMENDED, LONG),
    (RECOMMENDED, BASELINE),
    (RECOMMENDED, ADVERSARY),
    (RECOMMENDED, ORACLE),
    (RECOMMENDED, EARLIER),
)
"""Which recipe is held against which: above all the adversary, and stamps made like a target's,
against the same network without them."""

LOW, HIGH = 23.0, 25.0
"""Sample in which they are judged, i mag: where the fields differ most."""


def statements(gains: pd.DataFrame) -> pd.DataFrame:
    """Say of each pair, in each place, which is better.

    Parameters
    ----------
    gains : pandas.DataFrame
        From `hscz.experiments.gains.paired_gains`.

    Returns
    -------
    pandas.DataFrame
        Columns ``recipe``, ``against``, ``target``, ``field``, ``metric``, ``gain`` (mean over
        seeds, above 0 where the recipe is better), ``gain_err`` (from seeds and galaxies),
        ``n``, ``n_seeds`` and ``verdict``: better, worse, or level within one error; in the
        source field no harm, or harm.

    Examples
    --------
    >>> row = {"recipe": "v2", "against": "control", "target": "DEEP2", "field": "DEEP2"}
    >>> row |= {"by": "mag_i", "low": 23.0, "high": 25.0, "metric": "sigma_mad", "n": 900}
    >>> gains = pd.DataFrame([row | {"seed": s, "gain": 0.004, "gain_err": 0.002} for s in (1, 2)])
    >>> statements(gains)[["gain", "gain_err", "verdict"]].round(4).values.tolist()
    [[0.004, 0.0014, 'better']]
    """
    at = (gains["by"] == "mag_i") & (gains["low"] == LOW) & (gains["high"] == HIGH)
    mean = over_seeds(gains[at])
    kept = ["recipe", "against", "target", "field", "metric", "gain", "gain_err", "n", "n_seeds"]
    verdicts = [
        _verdict(row["gain"], row["gain_err"], row["field"] == row["target"])
        for row in mean.to_dict("records")
    ]
    return mean[kept].assign(verdict=verdicts)


def _verdict(gain: float, error: float, at_home: bool) -> str:
    if not at_home:
        return "no harm" if gain >= -error else "harm"
    if abs(gain) <= error or not np.isfinite(error):
        return "level"
    return "better" if gain > 0 else "worse"


def format_statements(gains: pd.DataFrame) -> str:
    """Return the statements as text, a block for each pair.

    Parameters
    ----------
    gains : pandas.DataFrame
        From `hscz.experiments.gains.paired_gains`.
    """
    found = statements(gains)
    parts = []
    for (recipe, against), pair in found.groupby(["recipe", "against"], sort=False):
        rows = {
            _place(first): _cells(pair[(pair["target"] == target) & (pair["field"] == field)])
            for (target, field), places in pair.groupby(["target", "field"], sort=False)
            for first in [places.iloc[0].to_dict()]
        }
        parts += [f"\n{recipe} against {against}", *_counts(pair)]
        parts.append(pd.DataFrame.from_dict(rows, orient="index").to_string())
    return "\n".join(parts)


def _place(row: Mapping[Hashable, Any]) -> str:
    here = row["field"] == row["target"]
    return row["target"] if here else f"{row['field']}, recipe for {row['target']}"


def _cells(rows: pd.DataFrame) -> dict[str, str]:
    cells = {}
    for row in rows.to_dict("records"):
        title = TITLES[row["metric"]]
        cells[title] = f"{row['gain']:+.4f} +- {row['gain_err']:.4f}"
        cells[f"{title} is"] = row["verdict"]
        cells |= {"N": f"{row['n']:.0f}", "seeds": f"{row['n_seeds']:.0f}"}
    return cells


def _counts(pair: pd.DataFrame) -> list[str]:
    """Say in how many targets a recipe is better, and in how many worse."""
    home = pair[pair["field"] == pair["target"]]
    lines = []
    for metric in METRICS:
        said = home.loc[home["metric"] == metric, "verdict"]
        better, worse = (int((said == word).sum()) for word in ("better", "worse"))
        lines.append(
            f"{TITLES[metric]}: better in {better} of {len(said)} targets, worse in {worse}"
        )
    return lines
