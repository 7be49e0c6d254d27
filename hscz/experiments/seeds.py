"""Means over the seeds of repeated experiments, and how well they are known.

A seed is a sky and a training of its own. What it finds is taken for

    value = mean + a + g,    Var(a) = tau^2,    Var(g) = err^2,

where g comes of the galaxies (or cells of the sky) that it happens to have, whose error the
bootstrap gives, and a of all else that differs between seeds, the draws of the training above
all. The mean of n seeds then has the variance (tau^2 + <err^2>) / n.

The scatter s of the seeds holds both, so that s^2 - <err^2> estimates tau^2; but that of three
seeds is wrong by a factor of two as often as not. So the estimates of all recipes and targets are
pooled, for each metric and sample, the source field apart; and each is moderated by its own, so
that a recipe whose trainings scatter more shows it (Smyth 2004, SAGMB 3, 3; there the weight of
the pool is fitted).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from hscz.experiments.compare import KEYS

PLACE = (*KEYS, "against")
"""Columns that say what a row is about, apart from the seed."""

ALIKE = ("test", "by", "low", "high", "metric", "against")
"""Columns in which rows agree that are taken to scatter alike between seeds."""

POOL_SEEDS = 4
"""Degrees of freedom that the pool counts for beside the n - 1 of a row's own scatter."""


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over seeds of every value, with its error from seeds and galaxies.

    Parameters
    ----------
    table : pandas.DataFrame
        From `hscz.experiments.compare.compare` or `hscz.experiments.gains`. A single seed has
        the error of its galaxies alone, unless others of the table say how seeds scatter.

    Returns
    -------
    pandas.DataFrame
        The same columns without ``seed``, ``n`` and ``n_missing`` being means too; ``n_seeds``
        and, since a seed without a gap has no share of it, ``closed_seeds``.

    Examples
    --------
    >>> rows = pd.DataFrame({"seed": [1, 2], "recipe": "v2", "w1": [0.1, 0.2], "w1_err": 0.01})
    >>> over_seeds(rows).round(3).to_dict("records")
    [{'recipe': 'v2', 'n_seeds': 2, 'w1': 0.15, 'w1_err': 0.05}]
    """
    keys = [key for key in PLACE if key in table]
    values = [str(name) for name in table if f"{name}_err" in table]
    groups = table.groupby(keys, dropna=False, sort=False)
    squares = table[keys].assign(**{name: table[f"{name}_err"] ** 2 for name in values})
    count, scatter = groups[values].count(), groups[values].var()
    freedom = (count - 1).clip(lower=0)
    own = squares.groupby(keys, dropna=False, sort=False)[values].mean()
    own = own.where(own.notna() | (freedom == 0), 0)
    variance = own + _between(scatter - own, freedom)
    mean = groups.mean(numeric_only=True).drop(columns="seed")
    for name in values:
        mean[f"{name}_err"] = np.sqrt(variance[name] / count[name].where(count[name] > 0))
    mean.insert(0, "n_seeds", groups.size())
    if "closed" in values:
        mean.insert(1, "closed_seeds", count["closed"])
    return mean.reset_index()


def _between(excess: pd.DataFrame, freedom: pd.DataFrame) -> pd.DataFrame:
    """Return tau^2 of each row from the excess of its scatter over its own error, and the pool."""
    places = excess.index.to_frame(index=False)
    alike = [places[key].to_numpy() for key in ALIKE if key in places]
    if {"field", "target"} <= set(places):
        alike.append((places["field"] == places["target"]).to_numpy())
    alike = alike or [np.zeros(len(places))]
    weighted = (excess * freedom).fillna(0)
    sums, count = (
        part.groupby(alike, dropna=False).transform("sum") for part in (weighted, freedom)
    )
    pool = (sums / count.where(count > 0)).fillna(0).clip(lower=0)
    return ((POOL_SEEDS * pool + weighted) / (POOL_SEEDS + freedom)).clip(lower=0)
