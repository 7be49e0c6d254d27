"""The stages of a run in their order, each knowing whether its output is up to date.

A stage's output carries the fingerprint of the settings and inputs it was made from; a stage
whose fingerprint is still the same is skipped.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hscz.config import RunConfig
from hscz.config.mock import MockSettings
from hscz.config.read import fingerprint
from hscz.errors import ConfigError
from hscz.experiments.experiment import Experiment
from hscz.files.atomic import read_json, write_json
from hscz.stores import attributes, identity


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
    inputs : tuple of Path
        Outputs of other stages that it reads.
    up_to_date : callable
        Whether the artefact is there and its inputs have not changed.
    make : callable
        ``make(resume, force)`` writes the artefact and returns a report to print, or None.
    report : callable
        The report of an artefact made before, or None.
    preview : callable
        What a dry run says beside the output, or None.
    """

    verb: str
    field: str | None
    output: Path
    inputs: tuple[Path, ...]
    up_to_date: Callable[[], bool]
    make: Callable[[bool, bool], str | None]
    report: Callable[[], str | None] = lambda: None
    preview: Callable[[], str | None] = lambda: None


def stages(config: RunConfig, progress: bool = True, overwrite: bool = False) -> Iterator[Stage]:
    """Yield every stage of a run, first to last.

    Parameters
    ----------
    config : RunConfig
    progress : bool
        Whether the stages draw progress bars.
    overwrite : bool
        Whether catalogues may replace files that the run did not write.
    """
    if config.experiments.recipes:
        yield from _experiment_stages(config, progress, overwrite)
        return
    yield from _field_stages(config, progress, config.fields)
    yield _train(config, progress)
    for name in config.predict_fields:
        yield _predict(config, name, progress)
    for name in config.evaluate_fields:
        yield _evaluate(config, name)
    for name in config.predict_fields:
        yield _export(config, name, overwrite)


def _field_stages(config: RunConfig, progress: bool, names: Iterable[str]) -> Iterator[Stage]:
    for name in names:
        if config.mock is not None and name in config.mock.fields:
            yield _mock(config, config.mock, name, progress)
    for name in names:
        if config.fields[name].fetch is not None:
            yield _fetch(config, name, progress)
    for name in names:
        yield _ingest(config, name, progress)
    for name in names:
        if config.fields[name].has_labels:
            yield _label(config, name)


def _experiment_stages(config: RunConfig, progress: bool, overwrite: bool) -> Iterator[Stage]:
    """Yield the stages of the experiments of all seeds, which end in one comparison."""
    from hscz.experiments.experiment import experiments, seeded

    repeats = list(seeded(config))
    plans = [experiments(each) for each in repeats]
    for each, plan in zip(repeats, plans, strict=True):
        yield from _field_stages(each, progress, fields_of(plan))
        yield _train_experiments(each, plan, progress)
        yield _predict_experiments(each, plan, progress)
    yield _compare(config, [one for plan in plans for one in plan])
    for one in (one for plan in plans for one in plan):
        if one.recipe == config.experiments.publish:
            yield _export(one.config, one.target, overwrite)


def fields_of(plan: Sequence[Experiment]) -> list[str]:
    """Return the fields that experiments learn from, adapt to or are judged on, each once."""
    return list(
        dict.fromkeys(
            n
            for one in plan
            for n in (*one.config.train.fields, *one.fields, *one.config.adapt.targets)
        )
    )


def _train_experiments(config: RunConfig, plan: list[Experiment], progress: bool) -> Stage:
    jobs = config.experiments.jobs

    def make(resume: bool, force: bool) -> None:
        from hscz.experiments.campaign import train_all

        train_all(plan, jobs, resume, force, progress)

    def up_to_date() -> bool:
        from hscz.experiments.campaign import trainings
        from hscz.learn.train import is_trained

        return all(is_trained(each) for each in trainings(plan))

    inputs = tuple(config.field_store(name) for name in fields_of(plan))
    return Stage("train", None, config.root / "models", inputs, up_to_date, make)


def _predict_experiments(config: RunConfig, plan: list[Experiment], progress: bool) -> Stage:
    jobs = config.experiments.jobs

    def make(resume: bool, force: bool) -> None:
        from hscz.experiments.campaign import predict_all

        predict_all(plan, jobs, force, progress)

    def up_to_date() -> bool:
        from hscz.experiments.campaign import is_predicted, predictions

        return all(is_predicted(one, name) for one, name in predictions(plan))

    inputs = (config.root / "models",)
    return Stage("predict", None, config.root / "pdfs", inputs, up_to_date, make)


def _compare(config: RunConfig, plan: list[Experiment]) -> Stage:
    from hscz.report.comparison import compare_experiments, comparison_key

    output = config.root / "comparisons" / config.name / "comparison.parquet"
    return _evaluation(
        None,
        output,
        tuple({one.config.root / "pdfs" for one in plan}),
        output.with_suffix(".json"),
        partial(comparison_key, plan, config.evaluate),
        partial(compare_experiments, plan, config.evaluate, output.parent),
    )


def _evaluation(
    name: str | None,
    output: Path,
    inputs: tuple[Path, ...],
    note: Path,
    key: Callable[[], str],
    write: Callable[[], str],
) -> Stage:
    """Return a stage that writes tables, and its report with the fingerprint into `note`."""

    def make(resume: bool, force: bool) -> str:
        report = write()
        write_json(note, {"fingerprint": key(), "report": report})
        return report

    def up_to_date() -> bool:
        return output.exists() and read_json(note).get("fingerprint") == key()

    def report() -> str | None:
        return read_json(note).get("report")

    return Stage("evaluate", name, output, inputs, up_to_date, make, report)


def embed_stages(config: RunConfig) -> Iterator[Stage]:
    """Yield a stage for each target and seed that shows what the layers of its networks see."""
    from hscz.experiments.experiment import seeded
    from hscz.experiments.insight import looked_at

    for each in seeded(config):
        for target, plan in looked_at(each).items():
            yield _embed(each, target, plan)


def _embed(config: RunConfig, target: str, plan: list[Experiment]) -> Stage:
    from hscz.experiments.insight import look, look_key, planes_file

    output = planes_file(config, target)
    asked = plan, config.embed, config.evaluate
    key, write = partial(look_key, *asked), partial(look, *asked)
    return _evaluation(target, output, (), output.with_suffix(".json"), key, write)


def _mock(config: RunConfig, settings: MockSettings, name: str, progress: bool) -> Stage:
    from hscz.mock.survey import field_is_made, make_field

    root = config.root / "mock"

    def make(resume: bool, force: bool) -> None:
        if force:
            shutil.rmtree(root / name, ignore_errors=True)
        make_field(settings, name, root, progress=progress)

    up_to_date = partial(field_is_made, settings, name, root)
    return Stage("mock", name, root / name, (), up_to_date, make)


def _fetch(config: RunConfig, name: str, progress: bool) -> Stage:
    from hscz.fetch import field

    output = field.manifest_path(config)

    def make(resume: bool, force: bool) -> str:
        return field.fetch_field(config, name, progress, ask_again=force)

    up_to_date = partial(field.is_fetched, config, name)
    preview = partial(field.preview, config, name)
    return Stage("fetch", name, output, (), up_to_date, make, preview=preview)


def _ingest(config: RunConfig, name: str, progress: bool) -> Stage:
    from hscz.ingest.stage import ingest, ingest_key, ingest_report

    path = config.field_store(name)

    def make(resume: bool, force: bool) -> str:
        return ingest_report(ingest(config, name, progress))

    def up_to_date() -> bool:
        return attributes(path).get("fingerprint") == ingest_key(config, name)

    return Stage("ingest", name, path, (config.root / "mock" / name,), up_to_date, make)


def _label(config: RunConfig, name: str) -> Stage:
    from hscz.ingest.label import label, label_key

    path = config.field_store(name)

    def make(resume: bool, force: bool) -> str:
        return label(config, name)

    def up_to_date() -> bool:
        return attributes(path).get("labels") == label_key(config, name)

    return Stage("label", name, path, (path,), up_to_date, make)


def _train(config: RunConfig, progress: bool) -> Stage:
    def make(resume: bool, force: bool) -> str:
        from hscz.learn.train import train, training_report

        for name in config.train.fields:
            if name not in config.fields and not attributes(config.field_store(name)):
                raise ConfigError(
                    f"train.fields has {name!r}, of which there is no store; the fields are "
                    f"{', '.join(config.fields)}: name those with redshifts, or ingest alone"
                )
        train(config, resume, force, progress)
        return training_report(config)

    def up_to_date() -> bool:
        from hscz.learn.train import is_trained

        return is_trained(config)

    names = {*config.train.fields, *config.train.spec_fields, *config.adapt.targets}
    inputs = tuple(config.field_store(name) for name in sorted(names))
    return Stage("train", None, config.models[0].parent, inputs, up_to_date, make)


def _predict(config: RunConfig, name: str, progress: bool) -> Stage:
    from hscz.predict.stage import predict_field, predict_key

    path = config.cube(name)

    def make(resume: bool, force: bool) -> None:
        predict_field(config, name, progress)

    def up_to_date() -> bool:
        return attributes(path).get("fingerprint") == predict_key(config, name)

    inputs = config.field_store(name), config.models[0].parent
    return Stage("predict", name, path, inputs, up_to_date, make)


def _evaluate(config: RunConfig, name: str) -> Stage:
    from hscz.report.field import evaluate_field

    stem, cube = config.results(name), config.cube(name)
    output = stem.with_name(f"{stem.name}_metrics.parquet")
    note = stem.with_name(f"{stem.name}.evaluate.json")

    def key() -> str:
        settings = replace(config.evaluate, fields=())
        return fingerprint(settings, identity(cube))

    return _evaluation(name, output, (cube,), note, key, partial(evaluate_field, config, name))


def _export(config: RunConfig, name: str, overwrite: bool) -> Stage:
    from hscz.export.stage import export_field, export_paths, is_exported

    def make(resume: bool, force: bool) -> None:
        export_field(config, name, overwrite)

    output = export_paths(config, name)[0]
    return Stage(
        "export", name, output, (config.cube(name),), partial(is_exported, config, name), make
    )
