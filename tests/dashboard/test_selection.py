from __future__ import annotations

import numpy as np
import pytest

from hscz.dashboard.data import load
from hscz.dashboard.selection import Selection, select
from hscz.stores import open_cube

pytest.importorskip("panel")


def test_limits_hold_together(pair) -> None:
    field, cube = load(pair)["F"], open_cube(pair[0], lazy=False)
    ra, dec = (cube["ra"].values + 180) % 360 - 180, cube["dec"].values
    chosen = select(field, Selection("v0", (0.1, -0.05), (1.0, 1.2), (21.0, 24.0), (0.5, 4.0)))
    if field.ra_deg > 180:
        chosen = select(
            field, Selection("v0", (360.1, 359.95), (1.0, 1.2), (21.0, 24.0), (0.5, 4.0))
        )
    mag, z = cube["mag_i"].values, cube["z_median"].values
    expected = (abs(ra - 0.025) < 0.075) & (dec <= 1.2) & (mag >= 21) & (mag <= 24)
    np.testing.assert_array_equal(chosen, expected & (z >= 0.5) & (z <= 4))
    assert 0 < chosen.sum() < len(field)
