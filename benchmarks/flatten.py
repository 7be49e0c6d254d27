"""Flattening of n(z): its speed, and what it does to structures that are known to be there."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import gaussian_kde

from hscz.config.learn import FlattenConfig
from hscz.learn.flatten import FINE_STEP, Flattened, binned_counts, flatten, smooth
from hscz.mock.clustering import COSMOS_STRUCTURES, STRUCTURE_HALF_WIDTH
from hscz.mock.photoz import four_redshifts
from hscz.mock.population import draw_field
from hscz.tables.labels import consensus

N, REPEATS = 180_000, 5
SIDE_DEG = 0.775
SIGMA_MAX = 0.1


def run() -> dict[str, float]:
    """Return seconds, ratios and fractions."""
    return speed() | structures()


def speed() -> dict[str, float]:
    """Time the smooth curve beside SciPy's on the same points, the choice and the draw."""
    rng = np.random.default_rng([22, 1])
    z, mag_i = rng.gamma(4, 0.27, N), np.log10(rng.uniform(10**5.4, 10**7.5, N)) / 0.3
    z[: N // 10] = rng.normal(0.73, 0.005, N // 10)
    ra, dec = rng.uniform(149.4, 150.8, N), rng.uniform(1.5, 2.9, N)
    one_bin = np.array([0.0, 30.0])
    points = FINE_STEP * (np.arange(int(z.max() / FINE_STEP) + 1) + 0.5)
    scipy_s, exact = _best(lambda: gaussian_kde(z)(points), 1)
    curve_s, curve = _best(lambda: smooth(binned_counts(z, mag_i, one_bin, z.max())))
    off = np.abs(curve[0] / (N * FINE_STEP) - exact).max() / exact.max()
    flatten_s, flat = _best(lambda: flatten(z, mag_i, ra, dec, FlattenConfig(), rng))
    draw_s, _ = _best(lambda: flat.draw(rng))
    return {
        f"flatten, smooth curve of {N:,} at {len(points)} points, s": curve_s,
        "flatten, gaussian_kde / smooth curve, time": scipy_s / curve_s,
        "flatten, smooth curve - gaussian_kde, largest / peak": off,
        f"flatten, choice and weights of {N:,}, s": flatten_s,
        f"flatten, draw of an epoch of {N:,}, s": draw_s,
    }


def structures(seed: int = 1) -> dict[str, float]:
    """Flatten a mock COSMOS with true redshifts and with COSMOS2020's, and judge the spikes."""
    truth = cosmos(seed)
    label, known = c2020_labels(truth, seed)
    samples = {"z_true": (truth, truth["z_true"].to_numpy()), "labels": (truth[known], label)}
    results = {}
    for name, (galaxies, z) in samples.items():
        for clips in (0, FlattenConfig().clips):
            found = judge(galaxies, z, FlattenConfig(clips=clips))
            results |= {f"flatten, {name}, {clips} clips, {k}": v for k, v in found.items()}
    return results


def cosmos(seed: int) -> pd.DataFrame:
    """Return the galaxies of 0.6 square degrees of a mock COSMOS_UDF, i < 25."""
    half = SIDE_DEG / 2
    ra, dec = (150.12 - half, 150.12 + half), (2.21 - half, 2.21 + half)
    truth = draw_field("COSMOS_UDF", ra, dec, 25.0, seed)
    return truth[~truth["is_star"]]


def c2020_labels(galaxies: pd.DataFrame, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the consensus of the four COSMOS2020 redshifts, and which galaxies have one."""
    rng = np.random.default_rng([seed, 2020])
    four = four_redshifts(galaxies["z_true"].to_numpy(), galaxies["mag_i"].to_numpy(), rng)
    mean, sigma = consensus(np.stack(list(four.values()), axis=1))
    known = sigma <= SIGMA_MAX * (1 + mean)
    return mean[known], known


def judge(galaxies: pd.DataFrame, z: np.ndarray, settings: FlattenConfig) -> dict[str, float]:
    """Return how many galaxies are removed, which, and what is left of the spikes.

    The excess of a structure is that of the share of galaxies in its window over the share
    that the smooth n(z) without planted members has there; its RMS over the structures is given.
    """
    mag_i, ra, dec = (galaxies[key].to_numpy() for key in ("mag_i", "ra", "dec"))
    planted = galaxies["overdensity"].to_numpy() >= 0
    flat = flatten(z, mag_i, ra, dec, settings, np.random.default_rng(1))
    epoch = flat.draw(np.random.default_rng(2))
    field = binned_counts(z[~planted], mag_i[~planted], settings.mag_edges, z.max())
    wanted = _shares(smooth(field).sum(axis=0))
    parts = {"all": z, "kept": z[flat.kept], "one epoch": z[epoch], "no planted": z[~planted]}
    shares = {
        name: _shares(np.bincount((part / FINE_STEP).astype(int), minlength=field.shape[1]))
        for name, part in parts.items()
    }
    excess = {
        f"excess in structures, {name}": float(np.sqrt(np.mean((share / wanted - 1) ** 2)))
        for name, share in shares.items()
    }
    return excess | _removed(flat, planted)


def _removed(flat: Flattened, planted: np.ndarray) -> dict[str, float]:
    removed = ~flat.kept
    return {
        "planted of all": float(planted.mean()),
        "removed of all": float(removed.mean()),
        "planted of removed": float(planted[removed].mean()),
        "removed of planted": float(removed[planted].mean()),
        "removed of bystanders": float(removed[~planted].mean()),
        "distinct galaxies of an epoch": len(set(flat.draw(np.random.default_rng(2)).tolist()))
        / int(flat.kept.sum()),
        "largest weight": float(flat.weight.max()),
    }


def _shares(counts: np.ndarray) -> np.ndarray:
    """Return the fraction of all galaxies in the window of each structure."""
    z = FINE_STEP * (np.arange(len(counts)) + 0.5)
    windows = (
        abs(z - s.redshift) < STRUCTURE_HALF_WIDTH * (1 + s.redshift) for s in COSMOS_STRUCTURES
    )
    return np.array([counts[window].sum() for window in windows]) / counts.sum()


def _best(task: Callable, repeats: int = REPEATS) -> tuple[float, object]:
    best = np.inf
    for _ in range(repeats):
        begun = time.perf_counter()
        result = task()
        best = min(best, time.perf_counter() - begun)
    return best, result


if __name__ == "__main__":
    for name, value in run().items():
        print(f"{name:72} {value:12.4g}")
