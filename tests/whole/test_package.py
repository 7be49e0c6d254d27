"""The package as a notebook meets it: one import, and everything below it by name."""

import subprocess
import sys


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_modules_load_by_name_after_one_import():
    named = "hscz.pdf, hscz.tables.match, hscz.evaluate.metrics, hscz.plan.sizes, hscz.open_cube"
    assert run(f"import hscz; {named}; print(hscz.pdf.__name__)") == "hscz.pdf"


def test_import_loads_nothing_heavy():
    heavy = "{'numpy', 'xarray', 'dask', 'torch', 'pandas', 'astropy', 'pydantic'}"
    assert run(f"import sys, hscz; print({heavy} & set(sys.modules))") == "set()"
