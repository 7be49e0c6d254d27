"""The plan of an ingest at survey size: 4 million objects in 350 patches, without a pixel.

The graph must not grow with the objects, and the plan must cost little beside the cutting.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import cloudpickle
import numpy as np
from astropy.wcs import WCS

from hscz import stores
from hscz.ingest.cutting import blocks_of, cutting_tasks
from hscz.sky.fits import BandImage
from hscz.sky.mask import HSC_MASK_PLANES
from hscz.sky.mosaic import Tile, assign
from hscz.survey import PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG

ROWS, COLUMNS, SIDE_PX, STEP_PX = 14, 25, 4200, 4000
BAND_NAMES = ("u", "g", "r", "i", "z", "y", "J", "H", "Ks")
FEW, MANY = 40_000, 4_000_000


def run() -> dict[str, float]:
    """Return tasks, bytes of the graph and seconds of the plan for few and many objects."""
    tiles = _tiles()
    found = {}
    for name, n in (("40k", FEW), ("4M", MANY)):
        rng = np.random.default_rng([20, 4])
        height, width = (SIDE_PX + STEP_PX * (m - 1) for m in (ROWS, COLUMNS))
        x, y = rng.uniform(0, width, n), rng.uniform(0, height, n)
        ra, dec = tiles[0].wcs.all_pix2world(x, y, 0)
        begun = time.perf_counter()
        index, _, _ = assign(tiles, ra, dec)
        order = np.argsort(index[index >= 0], kind="stable")
        blocks = blocks_of(tiles, index[index >= 0][order])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "A.zarr"
            (stores.part(path) / "done").mkdir(parents=True)
            tasks = cutting_tasks(path, blocks, 64)
        seconds = time.perf_counter() - begun
        graph = {key for task in tasks for key in task.__dask_graph__()}
        found[f"region_{name}_tasks"] = len(graph)
        found[f"region_{name}_graph_mb"] = len(cloudpickle.dumps(tasks)) / 1e6
        found[f"region_{name}_plan_s"] = seconds
        found[f"region_{name}_objects_in_a_tile"] = float((index >= 0).sum())
    return found


def _tiles() -> list[Tile]:
    """Return overlapping patches of one tangent plane, as their headers alone would give them."""
    tiles = []
    for row, column in np.ndindex(ROWS, COLUMNS):
        wcs = WCS(naxis=2)
        wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.0, 2.0]
        wcs.wcs.crpix = [50_000 - STEP_PX * column, 28_000 - STEP_PX * row]
        wcs.wcs.cdelt = [-PIXEL_SCALE_ARCSEC / 3600, PIXEL_SCALE_ARCSEC / 3600]
        images = tuple(
            BandImage(
                Path(f"/survey/calexp-{band}-{row},{column}.fits"),
                *(band, (SIDE_PX, SIDE_PX), wcs, ZERO_POINT_MAG),
                *({"IMAGE": 1, "MASK": 2, "VARIANCE": 3}, HSC_MASK_PLANES),
            )
            for band in BAND_NAMES
        )
        tiles.append(Tile(f"9813-{column},{row}", images, (0, SIDE_PX, 0, SIDE_PX)))
    return tiles


if __name__ == "__main__":
    for key, value in run().items():
        print(f"{key:40} {value:12.4g}")
