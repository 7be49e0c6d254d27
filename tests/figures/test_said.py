"""What figures and panels say where there is nothing to draw."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("holoviews")

import holoviews as hv

from hscz import figures
from hscz.config.learn import FlattenConfig

Survey = dict[str, Any]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7, 8, 9, *range(11, 26)])
def test_absent_input_says_what_is_missing(number: int) -> None:
    function = getattr(figures, f"fig{number:02d}")
    no_store = {3: (None,), 21: (None, {}), 25: (None,)}
    figure = function(*no_store.get(number, ({},)))
    assert figure.missing
    assert figure.note.startswith("there")
    words = figure.plot[0].Labels.I.dimension_values("words")[0]
    assert figure.note.split()[-1] in words


def test_missing_recipe_is_noted(survey: Survey) -> None:
    figure = figures.fig08({"v0": survey["target"]["v0"]})
    assert figure.note == "without v1, of which there is no PDF cube"
    assert set(figure.table["model"]) == {"v0", "SED"}


def test_field_without_candidates_keeps_its_other_tests(survey: Survey) -> None:
    bare = {r: c.drop_vars("is_oii_candidate") for r, c in survey["target"].items()}
    figure = figures.fig16(bare, survey["training"])
    assert set(figure.table["test"]) == {"spec", "n_of_z"}
    assert figure.note.startswith("the target is ")
    assert "no [OII] candidates" in figure.note


def words(plot: Any) -> list[str]:
    """Return what is written inside the panels of a figure."""
    found = plot.traverse(lambda labels: labels.dimension_values("words"), [hv.Labels])
    return [" ".join(str(one).split()) for some in found for one in some]


def test_panels_without_enough_galaxies_say_so(survey: Survey) -> None:
    few = {
        recipe: cube.assign(z_spec=cube["z_spec"].where(cube["object_id"] < 12))
        for recipe, cube in survey["target"].items()
    }
    n = int(few["v0"]["z_spec"].notnull().sum())
    assert words(figures.fig11(few).plot) == [f"N = {n}: no bin has the 10 needed"] * 6
    assert words(figures.fig11(survey["target"]).plot) == []
    faint = {"v2": few["v2"].isel(object=few["v2"]["mag_i"].values > 22)}
    assert words(figures.fig12(faint).plot) == ["no galaxy has a redshift"] * 3


def test_tests_of_a_target_that_cannot_be_drawn_say_so(survey: Survey) -> None:
    bare = {"v0": survey["target"]["v0"].drop_vars(["is_oii_candidate", "z_spec"])}
    said = words(figures.fig15(bare).plot)
    assert said[0] == "no object has a spectroscopic redshift; label its field store"
    assert said[-1] == "the field has no [OII] candidates; give their catalogue to hscz label"


def test_flattening_without_a_training_is_missing() -> None:
    assert figures.fig05([], [], None, FlattenConfig()).missing
