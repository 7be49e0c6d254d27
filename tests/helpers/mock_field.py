"""A field of the mock survey with chosen objects in it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hscz.config.mock import MockSettings
from hscz.mock.exposure import expose
from hscz.mock.grid import FieldGrid
from hscz.mock.plan import FieldPlan
from hscz.mock.render import paint
from hscz.survey import BANDS

SMALL = MockSettings(
    fields={"ELAIS": (2, 1)}, patch_px=300, overlap_px=100, trails_per_deg2=0, gaps_per_deg2=0
)


def truth_at(places: dict[str, list[float]], is_star: bool = True, mag: float = 21.0):
    n = len(places["ra"])
    columns = {"object_id": np.arange(n), "is_star": np.full(n, is_star), "z_true": np.zeros(n)}
    columns |= {f"mag_{band}": np.full(n, mag) for band in BANDS}
    columns |= {f"bulge_fraction_{band}": np.zeros(n) for band in BANDS}
    for part in ("", "_disc", "_bulge"):
        columns[f"half_light_radius{part}_arcsec"] = np.zeros(n)
    columns |= {"axis_ratio": np.ones(n), "position_angle_deg": np.zeros(n)}
    return pd.DataFrame(columns | {key: np.array(v, float) for key, v in places.items()})


def plan_with(x_px: list[float], y_px: list[float], settings=SMALL, **kinds) -> FieldPlan:
    field = next(iter(settings.fields))
    ra, dec = FieldGrid.of(settings, field).wcs().all_pix2world(x_px, y_px, 0)
    return FieldPlan.of(settings, field, truth_at({"ra": ra, "dec": dec}, **kinds))


def observed(plan: FieldPlan, band: str = "i", patch_number: int = 0):
    patch = list(plan.grid.patches())[patch_number]
    sources = plan.sources(plan.truth).shifted(patch.x_px, patch.y_px)
    models = paint(sources, (patch.size_px,) * 2, np.full(len(plan.bands), 1e-3))
    return expose(plan, patch, band, models[plan.bands.index(band)])
