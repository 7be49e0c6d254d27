"""Train and predict many experiments, one after another or side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from tqdm import tqdm

from hscz.config import RunConfig
from hscz.errors import HsczError
from hscz.experiments.experiment import Experiment
from hscz.extras import require

Task = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function of a module, and its arguments: what another process can be sent."""


def train_all(
    experiments: Sequence[Experiment], jobs: int, resume: bool, force: bool, progress: bool
) -> None:
    """Train the networks of every experiment that are not up to date."""
    todo = [config for config in trainings(experiments) if force or why_untrained([config])]
    # The longest first, lest one goes on alone at the end.
    todo.sort(key=_length, reverse=True)
    # Bars of trainings that run side by side would write over each other.
    alone = progress and jobs == 1
    tasks: list[Task] = [(_train, (config, resume, force, alone)) for config in todo]
    side_by_side(tasks, jobs, "trainings", progress)


def predict_all(experiments: Sequence[Experiment], jobs: int, force: bool, progress: bool) -> None:
    """Write the cube or the table of every experiment and field."""
    tasks: list[Task] = [
        (_predict, (one, name))
        for one, name in predictions(experiments)
        if force or why_unpredicted(one, name)
    ]
    side_by_side(tasks, jobs, "predictions", progress)


def trainings(experiments: Sequence[Experiment]) -> list[RunConfig]:
    """Return the different trainings that experiments need."""
    networks = [one.config for one in experiments if one.estimator.trains]
    return list({config.models: config for config in networks}.values())


def _length(config: RunConfig) -> float:
    """Return about how long a training takes, in epochs of a network without an adversary."""
    step = 1.8 if "adversary" in config.adapt.in_force else 1.0
    return step * config.train.epochs * len(config.models)


def predictions(experiments: Sequence[Experiment]) -> list[tuple[Experiment, str]]:
    """Return the different predictions that experiments need: which, and of which field."""
    return list({e.output(name): (e, name) for e in experiments for name in e.fields}.values())


def why_untrained(configs: Sequence[RunConfig]) -> str:
    """Return why some of these trainings must be done; empty where all are up to date."""
    from hscz.learn.train import why_stale_models

    return next(filter(None, map(why_stale_models, configs)), "")


def why_unpredicted(experiment: Experiment, name: str) -> str:
    """Return why one field of an experiment must be predicted; empty where it is up to date."""
    return experiment.estimator.why_stale(experiment.config, name)


def side_by_side(tasks: Sequence[Task], jobs: int, label: str, progress: bool) -> None:
    """Run tasks in `jobs` processes, or here where that is one.

    The processes share the cores, and each has one of the GPUs where there are several. A task
    that fails does not stop the others.

    Raises
    ------
    ConfigError
        If torch is not installed, which shares the cores.
    HsczError
        Once all have ended, if some failed: how many, and what was wrong with the first; at once
        if a process was killed.
    """
    bar = tqdm(total=len(tasks), desc=label, disable=not progress or not tasks, leave=False)
    if jobs == 1:
        for function, arguments in tasks:
            function(*arguments)
            bar.update()
        return
    require("work side by side", "torch")
    context, errors = get_context("spawn"), []
    numbers = context.Queue()
    for number in range(jobs):
        numbers.put(number)
    with ProcessPoolExecutor(jobs, context, _take_share, (numbers, jobs)) as pool:
        futures = [pool.submit(function, *arguments) for function, arguments in tasks]
        for future in as_completed(futures):
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                raise HsczError(
                    f"{label}: one of {jobs} processes was killed, perhaps for want of memory; let "
                    "fewer work side by side (jobs), and run it again to go on"
                ) from None
            if error is not None and not isinstance(error, HsczError):
                raise error
            errors += [error] if error else []
            bar.update()
    if errors:
        raise HsczError(f"{len(errors)} of {len(tasks)} {label} failed; the first: {errors[0]}")


def _take_share(numbers: Any, jobs: int) -> None:
    """Give a fresh process its share of the cores, and a GPU of its own."""
    number = numbers.get()
    import dask
    import torch
    from dask.system import cpu_count

    threads = max(1, cpu_count() // jobs)
    torch.set_num_threads(threads)
    dask.config.set(num_workers=threads)
    if torch.cuda.device_count() > 1:
        torch.cuda.set_device(number % torch.cuda.device_count())


def _train(config: RunConfig, resume: bool, force: bool, progress: bool) -> None:
    from hscz.learn.train import train

    train(config, resume, force, progress)


def _predict(experiment: Experiment, name: str) -> None:
    experiment.estimator.predict(experiment.config, name)
