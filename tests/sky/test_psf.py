from __future__ import annotations

from pathlib import Path

import galsim
import numpy as np
import pytest
from astropy.io import fits

from hscz.errors import ConfigError, InputError
from hscz.sky.psf import PsfFiles, psf_fwhm

REAL = "psf-calexp-s18a_wide-{filter}-{tract}-{patch}-{position}.fits"


def write_psf(path: Path, fwhm_arcsec: float, shape: tuple[int, int] = (43, 41)) -> Path:
    profile = galsim.Moffat(beta=3.5, fwhm=fwhm_arcsec)
    image = profile.drawImage(nx=shape[1], ny=shape[0], scale=0.168).array
    fits.writeto(path, image.astype(np.float64))
    return path


@pytest.mark.parametrize("fwhm_arcsec", [0.5, 0.75, 1.0])
def test_the_width_of_a_model_is_that_of_its_image(tmp_path, fwhm_arcsec):
    psf = galsim.Convolve(galsim.Moffat(beta=3.5, fwhm=fwhm_arcsec), galsim.Pixel(0.168))
    measured = psf_fwhm(write_psf(tmp_path / "a.fits", fwhm_arcsec))
    assert measured == pytest.approx(psf.calculateFWHM(), rel=0.01)


@pytest.mark.parametrize("name", ["8762-3,7-29.91464--3.17980", "9071-4,4-129.42149--2.23140"])
def test_real_models_have_the_width_that_galsim_finds(shared_data, name):
    path = shared_data / "hsc_das_cutout" / f"psf-calexp-s18a_wide-HSC-R-{name}.fits"
    model = galsim.InterpolatedImage(galsim.Image(fits.getdata(path)), scale=0.168)
    # galsim looks into one direction only, and PSFs are not round.
    turned = [model.rotate(turn * galsim.degrees).calculateFWHM() for turn in range(0, 360, 45)]
    assert psf_fwhm(path) == pytest.approx(np.mean(turned), rel=0.025)


def test_positions_come_from_the_names_of_real_files(shared_data):
    files = PsfFiles.find(str(shared_data / "hsc_das_cutout" / REAL), ["g", "r"])
    ra, dec = np.array([29.9, 129.42149, 29.91464]), np.array([-3.17, -2.2314, 3.1798])
    widths = files.psf_fwhm_arcsec("r", ra, dec)
    assert widths[:2] == pytest.approx([0.514, 0.917], abs=0.001)
    assert np.isnan(widths[2])
    assert np.isnan(files.psf_fwhm_arcsec("g", ra, dec)).all()


def test_of_several_models_the_nearest_counts(tmp_path):
    for ra, width in ((150.0, 0.6), (150.1, 0.8)):
        write_psf(tmp_path / f"psf-i-{ra}-2.0.fits", width)
    files = PsfFiles.find(str(tmp_path / "psf-{band}-{position}.fits"), ["i"])
    near, between, far = files.psf_fwhm_arcsec(
        "i", np.array([150.0, 150.07, 151.0]), np.full(3, 2.0)
    )
    assert near < 0.65
    assert between > 0.75
    assert np.isnan(far)


def test_bad_models(tmp_path):
    pattern = str(tmp_path / "{band}-{position}.fits")
    with pytest.raises(InputError, match="no PSF file matches; correct the pattern or leave"):
        PsfFiles.find(pattern, ["i"])
    with pytest.raises(ConfigError, match=r"has no \{position\}, so a PSF file stands nowhere"):
        PsfFiles.find(str(tmp_path / "{band}.fits"), ["i"])
    path = tmp_path / "i-150.0-2.0.fits"
    path.write_text("<html>")
    with pytest.raises(InputError, match=r"i-150.0-2.0.fits: no PSF can be read .*fetch the file"):
        PsfFiles.find(pattern, ["i"])
    for image, said in (
        (np.ones((3, 4)), "which are no image of a PSF"),
        (np.zeros((41, 41)), "no peak"),
    ):
        fits.writeto(path, image, overwrite=True)
        with pytest.raises(InputError, match=said):
            psf_fwhm(path)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.ones((41, 41)), "above half its peak at an edge"),
        (np.where(np.eye(41) > 0, np.nan, 1.0), "pixels that are no number"),
    ],
)
def test_images_that_show_no_psf(tmp_path, image, said):
    fits.writeto(tmp_path / "a.fits", image)
    with pytest.raises(InputError, match=rf"a\.fits: .*{said}"):
        psf_fwhm(tmp_path / "a.fits")


def test_names_that_say_no_position(tmp_path):
    write_psf(tmp_path / "i-1.2.3-4.5.fits", 0.7)
    with pytest.raises(InputError, match="no PSF file matches"):
        PsfFiles.find(str(tmp_path / "{band}-{position}.fits"), ["i"])
    write_psf(tmp_path / "i-2.3-150.1.fits", 0.7)
    with pytest.raises(InputError, match=r"i-2.3-150.1.fits: .* declination 150.1; correct"):
        PsfFiles.find(str(tmp_path / "{band}-{position}.fits"), ["i"])
