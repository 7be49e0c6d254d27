"""n(z) of samples of a field: sums of PDFs under the inferred ratio, and how well they are known.

Four parts make the error, each a set of independent deviations of all samples together:

- ``ratio``: what is not known of w(z, m), to first order;
- ``counts``: the galaxies of a sample have redshifts of their own, which their PDFs leave open;
- ``structure``: so have walls and voids along the line of sight, which move many of them at once:
  the variance is a share xi of n(z)^2, see `structure`. PDFs may resolve some of it, which is not
  taken off;
- ``sky``: the scatter of cells of the sky, for n(z) as the mean of many such fields. Of n(z) as
  that of the very galaxies of the sample, it is no error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hscz.errors import InputError
from hscz.nz.shift import Shift
from hscz.pdf import has_pdf, pdf_to_pmf
from hscz.pdf.grid import bin_centres, node_shares

FloatArray = NDArray[np.float64]

MOST_LOOKED_AT = 10_000
"""Galaxies, drawn at random, on which ``ratio`` and ``counts`` are measured."""

SMOOTHED = 0.1
"""Width in ln(1 + z) of the kernel to which structure is compared."""

LEAST_COUNT = 30
"""Galaxies in a bin from which structure is told from counting."""


@dataclass(frozen=True)
class Members:
    """Some galaxies, and how much of each belongs to which sample.

    Attributes
    ----------
    pdf : ndarray, shape (n, n_bins)
        As calibrated; rows that are NaN take no part.
    mag_i : ndarray, shape (n,)
    cell : ndarray of int, shape (n,)
        Cell of the sky.
    share : ndarray, shape (n, sample)
        0 to 1.
    """

    pdf: NDArray[np.floating]
    mag_i: FloatArray
    cell: NDArray[np.int64]
    share: FloatArray

    def take(self, rows: NDArray[np.intp]) -> Members:
        """Return some galaxies."""
        return Members(self.pdf[rows], self.mag_i[rows], self.cell[rows], self.share[rows])


def structure(z: ArrayLike, z_edges: ArrayLike) -> float:
    """Return the variance of n(z) by structure along a line of sight, over n(z)^2.

    It is what is left of the scatter of counts about smooth ones when counting is taken off.

    Parameters
    ----------
    z : array_like, shape (n,)
        Redshifts of galaxies of one field.
    z_edges : array_like, shape (z + 1,)

    Examples
    --------
    >>> rng, edges = np.random.default_rng(1), np.arange(0.2, 2.0, 0.1)
    >>> z = rng.uniform(0.2, 1.9, 40_000)
    >>> wall = np.where(rng.random(40_000) < 0.1, 0.85, z)
    >>> bool(structure(z, edges) < 0.001), bool(structure(wall, edges) > 0.1)
    (True, True)
    """
    edge = np.asarray(z_edges, np.float64)
    place, step = np.log1p(bin_centres(edge)), np.diff(np.log1p(edge))
    count = np.histogram(np.asarray(z, np.float64), edge)[0].astype(np.float64)
    kernel = np.exp(-0.5 * ((place[:, None] - place) / SMOOTHED) ** 2) * step
    kernel /= kernel.sum(axis=1, keepdims=True)
    smooth = (kernel @ (count / step)) * step
    own = 1 - np.diagonal(kernel)
    use = smooth >= LEAST_COUNT
    excess = ((count - smooth) ** 2 - own * smooth)[use].sum()
    return max(0.0, float(excess / (smooth[use] ** 2).sum())) if use.any() else 0.0


def distributions(
    blocks: Iterable[Members],
    shift: Shift,
    edges: ArrayLike,
    z_edges: ArrayLike,
    n_cells: int,
    n_draws: int,
    seed: int,
    xi: float = 0.0,
) -> xr.Dataset:
    """Return n(z) of samples.

    Parameters
    ----------
    blocks : iterable of Members
        All galaxies, some at a time.
    shift : Shift
        The ratio by which their PDFs are changed, and its deviations.
    edges : array_like, shape (n_bins + 1,)
        Of the PDFs.
    z_edges : array_like, shape (z + 1,)
        Of n(z).
    n_cells : int
        Cells of the sky.
    n_draws : int
    seed : int
        Of the draws.
    xi : float
        See `structure`, with the same `z_edges`.

    Returns
    -------
    xarray.Dataset
        With the dimensions sample, z (and z_other, sample_other, alike), z_edge and draw:
        ``n_of_z`` and ``stacked``, under the inferred ratio and without it, densities;
        ``covariance`` of the former, of all parts, and ``covariance_NAME`` of each part;
        ``draws`` of n(z), joint over the samples, none negative; ``n`` galaxies; ``z_mean`` and
        ``z_mean_covariance``. NaN where a sample has no galaxy with a PDF.

    Raises
    ------
    InputError
        If there is no galaxy.
    """
    edge, wanted = np.asarray(edges, np.float64), np.asarray(z_edges, np.float64)
    overlap, rng = _overlap(edge, wanted), np.random.default_rng(seed)
    sums, looked_at = _sums(blocks, shift, edge, overlap, n_cells, rng)
    n = sums["n"].sum(axis=1)
    some = np.where(n > 0, n, np.nan)
    inferred, stacked = (sums[k].sum(axis=1) / some[:, None] for k in ("inferred", "stacked"))
    posterior = _mass(shift.ratio.apply(looked_at.pdf, edge, looked_at.mag_i), edge, overlap)
    deviations = {
        "ratio": _by_ratio(looked_at, shift, edge, overlap),
        "counts": _by_counts(posterior, looked_at.share, n),
        "structure": _by_structure(inferred, xi),
        "sky": _by_sky(sums["inferred"], sums["n"], inferred),
    }
    return _described(inferred, stacked, deviations, n, wanted, n_draws, rng)


def _described(
    inferred: FloatArray,
    stacked: FloatArray,
    deviations: Mapping[str, FloatArray],
    n: FloatArray,
    wanted: FloatArray,
    n_draws: int,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Return everything that follows from n(z) and its deviations, shape (term, sample, z)."""
    per_z, middle = np.diff(wanted), bin_centres(wanted)
    whole = inferred.sum(axis=1, keepdims=True)
    mean = (inferred @ middle) / whole[:, 0]
    lever = (middle - mean[:, None]) / whole
    moved, of_mean, parts = np.zeros((n_draws, *inferred.shape)), 0.0, {}
    for name, part in deviations.items():
        moved += np.tensordot(rng.standard_normal((n_draws, len(part))), part, 1)
        shifts = (part * lever).sum(axis=-1)
        of_mean = of_mean + shifts.T @ shifts
        parts[name] = np.einsum("dsz,dsy->szy", part / per_z, part / per_z)
    draws = (inferred + moved).clip(0.0)
    draws *= whole / draws.sum(axis=-1, keepdims=True)
    square = ("sample", "z", "z_other")
    return xr.Dataset(
        {
            "n_of_z": (("sample", "z"), inferred / per_z),
            "stacked": (("sample", "z"), stacked / per_z),
            "covariance": (square, np.sum(list(parts.values()), axis=0)),
            **{f"covariance_{name}": (square, part) for name, part in parts.items()},
            "draws": (("sample", "draw", "z"), draws.transpose(1, 0, 2) / per_z),
            "n": ("sample", n),
            "z_mean": ("sample", mean),
            "z_mean_covariance": (("sample", "sample_other"), of_mean),
        },
        coords={"z": middle, "z_edges": ("z_edge", wanted)},
    )


def _overlap(edges: FloatArray, wanted: FloatArray) -> FloatArray:
    """Return which share of each redshift bin lies in each wanted one, shape (n_bins, z)."""
    inside = np.clip(wanted, edges[:-1, None], edges[1:, None])
    return np.diff(inside, axis=1) / np.diff(edges)[:, None]


def _sums(
    blocks: Iterable[Members],
    shift: Shift,
    edges: FloatArray,
    overlap: FloatArray,
    n_cells: int,
    rng: np.random.Generator,
) -> tuple[dict[str, FloatArray], Members]:
    """Return sums by sample and cell of the sky, and galaxies drawn at random."""
    sums: dict[str, FloatArray] = {}
    kept: list[tuple[FloatArray, Members]] = []
    for block in blocks:
        part = block.take(np.flatnonzero(has_pdf(block.pdf) & (block.share > 0).any(axis=1)))
        changed = shift.ratio.apply(part.pdf, edges, part.mag_i)
        found = {
            "inferred": _by_cell(_mass(changed, edges, overlap), part, n_cells),
            "stacked": _by_cell(_mass(part.pdf, edges, overlap), part, n_cells),
            "n": _by_cell(np.ones((len(part.pdf), 1)), part, n_cells)[..., 0],
        }
        sums = {key: sums.get(key, 0.0) + values for key, values in found.items()}
        kept = _drawn([*kept, (rng.random(len(part.pdf)), part)])
    if not kept:
        raise InputError("there is no galaxy to take n(z) of")
    return sums, kept[0][1]


def _mass(pdf: NDArray[np.floating], edges: FloatArray, overlap: FloatArray) -> FloatArray:
    """Return the probabilities of the bins of n(z), of PDFs that integrate to 1."""
    mass = pdf_to_pmf(pdf, edges)
    return np.asarray((mass / mass.sum(axis=1, keepdims=True)) @ overlap)


def _by_cell(values: FloatArray, members: Members, n_cells: int) -> FloatArray:
    """Return sums over galaxies, shape (sample, cell, column)."""
    found = np.zeros((members.share.shape[1], n_cells, values.shape[1]))
    for sums, share in zip(found, members.share.T, strict=True):
        rows = np.flatnonzero(share)
        np.add.at(sums, members.cell[rows], share[rows, None] * values[rows])
    return found


def _drawn(parts: list[tuple[FloatArray, Members]]) -> list[tuple[FloatArray, Members]]:
    """Return the galaxies with the least numbers of all parts as one part."""
    number = np.concatenate([numbers for numbers, _ in parts])
    columns = [[getattr(part, name) for _, part in parts] for name in vars(parts[0][1])]
    rows = np.argsort(number, kind="stable")[:MOST_LOOKED_AT]
    joined = Members(*(np.concatenate(column) for column in columns))
    return [(number[rows], joined.take(rows))]


def _weight(share: FloatArray) -> FloatArray:
    """Return the weight of galaxies in each sample, of which the sum is 1; 0 of none."""
    return np.asarray(share / np.maximum(share.sum(axis=0), np.finfo(float).tiny))


def _by_ratio(members: Members, shift: Shift, edges: FloatArray, overlap: FloatArray) -> FloatArray:
    """Return how far n(z) moves with each deviation of the ratio."""
    posterior = pdf_to_pmf(shift.ratio.apply(members.pdf, edges, members.mag_i), edges)
    posterior /= posterior.sum(axis=1, keepdims=True)
    place, node = np.log1p(bin_centres(edges)), np.log1p(shift.z)
    near, weight = node_shares(members.mag_i, shift.mag_i), _weight(members.share)
    moved = []
    for term in shift.deviations:
        fine = near @ np.stack([np.interp(place, node, row) for row in term])
        fine -= (posterior * fine).sum(axis=1, keepdims=True)
        moved.append(weight.T @ (posterior * fine) @ overlap)
    return np.array(moved).reshape(-1, members.share.shape[1], overlap.shape[1])


def _by_counts(posterior: FloatArray, share: FloatArray, n: FloatArray) -> FloatArray:
    """Return deviations of the redshifts that galaxies turn out to have, sample by sample."""
    size, samples = posterior.shape[1], share.shape[1]
    found = np.zeros((samples, size, samples, size))
    for k, weight in enumerate(_weight(share).T):
        own = np.diag(weight @ posterior) - (weight[:, None] * posterior).T @ posterior
        values, vectors = np.linalg.eigh(own / max(n[k], 1.0))
        found[k, :, k] = (vectors * np.sqrt(values.clip(0))).T
    return found.reshape(-1, samples, size)


def _by_structure(inferred: FloatArray, xi: float) -> FloatArray:
    """Return deviations of each bin by structure, in all samples together."""
    found = np.sqrt(xi) * np.eye(inferred.shape[1])[:, None] * inferred
    # What one bin has more, all have less: the number of galaxies is known.
    return np.asarray(found - found.sum(axis=-1, keepdims=True) * inferred)


def _by_sky(total: FloatArray, n: FloatArray, mean: FloatArray) -> FloatArray:
    """Return deviations of each cell of the sky."""
    cells = n.shape[1]
    scatter = (total - n[..., None] * mean[:, None]) / np.maximum(n.sum(axis=1), 1.0)[:, None, None]
    # One fewer is free than there are cells.
    return np.sqrt(cells / max(cells - 1, 1)) * scatter.transpose(1, 0, 2)
