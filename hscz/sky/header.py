"""What the headers of an image file say, and the complaints where they do not say it.

The complaints begin with the file where `hscz.errors.about` names it.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.units import ABmag, Jy, Unit
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS, FITSFixedWarning, WcsError
from astropy.wcs.utils import proj_plane_pixel_scales

from hscz import survey
from hscz.errors import ConfigError, InputError
from hscz.files.compression import DAMAGED, is_compressed, open_decompressed

ZERO_POINT_TOLERANCE_MAG = 0.001
"""Largest difference between a zero point in the configuration and the header's."""

VAGUE_CARDS = ("PHOTZP", "MAGZERO", "MAGZPT", "MAGZP", "ZEROPNT")
"""Cards that hold a zero point, but AB or Vega, of the counts or of the counts a second."""

COARSEST_ARCSEC = 5.0
"""Pixels larger than this show no galaxies: the CD matrix is in another unit than degrees."""

_log = logging.getLogger(__name__)


def read_headers(path: Path) -> dict[int, fits.Header]:
    """Return the headers of a file's images by HDU number, and check the length of the file."""
    headers = _all_headers(path)
    if any(header.get("ZIMAGE") for header in headers):
        # astropy shows a compressed image, stored as a table, as the image it was.
        try:
            with fits.open(path) as hdus:
                return {n: hdu.header for n, hdu in enumerate(hdus) if hdu.is_image}
        except OSError as error:
            raise InputError(f"cannot be read ({error}); fetch the file again") from error
    return {n: h for n, h in enumerate(headers) if h.get("XTENSION", "IMAGE").strip() == "IMAGE"}


def _all_headers(path: Path) -> list[fits.Header]:
    """Return the headers as they are stored, and compare the file's length with what they say.

    astropy only warns of a truncated file and would hand out what it finds.
    """
    if not path.is_file():
        raise InputError("no such file; check the path and the pattern it came from")
    try:
        with open_decompressed(path) as file:
            return _walk(file, None if is_compressed(path) else path.stat().st_size)
    except DAMAGED as error:
        raise InputError(f"truncated or damaged ({error}); fetch the file again") from error


def _walk(file: Any, size: int | None) -> list[fits.Header]:
    """Go from header to header through a file; without `size`, to where its stream ends."""
    headers: list[fits.Header] = []
    start = file.peek(8)[:8]
    if start != b"SIMPLE  ":
        raise InputError(f"is not a FITS file, it starts with {start!r}; fetch the file again")
    end = 0
    while file.peek(1):
        try:
            header = fits.Header.fromfile(file)
            end = file.tell() + (header["NAXIS"] and header.data_size_padded)
        except KeyError as error:
            raise InputError(
                f"the header of HDU {len(headers)} is damaged ({error.args[0]}); "
                "fetch the file again"
            ) from error
        except (OSError, EOFError, ValueError) as error:
            if headers and _only_padding(file, end):
                break
            raise InputError(
                f"truncated, breaks off in a header ({error}); fetch the file again"
            ) from error
        headers.append(header)
        # A plain file can be set beyond its end, a compressed stream stops there.
        there = min(file.seek(end), end if size is None else size)
        if there < end:
            raise InputError(
                f"truncated, {there} bytes of {end} that its headers announce; fetch the file again"
            )
    return headers


def _only_padding(file: Any, start: int) -> bool:
    """Return whether nothing but zeros and blanks follows, as at the end of a tape."""
    file.seek(start)
    return not any(part.strip(b"\0 ") for part in iter(lambda: file.read(1 << 20), b""))


def find_planes(headers: Mapping[int, fits.Header]) -> dict[str, int]:
    """Return the HDU numbers of IMAGE, MASK and VARIANCE, given the headers by HDU number."""
    planes: dict[str, int] = {}
    unnamed: list[int] = []
    for number, header in headers.items():
        if header["NAXIS"] != 2:
            continue
        name = str(header.get("EXTTYPE", header.get("EXTNAME", ""))).strip().upper()
        if name in ("IMAGE", "MASK", "VARIANCE"):
            planes.setdefault(name, number)
        else:
            unnamed.append(number)
    if "IMAGE" not in planes and len(unnamed) == 1:
        planes["IMAGE"] = unnamed[0]
    if "IMAGE" not in planes:
        raise InputError(
            f"has {len(unnamed)} 2-D images, none with EXTTYPE or EXTNAME = 'IMAGE' "
            f"({_listed(headers)}); give the coadd, or name its image HDU"
        )
    shapes = {name: image_shape(headers[number]) for name, number in planes.items()}
    if len(set(shapes.values())) > 1:
        raise InputError(f"its planes differ in shape, {shapes}; fetch the file again")
    if 0 in shapes["IMAGE"]:
        raise InputError(f"its image has no pixel, {shapes['IMAGE']}; fetch the file again")
    return planes


def _listed(headers: Mapping[int, fits.Header]) -> str:
    """Say what images a file has."""
    found = []
    for number, header in headers.items():
        sides = [str(header[f"NAXIS{axis}"]) for axis in range(header["NAXIS"], 0, -1)]
        found.append(f"{number} {header.get('EXTNAME', '')!r} has {' x '.join(sides) or 'no'} px")
    return "HDU " + ", ".join(found)


def check_filter(file_name: str, band: str, filter_name: str) -> None:
    """Refuse a file whose FILTER card or, without a card that is known, name is of another band."""
    try:
        found, where = survey.band(filter_name.strip()).name, f"FILTER is {filter_name!r}"
    except ConfigError:
        found, where = _band_in_name(file_name), "its name"
    if found not in ("", band):
        raise InputError(
            f"{where}, which is band {found}, but the file was given for band {band}; "
            "correct the pattern, the bands or the card"
        )


def _band_in_name(name: str) -> str:
    """Return the band whose filter stands in a file name, empty where none or several do."""
    found = [
        band.name
        for band in survey.BANDS.values()
        if re.search(rf"(?<![A-Za-z0-9]){re.escape(band.filter_name)}(?![A-Za-z0-9])", name)
    ]
    return found[0] if len(found) == 1 else ""


def image_shape(header: fits.Header) -> tuple[int, int]:
    """Return (Y, X)."""
    return (header["NAXIS2"], header["NAXIS1"])


def celestial_wcs(header: fits.Header) -> WCS:
    """Return the WCS of a header in right ascension and declination."""
    if "RADECSYS" in header and "RADESYS" not in header:
        header = header.copy()
        header.rename_keyword("RADECSYS", "RADESYS")
    remedy = "solve its astrometry or give the file that has it"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Removed redundant SIP", AstropyWarning)
            # A card that is not a number would silently count as zero.
            warnings.filterwarnings("error", "(?s).*value was expected", FITSFixedWarning)
            warnings.filterwarnings("error", category=VerifyWarning)
            warnings.filterwarnings("ignore", "Verification reported", VerifyWarning)
            # fix=False: wcslib would announce harmless rewrites of the date cards as warnings.
            whole = WCS(header, fix=False)
            wcs = whole.celestial
    except (WcsError, KeyError, ValueError, FITSFixedWarning, VerifyWarning) as error:
        lines = [line.strip() for line in str(error).splitlines() if "cextern" not in line]
        raise InputError(f"no usable WCS ({' '.join(lines).strip()}); {remedy}") from error
    scales = proj_plane_pixel_scales(wcs) if wcs.has_celestial else np.zeros(2)
    numbers = [*scales, *wcs.wcs.crval, *wcs.wcs.crpix] if wcs.has_celestial else [np.nan]
    if not (np.isfinite(numbers).all() and (scales > 0).all()):
        keys = ("CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD2_2")
        found = {key: card for key in keys if (card := _card(header, key)) is not None}
        raise InputError(f"no usable celestial WCS, {found}; {remedy}")
    # FK5 of J2000 is ICRS to 0.02 arcsec; any other frame would put stamps in the wrong place.
    frame, equinox = wcs.wcs.radesys.strip(), wcs.wcs.equinox
    if wcs.wcs.lngtyp != "RA" or frame not in ("", "ICRS", "FK5") or abs(equinox - 2000) > 0:
        raise InputError(
            f"its WCS is in {wcs.wcs.lngtyp} {frame} {equinox}, not ICRS; reproject it"
        )
    side = 3600 * scales.max()
    if side > COARSEST_ARCSEC:
        raise InputError(f"no usable WCS, its pixels have {side:.4g} arcsec; {remedy}")
    if whole.wcs.lng > whole.wcs.lat:
        raise InputError(
            f"its CTYPE1 is {whole.wcs.ctype[0]!r}, right ascension must come first; swap "
            "CTYPE, CRVAL and the rows of the CD matrix, or reproject it"
        )
    return wcs


def _card(header: fits.Header, key: str) -> Any:
    """Return a card's value for a message, or its raw text where it cannot be parsed."""
    try:
        return header.get(key)
    except fits.VerifyError:
        return str(header.cards[key].image).partition("=")[2].strip()


def read_zero_point(
    image: fits.Header, primary: fits.Header, without_card: float | None = None
) -> float:
    """Return the AB zero point from FLUXMAG0, the counts of an object of magnitude 0, or BUNIT.

    The value `without_card` is for headers that have neither; where they have one, it must agree.
    """
    stated = _stated_zero_points(image, primary)
    vague = {key: value for key in VAGUE_CARDS if (value := image.get(key, primary.get(key)))}
    if without_card is None and not stated:
        hint = "".join(f", {key} is {value!r}" for key, value in vague.items())
        raise InputError(
            f"no zero point, FLUXMAG0 is None{hint}; give zero_point for images without "
            "the card, or write the card"
        )
    if without_card is not None and not stated:
        for key, value in vague.items():
            _note_vague(key, value, float(without_card))
    if without_card is not None:
        stated["zero_point"] = float(without_card)
    (name, found), *others = stated.items()
    for other, value in others:
        if not abs(found - value) <= ZERO_POINT_TOLERANCE_MAG:
            raise InputError(
                f"{name} makes the zero point {found:.4f}, but {other} is {value}; "
                "remove zero_point, which is for images without the card, or correct the card"
            )
    return found


def _stated_zero_points(image: fits.Header, primary: fits.Header) -> dict[str, float]:
    """Return the zero points that cards state without doubt, by the card."""
    stated = {}
    counts: Any = image.get("FLUXMAG0", primary.get("FLUXMAG0"))
    if counts is not None:
        if not (isinstance(counts, int | float) and 0 < counts < np.inf):
            raise InputError(
                f"no zero point, FLUXMAG0 is {counts!r}; correct the card, or remove it "
                "and give zero_point"
            )
        stated["FLUXMAG0"] = 2.5 * float(np.log10(counts))
    text = str(image.get("BUNIT", primary.get("BUNIT", "")))
    unit = Unit(text, parse_strict="silent")
    if unit.is_equivalent(Jy):
        stated[f"that of BUNIT {text!r}"] = round(float((1 * unit).to_value(ABmag)), 4)
    return stated


@cache
def _note_vague(key: str, value: object, zero_point: float) -> None:
    """Say, once, that a card which may be a zero point is not the one that is used."""
    if value != zero_point:
        _log.warning(
            "the images have %s = %s, but zero_point = %s is used; check it", key, value, zero_point
        )
