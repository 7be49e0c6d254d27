"""The notebooks in examples/ are stored without outputs, and run through without a warning."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = ("quickstart", "dask_cluster", "paper_story", "own_survey", "hand_over")

NOISE = (
    # A busy machine is slow to end the workers of a cluster.
    "Worker process still alive after",
    # LSDB asks for tqdm's notebook bars, which ipywidgets would draw.
    "TqdmWarning: IProgress not found",
    "from .autonotebook import tqdm as notebook_tqdm",
)
"""Lines on stderr that say something of the machine and nothing of the notebook."""


@pytest.fixture(scope="session")
def survey_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebooks share one small survey: each makes what it does not find."""
    return tmp_path_factory.mktemp("notebooks")


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)


def test_every_notebook_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_stored_without_outputs(name: str) -> None:
    cells = read(name).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert cells[0].source.startswith("# ")
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


# The kernel is another process, whose sockets and event loop are nbclient's own affair.
@pytest.mark.filterwarnings("default")
@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_run(name: str, survey_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSCZ_EXAMPLE_SIZE", "small")
    monkeypatch.setenv("HSCZ_EXAMPLE_FOLDER", str(survey_folder))
    # The kernel runs in examples/, where the package may not be installed.
    paths = [str(EXAMPLES.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    notebook = read(name)
    folder = {"metadata": {"path": str(EXAMPLES)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=folder).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in str(output.get("data", {})) for output in outputs)
    shouted = [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    lines = [line for text in shouted for line in text.splitlines() if line.strip()]
    assert [line for line in lines if not any(noise in line for noise in NOISE)] == []
