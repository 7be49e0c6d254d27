"""The training set without the over-densities of its field."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gaussian_kde

from hscz.config.learn import FlattenConfig
from hscz.errors import InputError
from hscz.learn.flatten import FINE_STEP, Flattened, binned_counts, flatten, smooth, surplus
from hscz.mock.clustering import COSMOS_STRUCTURES, STRUCTURE_HALF_WIDTH
from hscz.mock.population import draw_field

SETTINGS = FlattenConfig()


@pytest.fixture(scope="module")
def cosmos() -> pd.DataFrame:
    """Galaxies of 0.16 square degrees with six planted structures."""
    truth = draw_field("COSMOS_UDF", (149.9, 150.3), (2.0, 2.4), 25.0, seed=5)
    return truth[~truth["is_star"]]


@pytest.fixture(scope="module")
def flattened(cosmos: pd.DataFrame) -> Flattened:
    return _flatten(cosmos)


def _flatten(galaxies: pd.DataFrame, settings: FlattenConfig = SETTINGS) -> Flattened:
    columns = (galaxies[key].to_numpy() for key in ("z_true", "mag_i", "ra", "dec"))
    return flatten(*columns, settings, np.random.default_rng(1))


@pytest.mark.parametrize("bandwidth", [0.0, 0.05])
def test_curves_are_those_of_gaussian_kde(cosmos: pd.DataFrame, bandwidth: float) -> None:
    for low, high in ((0, 20), (22, 23), (24, 25)):
        z = cosmos["z_true"][cosmos["mag_i"].between(low, high)].to_numpy()[:4000]
        counts = binned_counts(z, np.full(len(z), 22.0), [0, 30], z.max())
        ours = smooth(counts, bandwidth)[0] / len(z) / FINE_STEP
        centres = FINE_STEP * (np.arange(len(ours)) + 0.5)[::10]
        factor = bandwidth / z.std(ddof=1) if bandwidth else "scott"
        scipys = gaussian_kde(z, factor)(centres)
        assert np.abs(ours[::10] - scipys).max() < 1e-3 * scipys.max()


def test_spikes_go_and_most_bystanders_stay(cosmos: pd.DataFrame, flattened: Flattened) -> None:
    planted = cosmos["overdensity"].to_numpy() >= 0
    z, kept = cosmos["z_true"].to_numpy(), flattened.kept
    epoch = flattened.draw(np.random.default_rng(2))
    # The n(z) that the field has without its structures, smoothed by another hand.
    wanted = gaussian_kde(z[~planted], 0.1)
    excess = {"before": z, "kept": z[kept], "drawn": z[epoch]}
    for name, sample in excess.items():
        ratios = []
        for structure in COSMOS_STRUCTURES:
            reach = STRUCTURE_HALF_WIDTH * (1 + structure.redshift)
            low, high = structure.redshift - reach, structure.redshift + reach
            share = np.mean((sample > low) & (sample < high))
            ratios.append(share / wanted.integrate_box_1d(low, high) - 1)
        excess[name] = np.sqrt(np.mean(np.square(ratios)))
    assert excess["before"] > 0.5
    assert excess["kept"] < 0.25
    assert excess["drawn"] < 0.12
    removed = ~kept
    assert 0.1 < removed.mean() < 0.25
    assert planted[removed].mean() > 0.5 > 3 * planted.mean()
    assert removed[~planted].mean() < 0.12


def test_a_field_without_structures_is_left_alone(cosmos: pd.DataFrame) -> None:
    field = cosmos[cosmos["overdensity"] < 0]
    blurred = np.abs(field["z_true"] + np.random.default_rng(3).normal(0, 0.05, len(field)))
    assert _flatten(field.assign(z_true=blurred)).kept.mean() > 0.99


def test_the_densest_places_lose_most() -> None:
    rng = np.random.default_rng(4)
    ra, dec = rng.uniform(0, 1, (2, 12_000))
    clump = np.arange(12_000) < 1000
    z = np.where(clump, rng.normal(0.7, 0.004, 12_000), rng.gamma(8, 0.1, 12_000))
    ra[clump], dec[clump] = 0.5 + 0.02 * rng.normal(size=(2, 1000))
    kept = flatten(z, np.full(12_000, 22.5), ra, dec, SETTINGS, np.random.default_rng(1)).kept
    assert kept[clump].mean() < 0.25
    assert kept[~clump].mean() > 0.98
    # Neither the meridian of RA = 0 nor anything else of the frame matters.
    moved = flatten(z, np.full(12_000, 22.5), ra + 359.5, dec, SETTINGS, np.random.default_rng(1))
    assert np.array_equal(moved.kept, kept)


def test_epochs_follow_the_second_curve(cosmos: pd.DataFrame, flattened: Flattened) -> None:
    z, mag_i = cosmos["z_true"].to_numpy(), cosmos["mag_i"].to_numpy()
    edges, z_max, kept = SETTINGS.mag_edges, z.max(), flattened.kept
    curve = smooth(binned_counts(z[kept], mag_i[kept], edges, z_max))
    draws = [flattened.draw(np.random.default_rng(seed)) for seed in (1, 2)]
    assert not np.array_equal(*draws)
    assert not np.array_equal(np.sort(draws[0]), np.sort(draws[1]))
    for rows in draws:
        assert len(rows) == kept.sum()
        drawn = binned_counts(z[rows], mag_i[rows], edges, z_max)
        per_bin = np.bincount(np.digitize(mag_i[kept], edges) - 1, minlength=6)
        assert np.abs(drawn.sum(axis=1) - per_bin).max() <= 1
        drawn, wanted = (np.add.reduceat(x, range(0, 5000, 50), axis=1) for x in (drawn, curve))
        assert np.abs(drawn - wanted).sum() < 0.05 * len(rows)


@given(
    weights=st.lists(st.floats(0.05, 8), min_size=1, max_size=60),
    seed=st.integers(0, 2**32),
)
def test_a_galaxy_appears_floor_or_ceil_of_its_weight(weights: list[float], seed: int) -> None:
    weight = np.array(weights) * len(weights) / np.sum(weights)
    flat = Flattened(np.ones(len(weight), bool), weight, np.arange(len(weight)) // 7)
    times = np.bincount(flat.draw(np.random.default_rng(seed)), minlength=len(weight))
    assert times.sum() == len(weight)
    assert np.all((times > weight - 1 - 1e-9) & (times < weight + 1 + 1e-9))


def test_counts_add_up_over_dask_blocks(cosmos: pd.DataFrame) -> None:
    z, mag_i = cosmos["z_true"].to_numpy(), cosmos["mag_i"].to_numpy()
    args = SETTINGS.mag_edges, 6.0
    blocks = (da.from_array(column, chunks=3000) for column in (z, mag_i))
    lazy = binned_counts(*blocks, *args)
    assert isinstance(lazy, da.Array)
    assert np.array_equal(lazy.compute(), binned_counts(z, mag_i, *args))
    broken = da.from_array(np.append(z, np.nan), chunks=3000)
    lazy = binned_counts(broken, da.from_array(np.append(mag_i, 22.0), chunks=4000), *args)
    with pytest.raises(InputError, match="z is nan for 1 of"):
        lazy.compute()


@pytest.mark.parametrize(
    ("name", "value"), [("z", np.nan), ("z", -0.1), ("mag_i", np.nan), ("ra", np.inf)]
)
def test_what_no_galaxy_can_have_is_named(name: str, value: float) -> None:
    columns = {key: np.linspace(0.1, 1, 9) for key in ("z", "mag_i", "ra", "dec")}
    columns[name][3] = value
    with pytest.raises(InputError, match=f"{name} is {value} for 1 of 9 galaxies"):
        flatten(*columns.values(), SETTINGS, np.random.default_rng(1))
    with pytest.raises(InputError, match="no galaxy"):
        flatten([], [], [], [], SETTINGS, np.random.default_rng(1))


@pytest.mark.parametrize(
    "z", [[0.5], [0.5] * 40, [0.1, 3.0], [0.1] * 5 + [5.0] * 5, list(np.linspace(0.1, 6, 7))]
)
@pytest.mark.parametrize("bandwidth", [0.0, 0.2])
def test_few_galaxies(z: list[float], bandwidth: float) -> None:
    n = len(z)
    mag_i = np.array([30.0] + [24.5] * (n - 1))
    settings = FlattenConfig(bandwidth=bandwidth)
    flat = flatten(z, mag_i, np.zeros(n), np.zeros(n), settings, np.random.default_rng(1))
    assert len(flat.draw(np.random.default_rng(1))) == flat.kept.sum() >= min(n, 2)
    assert flat.weight.sum() == pytest.approx(flat.kept.sum())
    if len(set(z)) == 1:
        assert np.array_equal(flat.weight, np.ones(n))


def test_nothing_of_a_smooth_curve_is_surplus() -> None:
    z = np.arange(6000) * FINE_STEP
    counts = np.rint(400 * z**2 * np.exp(-2 * z)).astype(int)[None]
    assert surplus(counts, SETTINGS).sum() < 0.01 * counts.sum()
