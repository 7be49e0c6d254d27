"""Source catalogues from files to tables with standard column names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hscz.errors import InputError
from hscz.schema import check_unique_ids
from hscz.survey import BANDS
from hscz.tables.descriptor import STANDARD_COLUMNS, CatalogueDescriptor, load_descriptor
from hscz.tables.select import find_name, suggest
from hscz.tables.units import check_file_units, in_standard_units

SUFFIXES: Mapping[str, str] = {
    ".fits": "fits",
    ".fit": "fits",
    ".csv": "csv",
    ".txt": "text",
    ".dat": "text",
    ".cat": "text",
    ".parquet": "parquet",
}

_AS_PUBLISHED = ("object_id", "ra", "dec", "x", "y", "flag")
"""Columns in which a number such as 99 is never a sentinel."""


def read_catalogue(
    path: str | Path,
    descriptor: CatalogueDescriptor | str | Path,
    wcs: Any = None,
    extra: Iterable[str] = (),
    bands: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Read a source catalogue with standard column names.

    Only the columns that are needed are read. Sentinels of the descriptor become NaN, and so
    does a magnitude that is not positive or whose error is not positive.

    Parameters
    ----------
    path : str or Path
        FITS, CSV, whitespace text with a ``#`` header line, or Parquet.
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
        If the file is missing, unreadable or empty, or lacks a column.
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
    source = _open(path, descriptor.format, descriptor.hdu)
    standard = _standard_columns(path, source.names, descriptor, bands)
    own = _own_columns(path, source.names, standard, [*descriptor.rule_columns, *extra])
    with _whole_file(path, source.kind):
        raw = source.load(list(dict.fromkeys([*standard.values(), *own])))
    if raw.empty:
        raise InputError(f"{path}: the table has no rows; give the whole catalogue")
    check_file_units(str(path), source.units, standard, descriptor)
    in_units = in_standard_units(str(path), raw, standard, descriptor)
    table = _standard_table(path, in_units, standard, descriptor.missing)
    table["object_id"] = _identifiers(path, table)
    table["ra"], table["dec"] = _sky_positions(path, table, wcs)
    renamed = {column: name for name, column in standard.items()}
    for column in own:
        if column in renamed:
            table[column] = table[renamed[column]]
        else:
            table[column] = _without_sentinels(raw[column], descriptor.missing)
    first = ["object_id", "ra", "dec"]
    return table[first + [name for name in table.columns if name not in first]]


def read_columns(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a few columns of a table that needs no descriptor.

    Raises
    ------
    InputError
        If the file is missing or unreadable, or lacks a column.
    """
    path = Path(path)
    source = _open(path)
    found = [_resolve(path, source.names, column) for column in columns]
    with _whole_file(path, source.kind):
        return source.load(found)[found].set_axis(list(columns), axis=1)


class _Source(NamedTuple):
    """A file that was opened: its column names, how to load some of them, units it states."""

    names: list[str]
    load: Callable[[list[str]], pd.DataFrame]
    kind: str = ""
    units: Mapping[str, str] = {}


def _open(path: Path, kind: str = "parquet", hdu: int = 1) -> _Source:
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path in the configuration")
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    kind = SUFFIXES.get(suffix.lower(), kind)
    openers = {"fits": _open_fits, "csv": _open_csv, "text": _open_text, "parquet": _open_parquet}
    with _whole_file(path, kind):
        source = openers[kind](path, hdu)
    return source._replace(kind=kind)


@contextmanager
def _whole_file(path: Path, kind: str) -> Iterator[None]:
    """Turn what the libraries say of a file they cannot read into one error."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "File may have been truncated")
            yield
    except (OSError, EOFError, ValueError, TypeError, UserWarning) as error:
        raise InputError(
            f"{path}: cannot be read as {kind}: {error}; the file may be cut short"
        ) from None


def _open_fits(path: Path, hdu: int) -> _Source:
    from astropy.io import fits

    with fits.open(path, memmap=True) as hdus:
        if hdu >= len(hdus) or not isinstance(hdus[hdu], fits.BinTableHDU):
            raise InputError(f"{path}: HDU {hdu} is not a table; set hdu in the descriptor")
        record = hdus[hdu].data.dtype
        units = {column.name: column.unit for column in hdus[hdu].columns if column.unit}
    flat: dict[str, tuple[str, int]] = {}
    for column in record.names:
        size = int(np.prod(record[column].shape))
        flat |= {
            f"{column}_{k}" if record[column].shape else column: (column, k) for k in range(size)
        }
    return _Source(
        list(flat), lambda wanted: _load_fits(path, hdu, {n: flat[n] for n in wanted}), units=units
    )


def _load_fits(path: Path, hdu: int, wanted: Mapping[str, tuple[str, int]]) -> pd.DataFrame:
    from astropy.io import fits

    with fits.open(path, memmap=True) as hdus:
        data, columns = hdus[hdu].data, hdus[hdu].columns
        found = {}
        for name, (column, k) in wanted.items():
            values = data[column].reshape(len(data), int(np.prod(data[column].shape[1:])))[:, k]
            found[name] = _native(values, columns[column].null)
        return pd.DataFrame(found)


def _native(values: np.ndarray, null: int | None) -> np.ndarray:
    """Copy a FITS column into the byte order of this machine, with NaN for its TNULL."""
    if values.dtype.kind in "SU":
        return np.char.strip(np.asarray(values).astype(str)).astype(object)
    native = np.array(values, dtype=values.dtype.newbyteorder("="))
    return native if null is None else np.where(native == null, np.nan, native)


def _open_csv(path: Path, hdu: int) -> _Source:
    names = pd.read_csv(path, nrows=0).columns
    return _Source(list(names), lambda wanted: pd.read_csv(path, usecols=wanted))


def _open_text(path: Path, hdu: int) -> _Source:
    with path.open(encoding="utf-8") as lines:
        names = lines.readline().lstrip("#").split()
    return _Source(
        names,
        lambda wanted: pd.read_csv(path, sep=r"\s+", comment="#", names=names, usecols=wanted),
    )


def _open_parquet(path: Path, hdu: int) -> _Source:
    import pyarrow.parquet as pq

    return _Source(pq.read_schema(path).names, lambda wanted: pd.read_parquet(path, columns=wanted))


def _standard_columns(
    path: Path,
    names: list[str],
    descriptor: CatalogueDescriptor,
    bands: Iterable[str] | None,
) -> dict[str, str]:
    """Return the column of the file for each standard name."""
    found = {name: _resolve(path, names, column) for name, column in descriptor.columns.items()}
    for prefix, columns in (("mag", descriptor.mag), ("mag_err", descriptor.mag_err)):
        for band in descriptor.mag if bands is None else bands:
            if bands is not None and band not in descriptor.mag:
                raise InputError(
                    f"{path}: the descriptor {descriptor.name!r} has no magnitude of band "
                    f"{band!r}{suggest(band, list(descriptor.mag))}"
                )
            if band in columns and (bands is not None or find_name(columns[band], names)):
                found[f"{prefix}_{band}"] = _resolve(path, names, columns[band])
    return found


def _own_columns(
    path: Path, names: list[str], standard: Mapping[str, str], wanted: Iterable[str]
) -> list[str]:
    """Return the columns to keep under their own names.

    A rule may also use standard names. It may not use a column whose own name means
    something else here, such as ``z`` for a magnitude: that would be taken for a redshift.
    """
    own = []
    for name in wanted:
        column = find_name(name, names)
        if name in standard and column in (None, standard[name]):
            continue
        column = _resolve(path, names, name)
        if column in standard or column in STANDARD_COLUMNS:
            meaning = STANDARD_COLUMNS.get(column, "a standard column")
            same = [key for key, value in standard.items() if value == column]
            raise InputError(
                f"{path}: column {column!r} cannot keep its name, which means {meaning}; "
                f"write {same[0] if same else 'it under another name'!r} in the rule"
            )
        own.append(column)
    return own


def _resolve(path: Path, names: list[str], wanted: str) -> str:
    found = find_name(wanted, names)
    if found is None:
        raise InputError(
            f"{path}: no column {wanted!r}{suggest(wanted, names)}; "
            "mend the rule or descriptor that names it, or give the right file"
        )
    return found


def _standard_table(
    path: Path, raw: pd.DataFrame, standard: Mapping[str, str], missing: tuple[float, ...]
) -> pd.DataFrame:
    table = pd.DataFrame(index=raw.index)
    for name, column in standard.items():
        values = raw[column]
        if name != "object_id":
            values = _numbers(path, values)
        if name not in _AS_PUBLISHED:
            values = _without_sentinels(values, missing).astype(np.float64)
        table[name] = values
    for mag, err in ((f"mag_{band}", f"mag_err_{band}") for band in BANDS):
        pair = [name for name in (mag, err) if name in table]
        bad = ~(table[pair] > 0).all(axis=1)
        table.loc[bad, pair] = np.nan
    return table


def _numbers(path: Path, values: pd.Series) -> pd.Series:
    """Return a column as floating-point numbers, of its own precision if it has one."""
    try:
        return values if values.dtype.kind == "f" else values.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path}: column {values.name!r} needs numbers: {error}; mend it or the descriptor"
        ) from None


def _without_sentinels(values: pd.Series, missing: tuple[float, ...]) -> pd.Series:
    """Return the values with NaN for sentinels; whole numbers are codes and stay as they are."""
    if values.dtype.kind != "f":
        return values
    # A sentinel such as -99.9 has another value in single precision.
    sentinels = np.asarray(missing).astype(values.to_numpy().dtype)
    return values.mask(values.isin(sentinels))


def _identifiers(path: Path, table: pd.DataFrame) -> np.ndarray:
    if "object_id" not in table:
        return np.arange(len(table), dtype=np.int64)
    values = table["object_id"]
    try:
        whole = values.astype(np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"{path}: identifiers must be whole numbers: {error}; "
            "drop object_id from the descriptor to number the rows"
        ) from None
    if values.dtype.kind == "f" and (whole != values).any():
        raise InputError(f"{path}: identifiers have fractions; name another column")
    check_unique_ids(whole.to_numpy(), str(path))
    return whole.to_numpy()


def _sky_positions(path: Path, table: pd.DataFrame, wcs: Any) -> tuple[np.ndarray, np.ndarray]:
    if "ra" in table:
        ra, dec = table["ra"].to_numpy(np.float64), table["dec"].to_numpy(np.float64)
    elif wcs is None:
        raise InputError(f"{path}: has pixel positions only; give the image they belong to")
    else:
        ra, dec = wcs.all_pix2world(table["x"], table["y"], 0)
    bad = ~((np.abs(dec) <= 90) & (ra >= -180) & (ra <= 360))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{path}: row {row} lies at ra={ra[row]}, dec={dec[row]} ({bad.sum()} such rows); "
            "positions must be in degrees: remove these rows"
        )
    return ra, dec
