"""Means over seeds, whose errors must be the scatter of repeated campaigns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hscz.experiments.seeds import over_seeds

ROWS = {"recipe": "v2", "seed": [1, 2, 3], "n": 10, "w1": [0.1, 0.2, 0.3], "w1_err": 0.01}
"""One recipe alone, so that there is no pool but its own seeds."""


def campaign(
    rng: np.random.Generator, between: float, own: float, restless: int = 0, seeds: int = 3
) -> pd.DataFrame:
    """Return the values of eight recipes in five targets, all zero but for their errors.

    The first `restless` recipes scatter five times as much between seeds.
    """
    places = [
        {"seed": seed, "target": target, "field": target, "recipe": f"r{recipe}"}
        for recipe in range(8)
        for target in "ABCDE"
        for seed in range(seeds)
    ]
    table = pd.DataFrame(places).assign(test="truth", by="all", eta_err=own)
    factor = np.where(table["recipe"].isin([f"r{k}" for k in range(restless)]), 5, 1)
    noise = factor * rng.normal(0, between, len(table)) + rng.normal(0, own, len(table))
    return table.assign(eta=noise)


@pytest.mark.parametrize("between", [0.0, 0.5, 2.0])
def test_the_error_is_the_scatter_of_repeated_campaigns(between: float) -> None:
    """Seeds and galaxies count once each, and a few seeds that agree by chance deceive nobody."""
    rng = np.random.default_rng(1)
    found = pd.concat([over_seeds(campaign(rng, between, own=1.0)) for _ in range(10)])
    # Scatter that the seeds have not is taken for nought, which errs on the safe side by 7 %.
    assert found["eta_err"].mean() == pytest.approx(np.hypot(between, 1) / np.sqrt(3), rel=0.1)
    pull = found["eta"] / found["eta_err"]
    assert pull.std() == pytest.approx(1, abs=0.12)
    # Student's t of two degrees of freedom has 10 % beyond 2.9; a normal distribution has 0.4 %.
    assert (abs(pull) > 2.9).mean() < 0.02


def test_a_recipe_that_scatters_more_shows_it() -> None:
    found = over_seeds(campaign(np.random.default_rng(2), between=0.5, own=0.2, restless=1))
    error = found.groupby(found["recipe"] == "r0")["eta_err"].mean()
    assert error[True] > 1.5 * error[False]


def test_the_source_field_is_no_part_of_the_pool_of_targets() -> None:
    home = campaign(np.random.default_rng(3), between=1.0, own=0.1)
    source = campaign(np.random.default_rng(4), between=0.0, own=0.1).assign(field="COSMOS_UDF")
    both = over_seeds(pd.concat([home, source], ignore_index=True))
    pd.testing.assert_frame_equal(both[both["field"] == both["target"]], over_seeds(home))
    assert both.loc[both["field"] == "COSMOS_UDF", "eta_err"].max() < 0.1


def test_seeds_that_agree_leave_the_error_of_the_galaxies() -> None:
    wide = over_seeds(pd.DataFrame(ROWS)).iloc[0]
    assert (wide["w1"], wide["n"], wide["n_seeds"]) == (pytest.approx(0.2), 10, 3)
    assert wide["w1_err"] == pytest.approx(0.1 / np.sqrt(3))
    near = over_seeds(pd.DataFrame(ROWS | {"w1": [0.2, 0.2, np.nan]})).iloc[0]
    assert near["w1_err"] == pytest.approx(0.01 / np.sqrt(2))


def test_a_seed_alone_takes_the_scatter_of_others_where_there_are_any() -> None:
    assert over_seeds(pd.DataFrame(ROWS).head(1)).iloc[0]["w1_err"] == 0.01
    one = {"recipe": "v0", "seed": 1, "n": 10, "w1": 0.2, "w1_err": 0.01}
    found = over_seeds(pd.concat([pd.DataFrame(ROWS), pd.DataFrame([one])], ignore_index=True))
    assert found.set_index("recipe").loc["v0", "w1_err"] > 0.05


def test_values_of_which_nothing_is_known_have_no_error() -> None:
    found = over_seeds(pd.DataFrame(ROWS | {"w1": np.nan, "w1_err": np.nan})).iloc[0]
    assert np.isnan(found[["w1", "w1_err"]].astype(float)).all()
