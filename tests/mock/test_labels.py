from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from scipy.spatial import cKDTree

from hscz.config.mock import LABEL_FILES, LABELS_OF_FIELD
from hscz.errors import ConfigError
from hscz.mock.labels import oii_emitters, sed_redshift, write_label_catalogues
from hscz.mock.photoz import four_redshifts
from hscz.mock.population import draw_field
from hscz.mock.spectroscopy import DEEP2, VVDS, ZCOSMOS, observe


def _sigma_mad(x: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(x - np.median(x))))


@pytest.fixture(scope="module")
def paths(cosmos_truth: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_label_catalogues(cosmos_truth, tmp_path_factory.mktemp("udf"), "COSMOS_UDF", 5)


def _match(table: pd.DataFrame, truth: pd.DataFrame, ra: str, dec: str) -> pd.DataFrame:
    squeeze = np.cos(np.deg2rad(truth["dec"].mean()))
    tree = cKDTree(np.column_stack([truth["ra"] * squeeze, truth["dec"]]))
    distance, row = tree.query(np.column_stack([table[ra] * squeeze, table[dec]]))
    near = distance * 3600 < 1.0
    assert near.all()
    return truth.iloc[row].reset_index(drop=True).assign(separation_arcsec=distance * 3600)


@pytest.mark.parametrize(
    ("low", "high", "sigma", "outliers"),
    [
        (18.0, 22.5, (0.007, 0.011), (0.003, 0.016)),
        (22.5, 24.0, (0.012, 0.016), (0.02, 0.04)),
        (24.0, 25.0, (0.020, 0.028), (0.06, 0.10)),
    ],
)
def test_photoz_accuracy(
    low: float, high: float, sigma: tuple[float, float], outliers: tuple[float, float]
) -> None:
    rng = np.random.default_rng(1)
    z = rng.gamma(2.0, 0.5, 20_000).clip(0.05, 5)
    i_mag = high - rng.exponential(0.8, len(z)).clip(max=high - low)
    for estimate in four_redshifts(z, i_mag, rng).values():
        dz = (estimate - z) / (1 + z)
        assert sigma[0] < _sigma_mad(dz) < sigma[1]
        assert outliers[0] < np.mean(np.abs(dz) > 0.15) < outliers[1]


def test_photoz_errors_are_shared() -> None:
    rng = np.random.default_rng(2)
    z, i_mag = np.full(40_000, 1.0), np.full(40_000, 24.5)
    z[:10_000] = 3.0
    four = four_redshifts(z, i_mag, rng)
    bad = {key: np.abs(found - z) / (1 + z) > 0.15 for key, found in four.items()}
    good = ~np.any(list(bad.values()), axis=0)
    one, two = (four["CLASSIC", code][good] - z[good] for code in ("lephare", "eazy"))
    other = four["FARMER", "eazy"][good] - z[good]
    assert 0.4 < np.corrcoef(one, other)[0, 1] < np.corrcoef(one, two)[0, 1] < 0.9
    both_codes = np.mean(bad["CLASSIC", "eazy"][bad["CLASSIC", "lephare"]])
    both_catalogues = np.mean(bad["FARMER", "eazy"][bad["CLASSIC", "lephare"]])
    assert both_codes > both_catalogues + 0.1
    assert both_catalogues > 0.2


def test_photoz_bias_is_negative_and_grows() -> None:
    rng = np.random.default_rng(3)
    bias = [
        np.median(np.mean(list(found.values()), axis=0) - z) / (1 + z)
        for z in (0.3, 1.5, 3.0)
        for found in [four_redshifts(np.full(20_000, z), np.full(20_000, 23.0), rng)]
    ]
    assert 0 > bias[0] > bias[1] > bias[2] > -0.02


@pytest.mark.parametrize("name", ["classic", "farmer"])
def test_cosmos2020_files(name: str, paths: dict[str, Path], cosmos_truth: pd.DataFrame) -> None:
    table = Table.read(paths[f"cosmos2020-{name}"]).to_pandas()
    assert paths[f"cosmos2020-{name}"].name == f"COSMOS2020_{name.upper()}_mock.fits"
    assert 0.94 < len(table) / len(cosmos_truth) < 0.99
    i_name = "HSC_i_MAG_AUTO" if name == "classic" else "HSC_i_MAG"
    wanted = "ID ALPHA_J2000 DELTA_J2000 FLAG_COMBINED EBV_MW lp_type lp_zBEST lp_zPDF lp_zPDF_l68"
    wanted += f" lp_zPDF_u68 ez_z_phot lp_NbFilt lp_zp_2 {i_name}"
    assert set(wanted.split()) <= set(table.columns)
    assert table["ID"].is_unique
    truth = _match(table, cosmos_truth, "ALPHA_J2000", "DELTA_J2000")
    assert 0.05 < truth["separation_arcsec"].median() < 0.15
    star = truth["is_star"]
    assert (table["lp_type"][star] == 1).mean() > 0.85
    assert (table["lp_type"][~star] == 0).mean() > 0.95
    assert (table["lp_zBEST"][table["lp_type"] == -9] == -99).all()
    assert 0.005 < table["ez_z_phot"].isna().mean() < 0.03
    # Reddened by the Milky Way: the catalogue's magnitudes are fainter by 1.641 E(B-V) in i.
    bright = truth["mag_i"] < 23
    shift = (table[i_name] - truth["mag_i"])[bright].median()
    assert shift == pytest.approx(1.641 * table["EBV_MW"].median(), abs=0.01)
    assert 0.005 < table["FLAG_COMBINED"].mean() < 0.2


def test_cosmos2020_rows_are_independent(paths: dict[str, Path]) -> None:
    classic, farmer = (Table.read(paths[f"cosmos2020-{n}"]) for n in ("classic", "farmer"))
    n = min(len(classic), len(farmer))
    same = np.abs(classic["ALPHA_J2000"][:n] - farmer["ALPHA_J2000"][:n]) < 1 / 3600
    assert same.mean() < 0.01


def test_which_fields_have_what(cosmos_truth: pd.DataFrame, tmp_path: Path) -> None:
    few = cosmos_truth.iloc[:4000]
    for field, names in LABELS_OF_FIELD.items():
        paths = write_label_catalogues(few, tmp_path / field, field, 1)
        assert {name: path.name for name, path in paths.items()} == {
            name: LABEL_FILES[name] for name in names
        }
        left_over = [p for p in (tmp_path / field).iterdir() if "part" in p.name]
        assert not left_over
    deep = Table.read(tmp_path / "COSMOS_DEEP" / "COSMOS2020_CLASSIC_mock.fits")
    assert len(deep) == pytest.approx(1000, rel=0.1)
    with pytest.raises(ConfigError, match="'SXDS' is unknown"):
        write_label_catalogues(few, tmp_path, "SXDS", 1)


@pytest.mark.parametrize(
    ("survey", "secure", "limit"),
    [(ZCOSMOS, (3.1, 3.4, 3.5, 4.1, 4.4, 4.5), 22.5), (VVDS, (3, 4, 23, 24), 24.0)],
)
def test_spectroscopic_flags_tell_the_error_rate(
    survey: object, secure: tuple[float, ...], limit: float, cosmos_truth: pd.DataFrame
) -> None:
    rows = observe(cosmos_truth, survey, 1.0, np.random.default_rng(1))
    wrong = np.abs(rows["z"] - rows["z_true"]) > 0.01 * (1 + rows["z_true"])
    is_secure = rows["flag"].isin(secure)
    assert wrong[is_secure].mean() < 0.035
    assert wrong[~is_secure].mean() > 3 * wrong[is_secure].mean()
    assert rows["mag_i"].max() < limit
    faint = rows["mag_i"] > limit - 1
    assert is_secure[faint].mean() < is_secure[~faint].mean() - 0.05


def test_deep2_is_preselected_and_flags_stars(cosmos_truth: pd.DataFrame) -> None:
    rows = observe(cosmos_truth, DEEP2, 1.0, np.random.default_rng(1))
    assert set(rows["flag"]) <= {-2, -1, 1, 2, 3, 4}
    galaxies = rows[rows["z_true"] > 0]
    assert (galaxies["z_true"] < 0.7).mean() < 0.25
    good = galaxies["flag"] >= 3
    assert (np.abs(galaxies["z"] - galaxies["z_true"])[good] > 0.01).mean() < 0.03
    assert (galaxies["z_true"][good] < 1.45).all()


def test_spectroscopic_files(paths: dict[str, Path]) -> None:
    zcosmos = pd.read_csv(paths["zcosmos-bright"])
    assert list(zcosmos.columns) == ["id_zcosmos", "zpec", "cc", "alpha", "delta", "mag_sel"]
    assert len(zcosmos) > 800
    vvds = Table.read(paths["vvds"]).to_pandas()
    assert {"num", "alpha", "delta", "z", "zflags"} <= set(vvds.columns)
    assert (vvds["z"][vvds["zflags"] == 0] == 9.9999).all()
    deep2 = Table.read(paths["deep2"]).to_pandas()
    assert {"RA", "DEC", "ZBEST", "ZQUALITY", "SFD_EBV"} <= set(deep2.columns)
    # About a fifth of the labels of COSMOS_UDF at i < 25 are spectroscopic (paper, section 3).
    n_secure = (zcosmos["cc"] >= 2.35).sum() + (vvds["zflags"].isin([3, 4, 23, 24])).sum()
    n_secure += (deep2["ZQUALITY"] >= 3).sum()
    assert 0.1 < n_secure / (130_000 * 0.16) < 0.25


def test_oii_emitters(cosmos_truth: pd.DataFrame) -> None:
    emitters = oii_emitters(cosmos_truth, np.random.default_rng(1))
    truth = _match(emitters, cosmos_truth, "ra", "dec")
    z = truth["z_true"]
    is_oii = (z - 1.4657).abs() < 0.02
    assert 0.01 < 1 - is_oii.mean() < 0.12
    others = z[~is_oii]
    assert ((others - 0.84).abs() < 0.02).sum() + ((others - 0.40).abs() < 0.02).sum() == len(
        others
    )
    assert 300 < len(emitters) / 0.16 < 1500
    continuum = truth["mag_z"] + (truth["mag_y"] - truth["mag_z"]) * 0.357
    assert (continuum - emitters["mag_nb921"]).median() > 0.2


@pytest.mark.parametrize(("offset", "sigma_max"), [(0.0, 0.045), (1.0, 0.034)])
def test_sed_redshifts(offset: float, sigma_max: float, deep_truth: pd.DataFrame) -> None:
    z = sed_redshift(deep_truth, "XMM_DEEP", seed=1, depth_offset_mag=offset)
    dz = (z - deep_truth["z_true"]) / (1 + deep_truth["z_true"])
    faint = ~deep_truth["is_star"] & deep_truth["mag_i"].between(24, 25)
    bright = ~deep_truth["is_star"] & deep_truth["mag_i"].between(18, 22.5)
    assert _sigma_mad(dz[bright]) < 0.026 < _sigma_mad(dz[faint]) < sigma_max
    assert np.mean(np.abs(dz[bright]) > 0.15) < np.mean(np.abs(dz[faint]) > 0.15) < 0.11
    assert ((z >= 0) & (z <= 6)).all()


def test_deterministic(tmp_path: Path) -> None:
    truth = draw_field("COSMOS_UDF", (150.0, 150.06), (2.0, 2.06), 24.0, seed=1)
    first, again, other = (
        write_label_catalogues(truth, tmp_path / name, "COSMOS_UDF", seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for key in first:
        assert first[key].read_bytes() == again[key].read_bytes()
    z = [Table.read(p["cosmos2020-farmer"])["lp_zPDF"] for p in (first, other)]
    assert not np.array_equal(z[0], z[1])
    z, again, elsewhere, other = (
        sed_redshift(truth, field, seed)
        for field, seed in (("XMM_UDF", 1), ("XMM_UDF", 1), ("ELAIS", 1), ("XMM_UDF", 2))
    )
    np.testing.assert_array_equal(z, again)
    assert np.mean(z == elsewhere) < 0.1
    assert np.mean(z == other) < 0.1
