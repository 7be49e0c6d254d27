from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from hscz.errors import InputError
from hscz.nz.samples import Members, distributions
from hscz.nz.shift import Shift, infer
from tests.helpers.toy_field import CENTRES, EDGES, ToyField, toy_field

LIKE = toy_field(2500, seed=1)
Z_EDGES = np.linspace(0, 6, 61)
WIDTH = 0.1


def members(field: ToyField, share: np.ndarray | None = None) -> Members:
    cell = np.arange(len(field.z)) % 20
    share = np.ones((len(field.z), 1)) if share is None else share
    return Members(field.pdf, field.mag_i, cell, share)


def shift_of(field: ToyField) -> Shift:
    number = np.arange(len(LIKE.z))
    return infer(field.pdf, field.mag_i, LIKE.pdf, LIKE.mag_i, number, EDGES)


def found(*blocks: Members, shift: Shift | None = None, xi: float = 0.0) -> xr.Dataset:
    shift = shift or Shift.unknown("nobody asks", 0)
    return distributions(blocks, shift, EDGES, Z_EDGES, 20, 50, seed=3, xi=xi)


def test_n_of_z_is_the_mean_pdf_however_it_is_read() -> None:
    whole = members(toy_field(300, 2))
    one = found(whole)
    np.testing.assert_allclose(one["n_of_z"].sum() * WIDTH, 1, rtol=1e-6)
    np.testing.assert_allclose(one["n_of_z"], one["stacked"], rtol=1e-5)
    expected = whole.pdf.mean(axis=0).reshape(60, 2).mean(axis=1)
    np.testing.assert_allclose(one["n_of_z"][0], expected, rtol=1e-5)
    parts = found(whole.take(np.arange(100)), whole.take(np.arange(100, 300)))
    for name in ("n_of_z", "n", "z_mean", "covariance_sky"):
        np.testing.assert_allclose(parts[name], one[name], rtol=1e-9)


def test_the_truth_lies_within_the_errors_as_often_as_they_say() -> None:
    pulls, of_mean = [], []
    for seed in range(10):
        field = toy_field(800, 30 + seed, (1 + CENTRES) ** 1.5)
        one = found(members(field), shift=shift_of(field))
        truth = np.histogram(field.z, Z_EDGES)[0] / len(field.z) / WIDTH
        error = np.sqrt(np.diagonal(one["covariance"].values[0]))
        full = one["n_of_z"].values[0] * WIDTH * len(field.z) > 10
        pulls.append(((one["n_of_z"].values[0] - truth) / error)[full])
        off = float(one["z_mean"][0]) - field.z.mean()
        of_mean.append(off / np.sqrt(float(one["z_mean_covariance"][0, 0])))
    within = np.mean(np.abs(np.concatenate(pulls)) < 1)
    assert 0.6 < within < 0.85
    assert 0.3 < np.sqrt(np.mean(np.square(of_mean))) < 1.6


def test_draws_scatter_as_the_covariance_says() -> None:
    field = toy_field(600, 3, (1 + CENTRES) ** 1.5)
    one = distributions(
        [members(field)], shift_of(field), EDGES, Z_EDGES, 20, 2000, seed=4, xi=0.02
    )
    draws = one["draws"].values[0]
    assert (draws >= 0).all()
    np.testing.assert_allclose(draws.sum(axis=1) * WIDTH, 1, rtol=1e-6)
    full = one["n_of_z"].values[0] > 0.1
    error = np.sqrt(np.diagonal(one["covariance"].values[0]))[full]
    np.testing.assert_allclose(draws.std(axis=0)[full], error, rtol=0.15)


def test_parts_of_the_covariance_add_up_and_know_the_number_of_galaxies() -> None:
    one = found(members(toy_field(400, 4)), xi=0.03)
    parts = sum(one[f"covariance_{name}"] for name in ("ratio", "counts", "structure", "sky"))
    np.testing.assert_allclose(one["covariance"], parts)
    # Whatever is uncertain, the integral of n(z) is not.
    np.testing.assert_allclose(one["covariance"].sum("z_other"), 0, atol=1e-9)
    assert float(one["covariance_structure"].max()) > 0
    assert float(found(members(toy_field(400, 4)))["covariance_structure"].max()) == 0


def test_samples_take_galaxies_by_share_and_may_be_empty() -> None:
    field = toy_field(300, 5)
    share = np.stack([field.z < 0.7, np.full(300, 0.5), np.zeros(300)], axis=1).astype(float)
    one = found(members(field, share))
    assert one["n"].values.tolist() == [int((field.z < 0.7).sum()), 150.0, 0.0]
    assert float(one["z_mean"][0]) < float(one["z_mean"][1])
    assert one["n_of_z"][2].isnull().all()
    np.testing.assert_allclose(one["n_of_z"][1], found(members(field))["n_of_z"][0], rtol=1e-6)


def test_no_galaxy_at_all_is_an_error() -> None:
    with pytest.raises(InputError, match="no galaxy to take n"):
        found()
