"""How far the colours of one sample of galaxies lie from those of another: zero points by eye.

Both clouds of magnitudes are compared as a whole. That of the target is moved, as it is, until
its galaxies lie where the source has galaxies; how many of each kind there are in the target is
fitted along, so that another population does not pass for another zero point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.special import logsumexp

FloatArray = NDArray[np.float64]

KERNEL_MAG = 0.1
"""Width around each source galaxy within which others are like it, in each band."""

BRIGHTNESS_MAG = 0.3
"""The same for what all bands share: galaxies of like colours may differ so much in brightness."""

FIRST_KERNEL_MAG = 0.3
"""Width of the kernel in the first step, which shrinks by `SHRINKING` a step down to the last."""

SHRINKING = 0.8

KINDS = 12
"""Kinds of galaxies by colour whose shares may differ between the samples."""

KINDS_PRIOR = 50.0
"""Galaxies that the source's own shares count for in the fit."""

OUTLIER_SHARE, OUTLIER_SIGMA = 0.02, 4.0
"""Share of target galaxies like none of the source: those this far from any are rather that."""

MOST_STEPS, TOLERANCE_MAG = 60, 2e-4
FIXED = 1e6
"""Weight of the condition that the mean over bands stays where it is."""


@dataclass(frozen=True)
class Shift:
    """How far a cloud of magnitudes lies from another one.

    Attributes
    ----------
    offset_mag : ndarray, shape (band,)
        Target minus source, of mean 0: colours do not tell what all bands share.
    error_mag : ndarray, shape (band,)
        Standard deviations of the offsets, from parts of both samples.
    """

    offset_mag: FloatArray
    error_mag: FloatArray


def colour_shift(
    source_mag: FloatArray,
    target_mag: FloatArray,
    target_err: FloatArray,
    source_part: NDArray[np.int64],
    target_part: NDArray[np.int64],
    seed: int = 1,
) -> Shift:
    """Return the shift of magnitudes that brings the colours of a target onto those of a source.

    The source is a mixture of Gaussians, one around each galaxy, as wide as the error of the
    target galaxy that is compared, `KERNEL_MAG` in every band and `BRIGHTNESS_MAG` in the mean
    of all. The likelihood of the shifted target is maximised over the shift by expectation
    maximisation, as in Coherent Point Drift (Myronenko & Song 2010, IEEE TPAMI 32, 2262) with a
    translation alone, and over the shares of `KINDS` kinds of galaxies. Errors are those of the
    jackknife, which leaves out one part of both samples at a time.

    Parameters
    ----------
    source_mag : ndarray, shape (m, band)
        Magnitudes of bright source galaxies, whose own errors do not matter.
    target_mag, target_err : ndarray, shape (n, band)
        Magnitudes of target galaxies, and their errors.
    source_part, target_part : ndarray of int, shape (m,) and (n,)
        Part of the sky that each galaxy lies in, from 0, as many in both samples.
    seed : int
        Of the division into kinds.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> def galaxies(n):
    ...     kind, mag = rng.uniform(0, 1, (n, 1)), rng.uniform(20, 23, (n, 1))
    ...     return mag + kind * [1.5, 0.3, 0.0] + kind**2 * [0.0, 0.5, 0.0]
    >>> target = galaxies(300) + [0.0, 0.0, 0.2] + rng.normal(0, 0.02, (300, 3))
    >>> parts = np.arange(800) % 10, np.arange(300) % 10
    >>> shift = colour_shift(galaxies(800), target, np.full((300, 3), 0.02), *parts)
    >>> off = shift.offset_mag - [-0.2 / 3, -0.2 / 3, 0.4 / 3]
    >>> bool((abs(off) < 0.02).all())
    True
    """
    kinds = _kinds(source_mag, seed)
    share = np.bincount(kinds) / len(kinds)
    start = _State(np.zeros(target_mag.shape[1]), share, FIRST_KERNEL_MAG)
    whole = _fitted(source_mag, kinds, target_mag, target_err, start)
    without = []
    for part in np.unique(target_part):
        ours, theirs = source_part != part, target_part != part
        some = source_mag[ours], kinds[ours], target_mag[theirs], target_err[theirs]
        without.append(_fitted(*some, whole).offset_mag)
    spread = np.std(without, axis=0) * np.sqrt(len(without) - 1)
    return Shift(whole.offset_mag, spread)


@dataclass(frozen=True)
class _State:
    """Where the fit stands: shift, shares of the kinds, width of the kernel."""

    offset_mag: FloatArray
    share: FloatArray
    kernel_mag: float


def _fitted(
    source: FloatArray,
    kinds: NDArray[np.int64],
    target: FloatArray,
    err: FloatArray,
    start: _State,
) -> _State:
    """Return the state of greatest likelihood from a state to begin with."""
    offset, share, kernel = start.offset_mag, start.share, start.kernel_mag
    size = np.bincount(kinds, minlength=len(share)).astype(np.float64)
    for _ in range(MOST_STEPS):
        likeness, inverse = _likeness(source, target - offset, err, kernel)
        like = _responsibilities(likeness, (share / np.maximum(size, 1))[kinds])
        pull, curvature = _pull(source, target - offset, like, inverse)
        if kernel == KERNEL_MAG:
            curvature = _observed(source, target - offset, like, inverse, curvature)
        step = np.linalg.solve(curvature + FIXED, pull - FIXED * offset.sum())
        offset = offset + step
        found = np.bincount(kinds, weights=like.sum(axis=0), minlength=len(size))
        share = found + KINDS_PRIOR * size / size.sum()
        share /= share.sum()
        if kernel == KERNEL_MAG and np.abs(step).max() < TOLERANCE_MAG:
            break
        kernel = max(KERNEL_MAG, kernel * SHRINKING)
    return _State(offset, share, kernel)


def _kinds(mag: FloatArray, seed: int) -> NDArray[np.int64]:
    """Divide galaxies by their colours into kinds, none of them empty."""
    colour = mag - mag.mean(axis=1, keepdims=True)
    kinds = kmeans2(colour, min(KINDS, len(mag)), seed=seed, minit="++")[1]
    return np.unique(kinds, return_inverse=True)[1]


def _likeness(
    source: FloatArray, target: FloatArray, err: FloatArray, kernel: float
) -> tuple[FloatArray, FloatArray]:
    """Return -chi^2 / 2 of each pair, and the inverse covariance of each target galaxy.

    The covariance is diagonal but for a part of all bands together, so that its inverse is known
    (Sherman & Morrison 1950).
    """
    weight = 1 / (err**2 + kernel**2)
    common = 1 / (BRIGHTNESS_MAG**-2 + weight.sum(axis=1))
    inverse = weight[:, :, None] * np.eye(weight.shape[1])
    inverse -= common[:, None, None] * weight[:, :, None] * weight[:, None, :]
    seen = np.einsum("nbc,nc->nb", inverse, target)
    own = np.einsum("nb,nb->n", seen, target)
    squares = source[:, :, None] * source[:, None, :]
    theirs = inverse.reshape(len(target), -1) @ squares.reshape(len(source), -1).T
    return -0.5 * (own[:, None] - 2 * seen @ source.T + theirs), inverse


def _responsibilities(likeness: FloatArray, share: FloatArray) -> FloatArray:
    """Return how much of each target galaxy (row) is like each source galaxy."""
    likeness = likeness + np.log(share)
    outlier = np.log(OUTLIER_SHARE / len(share)) - 0.5 * OUTLIER_SIGMA**2
    total = np.logaddexp(logsumexp(likeness, axis=1), outlier)
    return np.exp(likeness - total[:, None])


def _pull(
    source: FloatArray, target: FloatArray, like: FloatArray, inverse: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the gradient of the log-likelihood, and the curvature it has at most."""
    known = like.sum(axis=1)
    away = known[:, None] * target - like @ source
    return np.einsum("nbc,nc->b", inverse, away), np.einsum("n,nbc->bc", known, inverse)


def _observed(
    source: FloatArray,
    target: FloatArray,
    like: FloatArray,
    inverse: FloatArray,
    stiffness: FloatArray,
) -> FloatArray:
    """Return the observed information: less by the scatter of what a galaxy may be (Louis 1982).

    Where that would leave a direction less than a tenth, it is left at a tenth.
    """
    known = like.sum(axis=1)
    mean = known[:, None] * target - like @ source
    squares = (source[:, :, None] * source[:, None, :]).reshape(len(source), -1)
    crossed = target[:, :, None] * (like @ source)[:, None, :]
    second = known[:, None, None] * target[:, :, None] * target[:, None, :]
    second += (like @ squares).reshape(second.shape) - crossed - crossed.transpose(0, 2, 1)
    scatter = second - mean[:, :, None] * mean[:, None, :]
    missing = np.einsum("nab,nbc,ncd->ad", inverse, scatter, inverse, optimize=True)
    root = np.linalg.cholesky(stiffness)
    part, axes = np.linalg.eigh(np.linalg.solve(root, np.linalg.solve(root, missing).T))
    kept = (axes * (1 - part).clip(0.1)) @ axes.T
    return np.asarray(root @ kept @ root.T)
