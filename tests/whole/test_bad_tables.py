"""Damaged catalogues and labels, and settings that cannot be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hscz import stores
from tests.helpers.tiny_survey import (
    OBJECTS,
    SPEC,
    Fails,
    objects,
    shorten,
    snapshot,
    succeeds,
    table,
)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda r: (r / "A.csv").unlink(), "A.csv: no such file; check the path"),
        (lambda r: shorten(r / "A.csv", 0), "A.csv: cannot be read as csv"),
        (lambda r: (r / "A.csv").write_bytes(b"\xff\x00" * 50), "A.csv: cannot be read as csv"),
        (objects(lambda t: t[:0]), "A.csv: the table has no rows; give the whole catalogue"),
        (objects(lambda t: t.drop(columns="RA")), "A.csv: no column 'RA'"),
        (objects(lambda t: t.drop(columns="MASK")), "A.csv: no column 'MASK'"),
        (objects(lambda t: t.drop(columns="r")), "A.csv: no column 'r', which is mag of band r in"),
        (objects(lambda t: t.drop(columns="g_err")), "A.csv: no column 'g_err', which is mag_err"),
        (objects(lambda t: pd.concat([t, t[:2]])), "A.csv: object id 1000 occurs 2 times (2 ids"),
        (objects(lambda t: t.assign(ID="HSC J1")), "A.csv: identifiers must be whole numbers"),
        (
            objects(lambda t: t.assign(r=10 ** (-0.4 * t["r"]))),
            "A.csv: column 'r' gives values from",
        ),
        (objects(lambda t: t.assign(r=99.9)), "A.csv: column 'r' gives values from 99.9 to 99.9"),
        (objects(lambda t: t.assign(r="faint")), "A.csv: column 'r' needs numbers"),
        (objects(lambda t: t.assign(RA="10:00")), "A.csv: column 'RA' needs numbers"),
        (objects(lambda t: t.assign(RA=np.nan)), "A.csv: row 0 lies at ra=nan"),
        (objects(lambda t: t.assign(RA=12.0)), "A.csv: none of the 80 selected objects lies in"),
        (objects(lambda t: t.assign(i=26.0)), "A.csv: the selection keeps none of 80 rows: 'mag_i"),
    ],
)
def test_catalogues(files: Path, fails: Fails, damage: Callable[[Path], object], said: str) -> None:
    damage(files)
    assert said in fails(files, "ingest", "--field", "A")
    assert not (files / "out/fields/A.zarr").exists()


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        (["ingest.tile=3"], 2, "[ingest] has no key 'tile'; did you mean 'tile_px'?"),
        (["fields.A.catalog=3"], 2, "[fields.A] has no key 'catalog'; did you mean 'catalogue'?"),
        (["fields.A=3"], 2, "fields.A is 3; give a section"),
        (["network=3"], 2, "network is 3; give a section"),
        (["ingest.tile_px=1e3"], 2, "ingest.tile_px is 1000.0; give a whole number"),
        (["ingest.stamp_px=0"], 2, "ingest.stamp_px is 0; give a value from 8 to 1024"),
        (["ingest.tile_px=10"], 2, "ingest.tile_px is 10; give more than ingest.stamp_px = 64"),
        (["ingest.memory_limit_mb=-1"], 2, "ingest.memory_limit_mb is -1; give at least 0"),
        (["train.epochs=0"], 2, "train.epochs is 0; give at least 1"),
        (["train.validation_fraction=1.0"], 2, "give a value from 0 to 0.9"),
        (["predict.block=0"], 2, "predict.block is 0; give at least 1"),
        (["evaluate.z_edges=[1.0, 0.5]"], 2, "evaluate.z_edges is [1.0, 0.5]; give increasing"),
        (["export.formats=[]"], 2, "export.formats is []; name at least one, each once"),
        (['fields.A.bands=["g", "q"]'], 2, "fields.A.bands[1] is 'q'; use u, us, g"),
        (['fields.A.bands=["g", "g"]'], 2, "fields.A.bands is ['g', 'g']; name at least one, each"),
        (["fields.A.images=A/{filtr}.fits"], 2, "{filtr} is unknown; use filter, band, tract and"),
        (["fields.A.images=A/i.fits"], 2, "A/i.fits: has neither {filter} nor {band}"),
        (["ingest.select=mag_i <"], 1, "the rule 'mag_i <' cannot be read"),
        (["ingest.select=colour < 3"], 1, "A.csv: no column 'colour'"),
        (["ingest.select=mag_i < 5"], 1, "A.csv: the selection keeps none of 80 rows"),
    ],
)
def test_settings(files: Path, fails: Fails, settings: list[str], code: int, said: str) -> None:
    changes = [part for setting in settings for part in ("--set", setting)]
    assert said in fails(files, "ingest", "--field", "A", *changes, code=code)
    assert not (files / "out/fields/A.zarr").exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda p: p.write_bytes(b"\xff\xfe\x00"), "run.toml: not valid TOML"),
        (lambda p: p.write_text("[train"), "run.toml: not valid TOML"),
        (lambda p: (p.unlink(), p.mkdir()), "run.toml: cannot be read (Is a directory)"),
        (lambda p: p.with_name("objects.toml").unlink(), "no catalogue descriptor"),
        (
            lambda p: p.with_name("objects.toml").write_text(OBJECTS.replace("format", "formatt")),
            "objects.toml: the file has the unknown key 'formatt'; did you mean 'format'?",
        ),
    ],
)
def test_settings_files(
    files: Path, fails: Fails, damage: Callable[[Path], object], said: str
) -> None:
    damage(files / "run.toml")
    assert said in fails(files, "ingest", "--field", "A", code=2)


def truth(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    return lambda root: change(pd.read_parquet(root / "A-truth.parquet")).to_parquet(
        root / "A-truth.parquet"
    )


def spec_rule(old: str, new: str) -> Callable[[Path], object]:
    return lambda root: (root / "spec.toml").write_text(SPEC.replace(old, new))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda r: (r / "A-spec.csv").unlink(), "A-spec.csv: no such file; check the path"),
        (table(lambda t: t.drop(columns="Z"), "A-spec.csv"), "A-spec.csv: no column 'Z'"),
        (table(lambda t: t.assign(Z="?"), "A-spec.csv"), "A-spec.csv: column 'Z' needs numbers"),
        (
            table(lambda t: t.assign(Z=999.0), "A-spec.csv"),
            "A-spec.csv: column 'Z' has 999.0 in ro",
        ),
        (table(lambda t: t.assign(RA=t["RA"] / 15), "A-spec.csv"), "A-spec.csv: column 'RA' spans"),
        (
            table(lambda t: t.assign(RA=t["RA"] / 15)[9:18], "A-spec.csv"),
            "9 would if its right asc",
        ),
        (spec_rule('z = "Z"', ""), "the descriptor 'spec' has no 'z' in [columns]"),
        (spec_rule('flag = "Q"', ""), "the descriptor 'spec' has no 'flag' in [columns]"),
        (spec_rule("secure", "select"), "the descriptor 'spec' has no rule 'secure'"),
        (lambda r: (r / "A-truth.parquet").unlink(), "A-truth.parquet: no such file"),
        (lambda r: shorten(r / "A-truth.parquet", -50), "A-truth.parquet: cannot be read as par"),
        (truth(lambda t: t.drop(columns="z_true")), "A-truth.parquet: no column 'z_true'"),
        (truth(lambda t: pd.concat([t, t])), "A-truth.parquet: object id 1000 occurs 2 times"),
        (truth(lambda t: t.assign(object_id=range(80))), "A-truth.parquet: has a true redshift fo"),
        (lambda r: shutil.rmtree(r / "out/fields"), "A.zarr: no field store here; run 'hscz ing"),
    ],
)
def test_label_catalogues(
    made: Path, fails: Fails, damage: Callable[[Path], object], said: str
) -> None:
    damage(made)
    before = snapshot(made / "out/fields")
    assert said in fails(made, "label", "--force")
    assert snapshot(made / "out/fields") == before


def test_one_of_two_cosmos2020_catalogues_is_refused(made: Path, fails: Fails) -> None:
    change = ("--set", "fields.A.c2020_classic=c.fits")
    assert "c2020_classic has no c2020_farmer beside it" in fails(made, "label", *change, code=2)


def test_a_rule_may_use_any_column_of_the_file(files: Path) -> None:
    objects(lambda t: t.assign(OWN=np.arange(80)))(files)
    succeeds(files, "ingest", "--field", "A", "--set", "ingest.select=OWN >= 40 & i < 25")
    assert stores.attributes(files / "out/fields/A.zarr")["n_selected"] == 40
