"""What a run writes of the PDFs of one field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from hscz.config import RunConfig
from hscz.config.read import load
from hscz.errors import StoreError, UnjudgedError
from hscz.evaluate.cuts import SCORES
from hscz.report.field import evaluate, evaluate_field
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


def test_cuts_are_recommended_by_what_stand_ins_promise(config: RunConfig) -> None:
    stem = config.results("DEEP2")
    table = pd.read_parquet(stem.with_name("DEEP2_cuts.parquet"))
    whole = table[table["by"] == "all"].set_index("score")
    cube = open_cube(config.cube("DEEP2"), lazy=False)
    known = (cube["z_true"].values > 0) & np.isfinite(cube["z_median"].values)
    for score, row in whole.iterrows():
        if np.isfinite(row["cut"]):
            assert row["eta_promised"] + row["eta_err_promised"] <= config.evaluate.wanted_eta
            assert row["n_promised"] > 0
        assert score in SCORES
        assert row["n_found"] <= known.sum()
    curves = pd.read_parquet(stem.with_name("DEEP2_cut_curves.parquet"))
    assert set(curves["by_what"]) == {"promised", "claimed", "found"}
    ends = curves[(curves["share"] == 1) & (curves["by"] == "all") & (curves["by_what"] == "found")]
    assert ends["n"].tolist() == [known.sum()] * len(SCORES)
    assert "cuts that promise" in stem.with_name("DEEP2_metrics.txt").read_text()


def test_a_field_without_redshifts_has_its_cuts_all_the_same(copy: Path) -> None:
    config = load(copy, ["evaluate.wanted_eta=1.0"])
    group = zarr.open_group(config.cube("DEEP2"), mode="r+")
    for name in config.evaluate.reference:
        group[name][:] = np.nan
    stem = config.results("DEEP2")
    for path in stem.parent.glob("DEEP2*"):
        path.unlink()
    with pytest.raises(UnjudgedError, match=r"what cuts promise: .*DEEP2_metrics.txt"):
        evaluate_field(config, "DEEP2")
    text = stem.with_name("DEEP2_metrics.txt").read_text()
    assert "odds >= " in text
    assert "z_true" not in text
    table = pd.read_parquet(stem.with_name("DEEP2_cuts.parquet"))
    assert (table["n_found"] == 0).all()
    assert (table.loc[table["by"] == "all", "share_claimed"] > 0.5).all()


def test_without_a_held_out_label_no_cut_is_recommended(copy: Path) -> None:
    config = load(copy)
    split = config.models[0] / "split.parquet"
    pd.read_parquet(split).assign(part="training").to_parquet(split)
    evaluate_field(config, "DEEP2")
    text = config.results("DEEP2").with_name("DEEP2_metrics.txt").read_text()
    assert "DEEP2: no cuts are recommended" in text
    assert "no galaxy with a label was held out" in text


def test_a_cube_that_does_not_say_what_was_learnt_is_not_judged(config: RunConfig) -> None:
    cube = open_cube(config.cube("DEEP2"), lazy=False).drop_vars("in_training")
    with pytest.raises(StoreError, match="does not say which objects are 'in_training'"):
        evaluate(cube, "z_true", config.evaluate)
