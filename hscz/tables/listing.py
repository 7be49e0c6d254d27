"""What the descriptors say, as text: all catalogues in a list, or one in full."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hscz.tables.descriptor import (
    Archive,
    CatalogueDescriptor,
    descriptor_paths,
    is_own,
    load_descriptor,
)

WIDTH = 120
"""Longest line of the list, in characters."""


def list_catalogues() -> str:
    """Return the catalogues that can be used by name: those of redshifts, then the others.

    Raises
    ------
    ConfigError
        If a descriptor cannot be read.

    Examples
    --------
    >>> next(line for line in list_catalogues().splitlines() if line.startswith("gama")).split()
    ['gama', 'GAMA', '1300', '0-0.7', 'r', '<', '19.8']
    """
    paths = descriptor_paths()
    known = [(path, load_descriptor(path)) for path in paths.values()]
    spectroscopic = [entry for entry in known if "z" in entry[1].columns]
    others = [entry for entry in known if "z" not in entry[1].columns]
    head = _row("name", "survey", "R", "redshifts", "selection")
    lines = [head]
    for title, entries in (("Spectroscopic redshifts", spectroscopic), ("Others", others)):
        lines += ["", title]
        lines += [line for path, descriptor in entries for line in _entry(path, descriptor)]
    return "\n".join(lines)


def describe_catalogue(name: str) -> str:
    """Return all that a descriptor says.

    Parameters
    ----------
    name : str
        As `hscz.tables.descriptor.load_descriptor` takes it.

    Raises
    ------
    ConfigError
        If there is none of that name, or it cannot be read.

    Examples
    --------
    >>> print(describe_catalogue("vipers").splitlines()[0])
    vipers: VIMOS Public Extragalactic Redshift Survey, PDR-2, field W1
    """
    d = load_descriptor(name)
    secure = [f"{c.percent:g} %: {_one_line(c.where)}" for c in d.confidence]
    blocks: dict[str, Iterable[str]] = {
        "survey": [d.survey],
        "reference": [_reference(d)],
        "archive": _archive_lines(d.archive),
        "selection": [d.selection],
        "resolution": [f"{d.resolution:g}" if d.resolution else "none of its own"],
        "redshifts": [_redshifts(d)],
        "format": [f"{d.format}, HDU {d.hdu}" if d.format == "fits" else d.format],
        "missing": [", ".join(f"{v:g}" for v in d.missing) or "no sentinel"],
        "extinction": ["corrected" if d.extinction_corrected else "not corrected"],
        "columns": _pairs(d.columns),
        "magnitudes": _pairs(d.mag),
        "errors": _pairs(d.mag_err),
        "units": _pairs(d.units) or ["standard: degrees, AB magnitudes"],
        "select": [_one_line(d.select)],
        "secure": [_one_line(d.secure)],
        "confidence": secure,
        "unconfirmed": [", ".join(d.unconfirmed)],
    }
    lines = [f"{d.name}: {d.title}"]
    for label, texts in blocks.items():
        for k, text in enumerate(text for text in texts if text):
            lines += _wrapped(f"  {label if k == 0 else '':<13}", text)
    return "\n".join(lines)


def _entry(path: Path, d: CatalogueDescriptor) -> Iterator[str]:
    """Yield the lines of one catalogue in the list."""
    resolution = f"{d.resolution:g}" if d.resolution else "-"
    yield from textwrap.wrap(
        _row(d.name, d.survey, resolution, _redshifts(d), d.selection),
        WIDTH,
        subsequent_indent=" " * len(_row("", "", "", "", "")),
    )
    table = d.archive.table or ", ".join(url.rpartition("/")[2] for url in d.archive.urls)
    yield from _wrapped("  ", f"{_reference(d)}; {d.archive.service} {table}".strip("; "))
    if d.secure:
        yield from _wrapped("  secure: ", _one_line(d.secure))
    if d.unconfirmed:
        yield from _wrapped("  unconfirmed: ", ", ".join(d.unconfirmed))
    if is_own(path):
        yield from _wrapped("  your own: ", str(path))


def _row(name: str, survey: str, resolution: str, redshifts: str, selection: str) -> str:
    return f"{name:<30}{survey:<19}{resolution:>5}  {redshifts:>9}  {selection}"


def _redshifts(d: CatalogueDescriptor) -> str:
    return "-".join(f"{z:g}" for z in d.z_range)


def _reference(d: CatalogueDescriptor) -> str:
    return f"{d.reference} [{d.bibcode}]" if d.bibcode else d.reference


def _archive_lines(archive: Archive) -> Iterator[str]:
    yield f"{archive.service} {archive.table}".strip()
    yield from archive.urls
    for label, text in (("where", archive.where), ("release", archive.release)):
        if text:
            yield f"{label} {text}"
    yield archive.note


def _pairs(mapping: Mapping[str, str | float]) -> list[str]:
    return [f"{key:<10}{value}" for key, value in mapping.items()]


def _one_line(rule: str) -> str:
    return " ".join(rule.split())


def _wrapped(label: str, text: str) -> list[str]:
    """Return text behind a label in lines of the list's width; words are never broken."""
    indent = " " * len(label)
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=label,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
