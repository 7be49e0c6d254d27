from __future__ import annotations

import pytest

from hscz.config.mock import CONDITIONS, Conditions, MockSettings
from hscz.errors import ConfigError


def test_fields_differ_in_depth_as_the_layers_do():
    deep, ultra = CONDITIONS["COSMOS_DEEP"].depth_mag, CONDITIONS["COSMOS_UDF"].depth_mag
    assert all(ultra[b] - deep[b] == pytest.approx(1.0) for b in "grizy")
    others = [c.depth_mag["i"] for name, c in CONDITIONS.items() if name != "XMM_DEEP"]
    assert CONDITIONS["XMM_DEEP"].depth_mag["i"] < min(others)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": {"EGS": (1, 1)}}, "EGS"),
        ({"fields": {"ELAIS": (10, 1)}}, "1 to 9"),
        ({"seed": -1}, "seed is -1"),
        ({"patch_px": 300, "overlap_px": 200}, "overlap by 200"),
        (
            {"fields": {"ELAIS": (1, 1)}, "conditions": {"ELAIS": Conditions({"g": 25.0}, {})}},
            "depth_mag lacks u, r",
        ),
    ],
)
def test_settings_that_make_no_survey_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        MockSettings(**changes)
