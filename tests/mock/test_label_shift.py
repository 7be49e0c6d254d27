from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from hscz.config.conditions import CONDITIONS
from hscz.config.mock import MockSettings
from hscz.config.read import parse
from hscz.config.shift import Shift
from hscz.mock.label_shift import LabelShift
from hscz.mock.plan import FieldPlan
from hscz.mock.population import draw_field

BOX = (35.0, 35.4), (-5.0, -4.6)
MAG_EDGES = np.array([18.0, 21.0, 22.0, 23.0, 24.0, 25.0])

SHIFTS = {
    "tilted down": Shift(tilt=-1.0),
    "tilted up": Shift(tilt=2.0),
    "bump": Shift(at_z=0.7, width_z=0.1, factor=3.0),
    "hole": Shift(at_z=1.0, width_z=0.2, factor=0.2),
    "cosmic variance": Shift(cosmic_variance=0.5),
}


class Drawn(NamedTuple):
    shift: LabelShift
    before: pd.DataFrame
    after: pd.DataFrame


@pytest.fixture(scope="module", params=SHIFTS.values(), ids=SHIFTS)
def drawn(request: pytest.FixtureRequest, deep_truth: pd.DataFrame) -> Drawn:
    return _drawn(request.param, deep_truth)


@pytest.fixture(scope="module")
def quiescent(deep_truth: pd.DataFrame) -> Drawn:
    return _drawn(Shift(kind="quiescent", at_z=0.9, width_z=0.15, factor=6.0), deep_truth)


def _drawn(asked: Shift, before: pd.DataFrame) -> Drawn:
    shift = LabelShift.of(MockSettings(seed=6, shift={"XMM_DEEP": asked}), "XMM_DEEP")
    return Drawn(shift, before, draw_field("XMM_DEEP", *BOX, 25.2, seed=6, shift=shift))


def _galaxies(truth: pd.DataFrame, high: float = 25.0) -> pd.DataFrame:
    return truth[~truth["is_star"] & (truth["mag_i"] < high)]


def _by_mag(galaxies: pd.DataFrame) -> list[pd.DataFrame]:
    cells = np.digitize(galaxies["mag_i"], MAG_EDGES)
    return [galaxies[cells == cell] for cell in range(1, len(MAG_EDGES))]


def _factor(shift: LabelShift, galaxies: pd.DataFrame) -> NDArray[np.float64]:
    """Return the factor on n(z) of galaxies, as though all were of the kind that is shifted."""
    kind = np.full(len(galaxies), shift.asked.kind == "quiescent")
    return shift.abundance(galaxies["z_true"], kind)


def _errors_apart(after: NDArray[np.float64], before: NDArray[np.float64], weight: object) -> float:
    """Return the difference of the mean from a weighted one, in units of its error."""
    weight = np.broadcast_to(weight, before.shape)
    mean = np.average(before, weights=weight)
    errors = (
        np.linalg.norm(weight * (before - mean)) / weight.sum(),
        after.std() / np.sqrt(len(after)),
    )
    return float((after.mean() - mean) / np.hypot(*errors))


def test_no_shift_draws_the_numbers_it_always_drew() -> None:
    truth = draw_field("COSMOS_UDF", (150.0, 150.05), (2.0, 2.05), 24.0, seed=3)
    assert len(truth) == 176
    before = [0.8690410913652818, 1.1892689802647292, 0.6196805505444191, 0.5902298387095498]
    assert truth["z_true"].head(4).tolist() == pytest.approx(before, rel=1e-12)
    assert truth["mag_g"].sum() == pytest.approx(4220.709249635282, rel=1e-12)


def test_the_factor_is_the_one_that_is_documented() -> None:
    asked = Shift(kind="star_forming", tilt=-1.5, at_z=0.8, width_z=0.2, factor=0.3)
    z = np.array([0.1, 0.8, 1.0, 3.0])
    moved, still = (LabelShift(asked).abundance(z, kind) for kind in (False, True))
    expected = (1 + z) ** -1.5 * (1 - 0.7 * np.exp(-((z - 0.8) ** 2) / (2 * 0.2**2)))
    assert moved / still == pytest.approx(expected)
    assert np.ptp(still) == 0


def test_counts_stay(drawn: Drawn) -> None:
    before, after = (_by_mag(_galaxies(truth)) for truth in drawn[1:])
    for low, high in zip(before, after, strict=True):
        # Groups make numbers scatter more than Poisson's.
        assert abs(len(high) - len(low)) < 6 * np.sqrt(len(low))


def test_redshifts_follow_the_formula(drawn: Drawn) -> None:
    shift, *tables = drawn
    away = []
    for before, after in zip(*(_by_mag(_galaxies(table)) for table in tables), strict=True):
        factor, found = (_factor(shift, table) for table in (before, after))
        # The logarithm of the factor is where the shift shows most.
        assert abs(_errors_apart(np.log(found), np.log(factor), factor)) < 5
        away.append(_errors_apart(np.log(found), np.log(factor), 1.0))
    assert away[-1] > 12


def test_galaxies_of_one_redshift_and_magnitude_look_the_same(drawn: Drawn) -> None:
    for low, high in ((22.0, 24.0), (24.0, 25.0)):
        before, after = (
            truth[truth["mag_i"].between(low, high) & truth["z_true"].between(0.8, 1.2)]
            for truth in drawn[1:]
        )
        for column in ("template", "av_mag", "half_light_radius_arcsec"):
            error = before[column].std() * np.sqrt(1 / len(before) + 1 / len(after))
            assert after[column].mean() == pytest.approx(before[column].mean(), abs=4 * error)


def test_clustering_stays(drawn: Drawn) -> None:
    def excess(truth: pd.DataFrame) -> float:
        """Return the relative variance of counts on the sky beyond Poisson's, over slices."""
        galaxies, found = _galaxies(truth), []
        for low in np.arange(0.3, 1.5, 0.1):
            part = galaxies[galaxies["z_true"].between(low, low + 0.1)]
            cells, _, _ = np.histogram2d(part["ra"], part["dec"], bins=25)
            found.append((cells.var() - cells.mean()) / cells.mean() ** 2)
        return float(np.mean(found))

    ratio = excess(drawn.after) / excess(drawn.before)
    assert 0.55 < ratio < 1.8  # each of the two has an error of 0.1


def test_quiescent_galaxies_alone_gather(quiescent: Drawn) -> None:
    test_counts_stay(quiescent)
    # Templates below 0.35 are half of the quiescent galaxies and hardly any other.
    shift, *tables = quiescent
    cells = (_by_mag(_galaxies(table).query("template < 0.35")) for table in tables)
    for before, after in zip(*cells, strict=True):
        factor, found = (_factor(shift, table) for table in (before, after))
        assert len(after) > 1.2 * len(before)
        assert abs(_errors_apart(found, factor, factor)) < 5
    assert _errors_apart(found, factor, 1.0) > 5


def test_the_other_kind_does_not_move(quiescent: Drawn) -> None:
    # No quiescent galaxy has a template above 1.
    shift, *tables = quiescent
    cells = (_by_mag(_galaxies(table).query("template > 1")) for table in tables)
    for before, after in zip(*cells, strict=True):
        assert len(after) < len(before) + 4 * np.sqrt(len(before))
        assert abs(_errors_apart(_factor(shift, after), _factor(shift, before), 1.0)) < 5


def test_cosmic_variance_is_as_large_as_asked_and_the_fields_own() -> None:
    def slices(seed: int, field: str) -> tuple[float, ...]:
        asked = dict.fromkeys(("ELAIS", "DEEP2"), Shift(cosmic_variance=0.3))
        return LabelShift.of(MockSettings(seed=seed, shift=asked), field).variance

    drawn = np.array([slices(seed, "ELAIS") for seed in range(200)])
    assert drawn.mean() == pytest.approx(1.0, abs=0.02)
    assert drawn.std() == pytest.approx(0.3, abs=0.02)
    apart = np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]
    assert abs(apart) < 0.06
    assert slices(1, "ELAIS") == slices(1, "ELAIS") != slices(1, "DEEP2")
    assert set(slices(1, "XMM_UDF")) == {1.0}


def test_a_shift_reaches_the_painted_galaxies_of_its_field_alone() -> None:
    small = {"fields": {"DEEP2": (1, 1), "ELAIS": (1, 1)}, "patch_px": 800}
    plain, steep = MockSettings(**small), MockSettings(**small, shift={"DEEP2": Shift(tilt=1.5)})
    before, after = (FieldPlan.of(settings, "DEEP2").truth for settings in (plain, steep))
    assert after["z_true"].mean() > before["z_true"].mean() + 0.3
    assert steep.of_field("DEEP2") != plain.of_field("DEEP2")
    assert steep.of_field("ELAIS") == plain.of_field("ELAIS")
    assert "shift" not in plain.of_field("DEEP2")
    none = MockSettings(**small, shift={"DEEP2": Shift(tilt=0.0)})
    assert none.of_field("DEEP2") == plain.of_field("DEEP2")


def test_shifts_and_conditions_come_from_the_file() -> None:
    worse = {"depth_mag": dict.fromkeys("ugrizy", 25), "seeing_arcsec": dict.fromkeys("ugrizy", 1)}
    mock = parse({"mock": {"shift": {"ELAIS": {"tilt": -1}}, "conditions": {"DEEP2": worse}}}).mock
    assert mock is not None
    assert mock.shift == {"ELAIS": Shift(tilt=-1.0)}
    assert mock.conditions_of("DEEP2").sky_sigma("i") > CONDITIONS["DEEP2"].sky_sigma("i")
    assert mock.conditions_of("ELAIS") == CONDITIONS["ELAIS"]
    assert mock.of_field("DEEP2")["conditions"]["seeing_arcsec"]["i"] == 1.0
