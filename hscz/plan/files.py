"""Short timings of the stages that make, cut and write files."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from hscz.config import ExportConfig
from hscz.config.mock import MockSettings
from hscz.plan.sizes import SURVEY_PER_ARCMIN2

MOCK_PX = 400, 1600
"""Sides of the patches of the two mock fields whose times give that of an area."""

EXPORT_ROWS = 16_384


@dataclass(frozen=True)
class Mocking:
    """What a mock field costs: seconds before the first, and of a square arcmin on one core."""

    start_seconds: float
    seconds_per_arcmin2: float


def try_ingest() -> float:
    """Return the seconds that it takes to cut one band of a megapixel, with its galaxies."""
    import numpy as np

    from hscz.plan.synthetic import calexp
    from hscz.sky.cutouts import cut_tile
    from hscz.sky.region import open_region
    from hscz.survey import PIXEL_SCALE_ARCSEC, STAMP_PX

    side = 2000
    with tempfile.TemporaryDirectory() as folder:
        calexp(Path(folder) / "noise-i.fits", side)
        (tile,) = open_region(dict.fromkeys(["i"], str(Path(folder) / "noise-{band}.fits"))).tiles
        n = round(SURVEY_PER_ARCMIN2 * (side * PIXEL_SCALE_ARCSEC / 60.0) ** 2)
        x, y = np.random.default_rng(1).uniform(STAMP_PX, side - STAMP_PX, (2, n))
        cut_tile(tile, x, y)
        begun = time.perf_counter()
        cut_tile(tile, x, y)
        return (time.perf_counter() - begun) / (side**2 / 1e6)


def try_mock(settings: MockSettings) -> Mocking:
    """Time two small mock fields, after a first that sets up the spectra."""
    from hscz.mock.grid import FieldGrid
    from hscz.mock.survey import make_field

    name = next(iter(settings.fields))

    def run(patch_px: int) -> tuple[float, float]:
        small = replace(settings, fields={name: (1, 1)}, patch_px=patch_px, overlap_px=0)
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            make_field(small, name, Path(folder), progress=False)
            seconds = time.perf_counter() - begun
        return seconds, FieldGrid.of(small, name).area_deg2 * 3600.0

    first, (few, little), (many, much) = run(MOCK_PX[0])[0], run(MOCK_PX[0]), run(MOCK_PX[1])
    # On a busy machine the larger one may happen to be no slower.
    rate = (many - few) / (much - little) if many > few else many / much
    return Mocking(max(0.0, first - few), rate)


def try_export(settings: ExportConfig, n_bins: int) -> float:
    """Return the seconds that it takes to write one object into all catalogues."""
    from hscz.export import export
    from hscz.plan.synthetic import pdf_cube

    with tempfile.TemporaryDirectory() as folder:
        cube = pdf_cube(Path(folder) / "cube.zarr", EXPORT_ROWS, n_bins)
        seconds = 0.0
        # The first time loads what writes the files.
        for _ in range(2):
            begun = time.perf_counter()
            stem = Path(folder) / "catalogue"
            export(cube, stem, settings.formats, settings.include_pdf, overwrite=True)
            seconds = time.perf_counter() - begun
    return seconds / EXPORT_ROWS
