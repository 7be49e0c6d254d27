"""Go through the stages of a run: what is up to date, what would be made and why, what was made.

The command line prints the outcomes; a notebook shows them as a table that grows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from hscz.config import RunConfig
from hscz.errors import ConfigError, IncompleteError, InputError, UnjudgedError
from hscz.files.fresh import FORCED, NOT_YET
from hscz.run.stage import Stage
from hscz.run.stages import check_sources, embed_stages, figures_stage, report_stages, stages

State = Literal["up to date", "would make", "making", "made", "incomplete", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """What became of one stage.

    Attributes
    ----------
    stage : Stage
    state : str
        ``up to date``; ``would make``, in a dry run; ``making``, and then ``made``;
        ``incomplete``, where files could not be fetched; or ``skipped``, where redshifts cannot
        be judged for lack of any to compare with.
    why : str
        Why it was stale, empty where it was not.
    seconds : float
        How long it took.
    report : str
        What it has to say of what it made; empty where there is nothing.
    """

    stage: Stage
    state: State
    why: str = ""
    seconds: float = 0.0
    report: str = ""

    def __str__(self) -> str:
        """Return what the command line prints: one line, and the report."""
        head = f"{self.stage.verb:<9}{self.stage.field or '':<12}"
        why = f": {self.why}" if self.why not in ("", NOT_YET, FORCED) else ""
        line = {
            "up to date": f"{head}up to date: {self.stage.output}",
            "would make": f"{head}would write {self.stage.output}{why}",
            "making": f"{self.stage.name}{why}",
            "skipped": f"{head}skipped",
        }.get(self.state, f"{head}{self.seconds:6.1f} s  {self.stage.output}")
        return f"{line}\n{self.report}" if self.report else line

    @property
    def is_worth_a_line(self) -> bool:
        """Whether it is to be printed: that something is being made is, where it says why."""
        return self.state != "making" or self.why not in ("", NOT_YET, FORCED)


def run(
    config: RunConfig,
    verb: str = "run",
    fields: Sequence[str] = (),
    *,
    force: bool = False,
    dry_run: bool = False,
    resume: bool = True,
    overwrite: bool = False,
    figures: Sequence[str] = (),
    embed: bool = False,
    progress: bool = True,
) -> Iterator[Outcome]:
    """Go through the stages of a run, making what is stale.

    Parameters
    ----------
    config : RunConfig
    verb : str
        The stages to go through, such as ``train``; ``run`` takes all that end in the catalogues.
    fields : sequence of str
        Only these fields, and what is made of several; empty takes all.
    force : bool
        Make again what is up to date.
    dry_run : bool
        Make nothing, and say what would be made.
    resume : bool
        Go on with trainings that were killed rather than begin them anew.
    overwrite : bool
        Whether catalogues may replace files that the run did not write.
    figures : sequence of str
        Of the verb ``figures``, only these, such as ``fig09``; empty takes all.
    embed : bool
        Show what the layers of the networks see, in place of the other stages.
    progress : bool
        Whether stages draw progress bars.

    Yields
    ------
    Outcome
        Of what is made, one when it begins and one when it is there.

    Raises
    ------
    ConfigError
        If the configuration has no such stage.
    HsczError
        As soon as a stage fails. What is missing for a judgement alone does not stop the run
        (``skipped``), nor does a file that could not be fetched, as long as its archive answers.

    Examples
    --------
    >>> from pathlib import Path
    >>> from hscz.config import RunConfig, mock_field
    >>> from hscz.config.mock import MockSettings
    >>> mock = MockSettings(fields={"DEEP2": (1, 1)})
    >>> fields = {"DEEP2": mock_field(Path("nowhere"), "DEEP2")}
    >>> config = RunConfig(stores="nowhere", mock=mock, fields=fields)
    >>> [str(one) for one in run(config, "mock", dry_run=True)]
    ['mock     DEEP2       would write nowhere/mock/DEEP2']
    """
    if verb == "figures":
        found: Iterable[Stage] = [figures_stage(config, figures, progress)]
    elif verb == "report":
        found = report_stages(config)
    elif embed:
        found = embed_stages(config)
    else:
        found = stages(config, progress, overwrite)
    chosen = [
        stage
        for stage in found
        if verb in ("run", stage.verb) and (not fields or stage.field in (None, *fields))
    ]
    if not chosen:
        raise ConfigError(f"{config.name}: nothing to {verb}; see its sections and --field")
    if any(stage.verb == "train" and stage.why_stale() for stage in chosen):
        check_sources(config)
    return go_through(chosen, force=force, dry_run=dry_run, resume=resume, name=config.name)


def go_through(
    chosen: Sequence[Stage],
    *,
    force: bool = False,
    dry_run: bool = False,
    resume: bool = True,
    name: str = "run",
) -> Iterator[Outcome]:
    """Go through some stages in their order; see `run`."""
    remade: list[Stage] = []
    unreachable = False
    for stage in chosen:
        if stage.verb != "fetch" and unreachable:
            raise InputError(f"{name}: stopped before {stage.verb}; fetch the rest first")
        why = stage.why_stale() or _follows(stage, remade) or (FORCED if force else "")
        if not why:
            yield Outcome(stage, "up to date", report=stage.report() or "")
            continue
        if dry_run:
            remade.append(stage)
            yield Outcome(stage, "would make", why, report=stage.preview() or "")
            continue
        yield Outcome(stage, "making", why)
        state: State = "made"
        begun = time.monotonic()
        try:
            report = stage.make(resume, force) or ""
        except IncompleteError as error:
            state, report = "incomplete", f"  {error}"
            unreachable |= error.unreachable
        except UnjudgedError as error:
            state, report = "skipped", f"  {error}"
        yield Outcome(stage, state, why, time.monotonic() - begun, report)


def _follows(stage: Stage, remade: Sequence[Stage]) -> str:
    """Return which stage that a dry run would do makes this one stale."""
    before = [one for one in stage.after if one in remade]
    return f"after {before[-1].name}" if before else ""
