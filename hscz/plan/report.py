"""A plan as a table, with what will not fit and how to put it right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hscz.config.learn import PAPER_LAYERS
from hscz.plan.costs import Cost
from hscz.plan.survey import Plan

MEMORY_SHARE = 0.9
"""Part of the machine's memory that a run may fill."""

MOST_NAMES = 6
"""Names in a sentence on what does not fit."""

DAY_SECONDS = 86_400.0

LONG_DAYS = 3.0
"""Networks that take longer than this without a GPU are a case for one."""

A100_PER_S = 50 * 155_000 / (7.5 * 3600)
"""Source galaxies a second of the paper's adversarial training on an A100: 50 epochs of 155,000
in 7.5 hours."""


def text(found: Plan) -> str:
    """Return a plan as a table and what there is to say about it.

    Examples
    --------
    >>> from hscz.config import RunConfig
    >>> from hscz.plan.survey import Machine
    >>> machine = Machine(2, 16_000.0, 0.0, 50_000.0)
    >>> cost = Cost("mock", "ELAIS", 2463, disk_mb=700.0, seconds=9.0, source="area")
    >>> print(text(Plan(RunConfig("demo"), (cost,), machine)))
    demo on 2 cores, 16.0 GB of memory, no GPU, 50.0 GB of free disk
    stage   what                            objects from        files fetch GB  disk GB ... time
    mock    ELAIS                             2,463 area            -        -     0.70 ... 9 s
    in all                                        -                 -        -     0.70 ... 9 s
    evaluate and nz are not estimated; everything else fits
    "area" is the sky of the images times a density; say what you know under [plan.fields]
    """
    here, faults = found.machine, problems(found)
    gpu = f"a GPU of {_gb(here.gpu_mb)} GB" if here.gpu_mb else "no GPU"
    head = "objects", "from", "files", "fetch GB", "disk GB", "tasks", "mem. GB", "time"
    total = {
        key: sum(getattr(cost, key) for cost in found.costs)
        for key in ("files", "tasks", "fetch_mb", "disk_mb", "seconds")
    }
    memory = max((cost.memory_mb for cost in found.costs), default=0.0)
    unknown = ["evaluate", "nz", *dict.fromkeys(c.stage for c in found.costs if not c.seconds)]
    lines = [
        f"{found.config.name} on {here.cores} cores, {_gb(here.memory_mb)} GB of memory, {gpu}, "
        f"{_gb(here.free_disk_mb)} GB of free disk",
        _row("stage", "what", *head),
        *(_line(cost) for cost in found.costs),
        _line(Cost("in all", "", memory_mb=memory, **total)),
        f"{_listed(unknown)} {'is' if len(unknown) == 1 else 'are'} not estimated; "
        + ("what is listed does not all fit:" if faults else "everything else fits"),
        *faults,
        *_notes(found),
    ]
    return "\n".join(line.rstrip() for line in lines)


def problems(found: Plan) -> list[str]:
    """Return what will not fit, each with the setting that would remedy it."""
    machine = found.machine
    room, gpu_room = MEMORY_SHARE * machine.memory_mb, MEMORY_SHARE * machine.gpu_mb
    too_much = [(cost, cost.memory_mb) for cost in found.costs if cost.memory_mb > room]
    of_memory = f"GB of memory, of {_gb(room)} that may be filled; set "
    faults = [f"{names} {of_memory}{remedy}" for names, remedy in _together(too_much)]
    if machine.gpu_mb:
        too_much = [(cost, cost.gpu_mb) for cost in found.costs if cost.gpu_mb > gpu_room]
        of_gpu = f"GB on a GPU of {_gb(machine.gpu_mb)} GB; set train.batch_size lower, or "
        faults += [f"{names} {of_gpu}{remedy}" for names, remedy in _together(too_much)]
    disk = sum(cost.disk_mb + cost.fetch_mb for cost in found.costs)
    if disk > machine.free_disk_mb:
        faults.append(
            f"the run needs {_gb(disk)} GB of disk, of {_gb(machine.free_disk_mb)} that are free; "
            "set stores to a folder on a larger disk, or run --field by field and remove images "
            "that have been ingested"
        )
    return faults


def _together(too_much: Sequence[tuple[Cost, float]]) -> Iterable[tuple[str, str]]:
    """Yield who needs how much, and the remedy, once for all that the same setting remedies."""
    groups: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for cost, mb in too_much:
        groups.setdefault((cost.stage, cost.remedy), []).append((cost.what, mb))
    for (stage, remedy), members in groups.items():
        needs = {_gb(mb) for _, mb in members}
        most = _gb(max(mb for _, mb in members))
        verb = "needs" if len(members) == 1 else "need"
        names = _listed([what for what, _ in members], MOST_NAMES)
        yield f"{stage} {names} {verb} {'up to ' * (len(needs) > 1)}{most}", remedy


def _notes(found: Plan) -> Iterable[str]:
    """Yield what the numbers rest on."""
    costs, config = found.costs, found.config
    seconds = sum(cost.seconds for cost in costs if cost.stage in ("train", "predict"))
    if not found.machine.gpu_mb and seconds > LONG_DAYS * DAY_SECONDS:
        training = sum(cost.shown for cost in costs) / A100_PER_S
        rate = (
            f"; an A100 would train for {_time(training)} at the paper's {A100_PER_S:.0f} source "
            "galaxies/s"
        )
        yield (
            f"training and prediction take {_time(seconds)} here and want a GPU"
            + rate * (config.network.layers == PAPER_LAYERS)
        )
    if any(cost.source == "area" for cost in costs):
        yield (
            '"area" is the sky of the images times a density; say what you know under [plan.fields]'
        )
    if any(cost.at_most for cost in costs):
        yield (
            '"<=" counts a label for every object, as nothing says how many there are; say it '
            "under [plan.fields]"
        )
    if any(cost.stage == "fetch" for cost in costs):
        yield (
            f"fetch is at plan.mbit_per_s = {config.plan.mbit_per_s:g} and "
            f"fetch.requests_per_second = {config.fetch.requests_per_second:g}; of whole tracts "
            "archives have not all patches"
        )


def _line(cost: Cost) -> str:
    def shown(value: float, form: str) -> str:
        return format(value, form) if value else "-"

    return _row(
        cost.stage,
        cost.what,
        ("<= " if cost.at_most else "") + shown(cost.objects, ","),
        cost.source,
        shown(cost.files, ","),
        shown(cost.fetch_mb / 1e3, ".2f"),
        shown(cost.disk_mb / 1e3, ".2f"),
        shown(cost.tasks, ","),
        shown(cost.memory_mb / 1e3, ".1f"),
        _time(cost.seconds) if cost.seconds else "-",
    )


def _row(stage: str, what: str, objects: str, source: str, *numbers: str) -> str:
    widths = (7, 8, 8, 6, 7, 10)
    cells = " ".join(f"{cell:>{width}}" for cell, width in zip(numbers, widths, strict=True))
    return f"{stage:<7} {what:<26} {objects:>12} {source:<9} {cells}"


def _listed(names: Sequence[str], most: int = 99) -> str:
    """Return names as one writes them.

    Examples
    --------
    >>> _listed(["a", "b", "c"]), _listed(["a", "b", "c", "d"], 3)
    ('a, b and c', 'a, b and 2 more')
    """
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _time(seconds: float) -> str:
    """Return a duration in the unit that a person would use.

    Examples
    --------
    >>> [_time(seconds) for seconds in (0.2, 90, 3600, 36_000, 1e6)]
    ['< 1 s', '90 s', '60 min', '10.0 h', '11.6 days']
    """
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 0.5 else "< 1 s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < LONG_DAYS * DAY_SECONDS:
        return f"{seconds / 3600:,.1f} h"
    days = seconds / DAY_SECONDS
    return f"{days:,.1f} days" if days < 100 else f"{days:,.0f} days"


def _gb(mb: float) -> str:
    return f"{mb / 1e3:,.1f}"
