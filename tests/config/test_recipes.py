"""Recipes of one's own are checked when the file is read."""

from __future__ import annotations

import pytest

from hscz.config import parse
from hscz.errors import ConfigError


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"trian": {}}, r"\[recipes.mine\] has no key 'trian'; did you mean 'train'\?"),
        ({"adapt": {"wieght": 1}}, r"\[recipes.mine.adapt\] has no key 'wieght'; did you mean 'we"),
        ({"adapt": {"adversary": "gan"}}, "recipes.mine.adapt.adversary is 'gan'; use none"),
        ({"train": {"epochs": 0}}, "recipes.mine.train.epochs is 0; give at least 1"),
        ({"flatten": 3}, "recipes.mine.flatten is 3; give a section"),
        ({"method": "knm"}, "recipes.mine.method is 'knm': .*unknown; use network, knn"),
        ({"base": 3}, "recipes.mine.base is 3; give a string"),
        (3, "recipes.mine is 3; give a section"),
    ],
)
def test_mistakes_are_named(recipe: object, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"configuration: {message}"):
        parse({"recipes": {"mine": recipe}})


def test_a_recipe_stays_as_it_is_written() -> None:
    # What is hidden here fits the bands of the recipe it starts from, which are not known yet.
    recipe = {"base": "v0-both-u", "train": {"hidden": [["us"], []]}, "adapt": {"weight": 1}}
    assert parse({"recipes": {"mine": recipe}}).recipes == {"mine": recipe}
