"""Figures as holoviews objects, each with the table that it drew.

`fig01` to `fig25`, `figA1` and `table1` are those of the paper. They take field stores and PDF
cubes, and return a `Figure`; `hscz.report.figures.make_figures` draws them all for a run. Each
loads when it is first used.
"""

from pkgutil import iter_modules

import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    [module.name for module in iter_modules(__path__)],
    {
        "embedding": ["fig14"],
        "figure": ["Figure"],
        "flatten": ["fig05"],
        "labels": ["fig03", "fig04", "fig25", "table1"],
        "metrics": ["fig07", "fig08", "fig11"],
        "network": ["fig06", "fig10"],
        "nz": ["fig09", "fig12", "fig19"],
        "oii": ["fig13"],
        "stamps": ["fig21", "figA1"],
        "survey": ["fig01", "fig02"],
        "targets": ["fig15", "fig16", "fig17", "fig18"],
        "widths": ["fig20", "fig22", "fig23", "fig24"],
    },
)
