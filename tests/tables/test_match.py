"""One-to-one matching on the sky."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from hscz.tables import match
from hscz.tables.match import match_one_to_one, pairs_within, without_repeats


def brute_force(
    ra1: np.ndarray, dec1: np.ndarray, ra2: np.ndarray, dec2: np.ndarray, radius: float
) -> list[tuple[int, int]]:
    """Return the pairs of the greedy rule, from the matrix of all separations."""
    first, second = SkyCoord(ra1, dec1, unit="deg"), SkyCoord(ra2, dec2, unit="deg")
    separation = first[:, None].separation(second[None]).to_value(u.arcsec)
    pairs = []
    while separation.min() <= radius:
        i, j = np.unravel_index(separation.argmin(), separation.shape)
        pairs.append((int(i), int(j)))
        separation[i, :] = separation[:, j] = np.inf
    return sorted(pairs)


def crowd(n: int, seed: int, dec: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Return positions about as dense as one in every match radius."""
    rng = np.random.default_rng([seed, n])
    side = np.sqrt(n) / 3600
    return 150 + rng.uniform(0, side, n) / np.cos(np.radians(dec)), dec + rng.uniform(0, side, n)


@pytest.mark.parametrize("dec", [2.0, -60.0, 89.5])
@pytest.mark.parametrize("radius", [0.3, 1.0, 2.5])
def test_equals_brute_force_in_a_crowd(dec: float, radius: float) -> None:
    (ra1, dec1), (ra2, dec2) = crowd(120, 1, dec), crowd(150, 2, dec)
    i, j, separation = match_one_to_one(ra1, dec1, ra2, dec2, radius)
    pairs = list(zip(i.tolist(), j.tolist(), strict=True))
    assert pairs == brute_force(ra1, dec1, ra2, dec2, radius)
    assert len(pairs) > 10
    first, second = SkyCoord(ra1[i], dec1[i], unit="deg"), SkyCoord(ra2[j], dec2[j], unit="deg")
    np.testing.assert_allclose(separation, first.separation(second).to_value("arcsec"), atol=1e-6)


def test_does_not_depend_on_the_order_of_rows() -> None:
    (ra1, dec1), (ra2, dec2) = crowd(200, 3), crowd(200, 4)
    i, j, _ = match_one_to_one(ra1, dec1, ra2, dec2)
    rng = np.random.default_rng(0)
    p, q = rng.permutation(200), rng.permutation(200)
    k, m, _ = match_one_to_one(ra1[p], dec1[p], ra2[q], dec2[q])
    assert set(zip(p[k].tolist(), q[m].tolist(), strict=True)) == set(
        zip(i.tolist(), j.tolist(), strict=True)
    )


def test_equal_separations_are_decided_by_position() -> None:
    ra, dec = np.array([10.0, 10.0]), np.array([-0.0001, 0.0001])
    i, _, _ = match_one_to_one(ra, dec, [10.0], [0.0])
    k, _, _ = match_one_to_one(ra[::-1], dec[::-1], [10.0], [0.0])
    assert dec[i] == dec[::-1][k]


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    (ra1, dec1), (ra2, dec2) = crowd(100, 5), crowd(100, 6)
    whole = match_one_to_one(ra1, dec1, ra2, dec2)
    monkeypatch.setattr(match, "_BLOCK", 7)
    for a, b in zip(whole, match_one_to_one(ra1, dec1, ra2, dec2), strict=True):
        np.testing.assert_array_equal(a, b)


def test_across_zero_right_ascension() -> None:
    i, j, separation = match_one_to_one([359.9999], [0.0], [0.0001], [0.0])
    assert (i.tolist(), j.tolist()) == ([0], [0])
    assert separation[0] == pytest.approx(0.72)


def test_nothing_to_match() -> None:
    for one, two in (([], [10.0]), ([10.0], []), ([10.0], [20.0])):
        i, j, separation = match_one_to_one(one, one, two, two)
        assert len(i) == len(j) == len(separation) == 0


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 2.0), (180.0, 89.9996), (90.0, -89.9999), (0.0, 45)])
@pytest.mark.parametrize("radius", [0.5, 3.0, 40.0])
def test_all_pairs_are_found_once_at_the_seam_and_at_the_poles(
    ra: float, dec: float, radius: float
) -> None:
    rng = np.random.default_rng(8)
    side = 20 / 3600
    spread = min(side / np.cos(np.radians(dec)), 180)
    lists = [
        (ra + rng.uniform(-spread, spread, n), (dec + rng.uniform(-side, side, n)).clip(-90, 90))
        for n in (60, 90)
    ]
    one, two = (SkyCoord(*positions, unit="deg") for positions in lists)
    near = one[:, None].separation(two[None]).to_value(u.arcsec) <= radius
    for first, second, want in ((*lists, near), (*lists[::-1], near.T)):
        i, j, _ = pairs_within(*first, *second, radius)
        pairs = sorted(map(list, zip(i.tolist(), j.tolist(), strict=True)))
        assert pairs == np.argwhere(want).tolist()
    assert near.sum() > (10 if radius > 1 else 0)


def test_a_position_that_is_unknown_matches_nothing() -> None:
    i, j, _ = match_one_to_one([np.nan, 10.0, 20.0], [0.0, 0.0, np.nan], [10.0, np.nan], [0.0, 0.0])
    assert (i.tolist(), j.tolist()) == ([1], [0])


def test_an_object_listed_twice_is_matched_once_by_its_nearer_entry() -> None:
    twice = [150.0, 150.0 + 0.2 / 3600, 150.0 + 0.2 / 3600]
    redshift = [150.0 + 0.15 / 3600]
    i, j, _ = match_one_to_one(twice, [0.0] * 3, redshift, [0.0])
    assert (i.tolist(), j.tolist()) == ([1], [0])
    i, j, _ = match_one_to_one(redshift, [0.0], twice, [0.0] * 3)
    assert (i.tolist(), j.tolist()) == ([0], [1])


def test_of_repeats_the_first_stays_and_does_not_take_a_chain_with_it() -> None:
    ra, dec = crowd(300, 7)
    sky = SkyCoord(ra, dec, unit="deg")
    separation = sky[:, None].separation(sky[None]).to_value(u.arcsec)
    for radius in (0.3, 1.0, 3.0):
        kept = without_repeats(ra, dec, radius)
        expected: list[int] = []
        for row in range(300):
            if all(separation[row, other] > radius for other in expected):
                expected.append(row)
        assert np.flatnonzero(kept).tolist() == expected
        assert len(expected) < 300
