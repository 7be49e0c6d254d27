"""PDF cube to metrics: tables, their Parquet files and pictures."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pandas as pd
import xarray as xr

from hscz import pdf
from hscz.config import EvaluateConfig, RunConfig
from hscz.config.decisive import key_of
from hscz.errors import UnjudgedError
from hscz.evaluate.calibration import (
    calibration_table,
    coverage_table,
    credibility_curve,
    object_scores,
)
from hscz.evaluate.flags import flag_purity, format_flags
from hscz.evaluate.high_z import LIMITS, format_selections, selection_table
from hscz.evaluate.judged import is_judged, is_unseen
from hscz.evaluate.metrics import metrics_table
from hscz.evaluate.tables import CALIBRATION_TITLES, PAPER_METRICS, format_table, write_table
from hscz.files.atomic import write_atomic
from hscz.files.fresh import Key
from hscz.predict.recalibrate import Calibration
from hscz.schema import has_redshift
from hscz.stores import identity, open_cube, open_field

BLOCK = 4096
"""PDFs read at once."""

CREDIBILITIES = np.linspace(0.05, 1.0, 20)
"""Probabilities of the highest-density regions in which redshifts are counted."""


def evaluate_field(config: RunConfig, name: str) -> str:
    """Judge one field's redshifts.

    Writes ``NAME_metrics.parquet``, the same as text, and, where holoviews is installed, two
    pictures; against the first reference also ``NAME_calibration.parquet`` (PIT statistics,
    coverage and proper scores, by magnitude), ``NAME_coverage.parquet`` (in cells of magnitude
    and redshift), ``NAME_credibility.parquet`` (the fraction of redshifts inside
    highest-density regions), ``NAME_flags.parquet`` (what each quality flag is worth) and
    ``NAME_high_z.parquet`` (recall and purity of samples beyond z = 4 and 5, left out where no
    redshift lies there). The training part of a source field is left out, labelled or not, so
    that what is judged is a fair sample of the field.

    Returns
    -------
    str
        The metrics by magnitude against the first reference, as text.

    Raises
    ------
    UnjudgedError
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
        raise UnjudgedError(_unjudged(config, name, cube))
    frame = pd.concat(tables, names=["reference"]).reset_index(level=0)
    write_table(frame, stem.with_name(f"{stem.name}_metrics.parquet"))
    texts = [f"{name} against {ref}\n{format_table(table)}\n" for ref, table in tables.items()]
    first, table = next(iter(tables.items()))
    reports = judge_pdfs(cube, first, config.evaluate)
    for kind, report in reports.items():
        path = stem.with_name(f"{stem.name}_{kind}.parquet")
        # What an earlier judgement found must not stand beside what this one did not.
        write_table(report, path) if len(report) else path.unlink(missing_ok=True)
    calibrated = format_table(reports["calibration"], tuple(CALIBRATION_TITLES), CALIBRATION_TITLES)
    texts += [f"{name} against {first}: calibration\n{_how_calibrated(cube)}{calibrated}\n"]
    texts += [f"{name} against {first}: quality flags\n{format_flags(reports['flags'])}\n"]
    texts += [f"{name} against {first}: high redshifts\n{format_selections(reports['high_z'])}\n"]
    text_path = stem.with_name(f"{stem.name}_metrics.txt")
    write_atomic(text_path, lambda temporary: temporary.write_text("\n".join(texts)))
    if importlib.util.find_spec("holoviews"):
        _draw(config, name, cube, first)
    shown = format_table(table[table["by"] != "z"], PAPER_METRICS)
    return f"{name} against {first}, objects not trained on (more in {text_path})\n{shown}"


def _how_calibrated(cube: xr.Dataset) -> str:
    """Return a line on the calibration of a cube's PDFs; nothing where there is none."""
    note = cube.attrs.get("calibration", "none")
    return "" if note == "none" else f"{Calibration.noted(json.loads(note)).in_words}\n"


def evaluation_key(config: RunConfig, name: str) -> Key:
    """Return what the judgement of a field is made from."""
    return key_of({"predict": {name: identity(config.cube(name))}}, evaluate=config.evaluate)


def _unjudged(config: RunConfig, name: str, cube: xr.Dataset) -> str:
    """Return why there is nothing to judge redshifts by, and what to do."""
    there = [reference for reference in config.evaluate.reference if reference in cube]
    if not there:
        return (
            f"{name} is not judged: its field store has no labels; give it catalogues of "
            "redshifts, or leave it out of evaluate.fields"
        )
    return (
        f"{name} is not judged: no object outside the training set has "
        f"a redshift to compare with ({', '.join(there)}); check that its "
        "catalogues of redshifts lie on its images, or leave it out of evaluate.fields"
    )


def _draw(config: RunConfig, name: str, cube: xr.Dataset, reference: str) -> None:
    """Draw redshift against redshift, and a few objects from bright to faint."""
    from hscz.figures.overview import redshift_scatter, stamps_and_pdfs

    stem = config.results(name)
    rows = np.flatnonzero(is_judged(cube, reference))
    figure = redshift_scatter(cube.isel(object=rows), reference, title=name)
    figure.save(stem.with_name(f"{stem.name}_redshifts"))
    distance = np.abs(cube["mag_i"].values[rows, None] - np.linspace(20.5, 24.8, 8))
    chosen = rows[distance.argmin(axis=0)].tolist() if len(rows) else []
    store = open_field(config.field_store(name), lazy=False)
    figure = stamps_and_pdfs(store, cube, chosen, reference)
    figure.save(stem.with_name(f"{stem.name}_examples"))


def judge_pdfs(
    cube: xr.Dataset, reference: str, settings: EvaluateConfig
) -> dict[str, pd.DataFrame]:
    """Return calibration, coverage and the worth of the flags, reading the PDFs in blocks.

    Parameters
    ----------
    cube : xarray.Dataset
    reference : str
        Column with the redshift to compare with; where it is not above zero there is none.
    settings : EvaluateConfig

    Returns
    -------
    dict of str to pandas.DataFrame
        ``calibration`` (`hscz.evaluate.calibration.calibration_table`), ``coverage``
        (`hscz.evaluate.calibration.coverage_table`), ``credibility``
        (`hscz.evaluate.calibration.credibility_curve`, by ``level``), ``flags``
        (`hscz.evaluate.flags.flag_purity`) and ``high_z``
        (`hscz.evaluate.high_z.selection_table`).
    """
    cube = _compared(cube, reference)
    z_true, edges = cube[reference].values.astype(np.float64), cube["z_edges"].values
    rng = np.random.default_rng(settings.seed)
    parts = []
    for rows in (slice(s, s + BLOCK) for s in range(0, len(z_true), BLOCK)):
        density = cube["pdf"][rows].values
        beyond = 1 - pdf.cdf_at(density, edges, np.array(LIMITS)[:, None])
        parts.append(
            object_scores(density, edges, z_true[rows], rng)
            | {"z_risk": pdf.least_risk(density, edges)}
            | {f"p_{limit:g}": p for limit, p in zip(LIMITS, beyond, strict=True)}
        )
    scores = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    mag_i, z_median = cube["mag_i"].values, cube["z_median"].values
    points = {"z_median": z_median, "z_risk": scores["z_risk"]}
    p_beyond = {limit: scores[f"p_{limit:g}"] for limit in LIMITS}
    by = {"mag_i": (mag_i, np.array(settings.mag_edges))}
    cells = (settings.mag_edges, settings.z_edges)
    return {
        "calibration": calibration_table(scores, by),
        "coverage": coverage_table(scores["pit"], mag_i, z_median, *cells),
        "credibility": pd.DataFrame(
            {"level": CREDIBILITIES, "fraction": credibility_curve(scores["hpd"], CREDIBILITIES)}
        ),
        "flags": flag_purity(cube["flags"].values, z_median, z_true),
        "high_z": selection_table(z_true, p_beyond, points),
    }


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
    cube = _compared(cube, reference)
    if not cube.sizes["object"]:
        return None
    z_reference = cube[reference].values.astype(np.float64)
    by = {
        "mag_i": (cube["mag_i"].values, np.array(settings.mag_edges)),
        "z": (z_reference, np.array(settings.z_edges)),
    }
    return metrics_table(
        cube["z_median"].values,
        z_reference,
        by,
        n_bootstrap=settings.bootstraps,
        seed=settings.seed,
    )


def _compared(cube: xr.Dataset, reference: str) -> xr.Dataset:
    """Return the unseen objects with a reference redshift, those without an estimate as well."""
    known = is_unseen(cube) & has_redshift(cube[reference].values)
    return cube.isel(object=np.flatnonzero(known))
