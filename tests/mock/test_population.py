from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hscz.errors import ConfigError
from hscz.mock import morphology
from hscz.mock.clustering import COSMOS_STRUCTURES
from hscz.mock.population import FIELD_NUMBER, MEAN_EBV, draw_field, galactic_ebv
from hscz.survey import FIELDS, OPTICAL_BANDS

AREA_DEG2 = 0.16


def _galaxies(truth: pd.DataFrame, low: float = 0.0, high: float = 99.0) -> pd.DataFrame:
    return truth[~truth["is_star"] & truth["mag_i"].between(low, high)]


def test_counts(deep_truth: pd.DataFrame, cosmos_truth: pd.DataFrame) -> None:
    for truth in (deep_truth, cosmos_truth):
        assert 110_000 < len(_galaxies(truth, high=25.0)) / AREA_DEG2 < 140_000
    assert 330_000 < len(_galaxies(deep_truth)) / AREA_DEG2 < 400_000


def test_redshift_distribution(deep_truth: pd.DataFrame) -> None:
    bright = _galaxies(deep_truth, 21, 22)["z_true"]
    faint = _galaxies(deep_truth, 24, 25)["z_true"]
    assert bright.median() == pytest.approx(0.5, abs=0.07)
    assert faint.median() == pytest.approx(1.05, abs=0.07)
    assert (faint > 2).mean() == pytest.approx(0.20, abs=0.03)
    assert (faint > 3).mean() == pytest.approx(0.07, abs=0.03)
    assert (bright > 2).mean() < 0.005


@pytest.mark.parametrize(
    ("low", "high", "radius"),
    [(18, 21, 0.76), (21, 22, 0.54), (22, 23, 0.45), (23, 24, 0.37), (24, 25, 0.31)],
)
def test_sizes(deep_truth: pd.DataFrame, low: float, high: float, radius: float) -> None:
    median = _galaxies(deep_truth, low, high)["half_light_radius_arcsec"].median()
    assert median == pytest.approx(radius, rel=0.2)


def test_half_light_radius_agrees_with_galsim() -> None:
    galsim = pytest.importorskip("galsim")
    fraction, disc, bulge = 0.4, 0.9, 0.45
    model = (1 - fraction) * galsim.Exponential(half_light_radius=disc)
    model += fraction * galsim.DeVaucouleurs(half_light_radius=bulge)
    found = morphology.half_light_radius(*(np.array([v]) for v in (fraction, disc, bulge)))
    image = model.drawImage(nx=1501, ny=1501, scale=0.02)
    assert found[0] == pytest.approx(image.calculateHLR(flux=1.0), rel=0.02)


def test_bulges_are_redder_and_columns_complete(deep_truth: pd.DataFrame) -> None:
    galaxies = _galaxies(deep_truth)
    assert (galaxies["bulge_fraction_y"] > galaxies["bulge_fraction_u"]).mean() > 0.95
    ratio = galaxies["axis_ratio"]
    assert ratio.between(0, 1, inclusive="neither").all()
    numeric = galaxies.select_dtypes("number")
    assert np.isfinite(numeric.to_numpy()).all()
    assert {f"mag_{b}" for b in OPTICAL_BANDS} <= set(deep_truth.columns)


def test_groups_cluster_on_the_sky_and_are_red(deep_truth: pd.DataFrame) -> None:
    thin = _galaxies(deep_truth, high=24.5)
    thin = thin[thin["z_true"].between(0.5, 0.7)]
    cells, _, _ = np.histogram2d(thin["ra"], thin["dec"], bins=25)
    shuffled, _, _ = np.histogram2d(thin["ra"].sample(frac=1, random_state=1), thin["dec"], 25)
    excess = cells.var() / cells.mean()
    assert excess > 1.3
    assert shuffled.var() / shuffled.mean() < 1.2
    crowd = cells[
        np.digitize(thin["ra"], np.linspace(thin["ra"].min(), thin["ra"].max(), 26)[1:-1]),
        np.digitize(thin["dec"], np.linspace(thin["dec"].min(), thin["dec"].max(), 26)[1:-1]),
    ]
    red = (thin["template"] < 1.0).to_numpy()
    assert crowd[red].mean() > crowd[~red].mean()


def test_planted_structures(deep_truth: pd.DataFrame, cosmos_truth: pd.DataFrame) -> None:
    assert (deep_truth["overdensity"] == -1).all()
    members = cosmos_truth[cosmos_truth["overdensity"] >= 0]
    assert 0.08 < len(members[members["mag_i"] < 25]) / len(_galaxies(cosmos_truth, high=25)) < 0.2
    for number, structure in enumerate(COSMOS_STRUCTURES):
        z = members.loc[members["overdensity"] == number, "z_true"]
        assert len(z) > 50
        assert z.median() == pytest.approx(structure.redshift, abs=0.01 * (1 + structure.redshift))
    field = cosmos_truth[(cosmos_truth["overdensity"] < 0) & ~cosmos_truth["is_star"]]
    bright = members["mag_i"] < 23
    assert (members["template"][bright] < 1).mean() > 1.3 * (
        field["template"][field["mag_i"] < 23] < 1
    ).mean()


def test_stars(deep_truth: pd.DataFrame) -> None:
    stars = deep_truth[deep_truth["is_star"] & (deep_truth["mag_i"] < 25)]
    assert 2000 < len(stars) / AREA_DEG2 < 8000
    assert 15.0 < stars["mag_i"].min() < 16.5
    assert (stars["z_true"] == 0).all()
    assert (stars["half_light_radius_arcsec"] == 0).all()
    # Juric et al. (2008), equation 4: the locus in g - r and r - i.
    ri = (stars["mag_r"] - stars["mag_i"]).to_numpy()
    locus = 1.39 * (1 - np.exp(-4.9 * ri**3 - 2.45 * ri**2 - 1.68 * ri - 0.050))
    gr = (stars["mag_g"] - stars["mag_r"]).to_numpy()
    assert np.median(np.abs(gr - locus)) < 0.06


def test_deterministic_and_unique(cosmos_truth: pd.DataFrame) -> None:
    box = (150.0, 150.05), (2.0, 2.05)
    first, again = (draw_field("COSMOS_UDF", *box, 24.0, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    other_seed = draw_field("COSMOS_UDF", *box, 24.0, seed=4)
    other_field = draw_field("COSMOS_DEEP", *box, 24.0, seed=3)
    assert not np.array_equal(first["ra"].to_numpy()[:5], other_seed["ra"].to_numpy()[:5])
    assert not set(first["object_id"]) & set(other_field["object_id"])
    assert (first["object_id"].to_numpy() >> 32 == FIELD_NUMBER["COSMOS_UDF"]).all()
    assert cosmos_truth["object_id"].dtype == np.int64
    # Ids must not tell the redshift: rows are shuffled.
    rank = cosmos_truth["z_true"].rank().corr(cosmos_truth["object_id"].rank())
    assert abs(rank) < 0.02


def test_objects_are_inside_the_box_and_the_limit(cosmos_truth: pd.DataFrame) -> None:
    assert cosmos_truth["ra"].between(149.9, 150.3).all()
    assert cosmos_truth["dec"].between(2.0, 2.4).all()
    assert cosmos_truth["mag_i"].between(15.0, 26.5).all()


def test_no_galaxy_near_the_limit_is_lost() -> None:
    # A deeper draw must not have more galaxies brighter than the limit of a shallower one.
    box = (35.0, 35.3), (-5.0, -4.7)
    shallow, deep = (len(_galaxies(draw_field("XMM_UDF", *box, i, 1), high=24)) for i in (24, 26))
    assert shallow == pytest.approx(deep, rel=0.05)


def test_galactic_extinction() -> None:
    rng = np.random.default_rng(0)
    for name, field in FIELDS.items():
        ra = field.ra_deg + rng.uniform(-0.7, 0.7, 4000)
        dec = field.dec_deg + rng.uniform(-0.7, 0.7, 4000)
        ebv = galactic_ebv(name, ra, dec)
        assert ebv.mean() == pytest.approx(MEAN_EBV[name], rel=0.1)
        assert np.all(ebv > 0.5 * MEAN_EBV[name])
        # Smooth: a tenth of an arcminute changes nothing that matters.
        assert np.abs(galactic_ebv(name, ra + 0.002, dec) - ebv).max() < 0.02 * MEAN_EBV[name]
    cosmos = galactic_ebv("COSMOS_UDF", 150.1 + rng.uniform(-0.6, 0.6, 4000), 2.2)
    assert 0.012 < cosmos.min() < cosmos.max() < 0.022


def test_bad_requests_are_named() -> None:
    with pytest.raises(ConfigError, match="'SXDS' is unknown"):
        draw_field("SXDS", (0, 1), (0, 1), 24.0, 1)
    with pytest.raises(ConfigError, match="is empty"):
        draw_field("ELAIS", (1, 0), (0, 1), 24.0, 1)
    with pytest.raises(ConfigError, match="'SXDS' is unknown"):
        galactic_ebv("SXDS", 0.0, 0.0)


def test_an_empty_field_is_an_empty_table() -> None:
    box = (35.0, 35.0005), (-5.0, -4.9995)
    truth = draw_field("XMM_UDF", *box, 16.0, seed=1)
    assert len(truth) == 0
    assert "mag_i" in truth
