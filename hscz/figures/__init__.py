"""Figures as holoviews objects, each with the table that it drew.

`fig01` to `fig25`, `figA1` and `table1` are those of the paper. They take field stores and PDF
cubes, and return a `Figure`; `hscz.figures.page.make_figures` draws them all for a run.
"""

from hscz.figures.embedding import fig14
from hscz.figures.figure import Figure
from hscz.figures.flatten import fig05
from hscz.figures.labels import fig03, fig04, fig25, table1
from hscz.figures.metrics import fig07, fig08, fig11
from hscz.figures.network import fig06, fig10
from hscz.figures.nz import fig09, fig12, fig19
from hscz.figures.oii import fig13
from hscz.figures.stamps import fig21, figA1
from hscz.figures.survey import fig01, fig02
from hscz.figures.targets import fig15, fig16, fig17, fig18
from hscz.figures.widths import fig20, fig22, fig23, fig24

__all__ = [
    "Figure",
    "fig01",
    "fig02",
    "fig03",
    "fig04",
    "fig05",
    "fig06",
    "fig07",
    "fig08",
    "fig09",
    "fig10",
    "fig11",
    "fig12",
    "fig13",
    "fig14",
    "fig15",
    "fig16",
    "fig17",
    "fig18",
    "fig19",
    "fig20",
    "fig21",
    "fig22",
    "fig23",
    "fig24",
    "fig25",
    "figA1",
    "table1",
]
