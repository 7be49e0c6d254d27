"""PDF cube to metrics: a table, its Parquet file and a picture."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
import xarray as xr

from hscz.atomic import write_atomic
from hscz.config import EvaluateConfig, RunConfig
from hscz.errors import StoreError
from hscz.evaluate.metrics import metrics_table
from hscz.evaluate.report import PAPER_METRICS, format_table, write_table
from hscz.stores import open_cube, open_field


def evaluate_field(config: RunConfig, name: str) -> str:
    """Judge one field's redshifts.

    Writes ``NAME_metrics.parquet``, the same as text, and, where holoviews is installed, two
    pictures. The training part of a source field is left out, labelled or not, so that what is
    judged is a fair sample of the field.

    Returns
    -------
    str
        The metrics by magnitude against the first reference, as text.

    Raises
    ------
    StoreError
        If no object has a redshift to compare with.
    """
    cube = open_cube(config.cube(name), lazy=False)
    stem = config.results(name)
    tables = {
        reference: table
        for reference in config.evaluate.reference
        if reference in cube and (table := evaluate(cube, reference, config.evaluate)) is not None
    }
    if not tables:
        raise StoreError(
            f"{config.cube(name)}: no object outside the training set has any of "
            f"{', '.join(config.evaluate.reference)}; label the field store first, or leave "
            "the field out of evaluate.fields"
        )
    frame = pd.concat(tables, names=["reference"]).reset_index(level=0)
    write_table(frame, stem.with_name(f"{stem.name}_metrics.parquet"))
    texts = [f"{name} against {ref}\n{format_table(table)}\n" for ref, table in tables.items()]
    text_path = stem.with_name(f"{stem.name}_metrics.txt")
    write_atomic(text_path, lambda temporary: temporary.write_text("\n".join(texts)))
    first, table = next(iter(tables.items()))
    if importlib.util.find_spec("holoviews"):
        _draw(config, name, cube, first)
    shown = format_table(table[table["by"] != "z"], PAPER_METRICS)
    return f"{name} against {first}, objects not trained on (more in {text_path})\n{shown}"


def _draw(config: RunConfig, name: str, cube: xr.Dataset, reference: str) -> None:
    """Draw redshift against redshift, and a few objects from bright to faint."""
    from hscz.figures.overview import redshift_scatter, stamps_and_pdfs

    stem = config.results(name)
    figure = redshift_scatter(unseen(cube), reference, title=name)
    figure.save(stem.with_name(f"{stem.name}_redshifts"))
    drawable = np.isfinite(cube["z_median"].values) & (cube[reference].values > 0)
    rows = np.flatnonzero(drawable & ~cube["in_training"].values)
    wanted = np.linspace(20.5, 24.8, 8)
    nearest = np.abs(cube["mag_i"].values[rows, None] - wanted).argmin(axis=0)
    store = open_field(config.field_store(name), lazy=False)
    figure = stamps_and_pdfs(store, cube, rows[nearest].tolist(), reference)
    figure.save(stem.with_name(f"{stem.name}_examples"))


def unseen(cube: xr.Dataset) -> xr.Dataset:
    """Return the objects outside the training part of the models' source fields."""
    return cube.isel(object=np.flatnonzero(~cube["in_training"].values))


def evaluate(cube: xr.Dataset, reference: str, settings: EvaluateConfig) -> pd.DataFrame | None:
    """Return the metrics of a cube's medians against one of its columns.

    Parameters
    ----------
    cube : xarray.Dataset
    reference : str
        Column with the redshift to compare with.
    settings : EvaluateConfig

    Returns
    -------
    pandas.DataFrame or None
        As `hscz.evaluate.metrics.metrics_table`; None where no object has a reference.
    """
    cube = unseen(cube)
    z_reference = cube[reference].values.astype(np.float64)
    known = np.isfinite(z_reference) & (z_reference > 0)
    if not known.any():
        return None
    by = {
        "mag_i": (cube["mag_i"].values[known], np.array(settings.mag_edges)),
        "z": (z_reference[known], np.array(settings.z_edges)),
    }
    return metrics_table(
        cube["z_median"].values[known],
        z_reference[known],
        by,
        n_bootstrap=settings.bootstraps,
        seed=settings.seed,
    )
