"""What the mock survey looks like: its fields, depths, seeing and defects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, field
from typing import Annotated, Any, Literal, Self
from zlib import crc32

from annotated_types import Ge, Le
from pydantic import AfterValidator, WithJsonSchema, model_validator
from pydantic_core import ArgsKwargs

from hscz.config.conditions import CONDITIONS, BandOfMock, Conditions, FieldOfMock
from hscz.config.section import section
from hscz.config.shift import Shift
from hscz.config.values import Amount, Natural, Number, Positive, Share, Whole, once_each
from hscz.errors import ConfigError
from hscz.survey import FIELDS, STAMP_PX

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


HARD: Mapping[str, Any] = {
    "depth_field_rms_mag": 0.1,
    "depth_tile_rms_mag": 0.08,
    "seeing_field_rms_relative": 0.05,
    "seeing_tile_rms_relative": 0.03,
    "psf_ellipticity": 0.05,
    "psf_beta": (2.5, 3.5, 4.5),
    "psf_wing_share": 0.12,
    "noise_correlation": {
        **{"u": 0.45, "us": 0.4},
        **{"g": 0.15, "r": 0.2, "i": 0.25, "z": 0.2, "y": 0.15},
    },
    "sky_residual_sigma": 0.12,
    "sky_bowl_share": 0.1,
    "zero_point_rms_mag": 0.04,
    "zero_point_tile_rms_mag": 0.01,
    "agn_share": 0.04,
    "overlooked_star_share": 0.15,
    "clump_light_share": 0.2,
    "label_failure_contrast": 4.0,
    "label_confused_share": 0.85,
    "label_lost_passive_share": 0.4,
    "label_lost_high_z_share": 0.4,
}
"""What ``mock.difficulty = "hard"`` sets, where the file gives no value of its own."""

Patches = Annotated[Whole, Ge(1), Le(9)]
Correlation = Annotated[Number, Ge(0), Le(0.6)]
PSF_SLOPES = (2.5, 3.5, 4.5)
"""Slopes of the Moffat profile that have a transform without an integral."""


def _has_transform(slope: float) -> float:
    if slope not in PSF_SLOPES:
        raise ValueError(f"is {slope}; use 2.5, 3.5 or 4.5")
    return slope


Slope = Annotated[
    Number,
    AfterValidator(_has_transform),
    WithJsonSchema({"type": "number", "enum": list(PSF_SLOPES)}),
]

_UNSHIFTED = asdict(Shift())


def _plain(key: str) -> Any:
    """Return the value of a key of `HARD` on a plain sky."""
    made = MockSettings.__dataclass_fields__[key]
    return made.default if made.default_factory is MISSING else made.default_factory()


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
    ... [mock.shift.DEEP2]
    ... tilt = 0.8
    ... [mock.conditions.DEEP2]
    ... depth_mag = { u = 27.0, g = 26.3, r = 26.1, i = 25.8, z = 25.1, y = 24.3 }
    ... seeing_arcsec = { u = 0.9, g = 0.9, r = 0.8, i = 0.7, z = 0.8, y = 0.8 }
    ... flux_offset_mag = { u = 0.05 }
    ... '''
    >>> parse(tomllib.loads(text)).mock.conditions_of("DEEP2").flux_offset_mag
    {'u': 0.05}

    A harder sky, but for its zero points:

    >>> hard = MockSettings(difficulty="hard", zero_point_rms_mag=0.0)
    >>> hard.psf_ellipticity, hard.zero_point_rms_mag
    (0.05, 0.0)

    >>> MockSettings(fields={"EGS": (2, 1)})
    Traceback (most recent call last):
    ...
    hscz.errors.ConfigError: MockSettings: fields has 'EGS'; use COSMOS_UDF, ...
    """

    seed: Natural = 1
    """Seed of every random draw."""
    difficulty: Literal["plain", "hard"] = "plain"
    """Defaults of the keys from depth_field_rms_mag on: plain has a regular sky and flawless
    calibration, hard has flaws of every kind at once. A key that is given counts by itself."""
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
    depth_field_rms_mag: Amount = 0.0
    """Scatter of the depth over a field, smooth over 0.2 to 0.4 degrees. Hard: 0.1."""
    depth_tile_rms_mag: Amount = 0.0
    """Scatter of the depth from tile to tile; a tile is the part of the sky that lies deeper in one
    patch than in others. Hard: 0.08."""
    seeing_field_rms_relative: Amount = 0.03
    """Scatter of the seeing over a field, smooth over 0.2 to 0.4 degrees, over its mean. Hard:
    0.05."""
    seeing_tile_rms_relative: Amount = 0.0
    """Scatter of the seeing from tile to tile over its mean. Hard: 0.03."""
    psf_ellipticity: Annotated[Number, Ge(0), Le(0.2)] = 0.0
    """Root mean square of the PSF's ellipticity (a² - b²) / (a² + b²), half of it the same all over
    a field and band and half smoothly varying. Hard: 0.05."""
    psf_beta: Annotated[tuple[Slope, ...], AfterValidator(once_each)] = (2.5,)
    """Slopes of the Moffat profile among which each field draws that of its PSF. Hard: 2.5, 3.5 and
    4.5."""
    psf_wing_share: Annotated[Number, Ge(0), Le(0.5)] = 0.0
    """Mean share of the PSF's light in a second Moffat profile of slope 2.5 and twice the scale;
    each field and band draws 0.5 to 1.5 times as much. Hard: 0.12."""
    noise_correlation: Mapping[BandOfMock, Correlation] = field(default_factory=dict)
    """By band, how much the sky noise of neighbouring pixels is correlated by resampling, at the
    same noise in an aperture; 0.08 and -0.04 at two pixels where absent. Hard: 0.45 in u and 0.4 in
    u*, whose pixels had another scale, 0.15 to 0.25 in the others."""
    sky_residual_sigma: Amount = 0.05
    """Waves that the sky subtraction left, in units of the noise of a pixel. Hard: 0.12."""
    sky_bowl_share: Share = 0.0
    """Mean share of a bright galaxy's light that the sky subtraction took for sky, from a region of
    7 arcsec around it; it scatters by as much again, to negative values too. Hard: 0.1."""
    zero_point_rms_mag: Amount = 0.0
    """Scatter of the zero points of fields and bands; in COSMOS half of it. What a field's
    flux_offset_mag says comes in addition. Hard: 0.04."""
    zero_point_tile_rms_mag: Amount = 0.0
    """Scatter of the zero points of tiles in each band. Hard: 0.01."""
    agn_share: Share = 0.0
    """Share of galaxies that hold an active nucleus, which gives 10 to 95 % of their light in i.
    Hard: 0.04."""
    overlooked_star_share: Share = 0.0
    """Share of stars that the catalogue takes for galaxies whatever their size. Hard: 0.15."""
    clump_light_share: Annotated[Number, Ge(0), Le(0.5)] = 0.0
    """Mean share of the discs' light in i that comes from clumps, which are bluer. Hard: 0.2."""
    label_failure_contrast: Annotated[Number, Ge(1)] = 1.0
    """How many times as often COSMOS2020 fails on galaxies that are dusty, faint and blue or
    active as on others; the mean rate stays. Hard: 4."""
    label_confused_share: Share = 0.5
    """Share of COSMOS2020's failures that take the Lyman break for the Balmer break or the reverse,
    where either is in sight; the others hold any redshift. Hard: 0.85."""
    label_lost_passive_share: Share = 0.0
    """Share of passive galaxies of i = 25 that COSMOS2020 lacks beyond the usual; it rises from 0
    at i = 24. Hard: 0.4."""
    label_lost_high_z_share: Share = 0.0
    """The same for other galaxies of z > 2. Hard: 0.4."""
    conditions: Mapping[FieldOfMock, Conditions] = field(default_factory=dict)
    """Depth, seeing and calibration of fields, in place of those in `CONDITIONS`."""
    shift: Mapping[FieldOfMock, Shift] = field(default_factory=dict)
    """By which factor n(z) of fields differs from the usual at fixed i magnitude."""

    @model_validator(mode="before")
    @classmethod
    def _difficulty_sets_defaults(cls, given: Any) -> Any:
        keys = given.kwargs if isinstance(given, ArgsKwargs) else given
        if not isinstance(keys, Mapping) or keys.get("difficulty") != "hard":
            return given
        keys = {**HARD, **keys}
        return ArgsKwargs((), keys) if isinstance(given, ArgsKwargs) else keys

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
        del record["difficulty"]
        # A plain sky without shifts is that of files made before there were such settings.
        for key in HARD:
            if record[key] == _plain(key):
                del record[key]
        shift = record.pop("shift").get(name, _UNSHIFTED)
        if shift != _UNSHIFTED:
            record["shift"] = shift
        record["field"] = name
        record["patches"] = list(record.pop("fields")[name])
        record["conditions"] = asdict(self.conditions_of(name))
        return record
