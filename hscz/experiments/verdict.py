"""The comparison of recipes as text: what beats what, and whether the paper's orderings hold.

Absolute numbers of a mock survey are not those of the sky; orderings are what it can confirm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from hscz.errors import InputError
from hscz.evaluate.tables import TITLES
from hscz.experiments.compare import STACKED
from hscz.experiments.gains import METRICS
from hscz.experiments.recipes import ADVERSARY, BASELINE, SPECTRA, SWAPPED
from hscz.experiments.seeds import over_seeds

JUDGED_AT = "23-25"
"""Sample in which recipes are ranked: where the fields differ most."""

SAMPLES = {"18-22.5": "i<22.5", "18-24": "i<24", "24-25": "24<i<25", "23-25": "23<i<25"}
"""Samples of the text, and their headings."""

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
    places = _places(over_seeds(table), "test")
    rows: list[dict[str, Any]] = []
    for (target, field), found in places.items():
        for claim, test, metric, *steps in ORDERINGS:
            if field == target or f"{SWAPPED} all" in steps:
                line = _growing(found, test, metric, steps)
                rows += [{"claim": claim, "target": target, "field": field} | line] if line else []
    rows += _least_gain(places)
    return pd.DataFrame(rows, columns=["claim", "target", "field", "numbers", "holds"])


def _places(mean: pd.DataFrame, key: str) -> dict[tuple[str, str], Rows]:
    """Return the rows of each target and field, by the column `key`, recipe and sample."""
    places: dict[tuple[str, str], dict[tuple[str, ...], Mapping[str, Any]]] = {}
    for row in mean.to_dict("records"):
        sample = f"{row['low']:g}-{row['high']:g}" if np.isfinite(row["low"]) else row["by"]
        sample = f"z {sample}" if row["by"] == "z" else sample
        place = places.setdefault((row["target"], row["field"]), {})
        place[row[key], row["recipe"], sample] = {str(name): value for name, value in row.items()}
    return {place: dict(rows) for place, rows in places.items()}


def _known(found: Rows) -> str:
    return "truth" if any(test == "truth" for test, *_ in found) else "spec"


def _growing(found: Rows, test: str, metric: str, steps: Sequence[str]) -> dict[str, Any]:
    """Say whether the size of a metric grows along the steps; nothing unless all are there."""
    test = _known(found) if test == "known" else test
    rows = [found.get((test, *step.split()), {}) for step in steps]
    values = np.array([abs(row.get(metric, np.nan)) for row in rows])
    if not np.isfinite(values).all():
        return {}
    errors = np.array([row[f"{metric}_err"] for row in rows])
    numbers = f"{TITLES.get(metric, metric)} {steps[0]} {_value(values[0], errors[0])}"
    for step, (before, after), error in zip(steps[1:], pairwise(values), errors[1:], strict=True):
        numbers += f" {'<' if before < after else '>='} {step} {_value(after, error)}"
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.min(np.abs(np.diff(values)) / np.hypot(errors[1:], errors[:-1]))
    return {"numbers": f"{numbers} ({sigma:.1f} sigma)", "holds": bool((np.diff(values) > 0).all())}


def _least_gain(places: Mapping[tuple[str, str], Rows]) -> list[dict[str, Any]]:
    """Say whether the adversary gains least in the target that is most like the source."""
    gains = {}
    for (target, field), found in places.items():
        before, after = (found.get((_known(found), recipe, JUDGED_AT)) for recipe in (V0, V2))
        if target == field and before and after:
            error = np.hypot(before["sigma_mad_err"], after["sigma_mad_err"])
            gains[target] = (before["sigma_mad"] - after["sigma_mad"], error)
    if EASY_TARGET not in gains or len(gains) < 2:
        return []
    texts = (f"{name} {_value(*gain)}" for name, gain in gains.items())
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
        One row per ``seed``, ``target`` and candidate ``recipe``; the bool ``chosen`` marks one
        of each seed and target.

    Returns
    -------
    pandas.DataFrame
        By ``seed`` and ``target``: ``chosen``, its ``sigma_mad`` at 23 <= i < 25, ``best`` of the
        candidates, ``best_sigma_mad``, and ``regret``, the difference.

    Raises
    ------
    InputError
        If a chosen recipe has not been compared with the truth.

    Examples
    --------
    >>> rows = pd.DataFrame({"recipe": ["v2", "adabn"], "sigma_mad": [0.05, 0.06]})
    >>> rows = rows.assign(seed=1, target="DEEP2", field="DEEP2", test="truth", by="mag_i")
    >>> scores = rows[["seed", "target", "recipe"]].assign(chosen=[False, True])
    >>> choices(rows.assign(low=23.0, high=25.0), scores)[["chosen", "best", "regret"]]
      chosen best  regret
    0  adabn   v2    0.01
    """
    at = (table["test"] == "truth") & (table["low"] == 23) & (table["high"] == 25)
    judged = table.loc[at & (table["by"] == "mag_i") & (table["field"] == table["target"])]
    keys = ["seed", "target", "recipe"]
    both = scores[[*keys, "chosen"]].merge(judged[[*keys, "sigma_mad"]], on=keys, how="left")
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
        rows.append(row | {"regret": row["sigma_mad"] - row["best_sigma_mad"]})
    order = ["seed", "target", "chosen", "sigma_mad", "best", "best_sigma_mad", "regret"]
    return pd.DataFrame(rows, columns=order)


def format_comparison(
    table: pd.DataFrame, gaps: pd.DataFrame, scores: pd.DataFrame | None = None
) -> str:
    """Return the comparison as text: a block per target, the orderings, the choices.

    Parameters
    ----------
    table : pandas.DataFrame
        From `hscz.experiments.compare.compare`.
    gaps : pandas.DataFrame
        From `hscz.experiments.gains.gap_closed`.
    scores : pandas.DataFrame, optional
        As in `choices`.

    Returns
    -------
    str
        Means over seeds with the errors of `hscz.experiments.seeds.over_seeds`. ``n(z) W1`` is the
        distance at 24 <= i < 25 from the truth (without truth, from the training set), ``own
        n(z)`` the slope of `hscz.evaluate.trials.label_shift_slope`, both of the medians and of
        the mean of all PDFs.
    """
    means = _places(over_seeds(table), "test")
    gains = _places(over_seeds(gaps), "metric") if len(gaps) else {}
    parts = [f"Means over seeds +- error; {V0} - x on the same objects, above 0 where x is better"]
    # The targets first, then what the recipes cost in the source field.
    for target, field in sorted(means, key=lambda place: place[0] != place[1]):
        found, gain = means[target, field], gains.get((target, field), {})
        title = field if field == target else f"{field}, recipes for {target}"
        parts += [f"\n{title}, against {_known(found)}", *_blocks(found, gain)]
    with_training = table.loc[table["test"] == "n_of_z_training", "seed"]
    if not table["seed"].isin(with_training).all():
        parts.append(
            "\nWithout the n(z) of the training, since no recipe learns from the source alone; add "
            f"{BASELINE}"
        )
    claims = orderings(table)
    if len(claims):
        parts.append("\nThe paper's orderings")
    for row in claims.to_dict("records"):
        place = " ".join(dict.fromkeys((row["target"], row["field"])))
        parts.append(
            f"{'yes' if row['holds'] else 'no':3}  {row['claim']}, {place}: {row['numbers']}"
        )
    if scores is not None and (table["test"] == "truth").any():
        parts.append("\nChoice without labels, by sigma_MAD at 23<i<25")
        for row in choices(table, scores).to_dict("records"):
            parts.append(
                "{target} seed {seed}: chosen {chosen} {sigma_mad:.4f}, best {best} "
                "{best_sigma_mad:.4f}, regret {regret:.4f}".format_map(row)
            )
    return "\n".join(parts) + "\n"


def _blocks(found: Rows, gain: Rows) -> Iterator[str]:
    """Yield one text table per metric, its rows the recipes."""
    known = _known(found)
    n_of_z = "n_of_z_truth" if known == "truth" else "n_of_z_training"
    # The tests that have no metrics of their own, beside the one with room for them.
    beside = {
        "sigma_mad": ("n(z) W1", n_of_z, "24-25", "w1"),
        "outlier_fraction": ("own n(z)", "label_shift", "all", "slope"),
    }
    for metric in METRICS:
        title, test, sample, value = beside[metric]
        rows = {}
        for recipe in dict.fromkeys(recipe for _, recipe, _ in found):
            cells = {
                head: _cell(found.get((known, recipe, name)), metric)
                for name, head in SAMPLES.items()
            }
            cells |= _gain_cells(gain.get((metric, recipe, JUDGED_AT)))
            for head, name in ((title, test), (f"{title}, PDFs", f"{test}{STACKED}")):
                cells[head] = _cell(found.get((name, recipe, sample)), value)
            at = found.get((known, recipe, JUDGED_AT), {"n": 0, "n_seeds": 0})
            rows[recipe] = cells | {"N": f"{at['n']:.0f}", "seeds": f"{at['n_seeds']:.0f}"}
        yield f"{TITLES[metric]}\n{pd.DataFrame.from_dict(rows, orient='index').to_string()}"


def _gain_cells(row: Mapping[str, Any] | None) -> dict[str, str]:
    if row is None:
        return {f"{V0} - x": "-", "gap closed": "-"}
    closed = "-" if np.isnan(row["gap"]) else "no gap"
    if row["closed_seeds"]:
        closed = f"{row['closed']:.2f} +- {row['closed_err']:.2f}"
    if 0 < row["closed_seeds"] < row["n_seeds"]:
        closed += f" ({row['closed_seeds']:.0f} of {row['n_seeds']:.0f})"
    return {f"{V0} - x": _cell(row, "gain"), "gap closed": closed}


def _cell(row: Mapping[str, Any] | None, name: str) -> str:
    if row is None or not np.isfinite(row[name]):
        return "-"
    return _value(row[name], row[f"{name}_err"])


def _value(value: float, error: float) -> str:
    return f"{value:.4f} +- {error:.4f}"
