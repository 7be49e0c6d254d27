"""Calibrations learnt on one half of a sample and tried on the other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from hscz import pdf
from hscz.errors import InputError
from hscz.evaluate.calibration import calibration_table, object_scores, pit
from hscz.pdf.grid import RedshiftGrid
from hscz.predict.recalibrate import KNOTS, Calibration, fit, halves

GRID = RedshiftGrid.logarithmic(200, 6.0)
N = 3000
IDENTITY = Calibration(500, (22.0, 24.0), ((KNOTS, KNOTS),))
masses = npst.arrays(np.float64, (3, 5), elements=st.floats(0.01, 1.0))
UNEVEN = np.array([0.0, 0.1, 0.3, 0.7, 1.5, 3.1])


def sample(
    width: float, shift: float, seed: int, scatter: float = 0.0, wrong: float = 0.0
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return PDFs too narrow by a factor and shifted by so many sigma, and labelled objects.

    Labels scatter by `scatter` (1 + z), and a share of them is `wrong`.
    """
    rng = np.random.default_rng(seed)
    centre, sigma = rng.uniform(1.0, 4.0, N), rng.uniform(0.1, 0.3, N)
    z = rng.normal(centre, sigma)
    place, scale = (centre + shift * sigma)[:, None], width * sigma[:, None]
    mass = np.diff(stats.norm.cdf(GRID.edges, place, scale), axis=1)
    density = (mass / mass.sum(axis=1, keepdims=True) / GRID.widths).astype(np.float32)
    label = np.clip(z + rng.normal(0, 1, N) * scatter * (1 + z), 0.001, 5.999)
    label = np.where(rng.random(N) < wrong, rng.uniform(0.01, 5.99, N), label)
    objects = {"z_label": label, "sigma": scatter * (1 + z), "mag_i": rng.uniform(20, 25, N)}
    return density, pd.DataFrame({"z": z, **objects, "object_id": np.arange(N)})


def applied(found: Calibration, density: np.ndarray, objects: pd.DataFrame) -> np.ndarray:
    return found.apply(density, GRID.edges, objects["mag_i"], objects["object_id"])


def judged(density: np.ndarray, z: np.ndarray) -> pd.Series:
    scores = object_scores(density, GRID.edges, z, np.random.default_rng(3))
    return calibration_table(scores).loc[0]


@pytest.mark.parametrize(
    ("width", "shift", "scatter", "wrong"),
    [(0.6, 0.0, 0.0, 0.0), (1.6, 0.0, 0.0, 0.0), (1.0, 0.5, 0.0, 0.0), (1.0, 0.5, 0.02, 0.04)],
)
def test_what_is_learnt_on_one_sample_mends_another(
    width: float, shift: float, scatter: float, wrong: float
) -> None:
    learnt, objects = sample(width, shift, 1, scatter, wrong)
    density, others = sample(width, shift, 2)
    found = fit(learnt, GRID.edges, objects)
    before, after = (
        judged(density, others["z"]),
        judged(applied(found, density, others), others["z"]),
    )
    assert after["ks"] < min(0.05, 0.4 * before["ks"])
    assert abs(after["coverage_68"] - 0.68) < 0.03
    assert after["log_loss"] < before["log_loss"]


def test_uncertain_labels_do_not_make_good_pdfs_wider() -> None:
    learnt, objects = sample(1.0, 0.0, 1, scatter=0.05, wrong=0.04)
    density, others = sample(1.0, 0.0, 2)
    width = {
        "known": pdf.width(applied(fit(learnt, GRID.edges, objects), density, others), GRID.edges),
        "taken as exact": pdf.width(
            applied(fit(learnt, GRID.edges, objects.assign(sigma=0.0)), density, others), GRID.edges
        ),
    }
    true = np.median(pdf.width(density, GRID.edges))
    assert abs(np.median(width["known"]) / true - 1) < 0.06
    assert np.median(width["taken as exact"]) > 1.1 * true


def test_the_map_follows_the_magnitude() -> None:
    narrow, objects = sample(0.6, 0.0, 1)
    right, _ = sample(1.0, 0.0, 1)
    faint = objects["mag_i"].to_numpy() > 22.5
    density = np.where(faint[:, None], narrow, right)
    mended = applied(fit(density, GRID.edges, objects), density, objects)
    for rows in (faint, ~faint):
        assert abs(judged(mended[rows], objects["z"][rows])["coverage_68"] - 0.68) < 0.03
    unknown = objects.assign(mag_i=np.nan)
    assert np.isfinite(applied(fit(density, GRID.edges, objects), density, unknown)).all()


def test_halves_teach_each_other() -> None:
    density, objects = sample(0.6, 0.0, 1)
    half = halves(objects["object_id"], 5)
    assert abs(half.mean() - 0.5) < 0.05
    found = fit(density, GRID.edges, objects, seed=5)
    assert len(found.fractions) == 2
    alone = fit(density[half == 1], GRID.edges, objects[half == 1])
    np.testing.assert_allclose(found.fractions[0][1], alone.fractions[0][1], atol=0.03)
    # Other labels in one half change what the other half gets, and nothing of its own.
    wrong = objects.assign(z_label=np.where(half == 1, 5.0, objects["z_label"]))
    other = fit(density, GRID.edges, wrong, seed=5)
    assert other.fractions[1] == found.fractions[1]
    assert other.fractions[0] != found.fractions[0]
    rows = half == 1
    np.testing.assert_array_equal(
        applied(other, density[rows], objects[rows]), applied(found, density[rows], objects[rows])
    )


@given(masses, st.lists(st.floats(20, 26), min_size=3, max_size=3))
def test_calibrated_pdfs_are_normalised_and_the_even_map_changes_nothing(
    mass: np.ndarray, mag_i: list[float]
) -> None:
    density = pdf.pmf_to_pdf(mass / mass.sum(axis=1, keepdims=True), UNEVEN)
    same = IDENTITY.apply(density, UNEVEN, mag_i, [1, 2, 3])
    np.testing.assert_allclose(same, density, rtol=1e-5)
    bent = tuple(float(q**1.7) for q in KNOTS)
    mapped = Calibration(500, (22.0, 24.0), ((KNOTS, bent),)).apply(density, UNEVEN, mag_i, [1] * 3)
    np.testing.assert_allclose(pdf.pdf_to_pmf(mapped, UNEVEN).sum(axis=1), 1, rtol=1e-5)


def test_rows_without_a_pdf_stay_nan() -> None:
    density, objects = sample(1.0, 0.0, 1)
    found = fit(density, GRID.edges, objects)
    density[3] = np.nan
    new = applied(found, density[:5], objects[:5])
    assert new.dtype == np.float32
    assert np.isnan(new[3]).all()
    np.testing.assert_allclose((new[[0, 4]] * GRID.widths).sum(axis=1), 1, rtol=1e-5)


def test_pits_of_the_sample_itself_become_uniform() -> None:
    density, objects = sample(0.7, -0.4, 1)
    mended = applied(fit(density, GRID.edges, objects), density, objects)
    values = pit(mended, GRID.edges, objects["z"])
    np.testing.assert_allclose(np.quantile(values, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.02)


def test_few_galaxies_change_little() -> None:
    density, objects = sample(0.6, 0.0, 1)
    moved = {
        n: np.abs(np.subtract(fit(density[:n], GRID.edges, objects[:n]).fractions[0][0], KNOTS))
        for n in (10, 50, 1000)
    }
    # Galaxies shown again are no others.
    four = fit(np.concatenate([density[:10]] * 4), GRID.edges, pd.concat([objects[:10]] * 4))
    moved[40] = np.abs(np.subtract(four.fractions[0][0], KNOTS))
    assert four.n == 10
    assert moved[10].max() < 0.05 < moved[50].max() < moved[1000].max()
    assert moved[40].max() < 0.05
    assert "too few to change much" in four.in_words


def test_no_or_broken_pdfs_are_refused() -> None:
    density, objects = sample(1.0, 0.0, 1)
    with pytest.raises(InputError, match="no held-out source object has a PDF and a redshift"):
        fit(np.full_like(density, np.nan), GRID.edges, objects)
    density[7, :5] = np.nan
    with pytest.raises(InputError, match="1 of 3000 PDFs are partly NaN"):
        fit(density, GRID.edges, objects)


def test_what_was_calibrated_can_be_undone() -> None:
    density, objects = sample(0.6, 0.4, 1)
    objects.loc[:9, "mag_i"] = np.nan
    density[3] = np.nan
    found = fit(density, GRID.edges, objects, seed=5)
    assert len(found.mag_i) > 1
    known = objects["mag_i"], objects["object_id"]
    calibrated = applied(found, density, objects)
    assert np.nanmax(np.abs(calibrated - density)) > 0.1
    undone = found.undo(calibrated, GRID.edges, *known)
    np.testing.assert_allclose(undone, density, rtol=1e-5, atol=1e-5)
