"""Labels and steps of networks, and whether the oracle is a fair limit."""

from __future__ import annotations

import pandas as pd
import pytest

from hscz.experiments.effort import COLUMNS, format_effort, unfair_oracles


def effort(oracle: dict[str, tuple[int, int]]) -> pd.DataFrame:
    """Return what v0 and the oracle of each target learn from, over two seeds."""
    rows = []
    for target, (labels, steps) in oracle.items():
        for seed in (1, 2):
            rows.append((seed, target, "v0", 1, 6000 + seed, 750))
            rows.append((seed, target, "oracle", 1, labels + seed, steps))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_an_oracle_with_as_many_is_fair() -> None:
    fair = effort({"DEEP2": (6400, 800), "ELAIS": (5960, 745)})
    assert unfair_oracles(fair).empty
    text = format_effort(fair)
    assert "The oracle has as many labels and steps as v0 in every target" in text
    row = next(line for line in text.splitlines() if line.startswith("oracle"))
    assert row.split() == ["oracle", "1", "5,962-6,402", "745-800"]


@pytest.mark.parametrize("poor", [(3100, 800), (6400, 380)])
def test_an_oracle_with_fewer_labels_or_steps_is_named(poor: tuple[int, int]) -> None:
    found = effort({"DEEP2": (6400, 800), "ELAIS": poor})
    assert unfair_oracles(found)["target"].tolist() == ["ELAIS"]
    text = format_effort(found)
    assert "as many" not in text
    assert (
        f"The oracle of ELAIS is no limit: it has {poor[0] + 1.5:,.0f} labels x {poor[1]} steps, "
        "v0 up to 6,002 labels x 750 steps"
    ) in text


def test_the_oracle_trains_as_long_as_the_recipe_that_trains_longest() -> None:
    longer = pd.DataFrame([(1, "DEEP2", "recommended", 1, 6000, 1500)], columns=list(COLUMNS))
    found = pd.concat([effort({"DEEP2": (6400, 800)}), longer], ignore_index=True)
    assert unfair_oracles(found)["steps_others"].tolist() == [1500]
    assert "800 steps, v0 and recommended up to 6,002 labels x 1,500 steps" in format_effort(found)


def test_without_an_oracle_nothing_is_said_of_it() -> None:
    found = effort({"DEEP2": (6400, 800)})
    assert "oracle" not in format_effort(found[found["recipe"] == "v0"])
