"""Source catalogues from the services their descriptors name.

VizieR and SDSS are asked through astroquery; IRSA and CADC through PyVO, on which astroquery's
own clients for them stand. Every request goes through `hscz.fetch.http.Session`. Only the
columns that the descriptor maps or whose values its rules use are asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from urllib3.exceptions import HTTPError

from hscz.errors import ConfigError, InputError
from hscz.extras import needed_by
from hscz.fetch.box import SkyBox
from hscz.fetch.http import Downloader, TemporaryError
from hscz.files.atomic import write_atomic
from hscz.files.check import check_file, refuse_web_page
from hscz.tables.descriptor import CatalogueDescriptor
from hscz.tables.files import open_table
from hscz.tables.select import find_name

if TYPE_CHECKING:
    from astropy.table import Table

SDSS_MOST_ROWS = 500_000
"""The SDSS service cuts longer answers short without saying so."""


def fetch_catalogue(
    descriptor: CatalogueDescriptor,
    path: Path,
    downloader: Downloader,
    box: SkyBox | None = None,
) -> Path:
    """Fetch a source catalogue to a file that `hscz.tables.read.read_catalogue` reads.

    Parameters
    ----------
    descriptor : CatalogueDescriptor
        Its ``[archive]`` says where from.
    path : Path
        The file to write; of service ``url`` it is what the server sends, else FITS.
    downloader : Downloader
    box : SkyBox, optional
        Rows to ask for, of services that select; all otherwise.

    Raises
    ------
    ConfigError
        If astroquery is not installed, or the file is not to be FITS where a service is asked.
    InputError
        If a person must fetch the file, the service refuses or fails, or its answer lacks a
        column, has no rows or is cut short.
    """
    archive = descriptor.archive
    if archive.service == "manual":
        raise InputError(f"{path}: must be fetched by hand: {archive.note}")
    if archive.service == "url":
        check = partial(_check_table, descriptor)
        downloader.download(_url_of(descriptor, path), path, check)
        return path
    if path.suffix != ".fits" or descriptor.format != "fits":
        raise ConfigError(
            f"{path}: the answer of {archive.service} is written as FITS; let the file end in "
            '.fits, and the descriptor say format = "fits"'
        )
    ask = _SERVICES[archive.service]
    host = _address(archive.service, downloader)
    table = downloader.attempt(host, lambda: _asked(ask, descriptor, box, downloader))
    _check(table, descriptor, host)
    table.meta.clear()
    return write_atomic(path, lambda temporary: table.write(temporary, format="fits"))


def columns_of(descriptor: CatalogueDescriptor) -> list[str]:
    """Return the columns of a catalogue that are of use, each once.

    Examples
    --------
    >>> from hscz.tables.descriptor import load_descriptor
    >>> columns_of(load_descriptor("sdss-dr12"))[:4]
    ['ra', 'dec', 'z', 'zWarning']
    """
    mapped = (*descriptor.columns.values(), *descriptor.mag.values(), *descriptor.mag_err.values())
    return list(dict.fromkeys((*mapped, *descriptor.rule_columns)))


def _check_table(descriptor: CatalogueDescriptor, path: Path) -> None:
    """Refuse a file that came, but is not the table: some services send what is wrong instead."""
    check_file(path)
    try:
        names = open_table(path, descriptor.format, descriptor.hdu).names
    except InputError as error:
        raise InputError(f"cannot be read: {str(error).removeprefix(f'{path}: ')}") from None
    if not any(find_name(column, names) for column in columns_of(descriptor)):
        with path.open("rb") as file:
            begins = file.read(40)
        raise InputError(
            f"has none of the columns of {descriptor.name}; it begins with {begins!r}; check its "
            "address, and whether the service says there what is wrong"
        )


def _url_of(descriptor: CatalogueDescriptor, path: Path) -> str:
    """Return the only address, or that of several which has the file's own name."""
    urls = descriptor.archive.urls
    named = urls if len(urls) == 1 else [url for url in urls if url.endswith(f"/{path.name}")]
    if not named:
        names = ", ".join(url.rpartition("/")[2] for url in urls)
        raise ConfigError(
            f"{path}: {descriptor.name} has the files {names}; name it as one of them"
        )
    return named[0]


Ask = Callable[[CatalogueDescriptor, "SkyBox | None", Downloader], "Table"]


def _asked(
    ask: Ask, descriptor: CatalogueDescriptor, box: SkyBox | None, downloader: Downloader
) -> Table:
    """Ask a service; errors of its client become ours."""
    try:
        with warnings.catch_warnings(), needed_by(f"fetching {descriptor.name}"):
            warnings.simplefilter("ignore")
            return ask(descriptor, box, downloader)
    except InputError as error:
        host = urlsplit(_address(descriptor.archive.service, downloader)).netloc
        if str(error).startswith("is an HTML page"):
            raise InputError(f"{host}: the answer {error}") from None
        raise
    except (ConfigError, TemporaryError, OSError, HTTPError):
        raise
    except Exception as error:  # clients raise many kinds, with the service's own words
        cause = error.__cause__ or error.__context__
        if isinstance(cause, InputError | TemporaryError):
            raise cause from None
        said = " ".join(str(error).split())[:200]
        raise InputError(
            f"{_address(descriptor.archive.service, downloader)}: {descriptor.archive.table}: "
            f"{said}; check table and columns of {descriptor.name}.toml"
        ) from None


def _vizier(descriptor: CatalogueDescriptor, box: SkyBox | None, downloader: Downloader) -> Table:
    from astroquery import cache_conf
    from astroquery.vizier import Vizier

    base = downloader.settings.vizier
    limits = _vizier_limits(descriptor, box)
    client = Vizier(columns=columns_of(descriptor), column_filters=limits, row_limit=-1)
    client._session = downloader.session()
    # The client knows the names of mirrors, all with https.
    client._server_to_url = lambda return_type="votable": f"{base}/viz-bin/{return_type}"
    with cache_conf.set_temp("cache_active", False):
        answer = client.get_catalogs_async(descriptor.archive.table)
    return _read_votable(answer.content, descriptor.archive.table, urlsplit(base).netloc)


def _read_votable(answer: bytes, name: str, host: str) -> Table:
    """Return the table of a VOTable that says neither that it failed nor that it is cut short."""
    from astropy.io import votable
    from astropy.table import Table

    try:
        refuse_web_page(answer)
        tree = votable.parse(BytesIO(answer))
    except (InputError, ValueError, IndexError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{host}: {name}: the answer {said}; try again later") from None
    tables = list(tree.iter_tables())
    places = [tree, *tree.resources, *tables]
    infos = [info for place in places for info in getattr(place, "infos", ())]
    for info in (one for one in infos if one.name.upper() == "QUERY_STATUS"):
        if info.value == "OVERFLOW":
            n_rows = sum(len(one.array) for one in tables)
            raise InputError(
                f"{host}: {name}: the answer was cut short at {n_rows:,} rows; ask for less with "
                "fetch.box"
            )
        if info.value == "ERROR":
            raise InputError(
                f"{host}: {name}: {info.content or 'it failed'}; check the table and its columns"
            )
    return tables[0].to_table(use_names_over_ids=True) if tables else Table()


def _vizier_limits(descriptor: CatalogueDescriptor, box: SkyBox | None) -> dict[str, str]:
    """Return the constraints by column: ``where`` has COLUMN=constraint, divided by ``;``."""
    limits = {}
    for rule in filter(None, map(str.strip, descriptor.archive.where.split(";"))):
        column, equals, limit = rule.partition("=")
        if not equals:
            raise InputError(
                f"{descriptor.name}: [archive] where has {rule!r}; for VizieR write "
                "COLUMN=constraint, such as q_z=>2, divided by ;"
            )
        limits[column.strip()] = limit.strip()
    if box is None:
        return limits
    ra, dec = descriptor.columns["ra"], descriptor.columns["dec"]
    across = f">={box.ra_min}|<={box.ra_max}"
    inside = f"{box.ra_min}..{box.ra_max}"
    return limits | {
        ra: across if box.ra_min > box.ra_max else inside,
        dec: f"{box.dec_min}..{box.dec_max}",
    }


def _tap(descriptor: CatalogueDescriptor, box: SkyBox | None, downloader: Downloader) -> Table:
    import pyvo

    archive = descriptor.archive
    base = _address(archive.service, downloader)
    service = pyvo.dal.TAPService(base, session=downloader.session())
    answer = service.create_query(_query(descriptor, box)).execute_raw()
    return _read_votable(answer, archive.table, urlsplit(base).netloc)


def _sdss(descriptor: CatalogueDescriptor, box: SkyBox | None, downloader: Downloader) -> Table:
    from astropy.table import Table
    from astroquery.sdss import SDSS, conf

    archive = descriptor.archive
    release = {"data_release": int(archive.release)} if archive.release else {}
    client = type(SDSS)()
    client._session = downloader.session()
    with conf.set_temp("skyserver_baseurl", downloader.settings.sdss):
        answer = client.query_sql_async(_query(descriptor, box), cache=False, **release)
    refuse_web_page(answer.content)
    table = client._parse_result(answer)
    table = Table() if table is None else table
    if len(table) >= SDSS_MOST_ROWS:
        raise InputError(
            f"{archive.table} of SDSS: the answer was cut short at {len(table):,} rows; ask for "
            "less with fetch.box"
        )
    return table


def _query(descriptor: CatalogueDescriptor, box: SkyBox | None) -> str:
    """Return what to ask for, in words that SQL and ADQL share."""
    archive, columns = descriptor.archive, descriptor.columns
    wheres = [f"({archive.where})"] if archive.where else []
    if box is not None:
        wheres.append(box.condition(columns["ra"], columns["dec"]))
    where = f" WHERE {' AND '.join(wheres)}" if wheres else ""
    return f"SELECT {', '.join(columns_of(descriptor))} FROM {archive.table}{where}"


_SERVICES: dict[str, Ask] = {"vizier": _vizier, "irsa": _tap, "cadc": _tap, "sdss": _sdss}


def _address(service: str, downloader: Downloader) -> str:
    return str(getattr(downloader.settings, service))


def _check(table: Any, descriptor: CatalogueDescriptor, url: str) -> None:
    """Refuse an answer without rows or without a column; keep what was asked for, as spelt."""
    host = urlsplit(url).netloc
    if not len(table):
        raise InputError(
            f"{host}: {descriptor.archive.table} gives no rows; check the table and fetch.box"
        )
    there = {name.lower(): name for name in table.colnames}
    for name in columns_of(descriptor):
        if name.lower() not in there:
            raise InputError(
                f"{host}: {descriptor.archive.table} has no column {name!r}, which "
                f"{descriptor.name}.toml maps; it has {', '.join(table.colnames[:12])}"
            )
        if there[name.lower()] != name:
            table.rename_column(there[name.lower()], name)
    table.keep_columns(columns_of(descriptor))
    for name in (name for name in table.colnames if table[name].dtype.kind == "O"):
        # Text of any length, which FITS does not know.
        values = np.ma.filled(table[name], "")
        table[name] = ["" if value is None else str(value) for value in values]
