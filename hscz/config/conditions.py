"""How the fields of the mock survey were observed: depth, seeing, calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

import numpy as np

from hscz.config.section import section
from hscz.config.values import Number, Positive, one_of
from hscz.survey import FIELDS, PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG, equivalents

DEPTH_MAG: Mapping[str, float] = {
    "u": 27.0,
    "us": 27.0,
    "g": 26.5,
    "r": 26.3,
    "i": 26.0,
    "z": 25.3,
    "y": 24.5,
}
"""Depth of the Deep layer, AB mag: 5 sigma in a 2 arcsec aperture on white noise.

u, g and y are the paper's medians; r, i and z lie between them by the differences measured on
real HSC coadds (g - r 0.2, g - i 0.5). The UltraDeep layer goes one magnitude deeper in grizy.
"""

SEEING_ARCSEC: Mapping[str, float] = {
    "u": 0.92,
    "us": 0.92,
    "g": 0.81,
    "r": 0.74,
    "i": 0.60,
    "z": 0.69,
    "y": 0.74,
}
"""Median FWHM of the PSF: HSC PDR2 (pipeline configuration) and CLAUDS (Sawicki et al. 2019)."""

SKY_MAG_ARCSEC2: Mapping[str, float] = {
    "u": 22.96,
    "us": 22.80,
    "g": 22.26,
    "r": 21.20,
    "i": 20.48,
    "z": 19.60,
    "y": 18.61,
}
"""Dark sky, AB mag per square arcsec (LSST technical note SMTN-002; u* read between u and g)."""

XMM_DEEP_OFFSET_MAG: Mapping[str, float] = {"us": -0.2, "g": -0.2, "r": -0.2}
"""Calibration flaw of XMM_DEEP: r - i comes out 0.2 too blue, every other adjacent colour right."""

FieldOfMock = Annotated[str, *one_of(*FIELDS)]
BandOfMock = Annotated[str, *one_of(*DEPTH_MAG)]


@section
class Conditions:
    """How one field was observed."""

    depth_mag: Mapping[BandOfMock, Number]
    """Depth by band, AB mag: 5 sigma in a 2 arcsec aperture on white noise."""
    seeing_arcsec: Mapping[BandOfMock, Positive]
    """Mean FWHM of the PSF by band."""
    flux_offset_mag: Mapping[BandOfMock, Number] = field(default_factory=dict)
    """Error of the photometric calibration by band; negative is too bright. 0 where absent."""

    def sky_sigma(self, band: str) -> float:
        """Return the scatter of one sky pixel in counts.

        Examples
        --------
        >>> round(CONDITIONS["COSMOS_UDF"].sky_sigma("i"), 4)
        0.019
        """
        pixels_in_aperture = np.pi / PIXEL_SCALE_ARCSEC**2
        limit = 10 ** (0.4 * (ZERO_POINT_MAG - self.depth_mag[band]))
        return float(limit / 5.0 / np.sqrt(pixels_in_aperture))

    def psf_fwhm_px(self, band: str) -> float:
        """Return the mean FWHM of the PSF in pixels."""
        return self.seeing_arcsec[band] / PIXEL_SCALE_ARCSEC


def _conditions(
    field_name: str,
    hsc_deeper_mag: float,
    u_deeper_mag: float,
    seeing_factor: float,
    flux_offset_mag: Mapping[str, float] | None = None,
) -> Conditions:
    bands = FIELDS[field_name].bands
    deeper = {b: u_deeper_mag if b in equivalents("u") else hsc_deeper_mag for b in bands}
    return Conditions(
        depth_mag={b: round(DEPTH_MAG[b] + deeper[b], 2) for b in bands},
        seeing_arcsec={b: round(SEEING_ARCSEC[b] * seeing_factor, 3) for b in bands},
        flux_offset_mag=flux_offset_mag or {},
    )


CONDITIONS: Mapping[str, Conditions] = {
    "COSMOS_UDF": _conditions("COSMOS_UDF", 1.0, 0.4, 1.0),
    "COSMOS_DEEP": _conditions("COSMOS_DEEP", 0.0, 0.1, 1.03),
    "XMM_UDF": _conditions("XMM_UDF", 0.9, 0.35, 1.02),
    "XMM_DEEP": _conditions("XMM_DEEP", -0.35, -0.2, 1.15, XMM_DEEP_OFFSET_MAG),
    "ELAIS": _conditions("ELAIS", -0.05, 0.0, 1.06),
    "DEEP2": _conditions("DEEP2", -0.15, 0.0, 1.12),
}
"""How the six fields were observed: XMM_UDF is closest to COSMOS_UDF, XMM_DEEP the shallowest."""
