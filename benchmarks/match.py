"""Cross-match of a survey with all its redshifts, beside astropy on the same tables.

Astropy's `match_to_catalog_sky` finds the nearest neighbour of each row, which is not yet one
to one. It is timed both ways: redshifts into the larger table, which is its faster way, and
objects into the table of redshifts, which is how one would label a catalogue.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from benchmarks.memory import peak_mb

N_OBJECTS, N_REDSHIFTS = 4_000_000, 1_000_000
RADIUS_ARCSEC, SCATTER_ARCSEC = 1.0, 0.2
CENTRES_DEG, HALF_SIDE_DEG = ((150.1, 2.2), (35.0, -5.0), (242.5, 55.0), (352.0, -0.3)), 1.2

# Run apart, so that each peak is that of one way alone, imports and both tables included.
PEAK = """
import sys
from benchmarks import match
objects, redshifts, _ = match.tables(float(sys.argv[1]))
getattr(match, sys.argv[2])(objects, redshifts)
"""

Table = tuple[np.ndarray, np.ndarray]


def run(fraction: float = 1.0) -> dict[str, float]:
    """Return seconds, ratios and peaks in MB, with a fraction of the rows."""
    objects, redshifts, origin = tables(fraction)
    ours_s, (i, j, _) = _timed(lambda: ours(objects, redshifts))
    into_objects_s, _ = _timed(lambda: astropy_into_objects(objects, redshifts))
    into_redshifts_s, _ = _timed(lambda: astropy_into_redshifts(objects, redshifts))
    name = f"match, {len(objects[0]):,} x {len(redshifts[0]):,}"
    peaks = {
        f"{name}, {label}, peak resident memory, MB": peak_mb(PEAK, str(fraction), function)
        for label, function in (
            ("both tables alone", "nothing"),
            ("ours", "ours"),
            ("astropy", "astropy_into_objects"),
        )
    }
    return {
        f"{name}, one to one, s": ours_s,
        f"{name}, astropy redshifts into objects, s": into_objects_s,
        f"{name}, astropy objects into redshifts, s": into_redshifts_s,
        f"{name}, astropy / ours, redshifts into objects": into_objects_s / ours_s,
        f"{name}, astropy / ours, objects into redshifts": into_redshifts_s / ours_s,
        f"{name}, redshifts given to their own object": float((origin[j] == i).mean()),
    } | peaks


def tables(fraction: float) -> tuple[Table, Table, np.ndarray]:
    """Return objects of four fields, redshifts of some of them, and the object of each."""
    rng = np.random.default_rng([20, 4])
    n, m = round(fraction * N_OBJECTS), round(fraction * N_REDSHIFTS)
    centre = np.array(CENTRES_DEG)[rng.integers(0, len(CENTRES_DEG), n)]
    half = HALF_SIDE_DEG * np.sqrt(fraction)
    dec = centre[:, 1] + rng.uniform(-half, half, n)
    ra = centre[:, 0] + rng.uniform(-half, half, n) / np.cos(np.radians(centre[:, 1]))
    origin = rng.choice(n, m, replace=False)
    shift = rng.normal(0, SCATTER_ARCSEC / 3600, (2, m))
    redshifts = ra[origin] + shift[0] / np.cos(np.radians(dec[origin])), dec[origin] + shift[1]
    return (ra, dec), redshifts, origin


def ours(objects: Table, redshifts: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from hscz.tables.match import match_one_to_one

    return match_one_to_one(*objects, *redshifts, RADIUS_ARCSEC)


def astropy_into_objects(objects: Table, redshifts: Table) -> object:
    from astropy.coordinates import SkyCoord

    return SkyCoord(*redshifts, unit="deg").match_to_catalog_sky(SkyCoord(*objects, unit="deg"))


def astropy_into_redshifts(objects: Table, redshifts: Table) -> object:
    return astropy_into_objects(redshifts, objects)


def nothing(objects: Table, redshifts: Table) -> None:
    import hscz.tables.match  # noqa: F401


def _timed(task: Callable) -> tuple[float, tuple]:
    begun = time.perf_counter()
    result = task()
    return time.perf_counter() - begun, result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.match", description=__doc__)
    parser.add_argument("--fraction", type=float, default=1.0, help="of the rows")
    for key, value in run(parser.parse_args().fraction).items():
        print(f"{key:84} {value:12.4g}")
