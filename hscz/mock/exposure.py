"""From the truth table of a field to the images of one patch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hscz.config.conditions import SKY_MAG_ARCSEC2
from hscz.mock import defects, noise, residuals
from hscz.mock.grid import FieldGrid, Patch
from hscz.mock.plan import FieldPlan
from hscz.mock.render import STAMP_SIZES_PX, paint
from hscz.sky.fits import write_calexp
from hscz.survey import BANDS, PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG

FloatArray = NDArray[np.floating]

_FLOOR_SIGMA = 0.05


def calexp_path(folder: Path, grid: FieldGrid, band: str, patch: Patch) -> Path:
    """Return where the survey's tree has the coadd of a band and patch.

    Examples
    --------
    >>> from hscz.config.mock import MockSettings
    >>> grid = FieldGrid.of(MockSettings(fields={"ELAIS": (1, 1)}), "ELAIS")
    >>> calexp_path(Path("ELAIS"), grid, "i", next(grid.patches())).as_posix()
    'ELAIS/deepCoadd-results/HSC-I/17130/4,4/calexp-HSC-I-17130-4,4.fits'
    """
    name, tract = BANDS[band].filter_name, grid.field.tract
    file_name = f"calexp-{name}-{tract}-{patch.name}.fits"
    return folder / "deepCoadd-results" / name / str(tract) / patch.name / file_name


def write_patch(plan: FieldPlan, patch: Patch, folder: Path) -> list[Path]:
    """Make and write the coadds of one patch in all bands, unless they are there already.

    Returns
    -------
    list of Path
        One file per band.
    """
    paths = {band: calexp_path(folder, plan.grid, band, patch) for band in plan.bands}
    if all(path.exists() for path in paths.values()):
        return list(paths.values())
    floor = _FLOOR_SIGMA * np.array([plan.conditions.sky_sigma(band) for band in plan.bands])
    near = patch.holds(plan.truth["x_px"], plan.truth["y_px"], STAMP_SIZES_PX[-1] // 2)
    sources = plan.sources(plan.truth[near]).shifted(patch.x_px, patch.y_px)
    models = paint(
        sources,
        (patch.size_px, patch.size_px),
        floor,
        [plan.psf_profile(band) for band in plan.bands],
    )
    for model, (band, path) in zip(models, paths.items(), strict=True):
        image, mask, variance = expose(plan, patch, band, model)
        wcs, name = plan.grid.wcs(patch), BANDS[band].filter_name
        write_calexp(path, image, mask, variance, wcs, name)
    return list(paths.values())


def expose(
    plan: FieldPlan, patch: Patch, band: str, model: FloatArray
) -> tuple[FloatArray, NDArray[np.int32], FloatArray]:
    """Observe noiseless objects: sky, photon noise, saturation, trails, holes and masks.

    Parameters
    ----------
    plan : FieldPlan
    patch : Patch
    band : str
    model : ndarray of float32, shape (size, size)
        Noiseless counts; changed in place.

    Returns
    -------
    image, mask, variance : ndarray, shape (size, size)
        Missing pixels are NaN in image and variance.
    """
    sigma, psf_fwhm_px = plan.sky_sigma(band), plan.conditions.psf_fwhm_px(band)
    stars = plan.bright_stars()
    stars = stars[patch.holds(stars["x_px"], stars["y_px"], margin_px=512)]
    places = list(zip(stars["x_px"] - patch.x_px, stars["y_px"] - patch.y_px, strict=True))
    fluxes = plan.image_flux(band, stars)
    mask = np.zeros(model.shape, np.int32)
    for (x, y), flux in zip(places, fluxes, strict=True):
        defects.add_halo(model, x, y, flux)
    variance = noise.variance(model, _local_sigma(plan, patch, band), _sky_counts(band))
    sky = residuals.left_by_subtraction(plan, patch, band)
    image = model + sky + np.sqrt(variance) * _unit_noise(plan, patch, band)
    defects.mask_detections(image, mask, psf_fwhm_px, sigma)
    for (x, y), flux, radius in zip(places, fluxes, stars["mask_px"], strict=True):
        defects.mask_bright_star(mask, x, y, radius)
        defects.bleed(image, mask, x, y, defects.star_peak(flux, psf_fwhm_px))
    defects.saturate(image, mask)
    plan.defects[band].spoil(image, mask, patch, sigma)
    variance /= plan.settings.variance_understates**2
    variance[np.isnan(image)] = np.nan
    return image, mask, variance


def _sky_counts(band: str) -> float:
    """Return the sky brightness in counts per pixel."""
    per_arcsec2 = 10 ** (0.4 * (ZERO_POINT_MAG - SKY_MAG_ARCSEC2[band]))
    return per_arcsec2 * PIXEL_SCALE_ARCSEC**2


def _local_sigma(plan: FieldPlan, patch: Patch, band: str) -> float | FloatArray:
    """Return the scatter of each sky pixel: less where the field is deeper."""
    sigma, deeper_mag = plan.sky_sigma(band), plan.depth_variation(band)
    if not deeper_mag:
        return sigma
    return np.float32(sigma) * 10 ** (np.float32(-0.4) * deeper_mag.on(patch))


def _unit_noise(plan: FieldPlan, patch: Patch, band: str) -> FloatArray:
    seed = plan.settings.stream(plan.grid.field.name, band, "noise")
    shape = (patch.size_px, patch.size_px)
    return noise.correlated_noise(seed, patch.x_px, patch.y_px, shape, plan.noise_kernel(band))
