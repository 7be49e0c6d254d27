"""What each stage takes on disk, in memory and in time, from sizes and short timings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from hscz.config import RunConfig
from hscz.fetch.wanted import expected
from hscz.ingest.stage import PROCESS_MB, tile_px
from hscz.plan.files import Mocking
from hscz.plan.sizes import SOURCES, FieldSize
from hscz.plan.trial import Prediction, Training
from hscz.predict.ensemble import RENORMALISE_ON

COLUMN_BYTES = 250
"""An object's columns in a store, a cube or a catalogue, with its labels."""

PLANE_BYTES_PER_PX = 12
"""Image, mask and variance of one band of a patch."""

INGEST_BYTES_PER_PX = 60
"""Memory of one worker per pixel of a tile, measured on the demo. Ingest itself reckons with more
(`hscz.ingest.stage.WORKING_BYTES_PER_PX`) where it has a limit to keep."""

FLATTENED_SHARE = 0.86
"""Galaxies that stay when over-densities are thinned out: about 14 % go (section 3.2 of the
paper)."""

READ_MB_PER_S = 400.0
"""Images and stamps from a disk into memory."""

TABLE_MB_PER_S = 50.0
"""Tables of redshifts read and matched; the compressed ones of COSMOS2020 are not quicker."""


@dataclass(frozen=True)
class Cost:
    """What one stage takes.

    Attributes
    ----------
    stage, what : str
        The verb, and the field or the networks.
    objects, files, tasks : int
        Galaxies, files to fetch, and tasks of the Dask graph; 0 where there are none.
    fetch_mb, disk_mb : float
        What comes from archives, and what is written.
    memory_mb, gpu_mb : float
        Peaks; 0 where unknown.
    seconds : float
        0 where unknown.
    shown : float
        Source galaxies that all epochs of a training show to all of its networks.
    source : str
        Where the number of objects comes from, one of `hscz.plan.sizes.SOURCES`.
    at_most : bool
        Whether nothing says the number of labels, so that it is that of the objects.
    remedy : str
        Setting that takes down what is largest.
    """

    stage: str
    what: str
    objects: int = 0
    files: int = 0
    tasks: int = 0
    fetch_mb: float = 0.0
    disk_mb: float = 0.0
    memory_mb: float = 0.0
    gpu_mb: float = 0.0
    seconds: float = 0.0
    shown: float = 0.0
    source: str = ""
    at_most: bool = False
    remedy: str = field(default="", compare=False)


def mock_cost(config: RunConfig, size: FieldSize, mock: Mocking, workers: int) -> Cost:
    """Return what the files of a mock field take: a task a patch."""
    assert config.mock is not None
    disk_mb = size.tiles * size.bands * size.tile_px**2 * PLANE_BYTES_PER_PX / 1e6
    painting = size.area_arcmin2 * mock.seconds_per_arcmin2 / min(workers, size.tiles)
    return Cost(
        "mock",
        size.name,
        size.objects,
        tasks=size.tiles,
        disk_mb=disk_mb,
        seconds=mock.start_seconds / len(config.mock.fields) + painting,
        source=size.source,
    )


def fetch_cost(config: RunConfig, size: FieldSize) -> Cost:
    """Return what a field's files from archives take; tables count as files without bytes."""
    files, _, mb = expected(config, size.name)
    rate = config.plan.mbit_per_s / 8
    seconds = max(mb / rate, files / config.fetch.requests_per_second)
    return Cost("fetch", size.name, files=files, fetch_mb=mb, seconds=seconds)


def ingest_cost(config: RunConfig, size: FieldSize, seconds_per_mpx: float, workers: int) -> Cost:
    """Return what the ingest of a field takes: a task a patch, a band in memory at a time."""
    side_px = min(size.tile_px, tile_px(config.ingest))
    stamp_bytes = size.bands * config.ingest.stamp_px**2 * 2
    at_work = max(1, min(workers, size.tiles))
    mpx = size.tiles * size.bands * size.tile_px**2 / 1e6
    peak_mb = PROCESS_MB + at_work * INGEST_BYTES_PER_PX * side_px**2 / 1e6
    return Cost(
        "ingest",
        size.name,
        size.objects,
        tasks=size.tiles * max(1, round(size.tile_px / side_px)) ** 2,
        disk_mb=size.objects * (stamp_bytes + COLUMN_BYTES) / 1e6,
        memory_mb=peak_mb,
        # The images of a survey are not in memory already, as those of a short timing are.
        seconds=max(mpx * seconds_per_mpx / at_work, mpx * PLANE_BYTES_PER_PX / READ_MB_PER_S),
        source=size.source,
        remedy=f"ingest.memory_limit_mb = {max(1000.0, peak_mb / 2):.0f}",
    )


def label_cost(config: RunConfig, size: FieldSize) -> Cost:
    """Return what labels take; the time is known once the tables are there."""
    entry = config.fields[size.name]
    tables = (*entry.spec, *([entry.oii] if entry.oii else []))
    names = [entry.c2020_classic, entry.c2020_farmer, entry.truth, *(t.file for t in tables)]
    files = [Path(name) for name in names if name]
    there = all(file.exists() for file in files)
    mb = sum(file.stat().st_size for file in files) / 1e6 if there else 0.0
    return Cost(
        "label",
        size.name,
        size.labelled,
        seconds=mb / TABLE_MB_PER_S,
        source=size.source,
        at_most=size.at_most,
    )


def train_cost(
    config: RunConfig, sizes: Mapping[str, FieldSize], trial: Training, prediction: Prediction
) -> Cost:
    """Return what the networks of one configuration take, one after another."""
    train, adapt = config.train, config.adapt
    stamp_mb = len(train.bands) * held_px(config) ** 2 * 2 / 1e6
    labelled = sum(_labelled(sizes[name], train.label) for name in train.fields)
    labelled += sum(sizes[name].spectra for name in train.spec_fields)
    training = labelled * (1 - train.validation_fraction)
    if train.max_galaxies:
        training = min(training, train.max_galaxies)
    held = training + labelled * train.validation_fraction
    drawn = training * (FLATTENED_SHARE if config.flatten.enabled else 1.0)
    targets = sum(min(adapt.n_targets, sizes[name].objects) for name in adapt.targets)
    stamps_mb = (held + targets) * stamp_mb + held * train.n_bins * 4 / 1e6
    networks = len(config.models)
    epoch = drawn / train.batch_size * trial.step_seconds
    epoch += labelled * train.validation_fraction * prediction.object_seconds
    read = (held + targets) * len(train.bands) * config.ingest.stamp_px**2 * 2 / 1e6
    remedy = "train.max_galaxies", training / 2
    if adapt.targets:
        remedy = "adapt.n_targets", adapt.n_targets / 4
    learnt = [sizes[name] for name in (*train.fields, *train.spec_fields)]
    return Cost(
        "train",
        train.name,
        round(held + targets),
        disk_mb=networks * trial.model_mb,
        memory_mb=trial.memory_mb + (0.0 if trial.gpu_mb else stamps_mb),
        gpu_mb=trial.gpu_mb + (stamps_mb if trial.gpu_mb else 0.0),
        seconds=networks * train.epochs * epoch + read / READ_MB_PER_S,
        shown=networks * train.epochs * drawn,
        source=least_sure(size.source for size in learnt),
        at_most=any(size.at_most for size in learnt) and train.label != "z_true",
        remedy=f"{remedy[0]} = {max(1000, round(remedy[1], -3)):.0f}",
    )


def predict_cost(config: RunConfig, size: FieldSize, trial: Prediction, workers: int) -> Cost:
    """Return what one cube takes: a task a block, all networks on each.

    Networks that are given a field's own statistics see some of its stamps twice.
    """
    block = min(config.predict.block, size.objects)
    stamp_mb = len(config.train.bands) * config.ingest.stamp_px**2 * 2 / 1e6
    blocks = -(-size.objects // config.predict.block)
    at_work = min(workers, blocks)
    blocks_mb = at_work * block * (stamp_mb + config.train.n_bins * 16 / 1e6)
    separate = config.adapt.separate_statistics and config.network.norm == "batch"
    again = min(RENORMALISE_ON, size.objects) if config.predict.renormalise or separate else 0
    # On a processor each worker has a core, and the last block and the statistics one alone.
    lanes = 1 if trial.gpu_mb else workers
    longest = min(size.objects, -(-blocks // lanes) * block) + again
    passes = longest * lanes * len(config.models) * config.predict.turns
    fewer = max(16, config.predict.batch_size // 4)
    remedy = (
        f"predict.batch_size = {fewer}" if trial.memory_mb > blocks_mb else "predict.block = 1024"
    )
    return Cost(
        "predict",
        f"{config.predict.name or config.train.name} {size.name}",
        size.objects,
        tasks=blocks,
        disk_mb=cube_mb(config, size.objects),
        memory_mb=trial.memory_mb + blocks_mb,
        gpu_mb=trial.gpu_mb,
        seconds=trial.start_seconds + passes * trial.object_seconds,
        source=size.source,
        remedy=f"{remedy}, or fewer Dask workers",
    )


def export_cost(config: RunConfig, size: FieldSize, object_seconds: float) -> Cost:
    """Return what the catalogues of a field take."""
    disk_mb = size.objects * COLUMN_BYTES * len(config.export.formats) / 1e6
    if config.export.include_pdf:
        disk_mb += len(config.export.formats) * cube_mb(config, size.objects)
    return Cost(
        "export",
        size.name,
        size.objects,
        disk_mb=disk_mb,
        seconds=size.objects * object_seconds,
        source=size.source,
    )


def cube_mb(config: RunConfig, objects: int) -> float:
    """Return the size of a PDF cube, whose densities hardly compress."""
    return objects * (config.train.n_bins * 4 + COLUMN_BYTES) / 1e6


def held_px(config: RunConfig) -> int:
    """Return the side of the stamps that training holds; see `hscz.learn.data.side_px`."""
    from hscz.learn.adapt import wanted

    side = config.network.input_px
    return max(side, min(config.ingest.stamp_px, side + 2 * wanted(config).margin_px))


def side_by_side(cost: Cost, jobs: int) -> Cost:
    """Return a cost where so many of its kind run at once on one machine."""
    return replace(cost, memory_mb=cost.memory_mb * jobs, seconds=cost.seconds / jobs)


def least_sure(sources: Iterable[str]) -> str:
    """Return the source that is the least sure of several.

    Examples
    --------
    >>> least_sure(["stated", "store"])
    'stated'
    """
    return max(sources, key=SOURCES.index, default="")


def _labelled(size: FieldSize, label: str) -> int:
    return size.objects if label == "z_true" else size.labelled
