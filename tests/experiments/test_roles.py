"""Recipes go by their roles wherever they are not declared."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import hscz
from hscz.experiments.recipes import RECIPES, with_role
from hscz.figures.palette import colour, marker

HOUSE = Path(hscz.__file__).parent
DECLARED = HOUSE / "experiments" / "recipes.py"

ALSO_SETTINGS = {"uniform", "reversal", "knn", "flexzboost", "control"}
"""Recipes that are called like values of settings, or like a column."""

FOLDER = "v0"
"""Folder of the models of a run without recipes, the default of train.name."""


def texts(path: Path) -> Iterator[str]:
    """Yield the strings of a module that are no documentation."""
    tree = ast.parse(path.read_text())
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documentation
        ):
            yield node.value


def test_recipes_are_named_where_they_are_declared_and_nowhere_else() -> None:
    names = "|".join(sorted(set(RECIPES) - ALSO_SETTINGS, key=len, reverse=True))
    name = re.compile(rf"({names})(?![\w-])( all)?|.*\b(v[0-3])\b(?!/).*")
    found = {
        (path.relative_to(HOUSE).as_posix(), text)
        for path in HOUSE.rglob("*.py")
        if path != DECLARED
        for text in texts(path)
        if name.fullmatch(text)
    }
    assert {text for path, text in found if path.startswith("config/")} == {FOLDER}
    assert {path for path, _ in found if not path.startswith("config/")} == set()


def test_the_paper_has_the_colours_it_printed() -> None:
    assert [colour(name) for name in with_role("paper")] == [
        *("#1f5fb4", "#e377b4", "#f28e1c", "#17becf")
    ]
    assert [marker(name) for name in with_role("paper")] == ["o", "s", "^", "v"]
    own = {recipe.colour for recipe in RECIPES.values() if recipe.colour}
    assert len(own) == len(RECIPES)
