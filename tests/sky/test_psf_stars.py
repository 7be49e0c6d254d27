from __future__ import annotations

import galsim
import numpy as np
import pytest

from hscz.sky import psf_stars
from hscz.sky.fits import open_band
from hscz.sky.psf_stars import local_psf

SIDE, SCALE = 800, 0.168


def paint(
    fwhm_arcsec: float, beta: float, stars: int, galaxies: int, seed: int, shear: float = 0.0
) -> np.ndarray:
    """Moffat stars among Sersic galaxies, with noise of 0.03 counts."""
    rng = np.random.default_rng([seed, 11])
    psf = galsim.Moffat(beta=beta, fwhm=fwhm_arcsec).shear(g1=shear)
    image = galsim.ImageF(SIDE, SIDE)
    for number in range(stars + galaxies):
        mag = rng.uniform(18, 22.5) if number < stars else 19 + 5 * rng.uniform() ** 0.4
        profile = psf.withFlux(10 ** (-0.4 * (mag - 27)))
        if number >= stars:
            size = 0.5 * 10 ** (-0.1 * (mag - 22)) * rng.lognormal(0, 0.4)
            galaxy = galsim.Exponential(half_light_radius=size).shear(g1=rng.uniform(-0.4, 0.4))
            profile = galsim.Convolve(profile, galaxy)
        x, y = rng.uniform(5, SIDE - 5, size=2)
        offset = (x % 1 - 0.5, y % 1 - 0.5)
        stamp = profile.drawImage(nx=65, ny=65, scale=SCALE, offset=offset)
        stamp.setCenter(int(x), int(y))
        overlap = stamp.bounds & image.bounds
        image[overlap] += stamp[overlap]
    return image.array + rng.normal(0, 0.03, (SIDE, SIDE))


def fwhm(image: np.ndarray, unusable: np.ndarray | None = None) -> float:
    """Return the width of an image that is too small to be divided."""
    middle = np.array(image.shape)[:, None] / 2
    return float(local_psf(image, SCALE, middle[1], middle[0], unusable).fwhm_arcsec[0])


@pytest.mark.parametrize(
    ("fwhm_arcsec", "beta", "stars"), [(0.55, 2.5, 15), (0.7, 4.765, 60), (0.92, 3.5, 25)]
)
def test_moffat_stars_among_galaxies(fwhm_arcsec, beta, stars):
    image = paint(fwhm_arcsec, beta, stars, galaxies=100, seed=stars)
    psf = galsim.Convolve(galsim.Moffat(beta=beta, fwhm=fwhm_arcsec), galsim.Pixel(SCALE))
    measured = fwhm(image)
    assert measured == pytest.approx(psf.calculateFWHM(), rel=0.015)
    assert measured == pytest.approx(fwhm_arcsec, rel=0.05)


def test_stacked_stars_show_the_shape_of_the_psf():
    psf = galsim.Moffat(beta=2.5, fwhm=0.7).shear(g1=0.1)
    stars = paint(0.7, 2.5, stars=60, galaxies=60, seed=4, shear=0.1)
    found = local_psf(stars, SCALE, np.zeros(1), np.zeros(1)).image
    side = len(found)
    real = psf.drawImage(nx=side, ny=side, scale=SCALE).array
    np.testing.assert_allclose(found, real / real.sum(), atol=0.03 * real.max())
    assert found.sum() == pytest.approx(1, rel=1e-4)
    none = local_psf(np.zeros((200, 200)), SCALE, np.zeros(1), np.zeros(1)).image
    assert np.isnan(none).all()


def test_galaxies_alone_are_not_taken_for_few_stars():
    assert np.isnan(fwhm(paint(0.7, 3.5, stars=0, galaxies=4, seed=1)))


def test_saturated_stars_are_left_out():
    image = paint(0.7, 3.5, stars=40, galaxies=0, seed=2)
    flat = image > 20
    assert flat.any()
    image[flat] = 20
    measured = fwhm(image, unusable=flat)
    assert measured == pytest.approx(0.715, rel=0.02)
    assert fwhm(image) != measured


def test_nothing_to_measure():
    noise = np.random.default_rng(1).normal(size=(300, 300))
    assert np.isnan(fwhm(noise))
    assert np.isnan(fwhm(np.full((300, 300), np.nan)))
    assert np.isnan(fwhm(noise[:20, :20]))


def test_each_part_of_an_image_has_the_seeing_of_its_stars(monkeypatch):
    monkeypatch.setattr(psf_stars, "CELL_PX", SIDE)
    sharp, soft, empty = (
        paint(fwhm, 3.5, stars=stars, galaxies=10, seed=3)
        for fwhm, stars in ((0.6, 45), (0.75, 45), (0.6, 3))
    )
    image = np.hstack([sharp, soft, empty])
    x, y = np.array([10.0, 700.0, 900.0, 1590.0, 2000.0]), np.array([5.0, 790.0, 400.0, 2.0, 90.0])
    measured = local_psf(image, SCALE, x, y).fwhm_arcsec
    np.testing.assert_allclose(measured[:2], 0.617, rtol=0.03)
    np.testing.assert_allclose(measured[2:4], 0.764, rtol=0.03)
    monkeypatch.setattr(psf_stars, "CELL_PX", image.shape[1])
    assert measured[4] == pytest.approx(fwhm(image))


def test_galaxies_of_one_size_are_not_taken_for_the_stars_of_a_part(monkeypatch):
    monkeypatch.setattr(psf_stars, "CELL_PX", SIDE)
    few = paint(0.617, 4.765, stars=4, galaxies=60, seed=5)
    many = paint(0.617, 4.765, stars=40, galaxies=20, seed=6)
    psf = galsim.Convolve(galsim.Moffat(beta=4.765, fwhm=0.617), galsim.Exponential(0.25))
    rng = np.random.default_rng(7)
    crowd = galsim.ImageF(SIDE, SIDE)
    for y, x in [(y, x) for y in range(60, SIDE, 70) for x in range(60, SIDE, 70)]:
        stamp = psf.withFlux(10 ** (-0.4 * (rng.uniform(19, 21) - 27))).drawImage(
            nx=65, ny=65, scale=SCALE
        )
        stamp.setCenter(x, y)
        overlap = stamp.bounds & crowd.bounds
        crowd[overlap] += stamp[overlap]
    image = np.hstack([many, few + crowd.array])
    measured = local_psf(
        image, SCALE, np.array([100.0, 1500.0]), np.array([400.0, 400.0])
    ).fwhm_arcsec
    np.testing.assert_allclose(measured, 0.617, rtol=0.05)


@pytest.mark.parametrize(("band", "arcsec"), [("g", 0.78), ("r", 0.65), ("i", 0.56)])
def test_real_images_have_the_seeing_of_their_stars(shared_data, band, arcsec):
    name = f"calexp-HSC-{band.upper()}-10054-0,2-c1.fits"
    image = open_band(shared_data / "hsc_pdr3_deep_gri" / name, band)
    assert image.pixel_scale_arcsec == pytest.approx(SCALE, rel=1e-3)
    measured = fwhm(image.read_image((0, image.shape[0], 0, image.shape[1])))
    assert measured == pytest.approx(arcsec, rel=0.02)
