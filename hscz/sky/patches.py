"""Patches of a field: which files hold their bands, and what had to be left out and why."""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hscz import survey
from hscz.errors import ConfigError, InputError
from hscz.files import compression

SUFFIXES = ("", ".fz", *compression.SUFFIXES)
"""Endings of compressed files, which a pattern finds too where it ends in .fits."""

PLACES = {"tract": "[^/-]+", "patch": "[^/-]+", "position": r"\d+\.?\d*--?\d+\.?\d*"}
"""Placeholders whose values distinguish files of one band, and what they look like."""

WHOLE_FIELD = ""
"""Name under which a band is found whose one file covers all patches."""


@dataclass(frozen=True)
class LeftOut:
    """A file, or a patch that lacks one, which an ingest went on without.

    Attributes
    ----------
    file : str
        Its path or, for a file that is not there, the pattern it should match.
    patch : str
    reason : str
    n_objects : int
        Objects that are lost by it; 0 where an optional band alone is left out, -1 where no
        image of the patch says which sky it covers.
    """

    file: str
    patch: str
    reason: str
    n_objects: int = -1

    @classmethod
    def of(cls, error: InputError, patch: str, optional: bool = False) -> LeftOut:
        """Return the note on a file, which the message of an error names first.

        Examples
        --------
        >>> LeftOut.of(InputError("a.fits: truncated; fetch it again"), "4,4").reason
        'truncated; fetch it again'
        """
        file, _, reason = str(error).partition(": ")
        return cls(file, patch, reason, 0 if optional else -1)


def find_patches(
    patterns: Mapping[str, str], optional: Collection[str] = ()
) -> tuple[dict[str, dict[str, Path]], list[LeftOut]]:
    """Find the files of a field and sort them into patches.

    Parameters
    ----------
    patterns : mapping of str to str
        Path pattern of each band, with ``{filter}`` (``HSC-I``) or ``{band}`` (``i``), and
        ``{tract}`` and ``{patch}`` where the files have them. Where the pattern of one band has
        neither tract nor patch and that of another has, its file serves all patches.
    optional : collection of str
        Bands that a patch may lack.

    Returns
    -------
    patches : dict of str to dict of str to Path
        Files by band, by patch name such as ``9813-4,4``; where the patterns have neither
        tract nor patch, by the file's name without the band.
    left_out : list of LeftOut
        Which of these have not every band. HSC observed beyond the footprint of CLAUDS, so at the
        border of a field that is normal.

    Raises
    ------
    ConfigError
        If a pattern does not distinguish the bands.
    InputError
        If no file of a band matches, or no patch has all bands that are not optional.

    Examples
    --------
    >>> find_patches({"g": "/nowhere/calexp-{filter}-{tract}-{patch}.fits"})
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: /nowhere/calexp-HSC-G-*-*.fits: no file matches; ...
    """
    for pattern in set(patterns.values()):
        bands = [band for band in patterns if patterns[band] == pattern]
        if len(bands) > 1 and not re.search(r"\{(filter|band)\}", pattern):
            raise ConfigError(
                f"{pattern}: has neither {{filter}} nor {{band}}, so bands share a file"
            )
    placed = any("{tract}" in p or "{patch}" in p for p in patterns.values())
    found = {band: _band_files(pattern, band, placed) for band, pattern in patterns.items()}
    everywhere = {band: f.pop(WHOLE_FIELD) for band, f in found.items() if WHOLE_FIELD in f}
    names = sorted({name for files in found.values() for name in files})
    lacking = {
        band: [name for name in names if name not in files]
        for band, files in found.items()
        if band not in everywhere and band not in optional
    }
    left_out = [
        LeftOut(patterns[band], name, f"no file of band {band} ({_filter(band)})")
        for band, missing in lacking.items()
        for name in missing
    ]
    if len({one.patch for one in left_out}) == len(names):
        worst = max(lacking, key=lambda band: len(lacking[band]))
        raise InputError(
            f"{patterns[worst]}: none of {len(names)} patches has all bands, "
            f"{len(lacking[worst])} have no band {worst} ({_filter(worst)}); add its files or drop "
            "the band"
        )
    patches = {}
    for name in names:
        files = everywhere | {band: f[name] for band, f in found.items() if name in f}
        patches[name] = {band: files[band] for band in patterns if band in files}
    return patches, left_out


def list_files(pattern: str, band: str) -> dict[Path, dict[str, str]]:
    """Return the files of one band, compressed ones too, and what their placeholders stand for."""
    shell, expression = wildcard(pattern, band)
    files: dict[Path, dict[str, str]] = {}
    for suffix in SUFFIXES if pattern.endswith(".fits") else SUFFIXES[:1]:
        for path in sorted(glob.glob(shell + suffix)):
            hit = re.fullmatch(expression + re.escape(suffix), path)
            if hit:
                files[Path(path)] = hit.groupdict()
    return files


def _band_files(pattern: str, band: str, placed: bool) -> dict[str, Path]:
    """Return the files of one band by patch; a plain file comes before a compressed one.

    Where other bands have tracts or patches (`placed`), a file without is that of all.
    """
    files: dict[str, Path] = {}
    for path, place in list_files(pattern, band).items():
        files.setdefault(_patch_name(place, WHOLE_FIELD if placed else pattern), path)
    if not files:
        shell = wildcard(pattern, band)[0]
        raise InputError(f"{shell}: no file matches; correct the pattern {pattern!r}")
    return files


def wildcard(pattern: str, band: str) -> tuple[str, str]:
    """Return the shell pattern of the files of one band, and the expression they must match.

    Raises
    ------
    ConfigError
        If the pattern has a placeholder that is not known.

    Examples
    --------
    >>> wildcard("{filter}-{patch}.fits", "i")[0]
    'HSC-I-*.fits'
    """
    known = {"filter": survey.band(band).filter_name, "band": band}
    words = re.split(r"\{(\w+)\}", pattern)
    shell, expression, seen = "", "", set[str]()
    for position, word in enumerate(words):
        literal = word if position % 2 == 0 else known.get(word)
        if literal is not None:
            shell, expression = shell + glob.escape(literal), expression + re.escape(literal)
        elif word in PLACES:
            shell += "*"
            expression += f"(?P={word})" if word in seen else f"(?P<{word}>{PLACES[word]})"
            seen.add(word)
        else:
            raise ConfigError(
                f"{pattern}: {{{word}}} is unknown; use filter, band, tract and patch"
            )
    return shell, expression


def summary(left_out: Sequence[LeftOut], most: int = 10) -> str:
    """Say in a few lines what was left out and why.

    Examples
    --------
    >>> print(summary([LeftOut("a.fits", "1", "truncated", 12), LeftOut("b.fits", "2", "no WCS")]))
    a.fits (patch 1): truncated; 12 objects lost
    b.fits (patch 2): no WCS
    """
    lost = {-1: "", 0: "; no object lost"}
    lines = [
        f"{one.file} (patch {one.patch}): {one.reason}"
        + lost.get(one.n_objects, f"; {one.n_objects:,} objects lost")
        for one in left_out[:most]
    ]
    more = len(left_out) - most
    return "\n".join([*lines, f"and {more} more"] if more > 0 else lines)


def _patch_name(place: dict[str, str], pattern: str) -> str:
    """Name a patch by tract and patch or, without them, by the file name less the band."""
    if place or not pattern:
        return "-".join(place[key] for key in ("tract", "patch") if key in place)
    stem = re.sub(r"[-_.]*\{\w+\}", "", Path(pattern).name.split(".fits")[0])
    return stem.strip("-_.") or "image"


def _filter(band: str) -> str:
    return survey.band(band).filter_name
