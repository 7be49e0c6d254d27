"""Recipes side by side, on estimates whose order is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hscz.config import EvaluateConfig
from hscz.errors import InputError
from hscz.evaluate.metrics import residual, sigma_mad
from hscz.experiments.account import format_comparison
from hscz.experiments.compare import Estimates, compare
from hscz.experiments.effort import COLUMNS
from hscz.experiments.gains import gap_closed, paired_gains
from hscz.experiments.statements import PAIRS
from hscz.experiments.verdict import choices, orderings

SETTINGS = EvaluateConfig(bootstraps=50)
SCATTER = {"v0": 0.10, "v1": 0.08, "v2": 0.07, "oracle": 0.04}
HARDNESS = {"DEEP2": 1.0, "COSMOS_DEEP": 0.6}
NO_PAIRS = paired_gains([], [], SETTINGS)
NO_EFFORT = pd.DataFrame(columns=list(COLUMNS))
NO_PROBES = pd.DataFrame()


def field(target: str, seed: int, n: int = 1500) -> pd.DataFrame:
    rng = np.random.default_rng([seed, len(target)])
    mag_i = 25 - rng.exponential(1.2, n).clip(0, 6.9)
    z_true = rng.gamma(4, 0.25, n).clip(0.02, 5)
    is_oii = rng.random(n) < 0.05
    z_true[is_oii] = 1.4657
    known = (mag_i < 23) & (rng.random(n) < 0.5)
    table = {"object_id": rng.permutation(n), "mag_i": mag_i, "z_true": z_true}
    spec = {"z_spec": np.where(known, z_true, np.nan), "is_oii_candidate": is_oii}
    return pd.DataFrame(table | spec)


def estimate(recipe: str, target: str, seed: int) -> Estimates:
    truth = field(target, seed)
    rng = np.random.default_rng([seed, 7])
    faint = 0.15 + 0.85 * (truth["mag_i"] > 23) + 0.5 * (truth["mag_i"] > 24)
    dz = HARDNESS[target] * SCATTER[recipe] * faint * rng.normal(size=len(truth))
    width = np.where(np.abs(dz) > 0.12, 2.0, 0.1)
    z_median = truth["z_true"] + (1 + truth["z_true"]) * dz
    table = truth.assign(z_median=z_median.clip(0.01, 6), pdf_width=width)
    return Estimates(recipe, target, target, seed, table)


@pytest.fixture(scope="module")
def estimates() -> list[Estimates]:
    return [estimate(r, t, s) for r in SCATTER for t in HARDNESS for s in (1, 2)]


@pytest.fixture(scope="module")
def table(estimates: list[Estimates]) -> pd.DataFrame:
    training = {
        seed: pd.DataFrame({"z_label": field("COSMOS_UDF", seed)["z_true"]}).assign(
            mag_i=field("COSMOS_UDF", seed)["mag_i"]
        )
        for seed in (1, 2)
    }
    return compare(estimates, training, SETTINGS)


@pytest.fixture(scope="module")
def gaps(estimates: list[Estimates]) -> pd.DataFrame:
    return gap_closed(estimates, SETTINGS)


def test_table_holds_every_test_with_the_numbers_of_its_objects(
    table: pd.DataFrame, estimates: list[Estimates]
) -> None:
    assert set(table["test"]) == {
        *("truth", "spec", "oii", "pdf_width"),
        *("n_of_z_truth", "n_of_z_training", "label_shift"),
    }
    keys = ["seed", "target", "field", "recipe", "test", "by", "low", "high"]
    assert not table.duplicated(keys).any()
    one = estimates[0]
    faint = one.table[one.table["mag_i"].between(23, 25, inclusive="left")]
    mine = table[(table["recipe"] == one.recipe) & (table["target"] == one.target)]
    mine = mine[(mine["seed"] == one.seed) & (mine["low"] == 23) & (mine["high"] == 25)]
    row = mine[mine["test"] == "truth"].iloc[0]
    assert row["n"] == len(faint)
    assert row["sigma_mad"] == sigma_mad(residual(faint["z_median"], faint["z_true"]))


def test_the_mean_pdf_is_judged_beside_the_medians() -> None:
    """Medians of two-peaked PDFs pile up in between; redshifts drawn from them do not."""
    rng = np.random.default_rng(3)
    z_true = rng.choice([0.5, 2.5], 2000)
    truth = pd.DataFrame({"object_id": range(2000), "mag_i": 24.5, "z_true": z_true})
    made = truth.assign(z_median=1.5, z_draw=rng.choice([0.5, 2.5], 2000))
    training = {1: pd.DataFrame({"z_label": rng.uniform(0.2, 3, 2000), "mag_i": 24.5})}
    found = compare([Estimates("v0", "DEEP2", "DEEP2", 1, made)], training, SETTINGS)
    faint = found[found["low"] == 24].set_index("test")["w1"]
    assert faint["n_of_z_truth"] == pytest.approx(1.0, abs=0.05)
    assert faint["n_of_z_truth_stacked"] < 0.1
    slopes = found[found["by"] == "all"].set_index("test")["slope"]
    assert slopes["label_shift_stacked"] == pytest.approx(1.0, abs=0.1)


def test_missing_estimates_and_columns_are_counted_or_left_out() -> None:
    one = estimate("v0", "DEEP2", 1)
    bare = one.table[["object_id", "mag_i", "z_median", "z_spec"]].copy()
    bare.loc[::2, "z_median"] = np.nan
    training = {1: pd.DataFrame({"z_label": [0.5, np.nan], "mag_i": [24.5, 24.5]})}
    table = compare([replace(one, table=bare)], training, SETTINGS)
    assert set(table["test"]) == {"spec", "n_of_z_training"}
    n_of_z = table[table["test"] == "n_of_z_training"]
    assert n_of_z["n_missing"].sum() == n_of_z["n"].sum() == len(bare) / 2
    spec = table[(table["test"] == "spec") & (table["by"] == "all")].iloc[0]
    assert spec["n"] + spec["n_missing"] == bare["z_spec"].notna().sum()


def test_recipe_half_way_to_the_oracle_closes_half_the_gap() -> None:
    rng = np.random.default_rng(3)
    truth = field("DEEP2", 3)
    noise = rng.standard_t(2, len(truth))
    parts = []
    for recipe, scatter in {"v0": 0.08, "v2": 0.06, "oracle": 0.04}.items():
        z_median = truth["z_true"] + (1 + truth["z_true"]) * scatter * noise
        parts.append(Estimates(recipe, "DEEP2", "DEEP2", 1, truth.assign(z_median=z_median)))
    shuffled = parts[1].table.sample(frac=0.9, random_state=1)
    parts[1] = replace(parts[1], table=shuffled)
    found = gap_closed(parts, SETTINGS)
    mad = found[found["metric"] == "sigma_mad"]
    assert set(found["recipe"]) == {"v2"}
    assert mad["closed"].dropna().to_numpy() == pytest.approx(0.5)
    assert mad.loc[mad["n"] > 100, "closed"].notna().all()
    eta = found[(found["metric"] == "outlier_fraction") & (found["by"] == "all")].iloc[0]
    assert eta["n"] == len(shuffled)
    assert eta["closed"] == pytest.approx(0.5, abs=3 * eta["closed_err"])
    assert 0 < eta["closed_err"] < 0.2


def test_an_oracle_that_was_judged_on_few_objects_leaves_gains_their_own() -> None:
    v0, v2, oracle = (estimate(recipe, "DEEP2", 1) for recipe in ("v0", "v2", "oracle"))
    held_out = replace(oracle, table=oracle.table.iloc[:500])
    found = gap_closed([v0, v2, held_out], SETTINGS)
    alone = gap_closed([v0, v2], SETTINGS)
    row, other = (each[each["by"] == "all"].iloc[0] for each in (found, alone))
    assert (row["n"], row["n_gap"]) == (1500, 500)
    assert row["gain"] == other["gain"]
    assert row["gap"] > 0 > other["gap"] or np.isnan(other["gap"])
    both = gap_closed([replace(one, table=one.table.iloc[:500]) for one in (v0, v2)], SETTINGS)
    few = both[both["by"] == "all"].iloc[0]
    assert row["closed"] == pytest.approx(few["gain"] / row["gap"])


def test_paired_error_is_the_scatter_of_new_samples() -> None:
    gains, errors = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = pd.DataFrame({"object_id": range(600), "mag_i": 24.5, "z_true": 1.0})
        shared = rng.normal(size=600)
        parts = [
            Estimates(name, "DEEP2", "DEEP2", 1, truth.assign(z_median=1 + 2 * scatter * noise))
            for name, scatter in {"v0": 0.06, "v2": 0.05}.items()
            for noise in [shared + 0.5 * rng.normal(size=600)]
        ]
        row = gap_closed(parts, SETTINGS).iloc[0]
        gains.append(row["gain"])
        errors.append(row["gain_err"])
    assert np.isnan(row["gap"])
    assert np.isnan(row["closed"])
    assert np.mean(errors) == pytest.approx(np.std(gains), rel=0.35)
    # For a normal distribution the error of sigma_MAD is 1.17 sigma / sqrt(n).
    unpaired = 1.17 * np.hypot(0.06, 0.05) * np.hypot(1, 0.5) / np.sqrt(600)
    assert np.mean(errors) < 0.9 * unpaired


def test_without_a_gap_no_share_of_it_is_given() -> None:
    rng = np.random.default_rng(4)
    truth = field("DEEP2", 4)
    parts = []
    for recipe in ("v0", "v2", "oracle"):
        z_median = truth["z_true"] + 0.05 * rng.normal(size=len(truth))
        parts.append(Estimates(recipe, "DEEP2", "DEEP2", 1, truth.assign(z_median=z_median)))
    gaps = gap_closed(parts, SETTINGS)
    assert gaps["gap"].notna().all()
    assert gaps["closed"].isna().mean() > 0.8
    both = parts[:2]
    training = {1: truth.rename(columns={"z_true": "z_label"})}
    text = format_comparison(
        compare(both, training, SETTINGS), gaps, NO_PAIRS, NO_EFFORT, NO_PROBES
    )
    assert "no gap" in text


def test_baseline_of_another_target_serves_in_the_source_field() -> None:
    v0 = replace(estimate("v0", "DEEP2", 1), field="COSMOS_UDF", target="XMM_DEEP")
    v2 = replace(estimate("v2", "DEEP2", 1), field="COSMOS_UDF")
    gaps = gap_closed([v0, v2], SETTINGS)
    assert set(gaps["target"]) == {"DEEP2"}
    assert (gaps.loc[gaps["by"] == "all", "gain"] > 0).all()
    assert gaps["closed"].isna().all()


def test_orderings_say_what_the_numbers_say(table: pd.DataFrame) -> None:
    found = orderings(table).set_index(["claim", "target"])
    assert found.loc[("v2 gains least in COSMOS_DEEP", "COSMOS_DEEP"), "holds"]
    assert found.loc[("v2 has fewer PDFw > 1.5 than v0", "DEEP2"), "holds"].all()
    assert found.loc[("v2 worsens with i", "DEEP2"), "holds"].all()
    worse = found.loc[("v1 beats v2 on the labelled sample", "DEEP2")].iloc[0]
    assert not worse["holds"]
    assert " >= v2 all " in worse["numbers"]
    assert not found.index.get_level_values("claim").str.contains("swapping").any()
    assert orderings(table[table["recipe"] == "v0"]).empty


def test_choice_is_held_against_the_best_by_truth(table: pd.DataFrame) -> None:
    rows = [(s, t, r, r == "v1") for s in (1, 2) for t in HARDNESS for r in ("v0", "v1", "v2")]
    scores = pd.DataFrame(rows, columns=["seed", "target", "recipe", "chosen"]).assign(
        sigma_mad=0.1
    )
    found = choices(table, scores)
    assert (found["best"] == "v2").all()
    assert (found["regret"] == found["sigma_mad"] - found["best_sigma_mad"]).all()
    assert (found["regret"] > 0).all()
    assert (found["promised"] == 0.1).all()
    with pytest.raises(InputError, match="seed 1, DEEP2: 0 recipes chosen"):
        choices(table, scores.assign(chosen=False))


def test_text_shows_targets_recipes_pairs_orderings_and_choice(
    table: pd.DataFrame, gaps: pd.DataFrame, estimates: list[Estimates]
) -> None:
    chosen = pd.DataFrame(
        {"seed": [1], "target": "DEEP2", "recipe": "v2", "chosen": True, "sigma_mad": 0.1}
    )
    pairs = paired_gains(estimates, PAIRS, SETTINGS)
    lines = format_comparison(table, gaps, pairs, NO_EFFORT, NO_PROBES, chosen).splitlines()
    start = lines.index("DEEP2, against truth")
    assert lines[start + 1] == "sigma_MAD"
    assert [line.split()[0] for line in lines[start + 3 : start + 7]] == list(SCATTER)
    gain = gaps[(gaps["target"] == "DEEP2") & (gaps["recipe"] == "v2") & (gaps["low"] == 23)]
    gain = gain[(gain["high"] == 25) & (gain["metric"] == "sigma_mad")]
    assert f" {gain['closed'].mean():.2f} +- " in lines[start + 5]
    pair = lines.index("v2 against v0")
    assert lines[pair + 1] == "sigma_MAD: better in 2 of 2 targets, worse in 0"
    assert lines[pair + 4].startswith("DEEP2 ")
    assert any(line.startswith("yes  v2 gains least in COSMOS_DEEP") for line in lines)
    assert any(line.startswith("DEEP2 seed 1: chosen v2") for line in lines)


def test_without_a_training_sample_its_tests_are_left_out_and_the_text_says_so(
    table: pd.DataFrame, gaps: pd.DataFrame, estimates: list[Estimates]
) -> None:
    without = compare(estimates, {}, SETTINGS)
    kept = table[~table["test"].isin(["n_of_z_training", "label_shift"])]
    kept = kept[without.columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(without, kept, check_dtype=False)
    text = format_comparison(without, gaps, NO_PAIRS, NO_EFFORT, NO_PROBES)
    assert "no recipe learns from the source alone; add v0" in text
    assert "add v0" not in format_comparison(table, gaps, NO_PAIRS, NO_EFFORT, NO_PROBES)


def test_bad_estimates_are_refused() -> None:
    one = estimate("v0", "DEEP2", 1)
    with pytest.raises(InputError, match="estimates of v0 for DEEP2, seed 1: no column mag_i"):
        replace(one, table=one.table.drop(columns="mag_i"))
    with pytest.raises(InputError, match="an object_id is there twice"):
        replace(one, table=one.table.assign(object_id=1))
    with pytest.raises(InputError, match="no estimates to compare"):
        compare([], {}, SETTINGS)
