"""What a survey is: its bands, fields, pixel grid and zero point.

Every other module takes these numbers from here. The facts of HSC-CLAUDS come from
Desprez et al. (2023), Sawicki et al. (2019) and the HSC PDR2/PDR3 data releases.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hscz.errors import ConfigError

PIXEL_SCALE_ARCSEC = 0.168
"""Pixel scale of the HSC coadds, arcsec per pixel."""

ZERO_POINT_MAG = 27.0
"""AB zero point of every stored image: one count is an AB magnitude of 27."""

FLUX_UNIT = "57.544 nJy"
"""One count at the zero point 27, as a unit string astropy parses."""

STAMP_PX = 64
"""Side of a stamp in pixels."""


@dataclass(frozen=True)
class Band:
    """One photometric band.

    Attributes
    ----------
    name : str
        Short name used for the ``band`` coordinate.
    filter_name : str
        Name in the data base, headers and file names of the archive.
    speclite_name : str
        Name of the transmission curve in `speclite`.
    pivot_angstrom : float
        Pivot wavelength.
    extinction_per_ebv : float
        Galactic extinction A/E(B-V) in magnitudes (Euclid photometric helper table, which
        orders u and u* by wavelength as it must).
    """

    name: str
    filter_name: str
    speclite_name: str
    pivot_angstrom: float
    extinction_per_ebv: float


OPTICAL_BANDS: dict[str, Band] = {
    band.name: band
    for band in (
        Band("u", "MegaCam-u", "cfht_megacam-u", 3676.0, 4.138),
        Band("us", "MegaCam-uS", "cfht_megacam-ustar", 3799.0, 4.018),
        Band("g", "HSC-G", "hsc2017-g", 4791.0, 3.258),
        Band("r", "HSC-R", "hsc2017-r2", 6214.0, 2.286),
        Band("i", "HSC-I", "hsc2017-i2", 7689.0, 1.641),
        Band("z", "HSC-Z", "hsc2017-z", 8903.0, 1.264),
        Band("y", "HSC-Y", "hsc2017-y", 9772.0, 1.081),
    )
}
"""The seven bands of HSC-CLAUDS by short name; ``us`` is u* (CLAUDS filter 9301)."""

# Pivot wavelengths are those of the VISTA filters in the SVO filter service. Filter names are
# those of the HSCpipe catalogue of HSC-CLAUDS. speclite has no VISTA curves, 2MASS is nearest;
# so is the extinction, A/E(B-V) of 2MASS in Schlafly & Finkbeiner (2011, table 6, R_V = 3.1).
NEAR_INFRARED_BANDS: dict[str, Band] = {
    band.name: band
    for band in (
        Band("J", "VIRCAM-J", "twomass-J", 12525.0, 0.723),
        Band("H", "VIRCAM-H", "twomass-H", 16432.0, 0.460),
        Band("Ks", "VIRCAM-Ks", "twomass-Ks", 21522.0, 0.310),
    )
}
"""Bands of UltraVISTA (COSMOS) and VIDEO (XMM), which cover a part of those fields."""

BANDS: dict[str, Band] = OPTICAL_BANDS | NEAR_INFRARED_BANDS
"""All bands by short name, blue to red."""

EQUIVALENT_BANDS: tuple[tuple[str, ...], ...] = (("u", "us"),)
"""Bands that take each other's place in networks and figures: a field has one of them, or both.

Networks must see the same one in source and target; where a field has both, they see the first."""

SYMBOLS = {"us": "u*"}
"""Bands whose names are written in another way on axes."""


@dataclass(frozen=True)
class Field:
    """One subfield with a single observing depth.

    Attributes
    ----------
    name, region : str
        Such as ``XMM_DEEP`` in the region ``XMM``.
    ra_deg, dec_deg : float
        Centre, ICRS degrees.
    tract : int
        HSC tract at the centre.
    bands : tuple of str
        Bands observed there, blue to red. COSMOS alone has both u and u*.
    ultra_deep : bool
        Whether the field is one magnitude deeper than the Deep layer.
    """

    name: str
    region: str
    ra_deg: float
    dec_deg: float
    tract: int
    bands: tuple[str, ...]
    ultra_deep: bool = False


_HSC = ("g", "r", "i", "z", "y")

FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field("COSMOS_UDF", "COSMOS", 150.12, 2.21, 9813, ("u", "us", *_HSC), ultra_deep=True),
        Field("COSMOS_DEEP", "COSMOS", 150.90, 1.50, 9571, ("u", "us", *_HSC)),
        Field("XMM_UDF", "XMM", 34.50, -5.00, 8523, ("us", *_HSC), ultra_deep=True),
        Field("XMM_DEEP", "XMM", 35.70, -4.70, 8524, ("us", *_HSC)),
        Field("ELAIS", "ELAIS", 242.90, 54.90, 17130, ("u", *_HSC)),
        Field("DEEP2", "DEEP2", 352.10, -0.20, 9464, ("u", *_HSC)),
    )
}
"""The six subfields of HSC-CLAUDS by name."""


def band(name: str) -> Band:
    """Return a band by short name, filter name or one of the archives' aliases.

    Parameters
    ----------
    name : str
        ``"us"``, ``"MegaCam-uS"``, ``"HSC-R2"``, ``"r2"``, ``"u1"`` ...

    Returns
    -------
    Band

    Raises
    ------
    ConfigError
        If no band has that name.

    Examples
    --------
    >>> band("HSC-I2").name, band("u*").filter_name
    ('i', 'MegaCam-uS')
    """
    if name in BANDS:
        return BANDS[name]
    # The archive wrote u2 for the new u and u1 for the old u*; HSC-R2 and HSC-I2 are the
    # replacement filters that the coadds of PDR2 on are named after without the digit.
    aliases = {"u*": "us", "u1": "us", "u2": "u", "uS": "us", "r2": "r", "i2": "i"}
    # CFHT names its own files by camera and filter number, 9301 for u* and 9302 for the new u.
    aliases |= {"HSC-R2": "r", "HSC-I2": "i", "u.MP9301": "us", "u.MP9302": "u"}
    aliases |= {b.filter_name: b.name for b in BANDS.values()}
    if name in aliases:
        return BANDS[aliases[name]]
    raise ConfigError(f"band {name!r} is unknown; the bands are {', '.join(BANDS)}")


def equivalents(band: str) -> tuple[str, ...]:
    """Return the bands that take each other's place, among them this one.

    Examples
    --------
    >>> equivalents("us"), equivalents("g")
    (('u', 'us'), ('g',))
    """
    return next((group for group in EQUIVALENT_BANDS if band in group), (band,))


def counterpart(band: str, available: Collection[str]) -> str:
    """Return the first equivalent of a band that is available; the last where there is none.

    Examples
    --------
    >>> counterpart("u", ["us", "g"]), counterpart("us", ["u", "us"]), counterpart("g", [])
    ('us', 'u', 'g')
    """
    group = equivalents(band)
    return next((name for name in group if name in available), group[-1])


def symbol(band: str) -> str:
    """Return a band as it is written on axes.

    Examples
    --------
    >>> symbol("us"), symbol("g")
    ('u*', 'g')
    """
    return SYMBOLS.get(band, band)
