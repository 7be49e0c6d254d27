"""The pairs of an epoch beside a k-d tree, which a user would take for nearest neighbours."""

from __future__ import annotations

import time

import numpy as np
from scipy.spatial import cKDTree

from hscz.config.learn import AdaptConfig
from hscz.learn.pairs import draw_pairs

SOURCES, TARGETS, BATCH, REPEATS = 155_000, 100_000, 64, 5


def run() -> dict[str, float]:
    """Return the seconds of one epoch and the ratio to the same draws from k-d trees."""
    rng = np.random.default_rng([21, 1])
    mag_source, mag_target = _magnitudes(SOURCES, rng), _magnitudes(TARGETS, rng)
    order, settings = rng.permutation(SOURCES), AdaptConfig()

    def from_trees() -> None:
        source, target = cKDTree(mag_source[:, None]), cKDTree(mag_target[:, None])
        drawn = order[: SOURCES // BATCH * BATCH].reshape(-1, BATCH)
        match = _partner(target, mag_source[drawn], rng, settings.neighbours)
        # A galaxy's nearest is itself; the partner is one of the others.
        _partner(source, mag_source[drawn[:, 32:48]], rng, settings.neighbours, 1)
        _partner(target, mag_target[match[:, 48:]], rng, settings.neighbours, 1)

    ours_s, trees_s = np.inf, np.inf
    for _ in range(REPEATS):
        begun = time.perf_counter()
        draw_pairs(order, mag_source, mag_target, BATCH, rng, settings)
        between = time.perf_counter()
        from_trees()
        ours_s = min(ours_s, between - begun)
        trees_s = min(trees_s, time.perf_counter() - between)
    return {
        f"pairs, an epoch of {SOURCES:,} x {TARGETS:,}, s": ours_s,
        "pairs, k-d trees / ours": trees_s / ours_s,
    }


def _magnitudes(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw from n(i) ~ 10^(0.3 i), 16 < i < 25."""
    return np.log10(rng.uniform(10**4.8, 10**7.5, n)) / 0.3


def _partner(
    tree: cKDTree, mag: np.ndarray, rng: np.random.Generator, k: int, skip: int = 0
) -> np.ndarray:
    _, near = tree.query(mag.reshape(-1, 1), k=k + skip)
    chosen = rng.integers(skip, k + skip, size=len(near))
    return near[np.arange(len(near)), chosen].reshape(mag.shape)


if __name__ == "__main__":
    for name, value in run().items():
        print(f"{name:60} {value:12.3f}")
