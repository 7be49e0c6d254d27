"""Redshift bins: the only place in the package that makes their edges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.errors import ConfigError


def bin_of(values: ArrayLike, edges: ArrayLike) -> NDArray[np.int64]:
    """Return the bin low <= value < high of each value; -1 where it is outside or NaN.

    Examples
    --------
    >>> bin_of([0.0, 1.5, 2.0, np.nan], [0.0, 1.0, 2.0]).tolist()
    [0, 1, -1, -1]
    """
    value, edge = np.asarray(values), np.asarray(edges)
    inside = (value >= edge[0]) & (value < edge[-1])
    return np.where(inside, np.searchsorted(edge, value, side="right") - 1, -1)


def bin_centres(edges: ArrayLike) -> NDArray[np.float64]:
    """Return the middles of bins.

    Examples
    --------
    >>> bin_centres([0.0, 1.0, 3.0]).tolist()
    [0.5, 2.0]
    """
    edge = np.asarray(edges, dtype=np.float64)
    return 0.5 * (edge[:-1] + edge[1:])


def node_shares(values: ArrayLike, nodes: ArrayLike) -> NDArray[np.float64]:
    """Return the share of each node in each value, straight between two nodes, shape (n, nodes).

    Beyond the outermost nodes these count alone; NaN counts as the last.

    Examples
    --------
    >>> node_shares([22.5, 30.0, np.nan], [22.0, 24.0]).tolist()
    [[0.75, 0.25], [0.0, 1.0], [0.0, 1.0]]
    """
    node = np.asarray(nodes, np.float64)
    value = np.nan_to_num(np.asarray(values, np.float64), nan=node[-1])
    return np.stack([np.interp(value, node, unit) for unit in np.eye(len(node))], axis=1)


@dataclass(frozen=True, eq=False)
class RedshiftGrid:
    """Contiguous redshift bins.

    Parameters
    ----------
    edges : ndarray, shape (n + 1,)
        Strictly increasing, first edge not below zero.

    Raises
    ------
    ConfigError
        If the edges do not increase or are not finite.

    Examples
    --------
    >>> grid = RedshiftGrid.uniform()
    >>> len(grid), float(grid.edges[-1])
    (360, 6.0)
    >>> grid.index([0.0, 1.0, 7.0]).tolist()
    [0, 60, -1]
    """

    edges: NDArray[np.float64]

    def __post_init__(self) -> None:
        edges = np.asarray(self.edges, dtype=np.float64)
        if edges.ndim != 1 or len(edges) < 3 or not np.all(np.diff(edges) > 0) or edges[0] < 0:
            raise ConfigError(
                f"redshift edges must be at least 3 increasing numbers from z >= 0, got {edges!r}"
            )
        edges.setflags(write=False)
        object.__setattr__(self, "edges", edges)

    @classmethod
    def uniform(cls, n_bins: int = 360, z_max: float = 6.0) -> RedshiftGrid:
        """Return equal bins from 0 to `z_max`; the default is the paper's 360 bins."""
        return cls(np.linspace(0.0, z_max, n_bins + 1))

    @classmethod
    def logarithmic(cls, n_bins: int = 360, z_max: float = 6.0) -> RedshiftGrid:
        """Return bins equal in ln(1+z), so that each is as wide as the metrics are tolerant."""
        return cls(np.expm1(np.linspace(0.0, np.log1p(z_max), n_bins + 1)))

    @classmethod
    def make(cls, kind: str, n_bins: int, z_max: float) -> RedshiftGrid:
        """Return the grid named `kind`, one of ``uniform`` and ``log1pz``."""
        makers = {"uniform": cls.uniform, "log1pz": cls.logarithmic}
        if kind not in makers:
            raise ConfigError(f"redshift grid {kind!r} is unknown; use one of {', '.join(makers)}")
        return makers[kind](n_bins, z_max)

    def __len__(self) -> int:
        return len(self.edges) - 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RedshiftGrid) and np.array_equal(self.edges, other.edges)

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """Bin centres, shape (n,)."""
        return bin_centres(self.edges)

    @cached_property
    def widths(self) -> NDArray[np.float64]:
        """Bin widths, shape (n,)."""
        return np.diff(self.edges)

    def index(self, redshift: ArrayLike) -> NDArray[np.int64]:
        """Return the bin of each redshift; -1 where it is outside the grid or not finite."""
        return bin_of(np.asarray(redshift, dtype=np.float64), self.edges)
