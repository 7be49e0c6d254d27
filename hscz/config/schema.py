"""What the keys of a section take, as a JSON schema for errors, reference and editors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

Node = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"


class _Plain(GenerateJsonSchema):
    """JSON schema of draft 7, which editors of TOML read, without titles and null."""

    schema_dialect = DIALECT

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def tuple_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().tuple_schema(schema)
        if "prefixItems" in made:
            made["items"] = made.pop("prefixItems")[0]
        return made

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if made.get("default", "") is None:
            del made["default"]
        return made

    def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().dataclass_schema(schema)
        made.pop("title", None)
        if text := schema["cls"].__doc__:
            made["description"] = _one_line(text.partition("\n\n")[0])
        for key in made.get("properties", {}).values():
            if "description" in key:
                key["description"] = _one_line(key["description"])
        return made


@cache
def schema_of(cls: type) -> Node:
    """Return the JSON schema of a section."""
    return TypeAdapter(cls).json_schema(schema_generator=_Plain)


def node_at(root: Node, path: Sequence[str | int]) -> Node:
    """Return what stands at a key, its reference followed; empty where the key is not known.

    Parameters
    ----------
    root : dict
        A JSON schema.
    path : sequence of str or int
        Names of keys and places in lists from the top down.

    Examples
    --------
    >>> from hscz.config import FieldConfig
    >>> node_at(schema_of(FieldConfig), ["per_band", "J", "zero_point"])["type"]
    'number'
    """
    node = root
    for step in path:
        if isinstance(step, int):
            node = node.get("items", {})
        else:
            inner = node.get("properties", {})
            node = inner.get(step) or node.get("additionalProperties") or {}
        node = resolved(root, node)
    return node


def resolved(root: Node, node: Any) -> Node:
    """Return a node with the definition that it refers to; its own words come first."""
    if not isinstance(node, dict):
        return {}
    if "$ref" in node:
        return root["$defs"][node["$ref"].rpartition("/")[2]] | node
    return node


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())
