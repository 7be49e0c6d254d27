from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hscz.config.conditions import CONDITIONS
from hscz.config.mock import MockSettings
from hscz.config.read import parse
from hscz.mock.plan import FieldPlan
from hscz.mock.population import draw_field

BOX = (35.0, 35.4), (-5.0, -4.6)
MAG_EDGES = np.array([18.0, 21.0, 22.0, 23.0, 24.0, 25.0])


def _galaxies(truth: pd.DataFrame, high: float = 25.0) -> pd.DataFrame:
    return truth[~truth["is_star"] & (truth["mag_i"] < high)]


def _by_mag(galaxies: pd.DataFrame) -> list[pd.DataFrame]:
    cells = np.digitize(galaxies["mag_i"], MAG_EDGES)
    return [galaxies[cells == cell] for cell in range(1, len(MAG_EDGES))]


@pytest.fixture(scope="module", params=[-1.0, 1.0, 2.0])
def tilted(request: pytest.FixtureRequest) -> tuple[float, pd.DataFrame]:
    return request.param, draw_field("XMM_DEEP", *BOX, 25.2, seed=6, redshift_tilt=request.param)


def test_no_tilt_draws_the_numbers_it_always_drew() -> None:
    truth = draw_field("COSMOS_UDF", (150.0, 150.05), (2.0, 2.05), 24.0, seed=3, redshift_tilt=0.0)
    assert len(truth) == 176
    before = [0.8690410913652818, 1.1892689802647292, 0.6196805505444191, 0.5902298387095498]
    assert truth["z_true"].head(4).tolist() == pytest.approx(before, rel=1e-12)
    assert truth["mag_g"].sum() == pytest.approx(4220.709249635282, rel=1e-12)


def test_counts_stay(tilted: tuple[float, pd.DataFrame], deep_truth: pd.DataFrame) -> None:
    before, after = (_by_mag(_galaxies(truth)) for truth in (deep_truth, tilted[1]))
    for low, high in zip(before, after, strict=True):
        # Groups make numbers scatter more than Poisson's.
        assert abs(len(high) - len(low)) < 6 * np.sqrt(len(low))


def test_redshifts_follow_the_formula(
    tilted: tuple[float, pd.DataFrame], deep_truth: pd.DataFrame
) -> None:
    tilt, truth = tilted
    cells = (_by_mag(_galaxies(table)) for table in (deep_truth, truth))
    for before, after in zip(*cells, strict=True):
        z, found = before["z_true"].to_numpy(), after["z_true"].to_numpy()
        weight = (1 + z) ** tilt
        expected = np.average(z, weights=weight)
        error = np.hypot(
            np.linalg.norm(weight * (z - expected)) / weight.sum(),
            found.std() / np.sqrt(len(found)),
        )
        assert found.mean() == pytest.approx(expected, abs=4 * error)
    assert abs(expected - z.mean()) > 12 * error


def test_galaxies_of_one_redshift_and_magnitude_look_the_same(
    tilted: tuple[float, pd.DataFrame], deep_truth: pd.DataFrame
) -> None:
    for low, high in ((22.0, 24.0), (24.0, 25.0)):
        before, after = (
            truth[truth["mag_i"].between(low, high) & truth["z_true"].between(0.8, 1.2)]
            for truth in (deep_truth, tilted[1])
        )
        for column in ("template", "av_mag", "half_light_radius_arcsec"):
            error = before[column].std() * np.sqrt(1 / len(before) + 1 / len(after))
            assert after[column].mean() == pytest.approx(before[column].mean(), abs=4 * error)


def test_clustering_stays(tilted: tuple[float, pd.DataFrame], deep_truth: pd.DataFrame) -> None:
    def excess(truth: pd.DataFrame) -> float:
        """Return the relative variance of counts on the sky beyond Poisson's, over slices."""
        galaxies, found = _galaxies(truth), []
        for low in np.arange(0.3, 1.5, 0.1):
            part = galaxies[galaxies["z_true"].between(low, low + 0.1)]
            cells, _, _ = np.histogram2d(part["ra"], part["dec"], bins=25)
            found.append((cells.var() - cells.mean()) / cells.mean() ** 2)
        return float(np.mean(found))

    ratio = excess(tilted[1]) / excess(deep_truth)
    assert 0.7 < ratio < 1.4


def test_a_tilt_reaches_the_painted_galaxies_of_its_field_alone() -> None:
    small = {"fields": {"DEEP2": (1, 1), "ELAIS": (1, 1)}, "patch_px": 800}
    plain, steep = MockSettings(**small), MockSettings(**small, redshift_tilt={"DEEP2": 1.5})
    before, after = (FieldPlan.of(settings, "DEEP2").truth for settings in (plain, steep))
    assert after["z_true"].mean() > before["z_true"].mean() + 0.3
    assert steep.of_field("DEEP2") != plain.of_field("DEEP2")
    assert steep.of_field("ELAIS") == plain.of_field("ELAIS")
    none = MockSettings(**small, redshift_tilt={"DEEP2": 0.0})
    assert none.of_field("DEEP2") == plain.of_field("DEEP2")


def test_tilts_and_conditions_come_from_the_file() -> None:
    worse = {"depth_mag": dict.fromkeys("ugrizy", 25), "seeing_arcsec": dict.fromkeys("ugrizy", 1)}
    mock = parse({"mock": {"redshift_tilt": {"ELAIS": -1}, "conditions": {"DEEP2": worse}}}).mock
    assert mock is not None
    assert mock.redshift_tilt == {"ELAIS": -1.0}
    assert mock.conditions_of("DEEP2").sky_sigma("i") > CONDITIONS["DEEP2"].sky_sigma("i")
    assert mock.conditions_of("ELAIS") == CONDITIONS["ELAIS"]
    assert mock.of_field("DEEP2")["conditions"]["seeing_arcsec"]["i"] == 1.0
