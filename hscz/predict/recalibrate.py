"""Calibrated PDFs: a map of their CDF that depends on magnitude, learnt where labels are known.

With G the distribution of the PITs of like galaxies, PDFs whose CDF is G(F) have uniform PITs
(Bordoloi et al. 2010, MNRAS 406, 881). Labels scatter and some of them are wrong; a histogram of
PITs would take that for a fault of the PDFs. G therefore is the map under which the labels, as
uncertain as they are, are most likely.

What it is learnt on must be held out of the networks' training and come from the source: a
calibration that has seen the target's labels would judge itself. Networks are averaged first,
since a mean of PDFs is broader than each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hscz.errors import InputError
from hscz.learn.sample import uniform
from hscz.learn.targets import soft_target
from hscz.pdf import cdf, has_pdf
from hscz.pdf.grid import RedshiftGrid, bin_of, node_shares

FloatArray = NDArray[np.float64]

KNOTS: tuple[float, ...] = (
    *(0.0, 0.01, 0.025, 0.05),
    *(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    *(0.95, 0.975, 0.99, 1.0),
)
"""PITs between which the map of the CDF is straight; denser where tails matter. Finer ones give
PDFs with steps of noise."""

LEAST_OBJECTS = 100
"""Fewer held-out objects are filled up with such whose PITs are even: few change little."""

OBJECTS_A_NODE, MOST_NODES = 400, 6
"""Objects for each magnitude at which a map stands, and how many of these there are at most."""

LEAST_SIGMA = 0.003
"""Least scatter of a label, times 1 + z."""

WRONG_LABELS = 0.02
"""Share of photometric labels that may be anywhere; spectroscopic ones are right."""

_PRIOR = 5.0
"""Objects with uniform PITs that are added to those measured: no part of the map is flat."""

_LEAST_LIKELIHOOD = 1e-12

_STEPS = 10
"""Of expectation maximisation: one that goes on fits the noise of what labels have blurred."""


@dataclass(frozen=True)
class Calibration:
    """A calibration that is known, ready for any PDFs of the same networks in the same field.

    Attributes
    ----------
    n : int
        Objects it was learnt from, each counted once.
    mag_i : tuple of float
        Magnitudes at which the maps stand; between them maps are interpolated.
    fractions : tuple of tuple of tuple of float
        The map of the CDF at `KNOTS`, for each part and each magnitude: one part, or two `halves`
        of all objects, where the map of each has learnt from the other.
    seed : int
        Of the halves.
    beyond : tuple of str
        In what the field is better than the source, such as ``depth of u``: no source galaxy can
        be made like one of it, and the calibration extrapolates.
    """

    n: int
    mag_i: tuple[float, ...]
    fractions: tuple[tuple[tuple[float, ...], ...], ...]
    seed: int = 0
    beyond: tuple[str, ...] = ()

    @classmethod
    def noted(cls, note: Mapping[str, Any]) -> Calibration:
        """Return a calibration from its fields as JSON keeps them."""
        maps = tuple(tuple(tuple(one) for one in part) for part in note["fractions"])
        return cls(note["n"], tuple(note["mag_i"]), maps, note["seed"], tuple(note["beyond"]))

    @property
    def in_words(self) -> str:
        """What it was learnt from, and where it is not to be relied on.

        Examples
        --------
        >>> print(Calibration(900, (22.0,), ((KNOTS,),), beyond=("depth of u",)).in_words)
        calibrated by 900 held-out source galaxies made like those of the field; it is better than
        the source in depth of u, so that the calibration extrapolates
        """
        shown = "" if len(self.fractions) > 1 else " made like those of the field"
        text = f"calibrated by {self.n:,} held-out source galaxies{shown}"
        if self.n < LEAST_OBJECTS:
            text += ", too few to change much"
        if not self.beyond:
            return text
        return (
            f"{text}; it is better than\nthe source in {', '.join(self.beyond)}, so that the "
            "calibration extrapolates"
        )

    def apply(
        self, pdf: ArrayLike, edges: ArrayLike, mag_i: ArrayLike, object_id: ArrayLike
    ) -> NDArray[np.float32]:
        """Return calibrated densities; rows that are NaN stay so.

        Parameters
        ----------
        pdf : array_like, shape (n, n_bins)
        edges : array_like, shape (n_bins + 1,)
        mag_i : array_like, shape (n,)
            Those not known count as faint.
        object_id : array_like of int, shape (n,)
        """
        return self._mapped(pdf, edges, self._maps(mag_i, object_id), undo=False)

    def undo(
        self, pdf: ArrayLike, edges: ArrayLike, mag_i: ArrayLike, object_id: ArrayLike
    ) -> NDArray[np.float32]:
        """Return densities as they were before `apply`, with the same arguments.

        Examples
        --------
        >>> bent = tuple(q**2 for q in KNOTS)
        >>> calibration, edges = Calibration(900, (22.0,), ((bent,),)), [0.0, 1.0, 2.0, 3.0]
        >>> calibrated = calibration.apply([[0.2, 0.5, 0.3]], edges, [23.0], [1])
        >>> calibrated.round(2)
        array([[0.04, 0.45, 0.51]], dtype=float32)
        >>> calibration.undo(calibrated, edges, [23.0], [1]).round(2)
        array([[0.2, 0.5, 0.3]], dtype=float32)
        """
        return self._mapped(pdf, edges, self._maps(mag_i, object_id), undo=True)

    def _maps(self, mag_i: ArrayLike, object_id: ArrayLike) -> FloatArray:
        """Return the map of each object's CDF at the knots, mixed of those of two magnitudes."""
        fractions = np.array(self.fractions)
        own = halves(object_id, self.seed) % len(fractions)
        return np.einsum("ij,ijk->ik", node_shares(mag_i, self.mag_i), fractions[own])

    @staticmethod
    def _mapped(
        pdf: ArrayLike, edges: ArrayLike, maps: FloatArray, undo: bool
    ) -> NDArray[np.float32]:
        cumulative = cdf(pdf, edges)
        for row, own in zip(cumulative, maps, strict=True):
            row[:] = np.interp(row, own, KNOTS) if undo else np.interp(row, KNOTS, own)
        # Interpolation rounds a CDF at a knot, which must not fall.
        mass = np.diff(cumulative, axis=1).clip(0)
        return (mass / np.diff(np.asarray(edges, float))).astype(np.float32)


def fit(
    pdf: ArrayLike,
    edges: ArrayLike,
    objects: pd.DataFrame,
    seed: int | None = None,
    beyond: tuple[str, ...] = (),
) -> Calibration:
    """Learn a calibration from PDFs of held-out objects with labels.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
        Averaged over the ensemble; rows that are NaN take no part.
    edges : array_like, shape (n_bins + 1,)
    objects : pandas.DataFrame
        With ``z_label``, ``sigma`` (its standard deviation, 0 where negligible), ``mag_i`` and
        ``object_id`` (the same several times, where it is shown otherwise each time). Labels
        outside the grid take no part.
    seed : int, optional
        Of halves that are to be calibrated by each other; left out, all by all.
    beyond : tuple of str
        See `Calibration`.

    Raises
    ------
    InputError
        If there is no object, or a PDF is partly NaN or without probability.

    Examples
    --------
    PDFs of half the width that they should have:

    >>> from hscz.pdf import quantile
    >>> rng = np.random.default_rng(1)
    >>> z, edges = rng.normal(3.0, 0.4, 5000), np.linspace(0, 6, 121)
    >>> centre = edges[:-1] + 0.025
    >>> narrow = np.tile(np.exp(-0.5 * ((centre - 3.0) / 0.2) ** 2), (5000, 1))
    >>> objects = pd.DataFrame({"z_label": z, "sigma": 0.0, "mag_i": 22.0})
    >>> objects["object_id"] = range(5000)
    >>> wider = fit(narrow, edges, objects).apply(narrow[:1], edges, [22.0], [1])
    >>> low, high = quantile(wider, edges, [0.16, 0.84])[:, 0]
    >>> bool(abs(0.5 * (high - low) - 0.4) < 0.04)
    True
    """
    edge = np.asarray(edges, np.float64)
    use = has_pdf(pdf) & (bin_of(objects["z_label"].to_numpy(np.float64), edge) >= 0)
    objects = objects[use]
    half = halves(objects["object_id"], seed or 0)
    learnt = [np.full(len(half), True)] if seed is None else [half == 1, half == 0]
    n = [int(objects.loc[rows, "object_id"].nunique()) for rows in learnt]
    if not sum(n):
        raise InputError(
            "no held-out source object has a PDF and a redshift to calibrate by; raise "
            'train.validation_fraction, or set predict.calibrate = "none"'
        )
    mag_i = objects["mag_i"].to_numpy(np.float64)
    count = int(np.clip(min(n) // OBJECTS_A_NODE, 1, MOST_NODES))
    nodes = np.unique(np.nanquantile(mag_i, (np.arange(count) + 0.5) / count))
    likelihood = label_likelihood(objects["z_label"], objects["sigma"], edge)
    likely, share = (
        likelihood_by_pit(np.asarray(pdf)[use], edge, likelihood),
        node_shares(mag_i, nodes),
    )
    maps = tuple(
        tuple(_map(likely[rows], one, _filling(known, rows)) for one in share[rows].T)
        for rows, known in zip(learnt, n, strict=True)
    )
    return Calibration(sum(n), tuple(nodes.tolist()), maps, seed or 0, beyond)


def halves(object_id: ArrayLike, seed: int) -> NDArray[np.int64]:
    """Return which half objects are of, 0 or 1, whatever else is there.

    Examples
    --------
    >>> halves([1, 2, 3, 4, 5, 6], 1).tolist()
    [1, 1, 1, 1, 0, 0]
    """
    # Another draw than that which divides training and validation.
    return (uniform(np.asarray(object_id).astype(np.uint64), seed + 1) * 2).astype(np.int64)


def label_likelihood(z_label: ArrayLike, sigma: ArrayLike, edges: ArrayLike) -> FloatArray:
    """Return how likely labels are for each true redshift, shape (n, n_bins).

    They scatter by `sigma`, at least `LEAST_SIGMA` (1 + z). Of those with a scatter of their own,
    which are photometric, the share `WRONG_LABELS` lies anywhere.

    Examples
    --------
    >>> found = label_likelihood([0.5, 0.5], [0.0, 0.01], np.linspace(0, 2, 21))
    >>> found[:, [4, 5, 6]].round(2).tolist()
    [[5.0, 5.0, 0.0], [4.91, 4.91, 0.01]]
    """
    edge = np.asarray(edges, np.float64)
    right = soft_target(z_label, sigma, RedshiftGrid(edge), LEAST_SIGMA) / np.diff(edge)
    wrong = np.where(np.asarray(sigma) > 0, WRONG_LABELS, _LEAST_LIKELIHOOD)[:, None]
    return (1 - wrong) * right + wrong / (edge[-1] - edge[0])


def likelihood_by_pit(pdf: ArrayLike, edges: ArrayLike, likelihood: ArrayLike) -> FloatArray:
    """Return the mean likelihood of labels where the CDF lies between two knots.

    Parameters
    ----------
    pdf : array_like, shape (n, n_bins)
    edges : array_like, shape (n_bins + 1,)
    likelihood : array_like, shape (n, n_bins)
        Of each label, by true redshift.

    Returns
    -------
    ndarray, shape (n, len(KNOTS) - 1)
    """
    density, steps = np.asarray(pdf, np.float64), np.diff(np.asarray(edges, np.float64))
    cumulative = cdf(density, edges)
    found = np.zeros((len(density), len(KNOTS)))
    for row, (own, mass, below) in enumerate(
        zip(np.asarray(likelihood), density * steps, cumulative, strict=True)
    ):
        found[row] = np.interp(KNOTS, below, np.concatenate([[0.0], np.cumsum(mass * own)]))
    return np.diff(found, axis=1) / np.diff(KNOTS)


def _filling(n: int, rows: NDArray[np.bool_]) -> float:
    """Return how many objects with even PITs to add to n, which stand in some rows."""
    return _PRIOR + max(0, LEAST_OBJECTS - n) * float(rows.sum()) / max(n, 1)


def _map(likely: FloatArray, weight: FloatArray, filling: float) -> tuple[float, ...]:
    """Return the map at the knots by expectation maximisation."""
    likely, weight, even = likely[weight > 0], weight[weight > 0], np.diff(KNOTS)
    probability = even
    for _ in range(_STEPS):
        found = probability * ((weight / (likely @ probability)) @ likely) + filling * even
        probability = found / found.sum()
    return (0.0, *np.cumsum(probability)[:-1].tolist(), 1.0)
