"""The stages of a run in their order: of its fields, its models, its catalogues and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from hscz.config import RunConfig
from hscz.experiments.experiment import Experiment
from hscz.files.atomic import read_json
from hscz.files.fresh import Key, mark_made, why_stale
from hscz.files.lock import at_work
from hscz.run.fields import Fields, all_of, field_stages, in_order
from hscz.run.stage import Stage
from hscz.stores import attributes
from hscz.stores import why_stale as why_stale_store


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
    fields = field_stages(config, progress, config.fields)
    yield from in_order(fields)
    train = _train(config, progress, fields)
    yield train
    cubes = {}
    for name in config.predict_fields:
        cubes[name] = _predict(config, name, progress, (*fields.get(name, ()), train))
    yield from cubes.values()
    for name in config.evaluate_fields:
        yield _evaluate(config, name, tuple(filter(None, [cubes.get(name)])))
    for name in config.predict_fields:
        nz = _nz(config, name, (cubes[name],))
        yield nz
        yield _export(config, name, overwrite, (cubes[name], nz))


def _experiment_stages(config: RunConfig, progress: bool, overwrite: bool) -> Iterator[Stage]:
    """Yield the stages of the experiments of all seeds, their comparison, and what is published."""
    from hscz.experiments.experiment import experiments, seeded

    repeats = list(seeded(config))
    plans = [experiments(each) for each in repeats]
    cubes = []
    for each, plan in zip(repeats, plans, strict=True):
        fields = field_stages(each, progress, fields_of(plan))
        yield from in_order(fields)
        train = _train_experiments(each, plan, progress, all_of(fields))
        yield train
        cubes.append(_predict_experiments(each, plan, progress, (*all_of(fields), train)))
        yield cubes[-1]
    yield _compare(config, [one for plan in plans for one in plan], tuple(cubes))
    for plan, cube in zip(plans, cubes, strict=True):
        for one in plan:
            if one.recipe == config.experiments.publish:
                if one.target in one.config.evaluate_fields:
                    yield _evaluate(one.config, one.target, (cube,))
                nz = _nz(one.config, one.target, (cube,))
                yield nz
                yield _export(one.config, one.target, overwrite, (cube, nz))


def fields_of(plan: Sequence[Experiment]) -> list[str]:
    """Return the fields that experiments learn from, adapt to or are judged on, each once."""
    return list(
        dict.fromkeys(
            n
            for one in plan
            for n in (*one.config.train.fields, *one.fields, *one.config.adapt.targets)
        )
    )


def _train_experiments(
    config: RunConfig, plan: list[Experiment], progress: bool, after: tuple[Stage, ...]
) -> Stage:
    jobs = config.experiments.jobs

    def make(resume: bool, force: bool) -> None:
        from hscz.experiments.campaign import train_all

        train_all(plan, jobs, resume, force, progress)

    def why_stale() -> str:
        from hscz.experiments.campaign import trainings, why_untrained

        return why_untrained(trainings(plan))

    return Stage("train", None, config.root / "models", after, why_stale, make)


def _predict_experiments(
    config: RunConfig, plan: list[Experiment], progress: bool, after: tuple[Stage, ...]
) -> Stage:
    jobs = config.experiments.jobs

    def make(resume: bool, force: bool) -> None:
        from hscz.experiments.campaign import predict_all

        predict_all(plan, jobs, force, progress)

    def why_stale() -> str:
        from hscz.experiments.campaign import predictions, why_unpredicted

        reasons = (why_unpredicted(one, name) for one, name in predictions(plan))
        return next(filter(None, reasons), "")

    return Stage("predict", None, config.root / "pdfs", after, why_stale, make)


def _compare(config: RunConfig, plan: list[Experiment], after: tuple[Stage, ...]) -> Stage:
    from hscz.report.comparison import (
        compare_experiments,
        comparison_folder,
        comparison_key,
    )

    output = comparison_folder(config) / "comparison.parquet"
    return _written(
        "evaluate",
        None,
        [output],
        after,
        output.with_suffix(".json"),
        partial(comparison_key, plan, config.evaluate),
        partial(compare_experiments, plan, config.evaluate, output.parent),
    )


def _written(
    verb: str,
    name: str | None,
    outputs: Sequence[Path],
    after: tuple[Stage, ...],
    note: Path,
    key: Callable[[], Key],
    write: Callable[[], str],
) -> Stage:
    """Return a stage that writes files, and its report into `note`."""
    output = outputs[0]

    def make(resume: bool, force: bool) -> str:
        with at_work(output):
            made_from = key().begun()
            note.unlink(missing_ok=True)
            report = write()
            mark_made(note, made_from, report=report)
        return report

    def why() -> str:
        return why_stale(note, key(), all(path.exists() for path in outputs))

    def report() -> str | None:
        return read_json(note).get("report")

    return Stage(verb, name, output, after, why, make, report)


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
    return _written("evaluate", target, [output], (), output.with_suffix(".json"), key, write)


def report_stages(config: RunConfig) -> Iterator[Stage]:
    """Yield a stage for each field that writes its report from what there is."""
    from hscz.report.evidence import reported
    from hscz.report.page import report_key, report_paths, write_report

    for evidence in reported(config):
        paths, note = report_paths(evidence), evidence.beside("report.json")
        key, write = partial(report_key, evidence), partial(write_report, evidence)
        yield _written("report", evidence.name, paths, (), note, key, write)


def figures_stage(config: RunConfig, names: Sequence[str] = (), progress: bool = True) -> Stage:
    """Return the stage that draws the figures of a run, or those of some names."""
    from hscz.report.figures import figures_folder, make_figures, stale_figures

    def why() -> str:
        stale = stale_figures(config, names)
        return f"{_figures(len(stale))}, {next(iter(stale.values()))}" if stale else ""

    def make(resume: bool, force: bool) -> str:
        drawn = stale_figures(config, names, force)
        make_figures(config, names, force, progress)
        return f"  {_figures(len(drawn))} drawn"

    def preview() -> str:
        return f"  would draw {', '.join(stale_figures(config, names)) or 'all'}"

    output = figures_folder(config) / "index.html"
    return Stage("figures", None, output, (), why, make, preview=preview)


def _figures(n: int) -> str:
    return f"{n} figure{'s' * (n != 1)}"


def dashboard_stage(
    cubes: Sequence[str | Path],
    page: Path,
    field_stores: Sequence[str | Path] = (),
    overwrite: bool = False,
) -> Stage:
    """Return the stage that writes the dashboard of some PDF cubes as one page."""
    from hscz.dashboard import require_panel

    require_panel()
    from hscz.dashboard.static import why_stale, write_html

    def make(resume: bool, force: bool) -> None:
        write_html(cubes, page, field_stores, overwrite)

    return Stage("dashboard", None, page, (), partial(why_stale, cubes, page), make)


def check_sources(config: RunConfig) -> None:
    """Refuse source fields that are neither described in the file nor in the stores."""
    absent = [name for name in config.train.fields if not attributes(config.field_store(name))]
    config.check_fields("train.fields", absent, "; name those with redshifts, or ingest alone")


def _train(config: RunConfig, progress: bool, fields: Fields) -> Stage:
    def make(resume: bool, force: bool) -> str:
        from hscz.learn.train import train, training_report

        check_sources(config)
        train(config, resume, force, progress)
        return training_report(config)

    def why() -> str:
        from hscz.learn.train import why_stale_models

        return why_stale_models(config)

    names = {*config.train.fields, *config.train.spec_fields, *config.adapt.targets}
    return Stage("train", None, config.models[0].parent, all_of(fields, names), why, make)


def _predict(config: RunConfig, name: str, progress: bool, after: tuple[Stage, ...]) -> Stage:
    from hscz.predict.stage import predict_field, predict_key

    path = config.cube(name)

    def make(resume: bool, force: bool) -> None:
        predict_field(config, name, progress)

    def why() -> str:
        return why_stale_store(path, predict_key(config, name))

    return Stage("predict", name, path, after, why, make)


def _evaluate(config: RunConfig, name: str, after: tuple[Stage, ...]) -> Stage:
    from hscz.report.field import evaluate_field, evaluation_key, evaluation_note

    stem = config.results(name)
    output = stem.with_name(f"{stem.name}_metrics.parquet")
    note = evaluation_note(config, name)
    key, write = partial(evaluation_key, config, name), partial(evaluate_field, config, name)
    return _written("evaluate", name, [output], after, note, key, write)


def _nz(config: RunConfig, name: str, after: tuple[Stage, ...]) -> Stage:
    from hscz.report.nz import nz_key, nz_note, nz_paths, write_nz

    paths, note = nz_paths(config, name), nz_note(config, name)
    key, write = partial(nz_key, config, name), partial(write_nz, config, name)
    return _written("nz", name, paths, after, note, key, write)


def _export(config: RunConfig, name: str, overwrite: bool, after: tuple[Stage, ...]) -> Stage:
    from hscz.export.stage import export_field, export_paths, why_unexported

    def make(resume: bool, force: bool) -> None:
        export_field(config, name, overwrite)

    output = export_paths(config, name)[0]
    return Stage("export", name, output, after, partial(why_unexported, config, name), make)
