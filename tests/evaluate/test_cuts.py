"""What cuts in quality leave, against direct counting and where odds are right."""

from __future__ import annotations

import numpy as np
import pytest

from hscz.evaluate.cuts import (
    SCORES,
    Judged,
    at_cut,
    cut_curves,
    kept_sigma_mad,
    magnitude_weights,
    purity,
    recommended_cut,
)

N = 4000


def judged(rng: np.random.Generator, n: int = N) -> Judged:
    """Return galaxies that are outliers as often as their odds say; a tenth has a flag."""
    odds, mag_i = rng.uniform(0.5, 1, n), rng.uniform(22, 25, n)
    outlier = (rng.random(n) > odds).astype(float)
    dz = np.where(outlier > 0, 1.0, rng.normal(0, 0.02, n))
    scores = {"odds": odds, "flags": (rng.random(n) < 0.1).astype(float)}
    return Judged(scores, mag_i, dz, outlier, np.ones(n), np.arange(n))


@pytest.fixture
def sample() -> Judged:
    return judged(np.random.default_rng(1))


def test_every_cut_is_what_counting_gives(sample: Judged) -> None:
    sample.scores["odds"][:] = sample.scores["odds"].round(2)
    weight = np.random.default_rng(2).uniform(0, 2, N)
    sample.weight[:] = weight
    table = purity(sample, "odds")
    assert len(table) == len(np.unique(sample.scores["odds"]))
    for row in table.iloc[::7].itertuples():
        kept = sample.scores["odds"] >= row.cut
        assert row.n == kept.sum()
        assert row.share == pytest.approx(weight[kept].sum() / weight.sum())
        assert row.eta == pytest.approx(np.average(sample.outlier[kept], weights=weight[kept]))


def test_the_recommended_cut_is_the_loosest_that_keeps_its_promise(sample: Judged) -> None:
    cut = recommended_cut(sample, "odds", 0.05)
    table = purity(sample, "odds")
    upper = table["eta"] + table["eta_err"]
    assert upper[table["cut"] >= cut].iloc[-1] <= 0.05
    assert (upper[table["cut"] < cut] > 0.05).all()
    # Odds above 0.9 are 0.95 in the mean.
    assert cut == pytest.approx(0.9, abs=0.03)
    # Other galaxies have fewer outliers than that, and as many are kept.
    again = at_cut(judged(np.random.default_rng(3)), "odds", cut).iloc[0]
    assert again["eta"] < 0.05
    assert again["share"] == pytest.approx(0.2, abs=0.05)
    assert np.isnan(recommended_cut(sample, "flags", 0.05))
    assert recommended_cut(sample, "flags", 0.5) == 1
    assert SCORES["flags"].kept_by(1) == "all"


def test_a_galaxy_shown_four_times_counts_once_in_errors(sample: Judged) -> None:
    four = sample.take(np.tile(np.arange(N), 4))
    for one, other in ((sample, four),):
        once, often = purity(one, "flags"), purity(other, "flags")
        np.testing.assert_allclose(once["eta_err"], often["eta_err"])
        np.testing.assert_array_equal(once["n"], often["n"])
        np.testing.assert_allclose(
            kept_sigma_mad(one, "odds", 0.8), kept_sigma_mad(other, "odds", 0.8), rtol=0.02
        )


def test_the_error_of_sigma_mad_is_its_scatter() -> None:
    rng = np.random.default_rng(4)
    found = np.array([kept_sigma_mad(judged(rng, 400), "odds", 0.9) for _ in range(200)])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.2)


def test_weights_make_bright_galaxies_stand_for_faint_ones() -> None:
    rng = np.random.default_rng(5)
    bright, faint = 25 - 3 * rng.random(5000) ** 0.5, 25 - 3 * rng.random(3000)
    weight = magnitude_weights(bright, faint)
    assert weight.sum() == pytest.approx(1)
    assert np.average(bright, weights=weight) == pytest.approx(faint.mean(), abs=0.02)
    deeper = np.append(faint, np.full(1000, 26.0))
    assert magnitude_weights(bright, deeper).sum() == pytest.approx(0.75, abs=0.03)
    assert magnitude_weights(bright, [23.0]).sum() == 0
    assert magnitude_weights([23.0, 24.0], [23.0]).tolist() == [1, 0]
    assert magnitude_weights(bright, []).sum() == 0


def test_without_galaxies_there_is_a_place_for_each_bin() -> None:
    nobody = judged(np.random.default_rng(1), 0)
    table = at_cut(nobody, "odds", 0.9, {"mag_i": (nobody.mag_i, (22, 24))})
    assert table["by"].tolist() == ["all", "mag_i"]
    assert table["n"].tolist() == [0, 0]
    assert table["eta"].isna().all()
    assert cut_curves(nobody).empty
