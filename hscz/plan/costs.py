"""What each stage takes on disk, in memory and in time, from sizes and short timings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hscz.config import RunConfig
from hscz.fetch.wanted import expected
from hscz.ingest import PROCESS_MB, tile_px
from hscz.plan.sizes import FieldSize
from hscz.plan.trial import Trial

COLUMN_BYTES = 250
"""An object's columns in a store, a cube or a catalogue, with its labels."""

PLANE_BYTES_PER_PX = 12
"""Image, mask and variance of one band of a patch."""

INGEST_BYTES_PER_PX = 60
"""Memory of one worker per pixel of a tile, measured on the demo. Ingest itself reckons with more
(`hscz.ingest.WORKING_BYTES_PER_PX`) where it has a limit to keep."""

FLATTENED_SHARE = 0.86
"""Galaxies that stay when over-densities are thinned out: about 14 % go (section 3.2 of the
paper)."""

READ_MB_PER_S = 400.0
"""Stamps of a store into memory."""


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
    mend : str
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
    mend: str = field(default="", compare=False)


def mock_cost(size: FieldSize) -> Cost:
    """Return what the files of a mock field take."""
    disk_mb = size.tiles * size.bands * size.tile_px**2 * PLANE_BYTES_PER_PX / 1e6
    return Cost("mock", size.name, size.objects, disk_mb=disk_mb)


def fetch_cost(config: RunConfig, size: FieldSize) -> Cost:
    """Return what a field's files from archives take; tables count as files without bytes."""
    files, _, mb = expected(config, size.name)
    return Cost("fetch", size.name, files=files, fetch_mb=mb)


def ingest_cost(config: RunConfig, size: FieldSize, seconds_per_mpx: float, workers: int) -> Cost:
    """Return what the ingest of a field takes: a task a patch, a band in memory at a time."""
    side_px = min(size.tile_px, tile_px(config.ingest))
    stamp_bytes = size.bands * config.ingest.stamp_px**2 * 2
    at_work = min(workers, size.tiles)
    mpx = size.tiles * size.bands * size.tile_px**2 / 1e6
    peak_mb = PROCESS_MB + at_work * INGEST_BYTES_PER_PX * side_px**2 / 1e6
    return Cost(
        "ingest",
        size.name,
        size.objects,
        tasks=size.tiles * max(1, round(size.tile_px / side_px)) ** 2,
        disk_mb=size.objects * (stamp_bytes + COLUMN_BYTES) / 1e6,
        memory_mb=peak_mb,
        seconds=mpx * seconds_per_mpx / at_work,
        mend=f"ingest.memory_limit_mb = {max(1000.0, peak_mb / 2):.0f}",
    )


def train_cost(config: RunConfig, sizes: Mapping[str, FieldSize], trial: Trial) -> Cost:
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
    epoch += labelled * train.validation_fraction * trial.object_seconds
    read = (held + targets) * len(train.bands) * config.ingest.stamp_px**2 * 2 / 1e6
    few = max(1000, round(adapt.n_targets / 4, -3))
    return Cost(
        "train",
        train.name,
        round(held + targets),
        disk_mb=networks * trial.model_mb,
        memory_mb=trial.train_mb + (0.0 if trial.gpu_mb else stamps_mb),
        gpu_mb=trial.gpu_mb + (stamps_mb if trial.gpu_mb else 0.0),
        seconds=networks * train.epochs * epoch + read / READ_MB_PER_S,
        mend=f"adapt.n_targets = {few:.0f}" if adapt.targets else "train.max_galaxies",
    )


def predict_cost(config: RunConfig, size: FieldSize, trial: Trial, workers: int) -> Cost:
    """Return what one cube takes: a task a block, all networks on each."""
    block = min(config.predict.block, size.objects)
    stamp_mb = len(config.train.bands) * config.ingest.stamp_px**2 * 2 / 1e6
    blocks = -(-size.objects // config.predict.block)
    at_work = min(workers, blocks)
    return Cost(
        "predict",
        f"{config.predict.name or config.train.name} {size.name}",
        size.objects,
        tasks=blocks,
        disk_mb=cube_mb(config, size.objects),
        memory_mb=trial.predict_mb + at_work * block * (stamp_mb + config.train.n_bins * 16 / 1e6),
        gpu_mb=trial.gpu_mb,
        seconds=size.objects * len(config.models) * trial.object_seconds,
        mend="predict.block = 1024, or fewer Dask workers",
    )


def export_cost(config: RunConfig, size: FieldSize) -> Cost:
    """Return what the catalogues of a field take on disk."""
    disk_mb = size.objects * COLUMN_BYTES * len(config.export.formats) / 1e6
    if config.export.include_pdf:
        disk_mb += len(config.export.formats) * cube_mb(config, size.objects)
    return Cost("export", size.name, size.objects, disk_mb=disk_mb)


def cube_mb(config: RunConfig, objects: int) -> float:
    """Return the size of a PDF cube, whose densities hardly compress."""
    return objects * (config.train.n_bins * 4 + COLUMN_BYTES) / 1e6


def held_px(config: RunConfig) -> int:
    """Return the side of the stamps that training holds; see `hscz.learn.data.side_px`."""
    from hscz.learn.data import MARGIN_PX

    side = config.network.input_px
    wanted = side + 2 * MARGIN_PX if config.adapt.degrade else side
    return max(side, min(config.ingest.stamp_px, wanted))


def side_by_side(cost: Cost, jobs: int) -> Cost:
    """Return a cost where so many of its kind run at once on one machine."""
    return replace(cost, memory_mb=cost.memory_mb * jobs, seconds=cost.seconds / jobs)


def _labelled(size: FieldSize, label: str) -> int:
    return size.objects if label == "z_true" else size.labelled
