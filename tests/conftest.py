"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
