"""Galaxies with calibrated PDFs of a known prior, in a field of another n(z)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EDGES = np.linspace(0.0, 6.0, 121)
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ToyField:
    """Redshifts, magnitudes and PDFs, which carry the n(z) of `source`."""

    z: FloatArray
    mag_i: FloatArray
    pdf: FloatArray


def source(mag_i: float = 23.0) -> FloatArray:
    """Return n(z) in the bins: deeper where it is fainter."""
    mean = 0.7 + 0.15 * (mag_i - 22.0)
    n_of_z = CENTRES**2 * np.exp(-((CENTRES / mean) ** 1.5))
    return np.asarray(n_of_z / n_of_z.sum())


def toy_field(n: int, seed: int, ratio: FloatArray | None = None, noise: float = 0.15) -> ToyField:
    """Draw galaxies of n(z) times a ratio, seen with `noise` (1 + z)."""
    rng = np.random.default_rng(seed)
    mag_i = rng.uniform(22.0, 25.0, n)
    z, pdf = np.empty(n), np.empty((n, len(CENTRES)))
    likelihood = _seen_at(noise)
    for k in range(n):
        prior = source(mag_i[k])
        own = prior if ratio is None else prior * ratio
        z[k] = rng.choice(CENTRES, p=own / own.sum())
        place = rng.choice(len(CENTRES), p=likelihood[np.argmin(np.abs(CENTRES - z[k]))])
        pdf[k] = prior * likelihood[:, place]
    pdf /= (pdf.sum(axis=1) * 0.05)[:, None]
    return ToyField(z + rng.uniform(-0.025, 0.025, n), mag_i, pdf)


def _seen_at(noise: float) -> FloatArray:
    """Return how likely each bin is seen for each true one, shape (true, seen)."""
    off = (CENTRES[None] - CENTRES[:, None]) / (noise * (1 + CENTRES[:, None]))
    table = np.exp(-0.5 * off**2)
    return np.asarray(table / table.sum(axis=1, keepdims=True))
