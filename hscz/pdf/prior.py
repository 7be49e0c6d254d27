"""PDFs under another n(z) than that which networks have learnt from.

A network's p(z | x) carries the n(z | m) of its training. Where galaxies of a redshift and a
magnitude look as they did there, and only their numbers are others, p(z | x) w(z, m) is the PDF
under the other n(z), with w the ratio of the two (Saerens, Latinne & Decaestecker 2002, Neural
Computation 14, 21).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.pdf import pdf_to_pmf
from hscz.pdf.grid import bin_centres, node_shares


@dataclass(frozen=True)
class PriorRatio:
    """The ratio w(z, m) of a field's n(z | m) to that which its PDFs carry.

    Attributes
    ----------
    z : tuple of float
        Redshifts at which it is known; between them its logarithm is straight in ln(1 + z).
    mag_i : tuple of float
        Magnitudes at which it is known; between them its logarithm is straight.
    log_ratio : tuple of tuple of float
        ln w for each magnitude and redshift, up to a constant for each magnitude.
    gain : float
        Logarithm of the evidence for it over none.
    n : int
        Galaxies that it was inferred from.
    withheld : str
        Why it is not to be used; empty where it is.

    Examples
    --------
    Twice as many galaxies at z = 1.5 as at 0.5, where the network saw as many:

    >>> ratio = PriorRatio((0.5, 1.5), (22.0,), ((0.0, float(np.log(2))),), 9.0, 1000)
    >>> print(ratio.apply([[0.5, 0.5]], [0.0, 1.0, 2.0], [22.0]).round(3))
    [[0.333 0.667]]
    """

    z: tuple[float, ...]
    mag_i: tuple[float, ...]
    log_ratio: tuple[tuple[float, ...], ...]
    gain: float
    n: int
    withheld: str = ""

    @classmethod
    def none(cls, why: str, n: int = 0, gain: float = 0.0) -> PriorRatio:
        """Return a ratio of 1, and why it is no other."""
        return cls((0.0,), (0.0,), ((0.0,),), gain, n, why)

    @classmethod
    def noted(cls, note: Mapping[str, Any]) -> PriorRatio:
        """Return a ratio from its fields as JSON keeps them."""
        nodes = {key: tuple(note[key]) for key in ("z", "mag_i")}
        return cls(**{**note, **nodes, "log_ratio": tuple(map(tuple, note["log_ratio"]))})

    @property
    def used(self) -> bool:
        """Whether PDFs are to be changed by it."""
        return not self.withheld

    @property
    def in_words(self) -> str:
        """What becomes of the PDFs, and why."""
        if self.withheld:
            return f"n(z) as stacked: {self.withheld}"
        return (
            f"n(z) inferred from {self.n:,} galaxies; the evidence for another n(z | i) than that "
            f"of the source is exp({self.gain:.1f})"
        )

    def apply(self, pdf: ArrayLike, edges: ArrayLike, mag_i: ArrayLike) -> NDArray[np.float32]:
        """Return densities under the other n(z); rows that are NaN stay so.

        Parameters
        ----------
        pdf : array_like, shape (n, n_bins)
        edges : array_like, shape (n_bins + 1,)
        mag_i : array_like, shape (n,)
            Those not known count as faint.
        """
        density, edge = np.asarray(pdf, np.float64), np.asarray(edges, np.float64)
        if self.withheld:
            return density.astype(np.float32)
        place, node = np.log1p(bin_centres(edge)), np.log1p(self.z)
        fine = np.stack([np.interp(place, node, row) for row in self.log_ratio])
        tilted = density * np.exp(node_shares(mag_i, self.mag_i) @ fine)
        before, after = (
            pdf_to_pmf(one, edge).sum(axis=1, keepdims=True) for one in (density, tilted)
        )
        return (tilted * (before / after)).astype(np.float32)
