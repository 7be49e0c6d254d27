"""Ways to redshifts that other packages bring, from the settings to the comparison."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hscz.config.read import load
from hscz.errors import ConfigError
from hscz.experiments.campaign import predict_all, train_all, trainings, why_unpredicted
from hscz.experiments.experiment import experiments
from hscz.report.comparison import compare_experiments
from tests.helpers.package import install

PACKAGE = """
import numpy as np
from hscz.experiments.baseline import Baseline
from hscz.experiments.photometric import Estimate


def fit(known, z, grid, seed):
    middle = np.median(z)
    return lambda target: Estimate(np.full(len(target), middle), np.full(len(target), np.nan))


CONSTANT = Baseline("constant", fit)
"""
SETTINGS = (
    'experiments.targets=["DEEP2"]',
    'experiments.recipes=["constant", "v0"]',
    'recipes.constant.method="constant"',
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package outside the tree."""
    entries = {"hscz.estimators:constant": "constant_redshift:CONSTANT"}
    install(tmp_path / "site", "constant_redshift", PACKAGE, entries, monkeypatch)


@pytest.mark.usefixtures("package")
def test_a_baseline_of_another_package_is_compared(copy: Path) -> None:
    config = load(copy, SETTINGS)
    plan = experiments(config)
    assert [one.train.name for one in trainings(plan)] == ["v0-u"]
    train_all(plan, 1, False, False, False)
    predict_all(plan, 1, False, False)
    assert not any(why_unpredicted(one, name) for one in plan for name in one.fields)
    text = compare_experiments(plan, config.evaluate, copy.parent / "comparison")
    assert "constant" in text
    table = pd.read_parquet(copy.parent / "comparison" / "comparison.parquet")
    rows = table[(table["test"] == "truth") & (table["by"] == "all")].set_index("recipe")
    assert rows.loc["constant", "n"].tolist() == rows.loc["v0", "n"].tolist()
    z_median = pd.read_parquet(plan[0].output("DEEP2"))["z_median"]
    assert z_median.nunique() == 1


def test_a_method_that_is_not_installed_is_named(copy: Path) -> None:
    with pytest.raises(
        ConfigError, match="method 'constant' is unknown; use network, knn or flexzboost"
    ):
        experiments(load(copy, SETTINGS))
