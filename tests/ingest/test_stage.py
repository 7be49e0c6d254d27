"""Ingest: any tiling gives the same stamps, also when a run is killed and resumed with another."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy.io import fits

import hscz.ingest.stage as stage
from hscz.config import FieldConfig, FieldFetch, IngestConfig, RunConfig, TableConfig
from hscz.errors import InputError
from hscz.ingest import cutting
from hscz.sky.dust import MAPS
from hscz.sky.fits import write_calexp
from hscz.stores import attributes, open_field, part
from tests.helpers.images import tan_wcs
from tests.helpers.plain_descriptor import plain_descriptor

SIDE = 900
DESCRIPTOR = plain_descriptor('trail = "trail"')


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """Two bands of noise, and objects everywhere, some too near to the edge."""
    folder = tmp_path_factory.mktemp("field")
    rng = np.random.default_rng(1)
    wcs = tan_wcs(crpix=(SIDE / 2, SIDE / 2))
    for band in ("r", "i"):
        image = rng.standard_normal((SIDE, SIDE), np.float32)
        mask, variance = np.zeros((SIDE, SIDE), np.int32), np.ones((SIDE, SIDE), np.float32)
        write_calexp(folder / f"{band}.fits", image, mask, variance, wcs, f"HSC-{band.upper()}")
    x, y = rng.uniform(0, SIDE - 1, (2, 300))
    ra, dec = wcs.pixel_to_world_values(x, y)
    table = pd.DataFrame({"id": np.arange(300), "ra": ra, "dec": dec, "mag_i": 22.0})
    table.assign(trail=np.arange(300) % 50 == 0).astype({"trail": int}).to_csv(folder / "cat.csv")
    (folder / "own.toml").write_text(DESCRIPTOR)
    field = FieldConfig(
        images=str(folder / "{band}.fits"),
        catalogue=TableConfig(str(folder / "cat.csv"), str(folder / "own.toml")),
        bands=("r", "i"),
    )
    return RunConfig(stores=str(folder / "whole"), fields={"A": field})


def tiled(config: RunConfig, folder: Path, tile_px: int) -> RunConfig:
    return dataclasses.replace(config, stores=str(folder), ingest=IngestConfig(tile_px=tile_px))


def by_id(path: Path) -> xr.Dataset:
    store = open_field(path, lazy=False).load()
    return store.isel(object=np.argsort(store["object_id"].values))


@pytest.fixture(scope="module")
def whole(config: RunConfig) -> xr.Dataset:
    return by_id(stage.ingest(config, "A", progress=False))


def test_windows_of_a_mosaic_give_the_same_stamps(
    config: RunConfig, whole: xr.Dataset, tmp_path: Path
) -> None:
    parts = by_id(stage.ingest(tiled(config, tmp_path, 260), "A", progress=False))
    assert len(np.unique(parts["tile"].values)) > 9
    for name in ("object_id", "image", "flags", "mag"):
        np.testing.assert_array_equal(parts[name], whole[name])
    np.testing.assert_allclose(parts["sky_noise"], whole["sky_noise"], rtol=1e-5)


def test_every_tile_says_how_its_sky_correlates(
    config: RunConfig, whole: xr.Dataset, tmp_path: Path
) -> None:
    parts = by_id(stage.ingest(tiled(config, tmp_path, 260), "A", progress=False))
    assert set(parts["tile"].values) <= set(parts["tile_name"].values)
    for made in (whole, parts):
        sky = made["sky_correlation"].values
        assert sky.shape[:2] == (made.sizes["tile_name"], 2)
        middle = np.s_[..., sky.shape[2] // 2, sky.shape[3] // 2]
        np.testing.assert_allclose(sky[middle], 1)
        sky[middle] = 0
        assert np.abs(sky).max() < 0.1
        assert np.isnan(made["psf"]).all()


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the tiles that are cut, one after the other, and kill the run at the fourth."""
    real, calls = cutting.cut_tile, list[int]()

    def killed_once(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(cutting, "cut_tile", killed_once)
    return calls


@pytest.mark.parametrize("tile_px", [260, 400])
def test_a_killed_ingest_resumes_only_tiles_that_are_the_same(
    config: RunConfig, whole: xr.Dataset, tmp_path: Path, cuts: list[int], tile_px: int
) -> None:
    first, second = (tiled(config, tmp_path, px) for px in (260, tile_px))
    with dask.config.set(scheduler="synchronous"):
        with pytest.raises(KeyboardInterrupt):
            stage.ingest(first, "A", progress=False)
        assert len(list((part(first.field_store("A")) / "done").iterdir())) == 3
        resumed = by_id(stage.ingest(second, "A", progress=False))
    kept = 3 if tile_px == 260 else 0
    assert len(cuts) - 4 == len(np.unique(resumed["tile"].values)) - kept
    np.testing.assert_array_equal(resumed["image"], whole["image"])


def test_objects_that_no_tile_holds_are_listed(config: RunConfig, whole: xr.Dataset) -> None:
    path = config.field_store("A")
    lost = pd.read_parquet(path.with_suffix(".lost.parquet"))
    assert len(lost) == attributes(path)["n_lost"] > 10
    assert len(lost) + whole.sizes["object"] == attributes(path)["n_selected"] == 300
    assert not np.isin(lost["object_id"], whole["object_id"]).any()


def test_trails_of_the_catalogue_are_flagged(whole: xr.Dataset) -> None:
    trail = (whole["flags"].values & 16) != 0
    np.testing.assert_array_equal(trail, whole["object_id"].values % 50 == 0)


@pytest.fixture
def dusty(config: RunConfig, tmp_path: Path) -> RunConfig:
    """A catalogue with a column of E(B-V) of 0.5, maps of 0.25 and an image of 0.125."""
    header = fits.Header({"LAM_NSGP": 1, "LAM_SCAL": 8, "CRPIX1": 8.5, "CRPIX2": 8.5})
    fits.writeto(tmp_path / MAPS[1], np.full((16, 16), 0.25, np.float32), header)
    mine = config.fields["A"]
    pd.read_csv(mine.catalogue.file).assign(dust=0.5).to_csv(tmp_path / "cat.csv")
    (tmp_path / "own.toml").write_text(DESCRIPTOR.replace("[columns]", '[columns]\nebv = "dust"'))
    table = TableConfig(str(tmp_path / "cat.csv"), str(tmp_path / "own.toml"))
    around = FieldFetch(box=(149.8, 150.2, 1.8, 2.2))
    run = RunConfig(
        stores=str(tmp_path / "out"),
        fields={"A": dataclasses.replace(mine, catalogue=table, fetch=around)},
        ingest=IngestConfig(dust=str(tmp_path)),
    )
    wcs = tan_wcs(crpix=(8, 8), scale_arcsec=90.0)
    run.ebv_image("A").parent.mkdir(parents=True)
    fits.writeto(run.ebv_image("A"), np.full((16, 16), 0.125), wcs.to_header())
    return run


def with_ebv(run: RunConfig, source: str, catalogue: TableConfig | None = None) -> RunConfig:
    entry = dataclasses.replace(run.fields["A"], ebv=source)
    if catalogue:
        entry = dataclasses.replace(entry, catalogue=catalogue)
    return dataclasses.replace(run, fields={"A": entry})


@pytest.mark.parametrize(
    ("source", "expected"), [("", 0.5), ("catalogue", 0.5), ("sfd", 0.25), ("irsa", 0.125)]
)
def test_a_field_says_where_its_dust_comes_from(
    dusty: RunConfig, source: str, expected: float
) -> None:
    run = with_ebv(dusty, source)
    path = stage.ingest(run, "A", progress=False)
    np.testing.assert_allclose(by_id(path)["ebv"], expected)
    assert attributes(path)["ebv_from"] == (source or "catalogue")


def test_dust_maps_fill_in_where_the_catalogue_has_none(
    config: RunConfig, dusty: RunConfig
) -> None:
    run = with_ebv(dusty, "", config.fields["A"].catalogue)
    path = stage.ingest(run, "A", progress=False)
    np.testing.assert_allclose(by_id(path)["ebv"], 0.25)
    assert attributes(path)["ebv_from"] == "sfd"


def test_nothing_that_gives_dust_is_one_clear_error(config: RunConfig, dusty: RunConfig) -> None:
    run = with_ebv(dusty, "catalogue", config.fields["A"].catalogue)
    ways = r"name its column as ebv under \[columns\].*or set ebv of the field to 'sfd' or 'irsa'"
    with pytest.raises(InputError, match=rf"cat\.csv: no E\(B-V\), which fields\.A\.ebv.*{ways}"):
        stage.ingest(run, "A", progress=False)
    dusty.ebv_image("A").unlink()
    with pytest.raises(InputError, match=r"A\.fits: no such file; run 'hscz fetch' first"):
        stage.ingest(with_ebv(dusty, "irsa"), "A", progress=False)
    assert not dusty.field_store("A").exists()


def test_the_report_tells_that_dust_is_unknown(config: RunConfig, whole: xr.Dataset) -> None:
    assert np.isnan(whole["ebv"]).all()
    report = stage.ingest_report(config.field_store("A"))
    assert "E(B-V) is unknown, which some recipes need: name its column as ebv" in report


def test_the_fingerprint_follows_where_the_dust_comes_from(dusty: RunConfig) -> None:
    runs = [with_ebv(dusty, source) for source in ("", "catalogue", "sfd", "irsa")]
    assert len({stage.ingest_key(run, "A").fingerprint for run in runs}) == 4
    before = stage.ingest_key(runs[3], "A").fingerprint
    dusty.ebv_image("A").unlink()
    assert stage.ingest_key(runs[3], "A").fingerprint != before


def test_the_fingerprint_follows_the_dust_maps(config: RunConfig, tmp_path: Path) -> None:
    run = dataclasses.replace(config, ingest=IngestConfig(dust=str(tmp_path)))
    before = stage.ingest_key(run, "A").fingerprint
    (tmp_path / MAPS[1]).write_bytes(b"other")
    assert stage.ingest_key(run, "A").fingerprint != before


def test_a_memory_limit_shrinks_the_tiles() -> None:
    free = stage.tile_px(IngestConfig())
    limited = stage.tile_px(IngestConfig(memory_limit_mb=400))
    assert 256 <= limited < free == 4200


@pytest.mark.parametrize("change", [{"stamp_px": 48}, {"select": "mag_i < 23"}, {"tile_px": 300}])
def test_the_fingerprint_follows_what_the_store_holds(config: RunConfig, change: dict) -> None:
    other = dataclasses.replace(config, ingest=IngestConfig(**change))
    assert stage.ingest_key(other, "A").fingerprint != stage.ingest_key(config, "A").fingerprint
    limited = IngestConfig(memory_limit_mb=400)
    moved = dataclasses.replace(config, ingest=limited, stores="elsewhere")
    assert stage.ingest_key(moved, "A").fingerprint == stage.ingest_key(config, "A").fingerprint


def test_the_fingerprint_follows_the_descriptor(config: RunConfig) -> None:
    before = stage.ingest_key(config, "A").fingerprint
    path = Path(config.fields["A"].catalogue.catalogue)
    text = path.read_text()
    path.write_text(text + '[mag_err]\ni = "mag_i"\n')
    assert stage.ingest_key(config, "A").fingerprint != before
    rules = 'secure = "mag_i > 0"\nresolution = 200.0\n'
    path.write_text(rules + text.replace('survey = "', 'survey = "other '))
    assert stage.ingest_key(config, "A").fingerprint == before
    path.write_text(text)


def test_the_report_counts_every_flag(config: RunConfig, whole: xr.Dataset) -> None:
    trails = int((whole["flags"].values == 16).sum())
    report = stage.ingest_report(config.field_store("A"))
    assert f"{whole.sizes['object']} cut" in report
    assert (
        f"0 with defects that leave them without a redshift later; flags: {trails} trail" in report
    )
    assert "left out" not in report
