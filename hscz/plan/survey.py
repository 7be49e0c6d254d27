"""The plan of a whole run: every stage with its cost, and what will not fit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dask.system import cpu_count
from tqdm import tqdm

from hscz.config import RunConfig
from hscz.fetch.wanted import expected
from hscz.learn.experiments import Experiment, experiments, seeded
from hscz.plan import costs
from hscz.plan.costs import Cost
from hscz.plan.sizes import FieldSize, field_size
from hscz.plan.trial import Trial, try_ingest, try_training

MEMORY_SHARE = 0.9
"""Part of the machine's memory that a run may fill."""


@dataclass(frozen=True)
class Machine:
    """What there is.

    Attributes
    ----------
    cores : int
    memory_mb, gpu_mb, free_disk_mb : float
        ``gpu_mb`` is 0 without a GPU.
    """

    cores: int
    memory_mb: float
    gpu_mb: float
    free_disk_mb: float

    @classmethod
    def here(cls, folder: Path) -> Machine:
        """Describe this machine, and the disk that holds a folder."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
        while not folder.exists():
            folder = folder.parent
        return cls(cpu_count(), memory, _gpu_mb(), shutil.disk_usage(folder).free / 1e6)


@dataclass(frozen=True)
class Plan:
    """What a run will take.

    Attributes
    ----------
    costs : tuple of Cost
        Stage by stage; the same stage of several seeds is one.
    machine : Machine
    problems : tuple of str
        What will not fit, each with the setting that would mend it.
    """

    costs: tuple[Cost, ...]
    machine: Machine
    problems: tuple[str, ...]


def plan(config: RunConfig, progress: bool = True) -> Plan:
    """Estimate what a run will take, from its fields' sizes and short timings on noise.

    Parameters
    ----------
    config : RunConfig
    progress : bool
        Whether to draw a progress bar of the timings.

    Returns
    -------
    Plan
    """
    machine = Machine.here(config.root)
    seconds_per_mpx = try_ingest()
    found: list[Cost] = []
    trials: dict[str, Trial] = {}
    for each in seeded(config):
        recipes = experiments(each) if each.experiments.recipes else []
        names = _fields(each, recipes)
        sizes = {name: field_size(each, name, expected(each, name)[1]) for name in names}
        found += _field_costs(each, sizes, seconds_per_mpx, machine)
        found += _network_costs(each, recipes, sizes, trials, machine, progress)
    merged = _merged(found)
    return Plan(merged, machine, tuple(_problems(merged, machine)))


def _fields(config: RunConfig, recipes: Sequence[Experiment]) -> list[str]:
    from hscz.run import fields_of

    return fields_of(recipes) if recipes else list(config.fields)


def _field_costs(
    config: RunConfig, sizes: dict[str, FieldSize], seconds_per_mpx: float, machine: Machine
) -> Iterable[Cost]:
    for size in sizes.values():
        if config.mock is not None and size.name in config.mock.fields:
            yield costs.mock_cost(size)
        if config.fields[size.name].fetch is not None:
            yield costs.fetch_cost(config, size)
    for size in sizes.values():
        yield costs.ingest_cost(config, size, seconds_per_mpx, machine.cores)


def _network_costs(
    config: RunConfig,
    recipes: Sequence[Experiment],
    sizes: dict[str, FieldSize],
    trials: dict[str, Trial],
    machine: Machine,
    progress: bool,
) -> Iterable[Cost]:
    """Yield the costs of training, prediction and export."""
    from hscz.learn.campaign import predictions, trainings

    jobs = config.experiments.jobs if recipes else 1
    threads = max(1, machine.cores // jobs)
    trained = trainings(recipes) if recipes else [config]
    networks = [(one.config, name) for one, name in predictions(recipes) if one.method == "network"]
    if not recipes:
        networks = [(config, name) for name in config.predict_fields]
    for each in tqdm(trained, desc="timings", disable=not progress, leave=False):
        trial = _trial(each, trials, threads)
        yield costs.side_by_side(costs.train_cost(each, sizes, trial), min(jobs, len(trained)))
    for each, name in networks:
        trial = _trial(each, trials, threads)
        cost = costs.predict_cost(each, sizes[name], trial, threads)
        yield costs.side_by_side(cost, min(jobs, len(networks)))
    published = [o.target for o in recipes if o.recipe == config.experiments.publish]
    for name in published if recipes else config.predict_fields:
        yield costs.export_cost(config, sizes[name])


def _trial(config: RunConfig, trials: dict[str, Trial], threads: int) -> Trial:
    """Return the timing of one kind of training, each kind being timed once."""
    train, adapt = config.train, config.adapt
    kind = (config.network, len(train.bands), train.batch_size, train.optimiser, train.precision)
    watched = replace(adapt, targets=("T",) * bool(adapt.targets))
    key = repr((kind, bool(train.hidden), watched, train.n_bins, config.predict.batch_size))
    if key not in trials:
        trials[key] = try_training(config, threads, config.ingest.stamp_px)
    return trials[key]


def _merged(found: Iterable[Cost]) -> tuple[Cost, ...]:
    """Add up the same stage of several seeds; they follow one another."""
    merged: dict[tuple[str, str], Cost] = {}
    for cost in found:
        key = cost.stage, cost.what
        if key not in merged:
            merged[key] = cost
            continue
        sums = {
            name: getattr(merged[key], name) + getattr(cost, name)
            for name in ("objects", "files", "tasks", "fetch_mb", "disk_mb", "seconds")
        }
        merged[key] = replace(merged[key], **sums)
    order = list(dict.fromkeys(cost.stage for cost in merged.values()))
    return tuple(sorted(merged.values(), key=lambda cost: order.index(cost.stage)))


def _problems(found: Sequence[Cost], machine: Machine) -> Iterable[str]:
    room = MEMORY_SHARE * machine.memory_mb
    for cost in found:
        name = f"{cost.stage} {cost.what}"
        if cost.memory_mb > room:
            yield (
                f"{name} needs {_gb(cost.memory_mb)} GB of memory, of {_gb(room)} that may be "
                f"filled; set {cost.mend}"
            )
        if machine.gpu_mb and cost.gpu_mb > MEMORY_SHARE * machine.gpu_mb:
            yield (
                f"{name} needs {_gb(cost.gpu_mb)} GB on a GPU of {_gb(machine.gpu_mb)} GB; set "
                f"train.batch_size lower, or {cost.mend}"
            )
    disk = sum(cost.disk_mb + cost.fetch_mb for cost in found)
    if disk > machine.free_disk_mb:
        yield (
            f"the run needs {_gb(disk)} GB of disk, of {_gb(machine.free_disk_mb)} that are free; "
            "set stores to a folder on a larger disk, or run --field by field and remove images "
            "that have been ingested"
        )


def text(found: Plan, name: str) -> str:
    """Return a plan as a table.

    Examples
    --------
    >>> machine = Machine(2, 16_000.0, 0.0, 50_000.0)
    >>> print(text(Plan((Cost("mock", "ELAIS", 2463, disk_mb=700.0),), machine, ()), "run.toml"))
    run.toml on 2 cores, 16.0 GB of memory, no GPU, 50.0 GB of free disk
    stage   what                           objects  files fetch GB  disk GB  tasks mem. GB    time
    mock    ELAIS                            2,463      -        -     0.70      -       -       -
    in all                                       -      -        -     0.70      -       -       -
    label and evaluate are not estimated; everything else fits
    """
    here = found.machine
    gpu = f"a GPU of {_gb(here.gpu_mb)} GB" if here.gpu_mb else "no GPU"
    lines = [
        f"{name} on {here.cores} cores, {_gb(here.memory_mb)} GB of memory, {gpu}, "
        f"{_gb(here.free_disk_mb)} GB of free disk",
        _row(
            "stage", "what", "objects", "files", "fetch GB", "disk GB", "tasks", "mem. GB", "time"
        ),
    ]
    lines += [_line(cost) for cost in found.costs]
    total = {
        key: sum(getattr(cost, key) for cost in found.costs)
        for key in ("files", "tasks", "fetch_mb", "disk_mb", "seconds")
    }
    memory = max((cost.memory_mb for cost in found.costs), default=0.0)
    lines.append(_line(Cost("in all", "", memory_mb=memory, **total)))
    rest = "what is listed does not all fit:" if found.problems else "everything else fits"
    lines += [f"label and evaluate are not estimated; {rest}", *found.problems]
    return "\n".join(line.rstrip() for line in lines)


def _line(cost: Cost) -> str:
    def shown(value: float, form: str) -> str:
        return format(value, form) if value else "-"

    return _row(
        cost.stage,
        cost.what,
        shown(cost.objects, ","),
        shown(cost.files, ","),
        shown(cost.fetch_mb / 1e3, ".2f"),
        shown(cost.disk_mb / 1e3, ".2f"),
        shown(cost.tasks, ","),
        shown(cost.memory_mb / 1e3, ".1f"),
        _time(cost.seconds) if cost.seconds else "-",
    )


def _row(stage: str, what: str, *numbers: str) -> str:
    widths = (9, 6, 8, 8, 6, 7, 7)
    cells = " ".join(f"{cell:>{width}}" for cell, width in zip(numbers, widths, strict=True))
    return f"{stage:<7} {what:<28} {cells}"


def _time(seconds: float) -> str:
    """Return a duration in the unit that a person would use."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _gb(mb: float) -> str:
    return f"{mb / 1e3:,.1f}"


def _gpu_mb() -> float:
    """Return the memory of the GPU, asked without loading torch."""
    if shutil.which("nvidia-smi") is None:
        return 0.0
    import subprocess

    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    return float(answer[0]) * 1.048576 if answer and answer[0].isdigit() else 0.0
