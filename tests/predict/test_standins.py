"""Source galaxies that stand in for those of a field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from hscz.config import RunConfig
from hscz.config.read import load
from hscz.errors import InputError
from hscz.predict import recalibrate, standins
from hscz.predict.calibration import calibration_of
from hscz.predict.standins import stand_ins
from hscz.schema import Flag


@pytest.fixture
def calibrated(copy: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """A small survey whose few held-out galaxies make a calibration."""
    monkeypatch.setattr(recalibrate, "LEAST_OBJECTS", 1)
    return load(copy, ['predict.calibrate="pit"'])


def test_stand_ins_are_as_noisy_as_the_field(calibrated: RunConfig) -> None:
    shown = {name: stand_ins(calibrated, name) for name in ("DEEP2", "COSMOS_UDF")}
    # The mock's DEEP2 is shallower throughout, so in nothing better.
    assert shown["DEEP2"].beyond == ()
    deeper = zarr.open_group(calibrated.field_store("DEEP2"), mode="r+")
    deeper["sky_noise"][:, 2] *= 0.1
    assert stand_ins(calibrated, "DEEP2").beyond == ("depth of r",)
    found = calibration_of(calibrated, "DEEP2")
    assert found is not None
    assert found.beyond == ("depth of r",)


def test_a_target_of_which_nothing_is_usable_is_refused(calibrated: RunConfig) -> None:
    zarr.open_group(calibrated.field_store("DEEP2"), mode="r+")["flags"][:] = int(
        Flag.MISSING_PIXELS
    )
    with pytest.raises(InputError, match=r"DEEP2.zarr: has no usable object"):
        stand_ins(calibrated, "DEEP2")


@pytest.mark.parametrize(("zero_points", "factor"), [("stated", 10**-0.08), ("measured", 1.0)])
def test_a_zero_point_that_is_not_corrected_is_made_wrong_in_stand_ins(
    calibrated: RunConfig, monkeypatch: pytest.MonkeyPatch, zero_points: str, factor: float
) -> None:
    """The target's i is 0.2 mag too faint: uncorrected, the network sees all of it so."""
    off = pd.DataFrame({"band": ["g", "i"], "shrunk_mag": [0.0, 0.2]})
    monkeypatch.setattr(standins, "measured_zero_points", lambda *_: off)
    monkeypatch.setattr(standins, "corrects", lambda *_: zero_points == "measured")
    seen = []
    monkeypatch.setattr(
        standins, "_made_like", lambda stamps, have, like, *_: seen.append(like) or stamps
    )
    stand_ins(calibrated, "DEEP2")
    bands = calibrated.train.bands
    assert seen[0].factor.tolist() == pytest.approx(
        [factor if band == "i" else 1.0 for band in bands]
    )


def test_stamps_are_dimmed_where_the_field_is(calibrated: RunConfig) -> None:
    """With noise of the field too small to hide it, fluxes of stand-ins show the factor."""
    shown: list[np.ndarray] = []

    def seen(stamps: np.ndarray, have, like, model, generator) -> np.ndarray:
        quiet = standins.replace(
            like.conditions,
            sky_noise=0 * like.conditions.sky_noise + 1e-4,
            ebv=0 * like.conditions.ebv + have.ebv.mean(),
        )
        dimmed = standins.replace(like, conditions=quiet, factor=0 * like.factor + 0.5)
        made = made_like(stamps, have, dimmed, model, generator)
        shown.append(made.astype(float).sum() / stamps.astype(float).sum())
        return made

    made_like = standins._made_like
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standins, "_made_like", seen)
        stand_ins(calibrated, "DEEP2")
    assert np.mean(shown) == pytest.approx(0.5, rel=0.1)
