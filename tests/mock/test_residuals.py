from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hscz.mock.residuals import BOWL_SIGMA_PX, left_by_subtraction
from tests.helpers.mock_field import SMALL, plan_with

CALM = replace(SMALL, sky_residual_sigma=0.0)


def test_waves_are_as_high_as_asked_for() -> None:
    heights = []
    for seed in range(8):
        plan = plan_with([1e4], [1e4], replace(SMALL, sky_residual_sigma=0.5, seed=seed))
        sky = left_by_subtraction(plan, next(plan.grid.patches()), "i")
        heights.append(np.sqrt((sky**2).mean()) / plan.sky_sigma("i"))
    assert np.sqrt(np.mean(np.square(heights))) == pytest.approx(0.5, rel=0.3)


def test_a_bright_galaxy_loses_a_share_of_its_light_to_its_bowl() -> None:
    shares = []
    for seed in range(12):
        settings = replace(CALM, sky_bowl_share=0.2, seed=seed, patch_px=500, overlap_px=100)
        plan = plan_with([250.0], [250.0], settings, is_star=False, mag=19.0)
        sky = left_by_subtraction(plan, next(plan.grid.patches()), "r")
        shares.append(-sky.sum() / plan.image_flux("r", plan.truth)[0])
        assert abs(sky[250, 250]) > 5 * abs(sky[250, 250 + int(2 * BOWL_SIGMA_PX)])
    assert np.mean(shares) == pytest.approx(0.2, abs=0.15)
    assert np.std(shares) == pytest.approx(0.2, rel=0.6)


def test_stars_and_faint_galaxies_have_no_bowls() -> None:
    for kind in ({"mag": 19.0}, {"mag": 23.0, "is_star": False}):
        plan = plan_with([150.0], [150.0], replace(CALM, sky_bowl_share=0.2), **kind)
        assert not left_by_subtraction(plan, next(plan.grid.patches()), "r").any()


def test_patches_agree_on_a_bowl_in_their_overlap() -> None:
    settings = replace(CALM, sky_bowl_share=0.2)
    plan = plan_with([190.0], [150.0], settings, is_star=False, mag=19.0)
    left, right = (left_by_subtraction(plan, patch, "r") for patch in plan.grid.patches())
    assert np.abs(left).max() > 0
    np.testing.assert_allclose(left[:, 200:], right[:, :100], atol=1e-7)
