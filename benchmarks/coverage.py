"""How well the PDFs of a recipe hold in fields without labels, against the truth of the mock.

``python -m benchmarks.coverage examples/experiments.toml --recipe recommended`` reads the PDF cubes
of a finished run of the experiments, and prints for each target, as means over the seeds, the share
of true redshifts inside the central 68 and 95 % of the PDFs and the distance of their PITs from
even ones (KS), by magnitude, as predicted and calibrated; then how many cells of magnitude and
estimated redshift hold what they should.
"""

from __future__ import annotations

import argparse

import pandas as pd

from hscz.config.read import load
from hscz.experiments.experiment import Experiment, experiments, seeded
from hscz.experiments.recipes import RECOMMENDED
from hscz.report.field import judge_pdfs
from hscz.stores import open_cube

REFERENCE, CELL = "z_true", 200
"""Cells of fewer galaxies are not counted."""


def tables(one: Experiment) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return calibration by magnitude and coverage in cells of a recipe in its target."""
    cube = open_cube(one.config.cube(one.target), lazy=False)
    found = judge_pdfs(cube, REFERENCE, one.config.evaluate)
    place = {"seed": one.seed, "target": one.target}
    return found["calibration"].assign(**place), found["coverage"].assign(**place)


def summary(by_magnitude: pd.DataFrame) -> pd.DataFrame:
    """Return means over seeds by target and magnitude, and how many galaxies they are of."""
    binned = by_magnitude[by_magnitude["by"] == "mag_i"]
    grouped = binned.groupby(["pdfs", "target", "low", "high"], sort=False)
    columns = ["coverage_68", "coverage_95", "ks", "crps", "cde_loss"]
    return grouped[columns].mean().assign(n=grouped["n"].sum()).reset_index()


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--recipe", default=RECOMMENDED)
    parser.add_argument("--seeds", type=int, nargs="+")
    asked = parser.parse_args()
    config = load(asked.config)
    found = [
        tables(one)
        for each in seeded(config)
        for one in experiments(each)
        if one.recipe == asked.recipe and (not asked.seeds or one.seed in asked.seeds)
    ]
    by_magnitude, cells = (pd.concat(part, ignore_index=True) for part in zip(*found, strict=True))
    print(summary(by_magnitude).round(3).to_string(index=False))
    full = cells[cells["n"] > CELL]
    for level, low, high in ((68, 0.66, 0.70), (95, 0.94, 0.96)):
        inside = full[f"coverage_{level}"].between(low, high)
        spread = full[f"coverage_{level}"].quantile([0, 0.16, 0.5, 0.84, 1]).round(3).tolist()
        print(f"{level} %: {inside.sum()} of {len(full)} cells within {low} to {high}; {spread}")


if __name__ == "__main__":
    main()
