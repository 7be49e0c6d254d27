"""Redshift labels into a field store: COSMOS2020 consensus, secure spectroscopy first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from hscz import stores
from hscz.config import FieldConfig, LabelConfig, RunConfig, TableConfig
from hscz.config.decisive import key_of
from hscz.errors import InputError, about
from hscz.files.fresh import Key, input_files
from hscz.files.lock import at_work
from hscz.schema import check_unique_ids
from hscz.tables.descriptor import CatalogueDescriptor, load_descriptor
from hscz.tables.labels import (
    PAPER_CHECKS,
    assign_labels,
    c2020_table,
    flag_candidates,
    label_report,
    secure_redshifts,
)
from hscz.tables.read import read_catalogue, read_columns

C2020 = ("cosmos2020-classic", "cosmos2020-farmer")
TEXT_COLUMNS = ("z_spec_survey", "label_source")


def label_key(config: RunConfig, name: str) -> Key:
    """Return what a store's labels are made from."""
    entry = config.fields[name]
    consensus = (entry.c2020_classic, entry.c2020_farmer)
    files = dict(zip(C2020, consensus, strict=True)) | {"truth": entry.truth}
    descriptors = dict(zip(C2020, C2020, strict=True)) if any(consensus) else {}
    tables = {f"spec{number}": table for number, table in enumerate(entry.spec, start=1)}
    for role, table in (tables | ({"oii": entry.oii} if entry.oii else {})).items():
        files[role], descriptors[role] = table.file, table.catalogue
    made_from = {name: stores.attributes(config.field_store(name)).get("fingerprint")}
    return key_of(
        {"ingest": made_from, "catalogue": input_files(files)},
        label=config.label,
        **{role: load_descriptor(one) for role, one in descriptors.items()},
    )


def label(config: RunConfig, name: str) -> str:
    """Write the label columns of one field's store, replacing what was there.

    Parameters
    ----------
    config : RunConfig
    name : str
        Field, a key of ``config.fields``.

    Returns
    -------
    str
        How many objects have which label, with the checks of the paper.

    Raises
    ------
    StoreError
        If the field has not been ingested.
    InputError
        If a catalogue is missing or lacks a column.
    """
    with at_work(config.field_store(name)):
        return _label(config, name, label_key(config, name).begun())


def _label(config: RunConfig, name: str, key: Key) -> str:
    entry, settings, path = config.fields[name], config.label, config.field_store(name)
    store = stores.open_field(path, lazy=False)
    objects = pd.DataFrame({key: store[key].values for key in ("object_id", "ra", "dec")})
    labels = assign_labels(
        objects,
        _c2020(entry, settings),
        [_spec(table, objects, settings.radius_arcsec) for table in entry.spec],
        settings.radius_arcsec,
    )
    columns = {str(key): _column(labels[key]) for key in labels}
    candidates = np.zeros(len(objects), dtype=bool)
    if entry.oii:
        candidates = flag_candidates(objects, _read(entry.oii)[0], settings.radius_arcsec)
    columns["is_oii_candidate"] = xr.Variable("object", candidates)
    if entry.truth:
        columns["z_true"] = xr.Variable("object", _true_redshifts(objects, entry.truth))
    stores.replace_columns(path, columns, "labels", key)
    return _report(label_report(labels, store["mag_i"].values))


def _c2020(entry: FieldConfig, settings: LabelConfig) -> pd.DataFrame | None:
    if not entry.c2020_classic:
        return None
    classic, farmer = (
        read_catalogue(file, descriptor, extra=[settings.lephare_column], bands=())
        for file, descriptor in (
            (entry.c2020_classic, C2020[0]),
            (entry.c2020_farmer, C2020[1]),
        )
    )
    return c2020_table(
        classic,
        farmer,
        galaxies=load_descriptor(C2020[0]).select,
        lephare=settings.lephare_column,
        sigma_max=settings.sigma_max,
        radius_arcsec=settings.radius_arcsec,
    )


def _spec(table: TableConfig, objects: pd.DataFrame, radius_arcsec: float) -> pd.DataFrame:
    """Read the secure redshifts of a survey, and refuse it where only hours would match."""
    secure = secure_redshifts(*_read(table))
    hours = secure.assign(ra=15 * secure["ra"])
    if (
        secure["ra"].between(0, 24).all()
        and not flag_candidates(objects, secure, radius_arcsec).any()
        and (n := flag_candidates(objects, hours, radius_arcsec).sum())
    ):
        raise InputError(
            f"{table.file}: none of {len(secure)} secure redshifts lies on an object, {n} would if "
            f'its right ascensions were hours; write ra = "hourangle" under [units] of '
            f"{table.catalogue!r}"
        )
    return secure


def _read(table: TableConfig) -> tuple[pd.DataFrame, CatalogueDescriptor]:
    descriptor = load_descriptor(table.catalogue)
    return read_catalogue(table.file, descriptor, bands=()), descriptor


def _column(values: pd.Series) -> xr.Variable:
    if values.name in TEXT_COLUMNS:
        return xr.Variable("object", values.to_numpy().astype(np.dtypes.StringDType()))
    if values.dtype.kind == "i":
        return xr.Variable("object", values.to_numpy())
    return xr.Variable("object", values.to_numpy(np.float32))


def _true_redshifts(objects: pd.DataFrame, file: str) -> np.ndarray:
    truth = read_columns(file, ["object_id", "z_true"]).set_index("object_id")["z_true"]
    with about(file):
        check_unique_ids(truth.index.to_numpy())
    z_true = truth.reindex(objects["object_id"]).to_numpy(np.float32)
    if np.isnan(z_true).all():
        raise InputError(
            f"{file}: has a true redshift for none of {len(objects)} objects (the first is "
            f"{objects['object_id'].iloc[0]}); give the truth of this field"
        )
    return z_true


def _report(counts: dict[str, float]) -> str:
    """Return the counts as lines, and beside the paper's where COSMOS2020 gave labels."""
    lines = [
        f"  {counts['n_labelled']:,} of {counts['n_objects']:,} objects labelled: "
        f"{counts['n_spec']:,} spec, {counts['n_c2020']:,} C2020",
        f"  {counts['n_spec_several']:,} objects with redshifts of several surveys, "
        f"which disagree on {counts['n_spec_disagree']:,} (z_spec_other)",
    ]
    if counts["n_c2020"]:
        lines.append(f"  {'':38}{'here':>10}{'paper':>12}")
        for key, (title, paper) in PAPER_CHECKS.items():
            here = (
                f"{100 * counts[key]:.1f} %" if key.startswith("fraction") else f"{counts[key]:,}"
            )
            lines.append(f"  {title:38}{here:>10}{paper:>12}")
    return "\n".join(lines)
