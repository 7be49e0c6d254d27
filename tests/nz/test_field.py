from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from hscz.cli import main
from hscz.config import NzConfig, RunConfig
from hscz.config.read import load
from hscz.errors import InputError
from hscz.nz import field as nz_field
from hscz.nz import shift
from hscz.nz.field import Sample, n_of_z_of, samples_of
from hscz.nz.files import read
from hscz.predict import recalibrate
from hscz.predict.stage import predict_field
from hscz.stores import open_cube


@pytest.fixture
def run(copy: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """A small survey of which few galaxies and unknown zero points are enough."""
    monkeypatch.setattr(recalibrate, "LEAST_OBJECTS", 1)
    monkeypatch.setattr(shift, "LEAST_OBJECTS", 5)
    monkeypatch.setattr(nz_field, "why_unsound", lambda *_: "")
    return load(copy, ['predict.calibrate="pit"', "nz.draws=20", "nz.z_width=0.2"])


def test_no_label_of_the_field_is_looked_at(run: RunConfig) -> None:
    predict_field(run, "DEEP2", progress=False)
    before = n_of_z_of(run, "DEEP2")
    cube = zarr.open_group(run.cube("DEEP2"), mode="r+")
    store = zarr.open_group(run.field_store("DEEP2"), mode="r+")
    for group in (cube, store):
        for name in ("z_true", "z_spec", "z_label"):
            group[name][:] = 5.0
    after = n_of_z_of(run, "DEEP2")
    np.testing.assert_allclose(after["n_of_z"], before["n_of_z"], rtol=1e-3)
    assert after.attrs["prior"] == before.attrs["prior"]
    assert "nothing asks for another" in before.attrs["prior"]
    assert before.sizes["sample"] == 4


def test_a_field_better_than_the_source_extrapolates(
    run: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shift, "LEAST_GAIN", -np.inf)
    noise = zarr.open_group(run.field_store("DEEP2"), mode="r+")["sky_noise"]
    noise[:, 2] = noise[:, 2] * 0.1
    assert "better than the source in depth of r" in n_of_z_of(run, "DEEP2").attrs["prior"]


@pytest.mark.parametrize(
    ("change", "name", "why"),
    [
        ('nz.prior="network"', "DEEP2", 'nz.prior is "network"'),
        ("nz.draws=3", "COSMOS_UDF", "it is a source field"),
    ],
)
def test_what_keeps_a_ratio_from_being_inferred_is_said(
    copy: Path, change: str, name: str, why: str
) -> None:
    found = n_of_z_of(load(copy, [change]), name)
    assert found.attrs["prior"].startswith(f"n(z) as stacked: {why}")
    np.testing.assert_allclose(found["n_of_z"], found["stacked"])


def test_unsound_zero_points_withhold_it(copy: Path) -> None:
    found = n_of_z_of(load(copy), "DEEP2")
    assert "its zero points are not known in u" in found.attrs["prior"]
    assert found.attrs["prior"].endswith("is not in the errors")


def test_without_held_out_galaxies_it_is_withheld(copy: Path) -> None:
    config = load(copy)
    split = config.models[0] / "split.parquet"
    pd.read_parquet(split).assign(part="training").to_parquet(split)
    found = n_of_z_of(config, "DEEP2")
    assert "no galaxy with a label was held out" in found.attrs["prior"]


def test_a_selection_is_over_the_catalogue(copy: Path) -> None:
    whole, bright = (
        n_of_z_of(load(copy, [f'nz.select="{rule}"']), "DEEP2") for rule in ("", "mag_i < 24")
    )
    assert 0 < float(bright["n"][0]) < float(whole["n"][0])
    none = load(copy, ['nz.select="mag_i < 10"'])
    with pytest.raises(InputError, match=r"'mag_i < 10' keeps none of"):
        n_of_z_of(none, "DEEP2")


def test_tomographic_samples_are_by_median_or_by_probability() -> None:
    settings = NzConfig(mag_edges=(), z_edges=(0.5, 1.0), assign="probability")
    assert [one.by for one in samples_of(settings)] == ["", "probability"]
    whole, part = samples_of(dataclasses.replace(settings, assign="median"))
    assert (whole.name, part.by) == ("all", "z_median")


def test_shares_by_probability_are_those_of_the_pdf(copy: Path) -> None:
    cube = open_cube(load(copy).cube("DEEP2"), lazy=False)
    pdf = cube["pdf"].values
    shares = [
        Sample("", "probability", low, high).share(cube, pdf)
        for low, high in ((0.0, 1.0), (1.0, 6.0))
    ]
    known = np.isfinite(pdf[:, 0])
    np.testing.assert_allclose((shares[0] + shares[1])[known], 1, rtol=1e-5)
    assert (shares[0][~known] == 0).all()


def test_the_verb_writes_files_and_the_catalogue_what_comes_of_them(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    formats = 'nz.formats=["fits","text","parquet"]'
    asked = [str(copy), "--quiet", "--field", "DEEP2", "--set", formats]
    assert main(["nz", *asked]) == 0
    said = capsys.readouterr().out
    assert "DEEP2: n(z) as stacked: its zero points are not known" in said
    assert "i 24-25" in said
    config = load(copy)
    found = read(config.results("DEEP2").with_name("DEEP2.nz.fits"))
    assert found["sample"].values.tolist()[0] == "all"
    assert main(["export", *asked, "--set", "export.inferred=true"]) == 0
    table = pd.read_parquet(config.results("DEEP2").with_suffix(".parquet"))
    # Nothing was inferred, so that nothing is another.
    np.testing.assert_allclose(
        table["cnn_inferred_z_median"], table["cnn_z_median"], rtol=1e-4, equal_nan=True
    )
    assert main(["nz", *asked]) == 0
    assert "up to date" in capsys.readouterr().out
