"""What a report consists of, before it becomes HTML or PDF: words, tables and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

Tone = Literal["plain", "note", "caution", "missing"]
"""How words are meant: said as they are, explaining a table, to be heeded, or for what is not
there."""

FEW = 30
"""Galaxies below which a row of a table is shown in grey."""

ROUNDING = 1e-9
"""Error over value below which it is none."""

SIGNIFICANT = 2
"""Digits of an error."""


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Table:
    """A table; the first column is of names, the others are of numbers.

    Attributes
    ----------
    heads : tuple of str
    rows : tuple of tuple of str
    caption : str
    few : frozenset of int
        Numbers of the rows that are of so few galaxies that they say little.
    prose : bool
        Whether all columns are of words.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    few: frozenset[int] = frozenset()
    prose: bool = False


@dataclass(frozen=True)
class Picture:
    """A PNG file, and what it shows."""

    path: Path
    caption: str


Block: TypeAlias = Words | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Block, ...]


def facts(pairs: Iterable[tuple[str, str]], caption: str = "") -> Table:
    """Return a table of names and what they stand for, those that stand for nothing left out.

    Examples
    --------
    >>> facts([("objects", "9,213"), ("survey", "")]).rows
    (('objects', '9,213'),)
    """
    rows = tuple((name, value) for name, value in pairs if value)
    return Table(("", ""), rows, caption, prose=True)


def counted(
    heads: Sequence[str], rows: Iterable[tuple[float, Sequence[str]]], caption: str = ""
) -> Table:
    """Return a table whose rows are each of so many galaxies, which becomes the second column.

    Examples
    --------
    >>> table = counted(["sample", "N", "b"], [(12, ["all", "0.1"])])
    >>> table.rows, table.few
    ((('all', '12', '0.1'),), frozenset({0}))
    """
    rows = list(rows)
    shown = tuple((cells[0], f"{n:,.0f}", *cells[1:]) for n, cells in rows)
    few = frozenset(number for number, (n, _) in enumerate(rows) if n < FEW)
    return Table(tuple(heads), shown, caption, few)


def rounded(value: float, error: float | None = None, digits: int = 3) -> str:
    """Return a number as its error allows, and the error with two digits.

    Parameters
    ----------
    value : float
        NaN is a dash.
    error : float, optional
        Without one, and where it is NaN or zero but for rounding, the number has `digits` digits.
    digits : int

    Examples
    --------
    >>> rounded(0.03892, 0.00134), rounded(-0.04, 0.0381), rounded(1234.5, 120.0)
    ('0.0389 ± 0.0013', '-0.040 ± 0.038', '1230 ± 120')
    >>> rounded(0.6789), rounded(float("nan"), 0.1), rounded(0.0996, 0.0996)
    ('0.679', '–', '0.100 ± 0.100')
    >>> rounded(2.0138, 4e-16)
    '2.01'
    """
    if not np.isfinite(value):
        return "–"
    if error is None or not np.isfinite(error) or error <= ROUNDING * abs(value):
        return f"{value:.{digits}g}"
    places = SIGNIFICANT - 1 - int(np.floor(np.log10(error)))
    if places <= 0:
        return f"{round(value, places):.0f} ± {round(error, places):.0f}"
    return f"{value:.{places}f} ± {error:.{places}f}"


def between(by: str, low: float, high: float) -> str:
    """Return a bin in words.

    Examples
    --------
    >>> between("all", float("nan"), float("nan")), between("mag_i", 22.0, 22.5)
    ('all', '22 ≤ i < 22.5')
    """
    return "all" if by == "all" else f"{low:g} ≤ {by.removeprefix('mag_')} < {high:g}"


def percent(share: float) -> str:
    """Return a share in per cent.

    Examples
    --------
    >>> percent(0.0123), percent(0.6789), percent(0.9966), percent(1.0), percent(float("nan"))
    ('1.2 %', '68 %', '99.7 %', '100 %', '–')
    """
    if not np.isfinite(share):
        return "–"
    value = 100 * share
    return f"{value:.1f} %" if 99 < value < 100 else f"{value:.{3 if value == 100 else 2}g} %"
