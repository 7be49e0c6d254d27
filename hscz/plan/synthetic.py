"""Field stores, models, PDF cubes and images without astronomy, for timing alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from hscz import pdf, stores
from hscz.config import RunConfig
from hscz.files.atomic import read_json, write_json
from hscz.files.fresh import Key
from hscz.learn.folder import ModelFolder
from hscz.learn.model import Model
from hscz.pdf.grid import RedshiftGrid
from hscz.schema import FIELD_STORE, PDF_CUBE
from hscz.survey import STAMP_PX

BANDS = ("u", "g", "r", "i", "z", "y")


def field_store(
    path: Path, n: int, blank: bool = False, bands: tuple[str, ...] = BANDS, side_px: int = STAMP_PX
) -> Path:
    """Write a labelled field store of `n` noise stamps, or of zeros that take no disk."""
    text = np.dtypes.StringDType()
    rng = np.random.default_rng(1)
    number = np.arange(n)
    per_object = {key: rng.random(n) for key in ("ra", "dec", "snr_i", "ebv")}
    per_object["mag_i"] = rng.uniform(18.0, 25.0, n)
    labels = {"z_label": rng.uniform(0.01, 5.99, n), "z_c2020_sigma": rng.uniform(0.0, 0.1, n)}
    labels["label_source"] = np.full(n, "c2020", text)
    columns = xr.Dataset(
        {key: (("object", "band"), rng.random((n, len(bands)))) for key in ("mag", "mag_err")}
        | {key: ("object", value) for key, value in labels.items()},
        attrs={"labels": "random"},
        coords={key: ("object", value) for key, value in per_object.items()}
        | {
            "object_id": ("object", number),
            "field": ("object", np.full(n, "NOISE", text)),
            "band": ("band", np.array(bands, text)),
        },
    )
    stamp = len(bands), side_px, side_px
    shapes = {"image": (n, *stamp), "flags": (n,)}
    shapes |= dict.fromkeys(("sky_noise", "psf_fwhm"), (n, len(bands)))
    types = {"image": np.float16, "flags": np.int32}
    bulk = {
        key: xr.Variable(
            FIELD_STORE[key].dims, np.broadcast_to(np.zeros((), types.get(key, np.float32)), shape)
        )
        for key, shape in shapes.items()
    }
    blocks = {f"b{start}": start for start in range(0, n, stores.IMAGE_CHUNK)}
    stores.create(path, columns, bulk, Key(), list(blocks))
    if blank:
        about = stores.part(path) / "store" / "image" / "zarr.json"
        write_json(about, read_json(about) | {"fill_value": 0.0})
    noise = rng.standard_normal((stores.IMAGE_CHUNK, *stamp), np.float32).astype(np.float16)
    for block, start in blocks.items():
        rows = min(stores.IMAGE_CHUNK, n - start)
        values = {
            "sky_noise": np.ones((rows, len(bands)), np.float32),
            "psf_fwhm": np.ones((rows, len(bands)), np.float32),
            "flags": np.zeros(rows, np.int32),
        } | ({} if blank else {"image": noise[:rows]})
        stores.write_rows(path, start, values, block)
    return stores.commit(path, FIELD_STORE)


def model(path: Path, config: RunConfig) -> Model:
    """Write an untrained model, complete with the files a trained one has."""
    import pandas as pd

    folder = ModelFolder(path)
    path.mkdir(parents=True, exist_ok=True)
    fresh = Model.untrained(config)
    fresh.describe(folder, config)
    split = {"field": [""], "object_id": [0], "ra": [0.0], "dec": [0.0], "used": [True]}
    pd.DataFrame(split | {"mag_i": [22.0], "part": ["training"]}).to_parquet(folder.split)
    fresh.save_weights(folder)
    return Model.load(path)


def pdf_cube(path: Path, n_rows: int, n_bins: int = 360) -> Path:
    """Write a PDF cube of `n_rows` objects, one bell of probability each, over one degree."""
    rng = np.random.default_rng(1)
    grid, text = RedshiftGrid.uniform(n_bins), np.dtypes.StringDType()
    columns = {
        "object_id": np.arange(n_rows),
        "ra": rng.uniform(352.0, 353.0, n_rows),
        "dec": rng.uniform(-0.5, 0.5, n_rows),
        "field": np.full(n_rows, "DEEP2", text),
        "mag_i": rng.uniform(18.0, 25.0, n_rows).astype(np.float32),
        **{key: rng.random(n_rows).astype(np.float32) for key in ("snr_i", "ebv")},
    }
    block = 4096
    z, sigma = rng.uniform(0.1, 5.0, (block, 1)), rng.uniform(0.02, 0.3, (block, 1))
    mass = np.exp(-0.5 * ((grid.centres - z) / sigma) ** 2) + 1e-9
    density = pdf.pmf_to_pdf(mass / mass.sum(axis=1, keepdims=True), grid.edges)
    rows = pdf.summarise(density, grid.edges) | {
        "pdf": density.astype(np.float32),
        "flags": np.zeros(block, np.int32),
    }
    dataset = xr.Dataset(
        coords={key: ("object", values) for key, values in columns.items()}
        | {"z": grid.centres, "z_edges": ("z_edge", grid.edges)}
    )
    bulk = {
        key: xr.Variable(
            PDF_CUBE[key].dims,
            np.broadcast_to(np.zeros((), values.dtype), (n_rows, *values.shape[1:])),
        )
        for key, values in rows.items()
    }
    blocks = {f"b{start}": start for start in range(0, n_rows, block)}
    stores.create(path, dataset, bulk, Key(), list(blocks))
    for name, start in blocks.items():
        n = min(block, n_rows - start)
        stores.write_rows(path, start, {key: v[:n] for key, v in rows.items()}, name)
    return stores.commit(path, PDF_CUBE)


def calexp(path: Path, side_px: int) -> Path:
    """Write an image of noise in the i band, with its mask and variance."""
    from astropy.wcs import WCS

    from hscz.sky.fits import write_calexp
    from hscz.survey import PIXEL_SCALE_ARCSEC

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.crpix = [side_px / 2, side_px / 2]
    wcs.wcs.cdelt = [-PIXEL_SCALE_ARCSEC / 3600, PIXEL_SCALE_ARCSEC / 3600]
    shape = (side_px, side_px)
    noise = np.random.default_rng(1).standard_normal(shape, np.float32)
    planes = np.zeros(shape, np.int32), np.ones(shape, np.float32)
    return write_calexp(path, noise, *planes, wcs, "HSC-I")
