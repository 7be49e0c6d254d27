"""What is said of two recipes, on gains whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hscz.config import EvaluateConfig
from hscz.experiments.compare import Estimates
from hscz.experiments.gains import paired_gains
from hscz.experiments.statements import format_statements, statements


def gains(values: list[float], error: float, **place: Any) -> pd.DataFrame:
    """Return the gains of one pair in one place, one of each seed."""
    row = {"recipe": "v2", "against": "control", "target": "DEEP2", "field": "DEEP2"}
    row |= {"by": "mag_i", "low": 23.0, "high": 25.0, "metric": "outlier_fraction", "n": 900}
    rows = [row | {"seed": k, "gain": g, "gain_err": error} for k, g in enumerate(values)]
    return pd.DataFrame(rows).assign(**place)


def test_better_is_more_than_one_error_of_seeds_and_galaxies() -> None:
    def verdict(values: list[float], error: float = 0.001) -> str:
        found: str = statements(gains(values, error)).loc[0, "verdict"]
        return found

    assert verdict([0.01, 0.011, 0.009]) == "better"
    assert verdict([-0.01, -0.011, -0.009]) == "worse"
    # The galaxies of each seed speak clearly, and the seeds against each other.
    assert verdict([0.02, -0.02, 0.01]) == "level"
    assert verdict([0.01, 0.011, 0.009], error=0.05) == "level"
    assert verdict([0.01], error=np.nan) == "level"


def test_in_the_source_field_a_recipe_does_harm_or_none() -> None:
    at_source = {"field": "COSMOS_UDF", "against": "v0"}
    assert statements(gains([0.0, 0.001], 0.001, **at_source)).loc[0, "verdict"] == "no harm"
    assert statements(gains([0.01, 0.011], 0.001, **at_source)).loc[0, "verdict"] == "no harm"
    assert statements(gains([-0.01, -0.011], 0.001, **at_source)).loc[0, "verdict"] == "harm"


def test_galaxies_of_both_count_once() -> None:
    """Two recipes that err on the same galaxies are told apart by few others."""
    rng = np.random.default_rng(1)
    truth = pd.DataFrame({"object_id": range(2000), "mag_i": 24.5, "z_true": 1.0})
    parts = []
    for seed in (1, 2, 3):
        shared = rng.normal(0, 0.15, 2000)
        for recipe, own in {"v2": 0.0, "control": 0.04}.items():
            z_median = 1 + 2 * (shared + own * rng.normal(size=2000))
            parts.append(Estimates(recipe, "D", "D", seed, truth.assign(z_median=z_median)))
    found = paired_gains(parts, [("v2", "control"), ("v2", "v0")], EvaluateConfig())
    assert set(found["against"]) == {"control"}
    said = statements(found).set_index("metric").loc["outlier_fraction"]
    # eta is 0.32 in both, whose errors of 0.006 each hide what the pairs show.
    assert said["gain_err"] < 0.7 * np.sqrt(2 * 0.32 * 0.68 / 2000 / 3)
    assert said["verdict"] == "better"


def test_text_counts_targets_and_quotes_errors() -> None:
    better, worse = gains([0.01, 0.011], 0.001), gains([-0.02, -0.021], 0.001, target="ELAIS")
    both = pd.concat([better, worse.assign(field="ELAIS")], ignore_index=True)
    lines = format_statements(both).splitlines()
    assert "eta(|dz|>0.15): better in 1 of 2 targets, worse in 1" in lines
    row = next(line for line in lines if line.startswith("DEEP2"))
    assert row.split()[1:] == ["+0.0105", "+-", "0.0007", "better", "900", "2"]
