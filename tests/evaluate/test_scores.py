"""Scores without labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hscz.errors import InputError
from hscz.evaluate import scores
from hscz.pdf.grid import RedshiftGrid

GRID = RedshiftGrid.uniform(120, 6.0)


def gaussians(z: np.ndarray, sigma: float) -> np.ndarray:
    """Return densities on the grid around the redshifts."""
    pdf = np.exp(-0.5 * ((GRID.centres - z[:, None]) / sigma) ** 2) + 1e-12
    return pdf / (pdf * GRID.widths).sum(axis=1, keepdims=True)


@given(arrays(float, (12, 5), elements=st.floats(0.001, 1)))
def test_information_is_what_knowing_the_galaxy_tells(pmf: np.ndarray) -> None:
    information = scores.mutual_information(pmf)
    mass = pmf / pmf.sum(axis=1, keepdims=True)
    joint = mass / len(mass)
    product = joint.sum(axis=0) * joint.sum(axis=1, keepdims=True)
    assert information == pytest.approx(np.sum(joint * np.log(joint / product)), abs=1e-9)
    assert scores.mutual_information(np.vstack([pmf, pmf])) == pytest.approx(information)
    assert -1e-12 < information <= np.log(5)
    assert 0 < scores.mean_entropy(pmf) <= np.log(5) + 1e-12


def test_the_nuclear_norm_of_known_matrices() -> None:
    spread = np.tile(np.eye(8), (128, 1))
    assert scores.nuclear_norm(spread) == pytest.approx(np.sqrt(8 / 512))
    collapsed = np.tile(np.eye(8)[0], (1024, 1))
    assert scores.nuclear_norm(collapsed) == pytest.approx(np.sqrt(1 / 512))
    # The last rows fill no block.
    assert scores.nuclear_norm(np.vstack([spread, collapsed[:500]])) == scores.nuclear_norm(spread)


def test_the_neighbourhood_density_by_its_definition() -> None:
    pmf = np.random.default_rng(1).dirichlet(np.ones(6), 25)
    entropies = []
    for i, row in enumerate(pmf):
        others = np.delete(pmf, i, axis=0)
        cosine = others @ row / np.linalg.norm(others, axis=1) / np.linalg.norm(row)
        weight = np.exp(cosine / 0.05)
        weight /= weight.sum()
        entropies.append(-np.sum(weight * np.log(weight)))
    found = scores.neighbourhood_density(pmf, np.random.default_rng(2))
    assert found == pytest.approx(np.mean(entropies))


def test_the_scores_know_which_of_two_networks_is_lost() -> None:
    rng = np.random.default_rng(3)
    z, mag = rng.choice([0.4, 0.9, 1.5, 2.4], 3000), rng.uniform(22, 25, 3000)
    good = gaussians(z + rng.normal(0, 0.02, 3000), 0.05)
    lost = gaussians(z + rng.normal(0, 0.5, 3000), 0.6)
    good[0] = np.nan
    home = np.full(3000, 0.1) * np.exp(rng.normal(0, 0.01, 3000))
    of_good, of_lost = (
        scores.label_free_scores(pdf, GRID.edges, mag, home, mag, np.random.default_rng(4))
        for pdf in (good, lost)
    )
    assert of_good["mean_entropy"] < of_lost["mean_entropy"]
    assert of_good["width_shift"] < 0.05 < 2 < of_lost["width_shift"]
    for name in ("mutual_information", "nuclear_norm"):
        assert of_good[name] > of_lost[name]
    # Wide PDFs overlap, so this one is deceived.
    assert of_good["neighbourhood_density"] < of_lost["neighbourhood_density"]
    again = scores.label_free_scores(good, GRID.edges, mag, home, mag, np.random.default_rng(4))
    assert again == of_good


def widths(mag: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 0.05 * 10 ** (0.3 * (mag - 22)) * np.exp(rng.normal(0, 0.6, len(mag)))


def test_widths_are_compared_at_the_same_magnitude() -> None:
    rng = np.random.default_rng(5)
    mag, mag_s = 25 - rng.exponential(1.4, 4000), 25 - rng.exponential(2.5, 4000)
    w, w_s = widths(mag, rng), widths(mag_s, rng)
    # All widths taken together differ by 0.5, from the magnitudes alone.
    assert abs(np.median(np.log(w)) - np.median(np.log(w_s))) > 0.4
    assert scores.width_shift(w, mag, w_s, mag_s) < 0.08
    for factor in (0.5, 2.0):
        assert scores.width_shift(factor * w, mag, w_s, mag_s) == pytest.approx(np.log(2), abs=0.08)
    narrowed = np.median(w) * (w / np.median(w)) ** 0.3
    assert scores.width_shift(narrowed, mag, w_s, mag_s) > 0.2
    assert scores.width_shift(np.append(w, np.nan), np.append(mag, 22), w_s, mag_s) == (
        scores.width_shift(w, mag, w_s, mag_s)
    )


def test_the_choice_is_the_stated_sum() -> None:
    table = pd.DataFrame(
        {"validation_loss": [3.0, 3.2, np.nan, 2.9], "width_shift": [-0.5, 0.1, 0.0, np.inf]},
        index=["v0", "v2", "stopped", "diverged"],
    )
    assert scores.choose(table) == "v2"
    assert scores.choose(table.iloc[[0, 2, 3]]) == "v0"
    assert scores.choose(pd.concat([table.loc[["v2"]].set_axis(["twin"]), table])) == "twin"


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(InputError, match="1 of 2 PDFs are NaN or without probability"):
        scores.mean_entropy([[0.5, 0.5], [np.nan, 1.0]])
    with pytest.raises(InputError, match="1 PDF has no neighbours"):
        scores.neighbourhood_density(np.ones((1, 3)), np.random.default_rng(1))
    for width in (np.ones(500), np.full(500, np.nan)):
        with pytest.raises(InputError, match=r"0 of .* target galaxies with a PDF have a source"):
            scores.width_shift(width, np.full(500, 24.0), np.ones(500), np.full(500, 20.0))
    with pytest.raises(InputError, match="no column 'width_shift'"):
        scores.choose(pd.DataFrame({"validation_loss": [1.0]}))
    with pytest.raises(InputError, match="none of 1 candidates has a finite"):
        scores.choose(pd.DataFrame({"validation_loss": [np.nan], "width_shift": [0.1]}))
