"""Zero points of field stores, on stores of round galaxies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

from hscz.config.read import load
from hscz.info import describe
from hscz.ingest import zeropoints
from hscz.ingest.stage import ingest
from hscz.ingest.zeropoints import measure, measured_zero_points, report_lines, zero_points_key
from hscz.predict.stage import predict_field, predict_key
from hscz.seams import ESTIMATORS
from hscz.stores import open_cube

BANDS = ("g", "r", "i", "z")


def field(n: int, seed: int, fwhm: float, offset: dict[str, float] | None = None) -> xr.Dataset:
    """Return a field store of Moffat galaxies of four bands."""
    rng = np.random.default_rng(seed)
    axis = np.arange(48) - 24
    a = fwhm / 0.168 / 2 / np.sqrt(2 ** (1 / 2.5) - 1)
    profile = (1 + (axis[:, None] ** 2 + axis**2) / a**2) ** -2.5
    profile *= 1.5 / (np.pi * a**2)
    kind = rng.uniform(0, 1, (n, 1))
    mag = rng.uniform(19, 23.5, (n, 1)) + kind * [1.2, 0.4, 0.1, 0] + kind**2 * [0.2, 0, 0.3, 0]
    mag = mag + [(offset or {}).get(band, 0.0) for band in BANDS]
    counts = 10 ** (-0.4 * (mag - 27))
    noise = np.full((n, 4), 0.03, np.float32)
    image = counts[..., None, None] * profile + rng.normal(0, 0.03, (n, 4, 48, 48))
    columns = {
        "image": (("object", "band", "y", "x"), image.astype(np.float16)),
        "sky_noise": (("object", "band"), noise),
        "psf_fwhm": (("object", "band"), np.full((n, 4), fwhm, np.float32)),
        "flags": ("object", np.zeros(n, np.int32)),
        "mag_i": ("object", mag[:, 2].astype(np.float32)),
        "ebv": ("object", np.zeros(n, np.float32)),
        "ra": ("object", rng.uniform(10, 11, n)),
    }
    return xr.Dataset(columns, coords={"band": list(BANDS)})


@pytest.fixture(scope="module")
def source() -> xr.Dataset:
    return field(800, 1, 0.7)


def test_an_offset_comes_back_through_other_seeing(source):
    table = measure(field(400, 2, 1.0, {"r": 0.2}), [source]).set_index("band")
    assert table["offset_mag"].to_numpy() == pytest.approx([0, 0.2, 0, 0], abs=0.03)
    assert table.loc["r", "shrunk_mag"] == pytest.approx(0.2, abs=0.03)
    assert (table["error_mag"] < 0.05).all()
    assert (table["n"] > 200).all()


def test_nothing_is_said_with_few_galaxies_or_bands(source):
    few = measure(field(60, 2, 1.0), [source])
    assert few["offset_mag"].isna().all()
    assert (few["shrunk_mag"] == 0).all()
    two = measure(field(400, 2, 1.0).sel(band=["g", "r"]), [source])
    assert two["offset_mag"].isna().all()
    lacking = field(400, 2, 1.0)
    lacking["psf_fwhm"][:, 0] = np.nan
    table = measure(lacking, [source]).set_index("band")
    assert np.isnan(table.loc["g", "offset_mag"])
    assert table.loc["g", "shrunk_mag"] == 0
    assert table.loc["r":, "offset_mag"].notna().all()


def test_dust_that_nothing_gives_does_not_pass_for_an_offset(source, caplog):
    reddened = field(400, 2, 1.0, {"g": 0.15, "r": 0.1})
    reddened["ebv"][:] = np.nan
    for target, others in ((reddened, [source]), (source, [source, reddened])):
        table = measure(target, others)
        assert table["offset_mag"].isna().all()
        assert (table["shrunk_mag"] == 0).all()
    assert not caplog.text
    corrected = reddened.assign_attrs(image_extinction_corrected=1)
    assert measure(corrected, [source])["offset_mag"].notna().all()


def test_bands_of_the_target_alone_are_left(source):
    table = measure(field(400, 2, 0.7, {"i": -0.1}), [source.sel(band=["r", "i", "z"])])
    assert table["offset_mag"].isna().tolist() == [True, False, False, False]
    assert table["offset_mag"][2] == pytest.approx(-0.1, abs=0.03)


def test_the_estimate_is_kept_until_a_store_is_made_again(copy: Path, monkeypatch):
    config = load(copy, ['predict.zero_points="measured"'])
    before = measured_zero_points(config, "DEEP2")
    assert report_lines(config, "DEEP2")[0].startswith("zero points")
    assert report_lines(config, "COSMOS_UDF") == []
    assert "zero points" in describe(str(config.field_store("DEEP2")))
    assert "zero points" not in describe(str(config.field_store("COSMOS_UDF")))
    keys = predict_key(config, "DEEP2"), predict_key(config, "COSMOS_UDF")
    with monkeypatch.context() as patch:
        patch.setattr(zeropoints, "measure", lambda *_: pytest.fail("measured again"))
        assert measured_zero_points(config, "DEEP2").equals(before)
    again = load(copy, ['ingest.select="i < 24"', 'predict.zero_points="measured"'])
    ingest(again, "COSMOS_UDF", progress=False)
    assert "COSMOS_UDF was ingested again" in predict_key(again, "DEEP2").why_stale(keys[0].note())
    assert zero_points_key(again, "DEEP2").fingerprint
    measured_zero_points(again, "DEEP2")
    knn = ESTIMATORS.load("knn")
    assert knn.why_stale(config, "DEEP2") == "not there yet"
    stated = load(copy)
    assert knn.key(config, "DEEP2").fingerprint != knn.key(stated, "DEEP2").fingerprint
    assert knn.key(config, "COSMOS_UDF").fingerprint == knn.key(stated, "COSMOS_UDF").fingerprint


def test_stamps_are_made_right_before_the_network_sees_them(copy: Path, monkeypatch):
    offset = {"band": ["u", "g", "r", "i", "z", "y"], "shrunk_mag": [0, 0, 0, 0.5, 0, 0]}
    table = pd.DataFrame(offset | {"offset_mag": 0.5, "error_mag": 0.02, "n": 500})
    monkeypatch.setattr(zeropoints, "measured_zero_points", lambda *_: table)

    def medians(name: str, *settings: str) -> np.ndarray:
        config = load(copy, list(settings))
        predict_field(config, name, progress=False)
        return open_cube(config.cube(name), lazy=False)["z_median"].values

    measured = 'predict.zero_points="measured"'
    stated, right = medians("DEEP2"), medians("DEEP2", measured)
    assert not np.allclose(stated, right, equal_nan=True)
    assert np.array_equal(medians("COSMOS_UDF"), medians("COSMOS_UDF", measured), equal_nan=True)
    store = zarr.open_group(load(copy).field_store("DEEP2"), mode="r+")
    band = [str(one) for one in store["band"][:]].index("i")
    image = store["image"][:]
    image[:, band] = (image[:, band] * np.float32(10**0.2)).astype(np.float16)
    store["image"][:] = image
    np.testing.assert_allclose(medians("DEEP2"), right, rtol=1e-5)
