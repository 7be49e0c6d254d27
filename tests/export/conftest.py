"""A small PDF cube to export, with a missing PDF, labels and two kinds of text."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from hscz import pdf
from hscz.pdf.grid import RedshiftGrid
from hscz.schema import PDF_CUBE, Flag, describe, validate


@pytest.fixture(scope="package")
def cube() -> xr.Dataset:
    n, grid = 25, RedshiftGrid.logarithmic(60, 6.0)
    rng = np.random.default_rng(3)
    density = pdf.pmf_to_pdf(rng.dirichlet(np.full(len(grid), 0.3), size=n), grid.edges)
    density[0] = np.nan
    rows = pdf.summarise(density, grid.edges)
    rows |= {"flags": np.where(np.arange(n) == 0, Flag.MISSING_PIXELS, 0).astype(np.int32)}
    columns = {
        "object_id": 44223461475791504 + np.arange(n),
        "ra": rng.uniform(149, 151, n),
        "dec": rng.uniform(1, 3, n),
        "field": np.array(["ELAIS", "XMM_DEEP"])[np.arange(n) % 2],
        "mag_i": rng.uniform(20, 25, n).astype(np.float32),
        "snr_i": rng.uniform(5, 100, n).astype(np.float32),
        "ebv": rng.uniform(0, 0.1, n).astype(np.float32),
        "z_spec": np.where(np.arange(n) < 3, 0.7, np.nan).astype(np.float32),
        "label_source": np.where(np.arange(n) < 3, "spec", ""),
        "is_oii_candidate": np.arange(n) % 3 == 0,
    }
    cube = xr.Dataset(
        {"pdf": (("object", "z"), density.astype(np.float32))}
        | {name: ("object", values) for name, values in rows.items()},
        coords={name: ("object", values) for name, values in columns.items()}
        | {"z": grid.centres, "z_edges": ("z_edge", grid.edges)},
        attrs={"provenance": {"model": "v0", "seed": 7}, "note": "δ"},
    )
    return describe(validate(cube, PDF_CUBE, "test cube"), PDF_CUBE)
