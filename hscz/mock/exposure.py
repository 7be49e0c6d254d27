"""From the truth table of a field to the images of one patch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz.config.mock import SKY_MAG_ARCSEC2, Conditions, MockSettings
from hscz.mock import defects, noise
from hscz.mock.defects import Defects
from hscz.mock.grid import FieldGrid, Patch
from hscz.mock.population import draw_field, galactic_ebv
from hscz.mock.render import STAMP_SIZES_PX, Sources, paint
from hscz.sky.fits import write_calexp
from hscz.survey import BANDS, PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG

FloatArray = NDArray[np.floating]

MARGIN_PX = 128
"""How far around the mosaic objects are drawn, so that its edges have neighbours too."""

_FLOOR_SIGMA = 0.05
_PSF_VARIATION = 0.03
_PSF_WAVELENGTHS_PX = (4500.0, 6500.0, 9000.0)
_SKY_RESIDUAL_SIGMA = 0.05
_SKY_WAVELENGTHS_PX = (500.0, 800.0, 1300.0, 2100.0)


@dataclass(frozen=True)
class FieldPlan:
    """All that the patches of one field share.

    Attributes
    ----------
    settings : MockSettings
    grid : FieldGrid
    truth : pandas.DataFrame
        Truth table with mosaic positions ``x_px``, ``y_px`` and Galactic extinction ``ebv``.
    defects : mapping of str to Defects
        By band.
    """

    settings: MockSettings
    grid: FieldGrid
    truth: pd.DataFrame
    defects: Mapping[str, Defects]

    @classmethod
    def of(
        cls, settings: MockSettings, field_name: str, truth: pd.DataFrame | None = None
    ) -> FieldPlan:
        """Draw a field, or take the truth table given."""
        grid = FieldGrid.of(settings, field_name)
        if truth is None:
            ra, dec = grid.bounds_deg(MARGIN_PX)
            tilt = settings.redshift_tilt.get(field_name, 0.0)
            truth = draw_field(field_name, ra, dec, settings.i_max_painted, settings.seed, tilt)
        x_px, y_px = grid.to_pixel(truth["ra"], truth["dec"])
        ebv = galactic_ebv(field_name, truth["ra"], truth["dec"])
        placed = truth.assign(x_px=x_px, y_px=y_px, ebv=ebv)
        drawn = {band: Defects.draw(settings, grid, band) for band in grid.field.bands}
        return cls(settings, grid, placed, drawn)

    @property
    def bands(self) -> tuple[str, ...]:
        """Bands of the field."""
        return self.grid.field.bands

    @property
    def conditions(self) -> Conditions:
        """How the field was observed."""
        return self.settings.conditions_of(self.grid.field.name)

    def psf_fwhm_px(self, band: str, x_px: FloatArray, y_px: FloatArray) -> FloatArray:
        """Return the FWHM of the PSF at mosaic positions."""
        seed = self.settings.stream(self.grid.field.name, band, "psf")
        pattern = noise.pattern_at(seed, x_px, y_px, _PSF_WAVELENGTHS_PX)
        return self.conditions.psf_fwhm_px(band) * (1.0 + _PSF_VARIATION * pattern)

    def image_flux(self, band: str, truth: pd.DataFrame) -> FloatArray:
        """Return the counts of some objects in the image: dimmed by dust, as calibrated."""
        dimming = BANDS[band].extinction_per_ebv * truth["ebv"].to_numpy()
        dimming = dimming + self.conditions.flux_offset_mag.get(band, 0.0)
        return 10 ** (-0.4 * (truth[f"mag_{band}"].to_numpy() + dimming - ZERO_POINT_MAG))

    def sources(self, truth: pd.DataFrame) -> Sources:
        """Return the profiles of some objects on the mosaic."""
        flux = np.array([self.image_flux(band, truth) for band in self.bands])
        bulge = np.array([truth[f"bulge_fraction_{band}"] for band in self.bands])
        x, y = truth["x_px"].to_numpy(), truth["y_px"].to_numpy()
        # Position angles run from north (+y) to east (-x); the painter's from +x to +y.
        angle = np.deg2rad(truth["position_angle_deg"].to_numpy() + 90.0)
        q = truth["axis_ratio"].to_numpy()
        # The size relations are for major axes; the painter takes the geometric mean.
        radius_px = {
            part: truth[f"half_light_radius_{part}_arcsec"].to_numpy()
            * np.sqrt(q)
            / PIXEL_SCALE_ARCSEC
            for part in ("disc", "bulge")
        }
        return Sources(
            x_px=x,
            y_px=y,
            disc_radius_px=radius_px["disc"],
            bulge_radius_px=radius_px["bulge"],
            axis_ratio=q,
            angle_rad=angle,
            disc_flux=flux * (1.0 - bulge),
            bulge_flux=flux * bulge,
            psf_fwhm_px=np.array([self.psf_fwhm_px(band, x, y) for band in self.bands]),
        )

    def bright_stars(self) -> pd.DataFrame:
        """Return the stars that saturate, with ``mask_px``, the radius of their mask."""
        stars = self.truth[self.truth["is_star"]]
        brightest = stars[[f"mag_{band}" for band in self.bands]].min(axis=1)
        bright = stars[brightest < defects.SATURATION_MAG]
        radius = defects.bright_star_radius_px(brightest[bright.index].to_numpy())
        return bright.assign(mask_px=radius)


def calexp_path(folder: Path, grid: FieldGrid, band: str, patch: Patch) -> Path:
    """Return where the survey's tree has the coadd of a band and patch.

    Examples
    --------
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
    models = paint(sources, (patch.size_px, patch.size_px), floor)
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
    sigma, psf_fwhm_px = plan.conditions.sky_sigma(band), plan.conditions.psf_fwhm_px(band)
    stars = plan.bright_stars()
    stars = stars[patch.holds(stars["x_px"], stars["y_px"], margin_px=512)]
    places = list(zip(stars["x_px"] - patch.x_px, stars["y_px"] - patch.y_px, strict=True))
    fluxes = plan.image_flux(band, stars)
    mask = np.zeros(model.shape, np.int32)
    for (x, y), flux in zip(places, fluxes, strict=True):
        defects.add_halo(model, x, y, flux)
    variance = noise.variance(model, sigma, _sky_counts(band))
    image = (
        model + _sky(plan, patch, band, sigma) + np.sqrt(variance) * _unit_noise(plan, patch, band)
    )
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


def _unit_noise(plan: FieldPlan, patch: Patch, band: str) -> FloatArray:
    seed = plan.settings.stream(plan.grid.field.name, band, "noise")
    return noise.correlated_noise(seed, patch.x_px, patch.y_px, (patch.size_px, patch.size_px))


def _sky(plan: FieldPlan, patch: Patch, band: str, sigma: float) -> FloatArray:
    """Return what the sky subtraction left."""
    seed = plan.settings.stream(plan.grid.field.name, band, "sky")
    pixels = np.arange(patch.size_px)
    pattern = noise.pattern_on(seed, patch.x_px + pixels, patch.y_px + pixels, _SKY_WAVELENGTHS_PX)
    return np.float32(_SKY_RESIDUAL_SIGMA * sigma) * pattern
