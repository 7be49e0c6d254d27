"""A package that lacks is named in one way, with the extra that brings it."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

from hscz import dashboard, figures
from hscz.cli import main
from hscz.errors import ConfigError
from hscz.experiments.campaign import side_by_side
from hscz.experiments.embed import check_method
from hscz.extras import EXTRAS, needed_by, require
from hscz.seams import EXPORT_FORMATS
from hscz.tables.hats import match_hats

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("package", EXTRAS)
def test_extras_bring_their_packages(package: str) -> None:
    found = packages_distributions().get(package)
    if not found:
        pytest.skip(f"{package} is not installed")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {plain(line) for line in extras["optional-dependencies"][EXTRAS[package]]}
    brought = named.union(*({plain(line) for line in requires(name) or ()} for name in named))
    assert brought & {plain(name) for name in found}


def plain(requirement: str) -> str:
    """Return the name of a distribution, as it is compared."""
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


@pytest.mark.parametrize(
    ("package", "use", "what"),
    [
        ("lsdb", lambda: match_hats("nowhere", None), "matching a HATS catalogue"),
        ("umap", lambda: check_method("umap"), "embed.method 'umap'"),
        ("hats", lambda: EXPORT_FORMATS.check("hats", "a.toml: "), "a.toml: export format 'hats'"),
        ("panel", lambda: dashboard.write_html, "the dashboard"),
        ("holoviews", lambda: figures.fig01({}), "drawing"),
        ("torch", lambda: side_by_side([], 2, "", False), "work side by side"),
    ],
)
def test_what_needs_a_package_says_so(
    monkeypatch: pytest.MonkeyPatch, package: str, use: Callable[[], object], what: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError) as caught:
        use()
    assert str(caught.value) == (
        f"{what} needs {package}, which is not installed; "
        f"run: pip install 'hscz[{EXTRAS[package]}]'"
    )


def test_the_command_line_names_what_a_verb_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def describe(*_: object) -> str:
        raise ModuleNotFoundError(name="torch.nn")

    monkeypatch.setattr("hscz.info.describe", describe)
    assert main(["info", "catalogs"]) == 2
    assert "the verb info needs torch, which is not installed" in capsys.readouterr().err


def test_other_import_errors_stay_what_they_are() -> None:
    with pytest.raises(ModuleNotFoundError), needed_by("this"):
        raise ModuleNotFoundError(name="hscz.nothing")
    require("this", "json", "numpy")
