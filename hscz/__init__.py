"""Galaxy redshift PDFs and catalogues from multiband survey images.

Field stores, models and PDF cubes are the three artefacts; see `hscz.schema` for what they
hold and `hscz.config` for the settings of the stages that make them. Modules and the functions
below load when they are first used, so that ``import hscz`` takes no time:

>>> import hscz
>>> hscz.pdf.median([[0.5, 0.5]], [0.0, 1.0, 2.0]).tolist()
[1.0]
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_FUNCTIONS = {
    **{"load": "configfile", "open_field": "stores", "open_cube": "stores"},
    "concat_cubes": "cubes",
}
_MODULES = (
    *("accessor", "config", "configfile", "cubes", "dashboard", "evaluate", "export"),
    *("figures", "ingest", "label", "learn"),
    *("mock", "pdf", "predict", "run", "schema", "sky", "stores", "survey", "tables", "zgrid"),
)


def __getattr__(name: str) -> Any:
    """Load a module, or one of the functions most used, on first use."""
    if name in _FUNCTIONS:
        return getattr(import_module(f"hscz.{_FUNCTIONS[name]}"), name)
    if name in _MODULES:
        return import_module(f"hscz.{name}")
    raise AttributeError(f"module 'hscz' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what can be used."""
    return sorted({*globals(), *_FUNCTIONS, *_MODULES})
