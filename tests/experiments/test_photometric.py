"""Aperture magnitudes with their errors, and the redshifts that two methods make of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import xarray as xr
from numpy.typing import ArrayLike

from hscz.errors import ConfigError, InputError
from hscz.evaluate.proper import cde_loss
from hscz.experiments import neighbours, photometric
from hscz.experiments.photometric import Estimate, Features, features
from hscz.learn.conditions import Conditions
from hscz.pdf.grid import RedshiftGrid
from hscz.seams import ESTIMATORS
from hscz.survey import BANDS, PIXEL_SCALE_ARCSEC

SKY_NOISE = 0.05
FWHM_ARCSEC_PER_SIGMA_PX = np.sqrt(8 * np.log(2)) * PIXEL_SCALE_ARCSEC
GRID = RedshiftGrid.uniform(180, 3.0)


def field(
    flux: ArrayLike,
    ebv: float = 0.0,
    noise: float = SKY_NOISE,
    n: int = 40,
    sigma_px: float = 1.5,
    seed: int = 1,
) -> xr.Dataset:
    """Return n stamps of point-like galaxies of the same flux in g and i, dimmed by dust."""
    rng = np.random.default_rng(seed)
    axis = np.arange(24) - 12
    profile = np.exp(-0.5 * (axis / sigma_px) ** 2)
    star = np.outer(profile, profile) / profile.sum() ** 2
    dimmed = flux * 10 ** (-0.4 * ebv * np.array([BANDS[b].extinction_per_ebv for b in "gi"]))
    image = dimmed[:, None, None] * star + rng.normal(0, noise, (n, 2, 24, 24))
    return xr.Dataset(
        {
            "image": (("object", "band", "y", "x"), image.astype(np.float16)),
            "sky_noise": (("object", "band"), np.full((n, 2), noise, np.float32)),
            "psf_fwhm": (
                ("object", "band"),
                np.full((n, 2), sigma_px * FWHM_ARCSEC_PER_SIGMA_PX, np.float32),
            ),
            "ebv": ("object", np.full(n, ebv, np.float32)),
        },
        coords={"band": ["g", "i"]},
    )


def measured(store: xr.Dataset, like: xr.Dataset | None = None) -> Features:
    rows, bands = np.arange(store.sizes["object"]), ["g", "i"]
    wanted = None if like is None else Conditions.of(like, rows, bands)
    return features(store, rows, bands, [SKY_NOISE] * 2, like=wanted)


def galaxies(n: int, seed: int, error: float = 0.03) -> tuple[Features, np.ndarray]:
    """Return galaxies whose colours tell their redshift, up to errors of the magnitudes."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.1, 2.5, n)
    colours = np.column_stack([z, np.sin(2 * z), 0.5 * z**2])
    mag = rng.uniform(20, 24, (n, 1)) + np.cumsum(np.c_[np.zeros(n), -colours], axis=1)
    return Features(mag + rng.normal(0, error, mag.shape), np.full(mag.shape, error)), z


@pytest.mark.parametrize("flux", [0.0, 2.0, 200.0])
def test_the_errors_are_the_scatter(flux: float) -> None:
    mag = measured(field(flux, n=600))
    assert mag.mag.std(axis=0) == pytest.approx(mag.mag_err.mean(axis=0), rel=0.1)
    assert mag.colour.std(axis=0) == pytest.approx(mag.colour_err.mean(axis=0), rel=0.1)


def test_bright_magnitudes_are_those_of_pogson() -> None:
    np.testing.assert_allclose(measured(field(200.0)).mag, -2.5 * np.log10(200), atol=0.02)


def test_dust_and_depth_do_not_move_the_magnitudes() -> None:
    clear = measured(field(5.0, noise=0.01, n=200))
    dusty = measured(field(5.0, ebv=0.1, noise=0.02, n=200))
    np.testing.assert_allclose(clear.mag.mean(0), dusty.mag.mean(0), atol=0.02)
    brighter = 10 ** (0.4 * 0.1 * BANDS["g"].extinction_per_ebv)
    assert dusty.mag_err[:, 0].mean() / clear.mag_err[:, 0].mean() == pytest.approx(
        2 * brighter, rel=0.02
    )


def test_galaxies_to_learn_from_look_like_those_of_the_target() -> None:
    """As noisy, as much of their light outside the aperture, and with the errors that say so."""
    deep = field(3.0, ebv=0.02, noise=0.01, n=600)
    shallow = field(3.0, ebv=0.05, noise=0.06, n=600, sigma_px=3.2, seed=2)
    found, expected, plain = measured(deep, shallow), measured(shallow), measured(deep)
    # The kernel is that of turbulence, whose wings the Gaussian stars here do not have.
    assert (plain.mag.mean(0) < expected.mag.mean(0) - 0.2).all()
    np.testing.assert_allclose(found.mag.mean(0), expected.mag.mean(0), atol=0.1)
    np.testing.assert_allclose(found.mag.std(0), expected.mag.std(0), rtol=0.15)
    np.testing.assert_allclose(found.mag_err.mean(0), expected.mag_err.mean(0), rtol=0.1)
    # What is worse already stays so.
    worse = measured(shallow, deep)
    np.testing.assert_allclose(worse.mag.std(0), expected.mag.std(0), rtol=0.15)


def test_blocks_and_chosen_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store = field(5.0)
    whole = measured(store)
    monkeypatch.setattr(photometric, "_BLOCK", 7)
    rows = np.array([0, 3, 4, 9, 11, 12, 20, 21, 22, 39])
    some = features(store, rows, ["i", "g"], [SKY_NOISE] * 2)
    np.testing.assert_allclose(some.mag, whole.mag[rows][:, ::-1], rtol=1e-6)


def estimate(
    method: str, known: Features, z_label: ArrayLike, target: Features, seed: int = 1
) -> Estimate:
    found: Estimate = ESTIMATORS.load(method).learn(known, z_label, GRID, seed)(target)
    return found


@pytest.mark.parametrize("method", ["knn", "flexzboost"])
def test_a_method_learns_and_repeats_itself(method: str) -> None:
    (known, z_label), (target, z) = galaxies(2000, 1), galaxies(500, 2)
    first, again = (estimate(method, known, z_label, target, seed=3) for _ in range(2))
    assert np.median(abs(first.z_median - z)) < 0.05
    np.testing.assert_array_equal(first.z_median, again.z_median)


def test_neighbours_give_densities_as_wide_as_their_errors() -> None:
    (known, z_label), (target, z) = galaxies(2000, 1, 0.3), galaxies(500, 2, 0.3)
    nearest = ESTIMATORS.load("knn").learn(known, z_label, GRID)
    found = nearest(target)
    assert found.pdf is not None
    np.testing.assert_allclose(found.pdf @ GRID.widths, 1, rtol=1e-5)
    assert np.mean(abs(found.z_median - z) < 0.5 * found.pdf_width) == pytest.approx(0.68, abs=0.1)
    alone = nearest(Features(target.mag[:3], target.mag_err[:3]))
    np.testing.assert_array_equal(alone.pdf, found.pdf[:3])


def test_the_smoothed_histogram_is_that_of_the_neighbours() -> None:
    mag = np.random.default_rng(1).normal(20, 0.1, (neighbours.NEIGHBOURS, 2))
    z_label = np.repeat([0.5, 2.0], neighbours.NEIGHBOURS // 2)
    known = Features(mag, mag)
    found = estimate("knn", known, z_label, known)
    assert found.pdf is not None
    near = found.pdf[:, GRID.index([0.5, 2.0])]
    assert found.pdf[:, GRID.index(1.25)].max() < 1e-6
    # Kernels are as wide as 1 + z, so that the far one is half as high.
    np.testing.assert_allclose(near[:, 0] / near[:, 1], 2.0, rtol=0.05)


def test_conditional_densities_are_those_of_the_galaxies() -> None:
    """Two redshifts of one place in colour make two peaks, as high as they are frequent."""
    rng = np.random.default_rng(1)
    mag = rng.normal(20, 0.1, (3000, 2))
    z_label = np.where(rng.random(3000) < 0.7, 0.5, 2.0) + 0.02 * rng.normal(size=3000)
    known = Features(mag, np.full(mag.shape, 0.1))
    found = estimate("flexzboost", known, z_label, known)
    assert found.pdf is not None
    np.testing.assert_allclose(found.pdf @ GRID.widths, 1, rtol=1e-5)
    mean = found.pdf.mean(axis=0) * GRID.widths
    # The density is sharpened, which favours the higher peak.
    assert mean[GRID.centres < 1].sum() == pytest.approx(0.75, abs=0.07)
    assert mean[abs(GRID.centres - 1.2) < 0.3].sum() < 0.05


def test_conditional_densities_know_more_than_the_distribution_of_all() -> None:
    (known, z_label), (target, z) = galaxies(3000, 1, 0.3), galaxies(600, 2, 0.3)
    found = estimate("flexzboost", known, z_label, target)
    assert np.mean(abs(found.z_median - z) < 0.5 * found.pdf_width) == pytest.approx(0.68, abs=0.1)
    assert found.pdf is not None
    blind = np.broadcast_to(found.pdf.mean(axis=0), found.pdf.shape)
    loss, blind_loss = (cde_loss(each, GRID.edges, z).mean() for each in (found.pdf, blind))
    assert loss < 2 * blind_loss < 0


@pytest.mark.parametrize("z", [np.nan, 3.5])
def test_labels_outside_the_grid_are_counted(z: float) -> None:
    known, z_label = galaxies(50, 1)
    z_label[7] = z
    with pytest.raises(InputError, match="50 labels to learn from, 1 of them missing or outside"):
        ESTIMATORS.load("knn").learn(known, z_label, GRID)


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(ConfigError, match="method 'forest' is unknown; use network, knn or flex"):
        ESTIMATORS.load("forest")


def test_an_absent_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ConfigError, match=r"needs sklearn, .* pip install 'hscz\[baselines\]'"):
        ESTIMATORS.load("flexzboost")
