"""Point estimates of redshift PDFs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.signal import find_peaks
from scipy.stats import norm

from hscz import pdf
from hscz.errors import InputError
from hscz.pdf.grid import RedshiftGrid
from hscz.schema import PDF_CUBE

GRID = RedshiftGrid.uniform()
UNEVEN = np.array([0.0, 0.1, 0.3, 0.7, 1.5, 3.1])

masses = npst.arrays(np.float64, (3, 5), elements=st.floats(0.01, 1.0))


def gaussians(z: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    mass = np.diff(norm.cdf(GRID.edges, z[:, None], sigma[:, None]), axis=1)
    return pdf.pmf_to_pdf(mass / mass.sum(axis=1, keepdims=True), GRID.edges)


@given(masses)
def test_density_and_mass_are_inverse(mass: np.ndarray) -> None:
    density = pdf.pmf_to_pdf(mass, UNEVEN)
    np.testing.assert_allclose(pdf.pdf_to_pmf(density, UNEVEN), mass)


@given(masses)
def test_quantiles_increase_and_invert_the_cdf(mass: np.ndarray) -> None:
    density = pdf.pmf_to_pdf(mass, UNEVEN)
    probabilities = np.linspace(0, 1, 21)
    z = pdf.quantile(density, UNEVEN, probabilities)
    assert (np.diff(z, axis=0) > 0).all()
    cumulative = pdf.cdf(density, UNEVEN)
    for row in range(len(density)):
        back = np.interp(z[:, row], UNEVEN, cumulative[row])
        np.testing.assert_allclose(back, probabilities, atol=1e-12)


@given(masses)
def test_symmetric_pdf_has_mean_and_median_in_the_middle(mass: np.ndarray) -> None:
    edges = np.linspace(0.0, 2.0, 6)
    density = mass + mass[:, ::-1]
    np.testing.assert_allclose(pdf.mean(density, edges), 1.0)
    np.testing.assert_allclose(pdf.median(density, edges), 1.0)


@given(st.floats(0.01, 0.99), st.integers(1, 50))
def test_width_of_a_uniform_pdf_is_its_share_of_the_range(level: float, n_bins: int) -> None:
    edges = np.linspace(1.0, 4.0, n_bins + 1)
    np.testing.assert_allclose(pdf.width(np.ones((1, n_bins)), edges, level), 3.0 * level)


@given(st.integers(0, 4), st.floats(1e-3, 1e3))
def test_one_bin_pdf_is_exact(filled: int, density: float) -> None:
    row = np.zeros((1, 5))
    row[0, filled] = density
    low, high = UNEVEN[filled], UNEVEN[filled + 1]
    points = pdf.summarise(row, UNEVEN)
    for name in ("z_median", "z_mean", "z_mode"):
        np.testing.assert_allclose(points[name], (low + high) / 2, rtol=1e-6)
    np.testing.assert_allclose(points["pdf_width"], 0.68 * (high - low), rtol=1e-6)
    np.testing.assert_allclose(points["z_q16"], low + 0.16 * (high - low), rtol=1e-6)
    assert points["n_peaks"].tolist() == [1]
    assert np.isnan(points["z_peak2"]).all()
    assert points["p_peak2"].tolist() == [0]


def test_gaussian_quantiles() -> None:
    z, sigma = np.array([0.8, 1.5, 3.0]), np.array([0.05, 0.1, 0.3])
    density = gaussians(z, sigma)
    for q in (0.05, 0.16, 0.5, 0.84):
        expected = norm.ppf(q, z, sigma)
        np.testing.assert_allclose(pdf.quantile(density, GRID.edges, q), expected, atol=1e-3)
    np.testing.assert_allclose(pdf.mean(density, GRID.edges), z, atol=1e-3)


@pytest.mark.parametrize("grid", [GRID, RedshiftGrid.logarithmic()], ids=["even", "log"])
def test_the_redshift_of_least_risk_has_the_least_expected_loss(grid: RedshiftGrid) -> None:
    rng = np.random.default_rng(1)
    mass = rng.dirichlet(np.full(len(grid), 0.2), 30)
    fine = np.linspace(grid.centres[0], grid.centres[-1], 6001)
    off = (fine - grid.centres[:, None]) / (1 + grid.centres[:, None])
    expected_loss = mass @ (1 - 1 / (1 + (off / 0.15) ** 2))
    found = pdf.least_risk(pdf.pmf_to_pdf(mass, grid.edges), grid.edges)
    np.testing.assert_allclose(found, fine[expected_loss.argmin(axis=1)], atol=0.002)


def test_of_two_peaks_the_median_may_take_neither_and_the_least_risk_the_larger() -> None:
    low, high = gaussians(np.array([0.5, 3.7]), np.array([0.3, 0.05]))
    both = (0.45 * low + 0.55 * high)[None]
    assert pdf.least_risk(both, GRID.edges)[0] == pytest.approx(3.7, abs=0.03)
    flat = np.where(GRID.centres < 3.0, 1 / 3, 0.0)
    assert pdf.median((0.6 * flat + 0.4 * high)[None], GRID.edges)[0] < 3.0
    assert pdf.least_risk((0.6 * flat + 0.4 * high)[None], GRID.edges)[0] > 3.5


@pytest.mark.parametrize("bad", [np.nan, 0.0])
def test_rows_without_a_pdf_give_nan(bad: float) -> None:
    density = np.full((3, 360), bad, dtype=np.float32)
    density[1] = 1.0
    points = pdf.summarise(density, GRID.edges)
    for name, values in points.items():
        if name == "n_peaks":
            assert values.tolist() == [0, 1, 0]
        else:
            assert np.isnan(values[[0, 2]]).all()
    assert np.isfinite(points["z_median"][1])
    assert np.isnan(pdf.least_risk(density, GRID.edges)).tolist() == [True, False, True]


def test_a_single_nan_spoils_its_row_only() -> None:
    density = np.ones((2, 360))
    density[0, 17] = np.nan
    points = pdf.summarise(density, GRID.edges)
    assert np.isnan(points["z_mode"][0])
    assert points["n_peaks"].tolist() == [0, 1]


def test_summary_has_the_point_columns_of_the_cube_and_none_for_no_object() -> None:
    points = pdf.summarise(np.empty((0, 360), np.float32), GRID.edges)
    assert set(points) < set(PDF_CUBE)
    for name, values in points.items():
        assert values.shape == (0,)
        assert values.dtype.kind in PDF_CUBE[name].kinds


def test_rows_do_not_depend_on_their_block() -> None:
    rng = np.random.default_rng(0)
    density = rng.dirichlet(np.full(360, 0.2), size=2500).astype(np.float32)
    whole = pdf.summarise(density, GRID.edges)
    pieces = [pdf.summarise(part, GRID.edges) for part in np.array_split(density, 7)]
    for name, values in whole.items():
        np.testing.assert_array_equal(values, np.concatenate([p[name] for p in pieces]))


def test_peak_counts_equal_scipy() -> None:
    rng = np.random.default_rng(1)
    density = rng.dirichlet(np.full(40, 0.5), size=400)
    found = pdf.peaks(density, np.linspace(0, 6, 41))[0]
    padded = np.pad(density, ((0, 0), (1, 1)))
    expected = [len(find_peaks(row, prominence=0.1 * row.max())[0]) for row in padded]
    np.testing.assert_array_equal(found, expected)
    assert found.max() > 5


def test_second_peak_is_found_with_its_probability() -> None:
    z = np.array([[0.5, 3.2], [3.2, 0.5], [1.0, 1.0]])
    weight, sigma = np.array([0.7, 0.3]), np.array([0.1, 0.1])
    density = sum(w * gaussians(z[:, k], np.full(3, sigma[k])) for k, w in enumerate(weight))
    count, z2, p2 = pdf.peaks(density, GRID.edges)
    assert count.tolist() == [2, 2, 1]
    np.testing.assert_allclose(z2[:2], [3.2, 0.5], atol=0.02)
    np.testing.assert_allclose(p2[:2], 0.3, atol=1e-3)
    assert np.isnan(z2[2])
    assert p2[2] == 0


def test_peaks_near_the_highest_are_no_other_redshift() -> None:
    one = np.ones(2)
    z2 = 1.0 + 0.15 * 2.0 + np.array([-0.03, 0.03])
    density = 0.6 * gaussians(one, 0.05 * one) + 0.4 * gaussians(z2, 0.05 * one)
    count, found, share = pdf.peaks(density, GRID.edges)
    assert count.tolist() == [2, 2]
    np.testing.assert_allclose(found, [np.nan, z2[1]], atol=0.01)
    np.testing.assert_allclose(share, [0, 0.4], atol=5e-3)
    near = pdf.peaks(density, GRID.edges, distance=0.1)
    np.testing.assert_allclose(near[2], 0.4, atol=5e-3)


def test_distant_peaks_end_at_their_valleys_and_are_summed() -> None:
    density = np.array([[4.0, 0.0, 3.0, 0.0, 2.0], [2.0, 0.0, 4.0, 1.0, 3.0]])
    count, z2, p2 = pdf.peaks(density, np.arange(6.0))
    assert count.tolist() == [3, 3]
    assert z2.tolist() == [2.5, 4.5]
    np.testing.assert_allclose(p2, [5 / 9, 5.5 / 10])


def test_ripples_below_the_threshold_are_no_peaks() -> None:
    density = np.array([[0.0, 1.0, 0.95, 1.0, 0.0, 0.05, 0.0]])
    assert pdf.peaks(density, np.arange(8.0))[0].tolist() == [1]
    assert pdf.peaks(density, np.arange(8.0), prominence=0.01)[0].tolist() == [3]


def test_combining_averages_densities_and_keeps_nan() -> None:
    a, b = np.full((2, 3), 1.0), np.full((2, 3), 3.0)
    b[1] = np.nan
    both = pdf.combine([a, b])
    np.testing.assert_array_equal(both[0], 2.0)
    assert np.isnan(both[1]).all()
    assert both.dtype == np.float32


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(1, 4\) do not fit 5 redshift bins"):
        pdf.median(np.ones((1, 4)), UNEVEN)
    with pytest.raises(InputError, match="one shape"):
        pdf.combine([np.ones((2, 3)), np.ones((2, 4))])
    with pytest.raises(InputError, match="one shape"):
        pdf.combine([])
