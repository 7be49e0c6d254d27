"""Quality flags of a redshift: what PDF, position and magnitude give away about it.

They join the flags of the stamp in ``flags(object)`` of a PDF cube; `hscz.schema.Flag` says
what each means, and `hscz.evaluate.flags` measures what each is worth.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.pdf import cdf_at
from hscz.pdf.density import ODDS_DISTANCE
from hscz.pdf.peak_finding import PEAK_DISTANCE, PEAK_PROMINENCE
from hscz.schema import WIDE_PDFW, Flag
from hscz.sky.sphere import unit_vectors

PEAK_SHARE = 0.2
"""Probability of the peaks that mean another redshift from which a PDF is said to have several.

Jones & Singal 2020 (PASP 132, 024501) flag outliers by peaks far apart. The share is chosen in
the source's validation part, see ``benchmarks/RESULTS.md``; from 0.15 to 0.3 it hardly matters.
"""

GRID_END_SHARE, GRID_END_PROBABILITY = 0.1, 0.05
"""Last part of the redshift grid, and the probability there from which a PDF is flagged."""

NEIGHBOUR_ARCSEC = 2.0
"""Distance of a neighbour, some three times the seeing."""

RUNS_SPREAD = 0.15
"""Spread of the networks' medians over 1 + z, as large as what the paper calls an outlier."""

RULES = (
    PEAK_PROMINENCE,
    PEAK_DISTANCE,
    PEAK_SHARE,
    WIDE_PDFW,
    GRID_END_SHARE,
    GRID_END_PROBABILITY,
    NEIGHBOUR_ARCSEC,
    RUNS_SPREAD,
    ODDS_DISTANCE,
)
"""What peaks, odds and flags are found by; a cube made with other rules is out of date."""


def pdf_flags(
    pdf: ArrayLike, edges: ArrayLike, points: Mapping[str, ArrayLike], spread: ArrayLike
) -> NDArray[np.int32]:
    """Return the flags that follow from the PDFs.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
        Objects whose PDF is NaN get no flag here.
    edges : array_like, shape (n_bins + 1,)
    points : mapping of str to array_like, shape (n,)
        From `hscz.pdf.summarise`.
    spread : array_like, shape (n,)
        Largest minus least median of the ensemble's networks, over 1 + z; 0 for one network.

    Returns
    -------
    ndarray of int32, shape (n,)

    Examples
    --------
    >>> from hscz.pdf import summarise
    >>> pdf, edges = np.array([[9.0, 0.0], [1.0, 1.0]]), np.array([0.0, 1.0, 3.0])
    >>> [Flag(int(f)).name for f in pdf_flags(pdf, edges, summarise(pdf, edges), [0.0, 0.0])]
    [None, 'WIDE_PDF|GRID_END']
    """
    edge = np.asarray(edges, np.float64)
    end = edge[-1] - GRID_END_SHARE * (edge[-1] - edge[0])
    conditions = {
        Flag.WIDE_PDF: np.asarray(points["pdf_width"]) > WIDE_PDFW,
        Flag.SEVERAL_PEAKS: np.asarray(points["p_peak2"]) >= PEAK_SHARE,
        Flag.GRID_END: cdf_at(pdf, edge, end) < 1 - GRID_END_PROBABILITY,
        Flag.RUNS_DISAGREE: np.asarray(spread) > RUNS_SPREAD,
    }
    return _joined(conditions)


def catalogue_flags(
    ra_deg: ArrayLike, dec_deg: ArrayLike, mag_i: ArrayLike, learnt_mag_i: tuple[float, float]
) -> NDArray[np.int32]:
    """Return the flags that follow from the positions and magnitudes of all objects of a field.

    Parameters
    ----------
    ra_deg, dec_deg : array_like, shape (n,)
    mag_i : array_like, shape (n,)
        A magnitude that is NaN counts as outside.
    learnt_mag_i : tuple of float
        Brightest and faintest i magnitude of the training set.

    Examples
    --------
    >>> flags = catalogue_flags([10.0, 10.0004, 11.0], [0, 0, 0], [20, 21, 26], (18, 25))
    >>> [Flag(int(flag)).name for flag in flags]
    ['NEIGHBOUR', 'NEIGHBOUR', 'OUTSIDE_TRAINING']
    """
    mag, (bright, faint) = np.asarray(mag_i), learnt_mag_i
    conditions = {
        Flag.OUTSIDE_TRAINING: ~((mag >= bright) & (mag <= faint)),
        Flag.NEIGHBOUR: nearest_arcsec(ra_deg, dec_deg) < NEIGHBOUR_ARCSEC,
    }
    return _joined(conditions)


def nearest_arcsec(ra_deg: ArrayLike, dec_deg: ArrayLike) -> NDArray[np.float64]:
    """Return the distance of each object's nearest neighbour, arcsec; infinite for a lone one.

    Examples
    --------
    >>> nearest_arcsec([10.0, 10.001], [60.0, 60.0]).round(3).tolist()
    [1.8, 1.8]
    """
    # A quarter of a second to import, and the limits above are asked for without it.
    from scipy.spatial import KDTree

    place = unit_vectors(ra_deg, dec_deg)
    chord = KDTree(place).query(place, k=2)[0][:, 1] if len(place) else np.empty(0)
    return np.where(
        np.isinf(chord), np.inf, np.degrees(2 * np.arcsin(np.clip(chord / 2, 0, 1))) * 3600
    )


def _joined(conditions: dict[Flag, NDArray[np.bool_]]) -> NDArray[np.int32]:
    flags = np.zeros(len(next(iter(conditions.values()))), np.int32)
    for flag, condition in conditions.items():
        flags |= np.where(condition, np.int32(flag), np.int32(0))
    return flags
