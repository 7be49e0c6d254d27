"""Whether an adversary acts: the fields are then harder to tell apart than by its control's maps.

A low probe is no aim in itself. It says that an adversary does something, not that it does good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd

from hscz.config import RunConfig
from hscz.config.learn import AdaptConfig
from hscz.experiments.experiment import Experiment
from hscz.learn.folder import ModelFolder

LEAST_FALL, ERRORS = 0.1, 3
"""By how much, and by how many errors, the probe must fall below its control's."""

_CONTEST = ("adversary", "weight", "ramp", "verdict", "rate", "judged_share")
OF_THE_ADVERSARY = (*_CONTEST, "kernels", "dense")
"""Settings of [adapt] that make no difference to a network where the weight is 0."""


def probes(plan: Sequence[Experiment]) -> pd.DataFrame:
    """Return what the probes found of the networks of a plan.

    Returns
    -------
    pandas.DataFrame
        One row per seed, target and recipe with a probe: ``probe``, ``probe_err`` and ``probe_n``,
        means over folds and runs (the number is their sum), ``watched`` (whether an adversary with
        a weight had a hand in it) and ``against``, the recipe that is the same with weight 0,
        empty where there is none.
    """
    rows = []
    for one in plan:
        found = _probe(one) if one.estimator.trains else {}
        if found:
            place = {"seed": one.seed, "target": one.target, "recipe": one.recipe}
            about = {"watched": _watched(one.config.adapt), "against": _own_control(one, plan)}
            rows.append(place | found | about)
    return pd.DataFrame(rows)


def format_probes(table: pd.DataFrame) -> str:
    """Return the probes as text, with a word on each adversary.

    Parameters
    ----------
    table : pandas.DataFrame
        From `probes`.

    Examples
    --------
    >>> place = {"seed": 1, "target": "DEEP2", "probe_err": 0.01, "probe_n": 1100}
    >>> rows = [
    ...     {"recipe": "v2", "probe": 0.62, "watched": True, "against": "control"},
    ...     {"recipe": "late", "probe": 0.91, "watched": True, "against": "control"},
    ...     {"recipe": "control", "probe": 0.95, "watched": False, "against": ""},
    ... ]
    >>> print(format_probes(pd.DataFrame(rows).assign(**place)))
    DEEP2, v2: 0.620 +- 0.010 (N 1100, seeds 1), control 0.950 +- 0.010: the adversary acts
    DEEP2, late: 0.910 +- 0.010 (N 1100, seeds 1), control 0.950 +- 0.010: the adversary is inactive
    DEEP2, control: 0.950 +- 0.010 (N 1100, seeds 1)
    """
    means = {place: _mean(rows) for place, rows in table.groupby(["target", "recipe"], sort=False)}
    lines = []
    for (target, recipe), row in means.items():
        text = f"{target}, {recipe}: {_value(row)} (N {row['n']}, seeds {row['seeds']})"
        control = means.get((target, row["against"]))
        if row["watched"] and control:
            word = "acts" if acts(row, control) else "is inactive"
            text += f", {row['against']} {_value(control)}: the adversary {word}"
        elif row["watched"]:
            text += (
                ": without a control (the same with adapt.weight = 0), nothing to hold it against"
            )
        lines.append(text)
    return "\n".join(lines)


def acts(row: dict[str, Any], control: dict[str, Any]) -> bool:
    """Return whether a probe is well below its control's; both have ``probe`` and ``probe_err``.

    Examples
    --------
    >>> control = {"probe": 0.95, "probe_err": 0.01}
    >>> acts({"probe": 0.80, "probe_err": 0.01}, control)
    True
    >>> acts({"probe": 0.80, "probe_err": 0.06}, control)
    False
    """
    fall = control["probe"] - row["probe"]
    return bool(fall >= max(LEAST_FALL, ERRORS * np.hypot(row["probe_err"], control["probe_err"])))


def _probe(one: Experiment) -> dict[str, float]:
    """Return the mean of the probes of an experiment's networks; empty where none has one."""
    histories = [ModelFolder(folder).epochs() for folder in one.config.models]
    last = [rows[-1] for rows in histories if rows and "probe" in rows[-1]]
    if not last:
        return {}
    errors = [row["probe_err"] for row in last]
    return {
        "probe": float(np.mean([row["probe"] for row in last])),
        "probe_err": float(np.sqrt(np.sum(np.square(errors))) / len(last)),
        "probe_n": int(sum(row["probe_n"] for row in last)),
    }


def _own_control(one: Experiment, plan: Sequence[Experiment]) -> str:
    """Return the recipe of the plan that differs by the weight of the adversary alone."""
    if not _watched(one.config.adapt):
        return ""
    beside = [x for x in plan if (x.seed, x.target) == (one.seed, one.target)]
    without = [x for x in beside if x.config.adapt.adversary != "none"]
    alike = (x for x in without if _without(x.config) == _without(one.config))
    return next((x.recipe for x in alike if not _watched(x.config.adapt)), "")


def _watched(adapt: AdaptConfig) -> bool:
    """Return whether an adversary has a hand in the network."""
    return adapt.adversary != "none" and adapt.weight > 0


def _without(config: RunConfig) -> tuple[Any, ...]:
    """Return what decides a network when its adversary has no weight."""
    plain = AdaptConfig()
    neutral = {f.name: getattr(plain, f.name) for f in fields(plain) if f.name in OF_THE_ADVERSARY}
    statistics = config.adapt.separate_statistics
    adapt = replace(config.adapt, **neutral)
    train = replace(config.train, name="")
    return adapt, statistics, train, config.network, config.flatten


def _mean(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the mean over seeds, with the error of that and the scatter between them."""
    n = len(rows)
    scatter = rows["probe"].std(ddof=1) if n > 1 else 0.0
    own = np.sqrt(np.square(rows["probe_err"]).sum()) / n
    first = rows.iloc[0]
    return {
        "probe": float(rows["probe"].mean()),
        "probe_err": float(max(own, scatter / np.sqrt(n))),
        "n": int(rows["probe_n"].sum()),
        "seeds": n,
        "watched": bool(first["watched"]),
        "against": first["against"],
    }


def _value(row: dict[str, Any]) -> str:
    return f"{row['probe']:.3f} +- {row['probe_err']:.3f}"
