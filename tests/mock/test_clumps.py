from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hscz.config.mock import MockSettings
from hscz.mock.clumps import CLUMPS, add_clumps
from hscz.mock.plan import FieldPlan


def test_star_forming_discs_have_clumps_of_bluer_light(deep_truth: pd.DataFrame) -> None:
    truth = add_clumps(deep_truth, 0.2, np.random.default_rng(1))
    late = ~truth["is_star"] & (truth["template"] >= 2.0)
    assert truth["clump_fraction_i"][late].mean() == pytest.approx(0.2, abs=0.01)
    assert not truth["clump_fraction_i"][~late].any()
    settings = MockSettings(fields={"XMM_DEEP": (1, 1)}, patch_px=300, overlap_px=100)
    seen = truth[late & (truth["mag_i"] < 22) & (truth["half_light_radius_disc_arcsec"] > 0.5)]
    plan = FieldPlan.of(settings, "XMM_DEEP", seen)
    sources = plan.sources(plan.truth)
    whole = FieldPlan.of(settings, "XMM_DEEP", seen.drop(columns="clump_fraction_i"))
    smooth = whole.sources(whole.truth)
    np.testing.assert_allclose(sources.disc_flux + sources.clump_flux, smooth.disc_flux)
    share = (sources.clump_flux / smooth.disc_flux).mean(axis=1)
    g, i = (share[plan.bands.index(band)] for band in "gi")
    assert g > 1.2 * i
    assert sources.clump_dx_px.shape == (CLUMPS, len(seen))
    # Along the minor axis of the disc, clumps lie as much closer as the disc is thin.
    cosine, sine = np.cos(sources.angle_rad), np.sin(sources.angle_rad)
    along = sources.clump_dx_px * cosine + sources.clump_dy_px * sine
    across = sources.clump_dy_px * cosine - sources.clump_dx_px * sine
    assert across.std() / along.std() == pytest.approx(
        np.sqrt(np.mean(seen["axis_ratio"] ** 2)), rel=0.35
    )
