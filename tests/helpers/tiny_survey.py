"""A survey of two small fields in real formats, with what it takes to damage it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from astropy.io import fits
from astropy.wcs import WCS

from hscz.cli import main
from hscz.sky.fits import write_calexp
from tests.helpers.images import tan_wcs

BANDS = {"g": "HSC-G", "r": "HSC-R", "i": "HSC-I"}
SIDE_PX, STEP_PX = 260, 160
"""Side of a patch, and distance between the two patches of a field."""

N_OBJECTS, N_OUTSIDE = 80, 4

CONFIG = """
stores = "out"
[fields.A]
images = "images/A/calexp-{filter}-1-{patch}.fits"
catalogue = { file = "A.csv", catalogue = "objects.toml" }
bands = ["g", "r", "i"]
spec = [{ file = "A-spec.csv", catalogue = "spec.toml" }]
truth = "A-truth.parquet"
[fields.B]
images = "images/B/calexp-{filter}-1-{patch}.fits"
catalogue = { file = "B.csv", catalogue = "objects.toml" }
bands = ["g", "r", "i"]
[network]
size = "compact"
layers = ["conv 4 5 relu 2", "pool", "conv 8 3 relu"]
merge_after = 1
dense = [8]
[train]
fields = ["A"]
bands = ["g", "r", "i"]
epochs = 1
batch_size = 8
n_bins = 20
z_max = 2.0
device = "cpu"
[predict]
block = 16
device = "cpu"
[evaluate]
fields = ["A"]
"""

DESCRIPTOR = """
title = "a survey"
survey = "X"
reference = "none"
bibcode = "none"
selection = "all"
extinction_corrected = false
z_range = [0.0, 2.0]
format = "csv"
"""

OBJECTS = f"""{DESCRIPTOR}
select = "mag_i < 25 & MASK == 0"
[columns]
object_id = "ID"
ra = "RA"
dec = "DEC"
[mag]
g = "g"
r = "r"
i = "i"
[mag_err]
g = "g_err"
r = "r_err"
i = "i_err"
"""

SPEC = f"""{DESCRIPTOR}
secure = "Q >= 3"
[columns]
ra = "RA"
dec = "DEC"
z = "Z"
flag = "Q"
"""


def patch_wcs(field: str, patch: int) -> WCS:
    return tan_wcs({"A": 150.0, "B": 35.0}[field], crpix=(200.0 - patch * STEP_PX, 130.0))


def calexp(root: Path, field: str = "A", band: str = "r", patch: int = 1) -> Path:
    return root / "images" / field / f"calexp-{BANDS[band]}-1-{patch}.fits"


def make_field(root: Path, field: str, seed: int) -> None:
    """Write a field of two overlapping patches; the first objects are too near its edge."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(40, SIDE_PX + STEP_PX - 40, N_OBJECTS)
    y = rng.uniform(40, SIDE_PX - 40, N_OBJECTS)
    x[:N_OUTSIDE] = 5
    flux = rng.uniform(1, 10, N_OBJECTS)
    rows, columns = np.mgrid[:SIDE_PX, : SIDE_PX + STEP_PX]
    profiles = np.exp(-((columns - x[:, None, None]) ** 2 + (rows - y[:, None, None]) ** 2) / 9)
    sky = np.tensordot(flux, profiles, 1)
    for band, name in BANDS.items():
        for patch in (0, 1):
            image = sky[:, patch * STEP_PX : patch * STEP_PX + SIDE_PX]
            image = image + rng.normal(0, 0.05, image.shape)
            planes = image, np.zeros(image.shape, np.int32), np.full(image.shape, 0.0025)
            write_calexp(calexp(root, field, band, patch), *planes, patch_wcs(field, patch), name)
    ra, dec = patch_wcs(field, 0).all_pix2world(x, y, 0)
    ids, z = np.arange(N_OBJECTS) + 1000 * seed, rng.uniform(0.1, 1.9, N_OBJECTS)
    magnitudes = {band: 24 - np.log10(flux) for band in BANDS}
    errors = {f"{band}_err": 0.01 for band in BANDS}
    table = pd.DataFrame({"ID": ids, "RA": ra, "DEC": dec, "MASK": 0} | magnitudes | errors)
    table.to_csv(root / f"{field}.csv", index=False)
    table[["RA", "DEC"]].assign(Z=z, Q=4).to_csv(root / f"{field}-spec.csv", index=False)
    pd.DataFrame({"object_id": ids, "z_true": z}).to_parquet(root / f"{field}-truth.parquet")


Fails = Callable[..., str]


def succeeds(root: Path, *arguments: str) -> None:
    verb, *options = arguments
    assert main([verb, str(root / "run.toml"), "--quiet", *options]) == 0


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def variables(path: Path) -> dict[str, np.ndarray]:
    with xr.open_zarr(path, consolidated=False, chunks=None) as dataset:
        return {str(name): var.values for name, var in dataset.variables.items()}


def shorten(path: Path, n_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:n_bytes])


def edit_fits(path: Path, change: Callable[[fits.HDUList], object]) -> None:
    with fits.open(path, memmap=False) as hdus:
        copy = fits.HDUList([hdu.copy() for hdu in hdus])
    change(copy)
    copy.writeto(path, overwrite=True)


BROKEN_DATA = slice(60_000, 60_400)


def broken_inside(root: Path, field: str = "A", patch: int = 1) -> None:
    """Compress a file, then overwrite some of its bytes: its headers stay as they are."""
    path = calexp(root, field, patch=patch)
    with fits.open(path) as hdus:
        planes = [fits.CompImageHDU(h.data, h.header, compression_type="GZIP_1") for h in hdus[1:]]
        fits.HDUList([hdus[0].copy(), *planes]).writeto(path, overwrite=True)
    content = bytearray(path.read_bytes())
    content[BROKEN_DATA] = bytes(400)
    path.write_bytes(content)


def table(change: Callable[[pd.DataFrame], pd.DataFrame], name: str) -> Callable[[Path], None]:
    return lambda root: change(pd.read_csv(root / name)).to_csv(root / name, index=False)


def objects(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    return table(change, "A.csv")
