"""The stages that make field stores: mock survey or archives, ingest, labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from hscz.config import RunConfig
from hscz.config.mock import MockSettings
from hscz.run.stage import Stage
from hscz.stores import attributes, why_stale

Fields = dict[str, tuple[Stage, ...]]
"""Stages by field, each after those before it."""


def field_stages(config: RunConfig, progress: bool, names: Iterable[str]) -> Fields:
    """Return what is done to get the stores of fields, one after another."""
    found = {}
    for name in names:
        entry, of_field = config.fields[name], tuple[Stage, ...]()
        if config.mock is not None and name in config.mock.fields:
            of_field += (_mock(config, config.mock, name, progress),)
        if entry.fetch is not None:
            of_field += (_fetch(config, name, progress),)
        of_field += (_ingest(config, name, progress, of_field),)
        # Labels whose catalogues are no longer named must not stay.
        if entry.has_labels or "labels" in attributes(config.field_store(name)):
            of_field += (_label(config, name, of_field),)
        found[name] = of_field
    return found


def in_order(fields: Fields) -> Iterator[Stage]:
    """Yield the stages of fields, verb by verb."""
    for verb in ("mock", "fetch", "ingest", "label"):
        yield from (stage for some in fields.values() for stage in some if stage.verb == verb)


def all_of(fields: Fields, names: Iterable[str] | None = None) -> tuple[Stage, ...]:
    """Return the stages of some fields, of all by default."""
    wanted = fields if names is None else names
    return tuple(stage for name in wanted for stage in fields.get(name, ()))


def _mock(config: RunConfig, settings: MockSettings, name: str, progress: bool) -> Stage:
    from hscz.mock.survey import make_field, why_unmade

    root = config.root / "mock"

    def make(resume: bool, force: bool) -> None:
        make_field(settings, name, root, progress, force)

    return Stage("mock", name, root / name, (), partial(why_unmade, settings, name, root), make)


def _fetch(config: RunConfig, name: str, progress: bool) -> Stage:
    from hscz.fetch import field

    output = field.manifest_path(config)

    def make(resume: bool, force: bool) -> str:
        return field.fetch_field(config, name, progress, ask_again=force)

    why = partial(field.why_unfetched, config, name)
    preview = partial(field.preview, config, name)
    return Stage("fetch", name, output, (), why, make, preview=preview)


def _ingest(config: RunConfig, name: str, progress: bool, after: tuple[Stage, ...]) -> Stage:
    from hscz.ingest.stage import ingest, ingest_key, ingest_report
    from hscz.ingest.zeropoints import report_lines

    path = config.field_store(name)

    def make(resume: bool, force: bool) -> str:
        report = ingest_report(ingest(config, name, progress))
        return "\n".join([report, *(f"  {line}" for line in report_lines(config, name))])

    def why() -> str:
        return why_stale(path, ingest_key(config, name))

    return Stage("ingest", name, path, after, why, make)


def _label(config: RunConfig, name: str, after: tuple[Stage, ...]) -> Stage:
    from hscz.ingest.label import label, label_key

    path = config.field_store(name)

    def make(resume: bool, force: bool) -> str:
        return label(config, name)

    def why() -> str:
        return why_stale(path, label_key(config, name), "labels")

    return Stage("label", name, path, after, why, make)
