"""Redshift labels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from hscz.errors import InputError
from hscz.schema import C2020_ESTIMATES, LABEL_COLUMNS
from hscz.tables.descriptor import load_descriptor
from hscz.tables.labels import (
    assign_labels,
    c2020_table,
    consensus,
    flag_candidates,
    label_report,
    secure_redshifts,
)

ARCSEC = 1 / 3600
GALAXIES = load_descriptor("cosmos2020-classic").select


def cosmos(z_lephare: list[float], z_eazy: list[float], shift_arcsec: float = 0.0) -> pd.DataFrame:
    n = len(z_lephare)
    return pd.DataFrame(
        {
            "ra": 150 + 0.01 * np.arange(n),
            "dec": 2 + shift_arcsec * ARCSEC * np.ones(n),
            "lp_type": np.zeros(n, dtype=int),
            "FLAG_COMBINED": np.zeros(n, dtype=int),
            "z_lephare": z_lephare,
            "z_eazy": z_eazy,
        }
    )


def measured(ra: list[float], z: list[float], **columns: object) -> pd.DataFrame:
    table = pd.DataFrame({"ra": ra, "dec": 2.0, "z": z, "flag": 4, "survey": "A"})
    return table.assign(**({"confidence": 95.0, "resolution": 600.0} | columns))


def test_consensus_is_mean_and_scatter_of_the_four() -> None:
    four = np.array([[1.0, 1.1, 0.9, 1.2], [0.5, 0.5, 0.5, -99.0], [0.5, np.nan, 0.5, 0.5]])
    mean, sigma = consensus(four)
    assert mean[0] == pytest.approx(1.05)
    assert sigma[0] == pytest.approx(np.sqrt(np.mean((four[0] - 1.05) ** 2)))
    assert np.isnan([mean[1:], sigma[1:]]).all()


def test_c2020_keeps_galaxies_on_which_all_four_agree() -> None:
    classic = cosmos([0.5, 1.0, 1.0, 1.0, 1.0, 2.0], [0.5, 1.0, 1.0, 1.0, 1.0, 2.0])
    farmer = cosmos([0.5, 2.0, 1.0, 1.0, np.nan, 2.0], [0.6, 1.0, 1.0, 1.0, 1.0, 2.5], 0.3)
    classic.loc[2, "lp_type"] = 1
    farmer.loc[3, "FLAG_COMBINED"] = 1
    table = c2020_table(classic, farmer, galaxies=GALAXIES)
    assert table["ra"].tolist() == pytest.approx([150.0, 150.05])
    assert table["z_c2020"].tolist() == pytest.approx([0.525, 2.125])
    four = [2.0, 2.0, 2.0, 2.5]
    assert table["z_c2020_sigma"].tolist()[1] == pytest.approx(np.std(four))
    assert table.loc[1, list(C2020_ESTIMATES)].tolist() == four
    labels = assign_labels(table[["ra", "dec"]], table)
    assert labels.loc[1, list(C2020_ESTIMATES)].tolist() == four


def test_c2020_takes_the_galaxies_of_the_rule() -> None:
    both = [cosmos([1.0, 2.0], [1.0, 2.0])] * 2
    assert c2020_table(*both, galaxies="z_lephare < 1.5")["z_c2020"].tolist() == [1.0]


def test_c2020_limit_is_a_tenth_of_one_plus_z() -> None:
    spread = [0.299, 0.301]
    classic = cosmos([2.0 - s for s in spread], [2.0 - s for s in spread])
    farmer = cosmos([2.0 + s for s in spread], [2.0 + s for s in spread])
    assert c2020_table(classic, farmer, galaxies=GALAXIES)[
        "z_c2020_sigma"
    ].tolist() == pytest.approx([0.299])
    assert len(c2020_table(classic, farmer, galaxies=GALAXIES, sigma_max=0.2)) == 2


def test_c2020_pairs_by_position_and_takes_the_column_asked_for() -> None:
    classic, farmer = cosmos([1.0], [1.0]), cosmos([1.0], [1.0], shift_arcsec=1.5)
    assert len(c2020_table(classic, farmer, galaxies=GALAXIES)) == 0
    assert len(c2020_table(classic, farmer, galaxies=GALAXIES, radius_arcsec=2.0)) == 1
    with pytest.raises(InputError, match="CLASSIC: no column 'lp_zPDF'"):
        c2020_table(classic, farmer, galaxies=GALAXIES, lephare="lp_zPDF")
    both = [cosmos([1.0], [1.0]).assign(lp_zPDF=1.2)] * 2
    assert c2020_table(*both, galaxies=GALAXIES, lephare="lp_zPDF")[
        "z_c2020"
    ].tolist() == pytest.approx([1.1])


def test_secure_redshifts_are_ranked_and_repeats_dropped() -> None:
    table = pd.DataFrame(
        {
            "ra": [150.0, 150.0 + 0.05 * ARCSEC, 150.1, 150.2],
            "dec": 2.0,
            "z": [0.9, 0.8, 0.7, 0.6],
            "flag": [3, 4, 4, 1],
        }
    ).assign(ZBEST=lambda t: t["z"], ZQUALITY=lambda t: t["flag"])
    secure = secure_redshifts(table, load_descriptor("deep2"))
    assert sorted(zip(secure["z"], secure["confidence"], strict=True)) == [(0.7, 99.5), (0.8, 99.5)]
    assert secure["survey"].unique().tolist() == ["DEEP2"]
    assert secure["resolution"].unique().tolist() == [6000.0]


def test_no_secure_redshift_is_no_error_but_no_rule_is() -> None:
    descriptor = load_descriptor("deep2")
    columns = {"ZBEST": [0.5], "ZQUALITY": [1], "z": [0.5], "flag": [1], "ra": [1.0], "dec": [1.0]}
    assert len(secure_redshifts(pd.DataFrame(columns), descriptor)) == 0
    with pytest.raises(InputError, match="no rule 'secure'"):
        secure_redshifts(pd.DataFrame(columns), dataclasses.replace(descriptor, secure=""))


@pytest.fixture
def objects() -> pd.DataFrame:
    return pd.DataFrame({"ra": 150 + 0.01 * np.arange(5), "dec": 2.0}, index=list("abcde"))


def test_spectroscopy_comes_first_and_stands_alone_where_it_must(objects: pd.DataFrame) -> None:
    c2020 = objects[:3].assign(z_c2020=[0.5, 1.0, 1.5], z_c2020_sigma=[0.01, 0.02, 0.03])
    labels = assign_labels(objects, c2020, [measured([150.01, 150.03], [1.05, 0.3])])
    assert labels.index.tolist() == list("abcde")
    assert set(labels) <= set(LABEL_COLUMNS)
    assert labels["label_source"].tolist() == ["c2020", "spec", "c2020", "spec", ""]
    assert labels["z_label"].tolist()[:4] == [0.5, 1.05, 1.5, 0.3]
    assert np.isnan(labels["z_label"]["e"])
    assert labels["z_c2020"]["b"] == 1.0
    assert labels["z_c2020_sigma"]["c"] == 0.03
    assert labels["z_spec_survey"].tolist() == ["", "A", "", "A", ""]
    assert labels["z_spec_flag"]["d"] == 4


def test_the_most_secure_survey_wins_then_the_sharper_then_the_nearer(
    objects: pd.DataFrame,
) -> None:
    low = measured([150.0], [0.1], survey="low", confidence=90.0, resolution=9000.0)
    high = measured([150.0, 150.01], [0.2, 0.3], survey="high", confidence=99.0)
    sharp = measured([150.01], [0.4], survey="sharp", confidence=99.0, resolution=5000.0)
    near = measured([150.02], [0.5], survey="near")
    far = measured([150.02 + 0.4 * ARCSEC], [0.6], survey="far")
    surveys = [low, high, sharp, far, near]
    for order in (surveys, surveys[::-1]):
        labels = assign_labels(objects, None, order)
        assert labels["z_spec_survey"].tolist() == ["high", "sharp", "near", "", ""]
        assert labels["z_label"].tolist()[:3] == [0.2, 0.4, 0.5]
        assert labels["z_spec_count"].tolist() == [2, 2, 2, 0, 0]
        assert labels["z_spec_other"].tolist()[:3] == [0.1, 0.3, 0.6]


def test_disagreements_keep_the_redshift_farthest_away(objects: pd.DataFrame) -> None:
    best = measured([150.0, 150.01, 150.02], [1.0, 1.0, 1.0], survey="best", confidence=99.0)
    same = measured([150.0, 150.01], [1.019, 1.0], survey="same")
    other = measured([150.01], [1.021], survey="other")
    farther = measured([150.01], [0.4], survey="farther", confidence=80.0)
    labels = assign_labels(objects, None, [same, other, best, farther])
    assert labels["z_spec_count"].tolist() == [2, 4, 1, 0, 0]
    np.testing.assert_array_equal(labels["z_spec_other"], [np.nan, 0.4, *[np.nan] * 3])
    assert labels["z_label"].tolist()[:3] == [1.0, 1.0, 1.0]
    report = label_report(labels, np.full(5, 22.0))
    assert (report["n_spec_several"], report["n_spec_disagree"]) == (2, 1)


def test_of_one_survey_a_surer_repeat_beats_a_nearer_one() -> None:
    objects = pd.DataFrame({"ra": [150.0], "dec": [2.0]})
    table = pd.DataFrame(
        {"ra": [150.0, 150.0 + 0.3 * ARCSEC], "dec": 2.0, "z": [0.5, 0.9], "flag": [3, 4]}
    ).assign(ZBEST=lambda t: t["z"], ZQUALITY=lambda t: t["flag"])
    secure = secure_redshifts(table, load_descriptor("deep2"))
    labels = assign_labels(objects, None, [secure])
    assert labels["z_spec"].tolist() == [0.9]
    assert labels["z_spec_count"].tolist() == [1]


def test_one_redshift_labels_one_object() -> None:
    objects = pd.DataFrame({"ra": [150.0, 150.0 + 0.8 * ARCSEC], "dec": 2.0})
    labels = assign_labels(objects, None, [measured([150.0 + 0.3 * ARCSEC], [0.5])])
    assert labels["label_source"].tolist() == ["spec", ""]


def test_radius_limits_the_match(objects: pd.DataFrame) -> None:
    spec = [measured([150.0 + 0.9 * ARCSEC], [0.5])]
    assert assign_labels(objects, None, spec)["z_label"].notna().sum() == 1
    assert assign_labels(objects, None, spec, radius_arcsec=0.5)["z_label"].notna().sum() == 0


def test_labels_do_not_depend_on_the_order_of_objects() -> None:
    rng = np.random.default_rng(2)
    objects = pd.DataFrame({"ra": 150 + rng.random(300) / 300, "dec": 2 + rng.random(300) / 300})
    c2020 = objects[:200].assign(z_c2020=rng.random(200), z_c2020_sigma=0.01)
    spec = objects[100:250][["ra", "dec"]] + rng.normal(0, 0.3 * ARCSEC, (150, 2))
    spec = spec.assign(z=rng.random(150), flag=3, survey="S", confidence=95.0, resolution=1.0)
    labels = assign_labels(objects, c2020, [spec])
    shuffled = objects.sample(frac=1, random_state=1)
    other = assign_labels(shuffled, c2020, [spec]).loc[labels.index]
    pd.testing.assert_frame_equal(labels, other)
    assert set(labels["label_source"]) == {"", "spec", "c2020"}


def test_without_any_catalogue_nothing_is_labelled(objects: pd.DataFrame) -> None:
    labels = assign_labels(objects)
    assert labels["z_label"].isna().all()
    assert (labels["label_source"] == "").all()


def test_candidates_are_flagged_once_each(objects: pd.DataFrame) -> None:
    candidates = pd.DataFrame({"ra": [150.02, 150.02 + 0.2 * ARCSEC, 151.0], "dec": 2.0})
    assert flag_candidates(objects, candidates).tolist() == [False, False, True, False, False]


def test_report_counts_what_the_paper_counts(objects: pd.DataFrame) -> None:
    c2020 = objects[:4].assign(z_c2020=[0.5, 1.0, 1.5, 2.0], z_c2020_sigma=0.01)
    labels = assign_labels(objects, c2020, [measured([150.01, 150.04], [1.05, 0.3])])
    report = label_report(labels, [22.0, 22.0, 24.0, 24.0, 23.5])
    assert report == {
        "n_objects": 5,
        "n_labelled": 5,
        "n_spec": 2,
        "n_c2020": 3,
        "n_spec_only": 1,
        "fraction_replaced": 0.25,
        "fraction_spec_faint": pytest.approx(1 / 3),
        "n_spec_several": 0,
        "n_spec_disagree": 0,
    }
    empty = label_report(assign_labels(objects), np.full(5, 22.0))
    assert np.isnan(empty["fraction_replaced"])
