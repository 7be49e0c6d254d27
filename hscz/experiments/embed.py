"""What a layer's maps show of galaxies: of their redshift, and of the field they come from.

Vectors of activations become principal components, and these are scored: by silhouettes
(Rousseeuw 1987), and by how well a classifier distinguishes the two fields. UMAP (McInnes et al.
2018) and t-SNE (van der Maaten & Hinton 2008) lay the components out on a plane, to look at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hscz.errors import ConfigError, InputError
from hscz.evaluate.calibration import binomial_error
from hscz.extras import needed_by, require

FloatArray = NDArray[np.float64]

COMPONENTS = 50
"""Principal components kept, where there are as many."""

HALVES = 30
"""Random halves of the objects whose scatter is the error of a silhouette."""

FOLDS = 5
"""Parts of the objects, each classified by a classifier that has learnt from the others."""

NEIGHBOURS = 15
"""Neighbours that UMAP looks at; its default."""

METHODS = ("pca", "umap", "tsne")
"""Ways to the plane."""

CLASSIFIERS = ("linear", "curved")
"""Classifiers of fields: logistic regression, or a support vector machine with a Gaussian
kernel, whose border may be curved."""


def principal(vectors: ArrayLike, n_components: int = COMPONENTS, seed: int = 1) -> FloatArray:
    """Return the principal components of vectors, every entry scaled to unit variance first.

    Parameters
    ----------
    vectors : array_like, shape (n, m)
        Entries that are the same for all objects have no part in it.
    n_components : int
        Fewer are returned where n or m is smaller.
    seed : int
        Of the randomised decomposition, which large sets of vectors get.

    Returns
    -------
    ndarray, shape (n, min(n, m, n_components))
        The component of largest variance first.

    Raises
    ------
    ConfigError
        If scikit-learn is not installed.
    InputError
        If a vector is not finite, or all are the same.

    Examples
    --------
    >>> t = np.linspace(-1, 1, 100)
    >>> principal(np.column_stack([t, 2 * t, 0 * t]), 1).std().round(3)
    np.float64(1.414)
    """
    x = np.asarray(vectors, np.float64)
    if x.ndim != 2 or not np.isfinite(x).all():
        raise InputError(f"activations of shape {x.shape} are not all finite; train again")
    spread = x.std(axis=0)
    alive = spread > 1e-9 * (np.abs(x).max(axis=0) + 1e-30)
    if not alive.any():
        raise InputError(f"{len(x)} objects have the same activations; there is nothing to see")
    x = (x[:, alive] - x[:, alive].mean(axis=0)) / spread[alive]
    with needed_by("principal components"):
        from sklearn.decomposition import PCA
    found = PCA(min(n_components, *x.shape), random_state=seed).fit_transform(x)
    return np.asarray(found, np.float64)


def plane(components: ArrayLike, method: str = "umap", seed: int = 1) -> FloatArray:
    """Lay objects out on a plane, neighbours beside each other.

    Parameters
    ----------
    components : array_like, shape (n, m)
        From `principal`.
    method : str
        One of `METHODS`; ``pca`` takes the first two components.
    seed : int

    Returns
    -------
    ndarray, shape (n, 2)

    Raises
    ------
    ConfigError
        If the method is unknown or its package is not installed.
    InputError
        If there are too few objects or components.

    Examples
    --------
    >>> plane(np.eye(60), "pca").shape
    (60, 2)
    """
    check_method(method)
    x = np.asarray(components, np.float64)
    if len(x) <= 2 * NEIGHBOURS or x.shape[1] < 2:
        raise InputError(
            f"{len(x)} objects with {x.shape[1]} components do not fill a plane; give more than "
            f"{2 * NEIGHBOURS} objects and a layer of two maps or more"
        )
    if method == "pca":
        return x[:, :2]
    with needed_by(f"embed.method {method!r}"):
        if method == "umap":
            found = _umap(x, seed)
        else:
            from openTSNE import TSNE

            found = TSNE(perplexity=min(30, len(x) / 4), random_state=seed).fit(x)
    return np.asarray(found, np.float64)


def check_method(method: str) -> None:
    """Refuse a way to the plane that is unknown or not installed, before the work begins.

    Raises
    ------
    ConfigError
    """
    if method not in METHODS:
        raise ConfigError(f"embed.method is {method!r}; use {', '.join(METHODS)}")
    require(f"embed.method {method!r}", {"umap": "umap", "tsne": "openTSNE"}.get(method, "sklearn"))


def silhouette(components: ArrayLike, groups: ArrayLike, seed: int = 1) -> tuple[float, float]:
    """Return the mean silhouette of objects in their groups, and its error.

    The silhouette of an object is (b - a) / max(a, b), with a its mean distance to the others of
    its own group and b that to the nearest other group: 1 where groups are far apart, 0 where
    they lie on each other, below 0 where another group is nearer than one's own. Bins of a
    quantity that changes smoothly touch each other, so theirs is small at best.

    Parameters
    ----------
    components : array_like, shape (n, m)
    groups : array_like of int, shape (n,)
        Negative where an object belongs to none.
    seed : int
        Of the random halves. Their scatter is the error: a bootstrap would draw objects twice,
        at distance 0 from themselves.

    Returns
    -------
    tuple of float
        NaN where there are fewer than two groups of two objects.

    Examples
    --------
    >>> places = np.repeat([[0.0], [10.0]], 50, axis=0) + np.linspace(0, 1, 100)[:, None] % 0.5
    >>> value, error = silhouette(places, np.repeat([0, 1], 50))
    >>> bool(value > 0.9 and error < 0.02)
    True
    """
    with needed_by("silhouettes"):
        from sklearn.metrics import pairwise_distances
    labels = np.asarray(groups, np.int64)
    inside = labels >= 0
    labels = labels[inside]
    distance = pairwise_distances(np.asarray(components, np.float64)[inside])
    if _groups_of_two(labels) < 2:
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(len(labels))[: len(labels) // 2] for _ in range(HALVES)]
    halves = [_silhouette(distance[np.ix_(half, half)], labels[half]) for half in rows]
    # Objects drawn without replacement: half of them scatter about all as all do about the truth.
    whole = [value for value in halves if np.isfinite(value)]
    error = float(np.std(whole, ddof=1)) if len(whole) > 1 else np.nan
    return _silhouette(distance, labels), error


def classifier_accuracy(
    components: ArrayLike, is_second: ArrayLike, classifier: str = "linear", seed: int = 1
) -> tuple[float, float]:
    """Return the share of objects whose field a classifier gets right, and its error.

    Each object is judged by a classifier that has learnt from other objects (5 parts).

    Parameters
    ----------
    components : array_like, shape (n, m)
    is_second : array_like of bool, shape (n,)
        Which of two fields; as many of either, so that 0.5 means they cannot be distinguished.
    classifier : str
        One of `CLASSIFIERS`. A network that normalises each field by its own statistics gives
        both nearly the same mean, which leaves little to a linear one; the shapes may differ.
    seed : int
        Of the parts.

    Returns
    -------
    tuple of float
        The error is that of a share of n objects.

    Raises
    ------
    ConfigError
        If scikit-learn is not installed.
    InputError
        If one field has fewer objects than there are parts.

    Examples
    --------
    >>> x = np.random.default_rng(1).normal(size=(400, 2))
    >>> second = np.arange(400) % 2 == 1
    >>> abs(classifier_accuracy(x, second)[0] - 0.5) < 0.1
    True
    >>> share, error = classifier_accuracy(x + 9 * second[:, None], second)
    >>> share, round(error, 4)
    (1.0, 0.0012)
    """
    with needed_by("classifiers"):
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold, cross_val_predict
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC
    second = np.asarray(is_second, bool)
    if min(second.sum(), (~second).sum()) < FOLDS:
        raise InputError(f"{len(second)} objects, too few of one field; give {FOLDS} or more")
    model = LogisticRegression(max_iter=2000) if classifier == "linear" else SVC()
    model = make_pipeline(StandardScaler(), model)
    parts = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    said = cross_val_predict(model, np.asarray(components, np.float64), second, cv=parts)
    share = float((said == second).mean())
    return share, float(binomial_error(share, len(second)))


def _umap(x: FloatArray, seed: int) -> NDArray[np.floating[Any]]:
    import warnings

    with warnings.catch_warnings():
        # It says that tensorflow, which only its other classes use, is absent, and which of its
        # functions are compiled anew each time.
        warnings.simplefilter("ignore")
        from umap import UMAP
    # A seed takes one thread; the layout starts from the components, so that it is stable.
    return UMAP(n_neighbors=NEIGHBOURS, init="pca", random_state=seed, n_jobs=1).fit_transform(x)


def _silhouette(distance: FloatArray, labels: NDArray[np.int64]) -> float:
    from sklearn.metrics import silhouette_score

    if _groups_of_two(labels) < 2:
        return np.nan
    return float(silhouette_score(distance, labels, metric="precomputed"))


def _groups_of_two(labels: NDArray[np.int64]) -> int:
    return int((np.unique(labels, return_counts=True)[1] > 1).sum())
