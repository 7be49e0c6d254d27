"""Source catalogues from files to tables with standard column names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hscz.errors import InputError, about
from hscz.schema import check_unique_ids
from hscz.survey import BANDS
from hscz.tables.descriptor import STANDARD_COLUMNS, CatalogueDescriptor, load_descriptor
from hscz.tables.files import open_table
from hscz.tables.plausible import check_values
from hscz.tables.select import find_name, suggest
from hscz.tables.standard import check_file_units, in_standard_units
from hscz.tables.values import identifiers, numbers, without_sentinels

_AS_PUBLISHED = ("object_id", "ra", "dec", "x", "y", "flag")
"""Columns in which a number such as 99 is never a sentinel."""

_NOT_NEGATIVE = ("z_sed", "z_lephare", "z_eazy")
"""Redshifts whose negative values mark a failed fit, declared or not."""


def read_catalogue(
    path: str | Path,
    descriptor: CatalogueDescriptor | str | Path,
    wcs: Any = None,
    extra: Iterable[str] = (),
    bands: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Read a source catalogue with standard column names.

    Only the columns that are needed are kept, and the file is read in blocks of rows, so that
    the memory is that of these columns. Sentinels of the descriptor become NaN, and so do infinite
    values, negative photometric redshifts, and a magnitude that is not positive or whose error is
    not positive.

    Parameters
    ----------
    path : str or Path
        Of any format that `hscz.tables.files.open_table` knows, compressed or not.
    descriptor : CatalogueDescriptor or str or Path
        What the catalogue is, or the name or path of its descriptor.
    wcs : astropy.wcs.WCS, optional
        Turns pixel positions into sky positions where the catalogue has no others. It must
        belong to the very image the pixel positions were measured on.
    extra : iterable of str
        Further columns of the file to read, under their own names. A vector column ``V``
        comes as ``V_0``, ``V_1`` ...
    bands : iterable of str, optional
        Bands whose magnitudes must be there. None takes those of the descriptor that are.

    Returns
    -------
    pandas.DataFrame
        ``object_id``, ``ra``, ``dec``, the other standard columns of the descriptor,
        ``mag_<band>`` and ``mag_err_<band>``, and the columns of the file that the
        descriptor's rules use, under their own names.

    Raises
    ------
    InputError
        If the file is missing, unreadable or empty, lacks a column, or holds values that the
        column cannot have (see `hscz.tables.plausible`).
    StoreError
        If identifiers are repeated.

    Examples
    --------
    >>> read_catalogue("nowhere.csv", "zcosmos-bright")
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: nowhere.csv: no such file; check the path in the configuration
    """
    path = Path(path)
    if not isinstance(descriptor, CatalogueDescriptor):
        descriptor = load_descriptor(descriptor)
    with about(path):
        file = open_table(path, descriptor.format, descriptor.hdu)
        standard = _standard_columns(file.names, descriptor, bands)
        own = _own_columns(file.names, standard, [*descriptor.rule_columns, *extra])
        check_file_units(file.units, standard, descriptor)
        wanted = list(dict.fromkeys([*standard.values(), *own]))
        blocks = (_standard_block(b, standard, own, descriptor) for b in file.blocks(wanted))
        columns = _together(blocks, file.n_rows)
        if not len(columns.get("object_id", ())):
            raise InputError("the table has no rows; give the whole catalogue")
        check_values(columns, file.units, standard, descriptor)
        column = standard.get("object_id", "")
        first = {"object_id": identifiers(column, columns["object_id"])}
        check_unique_ids(first["object_id"])
        first["ra"], first["dec"] = _sky_positions(columns, wcs)
    return pd.DataFrame(first | {k: v for k, v in columns.items() if k not in first}, copy=False)


def read_columns(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a few columns of a table that needs no descriptor.

    Raises
    ------
    InputError
        If the file is missing, unreadable or empty, or lacks a column.
    """
    path = Path(path)
    with about(path):
        file = open_table(path)
        found = [_resolve(file.names, column) for column in columns]
        blocks = [block[found].set_axis(list(columns), axis=1) for block in file.blocks(found)]
        if not blocks:
            raise InputError("the table has no rows; give the whole table")
    return pd.concat(blocks, ignore_index=True)


def _standard_columns(
    names: list[str],
    descriptor: CatalogueDescriptor,
    bands: Iterable[str] | None,
) -> dict[str, str]:
    """Return the column of the file for each standard name."""
    found = {name: _resolve(names, column) for name, column in descriptor.columns.items()}
    for prefix, columns in (("mag", descriptor.mag), ("mag_err", descriptor.mag_err)):
        for band in descriptor.mag if bands is None else bands:
            if bands is not None and band not in descriptor.mag:
                raise InputError(
                    f"the descriptor {descriptor.name!r} has no magnitude of band "
                    f"{band!r}{suggest(band, list(descriptor.mag))}"
                )
            if band in columns and (bands is not None or find_name(columns[band], names)):
                found[f"{prefix}_{band}"] = _resolve(names, columns[band])
    return found


def _own_columns(names: list[str], standard: Mapping[str, str], wanted: Iterable[str]) -> list[str]:
    """Return the columns to keep under their own names.

    A rule may also use standard names. It may not use a column whose own name means
    something else here, such as ``z`` for a magnitude: that would be taken for a redshift.
    """
    own = []
    for name in wanted:
        column = find_name(name, names)
        if name in standard and column in (None, standard[name]):
            continue
        column = _resolve(names, name)
        if column in standard or column in STANDARD_COLUMNS:
            meaning = STANDARD_COLUMNS.get(column, "a standard column")
            same = [key for key, value in standard.items() if value == column]
            raise InputError(
                f"column {column!r} cannot keep its name, which means {meaning}; "
                f"write {same[0] if same else 'it under another name'!r} in the rule"
            )
        own.append(column)
    return own


def _resolve(names: list[str], wanted: str) -> str:
    found = find_name(wanted, names)
    several = [name for name in names if name.lower() == wanted.lower()]
    if found is None and several:
        raise InputError(
            f"{wanted!r} could be any of the columns {', '.join(several)}, which differ in "
            "case alone; name one exactly"
        )
    if found is None:
        raise InputError(
            f"no column {wanted!r}{suggest(wanted, names)}; "
            "correct the rule or descriptor that names it, or give the right file"
        )
    if names.count(found) > 1:
        raise InputError(f"has {names.count(found)} columns {found!r}; rename all but one")
    return found


def _standard_block(
    raw: pd.DataFrame,
    standard: Mapping[str, str],
    own: list[str],
    descriptor: CatalogueDescriptor,
) -> dict[str, np.ndarray]:
    """Return some rows of a file with standard names and units, NaN where unknown."""
    may_be_text = {standard.get(name) for name in ("object_id", "ra", "dec")}
    known = {c: numbers(raw[c]) for c in standard.values() if c not in may_be_text}
    raw = in_standard_units(raw.assign(**known), standard, descriptor)
    columns = {"object_id": raw.index.to_numpy(np.int64)}
    for name, column in standard.items():
        values = raw[column] if name == "object_id" else numbers(raw[column])
        if name not in _AS_PUBLISHED:
            values = without_sentinels(values, descriptor.missing).astype(np.float64)
            values = values.where(np.isfinite(values) & ~((values < 0) & (name in _NOT_NEGATIVE)))
        columns[name] = values.to_numpy()
    for mag, err in ((f"mag_{band}", f"mag_err_{band}") for band in BANDS):
        pair = [name for name in (mag, err) if name in columns]
        bad = ~np.all([columns[name] > 0 for name in pair], axis=0)
        columns |= {name: np.where(bad, np.nan, columns[name]) for name in pair}
    renamed = {column: name for name, column in standard.items()}
    for column in own:
        kept = without_sentinels(raw[column], descriptor.missing).to_numpy()
        columns[column] = columns[renamed[column]] if column in renamed else kept
    return columns


def _together(blocks: Iterable[dict[str, np.ndarray]], n_rows: int) -> dict[str, np.ndarray]:
    """Fill blocks into columns of at most so many rows, so that nothing is held twice."""
    columns: dict[str, np.ndarray] = {}
    start = stop = 0
    for block in blocks:
        start, stop = stop, stop + len(block["object_id"])
        for name, values in block.items():
            column = columns[name] if name in columns else np.empty(n_rows, values.dtype)
            # A column of whole numbers may turn out to have missing ones later on.
            columns[name] = column.astype(np.result_type(column, values), copy=False)
            columns[name][start:stop] = values
    return {name: column[:stop] for name, column in columns.items()}


def _sky_positions(columns: Mapping[str, np.ndarray], wcs: Any) -> tuple[np.ndarray, np.ndarray]:
    if "ra" in columns:
        ra, dec = (np.asarray(columns[name], np.float64) for name in ("ra", "dec"))
    elif wcs is None:
        raise InputError("has pixel positions only; give the image they belong to")
    else:
        ra, dec = wcs.all_pix2world(columns["x"], columns["y"], 0)
    bad = ~((np.abs(dec) <= 90) & (ra >= -180) & (ra <= 360))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"row {row} lies at ra={ra[row]}, dec={dec[row]} ({bad.sum()} such rows); "
            "positions must be in degrees: remove these rows"
        )
    return ra, dec
