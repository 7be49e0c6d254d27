"""Who is nearest in magnitude."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from hscz.errors import ConfigError
from hscz.learn.nearest import nearest_partner


@given(
    pool=st.lists(st.integers(0, 12) | st.floats(0, 12), min_size=6, max_size=40),
    values=st.lists(st.floats(-1, 13) | st.integers(0, 12), max_size=20),
    k=st.integers(1, 5),
    seed=st.integers(0, 3),
)
def test_partners_are_the_nearest_by_brute_force(pool, values, k, seed) -> None:
    rng, entries, wanted = np.random.default_rng(seed), np.array(pool), np.array(values, float)
    chosen = nearest_partner(wanted, entries, rng, k)
    distance = np.abs(wanted[:, None] - entries)
    assert (np.abs(wanted - entries[chosen]) <= np.sort(distance, axis=1)[:, k - 1]).all()

    own = np.arange(len(pool))
    other = nearest_partner(entries, entries, rng, k, exclude=own)
    distance = np.abs(entries[:, None] - entries) + np.diag(np.full(len(pool), np.inf))
    assert (other != own).all()
    assert (np.abs(entries - entries[other]) <= np.sort(distance, axis=1)[:, k - 1]).all()


@pytest.mark.parametrize("own", [None, 70])
def test_each_of_the_nearest_is_as_likely(own: int | None) -> None:
    rng = np.random.default_rng(3)
    pool = rng.uniform(20, 25, 200)
    value = 22.0 if own is None else pool[own]
    exclude = None if own is None else np.full(30_000, own)
    chosen = nearest_partner(np.full(30_000, value), pool, rng, 30, exclude)
    nearest = np.argsort(np.abs(pool - value))[slice(0, 30) if own is None else slice(1, 31)]
    counts = np.bincount(chosen, minlength=200)
    assert set(np.flatnonzero(counts)) == set(nearest)
    assert chisquare(counts[nearest]).pvalue > 1e-3


def test_galaxies_of_one_magnitude_share_the_chance() -> None:
    rng = np.random.default_rng(4)
    pool = np.repeat([22.0, 24.0], [10, 500])
    counts = np.bincount(nearest_partner(np.full(50_000, 24.0), pool, rng), minlength=510)
    assert counts[:10].sum() == 0
    assert chisquare(counts[10:]).pvalue > 1e-3
    own = np.arange(10, 510)
    assert (nearest_partner(pool[own], pool, rng, exclude=own) != own).all()


def test_too_few_to_choose_from_are_refused() -> None:
    mag, rng = np.linspace(20, 25, 30), np.random.default_rng(14)
    with pytest.raises(ConfigError, match="only 29 target galaxies"):
        nearest_partner([22.0], mag, rng, exclude=np.array([0]), name="target")
