"""What a run writes of the PDFs of one field."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hscz.config import RunConfig
from hscz.errors import StoreError
from hscz.report.field import evaluate
from hscz.stores import open_cube


def test_the_evaluation_judges_pdfs_and_flags(config: RunConfig) -> None:
    stem = config.results("DEEP2")
    tables = {
        kind: pd.read_parquet(stem.with_name(f"DEEP2_{kind}.parquet"))
        for kind in ("calibration", "coverage", "credibility", "flags")
    }
    cube = open_cube(config.cube("DEEP2"), lazy=False)
    known = (cube["z_true"].values > 0) & np.isfinite(cube["z_median"].values)
    assert tables["calibration"]["n"][0] == tables["flags"]["n"][0] == known.sum()
    assert tables["coverage"]["n"].sum() <= known.sum()
    inside = tables["credibility"]["fraction"]
    assert (np.diff(inside) >= 0).all()
    assert 0 < inside[0] < inside.iloc[-1] == 1
    text = stem.with_name("DEEP2_metrics.txt").read_text()
    assert "CRPS" in text
    assert "several_peaks" in text
    true = cube["z_true"].values > 4
    selections = stem.with_name("DEEP2_high_z.parquet")
    assert selections.exists() == bool(true.any())
    assert ("P(z > 4) > 0.5" if true.any() else "No object has a redshift beyond 4") in text


def test_a_cube_that_does_not_say_what_was_learnt_is_not_judged(config: RunConfig) -> None:
    cube = open_cube(config.cube("DEEP2"), lazy=False).drop_vars("in_training")
    with pytest.raises(StoreError, match="does not say which objects are 'in_training'"):
        evaluate(cube, "z_true", config.evaluate)
