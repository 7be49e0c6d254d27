"""The outcomes of a run as a table that grows in a notebook while the stages go on."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from hscz.run.runner import Outcome

COLUMNS = ("stage", "field", "state", "time (s)", "why")
LEFT = 'style="text-align: left"'
"""Notebooks align cells on the right, which spoils the tables in the reports of stages."""


class Table:
    """Outcomes so far, one row a stage, to be shown in a notebook or printed.

    Examples
    --------
    >>> print(Table())
    <BLANKLINE>
    """

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Add a row, or put what became of the stage that is being made in the place of its row."""
        if self.outcomes and self.outcomes[-1].stage is outcome.stage:
            self.outcomes.pop()
        self.outcomes.append(outcome)

    def __str__(self) -> str:
        return "\n".join(str(one) for one in self.outcomes)

    def _repr_html_(self) -> str:
        head = "".join(f"<th {LEFT}>{escape(name)}</th>" for name in COLUMNS)
        rows = "".join(
            f"<tr>{''.join(f'<td {LEFT}>{cell}</td>' for cell in _cells(one))}</tr>"
            for one in self.outcomes
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def watch(outcomes: Iterable[Outcome]) -> Table:
    """Go through the stages of a run and show what becomes of each.

    In a notebook one table is drawn again with each stage; elsewhere lines are printed.

    Parameters
    ----------
    outcomes : iterable of Outcome
        Such as ``run(config, progress=False)``.

    Returns
    -------
    Table
        To look at reports of stages later; end the line with a semicolon to show it only once.
    """
    table, handle = Table(), _handle()
    for outcome in outcomes:
        table.add(outcome)
        if handle is not None:
            handle.update(table)
        elif outcome.is_worth_a_line:
            print(outcome, flush=True)
    return table


def _handle() -> Any:
    """Return the place of a table in the notebook that this runs in; None outside of any."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ModuleNotFoundError:
        return None
    return display(Table(), display_id=True) if get_ipython() is not None else None


def _cells(one: Outcome) -> tuple[str, ...]:
    """Return a row; the report is shown once one clicks on the state."""
    state = escape(one.state)
    if one.report:
        state = f"<details><summary>{state}</summary><pre>{escape(one.report)}</pre></details>"
    took = f"{one.seconds:.1f}" if one.seconds else ""
    return escape(one.stage.verb), escape(one.stage.field or ""), state, took, escape(one.why)
