from __future__ import annotations

from dataclasses import replace

import pytest

from hscz.mock.defects import Defects
from hscz.mock.exposure import write_patch
from hscz.mock.photometry import NOT_OBSERVED_MAG, aperture_magnitudes
from tests.helpers.mock_field import plan_with


def test_only_missing_pixels_inside_an_aperture_count(tmp_path):
    plan = plan_with([100.0, 150.0, 200.0], [100.0, 100.0, 100.0], mag=20.0)
    holes = {band: Defects((), ((106, 107, 106, 107), (151, 152, 101, 102))) for band in plan.bands}
    plan = replace(plan, defects=holes)
    for patch in plan.grid.patches():
        write_patch(plan, patch, tmp_path)
    magnitudes = aperture_magnitudes(plan, plan.truth, tmp_path)["aperture_i"].to_numpy()
    assert magnitudes[1] == NOT_OBSERVED_MAG
    assert magnitudes[[0, 2]] == pytest.approx([20.1, 20.1], abs=0.1)
