"""Short timings of the real stages on synthetic data, each in a process of its own.

A process of its own tells what one stage needs in memory, and leaves torch out of the caller's.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from hscz.config import RunConfig

T = TypeVar("T")

LEAST_SECONDS = 3.0
"""A timed epoch lasts at least so long, unless it has the most batches already."""

FEWEST, MOST = 4, 64
"""Batches of the shortest and of the longest timed epoch."""


@dataclass(frozen=True)
class Trial:
    """What one training and its prediction cost on this machine.

    Attributes
    ----------
    step_seconds : float
        One batch of training.
    train_mb : float
        Peak memory of training besides the stamps.
    gpu_mb : float
        Peak memory of the GPU besides the stamps; 0 without one.
    object_seconds : float
        One object through one network in prediction, from store to cube.
    predict_mb : float
        Peak memory of prediction with one worker, besides the stamps of its block.
    model_mb : float
        Files of one network.
    """

    step_seconds: float
    train_mb: float
    gpu_mb: float
    object_seconds: float
    predict_mb: float
    model_mb: float


def try_training(config: RunConfig, threads: int, store_px: int) -> Trial:
    """Time the training of a configuration and a prediction with it, on noise.

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
        batches, seconds = FEWEST, 0.0
        while True:
            _write_stores(small, batches, store_px)
            found = _apart(_train, small, threads)
            seconds, train_mb, gpu_mb = found
            if seconds >= LEAST_SECONDS or batches >= MOST:
                break
            batches = min(MOST, 4 * batches)
        object_seconds, predict_mb = _apart(_predict, small, threads)
        files = [f for f in small.models[0].rglob("*") if f.is_file()]
        model_mb = sum(f.stat().st_size for f in files) / 1e6
    return Trial(seconds / batches, train_mb, gpu_mb, object_seconds, predict_mb, model_mb)


def try_ingest() -> float:
    """Return the seconds that it takes to cut one band of a megapixel, with its galaxies."""
    import numpy as np

    from hscz.plan.sizes import SURVEY_PER_ARCMIN2
    from hscz.plan.synthetic import calexp
    from hscz.sky.cutouts import cut_tile
    from hscz.sky.region import open_region
    from hscz.survey import PIXEL_SCALE_ARCSEC, STAMP_PX

    side = 2000
    with tempfile.TemporaryDirectory() as folder:
        calexp(Path(folder) / "noise-i.fits", side)
        (tile,) = open_region(dict.fromkeys(["i"], str(Path(folder) / "noise-{band}.fits"))).tiles
        n = round(SURVEY_PER_ARCMIN2 * (side * PIXEL_SCALE_ARCSEC / 60.0) ** 2)
        x, y = np.random.default_rng(1).uniform(STAMP_PX, side - STAMP_PX, (2, n))
        cut_tile(tile, x, y)
        begun = time.perf_counter()
        cut_tile(tile, x, y)
        return (time.perf_counter() - begun) / (side**2 / 1e6)


def _small(config: RunConfig, folder: str) -> RunConfig:
    """Return the configuration with everything that costs time, but few objects and epochs."""
    from hscz.learn.settings import FlattenConfig

    train = replace(
        config.train, name="trial", epochs=2, runs=1, folds=1, spec_fields=(), max_galaxies=0
    )
    return replace(
        config,
        stores=folder,
        train=replace(train, label="z_label", validation_fraction=0.2),
        flatten=FlattenConfig(enabled=False),
        # So few objects tell no calibration, which costs little beside the network.
        predict=replace(config.predict, name="trial", stand_in={}, calibrate="none"),
    )


def _write_stores(config: RunConfig, batches: int, side_px: int) -> None:
    """Write stores of noise for each field of a configuration, in place of earlier ones."""
    import shutil

    from hscz.plan.synthetic import field_store

    # A few more, since the held-out part is drawn at random.
    n = round((batches + 0.5) * config.train.batch_size / (1 - config.train.validation_fraction))
    for name in (*config.train.fields, *config.adapt.targets):
        path = config.field_store(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(path, ignore_errors=True)
        field_store(path, max(n, 64), bands=config.train.bands, side_px=side_px)


def _apart(task: Callable[[RunConfig, int], T], config: RunConfig, threads: int) -> T:
    """Run a task in a fresh process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(task, config, threads).result()


def _train(config: RunConfig, threads: int) -> tuple[float, float, float]:
    """Return the seconds of an epoch, and the peaks of memory and GPU memory without stamps."""
    import torch

    from hscz.learn.train import train

    torch.set_num_threads(threads)
    train(config, force=True, progress=False)
    rows = (config.models[0] / "history.jsonl").read_text().splitlines()
    gpu_mb = torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else 0.0
    return json.loads(rows[-1])["seconds"], _peak_mb(), gpu_mb


def _predict(config: RunConfig, threads: int) -> tuple[float, float]:
    """Return the seconds of one object, and the peak of memory with one worker."""
    import dask

    from hscz.predict import predict_field
    from hscz.stores import open_field

    name = config.train.fields[0]
    n = open_field(config.field_store(name), lazy=False).sizes["object"]
    config = replace(config, predict=replace(config.predict, block=-(-n // threads)))
    seconds = 0.0
    # The first time loads the network; the second finds it and writes the cube anew.
    for _ in range(2):
        begun = time.perf_counter()
        with dask.config.set(num_workers=threads):
            predict_field(config, name, progress=False)
        seconds = time.perf_counter() - begun
    return seconds / n, _peak_mb()


def _peak_mb() -> float:
    """Return the peak of this process's resident memory."""
    status = Path("/proc/self/status")
    if status.exists():
        # The kernel's own mark begins with the program; getrusage's begins with the parent's.
        marks = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return float(marks["VmHWM"].split()[0]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
