"""All that the patches of one mock field share: its objects, and how it was observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz.config.conditions import Conditions
from hscz.config.mock import MockSettings
from hscz.mock import clumps, defects, noise, quasars
from hscz.mock.defects import Defects
from hscz.mock.grid import FieldGrid
from hscz.mock.label_shift import LabelShift
from hscz.mock.population import draw_field, galactic_ebv
from hscz.mock.psf import PsfProfile
from hscz.mock.render import Sources
from hscz.mock.variation import Variation
from hscz.survey import BANDS, PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG

FloatArray = NDArray[np.floating]

MARGIN_PX = 128
"""How far around the mosaic objects are drawn, so that its edges have neighbours too."""

SOURCE_REGION = "COSMOS"
SOURCE_ZERO_POINT_SHARE = 0.5
"""Scatter of the zero points where labels are, best tested of all, over that elsewhere."""


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

    Examples
    --------
    >>> settings = MockSettings(fields={"ELAIS": (1, 1)}, patch_px=200, overlap_px=60)
    >>> FieldPlan.of(settings, "ELAIS").zero_point_error_mag("i")
    0.0
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
            shift = LabelShift.of(settings, field_name)
            truth = draw_field(field_name, ra, dec, settings.i_max_painted, settings.seed, shift)
            truth = _with_nuclei_and_clumps(truth, settings, field_name)
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
        rms = self.settings.seeing_field_rms_relative, self.settings.seeing_tile_rms_relative
        variation = self._variation(band, "psf", *rms)
        return self.conditions.psf_fwhm_px(band) * (1.0 + variation.at(x_px, y_px))

    def psf_ellipticity(
        self, band: str, x_px: FloatArray, y_px: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return both components of the PSF's ellipticity at mosaic positions, from +x to +y."""
        # Four parts of one variance: constant and smooth, of two components.
        rms = 0.5 * self.settings.psf_ellipticity
        e1, e2 = (
            self._rng(band, name).normal(0.0, rms) + self._variation(band, name, rms).at(x_px, y_px)
            for name in ("psf-e1", "psf-e2")
        )
        return e1, e2

    def psf_profile(self, band: str) -> PsfProfile:
        """Return the shape of the PSF: one slope for all bands of the field, wings of each."""
        beta = self._rng("psf-beta").choice(self.settings.psf_beta)
        share = self.settings.psf_wing_share * self._rng(band, "psf-wings").uniform(0.5, 1.5)
        return PsfProfile(float(beta), share)

    def noise_kernel(self, band: str) -> FloatArray:
        """Return the kernel that resampling left its mark with on the noise of a band."""
        correlation = self.settings.noise_correlation.get(band)
        return noise.KERNEL if correlation is None else noise.resampling_kernel(correlation)

    def sky_sigma(self, band: str) -> float:
        """Return the mean scatter of a sky pixel in counts.

        Where resampling correlates the noise more, pixels scatter less and apertures do not.
        """
        gain = noise.aperture_gain(self.noise_kernel(band)) / noise.aperture_gain(noise.KERNEL)
        return self.conditions.sky_sigma(band) / gain

    def depth_variation(self, band: str) -> Variation:
        """Return by how many magnitudes the depth of a band differs from its mean."""
        rms = self.settings.depth_field_rms_mag, self.settings.depth_tile_rms_mag
        return self._variation(band, "depth", *rms)

    def zero_point_error_mag(self, band: str) -> float:
        """Return the error of a band's calibration over the field; negative is too bright."""
        rms = self.settings.zero_point_rms_mag
        if self.grid.field.region == SOURCE_REGION:
            rms *= SOURCE_ZERO_POINT_SHARE
        drawn = self._rng(band, "zero-point").normal(0.0, rms) if rms else 0.0
        return self.conditions.flux_offset_mag.get(band, 0.0) + drawn

    def image_flux(self, band: str, truth: pd.DataFrame) -> FloatArray:
        """Return the counts of some objects in the image: dimmed by dust, as calibrated."""
        dimming = BANDS[band].extinction_per_ebv * truth["ebv"].to_numpy()
        dimming = dimming + self.zero_point_error_mag(band)
        if rms := self.settings.zero_point_tile_rms_mag:
            steps = self._variation(band, "zero-point-tiles", 0.0, rms)
            dimming = dimming + steps.at(truth["x_px"].to_numpy(), truth["y_px"].to_numpy())
        return 10 ** (-0.4 * (truth[f"mag_{band}"].to_numpy() + dimming - ZERO_POINT_MAG))

    def _rng(self, *names: str) -> np.random.Generator:
        return np.random.default_rng(self.settings.stream(self.grid.field.name, *names))

    def _variation(
        self, band: str, name: str, field_rms: float, tile_rms: float = 0.0
    ) -> Variation:
        seed = self.settings.stream(self.grid.field.name, band, name)
        return Variation(self.grid, seed, field_rms, tile_rms)

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
        sources = Sources(
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
        if self.settings.psf_ellipticity:
            shapes = np.array([self.psf_ellipticity(band, x, y) for band in self.bands])
            sources = replace(sources, psf_e1=shapes[:, 0], psf_e2=shapes[:, 1])
        return clumps.with_clumps(sources, truth, self.bands)

    def bright_stars(self) -> pd.DataFrame:
        """Return the stars that saturate, with ``mask_px``, the radius of their mask."""
        stars = self.truth[self.truth["is_star"]]
        brightest = stars[[f"mag_{band}" for band in self.bands]].min(axis=1)
        bright = stars[brightest < defects.SATURATION_MAG]
        radius = defects.bright_star_radius_px(brightest[bright.index].to_numpy())
        return bright.assign(mask_px=radius)


def _with_nuclei_and_clumps(
    truth: pd.DataFrame, settings: MockSettings, field_name: str
) -> pd.DataFrame:
    """Add what the settings ask for to the galaxies of a field."""
    for add, share in (
        (quasars.add_nuclei, settings.agn_share),
        (clumps.add_clumps, settings.clump_light_share),
    ):
        if share:
            stream = settings.stream(field_name, add.__name__)
            truth = add(truth, share, np.random.default_rng(stream))
    return truth
