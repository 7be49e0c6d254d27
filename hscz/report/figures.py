"""All figures of a survey, drawn side by side, and one page to leaf through them."""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from hscz import figures
from hscz.config import RunConfig
from hscz.errors import ConfigError
from hscz.experiments.campaign import Task, side_by_side
from hscz.figures.figure import Figure
from hscz.figures.leaves import Section, write_leaves
from hscz.files.atomic import read_json, write_atomic
from hscz.files.fresh import FORCED, Key, mark_made, why_stale
from hscz.files.lock import at_work
from hscz.report.results import INPUTS, Results


def figures_folder(config: RunConfig) -> Path:
    """Return where the figures of a run go."""
    return config.root / "figures" / config.name


def make_figures(
    config: RunConfig, names: Sequence[str] = (), force: bool = False, progress: bool = True
) -> Path:
    """Draw the figures of a survey that are not up to date, and the page of all that there are.

    Parameters
    ----------
    config : RunConfig
    names : sequence of str
        Such as ``fig09``; empty draws all.
    force : bool
        Draw what is up to date, too.
    progress : bool

    Returns
    -------
    Path
        ``index.html`` in the folder of the figures; beside it, for each figure, a file of each
        format and its table as ``.csv``.

    Raises
    ------
    ConfigError
        If a figure or format is unknown.
    HsczError
        Once all others are drawn, if some could not be.
    """
    folder, key = figures_folder(config), Results.of(config).key()
    todo = stale_figures(config, names, force)
    tasks: list[Task] = [(draw_figure, (config, name, folder, key)) for name in todo]
    with at_work(folder):
        try:
            side_by_side(tasks, min(config.figures.jobs, max(1, len(tasks))), "figures", progress)
        finally:
            page = write_page(folder, f"Figures of {config.name}", list(INPUTS))
    return page


def stale_figures(
    config: RunConfig, names: Sequence[str] = (), force: bool = False
) -> dict[str, str]:
    """Return the figures that `make_figures` would draw, and why."""
    names = _known(names or tuple(INPUTS), list(INPUTS))
    folder, key = figures_folder(config), Results.of(config).key()
    return {
        name: why or FORCED for name in names if (why := why_undrawn(folder, name, key)) or force
    }


def why_undrawn(folder: Path, name: str, key: Key) -> str:
    """Return why a figure must be drawn; empty where it is up to date."""
    note = folder / f"{name}.json"
    whole = all((folder / file).exists() for file in read_json(note).get("files", []))
    return why_stale(note, key, whole)


def draw_figure(config: RunConfig, name: str, folder: Path, key: Key) -> None:
    """Draw one figure of a survey into a folder, its note last."""
    begun = time.monotonic()
    function = getattr(figures, name)
    figure: Figure = function(**INPUTS[name](Results.of(config)))
    made = folder / f"{name}.json"
    made.unlink(missing_ok=True)
    formats = dict.fromkeys(("png", *config.figures.formats))
    files = figure.save(folder / name, formats)
    if not figure.missing:
        table = folder / f"{name}.csv"
        files.append(write_atomic(table, lambda path: figure.table.to_csv(path, index=False)))
    note: dict[str, Any] = {"title": figure.title, "note": figure.note, "missing": figure.missing}
    note |= {"caption": caption(function), "files": [file.name for file in files]}
    mark_made(made, key, **note, seconds=round(time.monotonic() - begun, 2))


def caption(function: Any) -> str:
    """Return what a figure shows, in the words of its function.

    Examples
    --------
    >>> caption(figures.fig09)[:49]
    'Compare n(z) of a whole target field, from v0 and'
    """
    text = (inspect.getdoc(function) or "").partition("Parameters\n-")[0]
    return " ".join(text.replace("`", "").split())


def heading(name: str) -> str:
    """Return the number of a figure in the paper.

    Examples
    --------
    >>> heading("fig09"), heading("figA1"), heading("table1")
    ('Figure 9', 'Figure A.1', 'Table 1')
    """
    if name.startswith("table"):
        return f"Table {name.removeprefix('table')}"
    number = name.removeprefix("fig").lstrip("0")
    return f"Figure {number.replace('A', 'A.')}"


def write_page(folder: Path, title: str, names: Sequence[str]) -> Path:
    """Write the page of the figures that a folder has, in the order of `names`."""
    notes = {name: read_json(folder / f"{name}.json") for name in names}
    sections = [_section(name, note) for name, note in notes.items() if note]
    return write_leaves(folder / "index.html", title, sections)


def _section(name: str, note: dict[str, Any]) -> Section:
    words = {"csv": "table", "html": "to zoom in"}
    files = " ".join(
        f'<a href="{escape(file)}">{words.get(kind, kind.upper())}</a>'
        for file in note["files"]
        for kind in [file.rpartition(".")[2]]
    )
    remark = note["note"][:1].upper() + note["note"][1:]
    remark = f"<p class=note>{escape(remark)}.</p>" if remark else ""
    number, title = heading(name), escape(note["title"])
    body = (
        f'<img src="{name}.png" loading="lazy" alt="{title}">{remark}'
        f"<p>{escape(note['caption'])}</p><p>{files}</p>"
    )
    return Section(name, f"<b>{number}</b> {title}", f"{number}. {title}", body, note["missing"])


def _known(names: Sequence[str], known: Sequence[str]) -> list[str]:
    for name in names:
        if name not in known:
            raise ConfigError(f"figure {name!r} is unknown; there are {', '.join(known)}")
    return [name for name in known if name in names]
