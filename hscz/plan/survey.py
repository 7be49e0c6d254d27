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
from hscz.experiments.experiment import Experiment, experiments, seeded
from hscz.plan import costs
from hscz.plan.costs import Cost
from hscz.plan.sizes import FieldSize, field_size
from hscz.plan.timings import Timings, measure


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
class Repeat:
    """One seed of a run: its fields, its trainings and its predictions.

    Attributes
    ----------
    config : RunConfig
    fields : tuple of str
    trained : tuple of RunConfig
        One for each set of networks.
    predicted : tuple of (RunConfig, str)
        One for each PDF cube, with its field.
    published : tuple of str
        Fields of the catalogues.
    """

    config: RunConfig
    fields: tuple[str, ...]
    trained: tuple[RunConfig, ...]
    predicted: tuple[tuple[RunConfig, str], ...]
    published: tuple[str, ...]

    @classmethod
    def of(cls, config: RunConfig) -> Repeat:
        """Return what the stages of one seed do; see `hscz.run.stages.stages`."""
        from hscz.experiments.campaign import predictions, trainings
        from hscz.run.stages import fields_of

        if not config.experiments.recipes:
            config.check_fields("train.fields", config.train.fields)
            names = config.predict_fields
            cubes = tuple((config, name) for name in names)
            return cls(config, tuple(config.fields), (config,), cubes, names)
        recipes: Sequence[Experiment] = experiments(config)
        published = (o.target for o in recipes if o.recipe == config.experiments.publish)
        networks = (pair for pair in predictions(recipes) if pair[0].estimator.trains)
        return cls(
            config,
            tuple(fields_of(recipes)),
            tuple(trainings(recipes)),
            tuple((one.config, name) for one, name in networks),
            tuple(published),
        )

    @property
    def jobs(self) -> int:
        """Trainings, and predictions, that run side by side."""
        return self.config.experiments.jobs if self.config.experiments.recipes else 1


@dataclass(frozen=True)
class Plan:
    """What a run will take.

    Attributes
    ----------
    config : RunConfig
    costs : tuple of Cost
        Stage by stage; the same stage of several seeds is one.
    machine : Machine
    """

    config: RunConfig
    costs: tuple[Cost, ...]
    machine: Machine


def plan(config: RunConfig, progress: bool = True) -> Plan:
    """Estimate what a run will take, from its fields' sizes and short timings on noise.

    Parameters
    ----------
    config : RunConfig
    progress : bool
        Whether to say what is being counted and timed.

    Returns
    -------
    Plan
    """
    machine = Machine.here(config.root)
    repeats = [Repeat.of(each) for each in seeded(config)]
    sizes = [_sizes(repeat, progress) for repeat in repeats]
    threads = max(1, machine.cores // repeats[0].jobs)
    trained = [each for repeat in repeats for each in repeat.trained]
    used = [each for repeat in repeats for each, _ in repeat.predicted]
    timings = measure(config, trained, used, threads, progress)
    found = [
        cost
        for repeat, its in zip(repeats, sizes, strict=True)
        for cost in (
            *_field_costs(repeat, its, timings, machine),
            *_network_costs(repeat, its, timings, threads),
        )
    ]
    return Plan(config, _merged(found), machine)


def _sizes(repeat: Repeat, progress: bool) -> dict[str, FieldSize]:
    sizes = {}
    with tqdm(repeat.fields, disable=not progress, leave=False) as bar:
        for name in bar:
            bar.set_description(f"counting: {name}")
            sizes[name] = field_size(repeat.config, name)
    return sizes


def _field_costs(
    repeat: Repeat, sizes: dict[str, FieldSize], timings: Timings, machine: Machine
) -> Iterable[Cost]:
    config = repeat.config
    for size in sizes.values():
        if config.mock is not None and size.name in config.mock.fields:
            yield costs.mock_cost(config, size, timings.mock, machine.cores)
        if config.fields[size.name].fetch is not None:
            yield costs.fetch_cost(config, size)
    for size in sizes.values():
        yield costs.ingest_cost(config, size, timings.ingest_seconds_per_mpx, machine.cores)
        if config.fields[size.name].has_labels:
            yield costs.label_cost(config, size)


def _network_costs(
    repeat: Repeat, sizes: dict[str, FieldSize], timings: Timings, threads: int
) -> Iterable[Cost]:
    """Yield the costs of training, prediction and export."""
    jobs = repeat.jobs
    for each in repeat.trained:
        trial, prediction = timings.training(each), timings.prediction(each)
        cost = costs.train_cost(each, sizes, trial, prediction)
        yield costs.side_by_side(cost, min(jobs, len(repeat.trained)))
    for each, name in repeat.predicted:
        cost = costs.predict_cost(each, sizes[name], timings.prediction(each), threads)
        yield costs.side_by_side(cost, min(jobs, len(repeat.predicted)))
    for name in repeat.published:
        yield costs.export_cost(repeat.config, sizes[name], timings.export_seconds)


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
            for name in ("objects", "files", "tasks", "fetch_mb", "disk_mb", "seconds", "shown")
        }
        merged[key] = replace(merged[key], **sums)
    order = list(dict.fromkeys(cost.stage for cost in merged.values()))
    return tuple(sorted(merged.values(), key=lambda cost: order.index(cost.stage)))


def _gpu_mb() -> float:
    """Return the memory of the GPU, asked without loading torch."""
    if shutil.which("nvidia-smi") is None:
        return 0.0
    import subprocess

    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    return float(answer[0]) * 1.048576 if answer and answer[0].isdigit() else 0.0
