"""Whether the paper's orderings hold, and what a choice without labels costs.

Absolute numbers of a mock survey are not those of the sky; orderings are what it can confirm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from hscz.errors import InputError
from hscz.evaluate.tables import TITLES
from hscz.experiments.gains import METRICS
from hscz.experiments.recipes import ADVERSARY, BASELINE, SPECTRA, SWAPPED
from hscz.experiments.seeds import over_seeds

JUDGED_AT = "23-25"
"""Sample in which recipes are ranked: where the fields differ most."""

EASY_TARGET = "COSMOS_DEEP"

V0, V1, V2 = BASELINE, SPECTRA, ADVERSARY

ORDERINGS = (
    *(
        (f"{V1} beats {V2} on the labelled sample", "spec", metric, f"{V1} all", f"{V2} all")
        for metric in METRICS
    ),
    *(
        (f"{V2} beats {V1} in n(z) against {what}", test, "w1", f"{V2} 24-25", f"{V1} 24-25")
        for what, test in (("training", "n_of_z_training"), ("truth", "n_of_z_truth"))
    ),
    (f"{V2} beats {V1} in |b| on [OII]", "oii", "bias", f"{V2} candidates", f"{V1} candidates"),
    (
        f"{V2} has fewer PDFw > 1.5 than {V0}",
        *("pdf_width", "wide_fraction", f"{V2} 24-25", f"{V0} 24-25"),
    ),
    *(
        (
            f"{V2} worsens with i",
            *("known", metric, f"{V2} 18-22.5", f"{V2} 18-24", f"{V2} 24-25"),
        )
        for metric in METRICS
    ),
    *(
        (f"swapping u and u* harms {V0}", "known", metric, f"{V0} all", f"{SWAPPED} all")
        for metric in METRICS
    ),
)
"""What the paper says: claim, test, metric, and the places along which its size grows.

``known`` stands for the true redshifts, or the spectroscopic ones where those are not known.
"""

Rows = Mapping[tuple[str, ...], Mapping[str, Any]]
"""Rows of means over seeds by test (or metric), recipe and sample, such as 23-25."""


def orderings(table: pd.DataFrame) -> pd.DataFrame:
    """Say which of the paper's orderings hold.

    Parameters
    ----------
    table : pandas.DataFrame
        From `hscz.experiments.compare.compare`.

    Returns
    -------
    pandas.DataFrame
        Columns ``claim``, ``target``, ``field``, ``numbers`` (means over seeds, and by how many
        errors the least of the steps differs from zero) and ``holds``. Claims about recipes that
        are absent are left out.

    Examples
    --------
    >>> place = {"seed": 1, "target": "DEEP2", "field": "DEEP2", "test": "pdf_width"}
    >>> rows = [("v0", 0.2, 0.01), ("v2", 0.1, 0.01)]
    >>> table = pd.DataFrame(rows, columns=["recipe", "wide_fraction", "wide_fraction_err"])
    >>> found = orderings(table.assign(**place, by="mag_i", low=24.0, high=25.0)).iloc[0]
    >>> found["claim"], found["numbers"], bool(found["holds"])
    ('v2 has fewer PDFw > 1.5 than v0',
     'wide_fraction v2 24-25 0.1000 +- 0.0100 < v0 24-25 0.2000 +- 0.0100 (7.1 sigma)', True)
    """
    means = places(over_seeds(table), "test")
    rows: list[dict[str, Any]] = []
    for (target, field), found in means.items():
        for claim, test, metric, *steps in ORDERINGS:
            if field == target or f"{SWAPPED} all" in steps:
                line = _growing(found, test, metric, steps)
                rows += [{"claim": claim, "target": target, "field": field} | line] if line else []
    rows += _least_gain(means)
    return pd.DataFrame(rows, columns=["claim", "target", "field", "numbers", "holds"])


def places(mean: pd.DataFrame, key: str) -> dict[tuple[str, str], Rows]:
    """Return the rows of each target and field, by the column `key`, recipe and sample."""
    found: dict[tuple[str, str], dict[tuple[str, ...], Mapping[str, Any]]] = {}
    for row in mean.to_dict("records"):
        sample = f"{row['low']:g}-{row['high']:g}" if np.isfinite(row["low"]) else row["by"]
        sample = f"z {sample}" if row["by"] == "z" else sample
        place = found.setdefault((row["target"], row["field"]), {})
        place[row[key], row["recipe"], sample] = {str(name): value for name, value in row.items()}
    return {place: dict(rows) for place, rows in found.items()}


def known_by(found: Rows) -> str:
    """Return the test that the redshifts of a place are put to: ``truth``, or ``spec``."""
    return "truth" if any(test == "truth" for test, *_ in found) else "spec"


def _growing(found: Rows, test: str, metric: str, steps: Sequence[str]) -> dict[str, Any]:
    """Say whether the size of a metric grows along the steps; nothing unless all are there."""
    test = known_by(found) if test == "known" else test
    rows = [found.get((test, *step.split()), {}) for step in steps]
    values = np.array([abs(row.get(metric, np.nan)) for row in rows])
    if not np.isfinite(values).all():
        return {}
    errors = np.array([row[f"{metric}_err"] for row in rows])
    numbers = f"{TITLES.get(metric, metric)} {steps[0]} {value_text(values[0], errors[0])}"
    for step, (before, after), error in zip(steps[1:], pairwise(values), errors[1:], strict=True):
        numbers += f" {'<' if before < after else '>='} {step} {value_text(after, error)}"
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.min(np.abs(np.diff(values)) / np.hypot(errors[1:], errors[:-1]))
    return {"numbers": f"{numbers} ({sigma:.1f} sigma)", "holds": bool((np.diff(values) > 0).all())}


def _least_gain(means: Mapping[tuple[str, str], Rows]) -> list[dict[str, Any]]:
    """Say whether the adversary gains least in the target that is most like the source."""
    gains = {}
    for (target, field), found in means.items():
        before, after = (found.get((known_by(found), recipe, JUDGED_AT)) for recipe in (V0, V2))
        if target == field and before and after:
            error = np.hypot(before["sigma_mad_err"], after["sigma_mad_err"])
            gains[target] = (before["sigma_mad"] - after["sigma_mad"], error)
    if EASY_TARGET not in gains or len(gains) < 2:
        return []
    texts = (f"{name} {value_text(*gain)}" for name, gain in gains.items())
    numbers = f"{V0} - {V2} in sigma_MAD {JUDGED_AT}: {', '.join(texts)}"
    least = min(gains, key=lambda name: gains[name][0])
    place = {"claim": f"{V2} gains least in {EASY_TARGET}", "target": EASY_TARGET}
    return [place | {"field": EASY_TARGET, "numbers": numbers, "holds": least == EASY_TARGET}]


def choices(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Compare the recipes chosen without labels with those that the truth would choose.

    Parameters
    ----------
    table : pandas.DataFrame
        From `hscz.experiments.compare.compare`, with the test ``truth``.
    scores : pandas.DataFrame
        One row per ``seed``, ``target`` and candidate ``recipe``, from
        `hscz.experiments.gather.label_free`; the bool ``chosen`` marks one of each seed and
        target, and ``sigma_mad`` is what it promises.

    Returns
    -------
    pandas.DataFrame
        By ``seed`` and ``target``: ``chosen``, its ``sigma_mad`` at 23 <= i < 25 and what it had
        ``promised``, ``best`` of the candidates, ``best_sigma_mad``, and ``regret``, the
        difference.

    Raises
    ------
    InputError
        If a chosen recipe has not been compared with the truth.

    Examples
    --------
    >>> rows = pd.DataFrame({"recipe": ["v2", "adabn"], "sigma_mad": [0.05, 0.06]})
    >>> rows = rows.assign(seed=1, target="DEEP2", field="DEEP2", test="truth", by="mag_i")
    >>> scores = rows[["seed", "target", "recipe"]].assign(chosen=[False, True], sigma_mad=0.05)
    >>> choices(rows.assign(low=23.0, high=25.0), scores)[["chosen", "promised", "best", "regret"]]
      chosen  promised best  regret
    0  adabn      0.05   v2    0.01
    """
    at = (table["test"] == "truth") & (table["low"] == 23) & (table["high"] == 25)
    judged = table.loc[at & (table["by"] == "mag_i") & (table["field"] == table["target"])]
    keys = ["seed", "target", "recipe"]
    promised = scores.rename(columns={"sigma_mad": "promised"})[[*keys, "chosen", "promised"]]
    both = promised.merge(judged[[*keys, "sigma_mad"]], on=keys, how="left")
    rows = []
    for (seed, target), candidates in both.groupby(["seed", "target"], sort=False):
        values = candidates.set_index("recipe")["sigma_mad"]
        chosen = candidates.loc[candidates["chosen"].astype(bool), "recipe"]
        if len(chosen) != 1 or not np.isfinite(values[chosen.iloc[0]]):
            raise InputError(
                f"seed {seed}, {target}: {len(chosen)} recipes chosen ({', '.join(chosen)}); "
                "mark one that is compared with the truth"
            )
        row = {"seed": seed, "target": target, "chosen": chosen.iloc[0], "best": values.idxmin()}
        row |= {"sigma_mad": values[row["chosen"]], "best_sigma_mad": values.min()}
        row["promised"] = candidates.set_index("recipe")["promised"][row["chosen"]]
        rows.append(row | {"regret": row["sigma_mad"] - row["best_sigma_mad"]})
    order = [
        "seed",
        "target",
        "chosen",
        "promised",
        "sigma_mad",
        "best",
        "best_sigma_mad",
        "regret",
    ]
    return pd.DataFrame(rows, columns=order)


def value_text(value: float, error: float) -> str:
    """Return a value with its error as text."""
    return f"{value:.4f} +- {error:.4f}"
