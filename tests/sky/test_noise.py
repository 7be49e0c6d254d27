from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter

from hscz.sky.noise import LAGS_PX, image_sky_noise, sky_correlation, stamp_sky_noise

SIDE, STAMP, SIGMA = 1280, 64, 0.03


def as_stamps(image: np.ndarray) -> np.ndarray:
    count = len(image) // STAMP
    split = image.reshape(count, STAMP, count, STAMP).swapaxes(1, 2)
    return split.reshape(-1, STAMP, STAMP)


@pytest.fixture(scope="module")
def field() -> tuple[np.ndarray, np.ndarray]:
    """Correlated noise of known scatter, and galaxies down to 28 mag with HSC counts."""
    rng = np.random.default_rng(7)
    noise = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 0.6)
    noise *= SIGMA / noise.std()
    count = rng.poisson(130_000 * (SIDE * 0.168 / 3600) ** 2 * 10 ** (0.33 * 3))
    mag = 28 + np.log10(rng.uniform(size=count)) / 0.33
    sources = np.zeros((SIDE, SIDE))
    y, x = rng.integers(0, SIDE, size=(2, count))
    for width, fraction in ((2.0, 0.7), (4.0, 0.3)):
        layer = np.zeros_like(sources)
        np.add.at(layer, (y, x), fraction * 10 ** (-0.4 * (mag - 27)))
        sources += gaussian_filter(layer, width)
    return noise, sources


@pytest.mark.parametrize("level", [0.0, 0.3, -2.0])
def test_pure_noise(field, level):
    sigma = stamp_sky_noise(as_stamps(field[0] + level))
    assert np.median(sigma) == pytest.approx(SIGMA, rel=0.01)
    assert sigma.std() < 0.04 * SIGMA


@pytest.mark.parametrize("masked", [True, False])
def test_noise_among_sources_is_right_to_three_percent(field, masked):
    noise, sources = field
    smooth = gaussian_filter(noise, 1.6).std()
    detected = binary_dilation(gaussian_filter(sources + noise, 1.6) > 5 * smooth, iterations=4)
    sigma = stamp_sky_noise(as_stamps(noise + sources), as_stamps(detected) if masked else None)
    assert np.median(sigma) == pytest.approx(SIGMA, rel=0.03)
    assert np.percentile(np.abs(sigma / SIGMA - 1), 90) < 0.09


def test_a_full_stamp_takes_the_value_of_the_others(field):
    stamps = as_stamps(field[0])[:30].copy()
    detected = np.zeros(stamps.shape, bool)
    detected[3] = True
    stamps[4] = np.nan
    sigma = stamp_sky_noise(stamps, detected)
    others = np.delete(sigma, [3, 4])
    np.testing.assert_allclose(sigma[[3, 4]], np.median(others))
    assert np.isnan(stamp_sky_noise(stamps[3:4], detected[3:4])).all()


def test_missing_pixels_do_not_count(field):
    stamps = as_stamps(field[0])[:50].copy()
    stamps[:, :20] = np.nan
    stamps[:, 20:22] = np.inf
    assert np.median(stamp_sky_noise(stamps)) == pytest.approx(SIGMA, rel=0.03)


def test_whole_image(field):
    level, sigma = image_sky_noise(field[0] + field[1] + 0.5)
    assert level == pytest.approx(0.5, abs=0.3 * SIGMA)
    assert sigma == pytest.approx(SIGMA, rel=0.06)


def test_real_noise_agrees_with_blank_apertures(shared_data):
    """Scatter of one pixel from the median absolute deviation of far-from-source pixels."""
    from hscz.sky.fits import open_band

    band = open_band(shared_data / "hsc_pdr3_deep_gri" / "calexp-HSC-I-10054-0,2-c1.fits", "i")
    image = band.read_image((0, 1024, 0, 1024))
    smooth = gaussian_filter(image, 3)
    blank = binary_dilation(smooth > np.percentile(smooth, 60), iterations=6)
    pixels = image[~blank]
    deviation = 1.4826 * np.median(np.abs(pixels - np.median(pixels)))
    assert np.median(stamp_sky_noise(as_stamps(image))) == pytest.approx(deviation, rel=0.06)


@pytest.mark.parametrize("masked", [True, False])
def test_the_correlation_of_the_sky_among_sources_is_that_of_the_noise(field, masked):
    noise, sources = field
    detected = binary_dilation(gaussian_filter(sources, 1.6) > 0.5 * SIGMA, iterations=2)
    found = sky_correlation(as_stamps(noise + sources), as_stamps(detected) if masked else None)
    alone = sky_correlation(as_stamps(noise), as_stamps(np.zeros_like(detected)))
    neighbours = (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()
    assert alone[LAGS_PX, LAGS_PX + 1] == pytest.approx(neighbours, abs=0.01)
    near = slice(LAGS_PX - 4, LAGS_PX + 5)
    np.testing.assert_allclose(found[near, near], alone[near, near], atol=0.02 if masked else 0.06)


def test_a_few_stamps_in_a_halo_do_not_correlate_the_sky(field):
    stamps = as_stamps(field[0]).copy()
    stamps[:10] += 2 * SIGMA
    nothing = np.zeros(stamps.shape, bool)
    assert sky_correlation(stamps, nothing)[LAGS_PX, -1] == pytest.approx(0, abs=0.005)
    assert np.isnan(sky_correlation(stamps, ~nothing)).all()
