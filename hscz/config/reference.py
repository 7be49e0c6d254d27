"""Every setting with what it takes and means: as text, as a page of the documentation, as a schema.

The package ships the schema as ``settings.schema.json``, by which an editor completes and checks a
run's TOML file; ``python -m hscz.config.reference`` writes that file anew.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from hscz.config.run import RunConfig
from hscz.config.schema import DIALECT, Node, node_at, resolved, schema_of
from hscz.config.wording import takes
from hscz.errors import ConfigError

SHIPPED = Path(__file__).with_name("settings.schema.json")

WIDTH = 100
"""Longest line of the text, in characters."""

BASE = "Another file beside this one, whose settings hold where this one gives none."


def settings_schema() -> Node:
    """Return the JSON schema of a whole file.

    Examples
    --------
    >>> settings_schema()["properties"]["name"]["type"]
    'string'
    """
    schema = dict(schema_of(RunConfig))
    base = {"type": "string", "default": "", "description": BASE}
    schema["properties"] = {"base": base, **schema["properties"]}
    # What a field does not give may stand in the base.
    classes = schema["$defs"] = {key: dict(node) for key, node in schema["$defs"].items()}
    needed = {"required": classes["FieldConfig"].pop("required")}
    schema["if"] = {"not": {"required": ["base"]}}
    schema["then"] = {"properties": {"fields": {"additionalProperties": needed}}}
    return {"$schema": DIALECT, "title": "Settings of an hscz run", **schema}


def text(name: str | None = None) -> str:
    """Return all sections in a list, or the keys of one.

    Parameters
    ----------
    name : str, optional
        A section, such as ``train`` or ``fields.NAME``.

    Raises
    ------
    ConfigError
        If there is no such section.

    Examples
    --------
    >>> print(text("figures"))
    [figures]: the paper's figures of this run.
    <BLANKLINE>
    figures.formats = ["png", "pdf"]
        a list of png, pdf or html
        png, pdf, and html for zooming in; png is always made.
    <BLANKLINE>
    figures.jobs = 2
        a whole number, at least 1
        Figures drawn side by side, each in its own process.
    """
    root = schema_of(RunConfig)
    node = node_at(root, name.split(".") if name else ())
    if name and "properties" not in node:
        known = [place for place, _ in _sections(root) if place]
        section, _, key = name.rpartition(".")
        if key in node_at(root, section.split(".")).get("properties", ()):
            raise ConfigError(f"{name} is a key; 'hscz info settings {section}' explains it")
        near = get_close_matches(name, known, n=1) or [p for p in known if p == f"{name}.NAME"]
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise ConfigError(f"settings have no section {name!r}; {hint}")
    blocks = [_head(name or "", node)]
    for key, default, what, meaning in _rows(root, node):
        lines = [f"{name}.{key}" if name else key, what, meaning]
        lines[0] += f" = {default}" * bool(default)
        blocks.append(_indented(lines))
    if name is None:
        blocks.append("\n".join(_head(*entry) for entry in _sections(root) if entry[0]))
        blocks.append("hscz info settings SECTION lists the keys of one.")
    return "\n\n".join(blocks)


def page() -> str:
    """Return the reference of all settings as a page in Markdown, one table for each section."""
    root = schema_of(RunConfig)
    parts = [
        "# Settings",
        "What a run's TOML file may say. `hscz info settings SECTION` prints the same. An editor "
        "that knows JSON schemas (Even Better TOML, Taplo) completes and checks the keys of a file "
        "whose first line names that of the package, as those of `examples/` do.",
    ]
    for place, node in _sections(root):
        title, _, meaning = _head(place, node).partition(": ")
        rows = [
            [f"`{row[0]}`", row[2], f"`{row[1]}`" * bool(row[1]), row[3]]
            for row in _rows(root, node)
        ]
        head = ["key", "takes", "default", "meaning"]
        cells = [head, ["---"] * len(head), *rows]
        parts += [f"## {title}", meaning[:1].upper() + meaning[1:]]
        parts.append("\n".join(f"| {' | '.join(map(_cell, row))} |" for row in cells))
    return "\n\n".join(parts) + "\n"


def _sections(root: Node) -> Iterator[tuple[str, Node]]:
    """Yield the dotted name and the node of every section, each kind once."""
    seen = set()

    def walk(place: str, node: Node) -> Iterator[tuple[str, Node]]:
        same, node = node.get("$ref", ""), resolved(root, node)
        if "properties" in node and same not in seen:
            seen.add(same)
            yield place, node
            for key, inner in node["properties"].items():
                yield from walk(f"{place}.{key}".lstrip("."), inner)
        elif isinstance(node.get("additionalProperties"), dict):
            yield from walk(f"{place}.NAME", node["additionalProperties"])

    yield from walk("", root)


def _rows(root: Node, section: Node) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, default, what it takes and meaning of every key; the top level has sections."""
    for key, inner in section["properties"].items():
        node = resolved(root, inner)
        if section is root and node["type"] == "object":
            continue
        default = json.dumps(inner["default"], ensure_ascii=False) if "default" in inner else ""
        what = takes(root, node)
        needed = "required: " if key in section.get("required", ()) else ""
        yield key, default, needed + what, node.get("description", "")


def _head(place: str, node: Node) -> str:
    meaning = node["description"].partition(": ")[2] or node["description"]
    return f"[{place}]: {meaning}" if place else f"Top level: {meaning}"


def _indented(lines: list[str]) -> str:
    first, *others = lines
    wrapped = [part for line in others for part in textwrap.wrap(line, WIDTH - 4)]
    wide = textwrap.wrap(first, WIDTH, subsequent_indent=" " * 8, break_long_words=False)
    return "\n".join([*wide, *(f"    {line}" for line in wrapped)])


def _cell(words: str) -> str:
    return words.replace("|", "\\|")


if __name__ == "__main__":
    SHIPPED.write_text(json.dumps(settings_schema(), indent=1, ensure_ascii=False) + "\n")
    print(f"wrote {SHIPPED}")
