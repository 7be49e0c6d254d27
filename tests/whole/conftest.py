"""A finished run of a tiny survey, copies of it to damage, and verbs that must fail.

Every failure must give one line that names what was found and how to put it right, leave nothing
a later stage could take for whole, and keep what was there before.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest

from hscz.cli import main
from tests.helpers.tiny_survey import CONFIG, OBJECTS, SPEC, Fails, make_field


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that went through."""
    root = tmp_path_factory.mktemp("survey")
    (root / "run.toml").write_text(CONFIG)
    (root / "objects.toml").write_text(OBJECTS)
    (root / "spec.toml").write_text(SPEC)
    make_field(root, "A", 1)
    make_field(root, "B", 2)
    for verb in ("ingest", "label", "train", "predict", "export"):
        assert main([verb, str(root / "run.toml"), "--quiet"]) == 0
    return root


@pytest.fixture
def made(whole: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to damage."""
    return Path(shutil.copytree(whole, tmp_path / "survey"))


@pytest.fixture
def files(whole: Path, tmp_path: Path) -> Path:
    """A copy of the input alone."""
    return Path(shutil.copytree(whole, tmp_path / "survey", ignore=shutil.ignore_patterns("out")))


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Fails:
    """Run a verb that must fail with one line on stderr, and return that line."""

    def run(root: Path, *arguments: str, code: int = 1) -> str:
        capsys.readouterr()
        verb, *options = arguments
        assert main([verb, str(root / "run.toml"), "--quiet", *options]) == code
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith(f"hscz {verb}: ")
        return lines[0]

    return run


@pytest.fixture
def one_by_one() -> Iterator[None]:
    with dask.config.set(scheduler="synchronous"):
        yield
