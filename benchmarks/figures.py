"""Time to draw every figure of a survey: hscz figures on the six-field demo survey.

    python benchmarks/figures.py RUN.toml

RUN.toml is a run that has been trained and predicted. What is there is drawn again into a folder
of its own, which goes away.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from hscz.config.read import load
from hscz.files.atomic import read_json
from hscz.report.figures import figures_folder, make_figures


def run(file: str) -> dict[str, float]:
    """Return seconds of all figures and of the slowest one, and how many had something to draw."""
    config = load(file)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("fields", "models", "pdfs", "catalogues", *_seeds(config.experiments.seeds)):
            if (config.root / name).exists():
                os.symlink(config.root / name, Path(folder) / name)
        config = replace(config, stores=folder)
        begun = time.perf_counter()
        make_figures(config, progress=False)
        total = time.perf_counter() - begun
        notes = [read_json(path) for path in figures_folder(config).glob("*.json")]
    drawn = [note for note in notes if not note["missing"]]
    return {
        f"figures, {len(drawn)} of {len(notes)} drawn in {config.figures.jobs} processes, s": total,
        "figures, the slowest, s": max(note["seconds"] for note in drawn),
    }


def _seeds(seeds: tuple[int, ...]) -> list[str]:
    return [f"seed{seed}" for seed in seeds]


if __name__ == "__main__":
    for name, value in run(sys.argv[1]).items():
        print(f"{name:72} {value:12.4g}")
