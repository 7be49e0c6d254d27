"""Calibrations learnt on one half of a sample and tried on the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from hscz import pdf
from hscz.errors import InputError
from hscz.evaluate.calibration import calibration_table, object_scores, pit
from hscz.pdf.grid import RedshiftGrid
from hscz.predict.recalibrate import Calibration, fit, remap, temper

GRID = RedshiftGrid.logarithmic(200, 6.0)
N = 3000
masses = npst.arrays(np.float64, (3, 5), elements=st.floats(0.01, 1.0))
UNEVEN = np.array([0.0, 0.1, 0.3, 0.7, 1.5, 3.1])


def sample(width: float, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return PDFs too narrow by a factor and shifted by so many sigma, and true redshifts."""
    rng = np.random.default_rng(seed)
    centre, sigma = rng.uniform(1.0, 4.0, N), rng.uniform(0.1, 0.3, N)
    z = rng.normal(centre, sigma)
    place, scale = (centre + shift * sigma)[:, None], width * sigma[:, None]
    mass = np.diff(stats.norm.cdf(GRID.edges, place, scale), axis=1)
    return (mass / mass.sum(axis=1, keepdims=True) / GRID.widths).astype(np.float32), z


@pytest.mark.parametrize(
    ("kind", "width", "shift"),
    [("temperature", 0.5, 0.0), ("temperature", 2.0, 0.0), ("pit", 0.6, 0.0), ("pit", 1.0, 0.5)],
)
def test_what_is_learnt_on_one_sample_mends_another(kind: str, width: float, shift: float) -> None:
    found = fit(kind, *_with_edges(sample(width, shift, 1)), np.random.default_rng(1))
    density, z = sample(width, shift, 2)
    tables = [
        calibration_table(object_scores(each, GRID.edges, z, np.random.default_rng(3))).loc[0]
        for each in (density, found.apply(density, GRID.edges))
    ]
    assert tables[1]["ks"] < min(0.05, 0.4 * tables[0]["ks"])
    assert abs(tables[1]["coverage_68"] - 0.68) < 0.04
    assert tables[1]["log_loss"] < tables[0]["log_loss"]
    if kind == "temperature":
        assert found.temperature == pytest.approx(width**-2, rel=0.1)


def _with_edges(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return pair[0], GRID.edges, pair[1]


@given(masses, st.floats(0.2, 5.0))
def test_calibrated_pdfs_are_normalised_and_keep_the_order_of_bins(
    mass: np.ndarray, temperature: float
) -> None:
    density = pdf.pmf_to_pdf(mass, UNEVEN)
    hot = pdf.pdf_to_pmf(temper(density, UNEVEN, temperature), UNEVEN)
    np.testing.assert_allclose(hot.sum(axis=1), 1)
    hot_density = pdf.pmf_to_pdf(hot, UNEVEN)
    rank = np.take_along_axis(hot_density, np.argsort(density, axis=1), axis=1)
    assert (np.diff(rank, axis=1) >= -1e-12).all()
    mapped = pdf.pdf_to_pmf(remap(density, UNEVEN, [0, 0.3, 1], [0, 0.6, 1]), UNEVEN)
    np.testing.assert_allclose(mapped.sum(axis=1), 1)


@given(masses)
def test_no_calibration_changes_nothing(mass: np.ndarray) -> None:
    density = pdf.pmf_to_pdf(mass / mass.sum(axis=1, keepdims=True), UNEVEN)
    np.testing.assert_allclose(temper(density, UNEVEN, 1.0), density)
    np.testing.assert_allclose(remap(density, UNEVEN, [0, 0.2, 1], [0, 0.2, 1]), density)


@pytest.mark.parametrize(
    "calibration",
    [Calibration("temperature", 500, temperature=1.5), Calibration("pit", 500, fractions=())],
)
def test_rows_without_a_pdf_stay_nan(calibration: Calibration) -> None:
    density, z = sample(1.0, 0.0, 1)
    if calibration.kind == "pit":
        calibration = fit("pit", density, GRID.edges, z, np.random.default_rng(1))
    density[3] = np.nan
    found = calibration.apply(density[:5], GRID.edges)
    assert found.dtype == np.float32
    assert np.isnan(found[3]).all()
    np.testing.assert_allclose((found[[0, 4]] * GRID.widths).sum(axis=1), 1, rtol=1e-5)


def test_pits_of_the_sample_itself_become_uniform() -> None:
    density, z = sample(0.7, -0.4, 1)
    found = fit("pit", density, GRID.edges, z, np.random.default_rng(1))
    values = pit(found.apply(density, GRID.edges), GRID.edges, z)
    np.testing.assert_allclose(np.quantile(values, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.02)


def test_too_few_or_broken_pdfs_are_refused() -> None:
    density, z = sample(1.0, 0.0, 1)
    rng = np.random.default_rng(1)
    density[50:] = np.nan
    with pytest.raises(InputError, match=r"50 held-out source objects .* 100 are needed"):
        fit("pit", density, GRID.edges, z, rng)
    density[7, :5] = np.nan
    with pytest.raises(InputError, match="1 of 3000 PDFs are partly NaN"):
        fit("temperature", density, GRID.edges, z, rng)
