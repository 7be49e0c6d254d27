from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from scipy.spatial import cKDTree

from hscz.sky.cutouts import cut_tile
from hscz.sky.mosaic import assign
from hscz.sky.photometry import aperture_flux, aperture_weights
from hscz.sky.region import open_region


@pytest.mark.parametrize("radius_px", [1.0, 2.0, 5.5, 14.9, 31.0])
def test_the_weights_sum_to_the_area_of_the_circle(radius_px):
    weights = aperture_weights(64, radius_px)
    assert weights.sum() == pytest.approx(np.pi * radius_px**2, rel=0.02)
    assert weights[32, 32] == weights.max()
    np.testing.assert_array_equal(weights[1:, 1:], weights[1:, 1:][::-1, ::-1])


def test_flux_of_a_gaussian():
    axis = np.arange(64) - 32
    gaussian = np.exp(-0.5 * (axis[:, None] ** 2 + axis**2) / 3.0**2)
    stamps = np.stack([[gaussian], [5 * gaussian]]).astype(np.float16)
    flux = aperture_flux(stamps, 6.0 * 0.168)
    inside = 2 * np.pi * 3.0**2 * (1 - np.exp(-0.5 * 4))
    assert flux.shape == (2, 1)
    np.testing.assert_allclose(flux[:, 0], [inside, 5 * inside], rtol=5e-3)


def test_real_stamps_reproduce_the_published_magnitudes(shared_data):
    folder = shared_data / "hsc_pdr3_deep_gri"
    tiles = open_region(
        dict.fromkeys(("g", "r", "i"), str(folder / "calexp-{filter}-10054-0,2-c1.fits"))
    ).tiles
    table = Table.read(folder / "objects.fits")
    position = np.stack([table["x"], table["y"]], axis=1)
    index, x, y = assign(tiles, table["ra"], table["dec"])
    np.testing.assert_allclose(
        np.stack([x, y], axis=1)[index == 0], position[index == 0], atol=1e-3
    )

    neighbour = cKDTree(position).query(position, k=2)[0][:, 1]
    mag = np.asarray(table["i_mag"])
    use = (index == 0) & (neighbour > 20) & (mag > 20) & (mag < 23)
    cuts = cut_tile(tiles[0], x[use], y[use])
    assert use.sum() > 50
    assert (cuts.flags == 0).all()
    difference = 27 - 2.5 * np.log10(aperture_flux(cuts.images, 2.5)[:, 2]) - mag[use]
    assert abs(np.median(difference)) < 0.03
    assert 1.4826 * np.median(np.abs(difference - np.median(difference))) < 0.1
