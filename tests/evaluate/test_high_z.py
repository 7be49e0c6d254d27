"""Recall and purity of samples beyond a redshift."""

from __future__ import annotations

import numpy as np
import pytest

from hscz.errors import InputError
from hscz.evaluate.high_z import LIMITS, THRESHOLDS, format_selections, selection_table


def test_calibrated_probabilities_promise_what_they_keep() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(0.2, 2.0, 20_000)
    z = np.where(rng.random(len(p)) < p, 4.5, 0.7)
    table = selection_table(z, {4.0: p}, {"z_median": np.where(p > 0.5, 4.5, 0.7)})
    curve = table[table["by"] == "probability"]
    assert tuple(curve["threshold"]) == THRESHOLDS
    assert (np.diff(curve["recall"]) <= 0).all()
    for name in ("recall", "purity"):
        off = (curve[name] - curve[f"expected_{name}"]) / curve[f"{name}_err"]
        assert np.abs(off).max() < 3.5
    by_median, half = table[table["by"] == "z_median"].iloc[0], curve[curve["threshold"] == 0.5]
    assert (by_median["recall"], by_median["n_selected"]) == (
        half["recall"].iloc[0],
        half["n_selected"].iloc[0],
    )


def test_objects_without_an_estimate_are_lost_and_nothing_selected_has_no_purity() -> None:
    table = selection_table([4.5, 4.5], {4.0: [0.3, np.nan]}, {"z_median": [3.0, np.nan]}, [0.1])
    assert table["recall"].tolist() == [0.5, 0.0]
    assert table["purity"].isna().tolist() == [False, True]
    assert "-" in format_selections(table).splitlines()[-2]


def test_without_a_true_redshift_beyond_there_is_a_sentence_instead() -> None:
    table = selection_table([0.5, 3.9], {limit: [0.9, 0.9] for limit in LIMITS}, {})
    assert not len(table)
    assert format_selections(table) == "No object has a redshift beyond 4 or 5 to compare with."


def test_arrays_of_different_objects_are_refused() -> None:
    with pytest.raises(InputError, match="differ in length"):
        selection_table([4.5, 0.5], {4.0: [0.3]}, {})
