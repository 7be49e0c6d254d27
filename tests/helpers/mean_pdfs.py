"""Mean PDFs of a selection, to compare with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hscz.dashboard.meanpdf import MeanPDF
from hscz.stores import open_cube


def assert_exact(mean: MeanPDF, pair: list[Path]) -> None:
    """Compare with the means that numpy takes of all the selected PDFs at once."""
    densities, n_read = mean.so_far()
    assert mean.finished
    assert n_read == mean.chosen.sum()
    for density, path in zip(densities.values(), pair, strict=True):
        selected = open_cube(path)["pdf"].values[mean.chosen].astype(np.float64)
        np.testing.assert_allclose(density, np.nanmean(selected, axis=0), rtol=1e-12)
