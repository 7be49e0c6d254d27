"""One colour per model throughout, the paper's where it has one; shapes and letters too."""

from __future__ import annotations

from zlib import crc32

from hscz.experiments.recipes import RECIPES

COLOURS = {"SED": "#2a9d3a", "training": "#c8c8c8", "truth": "#000000"} | {
    name: recipe.colour for name, recipe in RECIPES.items() if recipe.colour
}
"""Of recipes, and of what they are compared with; the paper's SED fitting green, training grey."""

MARKERS = {"SED": ">"} | {name: recipe.marker for name, recipe in RECIPES.items() if recipe.marker}
"""Shapes, for those who cannot distinguish the colours."""

FIELD_COLOURS = {
    "COSMOS_UDF": "#000000",
    "COSMOS_DEEP": "#d55e00",
    "XMM_UDF": "#0072b2",
    "XMM_DEEP": "#56b4e9",
    "ELAIS": "#009e73",
    "DEEP2": "#cc79a7",
}
"""The colours of Okabe and Ito, which the colour-blind can distinguish."""

KNOWN = "#c1121f"
"""Where a known redshift is marked among predicted ones."""

FIELD_DASHES = {"COSMOS_UDF": "dotted", "XMM_UDF": "dashed", "COSMOS_DEEP": "dashdot"}

FONTS = {"title": 10, "labels": 11, "xticks": 10, "yticks": 10, "legend": 9}
"""Sizes in points."""

_OTHERS = ("#5e7f73", "#94729c", "#b08d57", "#3f7f93", "#a35d6a", "#6f7f3f")


def colour(model: str) -> str:
    """Return the colour of a model; one that has no entry keeps the same colour everywhere.

    Examples
    --------
    >>> colour("v0"), colour("mine") == colour("mine")
    ('#1f5fb4', True)
    """
    return COLOURS.get(model, _OTHERS[crc32(model.encode()) % len(_OTHERS)])


def marker(model: str) -> str:
    """Return the shape of a model's points.

    Examples
    --------
    >>> marker("v2"), marker("mine")
    ('^', 'o')
    """
    return MARKERS.get(model, "o")


def field_colour(field: str) -> str:
    """Return the colour of a field.

    Examples
    --------
    >>> field_colour("ELAIS"), field_colour("mine") == field_colour("mine")
    ('#009e73', True)
    """
    return FIELD_COLOURS.get(field, _OTHERS[crc32(field.encode()) % len(_OTHERS)])


def field_dash(field: str) -> str:
    """Return the line of a field: solid, dashed, dashdot or dotted.

    Examples
    --------
    >>> field_dash("XMM_UDF"), field_dash("mine")
    ('dashed', 'solid')
    """
    return FIELD_DASHES.get(field, "solid")
