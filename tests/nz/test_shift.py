from __future__ import annotations

import numpy as np
import pytest

from hscz.errors import InputError
from hscz.nz import shift
from hscz.nz.shift import Shift, infer
from tests.helpers.toy_field import CENTRES, EDGES, ToyField, toy_field

LIKE = toy_field(3000, seed=1)
MIDDLE = slice(6, 22)
"""Bins of ln(1 + z) with many galaxies."""


def inferred(field: ToyField, like: ToyField = LIKE) -> Shift:
    return infer(field.pdf, field.mag_i, like.pdf, like.mag_i, np.arange(len(like.z)), EDGES)


def mean_z(pdf: np.ndarray) -> float:
    return float((pdf.mean(axis=0) * CENTRES).sum() * 0.05)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_field_of_the_same_n_of_z_asks_for_no_ratio(seed: int) -> None:
    found = inferred(toy_field(2500, seed))
    assert "nothing asks for another n(z | i)" in found.ratio.in_words
    field = toy_field(5, seed)
    same = found.ratio.apply(field.pdf, EDGES, field.mag_i)
    np.testing.assert_allclose(same, field.pdf, atol=1e-12)


def test_few_like_galaxies_are_not_taken_for_many() -> None:
    gains = []
    for seed in range(6):
        few = toy_field(250, 50 + seed)
        gains.append(inferred(toy_field(3000, 60 + seed), few).ratio.gain)
    assert max(gains) < shift.LEAST_GAIN


@pytest.mark.parametrize(
    "ratio",
    [
        (1 + CENTRES) ** 1.5,
        (1 + CENTRES) ** -1.5,
        1 + 3 * np.exp(-0.5 * ((CENTRES - 1.2) / 0.2) ** 2),
        1 - 0.9 * np.exp(-0.5 * ((CENTRES - 0.7) / 0.25) ** 2),
    ],
    ids=["more", "fewer", "bump", "hole"],
)
def test_n_of_z_of_another_field_is_found(ratio: np.ndarray) -> None:
    field = toy_field(3000, 5, ratio)
    found = inferred(field)
    assert found.ratio.used
    changed = found.ratio.apply(field.pdf, EDGES, field.mag_i)
    truth = np.histogram(field.z, EDGES)[0] / len(field.z)
    off = [
        np.abs(np.cumsum(pdf.mean(axis=0) * 0.05 - truth)).sum() * 0.05
        for pdf in (field.pdf, changed)
    ]
    assert off[1] < 0.7 * off[0]
    np.testing.assert_allclose(changed.sum(axis=1) * 0.05, 1, rtol=1e-5)


def test_the_slope_is_known_as_well_as_it_says() -> None:
    pulls = []
    for seed in range(8):
        field = toy_field(1500, 20 + seed, (1 + CENTRES) ** 1.5)
        found = inferred(field)
        slope, *moved = (
            np.polyfit(np.log1p(found.z[MIDDLE]), np.mean(table, axis=0)[MIDDLE], 1)[0]
            for table in (found.ratio.log_ratio, *found.deviations)
        )
        pulls.append((slope - 1.5) / np.linalg.norm(moved))
    assert np.abs(np.mean(pulls)) < 1.2
    assert 0.2 < np.std(pulls) < 2.0


def test_galaxies_shown_twice_count_once() -> None:
    field, few = toy_field(2000, 6, (1 + CENTRES) ** 0.4), toy_field(700, 7)
    twice = [np.concatenate([values, values]) for values in (few.pdf, few.mag_i)]
    number = np.arange(700)
    once = infer(field.pdf, field.mag_i, few.pdf, few.mag_i, number, EDGES)
    same = infer(field.pdf, field.mag_i, *twice, np.tile(number, 2), EDGES)
    assert same.ratio.gain == pytest.approx(once.ratio.gain, abs=2.0)


def test_what_is_not_known_takes_no_part() -> None:
    field = toy_field(1500, 8, (1 + CENTRES) ** 1.5)
    pdf, mag_i = field.pdf.copy(), field.mag_i.copy()
    pdf[:100], mag_i[100:200] = np.nan, np.nan
    found = infer(pdf, mag_i, LIKE.pdf, LIKE.mag_i, np.arange(len(LIKE.z)), EDGES)
    assert found.ratio.n == 1300
    assert found.ratio.used


def test_pdfs_with_zeros_are_taken_as_they_are() -> None:
    field, like = toy_field(1500, 9, (1 + CENTRES) ** 1.5), toy_field(2000, 10)
    cut = [np.where(one.pdf < 0.05, 0, one.pdf) for one in (field, like)]
    found = infer(cut[0], field.mag_i, cut[1], like.mag_i, np.arange(2000), EDGES)
    changed = found.ratio.apply(cut[0], EDGES, field.mag_i)
    assert np.isfinite(changed).all()
    assert (changed[cut[0] == 0] == 0).all()
    assert abs(mean_z(changed) - field.z.mean()) < abs(mean_z(cut[0]) - field.z.mean())


def test_few_galaxies_say_nothing() -> None:
    field = toy_field(50, 11, (1 + CENTRES) ** 3)
    found = inferred(field)
    assert found.ratio.withheld == "50 galaxies are too few to infer it; it takes 100"
    assert not found.ratio.used


def test_a_ratio_that_no_n_of_z_explains_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shift, "BOUND", 0.2)
    found = inferred(toy_field(2500, 12, (1 + CENTRES) ** 2))
    assert "look at zero points" in found.ratio.withheld
    assert found.ratio.gain > shift.LEAST_GAIN


def test_without_like_galaxies_there_is_an_error() -> None:
    nothing = np.full((3, 120), np.nan)
    with pytest.raises(InputError, match="no like galaxy has a PDF"):
        infer(LIKE.pdf, LIKE.mag_i, nothing, np.zeros(3), np.arange(3), EDGES)
