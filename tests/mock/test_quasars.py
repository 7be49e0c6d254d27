from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hscz.mock.quasars import add_nuclei


@pytest.fixture(scope="module")
def with_nuclei(deep_truth: pd.DataFrame) -> pd.DataFrame:
    return add_nuclei(deep_truth, 0.1, np.random.default_rng(3))


def test_a_share_of_the_galaxies_is_active(deep_truth, with_nuclei) -> None:
    active = with_nuclei["agn_fraction_i"] > 0
    assert active[~deep_truth["is_star"]].mean() == pytest.approx(0.1, abs=0.01)
    assert not active[deep_truth["is_star"]].any()
    assert (with_nuclei["is_quasar"] == (with_nuclei["agn_fraction_i"] > 0.5)).all()
    pd.testing.assert_frame_equal(with_nuclei[deep_truth.columns][~active], deep_truth[~active])


def test_quasars_are_bluer_and_more_compact_at_the_same_i_magnitude(
    deep_truth, with_nuclei
) -> None:
    chosen = with_nuclei["is_quasar"] & deep_truth["z_true"].between(0.3, 2.0)
    before, after = deep_truth[chosen], with_nuclei[chosen]
    assert len(after) > 100
    np.testing.assert_allclose(after["mag_i"], before["mag_i"], atol=1e-6)
    colours = [(t["mag_g"] - t["mag_i"]).quantile(0.8) for t in (before, after)]
    assert colours[1] < colours[0] - 0.4
    assert (after["half_light_radius_arcsec"] < before["half_light_radius_arcsec"]).mean() > 0.9
    assert (after["bulge_fraction_i"] > 0.49).all()
