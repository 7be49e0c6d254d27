"""Purity against completeness as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("holoviews")

from hscz.evaluate.cuts import FOUND, PROMISED, SCORES, Judged, cut_curves
from hscz.figures.cuts import LEAST, purity_against_completeness


@pytest.mark.parametrize("n", [LEAST - 1, 500])
def test_curves_are_drawn_or_the_picture_says_why_not(n: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    scores = {name: rng.uniform(0, 1, n) for name in SCORES} | {"flags": np.arange(n) % 2.0}
    dz, ones = rng.normal(0, 0.1, n), np.ones(n)
    sample = Judged(scores, rng.uniform(22, 25, n), dz, np.abs(dz) > 0.15, ones, np.arange(n))
    by = {"mag_i": (sample.mag_i, (22, 23, 24, 25))}
    tables = {what: cut_curves(sample, by).assign(by_what=what) for what in (PROMISED, FOUND)}
    curves = pd.concat(tables.values(), ignore_index=True)
    figure = purity_against_completeness(curves, 0.05, "DEEP2", "z_true")
    assert not figure.missing
    (path,) = figure.save(tmp_path / "cuts")
    assert path.stat().st_size > 10_000
    drawn = [one for one in figure.plot.traverse() if type(one).__name__ == "Curve"]
    # The wanted eta in three panels, and in all four three scores twice.
    assert len(drawn) == (3 + 4 * 3 * 2 if n > LEAST else 0)
