"""Pairs of galaxies for the adversary."""

from __future__ import annotations

import numpy as np
import pytest

from hscz.config.learn import AdaptConfig
from hscz.errors import ConfigError, InputError
from hscz.learn.pairs import Pairs, draw_pairs, draw_singles

BATCH = 64
CROSS, SAME_S, SAME_T = slice(0, 32), slice(32, 48), slice(48, 64)
FIRST, SECOND = SAME_S, SAME_T  # the galaxies of pairs within one field
SETTINGS = AdaptConfig()


def magnitudes(n: int, rng: np.random.Generator, faint: float = 25, slope: float = 0.3):
    """Draw from n(i) ~ 10^(slope i), 16 < i < faint."""
    low, high = 10 ** (slope * np.array([16, faint]))
    return np.log10(rng.uniform(low, high, n)) / slope


def members(pairs: Pairs, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return a quantity of the first and second galaxy of each pair, shape (2, steps, B)."""
    s, t = source[pairs.source], target[pairs.target]
    first = [s[:, :32], s[:, 32:48], t[:, 32:48]]
    second = [t[:, :32], s[:, 48:], t[:, 48:]]
    return np.stack([np.hstack(first), np.hstack(second)])


def auc(same: np.ndarray, cross: np.ndarray) -> float:
    """Return how often a pair of the same field has the larger value."""
    cross = np.sort(cross, axis=None)
    places = [np.searchsorted(cross, same, side) for side in ("left", "right")]
    return float(np.mean(places) / cross.size)


def auc_of_gap(gap: np.ndarray, valid: np.ndarray) -> float:
    return auc(gap[:, 32:][valid[:, 32:]], gap[:, CROSS][valid[:, CROSS]])


def noise(mag: np.ndarray, sigma_at_25: np.ndarray | float, rng: np.random.Generator) -> np.ndarray:
    """Return photometric errors which grow as those of a sky-limited image do."""
    return rng.normal(size=mag.shape) * sigma_at_25 * 10 ** (0.4 * (mag - 25))


def perceived_gap(pairs: Pairs, mags: np.ndarray, sigma_s: float, sigma_t: float, seed: int):
    rng = np.random.default_rng(seed)
    n_source, n_target = np.full(10**6, sigma_s), np.full(10**6, sigma_t)
    sigma = members(pairs, n_source, n_target)
    first, second = mags + noise(mags, sigma, rng)
    return np.abs(first - second)


def test_a_step_has_the_kinds_of_pairs_in_their_places() -> None:
    rng = np.random.default_rng(5)
    mag_s, mag_t = magnitudes(6000, rng), magnitudes(4000, rng)
    order = rng.integers(6000, size=6010)
    pairs = draw_pairs(order, mag_s, mag_t, BATCH, rng, SETTINGS)
    assert pairs.source.shape == pairs.target.shape == pairs.swap.shape == (93, BATCH)
    drawn = order[: 93 * BATCH].reshape(93, BATCH)
    np.testing.assert_array_equal(pairs.source[:, CROSS], drawn[:, CROSS])
    # Those that meet themselves, of which a draw with repeats has a few at the ends, do not count.
    itself = pairs.source[:, FIRST] == pairs.source[:, SECOND]
    assert itself.mean() < 0.005
    assert not pairs.valid[:, FIRST][itself].any()
    assert (pairs.target[:, FIRST] != pairs.target[:, SECOND]).all()
    for kind in (CROSS, SAME_S, SAME_T):
        assert abs(pairs.swap[:, kind].mean() - 0.5) < 0.04
    first, second = members(pairs, mag_s, mag_t)
    near = np.abs(first - second) <= 0.1
    assert not (pairs.valid & ~near).any()
    assert pairs.valid.mean() > 0.95
    report = pairs.report()
    assert report["distinct_targets"] == len(np.unique(pairs.target))
    assert report["target_reuse_mean"] == pairs.target.size / report["distinct_targets"]
    assert report["pairs_beyond_gap"] == pytest.approx(1 - pairs.valid.mean())


def test_the_gap_in_magnitude_does_not_tell_the_kinds_of_pairs_apart() -> None:
    rng = np.random.default_rng(6)
    mag_s, mag_t = magnitudes(155_000, rng), magnitudes(100_000, rng)
    pairs = draw_pairs(rng.permutation(155_000), mag_s, mag_t, BATCH, rng, SETTINGS)
    mags = members(pairs, mag_s, mag_t)
    for sigma in (0.05, 0.1):
        assert 0.48 < auc_of_gap(perceived_gap(pairs, mags, sigma, sigma, 7), pairs.valid) < 0.52

    # A noisier target shows by itself, in galaxies of identical magnitudes too (0.477 here).
    gap = perceived_gap(pairs, mags, 0.05, 0.1, 8)
    twins = perceived_gap(pairs, np.broadcast_to(mags[0], mags.shape), 0.05, 0.1, 9)
    assert abs(auc_of_gap(gap, pairs.valid) - auc_of_gap(twins, pairs.valid)) < 0.01
    assert auc_of_gap(gap, pairs.valid) > 0.47

    # What the rule avoids: random partners within a field.
    mags[1, :, SAME_S] = rng.permutation(mags[0, :, SAME_S], axis=0)
    mags[1, :, SAME_T] = rng.permutation(mags[0, :, SAME_T], axis=0)
    assert auc_of_gap(perceived_gap(pairs, mags, 0.05, 0.1, 8), pairs.valid) > 0.95


@pytest.mark.parametrize(("faint", "slope"), [(25, 0.2), (25, 0.4), (24.3, 0.3)])
def test_a_different_target_is_matched_to_the_source(faint: float, slope: float) -> None:
    rng = np.random.default_rng(10)
    mag_s, mag_t = magnitudes(60_000, rng), magnitudes(40_000, rng, faint, slope)
    pairs = draw_pairs(rng.permutation(60_000), mag_s, mag_t, BATCH, rng, SETTINGS)
    mags = members(pairs, mag_s, mag_t)
    assert 0.47 < auc_of_gap(perceived_gap(pairs, mags, 0.05, 0.05, 11), pairs.valid) < 0.53
    # Neither does the magnitude itself: what the target lacks is left out of every kind.
    assert 0.49 < auc_of_gap(mags.mean(axis=0), pairs.valid) < 0.51
    shares = [pairs.valid[:, kind].mean() for kind in (CROSS, SAME_S, SAME_T)]
    assert np.ptp(shares) < 0.02
    assert pairs.report()["target_reuse_max"] < 400


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("draw", [draw_pairs, draw_singles])
def test_a_label_is_shown_as_often_as_the_epoch_has_it(draw, share: float) -> None:
    """Pairing puts no galaxy in the place of another: else it would undo the flattening."""
    rng = np.random.default_rng(15)
    mag_s, mag_t = magnitudes(4000, rng), magnitudes(3000, rng)
    order = rng.choice(4000, 3968, p=np.exp(mag_s) / np.exp(mag_s).sum())
    settings = AdaptConfig(judged_share=share)
    drawn = draw(order, mag_s, mag_t, BATCH, rng, settings)
    source, target = (
        (drawn.source, drawn.target) if isinstance(drawn, Pairs) else (drawn[0], drawn[1])
    )
    np.testing.assert_array_equal(np.sort(source, axis=None), np.sort(order))
    assert target.shape == (62, share * BATCH)
    # Each batch is a fair sample of the epoch, too.
    for part in (slice(0, 16), slice(24, 32), slice(32, 64)):
        assert abs(mag_s[source[:, part]].mean() - mag_s[order].mean()) < 0.1


def test_two_of_a_pair_are_not_always_the_same_two() -> None:
    rng, mag = np.random.default_rng(16), np.linspace(23, 25, 400)
    met: dict[int, set[int]] = {}
    for _ in range(200):
        pairs = draw_pairs(rng.permutation(400), mag, mag, 8, rng, SETTINGS)
        for one, other in zip(pairs.source[:, 4:6].flat, pairs.source[:, 6:].flat, strict=True):
            met.setdefault(int(one), set()).add(int(other))
    assert np.mean([len(others) for others in met.values()]) > 15


def test_a_single_galaxy_has_a_target_as_bright() -> None:
    rng = np.random.default_rng(17)
    mag_s, mag_t = magnitudes(6000, rng), magnitudes(4000, rng, 24.3)
    source, target, near = draw_singles(
        rng.permutation(6000), mag_s, mag_t, BATCH, rng, AdaptConfig(judged_share=0.5)
    )
    gap = np.abs(mag_s[source[:, :32]] - mag_t[target])
    assert (gap[near] <= SETTINGS.max_gap_mag).all()
    assert 0.4 < near.mean() < 0.7
    assert mag_s[source[:, :32]][~near].min() > 16
    assert np.bincount(target.ravel()).max() < 30


def test_partners_come_from_the_epoch_and_from_one_field() -> None:
    rng = np.random.default_rng(12)
    mag_s, mag_t = magnitudes(4000, rng), magnitudes(3000, rng)
    domain = rng.integers(3, size=3000)
    order = rng.permutation(4000)[:2000]
    pairs = draw_pairs(order, mag_s, mag_t, BATCH, rng, SETTINGS, domain)
    assert np.isin(pairs.source, order).all()
    np.testing.assert_array_equal(domain[pairs.target[:, FIRST]], domain[pairs.target[:, SECOND]])
    assert len(np.unique(domain[pairs.target[:, SAME_T]])) == 3


def test_the_generator_alone_decides() -> None:
    mag = magnitudes(1000, np.random.default_rng(13))
    draws = [
        draw_pairs(np.arange(1000), mag, mag, 8, np.random.default_rng(seed), SETTINGS)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(draws[0].target, draws[1].target)
    np.testing.assert_array_equal(draws[0].swap, draws[1].swap)
    assert (draws[0].target != draws[2].target).any()


def test_what_cannot_be_paired_is_refused() -> None:
    rng, mag = np.random.default_rng(14), np.linspace(20, 25, 100)

    def draw(batch_size=8, mag_target=mag):
        return draw_pairs(np.arange(100), mag, mag_target, batch_size, rng, SETTINGS)

    with pytest.raises(ConfigError, match=r"train.batch_size is 6; .*a multiple of 4"):
        draw(batch_size=6)
    with pytest.raises(ConfigError, match=r"train.batch_size is 128, more than the 100"):
        draw(batch_size=128)
    with pytest.raises(ConfigError, match=r"only 12 target galaxies .* adapt.neighbours = 30"):
        draw(mag_target=mag[:12])
    with pytest.raises(InputError, match="2 of 102 target galaxies have no finite i magnitude"):
        draw(mag_target=np.append(mag, [np.nan, np.inf]))
    with pytest.raises(InputError, match=r"no target galaxy is within adapt.max_gap_mag = 0.1"):
        draw(mag_target=mag + 10)
