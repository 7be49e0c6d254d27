"""The comparison of recipes as text: tables of each target, what beats what, what was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from hscz.evaluate.tables import TITLES
from hscz.experiments.acting import format_probes
from hscz.experiments.compare import STACKED
from hscz.experiments.effort import format_effort
from hscz.experiments.gains import METRICS
from hscz.experiments.recipes import BASELINE
from hscz.experiments.seeds import over_seeds
from hscz.experiments.statements import format_statements
from hscz.experiments.verdict import (
    JUDGED_AT,
    Rows,
    choices,
    known_by,
    orderings,
    places,
    value_text,
)

SAMPLES = {"18-22.5": "i<22.5", "18-24": "i<24", "24-25": "24<i<25", "23-25": "23<i<25"}
"""Samples of the text, and their headings."""


def format_comparison(
    table: pd.DataFrame,
    gaps: pd.DataFrame,
    pairs: pd.DataFrame,
    effort: pd.DataFrame,
    probed: pd.DataFrame,
    scores: pd.DataFrame | None = None,
) -> str:
    """Return the comparison as text: a block per target, the pairs, the orderings, the choices.

    Parameters
    ----------
    table : pandas.DataFrame
        From `hscz.experiments.compare.compare`.
    gaps : pandas.DataFrame
        From `hscz.experiments.gains.gap_closed`.
    pairs : pandas.DataFrame
        From `hscz.experiments.gains.paired_gains`.
    effort : pandas.DataFrame
        From `hscz.experiments.effort.training_effort`.
    probed : pandas.DataFrame
        From `hscz.experiments.acting.probes`.
    scores : pandas.DataFrame, optional
        As in `hscz.experiments.verdict.choices`.

    Returns
    -------
    str
        Means over seeds with the errors of `hscz.experiments.seeds.over_seeds`. ``n(z) W1`` is the
        distance at 24 <= i < 25 from the truth (without truth, from the training set), ``own
        n(z)`` the slope of `hscz.evaluate.trials.label_shift_slope`, both of the medians and of
        the mean of all PDFs.
    """
    means = places(over_seeds(table), "test")
    gains = places(over_seeds(gaps), "metric") if len(gaps) else {}
    parts = [
        f"Means over seeds +- error; {BASELINE} - x on the same objects, above 0 where x is better"
    ]
    # The targets first, then what the recipes cost in the source field.
    for target, field in sorted(means, key=lambda place: place[0] != place[1]):
        found, gain = means[target, field], gains.get((target, field), {})
        title = field if field == target else f"{field}, recipes for {target}"
        parts += [f"\n{title}, against {known_by(found)}", *_blocks(found, gain)]
    with_training = table.loc[table["test"] == "n_of_z_training", "seed"]
    if not table["seed"].isin(with_training).all():
        parts.append(
            "\nWithout the n(z) of the training, since no recipe learns from the source alone; add "
            f"{BASELINE}"
        )
    if len(effort):
        parts.append(f"\n{format_effort(effort)}")
    if len(pairs):
        parts.append(
            "\nIn pairs, at 23<i<25: y - x on the same galaxies, above 0 where x, named first, is "
            "better;\nbetter and worse by more than the error, which holds seeds and galaxies"
        )
        parts.append(format_statements(pairs))
    if len(probed):
        parts.append(
            "\nShare of held-out galaxies, matched in i, whose field a fresh classifier gets right"
            "\nby the maps of the layer watched; 0.5 where it cannot"
        )
        parts.append(format_probes(probed))
    parts += _paper(table)
    if scores is not None and (table["test"] == "truth").any():
        parts.append(
            "\nChoice without labels, by source galaxies made like the target's: sigma_MAD at "
            "23<i<25\nas these promise it and as it is"
        )
        for row in choices(table, scores).to_dict("records"):
            line = (
                "{target} seed {seed}: chosen {chosen}, promised {promised:.4f}, is {sigma_mad:.4f}"
            )
            rest = "; best {best} {best_sigma_mad:.4f}, regret {regret:.4f}"
            parts.append((line + rest).format_map(row))
    return "\n".join(parts) + "\n"


def _paper(table: pd.DataFrame) -> list[str]:
    """Say which of the paper's orderings hold."""
    claims = orderings(table)
    parts = ["\nThe paper's orderings"] if len(claims) else []
    for row in claims.to_dict("records"):
        place = " ".join(dict.fromkeys((row["target"], row["field"])))
        parts.append(
            f"{'yes' if row['holds'] else 'no':3}  {row['claim']}, {place}: {row['numbers']}"
        )
    return parts


def _blocks(found: Rows, gain: Rows) -> Iterator[str]:
    """Yield one text table per metric, its rows the recipes."""
    known = known_by(found)
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
        return {f"{BASELINE} - x": "-", "gap closed": "-"}
    closed = "-" if np.isnan(row["gap"]) else "no gap"
    if row["closed_seeds"]:
        closed = f"{row['closed']:.2f} +- {row['closed_err']:.2f}"
    if 0 < row["closed_seeds"] < row["n_seeds"]:
        closed += f" ({row['closed_seeds']:.0f} of {row['n_seeds']:.0f})"
    return {f"{BASELINE} - x": _cell(row, "gain"), "gap closed": closed}


def _cell(row: Mapping[str, Any] | None, name: str) -> str:
    if row is None or not np.isfinite(row[name]):
        return "-"
    return value_text(row[name], row[f"{name}_err"])
