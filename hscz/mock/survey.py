"""Make the files of a mock survey, field by field and patch by patch."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

import dask
import pandas as pd

from hscz.config.conditions import DEPTH_MAG
from hscz.config.mock import MockSettings
from hscz.errors import InputError
from hscz.files.atomic import write_atomic, writing
from hscz.files.fresh import Key, mark_made, why_stale
from hscz.files.lock import at_work
from hscz.mock.catalogue import catalogue_path, write_catalogue
from hscz.mock.exposure import write_patch
from hscz.mock.label_flaws import LabelFlaws
from hscz.mock.labels import sed_redshift, write_label_catalogues
from hscz.mock.photoz import SIX_BAND_ACCURACY
from hscz.mock.plan import FieldPlan
from hscz.progress import show_progress

RECORD_NAME = "mock.json"
"""Written last: a field folder with it is whole."""

_STARTED_NAME = "mock-settings.json"


def make_survey(settings: MockSettings, root: Path, progress: bool = True) -> list[Path]:
    """Make all fields of a mock survey; those already made with the same settings are kept.

    Parameters
    ----------
    settings : MockSettings
    root : Path
        Folder that receives one folder per field.
    progress : bool
        Show progress bars.

    Returns
    -------
    list of Path
        The fields' folders.
    """
    return [make_field(settings, field, root, progress) for field in settings.fields]


def make_field(
    settings: MockSettings, field: str, root: Path, progress: bool = True, force: bool = False
) -> Path:
    """Make one field: coadds, catalogue, label catalogues and truth.

    Patches run as one Dask task each on whatever scheduler is active, threads by default. A run
    that was stopped goes on with the patches it lacks. A folder that holds the field with other
    settings is made anew.

    Parameters
    ----------
    settings : MockSettings
    field : str
        One of ``settings.fields``.
    root : Path
        Folder in which the field's folder is made.
    progress : bool
        Show a progress bar.
    force : bool
        Make it anew even where it is there.

    Returns
    -------
    Path
        The field's folder. It holds ``deepCoadd-results/`` with the coadds, the catalogues,
        ``truth/{field}_truth.parquet`` and, written last, ``mock.json`` with the settings and
        the list of files.

    Raises
    ------
    InputError
        If the folder exists but was not made here.
    """
    folder = Path(root) / field
    with at_work(folder):
        if force and (folder / _STARTED_NAME).exists():
            _clear(folder)
        if why_unmade(settings, field, root):
            _make_field(settings, field, folder, progress)
    return folder


def _make_field(settings: MockSettings, field: str, folder: Path, progress: bool) -> None:
    key = field_key(settings, field)
    _claim(folder, key)
    plan = FieldPlan.of(settings, field)
    # Delayed once, so that a cluster is sent the truth table once and not with every patch.
    shared = dask.delayed(plan, traverse=False)
    tasks = [dask.delayed(write_patch)(shared, patch, folder) for patch in plan.grid.patches()]
    with show_progress(f"mock {field}", progress):
        files = [path for paths in dask.compute(*tasks) for path in paths]
    files += _write_tables(plan, folder)
    names = sorted(path.relative_to(folder).as_posix() for path in files)
    mark_made(folder / RECORD_NAME, key, files=names, **_drawn(plan))


def why_unmade(settings: MockSettings, field: str, root: Path) -> str:
    """Return why a field must be made; empty where it is there, whole and of these settings."""
    return why_stale(Path(root) / field / RECORD_NAME, field_key(settings, field))


def field_key(settings: MockSettings, field: str) -> Key:
    """Return what a field is made from."""
    asked, usual = (
        {f"mock.{key}": value for key, value in some.of_field(field).items()}
        for some in (settings, MockSettings())
    )
    return Key(asked, defaults=usual)


def _drawn(plan: FieldPlan) -> dict[str, dict[str, float]]:
    """Return the errors of the zero points by band for the record; nothing if none is drawn."""
    if not plan.settings.zero_point_rms_mag:
        return {}
    errors = {band: round(plan.zero_point_error_mag(band), 4) for band in plan.bands}
    return {"zero_point_error_mag": errors}


def _clear(folder: Path) -> None:
    """Remove a field, renamed first: were that killed, a half would stay under its name."""
    old = folder.with_name(f".old-{folder.name}")
    with writing(folder):
        shutil.rmtree(old, ignore_errors=True)
        os.replace(folder, old)
    shutil.rmtree(old, ignore_errors=True)


def _write_tables(plan: FieldPlan, folder: Path) -> list[Path]:
    """Write the catalogue, the labels and the truth of a field whose coadds are there."""
    name, seed = plan.grid.field.name, plan.settings.seed
    found = write_catalogue(plan, _sed_redshifts(plan), folder)
    rows, columns = plan.grid.shape
    inside = plan.truth["x_px"].between(-0.5, columns - 0.5)
    inside &= plan.truth["y_px"].between(-0.5, rows - 0.5)
    truth = plan.truth[inside]
    labels = write_label_catalogues(
        truth, folder / "labels", name, seed, LabelFlaws.of(plan.settings)
    )
    truth_path = folder / "truth" / f"{name}_truth.parquet"
    table = truth.assign(is_detected=truth["object_id"].isin(found["object_id"]))
    write_atomic(truth_path, partial(table.to_parquet, index=False))
    return [catalogue_path(folder, name), *labels.values(), truth_path]


def _sed_redshifts(plan: FieldPlan) -> pd.DataFrame:
    """Return SED-fitting redshifts of the truth table's objects, as good as the field is deep."""
    depth_offset_mag = plan.conditions.depth_mag["i"] - DEPTH_MAG["i"]
    z = sed_redshift(plan.truth, plan.grid.field.name, plan.settings.seed, depth_offset_mag)
    sigma = SIX_BAND_ACCURACY.sigma_at(plan.truth["mag_i"].to_numpy() - depth_offset_mag)
    half_width = sigma * (1.0 + z)
    table = {"z": z, "z_low": (z - half_width).clip(0.0), "z_high": z + half_width}
    return pd.DataFrame(table, index=plan.truth.index)


def _claim(folder: Path, key: Key) -> None:
    """Ready a folder for a field, keeping only files begun with the same settings."""
    if folder.exists() and why_stale(folder / _STARTED_NAME, key):
        if not (folder / _STARTED_NAME).exists() and any(folder.iterdir()):
            raise InputError(
                f"{folder}: holds files but no {_STARTED_NAME}, so no mock field was made there; "
                "choose another folder"
            )
        _clear(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    mark_made(folder / _STARTED_NAME, key)
