from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hscz.config.mock import CONDITIONS, Conditions, MockSettings
from hscz.errors import ConfigError
from hscz.mock import defects, noise
from hscz.mock.defects import Defects, Trail
from hscz.mock.exposure import FieldPlan, expose, write_patch
from hscz.mock.grid import FieldGrid
from hscz.mock.photometry import NOT_OBSERVED_MAG, aperture_magnitudes
from hscz.mock.render import paint
from hscz.sky.mask import mask_value
from hscz.survey import BANDS, FIELDS

SMALL = MockSettings(
    fields={"ELAIS": (2, 1)}, patch_px=300, overlap_px=100, trails_per_deg2=0, gaps_per_deg2=0
)


def truth_at(places: dict[str, list[float]], is_star: bool = True, mag: float = 21.0):
    n = len(places["ra"])
    columns = {"object_id": np.arange(n), "is_star": np.full(n, is_star), "z_true": np.zeros(n)}
    columns |= {f"mag_{band}": np.full(n, mag) for band in BANDS}
    columns |= {f"bulge_fraction_{band}": np.zeros(n) for band in BANDS}
    for part in ("", "_disc", "_bulge"):
        columns[f"half_light_radius{part}_arcsec"] = np.zeros(n)
    columns |= {"axis_ratio": np.ones(n), "position_angle_deg": np.zeros(n)}
    return pd.DataFrame(columns | {key: np.array(v, float) for key, v in places.items()})


def plan_with(x_px: list[float], y_px: list[float], settings=SMALL, **kinds) -> FieldPlan:
    field = next(iter(settings.fields))
    ra, dec = FieldGrid.of(settings, field).wcs().all_pix2world(x_px, y_px, 0)
    return FieldPlan.of(settings, field, truth_at({"ra": ra, "dec": dec}, **kinds))


def observed(plan: FieldPlan, band: str = "i", patch_number: int = 0):
    patch = list(plan.grid.patches())[patch_number]
    sources = plan.sources(plan.truth).shifted(patch.x_px, patch.y_px)
    models = paint(sources, (patch.size_px,) * 2, np.full(len(plan.bands), 1e-3))
    return expose(plan, patch, band, models[plan.bands.index(band)])


def test_noise_is_correlated_as_its_kernel_says():
    unit = noise.correlated_noise([5], 0, 0, (600, 600))
    assert unit.std() == pytest.approx(1.0, abs=0.01)
    kernel = noise.KERNEL / np.sqrt((noise.KERNEL**2).sum())
    for lag in (1, 2):
        wanted = (kernel[lag:] * kernel[:-lag]).sum()
        assert (unit[:, lag:] * unit[:, :-lag]).mean() == pytest.approx(wanted, abs=0.01)


def test_noise_differs_between_seeds():
    one, other = (noise.correlated_noise([seed], 0, 0, (64, 64)) for seed in (1, 2))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1


def test_pattern_is_the_same_on_a_grid_and_at_points():
    x, y = np.arange(30.0), np.arange(20.0)
    grid = noise.pattern_on([1], x, y, (50.0, 80.0))
    points = noise.pattern_at([1], *(p.ravel() for p in np.meshgrid(x, y)), (50.0, 80.0))
    np.testing.assert_allclose(grid.ravel(), points, atol=1e-5)


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


def test_bright_stars_saturate_bleed_and_are_masked():
    plan = plan_with([150.0], [150.0], mag=15.0)
    image, mask, _ = observed(plan)
    assert np.nanmax(image) <= defects.SATURATION_COUNTS
    assert mask[150, 150] & mask_value("SAT")
    columns = (mask & mask_value("SAT") > 0).sum(axis=0)
    rows = (mask & mask_value("SAT") > 0).sum(axis=1)
    assert columns.max() > 2 * rows.max()
    radius = np.sqrt((mask & mask_value("BRIGHT_OBJECT") > 0).sum() / np.pi)
    assert radius == pytest.approx(float(defects.bright_star_radius_px(15.0)), rel=0.02)


def test_faint_stars_do_not_saturate():
    _, mask, _ = observed(plan_with([150.0], [150.0], mag=18.5))
    assert not (mask & (mask_value("SAT") | mask_value("BRIGHT_OBJECT"))).any()


def test_missing_pixels_are_nan_and_no_data():
    plan = plan_with([150.0], [150.0])
    holed = replace(plan, defects={"i": Defects((), ((40, 60, 10, 15),))})
    image, mask, variance = observed(holed)
    missing = np.zeros(image.shape, bool)
    missing[10:15, 40:60] = True
    np.testing.assert_array_equal(np.isnan(image), missing)
    np.testing.assert_array_equal(np.isnan(variance), missing)
    np.testing.assert_array_equal(mask & mask_value("NO_DATA") > 0, missing)
    inside = holed.defects["i"].missing(np.array([40.0, 59.4, 60.0]), np.array([12.0, 14.4, 12.0]))
    assert inside.tolist() == [True, True, False]


def test_only_missing_pixels_inside_an_aperture_count(tmp_path):
    plan = plan_with([100.0, 150.0, 200.0], [100.0, 100.0, 100.0], mag=20.0)
    holes = {band: Defects((), ((106, 107, 106, 107), (151, 152, 101, 102))) for band in plan.bands}
    plan = replace(plan, defects=holes)
    for patch in plan.grid.patches():
        write_patch(plan, patch, tmp_path)
    magnitudes = aperture_magnitudes(plan, plan.truth, tmp_path)["aperture_i"].to_numpy()
    assert magnitudes[1] == NOT_OBSERVED_MAG
    assert magnitudes[[0, 2]] == pytest.approx([20.1, 20.1], abs=0.1)


def test_trails_are_bright_and_clipped_along_their_line():
    plan = plan_with([10_000.0], [10_000.0])
    crossed = replace(plan, defects={"i": Defects((Trail(150.0, 100.0, 0.0, 4.0),), ())})
    image, mask, _ = observed(crossed)
    sigma = CONDITIONS["ELAIS"].sky_sigma("i")
    assert image[100].mean() == pytest.approx(4.0 * sigma, rel=0.1)
    assert abs(image[200].mean()) < sigma
    np.testing.assert_array_equal(
        np.flatnonzero((mask & mask_value("CLIPPED") > 0).all(axis=1)), np.arange(93, 108)
    )


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


def test_fields_differ_in_depth_as_the_layers_do():
    deep, ultra = CONDITIONS["COSMOS_DEEP"].depth_mag, CONDITIONS["COSMOS_UDF"].depth_mag
    assert all(ultra[b] - deep[b] == pytest.approx(1.0) for b in "grizy")
    others = [c.depth_mag["i"] for name, c in CONDITIONS.items() if name != "XMM_DEEP"]
    assert CONDITIONS["XMM_DEEP"].depth_mag["i"] < min(others)


def test_seeing_varies_smoothly_across_a_field():
    plan = plan_with([0.0], [0.0])
    x = np.arange(0.0, 6000.0, 10.0)
    fwhm = plan.psf_fwhm_px("i", x, 0 * x)
    assert 0.005 < fwhm.std() / fwhm.mean() < 0.08
    assert np.abs(np.diff(fwhm)).max() < 0.001 * fwhm.mean()


def test_mosaic_bounds_hold_its_corners_also_across_zero_hours():
    grid = FieldGrid.of(MockSettings(fields={"DEEP2": (2, 2)}), "DEEP2")
    at_zero = replace(grid, field=replace(grid.field, ra_deg=0.0))
    (ra_low, ra_high), (dec_low, dec_high) = at_zero.bounds_deg(0)
    assert -0.11 < ra_low < 0.0 < ra_high < 0.11
    ra, dec = at_zero.wcs().all_pix2world([0, 4199], [0, 4199], 0)
    assert dec_low < dec.min() < dec.max() < dec_high
    assert ra_high == pytest.approx(ra[0], abs=1e-4)


def test_each_object_belongs_to_the_patch_it_is_deepest_in():
    grid = FieldGrid.of(SMALL, "ELAIS")
    assert grid.patch_of([0.0, 249.0, 251.0, 499.0], [150.0] * 4).tolist() == [0, 0, 1, 1]
    left, right = grid.patches()
    assert left.holds([249.0, 260.0], 150.0, -50).tolist() == [True, False]
    assert not left.holds(301.0, 10.0).item()
    assert right.x_px == 200


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": {"EGS": (1, 1)}}, "EGS"),
        ({"fields": {"ELAIS": (10, 1)}}, "1 to 9"),
        ({"seed": -1}, "seed is -1"),
        ({"patch_px": 300, "overlap_px": 200}, "overlap by 200"),
        (
            {"fields": {"ELAIS": (1, 1)}, "conditions": {"ELAIS": Conditions({"g": 25.0}, {})}},
            "depth_mag lacks u, r",
        ),
    ],
)
def test_settings_that_make_no_survey_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        MockSettings(**changes)
