"""What a run writes of the PDFs of one field."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from hscz.config import RunConfig
from hscz.config.read import load
from hscz.errors import StoreError, UnjudgedError
from hscz.evaluate.cuts import SCORES
from hscz.evaluate.tables import CALIBRATION_TITLES, format_table
from hscz.predict.recalibrate import KNOTS, Calibration
from hscz.report.field import AS_PREDICTED, CALIBRATED, evaluate, evaluate_field, judge_pdfs
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
    # These PDFs are not calibrated, so there is no other version of them.
    assert set(tables["calibration"]["pdfs"]) == {AS_PREDICTED}
    inside = tables["credibility"]["fraction"]
    assert (np.diff(inside) >= 0).all()
    assert 0 < inside[0] < inside.iloc[-1] == 1
    text = stem.with_name("DEEP2_metrics.txt").read_text()
    assert "CRPS" in text
    assert " to " not in text.split("calibration\n")[1].split("quality flags")[0]
    assert "several_peaks" in text
    true = cube["z_true"].values > 4
    selections = stem.with_name("DEEP2_high_z.parquet")
    assert selections.exists() == bool(true.any())
    assert ("P(z > 4) > 0.5" if true.any() else "No object has a redshift beyond 4") in text


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
    config.stand_ins("DEEP2").unlink()
    evaluate_field(config, "DEEP2")
    text = config.results("DEEP2").with_name("DEEP2_metrics.txt").read_text()
    assert "DEEP2: no cuts are recommended" in text
    assert "no galaxy with a label was held out" in text


def test_calibrated_pdfs_stand_beside_what_they_were(config: RunConfig) -> None:
    plain = open_cube(config.cube("DEEP2"), lazy=False).load()
    bent, less = (tuple(float(q**power) for q in KNOTS) for power in (1.7, 1.2))
    calibration = Calibration(500, (22.0, 25.0), ((bent, less),))
    known = (plain[name].values for name in ("pdf", "z_edges", "mag_i", "object_id"))
    calibrated = plain.assign(pdf=(plain["pdf"].dims, calibration.apply(*known)))
    calibrated.attrs["calibration"] = json.dumps(asdict(calibration))
    before, both = (
        judge_pdfs(cube, "z_true", config.evaluate)["calibration"] for cube in (plain, calibrated)
    )
    versions = dict(iter(both.groupby("pdfs")))
    assert set(versions) == {AS_PREDICTED, CALIBRATED}
    undone, after = versions[AS_PREDICTED], versions[CALIBRATED]
    assert set(undone["by"]) == {"all", "mag_i", "z_median"}
    numbers = before.columns[4:]
    np.testing.assert_allclose(undone[numbers], before[numbers], rtol=1e-3, atol=1e-5)
    assert (undone["n"].values == after["n"].values).all()
    assert abs(undone["ks"].iloc[0] - after["ks"].iloc[0]) > 0.05
    text = format_table(after, ["ks"], CALIBRATION_TITLES, undone)
    assert f"{undone['ks'].iloc[0]:.4f} to {after['ks'].iloc[0]:.4f}" in text


def test_a_cube_that_does_not_say_what_was_learnt_is_not_judged(config: RunConfig) -> None:
    cube = open_cube(config.cube("DEEP2"), lazy=False).drop_vars("in_training")
    with pytest.raises(StoreError, match="does not say which objects are 'in_training'"):
        evaluate(cube, "z_true", config.evaluate)
