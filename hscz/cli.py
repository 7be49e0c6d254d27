"""The command line: parse, call the same functions a notebook would, report."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hscz import __version__
from hscz.errors import ConfigError, HsczError
from hscz.extras import needed_by

if TYPE_CHECKING:
    from hscz.config import RunConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns
    -------
    int
        0 done, 2 bad use, 1 failed; 141 where what reads the output has ended, as ``head`` does.
    """
    try:
        try:
            return _run_verb(parser().parse_args(arguments))
        finally:
            sys.stdout.flush()
    except OSError as error:
        # Only the output fails here. Python flushes it once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 128 + signal.SIGPIPE
        print(f"hscz: the output cannot be written: {error}", file=sys.stderr)
        return 1


def _run_verb(options: argparse.Namespace) -> int:
    # Threads that spin while they wait slow training many times when another process wants
    # the same cores. OpenMP reads this once, before torch is imported; set it to override.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    # Our own words alone: libraries have much to say that no user asked for.
    logging.getLogger("hscz").setLevel(logging.INFO)
    try:
        with needed_by(f"the verb {options.verb}"):
            return VERBS[options.verb].act(options)
    except BrokenPipeError:
        raise
    except ConfigError as error:
        print(f"hscz {options.verb}: {error}", file=sys.stderr)
        return 2
    except (HsczError, OSError) as error:
        print(f"hscz {options.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"hscz {options.verb}: stopped; run it again to go on", file=sys.stderr)
        return 1


def _info(options: argparse.Namespace) -> int:
    from hscz.info import describe

    print(describe(options.path, options.name))
    return 0


def _dashboard(options: argparse.Namespace) -> int:
    if options.html:
        from hscz.run.runner import go_through
        from hscz.run.stages import dashboard_stage

        asked = options.stores, options.html, options.fields, options.overwrite
        for outcome in go_through([dashboard_stage(*asked)]):
            if outcome.is_worth_a_line:
                print(outcome)
    else:
        from hscz.dashboard import serve

        serve(options.stores, options.fields, options.address, options.port)
    return 0


def _plan(options: argparse.Namespace) -> int:
    """Print what a run will take; 1 where it does not fit."""
    from hscz.plan.report import problems, text
    from hscz.plan.survey import plan

    found = plan(_config(options), progress=not options.quiet)
    print(text(found))
    return 1 if problems(found) else 0


def _config(options: argparse.Namespace) -> RunConfig:
    from hscz.config.read import load

    file = options.config_option or options.config
    if not file:
        raise ConfigError("give the run's TOML file, for example examples/demo.toml")
    return load(file, options.set)


def _run_stages(options: argparse.Namespace) -> int:
    """Go through the stages of a run and print what becomes of each."""
    from hscz.run.runner import run

    started = time.monotonic()
    config = _config(options)
    if getattr(options, "experiments", False) and not config.experiments.recipes:
        raise ConfigError(f"{config.name}: has no [experiments] with recipes to compare")
    outcomes = []
    for outcome in run(
        config,
        options.verb,
        getattr(options, "field", None) or (),
        force=options.force,
        dry_run=options.dry_run,
        resume=getattr(options, "resume", options.verb == "run"),
        overwrite=getattr(options, "overwrite", False),
        figures=getattr(options, "figure", None) or (),
        embed=getattr(options, "embed", False),
        progress=not options.quiet,
    ):
        outcomes.append(outcome)
        if outcome.is_worth_a_line:
            print(outcome, flush=True)
    if options.dry_run:
        print("a dry run: nothing was written")
        return 0
    last = [one.stage for one in outcomes if one.stage.verb == outcomes[-1].stage.verb]
    outputs = ", ".join(dict.fromkeys(str(stage.output) for stage in last))
    print(f"done in {time.monotonic() - started:.0f} s: {outputs}")
    states = {one.state for one in outcomes}
    # A run has made its catalogues even where there was nothing to judge them by.
    return int("incomplete" in states or ("skipped" in states and options.verb != "run"))


Option = tuple[str, dict[str, Any]]
"""A name, and what the parser has to know of it."""


@dataclass(frozen=True)
class Verb:
    """What stands behind one verb."""

    summary: str
    options: tuple[Option, ...]
    act: Callable[[argparse.Namespace], int] = _run_stages


def _switch(name: str, about: str) -> Option:
    return name, {"action": "store_true", "help": about}


_RUN: tuple[Option, ...] = (
    ("config", {"nargs": "?", "help": "the run's TOML file"}),
    ("--config", {"dest": "config_option", "metavar": "FILE", "help": "the same"}),
    (
        "--set",
        {"action": "append", "default": [], "metavar": "KEY=VALUE", "help": "replace a setting"},
    ),
    _switch("--force", "make again what is up to date"),
    _switch("--dry-run", "say what would be done"),
    _switch("--quiet", "no progress"),
)
_FIELDS: tuple[Option, ...] = (
    *_RUN,
    ("--field", {"action": "append", "help": "only this field (may be repeated)"}),
)

VERBS = {
    "run": Verb("go through all stages, skipping what is up to date", _FIELDS),
    "plan": Verb("say what a run will take: files, disk, memory, time", _FIELDS, _plan),
    "fetch": Verb("files from the archives: images and catalogues", _FIELDS),
    "mock": Verb("make a mock survey: FITS mosaics and catalogues with known truth", _FIELDS),
    "ingest": Verb("FITS mosaics and a catalogue to field stores", _FIELDS),
    "label": Verb("put redshift labels into field stores", _FIELDS),
    "train": Verb(
        "field stores to models", (*_FIELDS, _switch("--resume", "go on with a killed run"))
    ),
    "predict": Verb("field stores and models to PDF cubes", _FIELDS),
    "nz": Verb("n(z) of fields and of samples of them, inferred from PDF cubes", _FIELDS),
    "export": Verb(
        "PDF cubes to catalogues: FITS, Parquet, VOTable, HATS, qp",
        (*_FIELDS, _switch("--overwrite", "replace files the run did not write")),
    ),
    "evaluate": Verb(
        "metrics of PDF cubes against known redshifts",
        (
            *_FIELDS,
            _switch("--experiments", "compare the recipes of [experiments]"),
            _switch("--embed", "score and draw what the layers see instead"),
        ),
    ),
    "report": Verb("a page for each predicted field that answers what a referee asks", _FIELDS),
    "dashboard": Verb(
        "PDF cubes in the browser: maps, n(z) and single objects",
        (
            (
                "stores",
                {"nargs": "+", "metavar": "STORE", "help": "PDF cubes; NAME=PATH names one"},
            ),
            (
                "--fields",
                {
                    "action": "append",
                    "default": [],
                    "metavar": "PATH",
                    "help": "field store, or folder of field stores, for the stamps (may be "
                    "repeated)",
                },
            ),
            ("--html", {"type": Path, "metavar": "FILE", "help": "write one static page instead"}),
            _switch("--overwrite", "replace FILE if it exists"),
            ("--address", {"default": "127.0.0.1", "help": "listen here; this machine alone"}),
            ("--port", {"type": int, "default": 5006, "help": "0 takes any free one"}),
        ),
        _dashboard,
    ),
    "figures": Verb(
        "the paper's figures of a run, and a page to leaf through them",
        (
            *_RUN,
            (
                "--figure",
                {"action": "append", "help": "only this one, such as fig09 (may be repeated)"},
            ),
        ),
    ),
    "info": Verb(
        "what a store, model, PDF cube or source catalogue holds, or a setting means",
        (
            ("path", {"help": "a field store, model or PDF cube, 'catalogs' or 'settings'"}),
            ("name", {"nargs": "?", "help": "one of the catalogues, or a section"}),
        ),
        _info,
    ),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    top = argparse.ArgumentParser(prog="hscz", description="Galaxy redshift PDFs from images.")
    top.add_argument("--version", action="version", version=f"hscz {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        described = f"{verb.summary[0].upper()}{verb.summary[1:]}."
        sub = verbs.add_parser(name, help=verb.summary, description=described)
        for option, about in verb.options:
            sub.add_argument(option, **about)
    return top


if __name__ == "__main__":
    sys.exit(main())
