from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from hscz.config.conditions import CONDITIONS
from hscz.config.mock import MockSettings
from hscz.errors import InputError
from hscz.mock import survey as mock_survey
from hscz.mock.exposure import calexp_path
from hscz.mock.photometry import merge_blends
from hscz.mock.plan import FieldPlan
from hscz.mock.survey import make_field, make_survey, why_unmade

SETTINGS = MockSettings(
    seed=3, fields={"XMM_DEEP": (2, 1)}, patch_px=500, overlap_px=100, trails_per_deg2=300.0
)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mock")
    make_survey(SETTINGS, folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def catalogue(root) -> Table:
    return Table.read(root / "XMM_DEEP" / "XMM_DEEP_6bands-SExtractor-Lephare.fits")


@pytest.fixture(scope="module")
def truth(root) -> pd.DataFrame:
    return pd.read_parquet(root / "XMM_DEEP" / "truth" / "XMM_DEEP_truth.parquet")


def test_the_record_lists_the_files_that_are_there(root):
    folder = root / "XMM_DEEP"
    record = json.loads((folder / "mock.json").read_text())
    assert record["made_from"]["settings"]["mock.seed"] == 3
    assert all((folder / name).is_file() for name in record["files"])
    coadds = [name for name in record["files"] if name.startswith("deepCoadd-results/")]
    assert len(coadds) == 2 * 6
    assert "deepCoadd-results/HSC-I/8524/4,4/calexp-HSC-I-8524-4,4.fits" in coadds
    assert not [path for path in folder.rglob(".part-*")]


def test_coadds_have_the_planes_grid_and_zero_point_of_the_real_ones(root):
    path = next((root / "XMM_DEEP").rglob("calexp-MegaCam-uS-*-3,4.fits"))
    with fits.open(path) as hdus:
        assert hdus[0].header["FLUXMAG0"] == pytest.approx(63095734448.0194)
        assert hdus[0].header["FILTER"] == "MegaCam-uS"
        assert [hdu.name for hdu in hdus[1:]] == ["IMAGE", "MASK", "VARIANCE"]
        assert hdus["IMAGE"].header["CD2_2"] == pytest.approx(4.6666667e-5)
        assert {hdu.shape for hdu in hdus[1:]} == {(500, 500)}
        missing = np.isnan(hdus["IMAGE"].data)
        no_data = hdus["MASK"].data >> hdus["MASK"].header["MP_NO_DATA"] & 1
        np.testing.assert_array_equal(missing, no_data.astype(bool))


def test_neighbouring_patches_agree_where_they_overlap(root):
    plan = FieldPlan.of(SETTINGS, "XMM_DEEP")
    for band in plan.bands:
        left, right = (
            fits.getdata(calexp_path(root / "XMM_DEEP", plan.grid, band, patch), "IMAGE")
            for patch in plan.grid.patches()
        )
        np.testing.assert_allclose(left[:, 400:], right[:, :100], rtol=1e-4, atol=1e-4)


def test_ids_positions_and_magnitudes_lead_back_to_the_truth(catalogue, truth):
    assert len(catalogue) > 100
    matched = truth.set_index("object_id").loc[np.asarray(catalogue["ID"])]
    assert matched["is_detected"].all()
    assert truth["is_detected"].sum() == len(catalogue)
    offset = (catalogue["DEC"] - matched["dec"].to_numpy()) * 3600.0
    assert np.std(offset) == pytest.approx(0.05, rel=0.3)
    bright = np.asarray(catalogue["i"]) < 24.0
    difference = (np.asarray(catalogue["i"]) - matched["mag_i"].to_numpy())[bright]
    assert np.median(difference) == pytest.approx(0.0, abs=0.02)


def test_apertures_are_those_of_the_images(root, catalogue):
    plan = FieldPlan.of(SETTINGS, "XMM_DEEP")
    patch = next(plan.grid.patches())
    path = calexp_path(root / "XMM_DEEP", plan.grid, "r", patch)
    image = fits.getdata(path, "IMAGE")
    rows = catalogue[(catalogue["PATCH"] == patch.name) & (catalogue["r"] < 23.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, y = WCS(fits.getheader(path, "IMAGE")).all_world2pix(rows["RA"], rows["DEC"], 0)
    row, column = np.indices(image.shape)
    inside = (x > 10) & (x < 490) & (y > 10) & (y < 490)
    assert inside.sum() > 5
    for px, py, magnitude in zip(x[inside], y[inside], rows["MAG_APER_2s_r"][inside], strict=True):
        counts = image[np.hypot(column - px, row - py) < 1.0 / 0.168].sum()
        assert 27.0 - 2.5 * np.log10(counts) == pytest.approx(magnitude, abs=0.1)


def test_calibration_of_xmm_deep_is_wrong_between_r_and_i(catalogue, truth):
    matched = truth.set_index("object_id").loc[np.asarray(catalogue["ID"])]
    good = np.asarray((catalogue["i"] < 23.5) & (catalogue["r"] > 0) & (catalogue["r"] < 90))
    for blue, red, shift in (("g", "r", 0.0), ("r", "i", -0.2), ("i", "z", 0.0)):
        measured = np.asarray(catalogue[blue]) - np.asarray(catalogue[red])
        true = (matched[f"mag_{blue}"] - matched[f"mag_{red}"]).to_numpy()
        assert np.median((measured - true)[good]) == pytest.approx(shift, abs=0.03)


def test_bands_never_observed_hold_the_sentinel(catalogue):
    assert (catalogue["u"] == -99.0).all()
    assert (catalogue["MAG_APER_2s_u"] == -99.0).all()
    assert not catalogue["FLAG_FIELD_BINARY"][:, 1].any()
    assert catalogue["FLAG_FIELD_BINARY"][:, 0].mean() > 0.9
    assert catalogue["FLAG_FIELD_BINARY"][:, 2].mean() > 0.9


def test_the_paper_selection_keeps_galaxies_and_drops_stars(catalogue, truth):
    keep = catalogue["CLASS_STAR_HSC_I"] < 0.9
    for column in ("COMPACT", "OBJ_TYPE", "MASK"):
        keep &= catalogue[column] == 0
    matched = truth.set_index("object_id").loc[np.asarray(catalogue["ID"])]
    bright = np.asarray(catalogue["i"]) < 25.0
    is_star = matched["is_star"].to_numpy()
    assert keep[bright & ~is_star].mean() > 0.85
    assert keep[bright & is_star].mean() < 0.5


def test_objects_on_trails_say_so(catalogue):
    on_trail = np.asarray(catalogue["ST_TRAIL"]) == 1
    assert 0 < on_trail.sum() < len(catalogue)
    assert not catalogue["CLEAN"][on_trail].any()


def test_a_finished_field_is_left_alone(root):
    path = next((root / "XMM_DEEP").rglob("calexp-*.fits"))
    before = path.stat().st_mtime_ns
    assert not why_unmade(SETTINGS, "XMM_DEEP", root)
    make_field(SETTINGS, "XMM_DEEP", root, progress=False)
    assert path.stat().st_mtime_ns == before


def test_other_fields_do_not_make_a_field_stale():
    more = replace(SETTINGS, fields={**SETTINGS.fields, "ELAIS": (1, 1)})
    assert more.of_field("XMM_DEEP") == SETTINGS.of_field("XMM_DEEP")
    assert replace(SETTINGS, seed=4).of_field("XMM_DEEP") != SETTINGS.of_field("XMM_DEEP")


TINY = MockSettings(seed=1, fields={"ELAIS": (2, 1)}, patch_px=200, overlap_px=60)


def test_a_stopped_run_goes_on_and_ends_as_an_unbroken_one(tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    written = []

    def until_the_second(plan, patch, folder):
        if written:
            raise Killed
        written.append(patch.name)
        return write_patch(plan, patch, folder)

    write_patch = mock_survey.write_patch
    with monkeypatch.context() as patched, dask.config.set(scheduler="synchronous"):
        patched.setattr(mock_survey, "write_patch", until_the_second)
        with pytest.raises(Killed):
            make_field(TINY, "ELAIS", tmp_path / "broken", progress=False)
    first = next((tmp_path / "broken").rglob("calexp-HSC-I-*.fits"))
    before = first.stat().st_mtime_ns
    assert why_unmade(TINY, "ELAIS", tmp_path / "broken")
    make_field(TINY, "ELAIS", tmp_path / "broken", progress=False)
    assert first.stat().st_mtime_ns == before
    whole = make_field(TINY, "ELAIS", tmp_path / "whole", progress=False)
    for path in sorted(whole.rglob("*.fits")):
        again = tmp_path / "broken" / path.relative_to(tmp_path / "whole")
        assert path.read_bytes() == again.read_bytes()


def test_other_settings_make_the_field_anew(tmp_path):
    one = replace(TINY, fields={"ELAIS": (1, 1)})
    folder = make_field(one, "ELAIS", tmp_path, progress=False)
    old = next(folder.rglob("calexp-HSC-I-*.fits")).read_bytes()
    make_field(replace(one, seed=2), "ELAIS", tmp_path, progress=False)
    assert next(folder.rglob("calexp-HSC-I-*.fits")).read_bytes() != old
    made_from = json.loads((folder / "mock.json").read_text())["made_from"]
    assert made_from["settings"]["mock.seed"] == 2


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    precious = tmp_path / "ELAIS" / "thesis.tex"
    precious.parent.mkdir()
    precious.write_text("years")
    with pytest.raises(InputError, match="no mock field"):
        make_field(TINY, "ELAIS", tmp_path, progress=False)
    assert precious.read_text() == "years"


def test_blends_merge_into_the_brightest_of_a_chain():
    x = np.array([0.0, 3.0, 6.0, 30.0])
    assert merge_blends(x, np.zeros(4), np.array([1.0, 2.0, 3.0, 1.0])).tolist() == [2, 2, 2, 3]
    assert merge_blends(x, np.zeros(4), np.array([3.0, 2.0, 2.5, 1.0])).tolist() == [0, 0, 2, 3]


def test_force_does_not_remove_what_is_no_mock_field(tmp_path: Path) -> None:
    (tmp_path / "DEEP2").mkdir()
    (tmp_path / "DEEP2" / "mine.fits").touch()
    settings = MockSettings(fields={"DEEP2": (1, 1)})
    with pytest.raises(InputError, match="no mock field was made there"):
        make_field(settings, "DEEP2", tmp_path, progress=False, force=True)
    assert (tmp_path / "DEEP2" / "mine.fits").exists()


def test_a_hard_sky_is_made_whole_and_says_what_was_drawn(tmp_path: Path) -> None:
    settings = MockSettings(
        seed=1,
        difficulty="hard",
        fields={"COSMOS_UDF": (2, 1)},
        patch_px=400,
        overlap_px=100,
        conditions={"COSMOS_UDF": replace(CONDITIONS["COSMOS_UDF"], flux_offset_mag={"i": 1.0})},
    )
    folder = make_field(settings, "COSMOS_UDF", tmp_path, progress=False)
    plan = FieldPlan.of(settings, "COSMOS_UDF")
    for band in plan.bands:
        left, right = (
            fits.getdata(calexp_path(folder, plan.grid, band, patch), "IMAGE")
            for patch in plan.grid.patches()
        )
        np.testing.assert_allclose(left[:, 300:], right[:, :100], rtol=1e-3, atol=1e-3)
    record = json.loads((folder / "mock.json").read_text())
    errors = record["zero_point_error_mag"]
    assert errors["i"] == pytest.approx(1.0, abs=0.1)
    assert all(0 < abs(errors[band]) < 0.1 for band in "gr")
    truth = pd.read_parquet(folder / "truth" / "COSMOS_UDF_truth.parquet").set_index("object_id")
    assert truth["is_quasar"].any()
    assert (truth["clump_fraction_i"] > 0.1).any()
    table = Table.read(next(folder.glob("*.fits")))
    found = truth.loc[np.asarray(table["ID"])]
    bright = np.asarray((table["i"] < 24.0) & (table["r"] > 0) & (table["r"] < 90))
    for band in "ir":
        off = (np.asarray(table[band]) - found[f"mag_{band}"].to_numpy())[bright]
        assert np.median(off) == pytest.approx(errors[band], abs=0.03)


def test_overlooked_stars_pass_for_galaxies(tmp_path: Path) -> None:
    passed = {}
    for share in (0.0, 0.8):
        settings = replace(
            TINY,
            fields={"ELAIS": (1, 1)},
            patch_px=900,
            overlap_px=100,
            overlooked_star_share=share,
        )
        folder = make_field(settings, "ELAIS", tmp_path / str(share), progress=False)
        table = Table.read(next(folder.glob("*.fits")))
        truth = pd.read_parquet(folder / "truth" / "ELAIS_truth.parquet").set_index("object_id")
        star = truth.loc[np.asarray(table["ID"]), "is_star"].to_numpy() & (table["i"] < 23.0)
        keep = (
            (table["CLASS_STAR_HSC_I"] < 0.9) & (table["COMPACT"] == 0) & (table["OBJ_TYPE"] == 0)
        )
        passed[share] = keep[star].mean()
    assert passed[0.0] < 0.2
    assert passed[0.8] > 0.6
