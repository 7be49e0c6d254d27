"""Run every benchmark, print a table and write benchmarks/results.json."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
from pathlib import Path

from hscz.files.atomic import read_json, write_json

NAMES = (
    "imports",
    "gather",
    "region",
    "flatten",
    "pdf",
    "pairs",
    "learning",
    "match",
    "memory",
    "mock",
    "export",
    "accuracy",
    "dashboard",
)
RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which; all by default")
    chosen = parser.parse_args().names or NAMES
    # Some benchmarks alone bring the earlier figures of the others up to date.
    results: dict[str, float] = read_json(RESULTS).get("results", {})
    for name in chosen:
        print(f"-- {name}", flush=True)
        found = importlib.import_module(f"benchmarks.{name}").run()
        for key, value in found.items():
            print(f"{key:72} {value:12.4g}", flush=True)
        results |= found
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    write_json(RESULTS, {"machine": machine, "results": results})
    print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
