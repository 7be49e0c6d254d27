from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("holoviews")
from hscz.config import FiguresConfig, RunConfig
from hscz.errors import ConfigError
from hscz.report import figures as page


def test_page_shows_what_is_drawn_and_what_is_missing(tmp_path: Path) -> None:
    config = RunConfig(name="toy", stores=str(tmp_path), figures=FiguresConfig(("png",), jobs=1))
    names = ("fig02", "fig14", "fig23")
    assert list(page.stale_figures(config, names)) == list(names)
    index = page.make_figures(config, names, progress=False)
    assert index == tmp_path / "figures" / "toy" / "index.html"
    text = index.read_text(encoding="utf-8")
    for name in names:
        assert (index.parent / f"{name}.png").exists()
        assert f'<section id="{name}">' in text
    assert "There is no field store; run hscz ingest." in text
    assert not list(index.parent.glob("*.csv"))
    assert not page.stale_figures(config, names)
    assert list(page.stale_figures(config, names, force=True)) == list(names)
    (index.parent / "fig14.png").unlink()
    assert list(page.stale_figures(config, names)) == ["fig14"]
    with pytest.raises(ConfigError, match="figure 'fig99' is unknown; there are table1, fig01"):
        page.make_figures(config, ("fig99",))
    with pytest.raises(ConfigError, match=r"formats\[0\] is 'gif'; use png, pdf or html"):
        page.make_figures(replace(config, figures=FiguresConfig(("gif",))))


def test_notes_keep_the_names_of_surveys(tmp_path: Path) -> None:
    about = {"title": "n(z)", "caption": "", "files": [], "missing": ""}
    note = json.dumps(about | {"note": "without DEEP2 & ELAIS"})
    (tmp_path / "fig02.json").write_text(note)
    page.write_page(tmp_path, "toy", ["fig02"])
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<p class=note>Without DEEP2 &amp; ELAIS.</p>" in text
