"""A report as PDF, drawn by matplotlib page by page: the same blocks as the HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatchmethod
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from hscz.extras import require
from hscz.files.atomic import write_atomic
from hscz.report.blocks import Block, Picture, Section, Table, Tone, Words

if TYPE_CHECKING:
    from matplotlib.backends.backend_pdf import PdfPages

WIDTH_INCH, HEIGHT_INCH = 8.27, 11.69
"""A4."""

MARGIN_INCH = 0.75

TEXT_PT, SMALL_PT = 8.5, 7.5

LINE = 1.4
"""Distance of lines, in sizes of their letters."""

LETTER = 0.54
"""Mean width of a letter, in sizes."""

GAP_INCH = 0.16
"""Between the columns of a table."""

PICTURE_INCH = 3.2
"""Height of a picture at most."""

INK: dict[Tone, str] = {
    "plain": "#1a1a1a",
    "note": "#555555",
    "caution": "#8f3a00",
    "missing": "#555555",
}
_FEW = "#999999"


def write_pdf(
    path: Path, title: str, summary: Sequence[Block], sections: Sequence[Section]
) -> Path:
    """Write a report as PDF, whole or not at all.

    Parameters
    ----------
    path : Path
    title : str
    summary : sequence of Words, Table or Picture
    sections : sequence of Section

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    StoreError
        If the disk does not take it.
    """
    require("the PDF of a report", "matplotlib")
    from matplotlib.backends.backend_pdf import PdfPages

    def draw(temporary: Path) -> None:
        about = {"Title": title, "Creator": "hscz", "CreationDate": None}
        with PdfPages(temporary, metadata=about) as file:
            paper = _Paper(file, title)
            paper.heading(title, 14)
            for block in summary:
                paper.add(block)
            for number, one in enumerate(sections, 1):
                paper.heading(f"{number}. {one.title}", 11)
                for block in one.blocks:
                    paper.add(block)
            paper.turn()

    return write_atomic(path, draw)


class _Paper:
    """The page that is being filled from its top, in inches, and the file of those before."""

    def __init__(self, file: PdfPages, title: str):
        self.file, self.title, self.number = file, title, 0
        self._new()

    def _new(self) -> None:
        from matplotlib.figure import Figure

        self.page, self.left_inch = Figure((WIDTH_INCH, HEIGHT_INCH)), HEIGHT_INCH - MARGIN_INCH
        self.number += 1
        foot = f"{self.title}   {self.number}"
        self._text(WIDTH_INCH - MARGIN_INCH, 0.4, foot, SMALL_PT, "#777777", align="right")

    def turn(self) -> None:
        """Put the page into the file and begin another."""
        self.file.savefig(self.page)
        self._new()

    def room(self, inches: float) -> None:
        """Turn the page where so much does not fit on what is left of it."""
        if self.left_inch - inches < MARGIN_INCH:
            self.turn()

    def heading(self, words: str, size_pt: float) -> None:
        """Write a heading, which does not stand at the foot of a page alone."""
        self.room(1.2)
        self.left_inch -= 0.12
        self._line(words, size_pt, INK["plain"], weight="bold")
        self.left_inch -= 0.06

    @singledispatchmethod
    def add(self, block: Block) -> None:
        """Write a block, on the next page where there is no room."""
        raise TypeError(f"a report has no {type(block).__name__}")

    @add.register
    def _(self, words: Words) -> None:
        size_pt = SMALL_PT if words.tone == "note" else TEXT_PT
        for line in _lines(words.text, WIDTH_INCH - 2 * MARGIN_INCH, size_pt):
            self._line(line, size_pt, INK[words.tone])
        self.left_inch -= 0.05

    @add.register
    def _(self, table: Table) -> None:
        cells = [table.heads, *table.rows] if any(table.heads) else list(table.rows)
        if not cells:
            return
        full = WIDTH_INCH - 2 * MARGIN_INCH
        columns = list(zip(*cells, strict=True))
        widths = [max(_inches(cell, SMALL_PT) for cell in one) + GAP_INCH for one in columns]
        if table.prose:
            widths[-1] = min(widths[-1], full - sum(widths[:-1]))
        squeeze = min(1.0, full / sum(widths))
        wrapped = [
            [_lines(cell, widths[-1], SMALL_PT) if table.prose else [cell] for cell in row]
            for row in cells
        ]
        widths, size_pt = [squeeze * width for width in widths], SMALL_PT * squeeze
        if table.caption:
            self.room(0.8)
            for line in _lines(table.caption, WIDTH_INCH - 2 * MARGIN_INCH, SMALL_PT):
                self._line(line, SMALL_PT, INK["plain"], weight="bold")
        first = len(cells) - len(table.rows)
        for number, row in enumerate(wrapped):
            colour = _FEW if number - first in table.few else INK["plain"]
            self._row(row, widths, size_pt, colour, table.prose, head=number < first)
        self.left_inch -= 0.12

    @add.register
    def _(self, picture: Picture) -> None:
        from matplotlib.image import imread

        pixels = imread(picture.path)
        wide = WIDTH_INCH - 2 * MARGIN_INCH
        height = min(PICTURE_INCH, wide * pixels.shape[0] / pixels.shape[1])
        width = height * pixels.shape[1] / pixels.shape[0]
        self.room(height + 0.5)
        place = (MARGIN_INCH, self.left_inch - height, width, height)
        sizes = (WIDTH_INCH, HEIGHT_INCH, WIDTH_INCH, HEIGHT_INCH)
        shares = [inch / size for inch, size in zip(place, sizes, strict=True)]
        axes = self.page.add_axes((shares[0], shares[1], shares[2], shares[3]))
        axes.imshow(pixels, aspect="auto", interpolation="none")
        axes.set_axis_off()
        self.left_inch -= height + 0.05
        self.add(Words(picture.caption, "note"))
        self.left_inch -= 0.08

    def _row(
        self,
        row: Sequence[Sequence[str]],
        widths: Sequence[float],
        size_pt: float,
        colour: str,
        prose: bool,
        head: bool,
    ) -> None:
        step = LINE * size_pt / 72
        height = step * max(map(len, row))
        self.room(height)
        x = MARGIN_INCH
        for column, (lines, width) in enumerate(zip(row, widths, strict=True)):
            on_left = prose or not column
            for number, line in enumerate(lines):
                y = self.left_inch - step * number
                at = x if on_left else x + width - GAP_INCH
                align, weight = ("left" if on_left else "right"), ("bold" if head else "normal")
                self._text(at, y, line, size_pt, colour, align, weight)
            x += width
        self.left_inch -= height

    def _line(self, words: str, size_pt: float, colour: str, weight: str = "normal") -> None:
        self.room(LINE * size_pt / 72)
        self._text(MARGIN_INCH, self.left_inch, words, size_pt, colour, weight=weight)
        self.left_inch -= LINE * size_pt / 72

    def _text(
        self,
        x_inch: float,
        y_inch: float,
        words: str,
        size_pt: float,
        colour: str,
        align: str = "left",
        weight: str = "normal",
    ) -> None:
        """Write words whose top is at a place."""
        style: dict[str, Any] = {"size": size_pt, "color": colour, "weight": weight}
        # A dollar sign in a name is no formula.
        style |= {"family": "DejaVu Sans", "ha": align, "va": "top", "parse_math": False}
        self.page.text(x_inch / WIDTH_INCH, y_inch / HEIGHT_INCH, words, **style)


def _lines(words: str, width_inch: float, size_pt: float) -> list[str]:
    return wrap(words, int(width_inch * 72 / (LETTER * size_pt))) or [""]


def _inches(words: str, size_pt: float) -> float:
    """Return the width of words."""
    from matplotlib.textpath import TextPath

    if not words.strip():
        return 0.0
    # Bold letters of heads are wider by about a tenth.
    path = TextPath((0, 0), words.replace("$", "S"), size=size_pt)
    return float(1.08 * path.get_extents().width / 72)
