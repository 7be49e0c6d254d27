"""What the mock survey looks like: its fields, depths, seeing and defects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Annotated, Any, Self
from zlib import crc32

import numpy as np
from annotated_types import Ge, Le
from pydantic import model_validator

from hscz.config.section import section
from hscz.config.values import Amount, Natural, Number, Positive, Whole, one_of
from hscz.errors import ConfigError
from hscz.survey import FIELDS, PIXEL_SCALE_ARCSEC, STAMP_PX, ZERO_POINT_MAG, equivalents

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


LABEL_FILES: Mapping[str, str] = {
    "cosmos2020-classic": "COSMOS2020_CLASSIC_mock.fits",
    "cosmos2020-farmer": "COSMOS2020_FARMER_mock.fits",
    "zcosmos-bright": "zCOSMOS_bright_mock.csv",
    "vvds": "VVDS_mock.fits",
    "deep2": "DEEP2_mock.fits",
    "nb921-oii": "NB921_OII_mock.fits",
}
"""File of each catalogue, by the name of its descriptor."""

_COSMOS2020 = ("cosmos2020-classic", "cosmos2020-farmer")

LABELS_OF_FIELD: Mapping[str, tuple[str, ...]] = {
    "COSMOS_UDF": (*_COSMOS2020, "zcosmos-bright", "vvds", "deep2", "nb921-oii"),
    "COSMOS_DEEP": (*_COSMOS2020, "zcosmos-bright", "vvds", "nb921-oii"),
    "XMM_UDF": ("vvds", "nb921-oii"),
    "XMM_DEEP": ("vvds",),
    "ELAIS": ("vvds", "nb921-oii"),
    "DEEP2": ("deep2", "nb921-oii"),
}
"""Catalogues of each field, as in the real survey."""


MAX_TILT = 2.0
"""Largest tilt of n(z) either way; beyond, far more galaxies would be drawn than kept."""


FieldOfMock = Annotated[str, *one_of(*FIELDS)]
BandOfMock = Annotated[str, *one_of(*DEPTH_MAG)]
Patches = Annotated[Whole, Ge(1), Le(9)]
Tilt = Annotated[Number, Ge(-MAX_TILT), Le(MAX_TILT)]


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


def _all_fields() -> dict[str, tuple[int, int]]:
    return dict.fromkeys(FIELDS, (3, 3))


@section
class MockSettings:
    """Section [mock]: what the mock survey looks like.

    Raises
    ------
    ConfigError
        If a field is unknown or a number makes no survey.

    Examples
    --------
    >>> MockSettings(fields={"ELAIS": (2, 1)}).patch_px
    2200

    In a run's file, with every band of the field named:

    >>> import tomllib
    >>> from hscz.config.read import parse
    >>> text = '''
    ... [mock.redshift_tilt]
    ... DEEP2 = 0.8
    ... [mock.conditions.DEEP2]
    ... depth_mag = { u = 27.0, g = 26.3, r = 26.1, i = 25.8, z = 25.1, y = 24.3 }
    ... seeing_arcsec = { u = 0.9, g = 0.9, r = 0.8, i = 0.7, z = 0.8, y = 0.8 }
    ... flux_offset_mag = { u = 0.05 }
    ... '''
    >>> parse(tomllib.loads(text)).mock.conditions_of("DEEP2").flux_offset_mag
    {'u': 0.05}

    >>> MockSettings(fields={"EGS": (2, 1)})
    Traceback (most recent call last):
    ...
    hscz.errors.ConfigError: MockSettings: fields has 'EGS'; use COSMOS_UDF, ...
    """

    seed: Natural = 1
    """Seed of every random draw."""
    fields: Mapping[FieldOfMock, tuple[Patches, Patches]] = field(default_factory=_all_fields)
    """Fields to make, and how many patches each has along x and y, at most 9 as in a real tract.
    Three by three patches of the default size hold about 10,000 galaxies of i < 25."""
    patch_px: Annotated[Whole, Ge(2 * STAMP_PX)] = 2200
    """Side of a patch (4200 in the real survey)."""
    overlap_px: Natural = 200
    """How far neighbouring patches overlap, at most half their side."""
    i_max_painted: Number = 26.5
    """True i magnitude down to which objects are painted."""
    i_max_catalogue: Number = 25.6
    """Observed i magnitude down to which the catalogue goes."""
    variance_understates: Positive = 1.26
    """By which factor the square root of the VARIANCE plane lies below the true scatter, as it
    does in coadds, whose pixels were resampled (1.26 measured on a real COSMOS stack)."""
    trails_per_deg2: Amount = 8.0
    """Mean number of satellite trails, per band."""
    gaps_per_deg2: Amount = 30.0
    """Mean number of holes without data, per band."""
    conditions: Mapping[FieldOfMock, Conditions] = field(default_factory=dict)
    """Depth, seeing and calibration of fields, in place of those in `CONDITIONS`."""
    redshift_tilt: Mapping[FieldOfMock, Tilt] = field(default_factory=dict)
    """By field, the exponent t of a factor (1 + z)^t on n(z) at fixed i magnitude; 0 where absent.
    The counts n(m) stay, n(z | m) differs from that of other fields by a known factor; see
    `hscz.mock.label_shift`."""

    @model_validator(mode="after")
    def _patches_overlap(self) -> Self:
        if self.overlap_px > self.patch_px // 2:
            raise ValueError(
                f"overlap_px is {self.overlap_px}; give at most half of mock.patch_px = "
                f"{self.patch_px}"
            )
        return self

    @model_validator(mode="after")
    def _bands_are_observed(self) -> Self:
        for name in self.conditions:
            try:
                self.conditions_of(name)
            except ConfigError as error:
                raise ValueError(str(error).removeprefix("mock.")) from None
        return self

    def conditions_of(self, name: str) -> Conditions:
        """Return how a field is observed.

        Raises
        ------
        ConfigError
            If depth or seeing of one of the field's bands is not given.
        """
        conditions = self.conditions.get(name, CONDITIONS[name])
        for key in ("depth_mag", "seeing_arcsec"):
            absent = [b for b in FIELDS[name].bands if b not in getattr(conditions, key)]
            if absent:
                raise ConfigError(
                    f"mock.conditions.{name}.{key} lacks {', '.join(absent)}; add them"
                )
        return conditions

    def stream(self, *names: str) -> list[int]:
        """Return the seed of one purpose, independent of that of every other.

        Examples
        --------
        >>> MockSettings(seed=7).stream("ELAIS", "g", "noise")
        [7, 121626107]
        """
        return [self.seed, crc32("/".join(names).encode())]

    def of_field(self, name: str) -> dict[str, Any]:
        """Return all that decides what the files of one field hold, as plain values."""
        record = asdict(self)
        # Without a tilt, files made before there were tilts are still what is asked for.
        if tilt := record.pop("redshift_tilt").get(name):
            record["redshift_tilt"] = tilt
        record["field"] = name
        record["patches"] = list(record.pop("fields")[name])
        record["conditions"] = asdict(self.conditions_of(name))
        return record
