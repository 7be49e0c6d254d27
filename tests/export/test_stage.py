"""Catalogues of a run: its own are made anew, those of others are left alone."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hscz.cli import main
from hscz.config import ExportConfig, PredictConfig, RunConfig
from hscz.errors import InputError, StoreError
from hscz.export.stage import export_field, export_paths, why_unexported
from hscz.files.atomic import read_json, write_json
from hscz.pdf.prior import PriorRatio
from tests.helpers.package import install

CONFIG = """
name = "r"
[fields.A]
images = "{band}.fits"
bands = ["g", "r"]
catalogue = { file = "a.csv", catalogue = "a.toml" }
[train]
fields = ["A"]
[predict]
name = "r"
[export]
formats = ["parquet"]
"""


@pytest.fixture
def root(cube: xr.Dataset, tmp_path: Path) -> Path:
    """Folder of a run of which there is a PDF cube."""
    (tmp_path / "run.toml").write_text(CONFIG)
    texts = {name: cube[name].astype(np.dtypes.StringDType()) for name in ("field", "label_source")}
    cube = cube.assign_coords(texts).assign_attrs(fingerprint="first")
    cube.to_zarr(tmp_path / "stores/pdfs/r/A.zarr", zarr_format=3, consolidated=False)
    return tmp_path


def config_of(root: Path, **settings) -> RunConfig:
    export = ExportConfig(formats=("parquet", "fits"), **settings)
    return RunConfig(stores=str(root / "stores"), predict=PredictConfig(name="r"), export=export)


CSV = """
from contextlib import contextmanager

import pandas as pd

from hscz.export.formats import Format


@contextmanager
def write_csv(path, catalogue):
    with path.open("w") as file:
        columns = catalogue.columns

        def write(rows):
            table = pd.DataFrame({column.name: column.entries(rows) for column in columns})
            table.to_csv(file, index=False, header=not file.tell())

        yield write


FORMAT = Format("csv", write_csv)
"""


def test_a_format_of_another_package_is_written_like_ours(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["export", str(root / "run.toml"), "--set", 'export.formats=["csv", "parquet"]']
    assert main(command) == 2
    entries = {"hscz.export_formats:csv": "csv_tables:FORMAT"}
    install(tmp_path / "site", "csv_tables", CSV, entries, monkeypatch)
    assert main(command) == 0
    stem = root / "stores/catalogues/r/A"
    found, ours = pd.read_csv(f"{stem}.csv"), pd.read_parquet(f"{stem}.parquet")
    assert found["object_id"].tolist() == ours["object_id"].tolist()
    assert np.allclose(found["cnn_z_median"], ours["cnn_z_median"], equal_nan=True)


def test_a_package_that_cannot_be_loaded_is_named(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    entries = {"hscz.export_formats:broken": "broken:FORMAT"}
    install(tmp_path / "site", "broken", "raise RuntimeError('no licence')", entries, monkeypatch)
    assert main(["export", str(root / "run.toml"), "--set", 'export.formats=["broken"]']) == 2
    said = capsys.readouterr().err
    assert "export format 'broken' of the package broken cannot be loaded (no licence)" in said


def test_a_stale_catalogue_of_the_run_is_made_again(root: Path) -> None:
    config = config_of(root)
    assert why_unexported(config, "A")
    parquet, _ = export_field(config, "A")
    assert not why_unexported(config, "A")
    other = config_of(root, select="mag_i < 23")
    assert why_unexported(other, "A")
    export_field(other, "A")
    assert not why_unexported(other, "A")
    assert pd.read_parquet(parquet)["mag_i"].max() < 23


@pytest.mark.parametrize("formats", [("parquet", "fits"), ("hats",)])
def test_a_copied_run_knows_its_catalogues(
    root: Path, tmp_path: Path, formats: tuple[str, ...]
) -> None:
    if "hats" in formats:
        pytest.importorskip("hats")
    config = config_of(root)
    config = replace(config, export=ExportConfig(formats))
    export_field(config, "A")
    there = tmp_path / "there"
    shutil.copytree(root / "stores", there / "stores", copy_function=shutil.copyfile)
    config = replace(config, stores=str(there / "stores"))
    assert not why_unexported(config, "A")
    select = ExportConfig(formats, select="mag_i < 23")
    export_field(replace(config, export=select), "A")
    assert why_unexported(config, "A") == "export.select was 'mag_i < 23'"
    path = export_paths(config, "A")[0]
    extra = path / "mine.txt" if path.is_dir() else path
    extra.write_text("my own")
    with pytest.raises(InputError, match="exists already and is not as this run wrote"):
        export_field(config, "A")


def test_a_file_of_somebody_else_is_left_alone(root: Path) -> None:
    config = config_of(root)
    parquet, fits = export_paths(config, "A")
    fits.parent.mkdir(parents=True)
    fits.write_text("my own")
    with pytest.raises(InputError, match=r"A\.fits: exists already and is not as this run wrote"):
        export_field(config, "A")
    assert not parquet.exists()
    export_field(config, "A", overwrite=True)
    assert fits.stat().st_size > 2880
    pd.DataFrame({"object_id": [1]}).to_parquet(parquet)
    with pytest.raises(InputError, match=r"A\.parquet: exists already and is not"):
        export_field(config_of(root, select="mag_i < 23"), "A")
    assert len(pd.read_parquet(parquet)) == 1


def test_a_run_killed_between_two_files_goes_on(root: Path) -> None:
    config = config_of(root)
    note = export_field(config, "A")[0].with_name("A.export.json")
    files = read_json(note)["files"]
    write_json(note, {"files": dict.fromkeys(files, "begun")})
    assert why_unexported(config, "A")
    export_field(config, "A")
    assert not why_unexported(config, "A")


def test_a_failure_forgets_no_catalogue(root: Path) -> None:
    config = config_of(root)
    export_field(config, "A")
    with pytest.raises(InputError, match="keeps none"):
        export_field(config_of(root, select="mag_i < 1"), "A")
    assert not why_unexported(config, "A")


def test_the_command_line_overwrites_only_when_told(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = root / "stores/catalogues/r/A.parquet"
    path.parent.mkdir(parents=True)
    path.write_text("my own")
    file = str(root / "run.toml")
    assert main(["export", file]) == 1
    said = capsys.readouterr().err
    assert said.startswith("hscz export: ")
    assert "A.parquet: exists already" in said
    assert "--overwrite" in said
    assert path.read_text() == "my own"
    assert main(["export", file, "--overwrite"]) == 0
    assert len(pd.read_parquet(path)) == 25
    columns = ["--set", 'export.columns=["object_id", "cnn_z_median"]']
    assert main(["export", file, *columns]) == 0
    assert pd.read_parquet(path).columns.tolist() == ["object_id", "cnn_z_median"]
    assert main(["export", file, "--set", 'export.formats=["csv"]']) == 2
    assert "export format 'csv' is unknown; use fits" in capsys.readouterr().err


@pytest.mark.parametrize("settings", [{}, {"select": "mag_i < 23"}])
def test_a_stopped_export_knows_what_it_wrote_and_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    config, other = config_of(root), config_of(root, select="mag_i < 22")
    if settings:
        export_field(config, "A")
    parquet = export_paths(config, "A")[0]

    def stopped_after_the_first(cube: xr.Dataset, stem: Path, *arguments: object, **how) -> None:
        parquet.write_text("another catalogue")
        raise KeyboardInterrupt

    monkeypatch.setattr("hscz.export.stage.export", stopped_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        export_field(other, "A")
    monkeypatch.undo()
    # With the settings of before, too: one of the two catalogues is another.
    assert why_unexported(config, "A")
    export_field(config, "A")
    assert not why_unexported(config, "A")
    assert len(pd.read_parquet(parquet))


def test_the_inferred_n_of_z_must_be_there_and_makes_the_catalogue_stale(root: Path) -> None:
    config = config_of(root, inferred=True)
    with pytest.raises(StoreError, match=r"A.ratio.json: is not there.*'hscz nz'"):
        export_field(config, "A")
    for slope in (1.0, 2.0):
        ratio = PriorRatio((0.5, 2.0), (22.0,), ((0.0, slope),), 9.0, 500)
        write_json(config.prior_ratio("A"), {"ratio": asdict(ratio)})
        assert why_unexported(config, "A")
        export_field(config, "A")
        assert not why_unexported(config, "A")
