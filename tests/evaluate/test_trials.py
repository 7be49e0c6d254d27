"""The tests of a target field, on samples whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from hscz.errors import InputError
from hscz.evaluate import trials
from hscz.schema import WIDE_PDFW

MAG_EDGES = (23.0, 24.0, 25.0)


def draw(n: int, mean: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.clip(rng.gamma(4, mean / 4, n), 0.01, 5.9), rng.uniform(23, 25, n)


def counts(z: np.ndarray, mag_i: np.ndarray, seed: int = 1) -> np.ndarray:
    return trials.resampled_n_of_z(z, mag_i, seed, mag_edges=MAG_EDGES)


def test_wasserstein_of_a_shifted_sample_is_the_shift() -> None:
    z, mag_i = draw(3000, 1.0, seed=1)
    found = trials.n_of_z_distances(counts(z + 0.07, mag_i), counts(z, mag_i))
    assert found["w1"] == pytest.approx(0.07, abs=0.003)
    # The same objects are drawn in both, so that the shift of each sample is the shift too.
    assert (found["w1_err"] < 0.002).all()


def test_wasserstein_agrees_with_the_exact_distance_of_samples() -> None:
    (z, mag_i), (other, other_mag) = draw(1000, 1.0, seed=2), draw(700, 1.3, seed=3)
    found = trials.wasserstein(counts(z, mag_i)[0], counts(other, other_mag)[0])
    for place, low in enumerate(MAG_EDGES[:-1]):
        pair = (v[(m >= low) & (m < low + 1)] for v, m in ((z, mag_i), (other, other_mag)))
        assert found[place] == pytest.approx(wasserstein_distance(*pair), abs=0.005)


def test_floor_is_what_two_samples_of_one_distribution_differ_by() -> None:
    (z, mag_i), (reference, reference_mag) = draw(800, 1.0, seed=4), draw(4000, 1.0, seed=5)
    n_reference = counts(reference, reference_mag)
    floor = trials.n_of_z_distances(counts(z, mag_i), n_reference)
    apart = [
        trials.n_of_z_distances(counts(*draw(800, 1.0, seed)), n_reference)
        for seed in range(10, 30)
    ]
    for name in ("w1", "tv"):
        mean = np.mean([found[name] for found in apart])
        assert floor[f"{name}_floor"].mean() == pytest.approx(mean, rel=0.3)


def test_bootstrap_error_of_a_distance_is_the_scatter_of_new_samples() -> None:
    n_reference = counts(*draw(20_000, 1.3, seed=6))
    found = [
        trials.n_of_z_distances(counts(*draw(600, 1.0, seed)), n_reference) for seed in range(30)
    ]
    for name in ("w1", "tv"):
        scatter = np.std([each[name] for each in found], axis=0).mean()
        assert np.mean([each[f"{name}_err"] for each in found]) == pytest.approx(scatter, rel=0.3)


def test_errors_of_clustered_galaxies_are_those_of_cells() -> None:
    """Galaxies of one structure come and go together."""

    def clustered(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        cells = np.repeat(np.arange(12), 50)
        return (
            (rng.uniform(0.5, 1.5, 12)[cells] + rng.normal(0, 0.05, 600)),
            rng.uniform(23, 25, 600),
            cells,
        )

    n_reference = counts(*draw(20_000, 1.3, seed=6))
    errors, values = [], []
    for seed in range(60):
        z, mag_i, cells = clustered(seed)
        blind = trials.n_of_z_distances(counts(z, mag_i), n_reference)
        resampled = trials.resampled_n_of_z(z, mag_i, 1, mag_edges=MAG_EDGES, cells=cells)
        found = trials.n_of_z_distances(resampled, n_reference)
        values.append(found["tv"])
        errors.append((blind["tv_err"], found["tv_err"]))
    scatter = np.std(values, axis=0).mean()
    alone, in_cells = np.mean(errors, axis=(0, 2))
    assert in_cells == pytest.approx(scatter, rel=0.25)
    assert alone < 0.6 * scatter


def test_a_sample_with_an_empty_bin_is_left_out_of_its_error() -> None:
    z, mag_i, cells = np.r_[0.5, np.full(99, 1.0)], np.r_[23.5, np.full(99, 24.5)], np.arange(100)
    n = trials.resampled_n_of_z(z, mag_i, 1, mag_edges=MAG_EDGES, cells=cells // 10)
    assert (n[1:, 0].sum(axis=1) == 0).any()
    found = trials.n_of_z_distances(n, counts(*draw(500, 1.0, seed=2)))
    assert np.isfinite(found["w1_err"]).all()


def test_label_shift_is_one_for_the_truth_and_nought_for_the_prior() -> None:
    """The mean of many trials, since noise must not pull the slope towards either."""
    slopes = []
    for seed in range(12):
        z_true, mag_i = draw(5000, 1.0, seed)
        n_true, n_source = counts(z_true, mag_i), counts(*draw(8000, 0.85, seed + 100), seed=2)
        scattered = z_true + 0.02 * np.random.default_rng(seed).normal(size=5000)
        prior, same = draw(5000, 0.85, seed + 200)[0], draw(5000, 1.0, seed + 300)[0]
        half = np.where(np.arange(5000) % 2, prior, same)
        slopes.append(
            [
                trials.label_shift_slope(counts(z, mag_i), n_true, n_source)
                for z in (z_true, scattered, same, half, prior)
            ]
        )
    slope, error = np.moveaxis(np.array(slopes), -1, 0)
    assert slope[:, 0] == pytest.approx(1.0)
    expected = [1.0, 1.0, 0.5, 0.0]
    for place, value in enumerate(expected, start=1):
        mean_error = slope[:, place].std() / np.sqrt(len(slope))
        assert slope[:, place].mean() == pytest.approx(value, abs=max(3 * mean_error, 0.05))
        assert error[:, place].mean() == pytest.approx(slope[:, place].std(), rel=0.6)


def test_without_a_shift_there_is_no_slope() -> None:
    n_true, n_source = counts(*draw(500, 1.0, seed=1)), counts(*draw(500, 1.0, seed=2), seed=2)
    assert np.isnan(trials.label_shift_slope(n_true, n_true, n_source)).all()


def test_empty_magnitude_bins_have_no_distance_and_take_no_part() -> None:
    (z, _), faint = draw(400, 1.0, seed=7), np.full(400, 24.5)
    found = trials.n_of_z_distances(counts(z + 0.3, faint), counts(z, faint))
    assert np.isnan(found["w1"]).tolist() == [True, False]
    alone = trials.n_of_z_distances(counts(z, faint), counts(*draw(2, 1.0, seed=1)))
    assert np.isnan(alone["w1_err"][0])
    slope, _ = trials.label_shift_slope(
        counts(z + 0.3, faint), counts(z + 0.3, faint), counts(*draw(4000, 1.0, 8))
    )
    assert slope == pytest.approx(1)


def test_bins_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"bin width 0\.07 does not divide z = 0 to 6"):
        trials.rebin(np.ones(600), 0.07)
    with pytest.raises(InputError, match=r"bin width 0\.005"):
        trials.rebin(np.ones(600), 0.005)


def test_oii_metrics_take_all_candidates_to_be_at_the_line() -> None:
    rng = np.random.default_rng(9)
    z_true = np.where(np.arange(300) < 270, 1.4657, 0.8355)
    z_median = z_true + 0.02 + 0.05 * rng.normal(size=300)
    candidates, emitters = trials.oii_metrics(z_median, z_true).to_dict("records")
    assert (candidates["n"], emitters["n"]) == (300, 270)
    assert candidates["outlier_fraction"] == pytest.approx(0.1)
    assert emitters["outlier_fraction"] == 0
    assert emitters["bias"] == pytest.approx(0.02 / 2.4657, abs=4 * emitters["bias_err"])
    assert emitters["sigma_mad"] == pytest.approx(0.05 / 2.4657, abs=0.005)


def test_wide_fraction_and_its_error() -> None:
    rng = np.random.default_rng(10)
    width = np.where(rng.random(4000) < 0.1, 2.0, 0.2)
    row = trials.wide_pdf_fraction(width, np.full(4000, 24.5), (24, 25, 26)).iloc[0]
    samples = (rng.choice(width, (200, 4000)) > WIDE_PDFW).mean(axis=1)
    assert row["wide_fraction"] == np.mean(width == 2)
    assert row["wide_fraction_err"] == pytest.approx(samples.std(), rel=0.2)
