"""Rows per second and peak memory of catalogues, beside tables a user would write from memory.

Every file has the PDFs but where its name says otherwise. Peaks of two sizes show whether memory
grows with the rows. ``python -m benchmarks.export --rows 1000000`` takes a larger cube.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.memory import REPORT_PEAK
from hscz.plan.synthetic import pdf_cube

PROGRAM = """
import sys, time
import pandas as pd
from astropy.table import Table
from hscz.export import export, to_table
from hscz.stores import open_cube
cube, out = sys.argv[1:]
started = time.perf_counter()
{code}
print(time.perf_counter() - started)
"""
EXPORT = "export(cube, out, {formats!r}, include_pdf={pdf})"
OURS = {
    "fits": EXPORT.format(formats=["fits"], pdf=True),
    "fits without PDFs": EXPORT.format(formats=["fits"], pdf=False),
    "parquet": EXPORT.format(formats=["parquet"], pdf=True),
    "parquet without PDFs": EXPORT.format(formats=["parquet"], pdf=False),
    "votable": EXPORT.format(formats=["votable"], pdf=True),
    "hats": EXPORT.format(formats=["hats"], pdf=True),
    "qp": EXPORT.format(formats=["qp"], pdf=True),
    "all five at once": EXPORT.format(
        formats=["fits", "parquet", "votable", "hats", "qp"], pdf=True
    ),
}
FROM_MEMORY = {
    "fits": """
whole = open_cube(cube, lazy=False).load()
table = Table.from_pandas(to_table(whole))
table["cnn_pdf"] = whole["pdf"].to_numpy()
table.write(out + ".fits")
""",
    "parquet without PDFs": """
to_table(open_cube(cube, lazy=False).load()).to_parquet(out + ".parquet")
""",
}


def run(n_rows: int = 200_000) -> dict[str, float]:
    """Return rates and peaks with `n_rows` objects of 360 bins, and peaks with a quarter."""
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = (pdf_cube(folder / f"{n}.zarr", n) for n in (n_rows // 4, n_rows))
        results["export, PDFs of the cube, MB"] = n_rows * 360 * 4 / 1e6
        results["export, imports alone, MB"] = _measure("", few, folder / "none")[1]
        for kind, code in OURS.items():
            about = f"export, {kind}"
            _, peak_few = _measure(code, few, folder / f"{kind} few")
            seconds, peak = _measure(code, many, folder / kind)
            results[f"{about}, rows/s"] = n_rows / seconds
            results[f"{about}, peak with {n_rows // 4:,} rows, MB"] = peak_few
            results[f"{about}, peak with {n_rows:,} rows, MB"] = peak
            if kind in FROM_MEMORY:
                theirs, their_peak = _measure(FROM_MEMORY[kind], many, folder / f"{kind} memory")
                results[f"{about}, speed / table from memory"] = theirs / seconds
                results[f"{about}, peak / table from memory"] = peak / their_peak
    return results


def _measure(code: str, cube: Path, out: Path) -> tuple[float, float]:
    """Return seconds without imports and the peak resident memory in MB of a fresh process."""
    program = PROGRAM.format(code=code) + REPORT_PEAK
    command = [sys.executable, "-c", program, str(cube), str(out)]
    seconds, peak = subprocess.check_output(command, text=True).split()[-2:]
    return float(seconds), float(peak)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="objects of the cube")
    for key, value in run(parser.parse_args().rows).items():
        print(f"{key:60} {value:10.1f}")
