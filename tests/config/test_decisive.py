"""Which settings are part of a key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hscz.config import EvaluateConfig, PredictConfig
from hscz.config.decisive import LEFT_OUT, key_of
from hscz.config.learn import NetworkConfig, TrainConfig
from hscz.tables.descriptor import load_descriptor


@pytest.mark.parametrize(
    ("section", "change"),
    [
        (TrainConfig(), {"device": "cpu"}),
        (TrainConfig(), {"name": "v9"}),
        (TrainConfig(), {"runs": 4}),
        (NetworkConfig(), {"size": "compact"}),
        (PredictConfig(), {"device": "cpu", "block": 7, "batch_size": 7, "name": "x"}),
        (EvaluateConfig(), {"fields": ("A",)}),
        (load_descriptor("vvds"), {"title": "other", "bibcode": "other", "name": "own"}),
    ],
)
def test_what_changes_no_result_is_no_part_of_it(section: Any, change: dict[str, Any]) -> None:
    before, after = key_of(one=section), key_of(one=replace(section, **change))
    assert after.fingerprint == before.fingerprint
    assert after.why_stale(before.note()) == ""


@pytest.mark.parametrize(
    ("section", "change", "said"),
    [
        (TrainConfig(), {"epochs": 9}, "one.epochs was 50"),
        (NetworkConfig(norm="batch"), {"norm": "none"}, "one.norm was 'batch'"),
        (PredictConfig(), {"stand_in": {"us": "u"}}, "one.stand_in was {}"),
        (load_descriptor("vvds"), {"hdu": 3}, "one.hdu was 1"),
        # Of two surveys, the one of higher resolution gives the label.
        (load_descriptor("vvds"), {"resolution": 9.0}, "one.resolution was 230.0"),
    ],
)
def test_what_changes_a_result_is_named_with_its_old_value(
    section: Any, change: dict[str, Any], said: str
) -> None:
    before, after = key_of(one=section), key_of(one=replace(section, **change))
    assert after.fingerprint != before.fingerprint
    assert after.why_stale(before.note()) == said


def test_what_is_left_out_exists() -> None:
    sections = (NetworkConfig(), TrainConfig(), PredictConfig(), load_descriptor("vvds"))
    for section in sections:
        assert all(hasattr(section, key) for key in LEFT_OUT[type(section).__name__])
