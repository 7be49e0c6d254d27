"""Field stores and PDF cubes of a survey of a few hundred galaxies, in memory."""

from __future__ import annotations

import numpy as np
import xarray as xr

from hscz.pdf.grid import bin_centres

FIELDS = ("COSMOS_UDF", "DEEP2", "XMM_UDF")
N = 600
EDGES = np.linspace(0, 6, 61)
SCATTER = {"v0": 0.08, "v1": 0.07, "v2": 0.04, "v3": 0.045, "recommended": 0.03}


def field_store(name: str) -> xr.Dataset:
    """Return the store of one field; the first has COSMOS2020 labels."""
    rng = np.random.default_rng(len(name))
    mag_i = rng.uniform(20, 25, N)
    z_true = rng.gamma(4, 0.2 + 0.03 * (mag_i - 20)).clip(0.05, 4)
    oii = np.arange(N) < 40
    z_true[oii] = 1.4657
    spec = np.arange(N) % 3 == 0
    c2020 = ~spec if name == FIELDS[0] else np.zeros(N, bool)
    bands = ["us" if name.startswith("XMM") else "u", "g", "r", "i", "z", "y"]
    columns = {
        "object_id": np.arange(N),
        "field": np.full(N, name),
        "ra": 150 + 0.1 * rng.random(N),
        "dec": 2 + 0.1 * rng.random(N),
        "mag_i": mag_i,
        "snr_i": 10 ** (0.4 * (27 - mag_i)),
        "ebv": rng.normal(0.02, 0.002, N),
        "flags": np.where(np.arange(N) == 5, 1, 0),
        "z_true": z_true,
        "z_spec": np.where(spec, z_true, np.nan),
        "z_c2020": np.where(c2020 | (spec & bool(c2020.any())), z_true * 1.01, np.nan),
        "z_c2020_sigma": np.where(c2020 | spec, 0.02 * (1 + z_true), np.nan),
        "z_sed": z_true + 0.06 * (1 + z_true) * rng.normal(size=N),
        "z_label": np.where(spec | c2020, z_true, np.nan),
        "label_source": np.where(spec, "spec", np.where(c2020, "c2020", "")),
        "z_spec_survey": np.where(spec, "DEEP2", ""),
        "is_oii_candidate": oii,
    }
    store = xr.Dataset({key: ("object", value) for key, value in columns.items()})
    noise = rng.uniform(0.5, 2, (N, 6))
    image = noise[..., None, None] * rng.normal(size=(N, 6, 16, 16))
    store["image"] = ("object", "band", "y", "x"), image.astype(np.float16)
    store["sky_noise"] = ("object", "band"), noise
    return store.assign_coords(band=bands)


def cube(store: xr.Dataset, scatter: float) -> xr.Dataset:
    """Return normal PDFs around redshifts that scatter around the truth; some are wide."""
    rng = np.random.default_rng(round(1000 * scatter))
    z_true = store["z_true"].values
    z_median = (z_true + scatter * (1 + z_true) * rng.normal(size=N)).clip(0.02, 5)
    width = 2 * scatter * (1 + z_true)
    width[::7] = 1.8
    middle = bin_centres(EDGES)
    pdf = np.exp(-0.5 * ((middle - z_median[:, None]) / (0.5 * width[:, None])) ** 2) + 1e-9
    pdf /= (pdf * np.diff(EDGES)).sum(axis=1, keepdims=True)
    found = store.drop_vars(["image", "sky_noise", "band"])
    found["z_median"], found["pdf_width"] = ("object", z_median), ("object", width)
    found["in_training"] = "object", np.zeros(N, bool)
    found["pdf"] = ("object", "z"), pdf
    return found.assign_coords(z=middle)
