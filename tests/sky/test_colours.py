from __future__ import annotations

import numpy as np
import pytest

from hscz.sky.colours import colour_shift
from hscz.sky.zeropoint import FLOOR_MAG, Offsets, zero_points

BANDS = 6


def galaxies(n: int, tilt: float, seed: int) -> np.ndarray:
    """Return magnitudes of galaxies on a curved sheet in colour, `tilt` of them to one side."""
    rng = np.random.default_rng(seed)
    z, kind = rng.beta(2 + tilt, 2, (n, 1)), rng.uniform(0, 1, (n, 1))
    wavelength = np.linspace(0, 1, BANDS)
    step = 2 * kind / (1 + np.exp((wavelength - z) / 0.1))
    return rng.uniform(20, 23, (n, 1)) + step + 0.5 * kind * (1 - wavelength)


def shifted(tilt: float, offset: list[float], n: int = 500) -> Offsets:
    rng = np.random.default_rng(5)
    target = galaxies(n, tilt, 2) + offset + rng.normal(0, 0.03, (n, BANDS))
    parts = np.arange(1500) % 10, np.arange(n) % 10
    err = np.full((n, BANDS), 0.03)
    return zero_points(colour_shift(galaxies(1500, 0.0, 1), target, err, *parts), 3)


@pytest.mark.parametrize(
    "offset",
    [[0.0] * 6, [0, 0, 0, 0.2, 0, 0], [-0.2, -0.2, -0.2, 0, 0, 0], [0.1, 0, 0, 0, -0.1, 0]],
)
def test_offsets_come_back_in_another_population_too(offset):
    for tilt in (0.0, 0.5):
        found = shifted(tilt, offset)
        assert abs(found.offset_mag - offset).max() < 0.07
        assert (found.error_mag >= FLOOR_MAG).all()


def test_few_galaxies_have_larger_errors():
    few, many = shifted(0.0, [0.0] * 6, 60), shifted(0.0, [0.0] * 6, 1000)
    assert (few.error_mag > many.error_mag).all()
    assert (abs(few.offset_mag) < 4 * few.error_mag).all()


def test_offsets_are_shrunk_and_never_turned_round():
    offset = np.array([0.2, 0.03, 0.01, 0.0, -0.03, -0.2])
    shrunk = Offsets(offset, np.full(6, 0.02)).shrunk_mag
    assert (abs(shrunk) <= abs(offset)).all()
    assert (shrunk * offset >= 0).all()
    assert shrunk[2] == shrunk[3] == 0
    assert shrunk[0] == pytest.approx(0.198)
