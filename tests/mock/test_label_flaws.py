from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from scipy.spatial import cKDTree

from hscz.config.mock import HARD, MockSettings
from hscz.mock.label_flaws import LabelFlaws, is_difficult
from hscz.mock.labels import write_label_catalogues
from hscz.mock.photoz import four_redshifts, mistaken_redshift

HARD_FLAWS = LabelFlaws.of(MockSettings(difficulty="hard"))


def test_failures_depend_on_the_kind_of_galaxy_and_not_on_average(deep_truth) -> None:
    galaxies = deep_truth[~deep_truth["is_star"]]
    z, i_mag = galaxies["z_true"].to_numpy(), galaxies["mag_i"].to_numpy()
    judged = (i_mag > 23.0) & (i_mag < 25.0)
    difficult, easy = is_difficult(galaxies) & judged, ~is_difficult(galaxies) & judged
    assert 0.1 < difficult.sum() / judged.sum() < 0.7
    rates = {}
    for name, flaws in (("plain", LabelFlaws()), ("hard", HARD_FLAWS)):
        four = four_redshifts(
            z, i_mag, np.random.default_rng(2), flaws.failure_rate_factor(galaxies)
        )
        bad = np.mean([np.abs(one - z) / (1 + z) > 0.15 for one in four.values()], axis=0)
        rates[name] = bad[difficult].mean() / bad[easy].mean(), bad[judged].mean()
    assert rates["plain"][0] < 1.7
    assert rates["hard"][0] > 2.5
    assert rates["hard"][1] == pytest.approx(rates["plain"][1], rel=0.25)


def test_failures_take_one_break_for_another() -> None:
    z = np.random.default_rng(1).uniform(2.3, 4.0, 4000)
    swapped = (1.0 + z) * 1216.0 / 3800.0 - 1.0
    shares = [
        np.mean(np.abs(mistaken_redshift(z, np.random.default_rng(3), share) - swapped) < 1e-9)
        for share in (0.5, HARD["label_confused_share"])
    ]
    assert shares == pytest.approx([0.5, 0.85], abs=0.03)


def test_faint_passive_and_distant_galaxies_are_absent(
    cosmos_truth: pd.DataFrame, tmp_path: Path
) -> None:
    faint = cosmos_truth["mag_i"].between(24.5, 25.0) & ~cosmos_truth["is_star"]
    passive, distant = cosmos_truth["template"] < 1.0, cosmos_truth["z_true"] > 2.0
    kinds = {
        "passive": faint & passive,
        "distant": faint & ~passive & distant,
        "others": faint & ~passive & ~distant,
    }
    listed = {}
    for name, flaws in (("plain", LabelFlaws()), ("hard", HARD_FLAWS)):
        path = write_label_catalogues(cosmos_truth, tmp_path / name, "COSMOS_UDF", 5, flaws)
        table = Table.read(path["cosmos2020-farmer"])
        tree = cKDTree(np.column_stack([table["ALPHA_J2000"], table["DELTA_J2000"]]))
        near = tree.query(cosmos_truth[["ra", "dec"]].to_numpy())[0] * 3600 < 0.4
        listed[name] = {kind: near[rows].mean() for kind, rows in kinds.items()}
    plain, hard = listed["plain"], listed["hard"]
    assert min(plain.values()) > 0.93
    assert hard["others"] == pytest.approx(plain["others"], abs=0.01)
    for kind in ("passive", "distant"):
        assert plain[kind] - hard[kind] == pytest.approx(0.3, abs=0.08)
