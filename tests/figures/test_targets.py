from __future__ import annotations

import pytest

pytest.importorskip("holoviews")

from hscz import figures
from tests.helpers.toy_figures import Survey, words


def test_field_without_candidates_keeps_its_other_tests(survey: Survey) -> None:
    bare = {r: c.drop_vars("is_oii_candidate") for r, c in survey["target"].items()}
    figure = figures.fig16(bare, survey["training"])
    assert set(figure.table["test"]) == {"spec", "n_of_z"}
    assert figure.note.startswith("the target is ")
    assert "no [OII] candidates" in figure.note


def test_tests_of_a_target_that_cannot_be_drawn_say_so(survey: Survey) -> None:
    bare = {"v0": survey["target"]["v0"].drop_vars(["is_oii_candidate", "z_spec"])}
    said = words(figures.fig15(bare).plot)
    assert said[0] == "no object has a spectroscopic redshift; label its field store"
    assert said[-1] == "the field has no [OII] candidates; give their catalogue to hscz label"
