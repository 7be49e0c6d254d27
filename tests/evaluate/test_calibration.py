"""Calibration of PDFs, against qp, scoringrules and SciPy and on PDFs known to be right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hscz import pdf
from hscz.errors import InputError
from hscz.evaluate import calibration as cal
from hscz.evaluate.proper import LEAST_DENSITY, cde_loss, crps, log_loss
from hscz.pdf.grid import RedshiftGrid

GRID = RedshiftGrid.uniform()
RNG = np.random.default_rng(1)
N = 4000

MEAN, SIGMA = RNG.uniform(0.8, 4.5, N), RNG.uniform(0.02, 0.3, N)
Z = RNG.normal(MEAN, SIGMA)


def gaussians(width: float = 1.0) -> np.ndarray:
    mass = np.diff(stats.norm.cdf(GRID.edges, MEAN[:, None], width * SIGMA[:, None]), axis=1)
    return pdf.pmf_to_pdf(mass / mass.sum(axis=1, keepdims=True), GRID.edges)


TRUE = gaussians()


def scores_of(density: np.ndarray) -> dict[str, np.ndarray]:
    return cal.object_scores(density, GRID.edges, Z, np.random.default_rng(2))


def test_true_pdfs_are_calibrated_and_others_are_not() -> None:
    names = ("ks", "cvm", "ad", "coverage_68", "coverage_95", "crps", "cde_loss", "log_loss")
    right, narrow, wide = (
        cal.calibration_table(scores_of(gaussians(w))).loc[0, list(names)] for w in (1, 0.6, 1.6)
    )
    assert right["ks"] < 1.63 / np.sqrt(N)  # 1 % limit of Kolmogorov's distribution
    assert right["cvm"] < 0.743  # 1 % limits
    assert right["ad"] < 3.857
    assert right["coverage_68"] == pytest.approx(0.68, abs=0.025)
    assert right["coverage_95"] == pytest.approx(0.95, abs=0.012)
    assert narrow["coverage_68"] < 0.5 < 0.8 < wide["coverage_68"]
    for name in ("ks", "cvm", "ad", "crps", "cde_loss", "log_loss"):
        assert right[name] < min(narrow[name], wide[name])


def test_everyone_the_mean_pdf_is_calibrated_but_scores_worse() -> None:
    mean = np.tile(TRUE.mean(axis=0), (N, 1))
    table = cal.calibration_table(scores_of(mean))
    assert table["ks"][0] < 0.03
    assert table["crps"][0] > 4 * cal.calibration_table(scores_of(TRUE))["crps"][0]


@pytest.mark.parametrize(("width", "side"), [(0.6, -1), (1.0, 0), (1.6, 1)])
def test_credibility_lies_on_the_side_of_the_diagonal_that_it_must(width: float, side: int) -> None:
    levels = np.linspace(0.1, 0.9, 9)
    draws = np.random.default_rng(3).random(N)
    found = cal.credibility_curve(cal.hpd_level(gaussians(width), GRID.edges, Z, draws), levels)
    if side:
        assert (side * (found - levels) > 0.02).all()
    else:
        np.testing.assert_allclose(found, levels, atol=0.03)


def test_credibility_of_flat_pdfs_is_uniform_when_randomised() -> None:
    z = np.random.default_rng(4).uniform(0, 6, N)
    draws = np.random.default_rng(5).random(N)
    hpd = cal.hpd_level(np.ones_like(TRUE), GRID.edges, z, draws)
    assert stats.kstest(hpd, "uniform").pvalue > 0.01


def test_pits_equal_those_of_qp() -> None:
    qp = pytest.importorskip("qp", reason="qp is not installed")
    from qp.metrics.pit import PIT

    ensemble = qp.Ensemble(qp.hist, data={"bins": GRID.edges, "pdfs": TRUE})
    theirs = PIT(ensemble, Z)
    ours = cal.pit(TRUE, GRID.edges, Z)
    np.testing.assert_allclose(ours, theirs.pit_samps, atol=1e-9)
    found = cal.pit_statistics(ours)
    assert found["ks"] == pytest.approx(theirs.evaluate_PIT_KS().statistic, abs=1e-9)
    assert found["cvm"] == pytest.approx(theirs.evaluate_PIT_CvM().statistic, abs=1e-6)
    at_z = np.array([float(ensemble[k].pdf(Z[k])) for k in range(50)])
    np.testing.assert_allclose(log_loss(TRUE[:50], GRID.edges, Z[:50]), -np.log(at_z), atol=1e-9)
    squares = (ensemble.pdf(GRID.centres)[:50] ** 2 * GRID.widths).sum(axis=1)
    expected = squares - 2 * at_z
    np.testing.assert_allclose(cde_loss(TRUE[:50], GRID.edges, Z[:50]), expected, atol=1e-6)


def test_anderson_darling_equals_scipy() -> None:
    values = np.random.default_rng(6).beta(1.2, 1.0, 300)
    known = {"loc": 0, "scale": 1}
    expected = stats.goodness_of_fit(
        stats.uniform,
        values,
        known_params=known,
        statistic="ad",
        n_mc_samples=2,
        rng=np.random.default_rng(1),
    )
    assert cal.pit_statistics(values)["ad"] == pytest.approx(expected.statistic, rel=1e-9)


def test_crps_of_one_bin_is_that_of_a_uniform_distribution() -> None:
    sr = pytest.importorskip("scoringrules", reason="scoringrules is not installed")
    rng = np.random.default_rng(7)
    low, width, z = rng.uniform(0.5, 2, 50), rng.uniform(0.1, 2, 50), rng.uniform(-1, 8, 50)
    for a, w, truth in zip(low, width, z, strict=True):
        found = crps([[0.0, 1.0, 0.0]], [0.0, a, a + w, 6.0], [truth])
        np.testing.assert_allclose(found, sr.crps_uniform(truth, a, a + w), atol=1e-12)


def test_scores_of_gaussians_are_those_of_scoringrules() -> None:
    sr = pytest.importorskip("scoringrules", reason="scoringrules is not installed")
    # Far enough from z = 0, where ours end, and wider than the bins.
    wide = (SIGMA > 0.1) & (MEAN > 1.5)
    expected = sr.crps_normal(Z, MEAN, SIGMA)
    np.testing.assert_allclose(crps(TRUE, GRID.edges, Z)[wide], expected[wide], atol=2e-4)
    expected = sr.logs_normal(Z, MEAN, SIGMA)
    found = log_loss(TRUE, GRID.edges, Z)
    np.testing.assert_allclose(found[wide].mean(), expected[wide].mean(), atol=5e-3)


def test_crps_of_many_peaks_is_that_of_their_draws() -> None:
    sr = pytest.importorskip("scoringrules", reason="scoringrules is not installed")
    rng = np.random.default_rng(8)
    edges = RedshiftGrid.logarithmic(20, 4.0).edges
    density = rng.dirichlet(np.full(20, 0.3), 5) / np.diff(edges)
    z = rng.uniform(0, 4, 5)
    draws = np.stack([pdf.draw(density, edges, rng) for _ in range(4000)], axis=-1)
    np.testing.assert_allclose(crps(density, edges, z), sr.crps_ensemble(z, draws), atol=0.03)


SCORES: dict[str, Callable[..., np.ndarray]] = {
    "pit": cal.pit,
    "hpd": cal.hpd_level,
    "crps": crps,
    "cde_loss": cde_loss,
    "log_loss": log_loss,
}


@given(scale=st.floats(0.01, 100))
@pytest.mark.parametrize("score", SCORES)
def test_scores_do_not_depend_on_the_norm_of_the_rows(score: str, scale: float) -> None:
    some = slice(0, 5)
    function = SCORES[score]
    expected = function(TRUE[some], GRID.edges, Z[some])
    np.testing.assert_allclose(function(scale * TRUE[some], GRID.edges, Z[some]), expected)


@pytest.mark.parametrize("score", SCORES)
def test_objects_without_pdf_or_redshift_are_nan_and_counted(score: str) -> None:
    density, z = TRUE[:4].copy(), Z[:4].copy()
    density[1], z[2] = np.nan, np.nan
    found = SCORES[score](density, GRID.edges, z)
    np.testing.assert_array_equal(np.isnan(found), [False, True, True, False])


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_broken_pdfs_are_refused(score: str, bad: float) -> None:
    density = TRUE[:3].copy()
    density[1] = 0
    density[1, 7] = bad
    with pytest.raises(InputError, match=r"1 of 3 PDFs are partly NaN.* first in row 1"):
        SCORES[score](density, GRID.edges, Z[:3])


def test_redshifts_outside_the_grid_are_told_from_those_inside() -> None:
    z = np.array([-0.5, 7.0])
    flat = np.ones((2, 360))
    assert cal.pit(flat, GRID.edges, z, [0.5, 0.5]).tolist() == [0.0, 1.0]
    assert cal.hpd_level(flat, GRID.edges, z).tolist() == [1.0, 1.0]
    np.testing.assert_allclose(log_loss(flat, GRID.edges, z), -np.log(LEAST_DENSITY))
    inside = crps(flat, GRID.edges, np.array([0.0, 6.0]))
    np.testing.assert_allclose(crps(flat, GRID.edges, z) - inside, [0.5, 1.0])


def test_randomised_pits_fill_the_bins_and_follow_their_draws() -> None:
    edges = np.array([0.0, 1.0, 2.0])
    found = cal.pit([[1.0, 3.0]] * 3, edges, [1.1, 1.9, 0.3], [0.0, 0.5, 1.0])
    np.testing.assert_allclose(found, [0.25, 0.625, 0.25])


def test_scores_do_not_depend_on_the_blocks() -> None:
    rng = np.random.default_rng(2)
    whole = scores_of(TRUE)
    parts = [
        cal.object_scores(TRUE[rows], GRID.edges, Z[rows], rng)
        for rows in (slice(0, 7), slice(7, 2000), slice(2000, N))
    ]
    for name, values in whole.items():
        np.testing.assert_array_equal(values, np.concatenate([part[name] for part in parts]))


def test_tables_count_the_objects_of_their_cells() -> None:
    mag = np.repeat([21.5, 22.5], N // 2)
    scores = scores_of(TRUE) | {}
    scores["pit"][:10] = np.nan
    table = cal.calibration_table(scores, {"mag_i": (mag, [21, 22, 23, 24])})
    assert table["n"].tolist() == [N - 10, N // 2 - 10, N // 2, 0]
    assert table["n_missing"].tolist() == [10, 10, 0, 0]
    assert table.loc[3, "crps":].isna().all()
    cells = cal.coverage_table(scores["pit"], mag, MEAN, [21, 22, 23], [0, 2, 6, 7])
    assert cells["n"].sum() == N - 10
    assert len(cells) == 6
    full = cells[cells["n"] > 0]
    assert (abs(full["coverage_68"] - 0.68) < 4 * full["coverage_68_err"]).all()
    assert cells.loc[cells["n"] == 0, "coverage_68_err"].isna().all()


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit 3 PDFs"):
        crps(TRUE[:3], GRID.edges, Z[:2])


def test_the_histogram_of_pits_says_how_uneven_it_is() -> None:
    even = np.random.default_rng(1).random((300, 1000))
    found = [cal.pit_statistics(u) for u in even]
    assert np.mean([one["pit_rmse"] ** 2 for one in found]) == pytest.approx(19 / 1000, rel=0.1)
    assert np.mean([one["pit_kl"] for one in found]) == pytest.approx(9.5 / 1000, rel=0.1)
    half = cal.pit_statistics(even[0] / 2)
    assert half["pit_kl"] == pytest.approx(np.log(2), abs=0.02)
    assert half["pit_rmse"] == pytest.approx(1, abs=0.02)
