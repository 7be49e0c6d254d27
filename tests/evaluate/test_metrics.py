"""Metrics of point redshifts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hscz.errors import InputError
from hscz.evaluate import metrics


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    z_true = rng.uniform(0, 3, 3000)
    mag_i = rng.uniform(20, 25, 3000)
    z_pred = z_true + (1 + z_true) * (0.01 + 0.03 * rng.normal(size=3000))
    z_pred[rng.random(3000) < 0.05] += 2.0
    return z_pred, z_true, mag_i


def test_metrics_by_their_definitions(sample: tuple[np.ndarray, ...]) -> None:
    z_pred, z_true, _ = sample
    dz = (z_pred - z_true) / (1 + z_true)
    row = metrics.metrics_table(z_pred, z_true).iloc[0]
    assert row["bias"] == np.median(dz)
    assert row["sigma_mad"] == pytest.approx(1.4826 * np.median(np.abs(dz - np.median(dz))))
    assert row["outlier_fraction"] == np.sum(np.abs(dz) > 0.15) / len(dz)
    low, high = np.percentile(dz, [25, 75])
    assert row["sigma_iqr"] == pytest.approx((high - low) / 1.349)
    limit = max(0.06, 3 * row["sigma_iqr"])
    assert row["outlier_fraction_iqr"] == np.sum(np.abs(dz) > limit) / len(dz)
    assert row["bias"] == pytest.approx(0.01, abs=0.003)
    assert row["sigma_mad"] == pytest.approx(0.03, abs=0.003)


def test_bootstrap_errors_are_the_scatter_of_new_samples() -> None:
    rng = np.random.default_rng(7)
    draws = rng.normal(0, 0.1, (400, 500))
    errors = pd.DataFrame([metrics.bootstrap_errors(dz, rng) for dz in draws[:40]]).mean()
    for name, metric in metrics.METRICS.items():
        assert errors[name] == pytest.approx(metric(draws).std(), rel=0.15)


def test_bootstrap_in_pieces_equals_bootstrap_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    dz = np.random.default_rng(0).normal(size=50)
    whole = metrics.bootstrap_errors(dz, np.random.default_rng(1))
    monkeypatch.setattr(metrics, "_SAMPLES_AT_ONCE", 350)
    assert metrics.bootstrap_errors(dz, np.random.default_rng(1)) == whole


def test_bins_hold_their_objects(sample: tuple[np.ndarray, ...]) -> None:
    z_pred, z_true, mag_i = sample
    table = metrics.metrics_table(
        z_pred, z_true, {"z": (z_true, [0, 1, 2]), "mag_i": (mag_i, [20, 24, 25])}
    )
    assert table["by"].tolist() == ["all", "z", "z", "mag_i", "mag_i"]
    assert table["n"].tolist()[1:3] == [np.sum(z_true < 1), np.sum((z_true >= 1) & (z_true < 2))]
    alone = metrics.metrics_table(z_pred[mag_i >= 24], z_true[mag_i >= 24])
    assert table["sigma_mad"].iloc[-1] == alone["sigma_mad"].iloc[0]


def test_edges_belong_to_the_upper_bin() -> None:
    table = metrics.metrics_table([0.5, 0.5], [0.5, 0.5], {"m": ([24.0, 25.0], [23, 24, 25])})
    assert table["n"].tolist() == [2, 0, 1]


def test_missing_predictions_are_counted_and_missing_truth_is_left_out() -> None:
    table = metrics.metrics_table(
        [0.5, np.nan, 0.7, 0.9], [0.5, 0.6, 0.7, np.nan], {"i": ([20, 20, 24, 20], [19, 22, 25])}
    )
    assert table["n"].tolist() == [2, 1, 1]
    assert table["n_missing"].tolist() == [1, 1, 0]


def test_empty_bins_are_rows_without_numbers() -> None:
    row = metrics.metrics_table([0.5], [0.5], {"i": ([20], [24, 25])}).iloc[1]
    assert row["n"] == 0
    assert np.isnan(row["bias"])
    assert np.isnan(row["sigma_mad_err"])


def test_the_same_seed_gives_the_same_errors(sample: tuple[np.ndarray, ...]) -> None:
    z_pred, z_true, mag_i = sample
    by = {"mag_i": (mag_i, [20, 23, 25])}
    first = metrics.metrics_table(z_pred, z_true, by, seed=3)
    pd.testing.assert_frame_equal(first, metrics.metrics_table(z_pred, z_true, by, seed=3))
    other = metrics.metrics_table(z_pred, z_true, by, seed=4)
    assert (first["bias_err"] != other["bias_err"]).all()
    assert (first["bias"] == other["bias"]).all()


def test_bad_arrays_are_refused() -> None:
    with pytest.raises(InputError, match=r"different lengths: \[1, 2\]"):
        metrics.metrics_table([0.5, 0.6], [0.5])
    with pytest.raises(InputError, match="none of 2 objects has a true redshift"):
        metrics.metrics_table([0.5, 0.6], [np.nan, np.nan])
