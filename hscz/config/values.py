"""Kinds of values that several sections take, each with its bounds and checks."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, Strict, WithJsonSchema

from hscz.config.wording import listed
from hscz.errors import ConfigError
from hscz.seams import Seam
from hscz.survey import BANDS

T = TypeVar("T")

# Strict: neither "3" nor 3.0 nor true is a whole number.
Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]

Count = Annotated[Whole, Ge(1)]
Natural = Annotated[Whole, Ge(0)]
"""Seeds, and counts of which 0 means none or all."""
Amount = Annotated[Number, Ge(0)]
Positive = Annotated[Number, Gt(0)]
Share = Annotated[Number, Ge(0), Le(1)]
InputPx = Annotated[Whole, Ge(8), Le(1024)]
"""Side of a stamp, or of what the network sees of it."""


def once_each(values: tuple[T, ...]) -> tuple[T, ...]:
    """Refuse a list that is empty or repeats itself."""
    if not values or len(set(values)) < len(values):
        raise ValueError(f"is {list(values)}; name at least one, each once")
    return values


def rising(values: tuple[float, ...]) -> tuple[float, ...]:
    """Refuse edges of bins that do not rise."""
    if len(values) < 2 or any(b <= a for a, b in pairwise(values)):
        raise ValueError(f"is {list(values)}; give increasing edges")
    return values


def _blue_to_red(names: tuple[str, ...]) -> tuple[str, ...]:
    # The network pairs neighbours, so the order of the bands is part of what they mean.
    if list(names) != sorted(names, key=lambda name: BANDS[name].pivot_angstrom):
        raise ValueError(f"is {list(names)}; write them from blue to red")
    return names


def one_of(*names: str) -> tuple[Any, Any]:
    """Return what makes a text one of some names that are known when the program runs."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"is {name!r}; use {listed(names)}")
        return name

    return AfterValidator(check), WithJsonSchema({"type": "string", "enum": list(names)})


def named_in(seam: Seam) -> tuple[Any, Any]:
    """Return what makes a text a name of a seam, which other packages may add to."""

    def check(name: str) -> str:
        try:
            seam.check(name)
        except ConfigError as error:
            raise ValueError(f"is {name!r}: {error}") from None
        return name

    return AfterValidator(check), WithJsonSchema({"type": "string", "examples": list(seam.ours)})


def written_as(pattern: str, what: str) -> tuple[Any, Any]:
    """Return what makes a text follow a pattern; `what` says how to write it.

    Examples
    --------
    >>> from pydantic import TypeAdapter
    >>> TypeAdapter(Annotated[str, *written_as("[a-z]+", "small letters")]).validate_python("abc")
    'abc'
    """

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"is {text!r}; write {what}")
        return text

    schema = {"type": "string", "pattern": f"^({pattern})$"}
    return AfterValidator(check), WithJsonSchema(schema)


BandName = Annotated[str, *one_of(*BANDS)]
Bands = Annotated[tuple[BandName, ...], AfterValidator(_blue_to_red), AfterValidator(once_each)]
Names = Annotated[tuple[str, ...], AfterValidator(once_each)]
Edges = Annotated[tuple[Number, ...], AfterValidator(rising)]
NoOrEdges = Annotated[tuple[Number, ...], AfterValidator(lambda edges: edges and rising(edges))]
