"""Figures as holoviews objects, each with the table that it drew.

`fig01` to `fig25`, `figA1` and `table1` are those of the paper. They take field stores and PDF
cubes, and return a `Figure`; `hscz.figures.page.make_figures` draws them all for a run. Each
loads when it is first used.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "embedding": ("fig14",),
    "figure": ("Figure",),
    "flatten": ("fig05",),
    "labels": ("fig03", "fig04", "fig25", "table1"),
    "metrics": ("fig07", "fig08", "fig11"),
    "network": ("fig06", "fig10"),
    "nz": ("fig09", "fig12", "fig19"),
    "oii": ("fig13",),
    "stamps": ("fig21", "figA1"),
    "survey": ("fig01", "fig02"),
    "targets": ("fig15", "fig16", "fig17", "fig18"),
    "widths": ("fig20", "fig22", "fig23", "fig24"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a figure's module on first use."""
    if name in _MODULE_OF:
        return getattr(import_module(f"hscz.figures.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'hscz.figures' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what can be used."""
    return sorted({*globals(), *_MODULE_OF})
