from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hscz.errors import InputError
from hscz.mock.realism import (
    RealSample,
    compare,
    main,
    mock_for_comparison,
    read_compilation,
    read_zcosmos,
)
from hscz.survey import OPTICAL_BANDS


def _sample_of(truth: pd.DataFrame, redder_mag: float, noise_mag: float) -> RealSample:
    galaxies = truth[~truth["is_star"] & truth["mag_i"].between(20, 24)]
    galaxies = galaxies[galaxies["z_true"].between(0.4, 0.8)]
    rng = np.random.default_rng(0)
    mags = galaxies[[f"mag_{b}" for b in OPTICAL_BANDS]].set_axis(list(OPTICAL_BANDS), axis=1)
    mags = mags + noise_mag * rng.normal(size=mags.shape)
    mags["g"] += redder_mag
    flux = 10 ** (-0.4 * mags)
    return RealSample(
        "a", galaxies["z_true"].to_numpy(), galaxies["mag_i"].to_numpy(), flux, 0 * flux,
        (("g", "r"), ("i", "z")), (0.4, 0.6, 0.8),
    )  # fmt: skip


def test_a_sample_agrees_with_itself(deep_truth: pd.DataFrame) -> None:
    table = compare(deep_truth, [_sample_of(deep_truth, 0.0, 0.0)])
    assert table["within"].all()
    assert (table["median_mock"] - table["median_real"]).abs().max() < 0.06


def test_differences_are_told(deep_truth: pd.DataFrame) -> None:
    table = compare(deep_truth, [_sample_of(deep_truth, 0.4, 0.0)]).set_index("colour")
    assert not table.loc["g-r", "within"].any()
    assert table.loc["i-z", "within"].all()
    noisy = compare(deep_truth, [_sample_of(deep_truth, 0.0, 0.3)]).set_index("colour")
    assert not noisy.loc["i-z", "within"].any()


def test_missing_files_and_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"zcosmos_bright_20k\.csv does not exist"):
        read_zcosmos(tmp_path)
    (tmp_path / "zcosmos_bright_20k.csv").write_text("zpec,cc\n0.5,4.5\n")
    with pytest.raises(InputError, match="no column 'mag_sel'"):
        read_zcosmos(tmp_path)
    assert main([]) == 2


def test_colours_of_real_galaxies(shared_data: Path) -> None:
    folder = shared_data / "catalogs"
    table = compare(mock_for_comparison(), [read_compilation(folder), read_zcosmos(folder)])
    offset = (table["median_mock"] - table["median_real"]).abs()
    # Above z = 1 zCOSMOS has 119 galaxies, whose redshifts were found for their strong [OII].
    many = table["n_real"] > 100
    assert (offset[many] <= 0.25).all()
    assert offset.median() < 0.08
    ratio = table["sigma_mock"] / table["sigma_real"]
    assert (ratio[many].between(1 / 1.5, 1.5)).mean() > 0.88
    assert table["within"].sum() >= 66
    assert len(table) == 79
