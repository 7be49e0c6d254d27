"""A report as one HTML page with everything inlined; what it shows is escaped here."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import singledispatch
from html import escape

from hscz.report.blocks import Block, Picture, Section, Table, Words


def as_html(title: str, summary: Sequence[Block], sections: Sequence[Section]) -> str:
    """Return a page: its title, what it comes to in a box, links, and the sections.

    Parameters
    ----------
    title : str
    summary : sequence of Words, Table or Picture
    sections : sequence of Section

    Examples
    --------
    >>> page = as_html("A & B", [], [Section("Sample", (Words("<z> is 0.9"),))])
    >>> "<h1>A &amp; B</h1>" in page, "<p>&lt;z&gt; is 0.9</p>" in page
    (True, True)
    """
    links = " · ".join(
        f'<a href="#s{number}">{escape(one.title)}</a>' for number, one in enumerate(sections, 1)
    )
    bodies = "\n".join(
        f'<section id="s{number}"><h2>{number}. {escape(one.title)}</h2>\n'
        f"{_all(one.blocks)}\n</section>"
        for number, one in enumerate(sections, 1)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style></head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<div class=summary>\n{_all(summary)}\n</div>\n"
        f"<nav>{links}</nav>\n{bodies}\n</body></html>\n"
    )


STYLE = """\
body { max-width: 62em; margin: 2em auto; padding: 0 1.5em; color: #1a1a1a; background: #fff;
  font: 15px/1.5 -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6em; margin: 0 0 .6em; }
h2 { font-size: 1.2em; margin: 2em 0 .5em; border-bottom: 1px solid #bbb; }
p { margin: .5em 0; max-width: 50em; }
nav { font-size: .9em; margin: 1em 0; }
a { color: #1f4e8c; text-decoration: none; }
table { border-collapse: collapse; margin: .8em 0 1.2em; font-size: .92em;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .3em; white-space: nowrap; }
th, td { padding: .15em .9em .15em 0; text-align: right; vertical-align: top; }
th { border-bottom: 1px solid #888; font-weight: 600; }
th:first-child, td:first-child, .prose th, .prose td { text-align: left; }
.prose td:not(:last-child) { white-space: nowrap; }
.prose td:first-child { color: #555; }
tr.few td { color: #999; }
figure { margin: 1em 0; break-inside: avoid; }
figure img { max-width: 100%; max-height: 26em; }
figcaption, .note { color: #555; font-size: .92em; max-width: 54em; }
.caution { border-left: 4px solid #b34700; padding-left: .7em; }
.missing { border-left: 4px solid #999; padding-left: .7em; color: #555; }
.summary { border: 1px solid #888; padding: .6em 1.2em; background: #f7f7f5; }
.summary table { margin: .4em 0; }
.summary table:first-child td:last-child { font-weight: 600; }
@media print { body { font-size: 10px; margin: 0; max-width: none; } nav { display: none; }
  h2 { break-after: avoid; } tr, p { break-inside: avoid; } figure img { max-height: 22em; } }
"""


def _all(blocks: Sequence[Block]) -> str:
    return "\n".join(_block(one) for one in blocks)


@singledispatch
def _block(block: Block) -> str:
    raise TypeError(f"a report has no {type(block).__name__}")


@_block.register
def _(words: Words) -> str:
    kind = "" if words.tone == "plain" else f" class={words.tone}"
    return f"<p{kind}>{escape(words.text)}</p>"


@_block.register
def _(table: Table) -> str:
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    head = _row("th", table.heads) if any(table.heads) else ""
    rows = "\n".join(
        _row("td", cells, " class=few" if number in table.few else "")
        for number, cells in enumerate(table.rows)
    )
    kind = " class=prose" if table.prose else ""
    return f"<table{kind}>{caption}{head}\n{rows}\n</table>"


@_block.register
def _(picture: Picture) -> str:
    shown, caption = b64encode(picture.path.read_bytes()).decode(), escape(picture.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{shown}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _row(tag: str, cells: Sequence[str], kind: str = "") -> str:
    inside = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
    return f"<tr{kind}>{inside}</tr>"
