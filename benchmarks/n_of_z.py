"""How well n(z) of a target is inferred without a label of it, against the truth of the mock.

``python -m benchmarks.n_of_z examples/experiments.toml`` reads the PDF cubes of a finished run of
the experiments. Each target is taken as it is and with other n(z | i), made by leaving out galaxies
by their true redshift, evenly in i: by (1 + z) and 1 / (1 + z), a bump at z = 1.1, a hole at
z = 0.8, and (1 + z) for red galaxies alone. It prints W1 between n(z) and the truth, summed PDFs
and inferred, the slope of what is found on what has shifted (1 is right), the shares of bins of
n(z) that lie within one and two quoted errors, and outliers of the medians before and after.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz.config.read import load
from hscz.evaluate.cells import sky_cells
from hscz.evaluate.metrics import outlier_fraction, residual
from hscz.evaluate.trials import FINE_WIDTH_Z, label_shift_slope, resampled_n_of_z
from hscz.experiments.experiment import Experiment, experiments, seeded
from hscz.experiments.recipes import RECOMMENDED
from hscz.nz.field import chosen, inferred
from hscz.pdf import median
from hscz.pdf.prior import PriorRatio
from hscz.stores import open_cube, open_field

MAG_EDGES, FAINT = (18.0, 22.5, 24.0, 25.0), "i 24-25"
LEAST_COUNT = 10
"""Galaxies that a bin should hold to be counted."""

STRATA = 12
"""Ranges of magnitude, of as many galaxies each, whose numbers a shift leaves alike."""

FloatArray = NDArray[np.float64]
SHIFTS: Mapping[str, Callable[[FloatArray, NDArray[np.bool_]], FloatArray]] = {
    "none": lambda z, red: np.ones_like(z),
    "(1 + z)": lambda z, red: 1 + z,
    "1 / (1 + z)": lambda z, red: 1 / (1 + z),
    "bump": lambda z, red: 1 + 2 * np.exp(-0.5 * ((z - 1.1) / 0.15) ** 2),
    "hole": lambda z, red: 1 - 0.8 * np.exp(-0.5 * ((z - 0.8) / 0.15) ** 2),
    "red (1 + z)": lambda z, red: np.where(red, 1 + z, 2.0),
}
"""How often a galaxy is kept, up to a factor."""


def thinned(
    cube: xr.Dataset, use: NDArray[np.bool_], red: NDArray[np.bool_], shift: str, seed: int
) -> NDArray[np.bool_]:
    """Return some of the galaxies in use, with another n(z | i)."""
    rows = np.flatnonzero(use & (cube["z_true"].values > 0))
    rows = rows[np.argsort(cube["mag_i"].values[rows])]
    rng, kept = np.random.default_rng(seed), np.zeros(len(use), bool)
    weight = SHIFTS[shift](cube["z_true"].values[rows], red[rows])
    for part in np.array_split(np.arange(len(rows)), STRATA):
        share = weight[part] / weight[part].max()
        if shift != "none":
            share *= min(0.5 / share.mean(), 1.0)
        kept[rows[part]] = rng.random(len(part)) < share
    return kept


def judged(one: Experiment, shift: str) -> Iterator[dict[str, Any]]:
    """Yield what n(z) of a recipe in its target is worth, for one shift."""
    settings = replace(one.config.nz, mag_edges=MAG_EDGES, z_edges=())
    config = replace(one.config, nz=settings)
    cube = open_cube(config.cube(one.target), lazy=False)
    use = thinned(cube, chosen(config, cube), _red(one, cube), shift, one.seed)
    found = inferred(config, one.target, cube, use)
    z, mag_i = (cube[key].values[use].astype(np.float64) for key in ("z_true", "mag_i"))
    edges = found["z_edges"].values
    ratio = PriorRatio.noted(json.loads(found.attrs["ratio"]))
    place = {"seed": one.seed, "target": one.target, "shift": shift, "used": ratio.used}
    slopes = _slopes(config, cube, use, found)
    for name, low, high in zip(found["sample"].values[1:], MAG_EDGES, MAG_EDGES[1:], strict=False):
        inside, sample = (mag_i >= low) & (mag_i < high), found.sel(sample=name)
        count = np.histogram(z[inside], edges)[0]
        truth = count / inside.sum() / np.diff(edges)
        error = np.sqrt(np.diagonal(sample["covariance"].values))
        full = sample["n_of_z"].values * inside.sum() * np.diff(edges) >= LEAST_COUNT
        pull = ((sample["n_of_z"].values - truth) / error)[full]
        pdf = cube["pdf"].values[use][inside]
        medians = {
            "eta_stacked": median(pdf, cube["z_edges"].values),
            "eta": median(
                ratio.apply(pdf, cube["z_edges"].values, mag_i[inside]), cube["z_edges"].values
            ),
        }
        yield {
            **place,
            "sample": str(name),
            "n": int(inside.sum()),
            **{
                key: _w1(sample[kind].values, truth, edges)
                for key, kind in (("w1_stacked", "stacked"), ("w1", "n_of_z"))
            },
            "within_1": float(np.mean(np.abs(pull) < 1)),
            "within_2": float(np.mean(np.abs(pull) < 2)),
            "bins": int(full.sum()),
            "mean_pull": float(
                (sample["z_mean"] - z[inside].mean()) / np.sqrt(_variance(found, str(name)))
            ),
            **{
                key: float(outlier_fraction(residual(zm, z[inside]))) for key, zm in medians.items()
            },
            **slopes,
        }


def _variance(found: xr.Dataset, name: str) -> float:
    """Return the variance of the mean redshift of a sample."""
    k = found["sample"].values.tolist().index(name)
    return float(found["z_mean_covariance"].values[k, k])


def _w1(n_of_z: FloatArray, truth: FloatArray, edges: FloatArray) -> float:
    gap = np.cumsum((n_of_z - truth) * np.diff(edges))
    return float((np.abs(gap) * np.diff(edges)).sum())


def _red(one: Experiment, cube: xr.Dataset) -> NDArray[np.bool_]:
    """Return the reddest third of the galaxies by g - z, as they are measured."""
    store = open_field(one.config.field_store(one.target), lazy=False)
    bands = [str(band) for band in store["band"].values]
    mag = store["mag"].values
    colour = mag[:, bands.index("g")] - mag[:, bands.index("z")]
    return np.asarray(colour > np.nanquantile(colour, 2 / 3))


def _slopes(
    config: Any, cube: xr.Dataset, use: NDArray[np.bool_], found: xr.Dataset
) -> dict[str, float]:
    """Return slopes of summed and inferred n(z), and the error of the latter."""
    z, mag_i = (cube[key].values[use].astype(np.float64) for key in ("z_true", "mag_i"))
    cells = sky_cells(cube["ra"].values[use], cube["dec"].values[use], config.nz.cell_arcmin)
    n_draws = found.sizes["draw"]
    true = resampled_n_of_z(z, mag_i, 1, n_draws, MAG_EDGES, cells)
    source = open_field(config.field_store(config.train.fields[0]), lazy=False)
    known = source["z_label"].values > 0
    own = resampled_n_of_z(
        source["z_label"].values[known], source["mag_i"].values[known], 2, n_draws, MAG_EDGES
    )
    bins = found.isel(sample=slice(1, None))
    repeat = round(float(np.diff(found["z_edges"].values)[0]) / FINE_WIDTH_Z)
    draws = bins["draws"].values.transpose(1, 0, 2)
    columns = {}
    for key, first in (("slope_stacked", bins["stacked"].values), ("slope", bins["n_of_z"].values)):
        predicted = np.repeat(
            np.concatenate([first[None], draws - bins["n_of_z"].values + first]), repeat, axis=2
        )
        columns[key], columns[f"{key}_err"] = label_shift_slope(predicted, true, own)
    return columns


def main() -> None:
    """Print the table, by shift and sample."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.n_of_z", description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--recipe", default=RECOMMENDED)
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--shifts", nargs="+", default=list(SHIFTS), choices=list(SHIFTS))
    parser.add_argument("--out", help="Parquet file for every row")
    asked = parser.parse_args()
    plan = [
        one
        for each in seeded(load(asked.config))
        for one in experiments(each)
        if one.recipe == asked.recipe and (not asked.seeds or one.seed in asked.seeds)
    ]
    table = pd.DataFrame(
        [row for one in plan for shift in asked.shifts for row in judged(one, shift)]
    )
    if asked.out:
        table.to_parquet(asked.out, index=False)
    print(summary(table).round(3).to_string(index=False))


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return means by shift, target and sample, and the share of bins within the errors."""
    columns = [
        "w1_stacked",
        "w1",
        "slope_stacked",
        "slope",
        "slope_err",
        "within_1",
        "within_2",
        "eta_stacked",
        "eta",
    ]
    grouped = table.groupby(["shift", "target", "sample"], sort=False)
    return (
        grouped[columns]
        .mean()
        .assign(used=grouped["used"].sum(), n=grouped["n"].sum())
        .reset_index()
    )


if __name__ == "__main__":
    main()
