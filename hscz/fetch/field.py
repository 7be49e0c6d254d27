"""Fetch what the fields of a configuration ask for: a few files at a time, each only once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from hscz.config import RunConfig
from hscz.config.read import as_mapping
from hscz.errors import ConfigError, IncompleteError, InputError
from hscz.fetch.catalogues import fetch_catalogue
from hscz.fetch.das import Request, fetch_cutouts, requests_for
from hscz.fetch.dust import fetch_ebv_image
from hscz.fetch.http import Downloader, MissingFileError, ServiceError
from hscz.fetch.manifest import Manifest
from hscz.fetch.wanted import PATCH_MB, box_of, image_path, images, tables
from hscz.files.atomic import write_atomic
from hscz.files.check import check_file
from hscz.files.fresh import NOT_YET, Key
from hscz.files.lock import at_work
from hscz.survey import BANDS, band
from hscz.tables.read import read_columns


@dataclass(frozen=True)
class Task:
    """One thing to fetch, and how.

    Attributes
    ----------
    path : Path
        What is there afterwards.
    source : str
        Where from; a file of the same source is not fetched again.
    run : callable
    optional : bool
        Whether the archive may lack it.
    filter_name : str
        Filter of a whole patch, empty for all else.
    """

    path: Path
    source: str
    run: Callable[[], object] = field(compare=False)
    optional: bool = False
    filter_name: str = ""


def fetch_field(
    config: RunConfig,
    name: str,
    progress: bool = True,
    downloader: Downloader | None = None,
    ask_again: bool = False,
) -> str:
    """Fetch the images and tables of one field that are not there yet.

    Parameters
    ----------
    config : RunConfig
    name : str
        A field with a section ``fetch``.
    progress : bool
        Whether to draw progress bars, of files and of bytes.
    downloader : Downloader, optional
    ask_again : bool
        Whether to ask again for what the archive was found not to have. What is there stays; delete
        a file to fetch it anew.

    Returns
    -------
    str
        How many files were fetched, were there, or are not in the archive.

    Raises
    ------
    ConfigError
        If the section asks for nothing that can be addressed.
    IncompleteError
        Once all else is there, if files could not be fetched; ``NAME.not_fetched.csv`` among the
        stores lists them with the reasons.
    """
    with at_work(left_out_path(config, name)):
        return _fetch_field(config, name, progress, downloader, ask_again)


def _fetch_field(
    config: RunConfig, name: str, progress: bool, downloader: Downloader | None, ask_again: bool
) -> str:
    downloader = downloader or Downloader(config.fetch)
    manifest = Manifest(manifest_path(config))
    wanted = _tasks(config, name, downloader)
    todo = [task for task in wanted if not _is_there(task, manifest, ask_again)]
    failed: list[tuple[str, str]] = []
    n_absent, unreachable = 0, False
    with ThreadPoolExecutor(config.fetch.jobs) as pool:
        futures = {pool.submit(_fetch, task, manifest): task for task in todo}
        bar = partial(tqdm, disable=not progress, leave=False)
        with (
            bar(total=len(todo), desc=f"fetch {name}") as n_done,
            bar(desc="received", unit="B", unit_scale=True) as n_bytes,
        ):
            downloader.on_bytes = n_bytes.update
            try:
                for future in as_completed(futures):
                    n_done.update()
                    try:
                        n_absent += not future.result()
                    except InputError as error:
                        failed.append((str(futures[future].path), str(error)))
                        unreachable |= isinstance(error, ServiceError)
            finally:
                downloader.stopped.set()
    downloader.stopped.clear()
    note = left_out_path(config, name)
    note.unlink(missing_ok=True)
    n_got = len(todo) - len(failed) - n_absent
    report = (
        f"  {n_got:,} files fetched, {len(wanted) - len(todo):,} there already, "
        f"{n_absent:,} not in the archive"
    )
    if failed:
        listed = pd.DataFrame(sorted(failed), columns=["file", "reason"])
        write_atomic(note, partial(listed.to_csv, index=False))
        some = "".join(f"\n  {file}: {reason}" for file, reason in sorted(failed)[:10])
        raise IncompleteError(
            f"{len(failed)} of {len(wanted)} files of {name} could not be fetched; {note} lists "
            f"them, run it again to try them again{some}",
            unreachable,
        )
    return report


def why_unfetched(config: RunConfig, name: str) -> str:
    """Return how much of what a field asks for is not there; empty where all is."""
    manifest = Manifest(manifest_path(config))
    wanted = _tasks(config, name, Downloader(config.fetch))
    n_missing = sum(not _is_there(task, manifest) for task in wanted)
    if n_missing == len(wanted):
        return NOT_YET
    return f"{n_missing} of {len(wanted)} files are not there" if n_missing else ""


def preview(config: RunConfig, name: str, downloader: Downloader | None = None) -> str:
    """Return how many files and bytes a fetch would take, as the servers state them.

    One patch is asked about for each filter; tables and cut-outs have no size beforehand.
    """
    downloader = downloader or Downloader(replace(config.fetch, tries=1))
    manifest = Manifest(manifest_path(config))
    todo = [t for t in _tasks(config, name, downloader) if not _is_there(t, manifest)]
    total_mb, doubt = 0.0, ""
    for filter_name in dict.fromkeys(t.filter_name for t in todo if t.filter_name):
        patches = [t for t in todo if t.filter_name == filter_name]
        size_mb = PATCH_MB
        try:
            # At its border, the archive lacks patches of a tract.
            middle = patches[(len(patches) - 1) // 2]
            size_mb = (downloader.size(middle.source) or 0) / 1e6 or PATCH_MB
        except InputError as error:
            doubt = doubt or f", some estimated from their pixels: {error}"
        total_mb += len(patches) * size_mb
    return f"  {len(todo):,} files, about {total_mb / 1e3:,.1f} GB of images{doubt}"


def manifest_path(config: RunConfig) -> Path:
    """Return where it is noted what was fetched."""
    return config.root / "fetched.jsonl"


def left_out_path(config: RunConfig, name: str) -> Path:
    """Return where it is noted what could not be fetched."""
    return config.root / f"{name}.not_fetched.csv"


def _tasks(config: RunConfig, name: str, downloader: Downloader) -> list[Task]:
    entry = config.fields[name]
    if entry.fetch is None:
        raise ConfigError(f"fields.{name} has no section fetch; say there what to fetch")
    tasks = [
        Task(
            w.path,
            w.url,
            partial(downloader.download, w.url, w.path, check_file),
            w.optional,
            w.filter_name,
        )
        for w in images(config, name)
    ]
    for table in tables(config, name):
        archive = table.descriptor.archive
        asked = as_mapping(archive) | {"box": entry.fetch.box if archive.selects else ()}
        source = Key(asked).fingerprint
        get = partial(fetch_catalogue, table.descriptor, table.path, downloader, box_of(entry))
        tasks.append(Task(table.path, f"{archive.service}:{source}", get))
    box = box_of(entry)
    if entry.ebv == "irsa" and box is not None:
        path = config.ebv_image(name)
        get = partial(fetch_ebv_image, box, path, downloader)
        tasks.append(Task(path, f"E(B-V):{Key({'box': entry.fetch.box}).fingerprint}", get))
    return tasks + _cutouts(config, name, downloader)


def _cutouts(config: RunConfig, name: str, downloader: Downloader) -> list[Task]:
    """Return one task for each list of cut-outs; its product is the table of what came."""
    entry = config.fields[name]
    assert entry.fetch is not None
    if not entry.fetch.cutouts:
        return []
    ra, dec = _positions(Path(entry.fetch.cutouts))
    filters = [BANDS[b].filter_name for b in entry.bands if b not in entry.per_band]
    fetch = entry.fetch
    lists = requests_for(ra, dec, filters, fetch.rerun, fetch.half_size_arcsec)
    folder = config.root / "cutouts" / name

    def path_of(request: Request) -> Callable[[str, str], Path]:
        short = band(request.filter_name).name
        return lambda tract, row: image_path(entry, name, short, tract, row)

    def get(request: Request, path: Path) -> None:
        rows = fetch_cutouts(request, config.fetch.cutouts, path_of(request), downloader)
        write_atomic(path, partial(rows.to_csv, index=False))

    tasks = []
    for one in lists:
        path = folder / f"{one.filter_name}-{one.first}.csv"
        source = f"cut-outs:{Key({'list': one.text}).fingerprint}"
        tasks.append(Task(path, source, partial(get, one, path)))
    return tasks


def _positions(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the positions of cut-outs."""
    table = read_columns(path, ["ra", "dec"])
    values = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    bad = ~(np.abs(values) <= (360, 90)).all(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{path}: row {row} has ra, dec = {', '.join(map(str, table.iloc[row]))} "
            f"({bad.sum()} such rows); give both in degrees"
        )
    return values[:, 0], values[:, 1]


def _is_there(task: Task, manifest: Manifest, ask_again: bool = False) -> bool:
    if manifest.has(task.path, task.source):
        return not manifest.is_absent(task.path) or (task.optional and not ask_again)
    # A file that a person put there is as good as one that was fetched.
    return task.path.exists() and not manifest.owns(task.path)


def _fetch(task: Task, manifest: Manifest) -> bool:
    """Fetch one file; return whether the archive has it."""
    try:
        task.run()
    except MissingFileError:
        if not task.optional:
            raise
        manifest.add(task.path, task.source, absent=True)
        return False
    manifest.add(task.path, task.source)
    return True
