"""Tables as their descriptors say they are written, in degrees and AB magnitudes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz.errors import InputError
from hscz.tables.descriptor import CatalogueDescriptor
from hscz.tables.units import KINDS, ab_magnitudes, known_unit, zero_point
from hscz.tables.values import without_sentinels

_AB_MAG = re.compile(r"(ab[ _-]*)?mag(nitude)?s?[ _-]*(\(?ab\)?)?", re.IGNORECASE)
"""How files state AB magnitudes."""


def check_file_units(
    stated: Mapping[str, str],
    standard: Mapping[str, str],
    descriptor: CatalogueDescriptor,
) -> None:
    """Refuse a file whose own header states other units than its descriptor.

    A unit that is not a known one says nothing and is passed over.

    Parameters
    ----------
    stated : mapping of str to str
        Unit of a column as the file gives it, for those columns that have one.
    standard : mapping of str to str
        Column of the file for each standard name.
    descriptor : CatalogueDescriptor

    Raises
    ------
    InputError
        If a position or magnitude is in another unit than the descriptor says.

    Examples
    --------
    >>> from hscz.tables.descriptor import load_descriptor
    >>> udsz = load_descriptor("udsz")
    >>> check_file_units({"RA": "hourangle"}, {"ra": "RA"}, udsz)
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: column 'RA' is in hourangle by its header, but the \
descriptor 'udsz' says deg; write ra = "hourangle" under its [units], or correct the header
    """
    from astropy.units import Unit

    for key, column in standard.items():
        kind = "mag" if key.startswith("mag_") else key
        declared = descriptor.units.get(kind, "mag" if kind == "mag" else "deg")
        text = stated.get(column, "")
        unit = known_unit(text)
        if unit is None or kind not in KINDS or not isinstance(declared, str):
            continue
        if unit == Unit(declared) or (declared == "mag" and _AB_MAG.fullmatch(text.strip())):
            continue
        written = "hourangle" if unit == Unit("h") else text
        remedy = f'write {kind} = "{written}" under its [units], or correct the header'
        if not Unit(written).is_equivalent(KINDS[kind]):
            remedy = "convert the column, or correct the header"
        raise InputError(
            f"column {column!r} is in {text} by its header, but the descriptor "
            f"{descriptor.name!r} says {declared}; {remedy}"
        )


def in_standard_units(
    raw: pd.DataFrame, standard: Mapping[str, str], descriptor: CatalogueDescriptor
) -> pd.DataFrame:
    """Return a table as read with its positions in degrees and its fluxes as AB magnitudes.

    Parameters
    ----------
    raw : pandas.DataFrame
        Columns of the file, under their own names.
    standard : mapping of str to str
        Column of the file for each standard name.
    descriptor : CatalogueDescriptor
        Its `units` and, for fluxes, sentinels of missing values.

    Raises
    ------
    InputError
        If positions are text and no unit is given, or cannot be read in the unit given.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from hscz.tables.descriptor import load_descriptor
    >>> hours = replace(load_descriptor("udsz"), units={"ra": "hourangle"})
    >>> raw = pd.DataFrame({"RA": ["02:17:48"], "DEC": [-5.1]})
    >>> in_standard_units(raw, {"ra": "RA", "dec": "DEC"}, hours)["RA"].round(3).item()
    34.45
    """
    changed: dict[str, NDArray] = {}
    for axis in ("ra", "dec"):
        if axis in standard:
            unit = str(descriptor.units.get(axis, ""))
            values = raw[standard[axis]]
            if unit:
                changed[standard[axis]] = _degrees(values, unit)
            elif not pd.api.types.is_numeric_dtype(values):
                hint = 'ra = "hourangle", dec = "deg"'
                raise InputError(
                    f"column {values.name!r} needs numbers, not {values.iloc[0]!r}; "
                    f"write {hint} under [units] of the descriptor {descriptor.name!r}"
                )
    if "mag" in descriptor.units:
        one = zero_point(descriptor.units["mag"])
        for band in descriptor.mag:
            mag, mag_err = standard.get(f"mag_{band}"), standard.get(f"mag_err_{band}")
            if mag is None:
                continue
            flux, flux_err = _known(raw, mag, descriptor), _known(raw, mag_err, descriptor)
            changed[mag], error = ab_magnitudes(flux, flux_err, one)
            if mag_err is not None:
                changed[mag_err] = error
    return raw.assign(**changed) if changed else raw


def _known(raw: pd.DataFrame, column: str | None, descriptor: CatalogueDescriptor) -> NDArray:
    """Return a column with NaN for sentinels; NaN alone where there is no column."""
    if column is None:
        return np.full(len(raw), np.nan)
    return without_sentinels(raw[column], descriptor.missing).to_numpy()


def _degrees(values: pd.Series, unit: str) -> NDArray[np.float64]:
    """Return angles in degrees, from numbers or text."""
    from astropy.coordinates import Angle

    try:
        return np.asarray(Angle(values.to_numpy(), unit=unit).degree, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"column {values.name!r} cannot be read as {unit}: {error}; correct it, or "
            "[units] of the descriptor"
        ) from None
