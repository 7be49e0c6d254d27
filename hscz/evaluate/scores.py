"""Scores of a network in a field without labels, and the rule that chooses by them.

The literature judges a network on unlabelled data by its own predictions: that they are
confident, diverse, or clustered. These scores compare trainings of one network on one source;
their values mean little by themselves, and none is a redshift accuracy. Mind that a faint
galaxy's PDF has every reason to be wide: confidence that comes from overlooking the noise of a
field counts as good here. Benchmarks find no score reliable everywhere, and the validation
loss on the source often as good (Musgrave et al. 2022, arXiv:2208.07360).

All take a few thousand PDFs in memory, a random sample of a field.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hscz.errors import InputError
from hscz.pdf import pdf_to_pmf, width

FloatArray = NDArray[np.float64]

WIDTH_QUANTILES = (0.16, 0.5, 0.84)
"""Quantiles of PDFw in which `width_shift` compares two fields."""

_LEAST_PER_BIN = 20
"""Galaxies which a magnitude bin needs before its outer quantiles mean anything."""

_MAX_GAP_MAG = 0.1
"""Farthest that a target galaxy may be from the source galaxy it is compared with."""


def mean_entropy(pmf: ArrayLike) -> float:
    """Return the mean entropy of the PDFs, nats; lower (more confident) is better.

    Used to choose among adaptations by Morerio et al. (2018, arXiv:1711.10288). A network
    that gives all galaxies the same narrow PDF is best by it.

    Parameters
    ----------
    pmf : array_like, shape (n, bins)
        Probability of each redshift bin.

    Raises
    ------
    InputError
        If a row has a NaN or no probability.

    Examples
    --------
    >>> round(mean_entropy([[0.5, 0.5], [1.0, 0.0]]), 4)
    0.3466
    """
    return float(_entropy(_normalised(pmf)).mean())


def mutual_information(pmf: ArrayLike) -> float:
    """Return the entropy of the mean PDF minus the mean entropy, nats; higher is better.

    Information maximisation (Shi & Sha 2012, ICML; among the choices which Musgrave et al.
    2022, arXiv:2208.07360, review): confident for each galaxy, diverse over the field.

    Parameters
    ----------
    pmf : array_like, shape (n, bins)

    Raises
    ------
    InputError
        If a row has a NaN or no probability.

    Examples
    --------
    >>> round(mutual_information([[1.0, 0.0], [0.0, 1.0]]), 4)
    0.6931
    >>> round(mutual_information([[0.9, 0.1], [0.9, 0.1]]), 4)
    0.0
    """
    mass = _normalised(pmf)
    return float(_entropy(mass.mean(axis=0)) - _entropy(mass).mean())


def nuclear_norm(pmf: ArrayLike, block: int = 512) -> float:
    """Return the batch nuclear norm per galaxy; higher is better.

    The sum of the singular values of a matrix of predictions grows with their confidence and
    their diversity (BNM; Cui et al. 2020, arXiv:2003.12237). It depends on the size of the
    matrix, so the mean over blocks of one size is taken; rows left over are not used, and fewer
    rows than a block make one.

    Parameters
    ----------
    pmf : array_like, shape (n, bins)
        In random order.
    block : int
        Rows of one matrix.

    Raises
    ------
    InputError
        If a row has a NaN or no probability.

    Examples
    --------
    >>> round(nuclear_norm([[1.0, 0.0], [0.0, 1.0]], block=2), 4)
    1.0
    >>> round(nuclear_norm([[0.5, 0.5], [0.5, 0.5]], block=2), 4)
    0.5
    """
    mass = _normalised(pmf)
    block = min(block, len(mass))
    whole = len(mass) // block
    matrices = mass[: whole * block].reshape(whole, block, -1)
    return float(np.linalg.norm(matrices, "nuc", axis=(1, 2)).mean() / block)


def neighbourhood_density(
    pmf: ArrayLike, rng: np.random.Generator, temperature: float = 0.05, n_max: int = 2000
) -> float:
    """Return the soft neighbourhood density, nats; higher is better.

    The entropy of each galaxy's similarities to all others, softmax(cos / temperature), with
    the rows of `pmf` as features (SND; Saito et al. 2021, arXiv:2108.10860): high where
    galaxies gather in dense groups. It grows with the logarithm of the number of galaxies. As
    neighbouring redshift bins share probability, wide PDFs overlap with many others and are
    "dense" too: alone it may prefer the network that knows nothing.

    Parameters
    ----------
    pmf : array_like, shape (n, bins)
    rng : numpy.random.Generator
        Draws the galaxies to compare, where there are more than `n_max`.
    temperature : float
    n_max : int
        Bounds the memory, 8 n_max^2 bytes a matrix.

    Raises
    ------
    InputError
        If a row has a NaN or no probability, or there is but one.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> groups = np.repeat(np.eye(2), 3, axis=0)  # two others like it, for each of six
    >>> round(neighbourhood_density(groups, rng), 4)
    0.6931
    """
    mass = _normalised(pmf)
    if len(mass) < 2:
        raise InputError(f"{len(mass)} PDF has no neighbours; give more")
    chosen = mass[rng.permutation(len(mass))[:n_max]]
    unit = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
    weights = np.exp((unit @ unit.T - 1) / temperature)
    np.fill_diagonal(weights, 0)
    return mean_entropy(weights)


def width_shift(
    pdf_width: ArrayLike,
    mag_i: ArrayLike,
    source_pdf_width: ArrayLike,
    source_mag_i: ArrayLike,
    n_bins: int = 10,
) -> float:
    """Return how far the widths of the target's PDFs are from the source's; lower is better.

    The mean absolute difference of the 16, 50 and 84 % quantiles of ln PDFw between target
    galaxies and the source galaxies nearest to them in i, over bins of i that hold equal
    numbers. Ours: a network that is out of its depth in a field gives PDFs wider, or
    narrower, than it gives to such galaxies at home. In a field that is truly shallower the
    right answer is not zero; a training that reaches zero there is overconfident. Samples of
    4,000 from one population (scatter 0.6 in ln PDFw) give 0.07, of 1,000 0.13.

    Parameters
    ----------
    pdf_width, mag_i : array_like, shape (n,)
        PDFw and i magnitude of target galaxies; those where either is NaN take no part.
    source_pdf_width, source_mag_i : array_like, shape (m,)
        The same of source galaxies which the network was not trained on.
    n_bins : int

    Raises
    ------
    InputError
        If too few target galaxies have a source galaxy within 0.1 mag.

    Examples
    --------
    >>> mag_i = np.linspace(22, 25, 1000)
    >>> round(width_shift(0.3 * (mag_i - 21), mag_i, 0.2 * (mag_i - 21), mag_i), 3)
    0.405
    """
    log_width, mag = _log_widths(pdf_width, mag_i)
    log_width_s, mag_s = _log_widths(source_pdf_width, source_mag_i)
    match = np.searchsorted(0.5 * (mag_s[1:] + mag_s[:-1]), mag)
    near = np.abs(np.append(mag_s, np.inf)[match] - mag) <= _MAX_GAP_MAG
    if np.count_nonzero(near) < n_bins * _LEAST_PER_BIN:
        raise InputError(
            f"{np.count_nonzero(near)} of {len(mag)} target galaxies with a PDF have a source "
            f"galaxy within {_MAX_GAP_MAG} mag, {n_bins * _LEAST_PER_BIN} are needed; give more"
        )
    both = np.stack([log_width[near], log_width_s[match[near]]])
    shifts = [
        np.abs(np.diff(np.quantile(both[:, part], WIDTH_QUANTILES, axis=1), axis=1)).mean()
        for part in np.array_split(np.arange(both.shape[1]), n_bins)
    ]
    return float(np.mean(shifts))


def label_free_scores(
    pdf: ArrayLike,
    edges: ArrayLike,
    mag_i: ArrayLike,
    source_pdf_width: ArrayLike,
    source_mag_i: ArrayLike,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Return every score of this module for a sample of a target field.

    Parameters
    ----------
    pdf : array_like, shape (n, bins)
        Densities of a few thousand random galaxies; rows with a NaN take no part.
    edges : array_like, shape (bins + 1,)
    mag_i : array_like, shape (n,)
    source_pdf_width, source_mag_i : array_like, shape (m,)
        PDFw and i magnitude of source galaxies which the network was not trained on.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to float
        Named as the functions.

    Raises
    ------
    InputError
        If there are fewer than 512 PDFs, or too few of them match the source in magnitude.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> pdf, mag_i = rng.dirichlet(np.ones(20), 1000), rng.uniform(22, 25, 1000)
    >>> scores = label_free_scores(pdf, np.arange(21.0), mag_i, np.full(1000, 14), mag_i, rng)
    >>> [*scores]
    ['mean_entropy', 'mutual_information', 'nuclear_norm', 'neighbourhood_density', 'width_shift']
    """
    density = np.asarray(pdf)
    rows = rng.permutation(np.flatnonzero(np.isfinite(density).all(axis=1)))
    density, mag = density[rows], np.asarray(mag_i)[rows]
    pmf = pdf_to_pmf(density, edges)
    return {
        "mean_entropy": mean_entropy(pmf),
        "mutual_information": mutual_information(pmf),
        "nuclear_norm": nuclear_norm(pmf),
        "neighbourhood_density": neighbourhood_density(pmf, rng),
        "width_shift": width_shift(width(density, edges), mag, source_pdf_width, source_mag_i),
    }


def choose(candidates: pd.DataFrame) -> Hashable:
    """Return the best of several trainings by the rule stated here beforehand.

    The least ``validation_loss + |width_shift|``: the cross-entropy on held-out source galaxies,
    which an adaptation must not spoil, plus how far PDFs in the target are from those of such
    galaxies. Both are in nats: a PDF wider by a factor e has an entropy higher by one. No label
    of the target enters. The trainings must share source, labels, redshift bins and
    validation sample. A training without a finite score is never chosen.

    Parameters
    ----------
    candidates : pandas.DataFrame
        One row per training, with columns ``validation_loss`` and ``width_shift``.

    Returns
    -------
    hashable
        Label of the row; the first of equals.

    Raises
    ------
    InputError
        If a column is missing or no row has a finite score.

    Examples
    --------
    >>> table = {"validation_loss": [3.10, 3.15, 3.00], "width_shift": [0.40, 0.10, np.nan]}
    >>> choose(pd.DataFrame(table, index=["v0", "v2", "diverged"]))
    'v2'
    """
    missing = [c for c in ("validation_loss", "width_shift") if c not in candidates]
    if missing:
        raise InputError(f"the candidates have no column {missing[0]!r}; add it")
    score = candidates["validation_loss"] + candidates["width_shift"].abs()
    finite = np.flatnonzero(np.isfinite(score))
    if not len(finite):
        raise InputError(
            f"none of {len(candidates)} candidates has a finite validation_loss and width_shift; "
            "train again"
        )
    best: Hashable = candidates.index[finite[np.argmin(score.iloc[finite])]]
    return best


def _normalised(pmf: ArrayLike) -> FloatArray:
    mass = np.asarray(pmf, dtype=np.float64)
    total = mass.sum(axis=1, keepdims=True)
    bad = np.count_nonzero(~(total > 0) | ~np.isfinite(total))
    if bad or not len(mass):
        raise InputError(
            f"{bad} of {len(mass)} PDFs are NaN or without probability; give usable objects alone"
        )
    normalised: FloatArray = mass / total
    return normalised


def _entropy(mass: FloatArray) -> FloatArray:
    entropy: FloatArray = -np.sum(mass * np.log(np.where(mass > 0, mass, 1)), axis=-1)
    return entropy


def _log_widths(pdf_width: ArrayLike, mag_i: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return ln PDFw and magnitude where both are known, from bright to faint."""
    widths, mag = np.asarray(pdf_width, np.float64), np.asarray(mag_i, np.float64)
    known = np.flatnonzero(np.isfinite(mag) & (widths > 0))
    known = known[np.argsort(mag[known])]
    return np.log(widths[known]), mag[known]
