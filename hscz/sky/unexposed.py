"""Pixels in which nothing was measured, where no mask says so."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_opening

BLOCK_PX = 5
"""Side of a block of one exact value that noise does not make, even where it is rounded to its
own size."""

REACH_PX = BLOCK_PX - 1
"""How far from a pixel others decide whether it lies in a block."""

SAMPLE_ROWS = 30
"""Rows that are looked at to see whether an image is rounded."""


def unexposed(pixels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pixels of an image without a mask hold no measurement.

    Those are blocks of one exact value, whatever it is (0 of SWarp, -32768, 1e30, the ceiling of
    saturated stars). A single exact zero counts too, unless the
    values are rounded, as those of integers and of lossy compression are: then it is a sky pixel
    like others.

    Parameters
    ----------
    pixels : ndarray of shape (Y, X)

    Returns
    -------
    ndarray of bool, shape (Y, X)

    Examples
    --------
    >>> sky = np.random.default_rng(1).normal(size=(40, 40))
    >>> sky[3, 5] = sky[20:, :9] = 0
    >>> int(unexposed(sky).sum()), int(unexposed(np.round(4 * sky)).sum())
    (181, 180)
    """
    zero = pixels == 0
    missing = zero if zero.any() and not _rounded(pixels) else np.zeros(zero.shape, bool)
    # Where a pixel is as its neighbours to the right and below; a block ends one pixel later.
    same = pixels[:-1, :-1] == pixels[1:, :-1]
    same &= pixels[:-1, :-1] == pixels[:-1, 1:]
    same &= pixels[:-1, :-1] == pixels[1:, 1:]
    if np.count_nonzero(same) >= REACH_PX**2:
        blocks = binary_opening(same, np.ones((REACH_PX, REACH_PX)))
        for y, x in np.ndindex(2, 2):
            missing[y : y + same.shape[0], x : x + same.shape[1]] |= blocks
    return missing


def _rounded(pixels: NDArray[Any]) -> bool:
    """Return whether values occur several times in a row of the image.

    Compression rounds every row by its own noise.
    """
    n_values = n_distinct = 0
    for row in pixels[:: max(1, len(pixels) // SAMPLE_ROWS)]:
        values = row[(row != 0) & np.isfinite(row)]
        n_values, n_distinct = n_values + len(values), n_distinct + len(np.unique(values))
    return n_distinct < 0.9 * n_values
