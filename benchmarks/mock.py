"""How long a mock field of about 10,000 galaxies takes, files and all."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from hscz.config.mock import MockSettings
from hscz.mock.survey import make_field
from hscz.tables.read import read_catalogue
from hscz.tables.select import select


def run() -> dict[str, float]:
    """Return seconds, galaxies and galaxies per second."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        made = make_field(MockSettings(fields={"DEEP2": (3, 3)}), "DEEP2", Path(folder), False)
        seconds = time.perf_counter() - begun
        kind = "hsc-clauds-sextractor-lephare"
        table = read_catalogue(made / "DEEP2_6bands-SExtractor-Lephare.fits", kind)
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    n = int(select(table, "i < 25 & OBJ_TYPE == 0").sum())
    return {
        "mock, field of six bands, s": seconds,
        "mock, galaxies of i<25": n,
        "mock, galaxies of i<25 per s": n / seconds,
        "mock, size on disk, GB": size / 1e9,
    }


if __name__ == "__main__":
    for key, value in run().items():
        print(f"{key:60} {value:10.1f}")
