from __future__ import annotations

import numpy as np
import pytest

from hscz.config.conditions import CONDITIONS
from hscz.config.mock import MockSettings
from hscz.mock import noise
from hscz.sky.mask import mask_value
from hscz.survey import BANDS, FIELDS
from tests.helpers.mock_field import observed, plan_with


def test_empty_sky_scatters_as_deep_as_stated_and_the_variance_plane_says_less():
    image, _, variance = observed(plan_with([10_000.0], [10_000.0]))
    sigma = CONDITIONS["ELAIS"].sky_sigma("i")
    assert np.nanstd(image) == pytest.approx(sigma, rel=0.02)
    assert np.nanstd(image) / np.sqrt(np.nanmedian(variance)) == pytest.approx(1.26, rel=0.02)


def test_depth_is_five_sigma_of_a_two_arcsec_aperture():
    pixels = np.pi * (1.0 / 0.168) ** 2
    for band in ("u", "y"):
        limit = 5.0 * CONDITIONS["ELAIS"].sky_sigma(band) * np.sqrt(pixels)
        assert 27.0 - 2.5 * np.log10(limit) == pytest.approx(CONDITIONS["ELAIS"].depth_mag[band])


def test_a_star_lands_on_its_position_with_its_flux_dimmed_by_dust():
    plan = plan_with([120.0], [90.0], mag=19.0)
    image, mask, _ = observed(plan, "g")
    row, column = np.unravel_index(np.nanargmax(image), image.shape)
    assert (row, column) == (90, 120)
    dimming = BANDS["g"].extinction_per_ebv * plan.truth["ebv"].iloc[0]
    counts = np.nansum(image[60:121, 90:151])
    assert 27.0 - 2.5 * np.log10(counts) == pytest.approx(19.0 + dimming, abs=0.02)
    assert mask[90, 120] & mask_value("DETECTED")
    assert not mask[20, 20] & mask_value("DETECTED")


def test_overlapping_patches_show_the_same_sky():
    plan = plan_with([240.0, 380.0, 251.0], [100.0, 200.0, 111.0], mag=20.0)
    left, right = observed(plan, "r", 0)[0], observed(plan, "r", 1)[0]
    np.testing.assert_allclose(left[:, 200:], right[:, :100], atol=1e-5)


def test_photon_noise_grows_with_the_light():
    model = np.array([0.0, 30.0])
    empty, bright = noise.variance(model, 0.1, 10.0)
    assert empty == pytest.approx(0.01)
    assert bright == pytest.approx(0.04)


def test_xmm_deep_alone_is_miscalibrated_between_r_and_i():
    def colours(field: str) -> np.ndarray:
        settings = MockSettings(fields={field: (1, 1)}, patch_px=300, overlap_px=100)
        plan = plan_with([150.0], [150.0], settings)
        dust = [BANDS[b].extinction_per_ebv * plan.truth["ebv"].iloc[0] for b in plan.bands]
        flux = [plan.image_flux(b, plan.truth)[0] for b in plan.bands]
        return np.diff(2.5 * np.log10(flux) + dust)

    shifts = {field: colours(field) for field in FIELDS if field != "XMM_DEEP"}
    assert all(np.allclose(shift, 0.0) for shift in shifts.values())
    us_g, g_r, r_i, i_z, z_y = colours("XMM_DEEP")
    assert [us_g, g_r, i_z, z_y] == pytest.approx([0.0] * 4, abs=1e-9)
    # Fluxes fall from r to i: r - i is 0.2 mag too blue.
    assert r_i == pytest.approx(-0.2)


def test_seeing_varies_smoothly_across_a_field():
    plan = plan_with([0.0], [0.0])
    x = np.arange(0.0, 6000.0, 10.0)
    fwhm = plan.psf_fwhm_px("i", x, 0 * x)
    assert 0.005 < fwhm.std() / fwhm.mean() < 0.08
    assert np.abs(np.diff(fwhm)).max() < 0.001 * fwhm.mean()
