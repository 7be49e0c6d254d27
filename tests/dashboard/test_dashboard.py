"""What the dashboard reads, selects, draws and refuses."""

from __future__ import annotations

import io
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from astropy.io import fits

from hscz.cli import main
from hscz.dashboard import details
from hscz.dashboard.data import load
from hscz.dashboard.download import catalogue
from hscz.dashboard.maps import View, mean_map
from hscz.dashboard.meanpdf import MeanPDF
from hscz.dashboard.selection import Selection, select
from hscz.errors import ConfigError, InputError, StoreError
from hscz.stores import open_cube

pytest.importorskip("panel")


def test_models_of_a_field_come_together_under_their_recipes(survey, pair) -> None:
    fields = load([*pair, survey / "pdfs" / "v0-u" / "G.zarr"])
    assert {name: field.models for name, field in fields.items()} == {
        "F": ["v0", "v2"],
        "G": ["v0"],
    }
    assert fields["F"].store == survey / "fields" / "F.zarr"
    assert fields["G"].store is None
    assert load([f"mine={pair[0]}", pair[0]])["F"].models == ["mine", "v0"]


def test_a_field_across_right_ascension_zero_stays_in_one_piece(pair) -> None:
    field = load(pair)["F"]
    assert np.ptp(field.ra_offset_deg) < 0.31
    ra = open_cube(pair[0], lazy=False)["ra"].values
    apart = (field.ra_deg + field.ra_offset_deg - ra + 180) % 360 - 180
    np.testing.assert_allclose(apart, 0, atol=1e-6)


def test_only_point_columns_are_held(pair) -> None:
    field = load(pair)["F"]
    select(field, Selection("v0", mag_i=(21, 22)))
    for cube in field.cubes.values():
        assert not cube.dataset["pdf"].variable._in_memory
        assert not cube.dataset["ra"].variable._in_memory
        assert cube.z_median.dtype == np.float32


def test_limits_hold_together(pair) -> None:
    field, cube = load(pair)["F"], open_cube(pair[0], lazy=False)
    ra, dec = (cube["ra"].values + 180) % 360 - 180, cube["dec"].values
    chosen = select(field, Selection("v0", (0.1, -0.05), (1.0, 1.2), (21.0, 24.0), (0.5, 4.0)))
    if field.ra_deg > 180:
        chosen = select(
            field, Selection("v0", (360.1, 359.95), (1.0, 1.2), (21.0, 24.0), (0.5, 4.0))
        )
    mag, z = cube["mag_i"].values, cube["z_median"].values
    expected = (abs(ra - 0.025) < 0.075) & (dec <= 1.2) & (mag >= 21) & (mag <= 24)
    np.testing.assert_array_equal(chosen, expected & (z >= 0.5) & (z <= 4))
    assert 0 < chosen.sum() < len(field)


def assert_exact(mean: MeanPDF, pair: list[Path]) -> None:
    """Compare with the means that numpy takes of all the selected PDFs at once."""
    densities, n_read = mean.so_far()
    assert mean.finished
    assert n_read == mean.chosen.sum()
    for density, path in zip(densities.values(), pair, strict=True):
        selected = open_cube(path)["pdf"].values[mean.chosen].astype(np.float64)
        np.testing.assert_allclose(density, np.nanmean(selected, axis=0), rtol=1e-12)


def test_n_of_z_is_the_mean_pdf_of_the_selection(pair) -> None:
    field = load(pair)["F"]
    mean = MeanPDF(field.cubes, field.mag_i < 23)
    mean.read(0.0)
    densities, n_read = mean.so_far()
    assert 0 < n_read < mean.n_selected
    assert not mean.finished
    # A mean of what was read: normalised, though most is still to come.
    width = np.diff(field.cubes["v0"].dataset["z_edges"].values)
    assert densities["v0"] @ width == pytest.approx(1, rel=1e-5)
    mean.start()
    until = time.monotonic() + 20
    while not mean.finished and time.monotonic() < until:
        time.sleep(0.01)
    assert_exact(mean, pair)


def test_an_outdated_reading_is_abandoned(pair) -> None:
    field = load(pair)["F"]
    mean = MeanPDF(field.cubes, field.mag_i < 23)
    mean.read(0.0)
    n_read = mean.n_read
    mean.stop()
    mean.read()
    assert mean.n_read == n_read


def test_chunks_that_are_selected_whole_are_read_once(pair, tmp_path: Path) -> None:
    copies = [shutil.copytree(path, tmp_path / path.parent.name / "F.zarr") for path in pair]
    field = load(copies)["F"]
    first = MeanPDF(field.cubes, np.ones(len(field), dtype=bool))
    first.read()
    for path in copies:
        shutil.rmtree(path / "pdf" / "c")
    again = MeanPDF(field.cubes, np.ones(len(field), dtype=bool))
    again.read()
    assert_exact(again, pair)
    some = np.arange(len(field)) >= 64
    most = MeanPDF(field.cubes, some)
    most.read()
    assert_exact(most, pair)
    some[100] = False
    part = MeanPDF(field.cubes, some)
    part.read()
    assert not part.finished
    assert "PDFs are missing among rows 64 to 127" in str(part.error)


def test_what_cannot_be_read_is_said(pair, tmp_path: Path) -> None:
    from hscz.dashboard.view import FieldView

    copies = [shutil.copytree(path, tmp_path / path.parent.name / "F.zarr") for path in pair]
    for chunk in (copies[1] / "pdf" / "c").glob("[3-6]/0"):
        chunk.write_bytes(b"<no chunk>")
    status = FieldView(load(copies)["F"]).status.object
    assert "of 400 selected objects, the rest is not read: " in status
    assert "<no" not in status


def test_maps_are_means_per_cell() -> None:
    rng = np.random.default_rng(0)
    x, y, value = rng.random((3, 20_000), np.float32)
    value[::7] = np.nan
    # Without a place, or far outside.
    x[1::70], y[2::70], x[3::70], y[4::70] = np.nan, np.inf, -1e30, 1e30
    drawn = mean_map(x, y, value, View((0.2, 0.8), (0.1, 0.9), 100, 80))
    counted = np.isfinite(x) & np.isfinite(y) & np.isfinite(value)
    counts, ex, ey = np.histogram2d(
        x[counted],
        y[counted],
        bins=drawn.count.shape[::-1],
        range=[drawn.x, drawn.y],
    )
    # Points on a border may fall on either side of it.
    assert abs(counts.T - drawn.count).sum() <= 4
    cell = (x >= ex[20]) & (x < ex[21]) & (y >= ey[15]) & (y < ey[16])
    assert drawn.mean[15, 20] == pytest.approx(np.nanmean(value[cell]), rel=1e-5)


@pytest.mark.parametrize("suffix", ["fits", "parquet", "csv"])
def test_the_catalogue_has_the_chosen_rows(pair, suffix: str) -> None:
    field = load(pair)["F"]
    chosen = field.mag_i < 21
    file = catalogue(field.cubes["v2"], chosen, suffix)
    read = {"fits": lambda f: fits.getdata(f, 1), "parquet": pd.read_parquet, "csv": pd.read_csv}
    table = read[suffix](io.BytesIO(file.getvalue()))
    np.testing.assert_array_equal(table["object_id"], 44223461475791504 + np.flatnonzero(chosen))
    np.testing.assert_allclose(table["cnn_z_median"], field.cubes["v2"].z_median[chosen], rtol=1e-6)


def test_an_object_is_found_in_its_field_store_by_its_number(survey, pair) -> None:
    field = load(pair)["F"]
    here = details.stamps(field.store, 44223461475791504 + 7, 7)
    np.testing.assert_allclose(here, np.arcsinh(3.5) / np.arcsinh(25), rtol=1e-5)
    assert np.array_equal(here, details.stamps(field.store, 44223461475791504 + 7, 99))
    with pytest.raises(StoreError, match="has no object 12"):
        details.stamps(field.store, 12, 0)


def test_views_follow_a_selection_and_a_click(pair) -> None:
    from hscz.dashboard.view import FieldView

    view = FieldView(load(pair)["F"])
    models = view.galaxies[0].figure.references()
    view.choose(Selection("v0", z=(1.0, 4.0)))
    box = view.galaxies[0].box
    assert (box.left, box.right, box.bottom, box.top) == (*view.field.mag_limits, 1.0, 4.0)
    view.choose(Selection("v0", mag_i=(21.0, 22.0), z=(1.0, 4.0)))
    assert view.galaxies[0].figure.references() == models
    assert view.status.object == f"Mean PDF of all {view.chosen.sum():,} selected objects."
    assert_exact(view.mean_pdf, pair)
    assert view.controls.mag_i.value == (21.0, 22.0)
    assert f"<b>{view.chosen.sum():,}</b> of 400" in view.controls.summary.object
    assert view.galaxies[0].box.left == 21.0
    assert view.skies[1].source.data["count"][0].sum() == view.chosen.sum()
    view.click(5)
    assert str(44223461475791509) in view.row.object
    assert len(view.stamps.source.data["image"]) == 6
    before = view.skies[0].source.data["mean"][0]
    view.show_models(["v2", "v0"])
    assert view.selection.model == "v2"
    assert not np.array_equal(view.skies[0].source.data["mean"][0], before, equal_nan=True)


def test_the_static_page_stands_alone_and_is_not_overwritten(pair, tmp_path: Path, capsys) -> None:
    page = tmp_path / "out" / "page.html"
    command = ["dashboard", *map(str, pair), "--html", str(page)]
    assert main(command) == 0
    text = page.read_text()
    assert "44223461475791511" in text
    assert "<script src=" not in text
    page.write_text("mine")
    assert main(command) == 1
    assert "page.html: exists" in capsys.readouterr().err
    assert page.read_text() == "mine"
    assert main([*command, "--overwrite"]) == 0
    assert [file.name for file in page.parent.iterdir()] == ["page.html"]


def test_bad_input_gets_one_clear_error(survey, pair, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none\.zarr: no PDF cube here"):
        load([tmp_path / "none.zarr"])
    with pytest.raises(StoreError, match=r"fields/F\.zarr: variable 'pdf'"):
        load([survey / "fields" / "F.zarr"])
    with pytest.raises(InputError, match="both model 'v0'"):
        load([pair[0], pair[0]])
    with pytest.raises(InputError, match="different models of different fields"):
        load([pair[1], survey / "pdfs" / "v0-u" / "G.zarr"])
    with pytest.raises(StoreError, match="no field store"):
        load(pair, [tmp_path])
    other = tmp_path / "v9-F" / "F.zarr"
    shutil.copytree(pair[1], other)
    zarr.open_group(other, mode="r+")["object_id"][3] = 1
    with pytest.raises(InputError, match="hold different objects of F"):
        load([pair[0], other])
    shutil.rmtree(other / "mag_i")
    with pytest.raises(StoreError, match="'mag_i'"):
        load([other])


def test_a_taken_port_is_named(pair) -> None:
    import socket

    from hscz.dashboard import serve

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            serve(pair, port=port)
