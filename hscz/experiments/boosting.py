"""Gradient boosting of regression trees for the median redshift, without PDFs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hscz.experiments.baseline import Baseline
from hscz.experiments.photometric import Answer, Estimate, Features
from hscz.pdf.grid import RedshiftGrid

FloatArray = NDArray[np.float64]


def fit(known: Features, z: FloatArray, grid: RedshiftGrid, seed: int) -> Answer:
    """Grow trees on magnitudes and colours; their errors show how deep the images are."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    trees = HistGradientBoostingRegressor(loss="absolute_error", random_state=seed)
    trees.fit(_columns(known), z)

    def answer(target: Features) -> Estimate:
        return Estimate(trees.predict(_columns(target)), np.full(len(target), np.nan))

    return answer


def _columns(some: Features) -> FloatArray:
    return np.column_stack([some.mag, some.colour, some.mag_err, some.colour_err])


BOOSTING = Baseline("boosting", fit)
