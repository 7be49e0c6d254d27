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
from hscz.evaluate.report import format_table
from hscz.stores import open_cube


def evaluate_field(config: RunConfig, name: str) -> str:
    """Judge one field's redshifts and write ``NAME_metrics.parquet``.

    Objects whose labels a model has learnt from are left out.

    Returns
    -------
    str
        The metrics as text.

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
            "the field out of predict.fields"
        )
    frame = pd.concat(tables, names=["reference"]).reset_index(level=0)
    write_atomic(stem.with_name(f"{stem.name}_metrics.parquet"), frame.to_parquet)
    first = next(iter(tables))
    if importlib.util.find_spec("holoviews"):
        from hscz.figures.overview import redshift_scatter, save

        figure, _ = redshift_scatter(unseen(cube), first, title=name)
        save(figure, stem.with_name(f"{stem.name}_redshifts.png"))
    parts = [f"{name} against {ref}\n{format_table(table)}" for ref, table in tables.items()]
    return "\n\n".join(parts)


def unseen(cube: xr.Dataset) -> xr.Dataset:
    """Return the objects whose labels no model has learnt from."""
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
