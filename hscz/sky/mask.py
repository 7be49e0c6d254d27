"""Mask planes: their names, what they mean for a stamp, and the cards that give their bits.

Planes are named by ``MP_*`` cards in the header of a mask. Their bits move between data releases,
so they are read from there; the bits of `HSC_MASK_PLANES` are only written.
"""

from __future__ import annotations

from collections.abc import Mapping

from astropy.io import fits

from hscz.errors import InputError

NO_DATA, DETECTED, SATURATED = "NO_DATA", "DETECTED", "SAT"
INTERPOLATED, BRIGHT_STAR, EDGE, CLIPPED = "INTRP", "BRIGHT_OBJECT", "EDGE", "CLIPPED"

TRAILS = ("TRAIL", "STREAK", "SATELLITE")
"""Names under which pipelines mask satellite trails."""

HSC_MASK_PLANES: Mapping[str, int] = {
    plane: bit
    for bit, plane in enumerate(
        (
            *("BAD", SATURATED, INTERPOLATED, "CR", EDGE, DETECTED, "DETECTED_NEGATIVE"),
            *("SUSPECT", NO_DATA, BRIGHT_STAR, "CROSSTALK", "NOT_DEBLENDED", "UNMASKEDNAN"),
            *("REJECTED", CLIPPED, "SENSOR_EDGE", "INEXACT_PSF"),
        )
    )
}
"""Bits of the mask planes in the HSC cut-outs of S18A."""


def mask_value(*planes: str) -> int:
    """Return the value of a mask, as it is written, in which the named planes are set.

    Examples
    --------
    >>> mask_value("SAT"), mask_value("SAT", "NO_DATA")
    (2, 258)
    """
    return sum(1 << HSC_MASK_PLANES[plane] for plane in planes)


def mask_cards(planes: Mapping[str, int]) -> dict[str, int]:
    """Return the header cards of mask planes; long keywords need the HIERARCH convention.

    Examples
    --------
    >>> mask_cards({"SAT": 1, "NO_DATA": 8})
    {'MP_SAT': 1, 'HIERARCH MP_NO_DATA': 8}
    """
    cards = {f"MP_{plane}": bit for plane, bit in planes.items()}
    return {key if len(key) <= 8 else f"HIERARCH {key}": bit for key, bit in cards.items()}


def read_mask_planes(header: fits.Header) -> dict[str, int]:
    """Return the bit of each mask plane by name.

    Raises
    ------
    InputError
        If the header names no plane, or gives a bit that a 32-bit mask does not have.

    Examples
    --------
    >>> read_mask_planes(fits.Header(mask_cards({"SAT": 1, "NO_DATA": 8})))
    {'SAT': 1, 'NO_DATA': 8}
    """
    planes = {key[3:]: header[key] for key in header if key.startswith("MP_")}
    if not planes:
        raise InputError(
            "the MASK header names no plane (MP_* cards), so its bits mean nothing; "
            "add the cards or remove the HDU"
        )
    for plane, bit in planes.items():
        if not (isinstance(bit, int) and 0 <= bit < 32):
            raise InputError(
                f"mask plane MP_{plane} is {bit!r}, which is no bit of a 32-bit mask; "
                "correct the card"
            )
    return planes
