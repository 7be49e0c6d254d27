"""The stages of a run in their order, each knowing whether its output is up to date.

A stage's output carries the fingerprint of the settings and inputs it was made from; a stage
whose fingerprint is still the same is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hscz.atomic import read_json, write_json
from hscz.config import RunConfig
from hscz.configfile import fingerprint
from hscz.mock.settings import MockSettings
from hscz.stores import attributes, open_cube


@dataclass(frozen=True)
class Stage:
    """One verb on one field.

    Attributes
    ----------
    verb : str
    field : str or None
        None for training, which takes several fields.
    output : Path
        The artefact it writes.
    up_to_date : callable
        Whether the artefact is there and its inputs have not changed.
    make : callable
        ``make(resume)`` writes the artefact and returns a report to print, or None.
    """

    verb: str
    field: str | None
    output: Path
    up_to_date: Callable[[], bool]
    make: Callable[[bool], str | None]


def stages(config: RunConfig, progress: bool = True) -> Iterator[Stage]:
    """Yield every stage of a run, first to last.

    Parameters
    ----------
    config : RunConfig
    progress : bool
        Whether the stages draw progress bars.
    """
    for name in config.fields:
        if config.mock is not None and name in config.mock.fields:
            yield _mock(config, config.mock, name, progress)
    for name in config.fields:
        yield _ingest(config, name, progress)
    for name, entry in config.fields.items():
        if entry.has_labels:
            yield _label(config, name)
    yield _train(config, progress)
    for name in config.predict_fields:
        yield _predict(config, name, progress)
    for name in config.evaluate_fields:
        yield _evaluate(config, name)
    for name in config.predict_fields:
        yield _export(config, name)


def _mock(config: RunConfig, settings: MockSettings, name: str, progress: bool) -> Stage:
    from hscz.mock.survey import field_is_made, make_field

    root = config.root / "mock"

    def make(resume: bool) -> None:
        make_field(settings, name, root, progress=progress)

    return Stage("mock", name, root / name, partial(field_is_made, settings, name, root), make)


def _ingest(config: RunConfig, name: str, progress: bool) -> Stage:
    from hscz.ingest import ingest, ingest_key, ingest_report

    path = config.field_store(name)

    def make(resume: bool) -> str:
        return ingest_report(ingest(config, name, progress))

    def up_to_date() -> bool:
        return attributes(path).get("fingerprint") == ingest_key(config, name)

    return Stage("ingest", name, path, up_to_date, make)


def _label(config: RunConfig, name: str) -> Stage:
    from hscz.label import label, label_key

    path = config.field_store(name)

    def up_to_date() -> bool:
        return attributes(path).get("labels") == label_key(config, name)

    return Stage("label", name, path, up_to_date, lambda resume: label(config, name))


def _train(config: RunConfig, progress: bool) -> Stage:
    def make(resume: bool) -> str:
        from hscz.learn.train import train, training_report

        return training_report(train(config, resume, progress))

    def up_to_date() -> bool:
        from hscz.learn.train import is_trained

        return is_trained(config)

    return Stage("train", None, config.model(0).parent, up_to_date, make)


def _predict(config: RunConfig, name: str, progress: bool) -> Stage:
    from hscz.predict import predict_field, predict_key

    path = config.cube(name)

    def make(resume: bool) -> None:
        predict_field(config, name, progress)

    def up_to_date() -> bool:
        return attributes(path).get("fingerprint") == predict_key(config, name)

    return Stage("predict", name, path, up_to_date, make)


def _export(config: RunConfig, name: str) -> Stage:
    from hscz.export import export

    stem = config.results(name)
    note = stem.with_name(f"{stem.name}.export.json")
    outputs = [stem.with_name(f"{stem.name}.{kind}") for kind in config.export.formats]

    def key() -> str:
        return fingerprint(config.export, attributes(config.cube(name)).get("fingerprint"))

    def make(resume: bool) -> None:
        settings = config.export
        export(
            open_cube(config.cube(name)),
            stem,
            settings.formats,
            include_pdf=settings.include_pdf,
            algorithm=settings.algorithm,
        )
        write_json(note, {"fingerprint": key()})

    def up_to_date() -> bool:
        return all(p.exists() for p in outputs) and read_json(note).get("fingerprint") == key()

    return Stage("export", name, outputs[0], up_to_date, make)


def _evaluate(config: RunConfig, name: str) -> Stage:
    from hscz.evaluate.stage import evaluate_field

    stem = config.results(name)
    output = stem.with_name(f"{stem.name}_metrics.parquet")
    note = stem.with_name(f"{stem.name}.evaluate.json")

    def key() -> str:
        return fingerprint(config.evaluate, attributes(config.cube(name)).get("fingerprint"))

    def make(resume: bool) -> str:
        report = evaluate_field(config, name)
        write_json(note, {"fingerprint": key(), "report": report})
        return report

    def up_to_date() -> bool:
        return output.exists() and read_json(note).get("fingerprint") == key()

    return Stage("evaluate", name, output, up_to_date, make)
