"""What every figure function returns: the drawing, and the table that was drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pandas as pd

from hscz.errors import InputError
from hscz.figures.marks import grid, load_backends, panel, remark
from hscz.files.atomic import write_atomic, write_text

P = ParamSpec("P")
T = TypeVar("T")

FORMATS = ("png", "pdf", "html")
"""Files that a figure can be saved as; html is the one to zoom in, drawn by bokeh."""


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    name : str
        Such as ``fig09``, which is the name of its files too.
    title : str
    plot : holoviews object
        Styled for the matplotlib backend and for bokeh.
    table : pandas.DataFrame
        The numbers drawn, tidy; empty where there was nothing to draw.
    note : str
        What is missing and how to make it; empty where nothing is.
    """

    name: str
    title: str
    plot: Any
    table: pd.DataFrame
    note: str = ""

    @property
    def missing(self) -> bool:
        """Whether there was nothing to draw."""
        return self.table.empty

    def save(self, stem: Path, formats: Iterable[str] = ("png",), dpi: int = 130) -> list[Path]:
        """Write the figure beside its table.

        Parameters
        ----------
        stem : Path
            Path without a suffix; its folder is made if absent.
        formats : iterable of str
            Of `FORMATS`.
        dpi : int
            Of the PNG.

        Returns
        -------
        list of Path
            One file per format, in their order.

        Raises
        ------
        InputError
            If a format is unknown.
        StoreError
            If the disk does not take a file.
        """
        formats = list(formats)
        for kind in formats:
            if kind not in FORMATS:
                raise InputError(f"figures cannot be saved as {kind!r}; use {', '.join(FORMATS)}")
        paths = {kind: stem.with_name(f"{stem.name}.{kind}") for kind in formats}
        if {"png", "pdf"} & set(formats):
            _save_still(self.plot, {k: p for k, p in paths.items() if k != "html"}, dpi)
        if "html" in paths:
            _save_interactive(self.plot, paths["html"], self.title)
        return list(paths.values())


class Missing(InputError):
    """There is nothing to draw; the message says what is missing."""


def paper_figure(
    name: str, title: str
) -> Callable[[Callable[P, tuple[Any, pd.DataFrame, str]]], Callable[P, Figure]]:
    """Make a figure of the paper of a function that returns plot, table and note.

    Where the function raises `Missing`, the figure is the message.

    Examples
    --------
    >>> @paper_figure("fig99", "Nothing")
    ... def fig99():
    ...     raise Missing("no PDF cube of v0; predict it")
    >>> fig99().missing, fig99().note
    (True, 'no PDF cube of v0; predict it')
    """

    def decorate(draw: Callable[P, tuple[Any, pd.DataFrame, str]]) -> Callable[P, Figure]:
        @wraps(draw)
        def made(*args: P.args, **kwargs: P.kwargs) -> Figure:
            load_backends()
            try:
                return Figure(name, title, *draw(*args, **kwargs))
            except Missing as absent:
                return nothing(name, title, str(absent))

        return made

    return decorate


def nothing(name: str, title: str, words: str) -> Figure:
    """Return a figure that says what is missing.

    Examples
    --------
    >>> nothing("fig99", "Nothing", "there is no PDF cube").missing
    True
    """
    load_backends()
    note = remark(f"Nothing to draw: {words}", width=60)
    blank = panel([note], xlim=(0, 1), ylim=(0, 1), bare=True, aspect=2.5)
    return Figure(name, title, grid([blank], columns=1, inches=7), pd.DataFrame(), words)


def present(
    found: Mapping[str, T], wanted: Iterable[str], what: str, remedy: str = ""
) -> tuple[dict[str, T], str]:
    """Return those of the wanted entries that are there, and a note of the others.

    Parameters
    ----------
    found : mapping of str
    wanted : iterable of str
    what : str
        What each entry is.
    remedy : str
        How to get it, for the message where there is none at all.

    Raises
    ------
    Missing
        If there is none.

    Examples
    --------
    >>> present({"v0": 1}, ["v0", "v1"], "PDF cube")
    ({'v0': 1}, 'without v1, of which there is no PDF cube')
    """
    wanted = list(wanted)
    kept = {name: found[name] for name in wanted if name in found}
    absent = ", ".join(name for name in wanted if name not in kept)
    if not kept:
        words = f"there is no {what} of {absent}" if absent else f"there is no {what}"
        raise Missing(f"{words}; {remedy}" if remedy else words)
    return kept, f"without {absent}, of which there is no {what}" if absent else ""


def _save_still(plot: Any, paths: Mapping[str, Path], dpi: int) -> None:
    """Write PNG and PDF from one drawing."""
    import holoviews as hv
    import matplotlib.pyplot as plt

    drawn = hv.render(plot, backend="matplotlib")
    try:
        for path in paths.values():
            write_atomic(path, lambda temporary: drawn.savefig(temporary, dpi=dpi, **_TIGHT))
    finally:
        plt.close(drawn)


_TIGHT: Mapping[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.12, "facecolor": "white"}


def _save_interactive(plot: Any, path: Path, title: str) -> None:
    import holoviews as hv
    from bokeh.embed import file_html
    from bokeh.resources import CDN

    page = file_html(hv.render(plot, backend="bokeh"), CDN, title)
    write_text(path, page)
