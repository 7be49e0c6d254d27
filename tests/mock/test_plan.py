"""How fields differ on a harder sky, each effect by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hscz.config.mock import MockSettings
from hscz.mock.plan import FieldPlan
from hscz.survey import BANDS, FIELDS
from tests.helpers.mock_field import SMALL, observed, plan_with

FAR = [10_000.0]


def _moments(image: np.ndarray, sigma_px: float = 4.0) -> np.ndarray:
    """Return both components of the ellipticity under a round Gaussian weight."""
    y, x = np.indices(image.shape) - (np.array(image.shape) // 2)[:, None, None]
    weight = image * np.exp(-0.5 * (x**2 + y**2) / sigma_px**2)
    xx, yy, xy = ((weight * p).sum() for p in (x * x, y * y, x * y))
    return np.array([xx - yy, 2 * xy]) / (xx + yy)


def _star_shapes(settings: MockSettings) -> np.ndarray:
    plan = plan_with([100.0], [100.0], settings, mag=18.5)
    return np.array(
        [_moments(observed(plan, band)[0][80:121, 80:121].astype(float)) for band in plan.bands]
    )


def test_stars_are_as_elliptical_as_asked_for() -> None:
    assert np.abs(_star_shapes(SMALL)).max() < 0.02
    hard = replace(SMALL, psf_ellipticity=0.1)
    plan = plan_with([100.0], [100.0], hard)
    at = np.array([100.0])
    asked = np.array([np.ravel(plan.psf_ellipticity(b, at, at)) for b in plan.bands])
    # The Gaussian weight rounds what it measures.
    slope = (_star_shapes(hard) * asked).sum() / (asked**2).sum()
    assert 0.25 < slope < 1.0
    fields = [FieldPlan.of(replace(hard, fields={f: (1, 1)}), f, plan.truth) for f in FIELDS]
    x = np.random.default_rng(1).uniform(0, 2e4, (2, 400))
    drawn = np.array([p.psf_ellipticity(b, *x) for p in fields for b in p.bands])
    assert np.sqrt((drawn**2).sum(axis=1).mean()) == pytest.approx(0.1, rel=0.2)


def test_psfs_of_fields_differ_in_slope_and_wings_at_the_same_width() -> None:
    settings = replace(SMALL, psf_beta=(2.5, 3.5, 4.5), psf_wing_share=0.12, seed=3)
    profiles = {}
    for field in FIELDS:
        plan = plan_with([100.0], [100.0], replace(settings, fields={field: (1, 1)}), mag=17.6)
        profiles[field] = [plan.psf_profile(band) for band in plan.bands]
        assert len({p.beta for p in profiles[field]}) == 1
        assert len({p.wing_share for p in profiles[field]}) == len(plan.bands)
        fwhm = plan.psf_fwhm_px("i", np.array([100.0]), np.array([100.0]))[0]
        model = observed(plan, "i")[0][100, 100:110].astype(float)
        half = np.interp(0.5 * fwhm, np.arange(10), model)
        assert half / model[0] == pytest.approx(0.5, abs=0.04)
    assert len({p[0].beta for p in profiles.values()}) > 1


def test_noise_correlates_as_asked_for_at_the_same_noise_in_apertures() -> None:
    def apertures(image: np.ndarray) -> float:
        return float(np.nanstd(image[:288, :288].reshape(24, 12, 24, 12).sum(axis=(1, 3))))

    plain = observed(plan_with(FAR, FAR, replace(SMALL, sky_residual_sigma=0.0)), "u")[0]
    settings = replace(SMALL, noise_correlation={"u": 0.45}, sky_residual_sigma=0.0)
    resampled = observed(plan_with(FAR, FAR, settings), "u")[0]
    for image, wanted in ((plain, 0.08), (resampled, 0.45)):
        noise = image - np.nanmean(image)
        for first, second in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1])):
            found = np.nanmean(first * second) / np.nanvar(noise)
            assert found == pytest.approx(wanted, abs=0.02)
    assert np.nanstd(resampled) < 0.7 * np.nanstd(plain)
    assert apertures(resampled) == pytest.approx(apertures(plain), rel=0.1)
    same = observed(plan_with(FAR, FAR, settings), "i")[0]
    whole = observed(plan_with(FAR, FAR, replace(SMALL, sky_residual_sigma=0.0)), "i")[0]
    np.testing.assert_array_equal(same, whole)


def test_depth_changes_from_tile_to_tile_and_the_variance_says_so() -> None:
    settings = replace(SMALL, depth_tile_rms_mag=0.3, sky_residual_sigma=0.0)
    plan = plan_with(FAR, FAR, settings)
    left, right = plan.depth_variation("i").at(np.array([50.0, 450.0]), np.array([50.0, 50.0]))
    (image, _, variance), (other, _, _) = observed(plan, "i"), observed(plan, "i", 1)
    found = -2.5 * np.log10(np.nanstd(image[:, :245]) / np.nanstd(other[:, 60:]))
    assert abs(left - right) > 0.1
    assert found == pytest.approx(left - right, abs=0.03)
    np.testing.assert_allclose(image[:, 200:], other[:, :100], atol=1e-5)
    step = -1.25 * np.log10(np.nanmedian(variance[:, :245]) / np.nanmedian(variance[:, 260:]))
    assert step == pytest.approx(left - right, abs=0.01)


def test_zero_points_are_off_in_every_field_and_band_beside_what_conditions_say() -> None:
    hard = MockSettings(seed=8, fields=dict.fromkeys(FIELDS, (1, 1)), zero_point_rms_mag=0.1)
    drawn = {}
    for field in FIELDS:
        plan = plan_with([150.0], [150.0], replace(hard, fields={field: (1, 1)}))
        dust = [BANDS[b].extinction_per_ebv * plan.truth["ebv"].iloc[0] for b in plan.bands]
        counts = [plan.image_flux(b, plan.truth)[0] for b in plan.bands]
        told = [plan.zero_point_error_mag(b) for b in plan.bands]
        np.testing.assert_allclose(27.0 - 2.5 * np.log10(counts) - 21.0 - dust, told, atol=1e-9)
        stated = [plan.conditions.flux_offset_mag.get(b, 0.0) for b in plan.bands]
        drawn[field] = np.array(told) - stated
    source = np.concatenate([drawn["COSMOS_UDF"], drawn["COSMOS_DEEP"]])
    others = np.concatenate([v for f, v in drawn.items() if "COSMOS" not in f])
    assert np.std(others) == pytest.approx(0.1, rel=0.35)
    assert np.std(source) == pytest.approx(0.05, rel=0.4)
    assert len(np.unique(np.round(others, 6))) == len(others)


def test_zero_points_step_from_tile_to_tile() -> None:
    plan = plan_with(
        [100.0, 120.0, 400.0], [100.0] * 3, replace(SMALL, zero_point_tile_rms_mag=0.1)
    )
    one, same, other = -2.5 * np.log10(plan.image_flux("i", plan.truth))
    assert one == pytest.approx(same, abs=1e-4)
    assert abs(one - other) > 0.02


def test_seeing_steps_from_tile_to_tile() -> None:
    plan = plan_with(FAR, FAR, replace(SMALL, seeing_field_rms_relative=0.0))
    steps = plan_with(
        FAR, FAR, replace(SMALL, seeing_field_rms_relative=0.0, seeing_tile_rms_relative=0.1)
    )
    x, y = np.array([50.0, 450.0]), np.array([50.0, 50.0])
    assert np.ptp(plan.psf_fwhm_px("i", x, y)) == 0.0
    assert np.ptp(steps.psf_fwhm_px("i", x, y)) > 0.05
