"""Conditional densities from boosted trees: FlexCode with gradient boosting, as in FlexZBoost.

The density of ln(1+z) is a sum of cosines whose coefficients are regressions on magnitudes, colours
and their errors (Izbicki & Lee 2017, EJS 11, 2800; Dalmasso et al. 2020, A&C 30, 100362), negative
parts cut off and the rest sharpened. How many cosines and how sharp, held-out galaxies say.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz import pdf
from hscz.evaluate.proper import cde_loss
from hscz.experiments.baseline import Baseline
from hscz.experiments.photometric import Answer, Estimate, Features
from hscz.pdf.grid import RedshiftGrid

FloatArray = NDArray[np.float64]

COSINES = (10, 15, 20, 25)
"""Terms to choose among, the constant one included."""

SHARPENED = (1.0, 1.2, 1.5, 2.0)
"""Powers of the density to choose among."""

HELD_OUT = 0.1
"""Share of the galaxies by which they are chosen."""

_TREES = {"max_iter": 60, "learning_rate": 0.08, "max_leaf_nodes": 15, "early_stopping": False}


def fit(known: Features, z: FloatArray, grid: RedshiftGrid, seed: int) -> Answer:
    """Grow trees for each coefficient, and choose how many count."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    columns, target = _columns(known), cosines(_place(z, grid), max(COSINES))
    held = np.random.default_rng(seed).random(len(z)) < HELD_OUT
    held[0] = True
    trees = [
        HistGradientBoostingRegressor(**_TREES, random_state=seed).fit(columns[~held], each)
        for each in target[~held, 1:].T
    ]

    def coefficients(some: FloatArray) -> FloatArray:
        return np.column_stack([np.ones(len(some)), *(tree.predict(some) for tree in trees)])

    found = coefficients(columns[held])
    count, power = min(
        product(COSINES, SHARPENED),
        key=lambda way: cde_loss(density(found, grid, *way), grid.edges, z[held]).mean(),
    )

    def answer(some: Features) -> Estimate:
        made = density(coefficients(_columns(some)), grid, count, power)
        return Estimate(pdf.median(made, grid.edges), pdf.width(made, grid.edges), made)

    return answer


def cosines(place: ArrayLike, count: int) -> FloatArray:
    """Return orthonormal cosines on the interval from 0 to 1, shape (n, count).

    Examples
    --------
    >>> cosines([0.0, 0.5], 3).round(3).tolist()
    [[1.0, 1.414, 1.414], [1.0, 0.0, -1.414]]
    """
    number = np.arange(count)
    height = np.where(number == 0, 1, np.sqrt(2))
    return height * np.cos(np.pi * np.outer(np.asarray(place, np.float64), number))


def density(
    coefficients: FloatArray, grid: RedshiftGrid, count: int, power: float
) -> NDArray[np.float32]:
    """Return densities in 1/dz from coefficients of the first `count` cosines, shape (n, bins).

    Examples
    --------
    >>> flat = density(np.array([[1.0, 0.0]]), RedshiftGrid.logarithmic(3, 6.0), 2, 1.0)
    >>> (flat * RedshiftGrid.logarithmic(3, 6.0).widths).round(3).tolist()
    [[0.333, 0.333, 0.333]]
    """
    span = np.log1p(grid.edges[-1]) - np.log1p(grid.edges[0])
    per_bin = np.diff(np.log1p(grid.edges)) / span
    terms = cosines(_place(grid.centres, grid), count)
    mass = np.maximum(coefficients[:, :count] @ terms.T, 0) ** power * per_bin
    mass /= mass.sum(axis=1, keepdims=True)
    return pdf.pmf_to_pdf(mass, grid.edges).astype(np.float32)


def _place(z: ArrayLike, grid: RedshiftGrid) -> FloatArray:
    low, high = np.log1p(grid.edges[[0, -1]])
    return (np.log1p(np.asarray(z, np.float64)) - low) / (high - low)


def _columns(some: Features) -> FloatArray:
    return np.column_stack([some.mag, some.colour, some.mag_err, some.colour_err])


FLEXZBOOST = Baseline("flexzboost", fit)
