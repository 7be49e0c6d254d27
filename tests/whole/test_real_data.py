"""Images and catalogues from elsewhere, from files to field stores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

from hscz.config import FieldConfig, RunConfig, TableConfig
from hscz.ingest.lightcheck import light_ratios, light_warnings
from hscz.ingest.stage import ingest
from hscz.schema import is_usable
from hscz.sky.photometry import aperture_flux
from hscz.stores import open_field
from hscz.tables.read import read_catalogue


@pytest.fixture(scope="module")
def hsc(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    folder = shared_data / "hsc_pdr3_deep_gri"
    field = FieldConfig(
        images=str(folder / "calexp-{filter}-10054-0,2-c1.fits"),
        catalogue=TableConfig(str(folder / "objects.fits"), "hsc-pdr3-objects"),
        bands=("g", "r", "i"),
    )
    config = RunConfig(stores=str(tmp_path_factory.mktemp("hsc")), fields={"HSC": field})
    return open_field(ingest(config, "HSC", progress=False), lazy=False)


@pytest.fixture(scope="module")
def dc2(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    folder = shared_data / "dc2_tile_ugrizy"
    field = FieldConfig(
        images=str(folder / "dc2-{band}.fits"),
        catalogue=TableConfig(str(folder / "dc2-truth.fits"), "dc2-truth"),
        bands=("u", "g", "r", "i", "z", "y"),
        zero_point=27.0,
        resample=True,
    )
    config = RunConfig(stores=str(tmp_path_factory.mktemp("dc2")), fields={"DC2": field})
    return open_field(ingest(config, "DC2", progress=False), lazy=False)


def test_hsc_stamps_reproduce_the_published_magnitudes(hsc: xr.Dataset, shared_data: Path) -> None:
    everything = read_catalogue(
        shared_data / "hsc_pdr3_deep_gri" / "objects.fits", "hsc-pdr3-objects", bands=()
    )
    sky = np.deg2rad(everything[["ra", "dec"]].to_numpy())
    here = np.deg2rad(np.stack([hsc["ra"], hsc["dec"]], axis=1))
    offset = (here[:, None] - sky) * [np.cos(sky[0, 1]), 1]
    distance_px = np.rad2deg(np.hypot(*np.moveaxis(offset, -1, 0))) * 3600 / 0.168
    alone = np.sort(distance_px, axis=1)[:, 1] > 20
    mag = hsc["mag_i"].values
    chosen = alone & (mag > 20) & (mag < 23)
    stamps = hsc["image"].values[chosen][:, 2].astype(np.float32)
    difference = 27 - 2.5 * np.log10(aperture_flux(stamps, 2.5)) - mag[chosen]
    assert chosen.sum() > 40
    assert abs(np.median(difference)) < 0.03
    assert np.median(np.abs(difference - np.median(difference))) < 0.08


def test_hsc_objects_stand_in_the_middle_of_their_stamps(hsc: xr.Dataset) -> None:
    bright = (hsc["mag_i"].values > 19) & (hsc["mag_i"].values < 21.5)
    centre = hsc["image"].values[bright][:, 2, 28:37, 28:37].astype(np.float32)
    y, x = np.unravel_index(centre.reshape(len(centre), -1).argmax(1), (9, 9))
    assert np.median(np.hypot(y - 4, x - 4)) <= 1.0


def test_hsc_noise_and_seeing_are_those_of_the_deep_layer(hsc: xr.Dataset) -> None:
    depth = 27 - 2.5 * np.log10(
        5 * np.nanmedian(hsc["sky_noise"].values, 0) * np.sqrt(np.pi) / 0.168
    )
    np.testing.assert_allclose(depth, [27.4, 27.0, 26.7], atol=0.25)
    seeing = np.nanmedian(hsc["psf_fwhm"].values, 0)
    assert ((seeing > 0.5) & (seeing < 1.0)).all()


def test_hsc_store_is_compact_and_true_to_the_file(hsc: xr.Dataset, shared_data: Path) -> None:
    assert hsc["image"].dtype == np.float16
    image = fits.getdata(
        shared_data / "hsc_pdr3_deep_gri" / "calexp-HSC-I-10054-0,2-c1.fits"
    ).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(image, (64, 64))
    stamp = hsc["image"].values[5, 2].astype(np.float32)
    corner = np.argwhere(np.abs(windows[..., 32, 32] - stamp[32, 32]) < 1e-3 * abs(stamp[32, 32]))
    errors = [np.abs(windows[tuple(c)] - stamp) for c in corner]
    noise = hsc["sky_noise"].values[5, 2]
    faint = np.abs(stamp) < 20 * noise
    assert min(np.max(e[faint]) for e in errors) < 0.01 * noise


def test_images_and_catalogues_hold_the_same_light(hsc: xr.Dataset, dc2: xr.Dataset) -> None:
    assert light_ratios(hsc) == pytest.approx({"i": 1.0}, abs=0.1)
    assert [*light_warnings(hsc), *light_warnings(dc2)] == []


def test_dc2_is_resampled_with_its_flux(dc2: xr.Dataset, shared_data: Path) -> None:
    truth = read_catalogue(
        shared_data / "dc2_tile_ugrizy" / "dc2-truth.fits", "dc2-truth", bands=()
    )
    truth = truth.set_index("object_id")
    ratios = []
    for k, band in enumerate(dc2["band"].values):
        path = shared_data / "dc2_tile_ugrizy" / f"dc2-{band}.fits"
        with fits.open(path) as hdus:
            hdu = next(h for h in hdus if h.data is not None)
            from astropy.wcs import WCS

            image, wcs = hdu.data.astype(np.float64), WCS(hdu.header)
        for row in np.flatnonzero(dc2["mag_i"].values < 23):
            position = truth.loc[int(dc2["object_id"][row])]
            x, y = wcs.all_world2pix(position["ra"], position["dec"], 0)
            x0, y0 = round(float(x)), round(float(y))
            grid = np.hypot(*np.mgrid[-y0 : image.shape[0] - y0, -x0 : image.shape[1] - x0])
            before = image[grid < 4.0 / 0.2].sum()
            after = aperture_flux(dc2["image"].values[row, k].astype(np.float32), 4.0)
            ratios.append(float(after) / before)
    assert len(ratios) > 30
    assert abs(np.median(ratios) - 1) < 0.01


def test_dc2_comes_with_true_redshifts_of_galaxies_alone(dc2: xr.Dataset) -> None:
    assert dc2.sizes["object"] > 60
    assert (dc2["z_true"].values > 0).all()
    assert ((dc2["mag_i"].values > 0) & (dc2["mag_i"].values < 25)).all()
    assert (is_usable(dc2["flags"].values)).all()
