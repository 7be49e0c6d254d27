"""What a source catalogue is: the TOML files of ``catalogs/`` as frozen dataclasses."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from hscz.config.fetch import refuse_secrets
from hscz.errors import ConfigError, InputError, about
from hscz.survey import BANDS
from hscz.tables.files import KINDS
from hscz.tables.select import names_in, suggest
from hscz.tables.units import check_units

SERVICES = ("vizier", "irsa", "sdss", "cadc", "url", "manual")

FOLDERS_VARIABLE = "HSCZ_CATALOGS"
"""Environment variable: your folders of descriptors, searched before those of the package."""

STANDARD_COLUMNS: Mapping[str, str] = {
    "object_id": "identifier, unique in the file; rows are numbered from 0 where it is absent",
    "ra": "right ascension, ICRS degrees",
    "dec": "declination, ICRS degrees",
    "x": "pixel column, counted from 0",
    "y": "pixel row, counted from 0",
    "z": "spectroscopic redshift",
    "flag": "quality flag of z",
    "ebv": "Galactic E(B-V), magnitudes",
    "trail": "non-zero where a satellite trail crosses the object",
    "z_sed": "redshift from SED fitting",
    "z_lephare": "redshift from LePhare",
    "z_eazy": "redshift from EAZY",
    "z_true": "true redshift, in simulations",
}
"""Names on the left side of a descriptor's ``[columns]``, and what they mean."""


@dataclass(frozen=True)
class Confidence:
    """How likely a class of redshifts is right: the rows where `where` holds."""

    where: str
    percent: float


@dataclass(frozen=True)
class Archive:
    """Where a source catalogue comes from.

    Attributes
    ----------
    service : str
        One of `SERVICES`; ``manual`` where a person must fetch the file.
    table : str
        Name of the table in the service.
    urls : tuple of str
        Addresses of the files, of service ``url``.
    where : str
        Rows to ask for, a condition in the service's own language.
    release : str
        Release of the service's data, such as ``12`` of SDSS; empty takes its newest.
    note : str
        What a person should know; for ``manual``, why and where to fetch the file.
    """

    service: str = "manual"
    table: str = ""
    urls: tuple[str, ...] = ()
    where: str = ""
    release: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.service not in SERVICES:
            raise ConfigError(
                f"[archive] service {self.service!r} is unknown; use one of {', '.join(SERVICES)}"
            )
        if self.service == "url" and not self.urls:
            raise ConfigError("[archive] of service 'url' needs urls")
        for url in self.urls:
            refuse_secrets("[archive] urls", url)
        if self.selects and not self.table:
            raise ConfigError(f"[archive] of service {self.service!r} needs a table")

    @property
    def selects(self) -> bool:
        """Whether the service gives the rows that are asked for, rather than a whole file."""
        return self.service not in ("url", "manual")


@dataclass(frozen=True)
class CatalogueDescriptor:
    """One source catalogue: where it comes from, its columns and its rules.

    Attributes
    ----------
    name : str
        Name of the TOML file.
    columns, mag, mag_err : mapping of str to str
        Column of the file for each name of `STANDARD_COLUMNS`, and AB magnitude and error
        for each band. The columns alone must be given.
    title, survey, reference, bibcode, selection : str
        What it is, short name of the survey, what to cite, how its objects were chosen. Title
        and survey are the name of the file where they are not given.
    archive : Archive
        Where to get it.
    unconfirmed : tuple of str
        Keys of this file that no public source confirms, with dots where they stand in a
        table: ``bibcode``, ``columns.z``, ``archive.table``.
    format : str
        One of `hscz.tables.files.KINDS`; a file whose beginning or suffix
        says otherwise is read by that.
    hdu : int
        Extension of a FITS file.
    missing : tuple of float
        Sentinels that stand for a missing value.
    extinction_corrected : bool
        Whether magnitudes are corrected for Galactic extinction.
    units : mapping of str to str or float
        Units of ``ra``, ``dec`` and ``mag`` in the file where they are not the standard ones;
        see `hscz.tables.units`. Rules see these columns in standard units.
    select : str
        Rows to take by default; see `hscz.tables.select.select`.
    secure : str
        Rows whose redshift may serve as a label.
    confidence : tuple of Confidence
        Classes of secure redshifts, the first that holds counts.
    resolution : float
        Spectral resolution; 0 where unknown or not one.
    z_range : tuple of float
        Redshifts the catalogue spans; empty where it is not said.
    """

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    survey: str = ""
    reference: str = ""
    bibcode: str = ""
    selection: str = ""
    extinction_corrected: bool = False
    z_range: tuple[float, ...] = ()
    format: str = "fits"
    hdu: int = 1
    unconfirmed: tuple[str, ...] = ()
    missing: tuple[float, ...] = ()
    mag: Mapping[str, str] = field(default_factory=dict)
    mag_err: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str | float] = field(default_factory=dict)
    select: str = ""
    secure: str = ""
    confidence: tuple[Confidence, ...] = ()
    resolution: float = 0.0
    archive: Archive = field(default_factory=Archive)

    def __post_init__(self) -> None:
        for key in ("title", "survey"):
            object.__setattr__(self, key, getattr(self, key) or self.name)
        _check_keys("[columns]", self.columns, list(STANDARD_COLUMNS))
        _check_keys("[mag]", self.mag, list(BANDS))
        _check_keys("[mag_err]", self.mag_err, list(self.mag))
        _check_keys("unconfirmed", self.unconfirmed, list(self._dotted_keys()))
        check_units(self.units)
        if self.format not in KINDS:
            raise ConfigError(f"format {self.format!r} is unknown; use one of {', '.join(KINDS)}")
        if not ({"ra", "dec"} <= set(self.columns) or {"x", "y"} <= set(self.columns)):
            raise ConfigError("[columns] needs ra and dec, or x and y")
        span = self.z_range
        if span and not (len(span) == 2 and 0 <= span[0] < span[1]):
            raise ConfigError(f"z_range = {list(self.z_range)} should be two rising redshifts")
        try:
            self.rule_columns  # noqa: B018 (a rule that cannot be read is refused here)
        except InputError as error:
            raise ConfigError(str(error)) from None

    def _dotted_keys(self) -> Iterable[str]:
        """Yield every key of the file, those of its tables with the table before a dot."""
        for key in _keys():
            yield key
            value = getattr(self, key)
            inner = [f.name for f in fields(value)] if isinstance(value, Archive) else value
            if isinstance(value, Archive | Mapping):
                yield from (f"{key}.{name}" for name in inner)

    @property
    def rule_columns(self) -> list[str]:
        """Columns of the file that the rules use."""
        rules = (self.select, self.secure, *(c.where for c in self.confidence))
        return list(dict.fromkeys(name for rule in rules for name in names_in(rule)))


def load_descriptor(name_or_path: str | Path) -> CatalogueDescriptor:
    """Read the descriptor of a source catalogue.

    Parameters
    ----------
    name_or_path : str or Path
        Path of your own ``.toml``, or a name. A name is looked for in the folders of
        ``HSCZ_CATALOGS`` (a path list), then among the descriptors of the package.

    Returns
    -------
    CatalogueDescriptor

    Raises
    ------
    ConfigError
        If there is none of that name, or a key is unknown, missing or of the wrong type; the
        message begins with the path of the file.

    Examples
    --------
    >>> load_descriptor("zcosmos-bright").columns["z"]
    'zpec'
    """
    path = _find(name_or_path)
    with about(path):
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
            _check_keys("the file", content, _keys())
            return CatalogueDescriptor(name=path.stem, **_frozen(content))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"not valid TOML: {error}") from None
        except TypeError as error:
            raise ConfigError(str(error).partition("__init__() ")[2] or str(error)) from None


def descriptor_paths() -> dict[str, Path]:
    """Return the file of each descriptor that can be had by name, sorted by name.

    Examples
    --------
    >>> descriptor_paths()["cosmos2020-classic"].name
    'cosmos2020-classic.toml'
    """
    found: dict[str, Path] = {}
    for folder in (*_own_folders(), _folder()):
        for path in folder.glob("*.toml"):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def is_own(path: Path) -> bool:
    """Return whether a descriptor lies elsewhere than in the package."""
    return path.parent != _folder()


def _own_folders() -> list[Path]:
    """Return the user's folders of descriptors."""
    listed = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    folders = [Path(entry).expanduser() for entry in listed if entry]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(
                f"{folder}: no such folder; correct {FOLDERS_VARIABLE}, a list of folders with "
                f"{os.pathsep!r} between them"
            )
    return folders


def _folder() -> Path:
    """Return where the descriptors lie: inside an installed wheel, beside hscz/ in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "catalogs"
    return installed if installed.is_dir() else package.parent / "catalogs"


def _find(name_or_path: str | Path) -> Path:
    """Return the file of a descriptor given by name or path."""
    path = Path(name_or_path)
    paths = descriptor_paths() if path.suffix != ".toml" else {}
    path = paths.get(str(name_or_path), path)
    if path.suffix == ".toml" and path.is_file():
        return path
    if path.suffix == ".toml":
        raise ConfigError(
            f"no catalogue descriptor {str(path)!r}; check the path, or name one that "
            "'hscz info catalogs' lists"
        )
    raise ConfigError(
        f"no catalogue descriptor {str(name_or_path)!r}"
        f"{suggest(path.stem, list(descriptor_paths()))} Or give the path of your own .toml, "
        f"or its folder in {FOLDERS_VARIABLE}"
    )


def _keys() -> list[str]:
    return [f.name for f in fields(CatalogueDescriptor) if f.name != "name"]


def _check_keys(place: str, found: Iterable[str], known: list[str]) -> None:
    for key in found:
        if key not in known:
            raise ConfigError(f"{place} has the unknown key {key!r}{suggest(key, known)}")


def _frozen(content: dict[str, Any]) -> dict[str, Any]:
    """Check the types of the TOML values and turn lists into tuples."""
    for key, value in content.items():
        _check_type(key, value, _TYPES.get(key, str))
        if key in _TEXTS and not all(isinstance(v, str) for v in value.values()):
            raise ConfigError(f"{key} = {value!r} should be a dict of text")
    archive = content.get("archive", {})
    _check_keys("[archive]", archive, [f.name for f in fields(Archive)])
    for key, value in archive.items():
        _check_type(f"archive.{key}", value, list if key == "urls" else str)
    if not all(isinstance(entry, dict) for entry in content.get("confidence", ())):
        raise ConfigError(f"confidence = {content['confidence']!r} should be a list of tables")
    frozen = _tuples(content)
    frozen["confidence"] = tuple(Confidence(**entry) for entry in frozen.get("confidence", ()))
    frozen["archive"] = Archive(**_tuples(archive))
    return frozen


def _check_type(key: str, value: Any, want: type) -> None:
    if not (isinstance(value, want) or (want is float and type(value) is int)):
        raise ConfigError(f"{key} = {value!r} should be a {want.__name__}")


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in content.items()}


_TEXTS = ("columns", "mag", "mag_err")


_TYPES: Mapping[str, type] = {
    **dict.fromkeys((*_TEXTS, "units", "archive"), dict),
    **dict.fromkeys(("missing", "unconfirmed", "z_range", "confidence"), list),
    "hdu": int,
    "resolution": float,
    "extinction_corrected": bool,
}
