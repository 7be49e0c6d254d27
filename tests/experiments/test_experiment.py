"""Recipes on targets: what cannot be predicted is refused before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from hscz.cli import main

FILE = """
stores = "out"
[mock.fields]
COSMOS_UDF = [1, 1]
DEEP2 = [1, 1]
[network]
size = "{size}"
[experiments]
targets = ["DEEP2"]
recipes = ["v0", "{recipe}"]
"""


@pytest.mark.parametrize("recipe", ["adabn", "recommended"])
@pytest.mark.parametrize("verb", ["run", "mock", "plan", "figures"])
def test_a_recipe_that_needs_normalisation_is_refused_at_once(
    verb: str, recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.toml"
    file.write_text(FILE.format(size="paper", recipe=recipe))
    assert main([verb, str(file)]) == 2
    said = capsys.readouterr().err
    assert f"recipe {recipe}: predict.renormalise is true, but network.norm is 'none'" in said
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]
    file.write_text(FILE.format(size="compact", recipe=recipe))
    assert main(["run", "--dry-run", str(file)]) == 0
