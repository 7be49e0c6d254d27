"""PDF cube to metrics: tables, their Parquet files and pictures."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz import pdf
from hscz.config import EvaluateConfig, RunConfig
from hscz.config.decisive import key_of
from hscz.errors import InputError, StoreError, UnjudgedError
from hscz.evaluate.calibration import (
    calibration_table,
    coverage_table,
    credibility_curve,
    object_scores,
)
from hscz.evaluate.cuts import CLAIMED, FOUND, PROMISED
from hscz.evaluate.flags import flag_purity, format_flags
from hscz.evaluate.high_z import LIMITS, format_selections, selection_table
from hscz.evaluate.judged import is_judged, is_unseen
from hscz.evaluate.metrics import metrics_table
from hscz.evaluate.tables import CALIBRATION_TITLES, PAPER_METRICS, format_table, write_table
from hscz.files.atomic import write_text
from hscz.files.fresh import Key
from hscz.predict.promise import promised
from hscz.predict.recalibrate import Calibration
from hscz.report.cuts import claimed, curves, format_cuts, found, recommended
from hscz.schema import has_redshift
from hscz.stores import identity, open_cube, open_field

FloatArray = NDArray[np.float64]

BLOCK = 4096
"""PDFs read at once."""

AS_PREDICTED, CALIBRATED = "as predicted", "calibrated"
"""What the PDFs of a row are, in the column ``pdfs`` of the table of calibration."""

RULES = 2
"""Count up when the same PDFs come to be judged otherwise."""

CREDIBILITIES = np.linspace(0.05, 1.0, 20)
"""Probabilities of the highest-density regions in which redshifts are counted."""


def evaluate_field(config: RunConfig, name: str) -> str:
    """Judge one field's redshifts.

    Writes ``NAME_metrics.parquet``, the same as text, and, where holoviews is installed, two
    pictures; against the first reference also ``NAME_calibration.parquet`` (PIT statistics,
    coverage and proper scores, by magnitude and by estimated redshift, of the PDFs as predicted
    and as they were calibrated), ``NAME_coverage.parquet`` (in cells of magnitude
    and redshift), ``NAME_credibility.parquet`` (the fraction of redshifts inside
    highest-density regions), ``NAME_flags.parquet`` (what each quality flag is worth) and
    ``NAME_high_z.parquet`` (recall and purity of samples beyond z = 4 and 5, left out where no
    redshift lies there). The training part of a source field is left out, labelled or not, so
    that what is judged is a fair sample of the field.

    What cuts in quality promise needs no redshift of the field: ``NAME_cuts.parquet``
    (`hscz.report.cuts.recommended`) and ``NAME_cut_curves.parquet`` (`hscz.report.cuts.curves`)
    are written, with their text and picture, before a field is found not to be judged.

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
    text_path = stem.with_name(f"{stem.name}_metrics.txt")
    cuts = _recommend_cuts(config, name, cube, next(iter(tables), None))
    if not tables:
        calibration = _calibration_of(cube)
        write_text(text_path, f"{calibration.in_words}\n{cuts}" if calibration else cuts)
        raise UnjudgedError(f"{_unjudged(config, name, cube)}; what cuts promise: {text_path}")
    frame = pd.concat(tables, names=["reference"]).reset_index(level=0)
    write_table(frame, stem.with_name(f"{stem.name}_metrics.parquet"))
    texts = [f"{name} against {ref}\n{format_table(table)}\n" for ref, table in tables.items()]
    first, table = next(iter(tables.items()))
    reports = judge_pdfs(cube, first, config.evaluate)
    for kind, report in reports.items():
        path = stem.with_name(f"{stem.name}_{kind}.parquet")
        # What an earlier judgement found must not stand beside what this one did not.
        write_table(report, path) if len(report) else path.unlink(missing_ok=True)
    texts += [
        f"{name} against {first}: calibration\n{_calibration_text(cube, reports['calibration'])}\n"
    ]
    texts += [f"{name} against {first}: quality flags\n{format_flags(reports['flags'])}\n"]
    texts += [f"{name} against {first}: high redshifts\n{format_selections(reports['high_z'])}\n"]
    write_text(text_path, "\n".join([*texts, cuts]))
    if importlib.util.find_spec("holoviews"):
        _draw(config, name, cube, first)
    shown = format_table(table[table["by"] != "z"], PAPER_METRICS)
    return f"{name} against {first}, objects not trained on (more in {text_path})\n{shown}"


def _recommend_cuts(config: RunConfig, name: str, cube: xr.Dataset, reference: str | None) -> str:
    """Write what cuts in quality promise and hold; return the recommended ones as text."""
    settings, stem = config.evaluate, config.results(name)
    own = claimed(cube)
    try:
        promise = promised(config, name, own.mag_i)
    except (InputError, StoreError) as error:
        return f"{name}: no cuts are recommended, as nothing stands in for its galaxies: {error}\n"
    samples = {PROMISED: promise, CLAIMED: own, FOUND: found(cube, reference)}
    table, lines = recommended(samples, settings), curves(samples, settings)
    write_table(table, stem.with_name(f"{stem.name}_cuts.parquet"))
    write_table(lines, stem.with_name(f"{stem.name}_cut_curves.parquet"))
    if importlib.util.find_spec("holoviews"):
        from hscz.figures.cuts import purity_against_completeness

        figure = purity_against_completeness(lines, settings.wanted_eta, name, reference or "")
        figure.save(stem.with_name(f"{stem.name}_cuts"))
    n = len(np.unique(promise.galaxy))
    return (
        f"{name}: cuts that promise eta + error <= {settings.wanted_eta:g}, by the labels of {n:,} "
        f"held-out source galaxies in place of its own\n"
        f"{format_cuts(table, settings.wanted_eta, reference)}\n"
    )


def _calibration_of(cube: xr.Dataset) -> Calibration | None:
    """Return how the PDFs of a cube were calibrated; None where they stand as predicted."""
    note = cube.attrs.get("calibration", "none")
    return None if note == "none" else Calibration.noted(json.loads(note))


def _calibration_text(cube: xr.Dataset, table: pd.DataFrame) -> str:
    """Return the table of calibration as text; where there are two versions, side by side."""
    calibration, shown = _calibration_of(cube), (tuple(CALIBRATION_TITLES), CALIBRATION_TITLES)
    before, now = (table[table["pdfs"] == version] for version in (AS_PREDICTED, CALIBRATED))
    if calibration is None:
        text = format_table(before, *shown)
    else:
        head = f"{calibration.in_words}\n{AS_PREDICTED} to {CALIBRATED}:"
        text = f"{head}\n{format_table(now, *shown, before)}"
    return f"{text}\nz_median is the estimate: in bins of true redshift even right PDFs fail"


def evaluation_note(config: RunConfig, name: str) -> Path:
    """Return the path of the note of what the judgement of a field was made from."""
    return config.results(name).with_name(f"{name}.evaluate.json")


def evaluation_key(config: RunConfig, name: str) -> Key:
    """Return what the judgement of a field is made from."""
    inputs = {"predict": {name: identity(config.cube(name))}}
    return key_of(inputs, {"rules of evaluation": RULES}, evaluate=config.evaluate)


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
        ``calibration`` (`hscz.evaluate.calibration.calibration_table` with a column ``pdfs``:
        `AS_PREDICTED`, and `CALIBRATED` where they were; in bins of magnitude and of estimated
        redshift, since in bins of true redshift even perfect PDFs fail), ``coverage``
        (`hscz.evaluate.calibration.coverage_table`), ``credibility``
        (`hscz.evaluate.calibration.credibility_curve`, by ``level``), ``flags``
        (`hscz.evaluate.flags.flag_purity`) and ``high_z``
        (`hscz.evaluate.high_z.selection_table`).
    """
    cube = _compared(cube, reference)
    scores = _scores(cube, reference, settings.seed)
    *_, own = scores.values()
    mag_i, z_median = cube["mag_i"].values, cube["z_median"].values
    z_true = cube[reference].values.astype(np.float64)
    by = {
        "mag_i": (mag_i, np.array(settings.mag_edges)),
        "z_median": (z_median, np.array(settings.z_edges)),
    }
    points = {"z_median": z_median, "z_risk": own["z_risk"]}
    p_beyond = {limit: own[f"p_{limit:g}"] for limit in LIMITS}
    cells = (settings.mag_edges, settings.z_edges)
    tables = {version: calibration_table(one, by) for version, one in scores.items()}
    calibration = pd.concat(tables, names=["pdfs"]).reset_index("pdfs")
    return {
        "calibration": calibration.reset_index(drop=True),
        "coverage": coverage_table(own["pit"], mag_i, z_median, *cells),
        "credibility": pd.DataFrame(
            {"level": CREDIBILITIES, "fraction": credibility_curve(own["hpd"], CREDIBILITIES)}
        ),
        "flags": flag_purity(cube["flags"].values, z_median, z_true),
        "high_z": selection_table(z_true, p_beyond, points),
    }


def _scores(cube: xr.Dataset, reference: str, seed: int) -> dict[str, dict[str, FloatArray]]:
    """Return the scores of each object by version of its PDF; the last is that of the cube."""
    calibration, n = _calibration_of(cube), cube.sizes["object"]
    # Each version meets the same draws, so that the PDFs alone make the difference.
    rngs = {version: np.random.default_rng(seed) for version in (AS_PREDICTED, CALIBRATED)}
    parts: dict[str, list[dict[str, FloatArray]]] = {}
    for block in (cube.isel(object=slice(start, start + BLOCK)) for start in range(0, n, BLOCK)):
        edges, z = block["z_edges"].values, block[reference].values.astype(np.float64)
        for version, density in _versions(block, calibration).items():
            beyond = 1 - pdf.cdf_at(density, edges, np.array(LIMITS)[:, None])
            found = object_scores(density, edges, z, rngs[version])
            found |= {"z_risk": pdf.least_risk(density, edges)}
            found |= {f"p_{limit:g}": p for limit, p in zip(LIMITS, beyond, strict=True)}
            parts.setdefault(version, []).append(found)
    return {
        version: {key: np.concatenate([one[key] for one in some]) for key in some[0]}
        for version, some in parts.items()
    }


def _versions(cube: xr.Dataset, calibration: Calibration | None) -> dict[str, NDArray[np.float32]]:
    """Return the PDFs as predicted and, where they are calibrated, as the cube holds them."""
    density = cube["pdf"].values
    if calibration is None:
        return {AS_PREDICTED: density}
    known = (cube[name].values for name in ("z_edges", "mag_i", "object_id"))
    return {AS_PREDICTED: calibration.undo(density, *known), CALIBRATED: density}


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
