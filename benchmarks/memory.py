"""Peak resident memory of ingest when the mosaic is four times the memory limit."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from hscz.survey import PIXEL_SCALE_ARCSEC

LIMIT_MB = 600.0
BANDS = ("g", "r", "i", "z")

# Run apart, so that the peak is that of the ingest alone, imports and Dask threads included.
# The kernel's high-water mark starts anew with a program; getrusage's would be the parent's.
PROGRAM = """
import sys
from hscz.configfile import load
from hscz.ingest import ingest
if len(sys.argv) > 1:
    ingest(load(sys.argv[1]), "BIG", progress=False)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(float(status["VmHWM"].split()[0]) / 1024)
"""


def run() -> dict[str, float]:
    """Return the mosaic's size, the limit and the peak, in MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = {
            "ingest, mosaic, MB": _write_mosaic(folder),
            "ingest, memory limit, MB": LIMIT_MB,
            "ingest, imports alone, MB": _peak_mb(),
        }
        for n in (2_000, 8_000):
            peak = _peak_mb(str(_write_catalogue(folder, n)))
            results[f"ingest, peak resident memory with {n:,} objects, MB"] = peak
    return results


def _peak_mb(*arguments: str) -> float:
    return float(subprocess.check_output([sys.executable, "-c", PROGRAM, *arguments], text=True))


def _side_px() -> int:
    return int(np.sqrt(4 * LIMIT_MB * 1e6 / (12 * len(BANDS))))


def _write_mosaic(folder: Path) -> float:
    """Write noise planes of image, mask and variance with four times the limit in all."""
    from hscz.sky.fits import write_calexp

    side = _side_px()
    rng = np.random.default_rng(1)
    image = rng.standard_normal((side, side), np.float32)
    mask = np.zeros((side, side), np.int32)
    variance = np.ones((side, side), np.float32)
    for b in BANDS:
        write_calexp(
            folder / f"big-{b}.fits", image, mask, variance, _wcs(side), f"HSC-{b.upper()}"
        )
    return 12 * side * side * len(BANDS) / 1e6


def _wcs(side: int):
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.crpix = [side / 2, side / 2]
    wcs.wcs.cdelt = [-PIXEL_SCALE_ARCSEC / 3600, PIXEL_SCALE_ARCSEC / 3600]
    return wcs


def _write_catalogue(folder: Path, n: int) -> Path:
    import pandas as pd

    side = _side_px()
    rng = np.random.default_rng(2)
    x, y = rng.uniform(40, side - 40, (2, n))
    sky = _wcs(side).pixel_to_world_values(x, y)
    table = pd.DataFrame({"id": np.arange(n), "ra": sky[0], "dec": sky[1], "mag_i": 22.0})
    table.to_csv(folder / "cat.csv", index=False)
    (folder / "own.toml").write_text(
        'title = "noise"\nsurvey = "noise"\nreference = "none"\nbibcode = ""\narchive = ""\n'
        'selection = "all"\nextinction_corrected = false\nz_range = [0.0, 6.0]\nformat = "csv"\n'
        '[columns]\nobject_id = "id"\nra = "ra"\ndec = "dec"\n[mag]\ni = "mag_i"\n'
    )
    config = folder / "big.toml"
    config.write_text(
        f'stores = "out{n}"\n[ingest]\nmemory_limit_mb = {LIMIT_MB}\n[fields.BIG]\n'
        f'images = "big-{{band}}.fits"\nbands = {list(BANDS)}\n'
        'catalogue = { file = "cat.csv", catalogue = "own.toml" }\n'
    )
    return config


if __name__ == "__main__":
    for key, value in run().items():
        print(f"{key:60} {value:10.1f}")
