"""Calibrated PDFs: a temperature, or a map of their CDF, learnt where redshifts are known.

What it is learnt on must be held out of the networks' training and come from the source: a
calibration that has seen the target's labels would judge itself. Networks are averaged first,
since a mean of PDFs is broader than each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from hscz.errors import InputError
from hscz.evaluate.calibration import pit
from hscz.pdf import cdf, has_pdf
from hscz.pdf.grid import bin_of

FloatArray = NDArray[np.float64]

KNOTS: tuple[float, ...] = (
    *(0.0, 0.005, 0.01, 0.02),
    *(round(0.05 * k, 2) for k in range(1, 20)),
    *(0.98, 0.99, 0.995, 1.0),
)
"""PITs between which the map of the CDF is straight; dense where tails matter."""

LEAST_OBJECTS = 100
"""Fewer held-out objects do not make a calibration."""

_PRIOR = 20.0
"""Objects with uniform PITs that are added to those measured: no part of the map is flat."""

_LEAST_DENSITY = 1e-30


@dataclass(frozen=True)
class Calibration:
    """A calibration that is known, ready for any PDFs of the same networks.

    Attributes
    ----------
    kind : str
        ``temperature`` or ``pit``.
    n : int
        Objects it was learnt from.
    temperature : float
        Of the kind ``temperature``: above 1 PDFs become wider.
    fractions : tuple of float
        Of the kind ``pit``: fraction of PITs below each of `KNOTS`.
    """

    kind: str
    n: int
    temperature: float = 1.0
    fractions: tuple[float, ...] = ()

    def apply(self, pdf: ArrayLike, edges: ArrayLike) -> NDArray[np.float32]:
        """Return calibrated densities; rows that are NaN stay so."""
        if self.kind == "temperature":
            return temper(pdf, edges, self.temperature).astype(np.float32)
        return remap(pdf, edges, KNOTS, self.fractions).astype(np.float32)


def temper(pdf: ArrayLike, edges: ArrayLike, temperature: float) -> FloatArray:
    """Return the densities f^(1/T), normalised.

    On even bins this is a softmax of logits over T (Guo et al. 2017, arXiv:1706.04599); on
    others the result does not depend on where they are wide.

    Examples
    --------
    >>> temper([[0.8, 0.2]], [0.0, 1.0, 2.0], 2.0).round(4).tolist()
    [[0.6667, 0.3333]]
    """
    steps = np.diff(np.asarray(edges, np.float64))
    density = np.array(pdf, dtype=np.float64)
    largest = density.max(axis=1, keepdims=True, initial=0)
    density /= np.where(largest > 0, largest, np.nan)
    np.power(density, 1 / temperature, out=density)
    return density / np.einsum("ij,j->i", density, steps)[:, None]


def remap(pdf: ArrayLike, edges: ArrayLike, knots: ArrayLike, fractions: ArrayLike) -> FloatArray:
    """Return densities whose CDF is G(F), with G straight between knots.

    With G the distribution of PITs the new PITs are uniform (Bordoloi et al. 2010, MNRAS 406,
    881).

    Examples
    --------
    >>> remap([[0.5, 0.5]], [0.0, 1.0, 2.0], [0.0, 0.5, 1.0], [0.0, 0.8, 1.0]).round(4).tolist()
    [[0.8, 0.2]]
    """
    knot, fraction = np.asarray(knots, np.float64), np.asarray(fractions, np.float64)
    cumulative = np.interp(cdf(pdf, edges), knot, fraction)
    return np.diff(cumulative, axis=1) / np.diff(np.asarray(edges, np.float64))


def fit(
    kind: str, pdf: ArrayLike, edges: ArrayLike, z: ArrayLike, rng: np.random.Generator
) -> Calibration:
    """Learn a calibration from held-out objects of known redshift.

    Parameters
    ----------
    kind : str
        ``temperature`` (the least mean log loss) or ``pit``.
    pdf : array_like, shape (n, n_bins)
        Averaged over the ensemble; rows that are NaN take no part.
    edges : array_like, shape (n_bins + 1,)
    z : array_like, shape (n,)
        Redshifts; those outside the grid take no part.
    rng : numpy.random.Generator
        Randomises the PITs inside their bins.

    Raises
    ------
    InputError
        If there are fewer than 100 objects, or a PDF is partly NaN or without probability.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> z = rng.normal(3.0, 0.4, 5000)
    >>> edges = np.linspace(0, 6, 121)
    >>> centre = edges[:-1] + 0.025
    >>> narrow = np.tile(np.exp(-0.5 * ((centre - 3.0) / 0.2) ** 2), (5000, 1))
    >>> 3.7 < fit("temperature", narrow, edges, z, rng).temperature < 4.3
    True
    """
    edge, truth = np.asarray(edges, np.float64), np.asarray(z, np.float64)
    use = has_pdf(pdf) & (bin_of(truth, edge) >= 0)
    n = int(use.sum())
    if n < LEAST_OBJECTS:
        raise InputError(
            f"{n} held-out source objects have a PDF and a redshift, {LEAST_OBJECTS} are needed "
            'to calibrate; raise train.validation_fraction, or set predict.calibrate = "none"'
        )
    density, truth = np.asarray(pdf)[use], truth[use]
    if kind == "temperature":
        return Calibration(kind, n, temperature=_best_temperature(density, edge, truth))
    values = pit(density, edge, truth, rng.random(n))
    counts = np.histogram(values, KNOTS)[0] + _PRIOR * np.diff(KNOTS)
    fractions = np.cumsum([0.0, *counts]) / counts.sum()
    return Calibration(kind, n, fractions=tuple(fractions.tolist()))


def _best_temperature(pdf: NDArray[np.floating], edges: FloatArray, z: FloatArray) -> float:
    log_density = np.log(np.maximum(np.asarray(pdf, np.float64), _LEAST_DENSITY))
    log_density -= log_density.max(axis=1, keepdims=True)
    bins, steps = bin_of(z, edges), np.diff(edges)
    at_z = log_density[np.arange(len(bins)), bins]

    def loss(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        return float(np.mean(np.log(np.exp(scale * log_density) @ steps) - scale * at_z))

    limits = (-np.log(10), np.log(10))
    return float(np.exp(minimize_scalar(loss, bounds=limits, method="bounded").x))
