from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("holoviews")
import holoviews as hv

from hscz import figures
from hscz.config.learn import FlattenConfig
from hscz.errors import InputError
from hscz.figures import Figure
from tests.helpers.toy_figures import DRAWN, Survey

ALIKE = ("fig07", "fig11", "fig12")
"""Figures of many panels, like those of figure 8."""


@pytest.mark.parametrize("name", DRAWN)
def test_both_libraries_draw_it(drawn: dict[str, Figure], name: str) -> None:
    figure = drawn[name]
    assert (figure.name, figure.missing) == (name, False)
    assert len(figure.table)
    if name not in ALIKE:
        assert hv.render(figure.plot, backend="bokeh") is not None


@pytest.mark.parametrize("name", ["fig13", "figA1"])
def test_matplotlib_saves_it(drawn: dict[str, Figure], name: str, tmp_path: Path) -> None:
    (png,) = drawn[name].save(tmp_path / name)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert png.stat().st_size > 10_000


def test_one_drawing_makes_all_files(drawn: dict[str, Figure], tmp_path: Path) -> None:
    files = drawn["fig23"].save(tmp_path / "new" / "fig23", ("png", "pdf", "html"))
    assert [file.name for file in files] == ["fig23.png", "fig23.pdf", "fig23.html"]
    assert files[1].read_bytes().startswith(b"%PDF")
    assert "Bokeh" in files[2].read_text(encoding="utf-8")
    with pytest.raises(InputError, match="cannot be saved as 'gif'; use png, pdf, html"):
        drawn["fig23"].save(tmp_path / "other", ("gif",))
    assert not list(tmp_path.glob("other*"))


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


def test_flattening_without_a_training_is_missing() -> None:
    assert figures.fig05([], [], None, FlattenConfig()).missing
