"""Every figure of the paper, drawn of the toy survey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from hscz import figures
from hscz.figures.figure import Figure
from tests.helpers.toy_survey import FIELDS

Survey = dict[str, Any]


def galaxy_planes() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    both = np.arange(200) >= 100
    galaxies = {
        "field": np.where(both, "DEEP2", "COSMOS_UDF"),
        "is_target": both,
        "mag_i": rng.uniform(20, 25, 200),
        "z_known": np.where(np.arange(200) % 4 == 0, np.nan, rng.uniform(0.1, 3, 200)),
        "z_median": rng.uniform(0.1, 3, 200),
        "layer": "valid1",
        "method": "umap",
    }
    return pd.concat(
        [
            pd.DataFrame(galaxies).assign(recipe=recipe, x=rng.random(200), y=rng.random(200))
            for recipe in ("v0", "v2")
        ],
        ignore_index=True,
    )


DRAWN: dict[str, Callable[[Survey], Figure]] = {
    "fig01": lambda s: figures.fig01(s["stores"]),
    "fig02": lambda s: figures.fig02(s["stores"]),
    "fig03": lambda s: figures.fig03(s["source"]),
    "fig04": lambda s: figures.fig04(s["stores"]),
    "fig07": lambda s: figures.fig07({"u": s["target"]["v0"], "us": s["target"]["v2"]}),
    "fig08": lambda s: figures.fig08(s["target"]),
    "fig11": lambda s: figures.fig11(s["target"]),
    "fig12": lambda s: figures.fig12(s["target"], s["training"]),
    "fig13": lambda s: figures.fig13(s["target"], s["stores"]),
    "fig14": lambda s: figures.fig14(galaxy_planes()),
    "fig19": lambda s: figures.fig19(s["everywhere"], s["training"]),
    "fig20": lambda s: figures.fig20(s["everywhere"]),
    "fig21": lambda s: figures.fig21(s["stores"]["DEEP2"], s["target"]),
    "fig22": lambda s: figures.fig22({r: s["cubes"][r] for r in ("v0", "v2")}),
    "fig23": lambda s: figures.fig23(s["everywhere"]),
    "fig24": lambda s: figures.fig24(s["everywhere"]),
    "fig25": lambda s: figures.fig25(s["source"]),
    "figA1": lambda s: figures.figA1(
        s["stores"],
        {name: {r: s["cubes"][r][name] for r in ("v0", "v2")} for name in FIELDS},
        ("COSMOS_UDF",),
    ),
    "table1": lambda s: figures.table1(s["stores"]),
}


class Drawn(dict[str, Figure]):
    """Figures of the toy survey, each drawn when it is first asked for."""

    def __init__(self, survey: Survey):
        super().__init__()
        self.survey = survey

    def __missing__(self, name: str) -> Figure:
        self[name] = DRAWN[name](self.survey)
        return self[name]


def words(plot: Any) -> list[str]:
    """Return what is written inside the panels of a figure."""
    found = plot.traverse(lambda labels: labels.dimension_values("words"), [hv.Labels])
    return [" ".join(str(one).split()) for some in found for one in some]
