"""The experiments of a run side by side: tables, text and a page of figures."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from hscz.config import EvaluateConfig, RunConfig
from hscz.config.decisive import key_of
from hscz.evaluate.tables import write_table
from hscz.experiments.account import format_comparison
from hscz.experiments.acting import probes
from hscz.experiments.compare import compare
from hscz.experiments.effort import training_effort
from hscz.experiments.experiment import Experiment
from hscz.experiments.gains import gap_closed, paired_gains
from hscz.experiments.gather import label_free, read_estimates, training_samples
from hscz.experiments.statements import PAIRS
from hscz.files.atomic import write_atomic
from hscz.files.fresh import Key, input_files
from hscz.ingest.zeropoints import report_lines
from hscz.stores import identity


def comparison_folder(config: RunConfig) -> Path:
    """Return where the comparison of a run's experiments goes."""
    return config.root / "comparisons" / config.name


def compare_experiments(plan: Sequence[Experiment], settings: EvaluateConfig, folder: Path) -> str:
    """Put all experiments to all tests.

    Writes ``comparison.parquet`` (every metric of every test), ``gaps.parquet`` (gains over v0
    and gap closed), ``pairs.parquet`` (gains of recipes over others), ``effort.parquet`` (labels
    and steps of the networks), ``scores.parquet`` (label-free scores and what they choose),
    ``probes.parquet`` (whether adversaries act), the text, and, where holoviews is installed, a
    page of figures.

    Parameters
    ----------
    plan : sequence of Experiment
        Trained and predicted.
    settings : EvaluateConfig
    folder : Path

    Returns
    -------
    str
        The table to read.

    Raises
    ------
    StoreError
        If an experiment has not been predicted.
    """
    estimates = [one for experiment in plan for one in read_estimates(experiment)]
    training = training_samples(plan)
    table, gaps = compare(estimates, training, settings), gap_closed(estimates, settings)
    pairs, effort = paired_gains(estimates, PAIRS, settings), training_effort(plan)
    scores, probed = label_free(plan), probes(plan)
    frames = {"comparison": table, "gaps": gaps, "pairs": pairs, "effort": effort}
    for name, frame in {**frames, "scores": scores, "probes": probed}.items():
        write_table(frame, folder / f"{name}.parquet")
    text = format_comparison(table, gaps, pairs, effort, probed, scores if len(scores) else None)
    text = "\n\n".join(filter(None, [text, zero_point_text(plan)]))
    write_atomic(folder / "comparison.txt", lambda path: path.write_text(text + "\n"))
    if importlib.util.find_spec("holoviews"):
        from hscz.figures.experiments import comparison_page

        comparison_page(estimates, training, table, gaps, folder)
    return text


def zero_point_text(plan: Sequence[Experiment]) -> str:
    """Return the zero points of the targets against the fields that networks learn from."""
    asked = {one.config.zero_points(one.target): (one.config, one.target) for one in plan}
    found = {path: report_lines(*some) for path, some in asked.items()}
    lines = [f"{asked[path][1]}: {line}" for path, some in found.items() for line in some]
    return "\n".join(["zero points", *lines]) if lines else ""


def comparison_key(plan: Sequence[Experiment], settings: EvaluateConfig) -> Key:
    """Return what a comparison is made from."""
    outputs = {
        f"{one.recipe} of {name} for {one.target}, seed {one.seed}": one.output(name)
        for one in plan
        for name in one.fields
    }
    tables = {name: path for name, path in outputs.items() if path.suffix == ".parquet"}
    cubes = {name: identity(path) for name, path in outputs.items() if name not in tables}
    return key_of({"predict": cubes, "table": input_files(tables)}, evaluate=settings)
