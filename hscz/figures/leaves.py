"""An HTML page to leaf through: sections, with links to them at the side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from hscz.files.atomic import write_text


@dataclass(frozen=True)
class Section:
    """One section of a page.

    Attributes
    ----------
    anchor : str
    link, heading, body : str
        HTML: what leads here, what stands above, and what is shown.
    shaded : bool
        Whether the link is grey, for a section with nothing to show.
    """

    anchor: str
    link: str
    heading: str
    body: str
    shaded: bool = False


def write_leaves(path: Path, title: str, sections: Iterable[Section]) -> Path:
    """Write sections as one page; the arrow keys go from one to the next."""
    sections = list(sections)
    links = "".join(
        f'<a href="#{escape(one.anchor)}"{_SHADED if one.shaded else ""}>{one.link}</a>'
        for one in sections
    )
    bodies = "".join(
        f'<section id="{escape(one.anchor)}"><h2>{one.heading}</h2>{one.body}</section>'
        for one in sections
    )
    return write_text(
        path,
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><nav><h1>{escape(title)}</h1><p>Arrow keys turn the pages.</p>"
        f"{links}</nav><main>{bodies}</main><script>{_SCRIPT}</script></html>",
    )


_SHADED = ' class="missing"'
_STYLE = (
    "body{margin:0;font:16px/1.5 sans-serif;display:flex;color:#222}"
    "nav{width:17em;height:100vh;overflow:auto;position:sticky;top:0;background:#f3f3f3;"
    "padding:0 1em;box-sizing:border-box;font-size:13px;flex:none}"
    "nav h1{font-size:18px}nav a{display:block;padding:2px 0;color:#224;text-decoration:none}"
    "nav a.missing{color:#999}main{flex:1;min-width:0;padding:0 2em}"
    "section{min-height:100vh;padding-top:.5em;box-sizing:border-box}"
    "h2{font-size:20px}img{max-width:100%;max-height:80vh;display:block}"
    ".note{color:#8a4b00}section p{max-width:60em}"
)
_SCRIPT = (
    "const all=[...document.querySelectorAll('section')];"
    "addEventListener('keydown',e=>{const step={ArrowRight:1,ArrowLeft:-1}[e.key];if(!step)return;"
    "const here=all.findLastIndex(s=>s.getBoundingClientRect().top<=innerHeight/3);"
    "all[Math.min(all.length-1,Math.max(0,here+step))].scrollIntoView()})"
)
