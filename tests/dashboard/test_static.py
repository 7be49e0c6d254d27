from __future__ import annotations

from pathlib import Path

import pytest

from hscz.cli import main

pytest.importorskip("panel")


def test_the_static_page_stands_alone_and_is_not_overwritten(pair, tmp_path: Path, capsys) -> None:
    page = tmp_path / "out" / "page.html"
    command = ["dashboard", *map(str, pair), "--html", str(page)]
    assert main(command) == 0
    text = page.read_text()
    assert "44223461475791511" in text
    assert "<script src=" not in text
    capsys.readouterr()
    assert main(command) == 0
    assert f"up to date: {page}" in capsys.readouterr().out
    assert main([*command[:2], *command[3:]]) == 0
    assert "dashboard: other PDF cubes" in capsys.readouterr().out
    page.write_text("mine")
    assert main(command) == 1
    assert "page.html: exists" in capsys.readouterr().err
    assert page.read_text() == "mine"
    assert main([*command, "--overwrite"]) == 0
    assert [file.name for file in page.parent.iterdir()] == ["page.html"]
