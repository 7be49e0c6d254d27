"""Functions of PDFs beside qp: the same quantity of 100,000 PDFs of 360 bins, on one core."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import qp
import xarray as xr
from qp.metrics.pit import PIT

import hscz.accessor  # noqa: F401  (registers .hscz)
from hscz import pdf
from hscz.evaluate.calibration import hpd_level, pit, pit_statistics
from hscz.evaluate.proper import cde_loss, crps, log_loss
from hscz.pdf.grid import RedshiftGrid
from hscz.predict.recalibrate import KNOTS, Calibration

N, GRID, REPEATS = 100_000, RedshiftGrid.uniform(), 2


def run() -> dict[str, float]:
    """Return seconds of both, their ratio and the largest difference of each quantity."""
    density, z = sample()
    histograms = {"bins": GRID.edges, "pdfs": density, "norm": False}
    cube = xr.Dataset({"pdf": (("object", "z"), density)}).assign(z_edges=("z_edge", GRID.edges))
    held = cube.hscz
    q, at_z = np.array([0.025, 0.16, 0.5, 0.84, 0.975]), z[:, None]
    pairs: dict[str, tuple[Callable, Callable]] = {
        "median": (lambda: held.median().values, lambda e: e.median()[:, 0]),
        "5 quantiles": (lambda: held.quantile(q).values, lambda e: e.ppf(q).T),
        "width": (lambda: held.width().values, lambda e: np.ptp(e.ppf([0.16, 0.84]), axis=1)),
        "cdf at 1": (lambda: held.cdf(1.0).values, lambda e: e.cdf(1.0)[:, 0]),
        "cdf of each": (
            lambda: pdf.cdf_at(density, GRID.edges, z),
            lambda e: e.cdf(at_z)[:, 0],
        ),
        "mode": (
            lambda: pdf.mode(density, GRID.edges),
            lambda e: e.mode(GRID.centres)[:, 0],
        ),
        "mean": (lambda: pdf.mean(density, GRID.edges), qp_mean),
        "n(z)": (lambda: held.n_of_z().values, lambda e: e.pdf(GRID.centres).sum(axis=0)),
        "PIT, KS": (
            lambda: pit_statistics(pit(density, GRID.edges, z))["ks"],
            lambda e: PIT(e, z).evaluate_PIT_KS().statistic,
        ),
        "CDE loss": (lambda: cde_loss(density, GRID.edges, z), lambda e: qp_cde_loss(e, z)),
        "log loss": (
            lambda: log_loss(density, GRID.edges, z),
            lambda e: -np.log(e.pdf(at_z)[:, 0]),
        ),
    }
    results = {}
    for name, (ours, theirs) in pairs.items():
        our_s, found = best(lambda _, ask=ours: ask(), lambda: None)
        # qp keeps tables in an ensemble, so that each quantity is asked of a fresh one.
        their_s, expected = best(theirs, lambda: qp.Ensemble(qp.hist, data=histograms))
        results |= {
            f"pdf, {name} of {N:,}, s": our_s,
            f"pdf, {name}, qp / ours, time": their_s / our_s,
            f"pdf, {name}, largest difference": float(np.abs(found - expected).max()),
        }
    calibration = Calibration(N, tuple(np.linspace(19, 25, 12)), ((KNOTS,) * 12,))
    mag_i = np.linspace(18, 25, N)
    alone: dict[str, Callable] = {
        "peaks": lambda: pdf.peaks(density, GRID.edges),
        "CRPS": lambda: crps(density, GRID.edges, z),
        "HPD levels": lambda: hpd_level(density, GRID.edges, z),
        "calibration": lambda: calibration.apply(density, GRID.edges, mag_i),
    }
    return results | {
        f"pdf, {name} of {N:,}, s": best(lambda _, ask=task: ask(), lambda: None)[0]
        for name, task in alone.items()
    }


def sample() -> tuple[np.ndarray, np.ndarray]:
    """Return densities of one to three peaks, and redshifts drawn from them."""
    rng = np.random.default_rng(1)
    density = np.full((N, len(GRID)), 1e-4)
    for weight in (1.0, 0.3, 0.1):
        place, width = rng.uniform(0.1, 5.0, (N, 1)), rng.uniform(0.02, 0.4, (N, 1))
        density += (
            rng.random((N, 1)) * weight * np.exp(-0.5 * ((GRID.centres - place) / width) ** 2)
        )
    density /= density @ GRID.widths[:, None]
    return density, pdf.draw(density, GRID.edges, rng)


def qp_mean(ensemble: qp.Ensemble) -> np.ndarray:
    return ensemble.pdf(GRID.centres) @ (GRID.centres * GRID.widths)


def qp_cde_loss(ensemble: qp.Ensemble, z: np.ndarray) -> np.ndarray:
    squares = (ensemble.pdf(GRID.centres) ** 2) @ GRID.widths
    return squares - 2 * ensemble.pdf(z[:, None])[:, 0]


def best(task: Callable, prepare: Callable) -> tuple[float, np.ndarray]:
    """Return the least time of a task on what is prepared anew, and what it gives."""
    seconds = np.inf
    for _ in range(REPEATS):
        given = prepare()
        begun = time.perf_counter()
        result = task(given)
        seconds = min(seconds, time.perf_counter() - begun)
    return seconds, result


if __name__ == "__main__":
    for name, value in run().items():
        print(f"{name:72} {value:12.4g}")
