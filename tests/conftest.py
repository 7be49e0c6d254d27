"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from hscz.cli import main
from hscz.config import RunConfig
from hscz.config.read import load

# How long an example takes depends on what else the machine does.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Doctest collection would import every conftest.py as one and the same module.
collect_ignore_glob = ["conftest.py", "*/conftest.py"]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data; tests that need it skip where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("HSCZ_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set HSCZ_TEST_DATA to its folder")
    return folder


SMALL_RUN = """
stores = "out"
[mock]
seed = 3
patch_px = 700
overlap_px = 100
[mock.fields]
COSMOS_UDF = [1, 1]
DEEP2 = [1, 1]
[network]
size = "compact"
[train]
epochs = 2
batch_size = 16
optimiser = "adamw"
learning_rate = 1e-3
device = "cpu"
[predict]
block = 64
device = "cpu"
[evaluate]
reference = ["z_true", "z_spec"]
"""


@pytest.fixture(scope="session")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run file of a mock survey of two small fields, gone through once."""
    path = tmp_path_factory.mktemp("run") / "small.toml"
    path.write_text(SMALL_RUN)
    assert main(["run", str(path), "--quiet"]) == 0
    return path


@pytest.fixture(scope="session")
def config(config_file: Path) -> RunConfig:
    return load(config_file)


@pytest.fixture
def copy(config_file: Path, tmp_path: Path) -> Path:
    """A configuration whose stores may be damaged."""
    shutil.copytree(config_file.parent, tmp_path / "copy")
    return tmp_path / "copy" / "small.toml"
