"""One object: its stamps, its PDFs and its row, read from disk when it is clicked."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hscz.dashboard.data import FieldCubes
from hscz.errors import StoreError
from hscz.export import ESTIMATES
from hscz.schema import SINGLE_FLAGS, has_redshift
from hscz.stores import open_field

TRUTHS = {"z_true": "true redshift", "z_spec": "spectroscopic redshift"}
"""Columns whose value is drawn beside the PDFs; the first known one."""

_FIRST = ("object_id", "ra", "dec", "field", "mag_i")
_BY_MODEL = tuple(ESTIMATES)


def pdfs(field: FieldCubes, row: int) -> dict[str, NDArray[np.float32]]:
    """Return the PDF of one object from each model, in 1/dz."""
    return {model: cube.dataset["pdf"][row].values for model, cube in field.cubes.items()}


def truth(field: FieldCubes, row: int) -> tuple[str, float] | None:
    """Return what is known of an object's redshift: its name and value."""
    dataset = next(iter(field.cubes.values())).dataset
    for name, title in TRUTHS.items():
        if name in dataset.variables and has_redshift(value := float(dataset[name][row])):
            return title, value
    return None


def bands(store: Path | None) -> list[str]:
    """Return the bands of a field store, none where there is no store."""
    return [str(band) for band in open_field(store, lazy=False)["band"].values] if store else []


def stamps(store: Path, object_id: int, row: int) -> NDArray[np.float32]:
    """Return the stamps of an object with an asinh stretch of flux over sky noise.

    Parameters
    ----------
    store : Path
        Field store.
    object_id : int
    row : int
        Where the object should be; elsewhere it is searched.

    Returns
    -------
    ndarray, shape (band, y, x)
        0 for the sky, 1 for 50 times the noise.

    Raises
    ------
    StoreError
        If the store does not have the object.
    """
    # Only a click needs it, and the page is to open quickly.
    from hscz.figures.stamps import stretched

    dataset = open_field(store, lazy=False)
    if row >= dataset.sizes["object"] or int(dataset["object_id"][row]) != object_id:
        found = np.flatnonzero(dataset["object_id"].values == object_id)
        if not len(found):
            raise StoreError(f"{store}: has no object {object_id}; name its field store")
        row = int(found[0])
    noise = dataset["sky_noise"][row].values.astype(np.float32)
    noise = np.where(noise > 0, noise, np.nan)
    flux = dataset["image"][row].values.astype(np.float32)
    return stretched(flux, noise).astype(np.float32)


def row_html(field: FieldCubes, row: int) -> str:
    """Return the row of an object as a table: what all models share, then model by model."""
    dataset = next(iter(field.cubes.values())).dataset
    names = [str(n) for n, v in dataset.variables.items() if v.dims == ("object",)]
    shared = {name: _entry(dataset, name, row) for name in _FIRST}
    rest = sorted(set(names) - set(_BY_MODEL) - set(_FIRST))
    shared |= {name: _entry(dataset, name, row) for name in rest}
    lines = [
        f"<tr><td>{_heading(dataset, name)}</td><td>{value}</td></tr>"
        for name, value in shared.items()
        if value
    ]
    head = "".join(f"<th>{escape(model)}</th>" for model in field.models)
    estimates = [
        f"<tr><td>{_heading(dataset, name)}</td>"
        + "".join(f"<td>{_entry(c.dataset, name, row)}</td>" for c in field.cubes.values())
        + "</tr>"
        for name in _BY_MODEL
        if name in dataset.variables
    ]
    return (
        f"<div class='hscz-row'><table><tr><th></th>{head}</tr>{''.join(estimates)}</table>"
        f"<table>{''.join(lines)}</table></div>"
    )


def _heading(dataset: xr.Dataset, name: str) -> str:
    unit = dataset[name].attrs.get("units", "")
    about = escape(str(dataset[name].attrs.get("long_name", "")).split(":")[0])
    return f"<span title='{about}'>{escape(name)}{f' ({escape(unit)})' if unit else ''}</span>"


def _entry(dataset: xr.Dataset, name: str, row: int) -> str:
    """Return a value as text, empty where it is not known."""
    value: Any = dataset[name][row].values[()]
    if name == "flags":
        set_bits = [str(flag.name).lower() for flag in SINGLE_FLAGS if int(value) & flag.value]
        return f"{int(value)} {escape(', '.join(set_bits))}".strip()
    if isinstance(value, np.floating):
        digits = 6 if name in ("ra", "dec") else 3
        return f"{value:.{digits}f}" if np.isfinite(value) else ""
    return escape(str(value))
