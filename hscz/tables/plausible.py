"""Values that give away a wrong unit or a missing-value mark nobody has declared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hscz.errors import InputError
from hscz.tables.descriptor import CatalogueDescriptor
from hscz.tables.units import known_unit

FAINTEST_MAG, HIGHEST_Z = 40.0, 20.0
"""No magnitude and no redshift of a galaxy is above these."""

FAINTEST_BY_CHANCE_MAG, CHANCE = 60.0, 1e-4
"""A flux that noise leaves just above zero has a magnitude above `FAINTEST_MAG`, but not above
this, one of its own, and is rarer than this share; marks of missing values are all the same."""

TYPICAL_MAG = 5.0
"""The median magnitude of a survey is above this; that of fluxes in mJy or cgs units is not."""

LEAST_FLUX_RATIO = 3.0
"""Fluxes of a survey span more than this from their 1 to their 99 % quantile, magnitudes less."""

LEAST_ASPECT = 0.2
"""A field whose right ascensions, all below 24, span less than this share of its declinations
is in hours: they would shrink a square to 1/15."""

LEAST_ROWS = 20
"""Rows from which on quantiles are judged."""

_REDSHIFTS = ("z", "z_sed", "z_lephare", "z_eazy", "z_true")


def check_values(
    columns: Mapping[str, np.ndarray],
    stated: Mapping[str, str],
    standard: Mapping[str, str],
    descriptor: CatalogueDescriptor,
) -> None:
    """Refuse a table with magnitudes, redshifts or positions that cannot be what they should.

    Parameters
    ----------
    columns : mapping of str to ndarray
        Standard columns in standard units, NaN where unknown.
    stated : mapping of str to str
        Unit of a column as the file gives it, for those columns that have one.
    standard : mapping of str to str
        Column of the file for each standard name.
    descriptor : CatalogueDescriptor

    Raises
    ------
    InputError
        With the column, the value, its row and the remedy.

    Examples
    --------
    >>> from hscz.tables.descriptor import load_descriptor
    >>> z = np.array([0.5, 999.0, 999.0])
    >>> check_values({"z": z}, {}, {"z": "zspec"}, load_descriptor("udsz"))
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: column 'zspec' has 999.0 in row 1 (2 rows above 20), which is \
no redshift; add it to 'missing' of the descriptor 'udsz' if it marks missing values
    """
    for key, column in standard.items():
        about = f"column {column!r}"
        if key.startswith("mag_") and not key.startswith("mag_err_"):
            _check_magnitudes(about, columns[key], descriptor)
        elif key in _REDSHIFTS:
            _check_below(about, columns[key], HIGHEST_Z, "redshift", descriptor)
    unit_known = "ra" in descriptor.units or known_unit(stated.get(standard.get("ra", ""), ""))
    if {"ra", "dec"} <= set(standard) and not unit_known:
        about = f"column {standard['ra']!r}"
        _check_degrees(about, columns["ra"], columns["dec"], descriptor)


def _check_below(
    about: str, values: np.ndarray, limit: float, kind: str, descriptor: CatalogueDescriptor
) -> None:
    above = np.isfinite(values) & (values > limit)
    if above.any():
        row = int(np.argmax(above))
        raise InputError(
            f"{about} has {values[row]} in row {row} ({above.sum()} rows above {limit:g}), which "
            f"is no {kind}; add it to 'missing' of the descriptor {descriptor.name!r} if it marks "
            "missing values"
        )


def _check_magnitudes(about: str, mag: np.ndarray, descriptor: CatalogueDescriptor) -> None:
    known = mag[np.isfinite(mag)]
    if len(known) >= LEAST_ROWS:
        low, middle, high = np.quantile(known, [0.01, 0.5, 0.99])
        declared = descriptor.units.get("mag")
        if declared is not None and 10 ** (0.4 * (high - low)) < LEAST_FLUX_RATIO:
            raise InputError(
                f"{about} hardly varies for fluxes in {declared} (AB {low:.2f} to {high:.2f}): it "
                f"reads like magnitudes; drop 'mag' from [units] of {descriptor.name!r}, or name "
                "the column of fluxes"
            )
        distinct = len(np.unique(known[known > FAINTEST_MAG]))
        many = distinct > max(LEAST_ROWS, CHANCE * len(known))
        if not TYPICAL_MAG < middle < FAINTEST_MAG or many:
            raise InputError(
                f"{about} gives values from {low:.3g} to {high:.3g}, which are no AB magnitudes; "
                f'write the right unit, such as mag = "uJy", under [units] of {descriptor.name!r}, '
                "or name the column of magnitudes"
            )
    found, times = np.unique(mag[mag > FAINTEST_MAG], return_counts=True)
    by_chance = found[(times == 1) & (found < FAINTEST_BY_CHANCE_MAG)]
    _check_below(
        about, np.where(np.isin(mag, by_chance), 0, mag), FAINTEST_MAG, "magnitude", descriptor
    )


def _check_degrees(
    about: str, ra: np.ndarray, dec: np.ndarray, descriptor: CatalogueDescriptor
) -> None:
    if len(ra) < LEAST_ROWS or not ((ra >= 0) & (ra < 24)).all():
        return
    # A field around 0 hours has values near 24 too.
    ra = (ra - ra[0] + 12) % 24 - 12
    width, height = (np.subtract(*np.quantile(values, [0.99, 0.01])) for values in (ra, dec))
    if 0 < width * np.cos(np.radians(np.median(dec))) < LEAST_ASPECT * height:
        raise InputError(
            f"{about} spans {width:.3g} and the declinations {height:.3g}, all values below 24: "
            f'it reads like hours; write ra = "hourangle" (or "deg", if it is so) under '
            f"[units] of {descriptor.name!r}"
        )
