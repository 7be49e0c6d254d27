"""Nearest neighbours in adjacent colours and mean magnitude: their redshifts are the PDF."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from hscz import pdf
from hscz.experiments.baseline import Baseline
from hscz.experiments.photometric import Answer, Estimate, Features
from hscz.learn.targets import soft_target
from hscz.pdf.grid import RedshiftGrid

FloatArray = NDArray[np.float64]

NEIGHBOURS = 30
"""Galaxies of the labelled field whose redshifts make a PDF."""

SMOOTHING = 0.02
"""Width, times 1 + z, of the kernel that smooths the histogram of the neighbours' redshifts."""


def fit(known: Features, z: FloatArray, grid: RedshiftGrid, seed: int) -> Answer:
    """Remember where galaxies of known redshift lie; nothing is drawn with the seed."""
    scale = _place(known).std(axis=0)
    tree, bins = cKDTree(_place(known) / scale), grid.index(z)
    kernel = soft_target(grid.centres, 0.0, grid, SMOOTHING)

    def answer(target: Features) -> Estimate:
        near = bins[tree.query(_place(target) / scale, k=NEIGHBOURS)[1]]
        ends = np.arange(0, near.size + 1, NEIGHBOURS)
        share = np.full(near.size, 1 / NEIGHBOURS, np.float32)
        histogram = csr_array((share, near.ravel(), ends), shape=(len(near), len(grid)))
        density = pdf.pmf_to_pdf(histogram @ kernel, grid.edges).astype(np.float32)
        return Estimate(pdf.median(density, grid.edges), pdf.width(density, grid.edges), density)

    return answer


def _place(some: Features) -> FloatArray:
    return np.column_stack([some.colour, some.mag.mean(axis=1)])


KNN = Baseline("knn", fit)
