"""Figure 5: the redshifts of the training set before and after flattening."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hscz.config.learn import FlattenConfig
from hscz.figures.flatten import fig05
from hscz.learn.flatten import flatten


def test_fig05_accounts_for_every_galaxy(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    z = np.append(rng.gamma(6, 0.15, 8000), rng.normal(0.73, 0.005, 800))
    mag_i = rng.uniform(21, 25, len(z))
    settings = FlattenConfig()
    flat = flatten(z, mag_i, *rng.uniform(0, 1, (2, len(z))), settings, rng)
    figure = fig05(z, mag_i, flat, settings)
    table = figure.table
    assert table["n_labels"].sum() == len(z)
    assert table["n_removed"].sum() == np.sum(~flat.kept) > 500
    assert np.array_equal(table["n_labels"], table["n_kept"] + table["n_removed"])
    peak = table.loc[table["n_removed"].idxmax()]
    assert peak["z_low"] <= 0.73 <= peak["z_high"]
    # What the kernel moves below z = 0 is all that a curve loses.
    assert table["curve_kept"].sum() == pytest.approx(flat.kept.sum(), rel=0.01)
    labels = [element.label for element in figure.plot.values()[1]]
    assert f"{np.mean(~flat.kept):.1%}" in labels[1]
    assert figure.save(tmp_path / "fig05")[0].stat().st_size > 10_000
