"""What `hscz info` says of artefacts that are not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from hscz.cli import main
from hscz.errors import StoreError
from hscz.info import describe

CONFIG = """
bands = ["g", "r"]
z_edges = [0.0, 3.0, 6.0]
[network]
size = "compact"
input_px = 32
"""


def test_an_unfinished_model_is_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    assert main(["info", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"model {tmp_path} (unfinished)"
    assert lines[2] == "  bins      2 to z = 6"
    assert lines[-1] == "  no epoch has ended yet"
    (tmp_path / "history.jsonl").write_text('{"epoch": 0}\n{"epoch": 1}\n')
    assert describe(str(tmp_path)).splitlines()[-1] == '  {"epoch": 1}'


@pytest.mark.parametrize("text", ["bands = [", 'bands = ["g"]', ""])
def test_a_damaged_model_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(StoreError, match=r"config\.toml does not describe a model"):
        describe(str(tmp_path))
