"""What is wrong with a setting, in the words of this package: key, value and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hscz.config.schema import Node, node_at, resolved, schema_of

if TYPE_CHECKING:
    from pydantic import ValidationError

KINDS = {
    "integer": ("a whole number", "whole numbers"),
    "number": ("a number", "numbers"),
    "string": ("a string", "strings"),
    "boolean": ("true or false", "true or false"),
    "object": ("a section", "sections"),
    "array": ("a list", "lists"),
}
"""What one value of a JSON type is called, and several."""


RENAMED = {"apart": "per_band"}
"""Keys by their former names, and what they are called now."""

RENAMED_VALUES = {("statistics", "apart"): "separate"}
"""Values by key and former name, and what they are called now."""


def explain(error: ValidationError, cls: type, where: str) -> str:
    """Return what is wrong, one line for each mistake.

    A check of a single key says what its message does after the key, as in ``is 3; give 4``; a
    check of a whole section begins with the key within the section.

    Parameters
    ----------
    error : pydantic.ValidationError
    cls : type
        The section that was to be made.
    where : str
        File that it was to be made from, or what else begins each line.
    """
    root = schema_of(cls)
    return "\n".join(f"{where}: {line}" for line in _lines(root, error.errors()))


def _lines(root: Node, errors: Sequence[Any]) -> Iterator[str]:
    for (lacks, place), group in groupby(errors, key=lambda e: (_is_absent(e), e["loc"][:-1])):
        if lacks:
            names = listed([str(e["loc"][-1]) for e in group], "and")
            yield f"{_section(place)} lacks {names}; add {'them' if 'and' in names else 'it'}"
        else:
            yield from (_line(root, e) for e in group)


def _is_absent(error: Any) -> bool:
    return error["type"] == "missing" and not isinstance(error["loc"][-1], int)


def _line(root: Node, error: Any) -> str:
    place, kind, value = error["loc"], error["type"], error["input"]
    if kind == "missing":  # one of a list whose length is fixed
        place = place[:-1]
    if place[-1:] == ("[key]",):
        return f"{_key(place[:-2])} has{str(error['ctx']['error']).removeprefix('is')}"
    node, key = node_at(root, place), _key(place)
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        known = list(node_at(root, place[:-1]).get("properties", ()))
        if (new := RENAMED.get(str(place[-1]))) in known:
            return f"{key} was renamed; write {new!r} in place of {str(place[-1])!r}"
        near = difflib.get_close_matches(str(place[-1]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return f"{_section(place[:-1])} has no key {place[-1]!r}; {hint}"
    if kind == "value_error":
        text = str(error["ctx"]["error"])
        return key + (("." if key else "") if "properties" in node else " ") + text
    if kind.startswith(("greater_than", "less_than")):
        limits = bounds(node)
        return f"{key} is {value}; give {'a value ' * limits.startswith('from')}{limits}"
    if node.get("type") == "object":
        needed = node.get("required", ())
        keys = f" with {listed(needed, 'and')}" if needed else ""
        return f"{key} is {value!r}; give a section{keys}"
    if place and isinstance(value, str) and (str(place[-1]), value) in RENAMED_VALUES:
        new = RENAMED_VALUES[str(place[-1]), value]
        return f"{key} = {value!r} was renamed; write {new!r}"
    verb = "use" if "enum" in node or "const" in node else "give"
    return f"{key} is {value!r}; {verb} {takes(root, node)}"


def takes(root: Node, node: Node) -> str:
    """Return what a key takes, such as ``a whole number, at least 1``.

    Examples
    --------
    >>> takes({}, {"type": "number", "minimum": 0, "maximum": 1})
    'a number, from 0 to 1'
    """
    if "enum" in node or "const" in node:
        return listed([str(name) or '""' for name in node.get("enum", [node.get("const")])])
    if "examples" in node:
        return f"a name, such as {listed(node['examples'])}"
    kind, limits = node.get("type", ""), bounds(node)
    what, _ = KINDS.get(kind, ("a value", ""))
    inner = node.get("items") if kind == "array" else node.get("additionalProperties")
    if isinstance(inner, dict):
        item = resolved(root, inner)
        limits, named = bounds(item), {"enum", "const", "examples"} & set(item)
        several = takes(root, item) if named else KINDS[item.get("type", "object")][1]
        several = several.replace("a name, such as", "names, such as")
        many = f"{node['minItems']} " if "maxItems" in node else ""
        limits = limits or "at least one" * ("minItems" in node and not many)
        what = f"a list of {many}{several}" if kind == "array" else f"{several} by name"
    return f"{what}, {limits}" if limits else what


def bounds(node: Node) -> str:
    """Return the least and largest value of a number; empty where it has none.

    Examples
    --------
    >>> bounds({"minimum": 1}), bounds({"minimum": 0.1, "maximum": 100})
    ('at least 1', 'from 0.1 to 100')
    """
    low, above, high = (node.get(k) for k in ("minimum", "exclusiveMinimum", "maximum"))
    if low is not None and high is not None:
        return f"from {low:g} to {high:g}"
    parts = [(low, "at least"), (above, "more than"), (high, "at most")]
    return ", ".join(f"{words} {limit:g}" for limit, words in parts if limit is not None)


def listed(names: Sequence[str], last: str = "or") -> str:
    """Return names as a list in words.

    Examples
    --------
    >>> listed(["adam", "adamw", "sgd"])
    'adam, adamw or sgd'
    """
    *others, end = names
    return f"{', '.join(others)} {last} {end}" if others else end


def _key(place: Sequence[str | int]) -> str:
    """Return a key as one writes it, ``train.bands[1]``."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _section(place: Sequence[str | int]) -> str:
    return f"[{_key(place)}]" if place else "the top level"
