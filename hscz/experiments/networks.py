"""Networks on images as an estimator: trained, averaged, and read from their PDF cubes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz import pdf, stores
from hscz.config import RunConfig
from hscz.evaluate.judged import is_judged

COLUMNS = (
    *("object_id", "ra", "dec", "mag_i", "z_median", "pdf_width"),
    *("z_true", "z_spec", "z_label", "is_oii_candidate"),
)

BLOCK = 4096
"""PDFs read at once."""


class Networks:
    """The networks of a configuration; see `hscz.experiments.estimator.Estimator`."""

    trains = True

    def output(self, config: RunConfig, name: str) -> Path:
        """Return the PDF cube of a field."""
        return config.cube(name)

    def why_stale(self, config: RunConfig, name: str) -> str:
        """Return why the cube of a field must be made; empty where it is up to date."""
        from hscz.predict.stage import predict_key

        return stores.why_stale(config.cube(name), predict_key(config, name))

    def predict(self, config: RunConfig, name: str) -> None:
        """Write the cube of a field."""
        from hscz.predict.stage import predict_field

        predict_field(config, name, progress=False)

    def read(self, config: RunConfig, name: str) -> pd.DataFrame:
        """Return medians and widths of the PDFs, and ``z_draw``, a redshift drawn from each."""
        cube = read_judged(config.cube(name))
        table = pd.DataFrame({key: cube[key].values for key in COLUMNS if key in cube})
        return table.assign(z_draw=_drawn(cube, np.random.default_rng(config.train.seed)))


NETWORKS = Networks()


def read_judged(path: Path) -> xr.Dataset:
    """Return the objects of a cube that can be judged: with a redshift, and not learnt from."""
    cube = stores.open_cube(path, lazy=False)
    return cube.isel(object=np.flatnonzero(is_judged(cube)))


def _drawn(cube: xr.Dataset, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a redshift drawn from each PDF, reading as many at once as a cube has in a block."""
    edges, starts = cube["z_edges"].values, range(0, cube.sizes["object"], BLOCK)
    drawn = [pdf.draw(cube["pdf"][start : start + BLOCK].values, edges, rng) for start in starts]
    return np.concatenate([np.zeros(0), *drawn])
