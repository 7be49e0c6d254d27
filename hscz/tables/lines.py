"""Tables in text: words between separators, in lines of the same number of words.

A line that has more or fewer words than there are columns is refused: readers that fill up or
cut such lines put numbers under wrong names.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from hscz.errors import InputError
from hscz.files.compression import open_decompressed
from hscz.tables import tablefile
from hscz.tables.tablefile import TableFile

BLANKS = " "
"""Separator that stands for any run of blanks and tabs."""

SEPARATORS = {"csv": (",", ";", "\t", "|", BLANKS), "text": ("\t", BLANKS, ",", ";", "|")}
"""Separators by format, the likelier first."""

DEFAULT = {"csv": ",", "text": BLANKS}

_DASHES = r"[-=+|,;\s]*--[-=+|,;\s]*"


class Layout(NamedTuple):
    """How a text is to be read: its columns, what divides them, and lines before the rows."""

    names: list[str]
    separator: str
    n_before: int


def open_lines(path: Path, kind: str) -> TableFile:
    """Open a text: ``csv``, or ``text`` with blanks between the words.

    Raises
    ------
    ValueError
        If the file is empty or is no text.
    """
    layout = find_layout(path, kind)

    def read(wanted: list[str]) -> Iterator[pd.DataFrame]:
        places = [layout.names.index(name) for name in wanted]
        separator = r"\s+" if layout.separator == BLANKS else layout.separator
        rows = _rows(path, layout)
        while lines := list(islice(rows, tablefile.BLOCK_LINES)):
            block = pd.read_csv(
                BytesIO(b"".join(lines)),
                sep=separator,
                header=None,
                usecols=sorted(set(places)),
                skipinitialspace=True,
                encoding_errors="replace",
                low_memory=False,
            )
            yield block[places].set_axis(wanted, axis=1)

    return TableFile(path, layout.names, _n_lines(path), read)


def find_layout(path: Path, kind: str) -> Layout:
    """Return the columns of a text, what divides them, and how many lines come before the rows.

    Names stand in the first line that is no comment, in the last ``#`` line before the rows with
    as many words as a row, or one in each ``#`` line, numbered, as SExtractor writes them. A text
    that has none gets col1, col2 and so on, as astropy counts. A line of dashes divides names,
    and units below them, from the rows.
    """
    comments: list[str] = []
    first: list[tuple[int, str]] = []
    for number, line in _lines(path):
        text = line.decode("utf-8", "replace").strip("\r\n")
        if "\0" in text:
            raise ValueError("it holds null bytes, as UTF-16 and binary files do")
        if _is_comment(line):
            comments.append(text.strip().lstrip("#").strip())
        elif text.strip():
            first.append((number, text))
        if len(first) == 4:
            break
    if not first and not comments:
        raise ValueError("it is empty")
    if not first:
        return Layout(split(comments[-1], DEFAULT[kind]), DEFAULT[kind], number)
    separator = _separator([text for _, text in first[:2]], kind)
    words = split(first[0][1], separator)
    names = _names_apart(words, comments, separator, kind)
    if names:
        return Layout(names, separator, first[0][0] - 1)
    dashes = [number for number, text in first[1:3] if re.fullmatch(_DASHES, text)]
    return Layout(words, separator, max([first[0][0], *dashes]))


def split(text: str, separator: str) -> list[str]:
    """Return the words of a line; a quoted one may hold the separator.

    Examples
    --------
    >>> split('1  "Le Fevre"  0.5', BLANKS), split('1, "a, b",', ",")
    (['1', 'Le Fevre', '0.5'], ['1', 'a, b', ''])
    """
    if separator == BLANKS:
        bare = re.split(r"\s#", text)[0]
        return [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', bare)]
    rows = csv.reader([text], delimiter=separator, skipinitialspace=True)
    return [word.strip() for word in next(rows, [])]


def _separator(texts: list[str], kind: str) -> str:
    """Return the first separator that divides the first lines alike, into several words."""
    for separator in SEPARATORS[kind]:
        words = [split(text, separator) for text in texts]
        alike = len({len(line) for line in words}) == 1 and len(words[0]) > 1
        if separator == BLANKS:
            alike &= not any(word.endswith((",", ";", "|")) for word in words[0])
        elif kind == "text":  # several tabs in a row are blanks
            alike &= all(words[0])
        if alike:
            return separator
    return DEFAULT[kind]


def _names_apart(
    words: list[str], comments: list[str], separator: str, kind: str
) -> list[str] | None:
    """Return the names that stand outside the first line; None where that line has them."""
    n_numbers = sum(map(_is_number, words))
    if kind == "csv" and n_numbers == 0:
        return None
    lines = [split(comment, by) for comment in comments for by in (separator, BLANKS)]
    named = [line for line in lines if len(line) == len(words) and not _is_number(line[0])]
    if named:
        return named[-1]
    if numbered := _numbered(comments, len(words)):
        return numbered
    if n_numbers == 0 or (kind == "csv" and n_numbers < len(words)):
        return None
    return [f"col{k}" for k in range(1, len(words) + 1)]


def _numbered(comments: list[str], n_columns: int) -> list[str]:
    """Return the names in comments such as ``1 NUMBER Running object number``, if there are any.

    The elements of a vector ``V``, of which only the first has a line, are ``V_0``, ``V_1`` ...
    """
    found = [(int(m[1]), m[2]) for c in comments if (m := re.match(r"\s*(\d+)\s+(\S+)", c))]
    starts = [number for number, _ in found]
    if len(found) < 2 or starts[0] != 1 or starts[-1] > n_columns or starts != sorted(set(starts)):
        return []
    names: list[str] = []
    for (start, name), end in zip(found, [*starts[1:], n_columns + 1], strict=True):
        size = end - start
        names += [f"{name}_{k}" for k in range(size)] if size > 1 else [name]
    return names


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _is_comment(line: bytes) -> bool:
    return line.lstrip().startswith(b"#")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a text with their numbers, counted from 1."""
    with open_decompressed(path) as stream:
        for number, line in enumerate(stream, 1):
            yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line


def _rows(path: Path, layout: Layout) -> Iterator[bytes]:
    """Yield the lines that are rows.

    Raises
    ------
    InputError
        If a line has another number of words than there are columns.
    """
    separator, blanks = layout.separator.encode(), layout.separator == BLANKS
    for number, line in islice(_lines(path), layout.n_before, None):
        if not line.strip() or (blanks and _is_comment(line)):
            continue
        if blanks and b"#" in line:
            line = re.split(rb"\s#", line)[0] + b"\n"
        if b'"' in line:
            n_words = len(split(line.decode("utf-8", "replace").strip("\r\n"), layout.separator))
        else:
            n_words = len(line.split()) if blanks else line.count(separator) + 1
        if n_words != len(layout.names):
            if _is_comment(line):
                continue
            raise InputError(
                f"{path}: line {number} has {n_words} values for {len(layout.names)} columns "
                f"({', '.join(layout.names[:4])} ...); correct the line, put text with blanks or "
                "separators into quotes, and write nan for a missing value"
            )
        yield line


def _n_lines(path: Path) -> int:
    with open_decompressed(path) as stream:
        return 1 + sum(part.count(b"\n") for part in iter(lambda: stream.read(1 << 20), b""))
