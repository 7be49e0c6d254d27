"""Two cubes of the same 400 objects, one of another field, and their field store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from hscz import pdf
from hscz.pdf.grid import RedshiftGrid

N = 400
GRID = RedshiftGrid.uniform(60, 6.0)


def sky(n: int = N) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    return {
        # Across right ascension 0.
        "ra": (359.9 + rng.uniform(0, 0.3, n)) % 360,
        "dec": rng.uniform(1.0, 1.3, n),
        "mag_i": rng.uniform(20, 25, n).astype(np.float32),
        "snr_i": rng.uniform(5, 100, n).astype(np.float32),
        "ebv": np.full(n, 0.02, np.float32),
        "object_id": 44223461475791504 + np.arange(n),
    }


def write_cube(path: Path, field: str, seed: int, store: Path | None = None) -> Path:
    rng = np.random.default_rng(seed)
    density = pdf.pmf_to_pdf(rng.dirichlet(np.full(len(GRID), 0.3), size=N), GRID.edges)
    density[0] = np.nan
    rows = pdf.summarise(density, GRID.edges) | {"flags": np.zeros(N, np.int32)}
    note = {"store": str(store)} if store else {}
    cube = xr.Dataset(
        {"pdf": (("object", "z"), density.astype(np.float32))}
        | {name: ("object", values) for name, values in rows.items()},
        coords={name: ("object", values) for name, values in sky().items()}
        | {"field": ("object", np.full(N, field, np.dtypes.StringDType()))}
        | {"z": GRID.centres, "z_edges": ("z_edge", GRID.edges)},
        attrs={"provenance": json.dumps(note)},
    )
    chunks = {"pdf": {"chunks": (64, len(GRID))}}
    cube.to_zarr(path, encoding=chunks, consolidated=False, zarr_format=3)
    return path


def write_store(path: Path) -> Path:
    bands = ("u", "g", "r", "i", "z", "y")
    per_band = np.ones((N, len(bands)), np.float32)
    image = np.zeros((N, len(bands), 16, 16), np.float16)
    image[:] = np.arange(N).reshape(-1, 1, 1, 1) % 50
    text = np.dtypes.StringDType()
    store = xr.Dataset(
        {"image": (("object", "band", "y", "x"), image), "flags": ("object", np.zeros(N, int))}
        | {
            name: (("object", "band"), per_band)
            for name in ("sky_noise", "psf_fwhm", "mag", "mag_err")
        },
        coords={name: ("object", values) for name, values in sky().items()}
        | {"field": ("object", np.full(N, "F", text)), "band": ("band", np.array(bands, text))},
    )
    store.to_zarr(path, consolidated=False, zarr_format=3)
    return path


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with pdfs/v0-u/{F,G}.zarr, pdfs/v2-F/F.zarr and fields/F.zarr."""
    root = tmp_path_factory.mktemp("survey")
    store = write_store(root / "fields" / "F.zarr")
    write_cube(root / "pdfs" / "v0-u" / "F.zarr", "F", 1, store)
    write_cube(root / "pdfs" / "v2-F" / "F.zarr", "F", 2, store)
    write_cube(root / "pdfs" / "v0-u" / "G.zarr", "G", 3)
    return root


@pytest.fixture(scope="session")
def pair(survey: Path) -> list[Path]:
    """The cubes of both models of field F."""
    return [survey / "pdfs" / "v0-u" / "F.zarr", survey / "pdfs" / "v2-F" / "F.zarr"]
