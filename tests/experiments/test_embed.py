"""Scores of activations whose answers are known, and planes."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.metrics import silhouette_score

from hscz.errors import ConfigError, InputError
from hscz.experiments.embed import classifier_accuracy, plane, principal, silhouette


def blobs(n: int = 60, apart: float = 8.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Three clouds in five dimensions, and which one a point belongs to."""
    group = np.arange(n) % 3
    noise = np.random.default_rng(seed).normal(size=(n, 5))
    return noise + apart * np.eye(5)[group], group


def test_components_do_not_depend_on_units_or_dead_maps() -> None:
    x, _ = blobs()
    scaled = np.column_stack([x * [1, 1e3, 1e-3, 1, 7], np.full(len(x), 0.3)])
    np.testing.assert_allclose(np.abs(principal(scaled)), np.abs(principal(x)), atol=1e-9)
    assert principal(x, 2).shape == (60, 2)
    whole, standard = principal(x), (x - x.mean(0)) / x.std(0)
    np.testing.assert_allclose(
        np.linalg.norm(whole[0] - whole[1]), np.linalg.norm(standard[0] - standard[1])
    )


def test_components_need_something_to_see() -> None:
    with pytest.raises(InputError, match="4 objects have the same activations"):
        principal(np.ones((4, 3)))
    with pytest.raises(InputError, match=r"shape \(2, 1\) are not all finite"):
        principal([[1.0], [np.nan]])


def test_silhouette_is_that_of_scikit_learn() -> None:
    x, group = blobs(apart=2)
    outside = np.where(np.arange(60) < 6, -1, group)
    value, error = silhouette(x, outside)
    assert value == pytest.approx(silhouette_score(x[6:], group[6:]))
    assert 0 < error < 0.1
    assert silhouette(x, outside) == (value, error)
    assert np.isnan(silhouette(x, np.zeros(60))).all()
    assert np.isfinite(silhouette(x[:4], [0, 1, 0, 1])[0])


def test_error_of_silhouette_is_the_scatter_of_samples() -> None:
    found = np.array([silhouette(*blobs(150, 2.0, seed)) for seed in range(40)])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.4)


def test_fields_that_differ_in_shape_alone_escape_a_linear_classifier() -> None:
    second = np.arange(600) % 2 == 1
    x = np.random.default_rng(2).normal(size=(600, 3)) * np.where(second, 3.0, 1.0)[:, None]
    linear, curved = (classifier_accuracy(x, second, kind) for kind in ("linear", "curved"))
    assert abs(linear[0] - 0.5) < 4 * linear[1]
    assert curved[0] > 0.8
    assert linear[1] == pytest.approx(0.5 / np.sqrt(600), rel=0.05)
    x[:, 0] += 4 * second
    assert classifier_accuracy(x, second)[0] > 0.8


def test_labels_without_meaning_cannot_be_told() -> None:
    x, _ = blobs(400)
    second = np.random.default_rng(5).permutation(400) < 200
    for kind in ("linear", "curved"):
        share, error = classifier_accuracy(x, second, kind)
        assert abs(share - 0.5) < 4 * error
    with pytest.raises(InputError, match="400 objects, too few of one field; give 5 or more"):
        classifier_accuracy(x, np.arange(400) < 3)


@pytest.mark.parametrize(("method", "package"), [("pca", "sklearn"), ("tsne", "openTSNE")])
def test_planes_keep_clouds_apart(method: str, package: str) -> None:
    pytest.importorskip(package)
    x, group = blobs(120)
    places = plane(principal(x), method, seed=3)
    assert places.shape == (120, 2)
    assert silhouette(places, group)[0] > 0.7
    np.testing.assert_array_equal(places, plane(principal(x), method, seed=3))


def test_umap_keeps_clouds_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("umap") is None:
        pytest.skip("needs umap-learn, of the extra embed")
    numba = pytest.importorskip("numba")
    # Compiling takes longer than running so few points without.
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    x, group = blobs(45)
    places = plane(principal(x), "umap", seed=3)
    assert silhouette(places, group)[0] > 0.7
    np.testing.assert_array_equal(places, plane(principal(x), "umap", seed=3))


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = blobs()
    with pytest.raises(ConfigError, match=r"embed.method is 'isomap'; use pca, umap, tsne"):
        plane(x, "isomap")
    with pytest.raises(InputError, match="20 objects with 5 components do not fill a plane"):
        plane(x[:20], "pca")
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ConfigError, match=r"'umap' needs umap, .* pip install 'hscz\[embed\]'"):
        plane(x, "umap")
    assert plane(x, "pca").shape == (60, 2)
