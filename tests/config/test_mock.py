"""Settings of the mock survey."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from hscz.config import parse
from hscz.config.conditions import CONDITIONS
from hscz.config.mock import HARD, MockSettings
from hscz.config.reference import text
from hscz.errors import ConfigError


def test_fields_differ_in_depth_as_the_layers_do() -> None:
    deep, ultra = CONDITIONS["COSMOS_DEEP"].depth_mag, CONDITIONS["COSMOS_UDF"].depth_mag
    assert all(ultra[b] - deep[b] == pytest.approx(1.0) for b in "grizy")
    others = [c.depth_mag["i"] for name, c in CONDITIONS.items() if name != "XMM_DEEP"]
    assert CONDITIONS["XMM_DEEP"].depth_mag["i"] < min(others)


@pytest.mark.parametrize(
    ("mock", "message"),
    [
        ({"fields": {"EGS": [1, 1]}}, "mock.fields has 'EGS'; use COSMOS_UDF, COSMOS_DEEP"),
        ({"fields": {"DEEP2": [1, 10]}}, r"mock.fields.DEEP2\[1\] is 10; give a value from 1 to 9"),
        ({"fields": {"DEEP2": [1]}}, r"mock.fields.DEEP2 is \[1\]; give a list of 2 whole numbers"),
        (
            {"redshift_tilt": {"DEEP2": 1.0}},
            r"\[mock\] has no key 'redshift_tilt'; known keys: .*shift",
        ),
        ({"shift": {"EGS": {"tilt": 0.5}}}, "mock.shift has 'EGS'; use COSMOS_UDF"),
        ({"shift": {"DEEP2": 1.0}}, "mock.shift.DEEP2 is 1.0; give a section"),
        ({"shift": {"DEEP2": {"tilt": 9.0}}}, "mock.shift.DEEP2.tilt is 9.0; give a value from -2"),
        ({"shift": {"DEEP2": {"tilt": float("nan")}}}, "mock.shift.DEEP2.tilt is nan; give a num"),
        ({"shift": {"DEEP2": {"kind": "red"}}}, "mock.shift.DEEP2.kind is 'red'; use all, quies"),
        (
            {"shift": {"DEEP2": {"at_z": 1.0, "factor": 3.0}}},
            "mock.shift.DEEP2.width_z is absent; a bump or hole has at_z, width_z and factor",
        ),
        (
            {"shift": {"DEEP2": {"at_z": 1.0, "width_z": 0.2, "factor": 0.0}}},
            "mock.shift.DEEP2.factor is 0.0; give a value from 0.1 to 10",
        ),
        ({"conditions": {"EGS": {}}}, "mock.conditions has 'EGS'; use COSMOS_UDF"),
        (
            {"conditions": {"DEEP2": {"depth_mag": {"u": 27.0}}}},
            r"\[mock.conditions.DEEP2\] lacks seeing_arcsec; add it",
        ),
        ({"difficulty": "odd"}, "mock.difficulty is 'odd'; use plain or hard"),
        ({"psf_beta": [3.0]}, r"mock.psf_beta\[0\] is 3.0; use 2.5, 3.5 or 4.5"),
        ({"noise_correlation": {"i": 0.9}}, "mock.noise_correlation.i is 0.9; give a value from"),
        ({"seed": -1}, "mock.seed is -1; give at least 0"),
        ({"overlap_px": 2000}, "mock.overlap_px is 2000; give at most half of mock.patch_px"),
        ({"patch_px": 100}, "mock.patch_px is 100; give at least 128"),
        (
            {"conditions": {"DEEP2": {"depth_mag": {"u": 27.0}, "seeing_arcsec": {"u": 1.0}}}},
            "mock.conditions.DEEP2.depth_mag lacks g, r, i, z, y; add them",
        ),
    ],
)
def test_a_survey_that_cannot_be_is_refused(mock: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"configuration: {message}"):
        parse({"mock": mock})


def test_difficulty_chooses_defaults_and_what_is_given_counts() -> None:
    plain, hard = MockSettings(), MockSettings(difficulty="hard")
    assert all(getattr(hard, key) == value for key, value in HARD.items())
    assert all(getattr(plain, key) != value for key, value in HARD.items())
    read = parse({"mock": {"difficulty": "hard", "psf_ellipticity": 0.0}}).mock
    assert read == replace(hard, psf_ellipticity=0.0)


def test_what_a_plain_sky_is_made_from_names_no_key_of_the_hard_one() -> None:
    # Files made before there was a harder sky stay fresh.
    assert not HARD.keys() & MockSettings().of_field("ELAIS").keys()
    assert HARD.keys() <= MockSettings(difficulty="hard").of_field("ELAIS").keys()
    given = replace(MockSettings(), clump_light_share=0.1).of_field("ELAIS")
    assert HARD.keys() & given.keys() == {"clump_light_share"}


def test_the_reference_says_what_hard_is() -> None:
    words = " ".join(text("mock").split())
    for key in HARD:
        assert re.search(rf"mock\.{key}\b.*?Hard: ", words), key
