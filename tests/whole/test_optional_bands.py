"""A band that only a part of the galaxies has, from mosaics to redshifts with one network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy.io import fits
from astropy.wcs import WCS

from hscz.config.read import load
from hscz.errors import ConfigError, StoreError
from hscz.ingest.label import label
from hscz.ingest.stage import ingest, ingest_report
from hscz.learn.model import Model
from hscz.learn.train import train
from hscz.predict.ensemble import mean_pdf
from hscz.predict.stage import predict_field
from hscz.schema import is_usable
from hscz.sky.fits import write_calexp
from hscz.sky.photometry import aperture_flux
from hscz.stores import open_cube, open_field
from tests.helpers.images import stars, tan_wcs
from tests.helpers.plain_descriptor import plain_descriptor

SIDE, N = 300, 90
MIDDLE = (SIDE / 2, SIDE / 2)

CONFIG = """
stores = "out"
[fields.A]
images = "A-{filter}-{patch}.fits"
per_band = { J = { images = "J.fits", zero_point = 30.0 } }
bands = ["g", "i", "J"]
optional = ["J"]
resample = true
catalogue = { file = "A.csv", catalogue = "objects.toml" }
truth = "A.parquet"
[fields.B]
images = "B-{filter}-{patch}.fits"
bands = ["g", "i"]
catalogue = { file = "B.csv", catalogue = "objects.toml" }
[network]
size = "compact"
layers = ["conv 4 5 relu 2", "pool", "conv 8 3 relu"]
merge_after = 1
dense = [8]
[train]
fields = ["A"]
bands = ["g", "i", "J"]
hidden = [["J"], []]
label = "z_true"
epochs = 2
batch_size = 8
n_bins = 20
z_max = 2.0
device = "cpu"
[flatten]
enabled = false
[predict]
device = "cpu"
"""

DESCRIPTOR = plain_descriptor('ebv = "ebv"')


def paint(wcs: WCS, ra: np.ndarray, dec: np.ndarray, flux: np.ndarray, scale: float) -> np.ndarray:
    """Return noisy Gaussian sources whose PSF has a FWHM of 0.7 arcsec."""
    noise = np.random.default_rng(5).normal(0, 0.02, (SIDE, SIDE))
    return noise + stars(noise.shape, *wcs.all_world2pix(ra, dec, 0), flux, 0.7 / 2.3548 / scale)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two fields in g and i, and a mosaic in J, with other pixels, of the east half of one."""
    folder = tmp_path_factory.mktemp("nir")
    rng = np.random.default_rng(3)
    for field, centre in (("A", 150.0), ("B", 35.0)):
        wcs = tan_wcs(centre, crpix=MIDDLE)
        x, y = rng.uniform(33, SIDE - 33, (2, N))
        ra, dec = wcs.all_pix2world(x, y, 0)
        flux = rng.uniform(5, 50, N)
        for name in ("HSC-G", "HSC-I"):
            image = paint(wcs, ra, dec, flux, 0.168)
            write_calexp(folder / f"{field}-{name}-0.fits", image, None, None, wcs, name)
        table = {"id": np.arange(N) + 1000 * (field == "B"), "ra": ra, "dec": dec, "mag_i": 22.0}
        pd.DataFrame(table | {"ebv": 0.02}).to_csv(folder / f"{field}.csv", index=False)
        truth = {"object_id": table["id"], "z_true": rng.uniform(0.1, 1.9, N)}
        pd.DataFrame(truth).to_parquet(folder / f"{field}.parquet")
        if field == "A":
            near = tan_wcs(centre, 2.0, MIDDLE, 0.15, 10.0)
            near.wcs.crpix = [SIDE / 2 - 130, SIDE / 2]
            # A magnitude of 30 per count, not 27.
            image = paint(near, ra, dec, flux, 0.15) * 10 ** (0.4 * 3)
            fits.writeto(folder / "J.fits", image.astype(np.float32), near.to_header())
    (folder / "objects.toml").write_text(DESCRIPTOR)
    (folder / "run.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def store(root: Path) -> xr.Dataset:
    config = load(root / "run.toml")
    for field in ("A", "B"):
        ingest(config, field, progress=False)
    label(config, "A")
    return open_field(config.field_store("A"), lazy=False).load()


def has_j(store: xr.Dataset) -> np.ndarray:
    return np.isfinite(store["sky_noise"].values[:, 2])


def test_objects_without_a_band_are_no_defects(store: xr.Dataset, root: Path) -> None:
    have, image = has_j(store), store["image"].values
    assert 20 < have.sum() < N - 20
    assert np.isfinite(image[:, :2]).all()
    assert np.isfinite(image[have]).all()
    for values in (image[~have, 2], store["psf_fwhm"].values[~have, 2]):
        assert np.isnan(values).all()
    assert (is_usable(store["flags"].values)).all()
    report = ingest_report(load(root / "run.toml").field_store("A"))
    assert f"band J: {have.sum()} objects have it" in report


def test_the_mosaic_is_brought_to_the_grid_and_zero_point(store: xr.Dataset) -> None:
    have = has_j(store)
    stamps = store["image"].values[have].astype(np.float32)
    i, j = (aperture_flux(stamps[:, band], 1.0) for band in (1, 2))
    # The sky adds 0.2 counts of noise to either.
    np.testing.assert_allclose(j, i, rtol=0.02, atol=1.0)
    assert np.median(j / i) == pytest.approx(1, abs=0.01)
    # All sources are stars here, so that their width is the seeing.
    seeing = store["psf_fwhm"].values
    np.testing.assert_allclose(seeing[have, 2], seeing[have, 1], rtol=0.02)
    np.testing.assert_allclose(seeing[:, 1], 0.7, rtol=0.04)


@pytest.fixture(scope="module")
def model(root: Path, store: xr.Dataset) -> Model:
    config = load(root / "run.toml")
    train(config, progress=False)
    return Model.load(config.models[0])


def test_one_network_serves_objects_with_and_without(
    root: Path, store: xr.Dataset, model: Model
) -> None:
    config = load(root / "run.toml")
    for field in ("A", "B"):
        cube = open_cube(predict_field(config, field, progress=False), lazy=False)
        assert np.isfinite(cube["pdf"].values).all()
    have, image = has_j(store), store["image"].values
    hidden = image.copy()
    hidden[:, 2] = np.nan
    usable = np.full(N, True)
    with_j, without = (
        mean_pdf(stamps, usable, None, [model], config.predict)[0] for stamps in (image, hidden)
    )
    np.testing.assert_array_equal(with_j[~have], without[~have])
    assert (np.abs(with_j - without)[have].max(axis=1) > 1e-4).all()
    # Dark is not the same as absent.
    dark = np.where(np.isnan(hidden), np.float16(0), hidden)
    assert not np.allclose(mean_pdf(dark, usable, None, [model], config.predict)[0], without)


def test_degraded_stamps_lack_what_they_lacked(root: Path, store: xr.Dataset) -> None:
    settings = ["train.name=degraded", "adapt.degrade=true", 'adapt.targets=["B"]']
    config = load(root / "run.toml", settings)
    train(config, progress=False)
    history = (config.models[0] / "history.jsonl").read_text()
    assert "NaN" not in history


def test_a_missing_band_is_never_filled_in_silently(root: Path, store: xr.Dataset) -> None:
    config = load(root / "run.toml", ["train.name=blind", "train.hidden=[]"])
    with pytest.raises(StoreError, match=r"A: a galaxy has no image in band J; name the band in"):
        train(config, progress=False)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('fields.A.optional=["Ks"]', "fields.A.optional has 'Ks', which is not one of its bands"),
        ('fields.A.optional=["g","i","J"]', "fields.A.optional has all bands; require one"),
        (
            'fields.A.per_band.H.images="h.fits"',
            "fields.A.per_band has 'H', which is not one of its",
        ),
    ],
)
def test_settings_that_contradict(root: Path, setting: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(root / "run.toml", [setting])
