"""Short timings of networks on synthetic data, each in a process of its own.

A process of its own shows what one stage needs in memory, and leaves torch out of the caller's.
Batches grow until they have their full size or take long; the rest of the way is scaled.
"""

from __future__ import annotations

import math
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import dask
from dask.callbacks import Callback

from hscz.config import RunConfig

T = TypeVar("T")

SMALLEST = 4
"""Galaxies of the first timed batch; those of the adversary are multiples of it."""

LONG_SECONDS = 2.0
"""Batches that take longer are not timed, unless they are among the first two."""

LEAST_SECONDS = 2.0
"""How long full batches are timed that do not take so long."""

MOST_BATCHES, MOST_BLOCK = 64, 2048
"""Most of them, and most objects of a timed block."""


@dataclass(frozen=True)
class Training:
    """What one training costs on this machine.

    Attributes
    ----------
    step_seconds : float
        One batch.
    memory_mb, gpu_mb : float
        Peaks besides the stamps; `gpu_mb` is 0 without a GPU.
    model_mb : float
        Files of one network.
    """

    step_seconds: float
    memory_mb: float
    gpu_mb: float
    model_mb: float


@dataclass(frozen=True)
class Prediction:
    """What prediction with one network costs on this machine, with all workers busy.

    Attributes
    ----------
    object_seconds : float
        One object through one network, from store to cube.
    start_seconds : float
        What a cube takes besides, however many objects it has.
    memory_mb, gpu_mb : float
        Peaks besides the stamps of the blocks; `gpu_mb` is 0 without a GPU.
    """

    object_seconds: float
    start_seconds: float
    memory_mb: float
    gpu_mb: float


@dataclass(frozen=True)
class Rung:
    """One batch size: seconds of a batch, and peaks of memory so far."""

    batch: int
    seconds: float
    memory_mb: float
    gpu_mb: float


def try_training(config: RunConfig, threads: int, store_px: int) -> Training:
    """Time the training of a configuration, on noise.

    Parameters
    ----------
    config : RunConfig
        Its stores are neither read nor written.
    threads : int
        Cores that one training has.
    store_px : int
        Side of the stamps in the stores.
    """
    with tempfile.TemporaryDirectory() as folder:
        small = _small(config, folder)
        found = _apart(_train, small, threads, store_px)
        files = [file for file in small.models[0].rglob("*") if file.is_file()]
        model_mb = sum(file.stat().st_size for file in files) / 1e6
    return Training(found.seconds, found.memory_mb, found.gpu_mb, model_mb)


def try_prediction(config: RunConfig, threads: int, store_px: int) -> Prediction:
    """Time the prediction with one network of a configuration; see `try_training`."""
    with tempfile.TemporaryDirectory() as folder:
        return _apart(_predict, _small(config, folder), threads, store_px)


def climb(measure: Callable[[int], Rung], full: int) -> Rung:
    """Time growing batches up to the full one, or say from the last two what it would take.

    Parameters
    ----------
    measure : callable
        Times a batch of so many galaxies.
    full : int

    Returns
    -------
    Rung
        That of the full batch. Time is in proportion to its size, memory on a straight line.

    Examples
    --------
    >>> climb(lambda batch: Rung(batch, 0.5 * batch, 100.0 + 10.0 * batch, 0.0), 64)
    Rung(batch=64, seconds=32.0, memory_mb=740.0, gpu_mb=0.0)
    """
    rungs = [measure(min(SMALLEST, full))]
    while rungs[-1].batch < full:
        last = rungs[-1]
        if len(rungs) > 1 and 2 * last.seconds > LONG_SECONDS:
            return _scaled(rungs[-2], last, full)
        growth = max(2, round(LONG_SECONDS / last.seconds / 2))
        rungs.append(measure(min(full, growth * last.batch)))
    return rungs[-1]


def _scaled(one: Rung, other: Rung, full: int) -> Rung:
    further = (full - other.batch) / (other.batch - one.batch)
    peaks = (
        b + further * max(0.0, b - a)
        for a, b in ((one.memory_mb, other.memory_mb), (one.gpu_mb, other.gpu_mb))
    )
    return Rung(full, other.seconds * full / other.batch, *peaks)


def _small(config: RunConfig, folder: str) -> RunConfig:
    """Return the configuration with everything that costs time, but few objects and epochs."""
    from hscz.config.learn import FlattenConfig

    # The four redshifts of a mixture cost no more than the width of a soft label.
    targets = "soft" if config.train.targets == "mixture" else config.train.targets
    train = replace(config.train, name="trial", epochs=2, runs=1, folds=1, targets=targets)
    train = replace(train, spec_fields=(), max_galaxies=0, label="z_label", validation_fraction=0.0)
    return replace(
        config,
        stores=folder,
        train=train,
        # Few galaxies have few neighbours, and all pairs are to be shown to the adversary.
        adapt=replace(config.adapt, neighbours=1, max_gap_mag=99.0),
        flatten=FlattenConfig(enabled=False),
        # So few objects give no calibration, which costs little beside the network.
        predict=replace(config.predict, name="trial", stand_in={}, calibrate="none"),
    )


def _apart(
    task: Callable[[RunConfig, int, int], T], config: RunConfig, threads: int, store_px: int
) -> T:
    """Run a task in a fresh process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(task, config, threads, store_px).result()


def _train(config: RunConfig, threads: int, store_px: int) -> Rung:
    """Time a full batch of training."""
    import torch

    from hscz.learn.folder import ModelFolder
    from hscz.learn.train import train

    torch.set_num_threads(threads)

    def run(batch: int, batches: int = 1) -> Rung:
        some = replace(config, train=replace(config.train, batch_size=batch))
        _write_stores(some, batch * batches, store_px)
        train(some, force=True, progress=False)
        # The second epoch: the first one sets up what it needs.
        last = ModelFolder(some.models[0]).epochs()[-1]
        return Rung(batch, last["seconds"] / batches, *_peaks())

    found = climb(run, config.train.batch_size)
    if found.seconds >= LEAST_SECONDS / 2:
        return found
    batches = min(MOST_BATCHES, math.ceil(LEAST_SECONDS / found.seconds))
    return replace(found, seconds=run(found.batch, batches).seconds)


def _predict(config: RunConfig, threads: int, store_px: int) -> Prediction:
    """Time full batches of prediction on all threads."""
    from hscz.plan import synthetic
    from hscz.predict.stage import predict_field

    name = config.train.fields[0]
    synthetic.model(config.models[0], config)

    start_seconds = 0.0

    def run(batch: int, block: int = 0) -> Rung:
        nonlocal start_seconds
        block = block or batch
        _write_stores(config, threads * block, store_px)
        some = replace(config, predict=replace(config.predict, batch_size=batch, block=block))
        # The first time loads the network; the second finds it and writes the cube anew.
        for _ in range(2):
            begun = time.perf_counter()
            with dask.config.set(num_workers=threads), _Clock() as clock:
                predict_field(some, name, progress=False)
            start_seconds = time.perf_counter() - begun - clock.seconds
        return Rung(batch, clock.seconds * batch / block, *_peaks())

    full, largest = (min(n, config.predict.block) for n in (config.predict.batch_size, MOST_BLOCK))
    found = climb(run, full)
    if found.seconds < LEAST_SECONDS / 2:
        found = run(full, max(full, largest))
    per_object = found.seconds / (threads * found.batch)
    return Prediction(per_object, start_seconds, found.memory_mb, found.gpu_mb)


class _Clock(Callback):
    """Seconds of the longest Dask computation: to open stores takes as long for few objects."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = self.begun = 0.0

    def _start(self, dsk: object) -> None:
        self.begun = time.perf_counter()

    def _finish(self, dsk: object, state: object, errored: bool) -> None:
        self.seconds = max(self.seconds, time.perf_counter() - self.begun)


def _write_stores(config: RunConfig, n: int, side_px: int) -> None:
    """Write stores of noise for each field of a configuration, in place of earlier ones."""
    from hscz.plan.synthetic import field_store

    for name in (*config.train.fields, *config.adapt.targets):
        path = config.field_store(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(path, ignore_errors=True)
        field_store(path, n, bands=config.train.bands, side_px=side_px)


def _peaks() -> tuple[float, float]:
    """Return the peaks of this process's resident memory and of its memory on the GPU."""
    import torch

    gpu_mb = torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else 0.0
    status = Path("/proc/self/status")
    if status.exists():
        # The kernel's own mark begins with the program; getrusage's begins with the parent's.
        marks = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return float(marks["VmHWM"].split()[0]) * 1024 / 1e6, gpu_mb
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6), gpu_mb
