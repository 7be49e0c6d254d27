"""Peak resident memory: ingest of a mosaic four times its limit, and the paper's training set.

``python -m benchmarks.memory --fraction 1`` holds the training set whole, about 13 GB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from hscz.survey import PIXEL_SCALE_ARCSEC

LIMIT_MB = 600.0
BANDS = ("g", "r", "i", "z")

SOURCE_STAMPS, TARGET_STAMPS = 155_000, 100_000
STAMP_MB = 6 * 64 * 64 * 2 / 1e6

# Run apart, so that the peak is that of the stage alone, imports and Dask threads included.
# The kernel's high-water mark starts anew with a program; getrusage's would be the parent's.
REPORT_PEAK = """
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(float(status["VmHWM"].split()[0]) * 1024 / 1e6)
"""
INGEST = """
import sys
from hscz.config.read import load
from hscz.ingest.stage import ingest
if len(sys.argv) > 1:
    ingest(load(sys.argv[1]), "BIG", progress=False)
"""
# All that training holds but the network: stamps, labels, and the batches of one epoch.
TRAINING_SET = """
import sys
import torch
from hscz.config import RunConfig
from hscz.learn.batches import Epochs
from hscz.learn.adapt import wanted
    from hscz.learn.data import Labelled, Unlabelled
from hscz.config.learn import AdaptConfig, TrainConfig
if len(sys.argv) > 1:
    adapt = AdaptConfig(targets=("TARGET",), adversary="inverted")
    config = RunConfig(stores=sys.argv[1], train=TrainConfig(fields=("SOURCE",)), adapt=adapt)
    cpu = torch.device("cpu")
    asked = config, cpu, wanted(config)
    source, target = Labelled(*asked), Unlabelled.read(*asked)
    for _ in Epochs.of(config, source, target, 0, cpu)(torch.Generator().manual_seed(1)):
        pass
"""


def run(fraction: float = 0.05) -> dict[str, float]:
    """Return sizes and peaks in MB, with a fraction of the paper's training set."""
    return ingest() | training_set(fraction)


def ingest() -> dict[str, float]:
    """Return the mosaic's size, the limit and the peak, in MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = {
            "ingest, mosaic, MB": _write_mosaic(folder),
            "ingest, memory limit, MB": LIMIT_MB,
            "ingest, imports alone, MB": peak_mb(INGEST),
        }
        for n in (2_000, 8_000):
            peak = peak_mb(INGEST, _write_catalogue(folder, n))
            results[f"ingest, peak resident memory with {n:,} objects, MB"] = peak
    return results


def training_set(fraction: float) -> dict[str, float]:
    """Return the peak with a part of the training set, and what follows from it for all.

    A run with a quarter of the part tells what every run needs from what grows with the stamps.
    """
    n, peak = _training_peak_mb(fraction)
    n_few, peak_few = _training_peak_mb(fraction / 4)
    n_all = SOURCE_STAMPS + TARGET_STAMPS
    return {
        "training set, stamps": n,
        "training set, stamps alone, MB": n * STAMP_MB,
        "training set, peak resident memory, MB": peak,
        "training set, imports alone, MB": peak_mb(TRAINING_SET),
        f"training set, peak scaled to {n_all:,} stamps, MB": peak
        + (peak - peak_few) / (n - n_few) * (n_all - n),
    }


def _training_peak_mb(fraction: float) -> tuple[int, float]:
    from hscz.plan import synthetic

    sizes = {"SOURCE": round(fraction * SOURCE_STAMPS), "TARGET": round(fraction * TARGET_STAMPS)}
    with tempfile.TemporaryDirectory() as name:
        (fields := Path(name) / "fields").mkdir()
        for field, n in sizes.items():
            synthetic.field_store(fields / f"{field}.zarr", n, blank=True)
        return sum(sizes.values()), peak_mb(TRAINING_SET, Path(name))


def peak_mb(program: str, *arguments: Path | str) -> float:
    command = [sys.executable, "-c", program + REPORT_PEAK, *map(str, arguments)]
    return float(subprocess.check_output(command, text=True))


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
        'title = "noise"\nsurvey = "noise"\nreference = "none"\nbibcode = ""\n'
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--fraction", type=float, default=0.05, help="of the training set")
    for key, value in run(parser.parse_args().fraction).items():
        print(f"{key:60} {value:10.1f}")
