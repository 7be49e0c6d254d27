"""What the layers of a network make of samples of two fields: activations and their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hscz import pdf
from hscz.config import PredictConfig
from hscz.errors import StoreError
from hscz.experiments.embed import CLASSIFIERS, classifier_accuracy, silhouette
from hscz.pdf.grid import bin_of
from hscz.predict.ensemble import read_rows
from hscz.schema import has_redshift, is_usable
from hscz.stores import open_field

if TYPE_CHECKING:
    from hscz.learn.model import Model

Vectors = dict[str, NDArray[np.float32]]

BATCH = 256
"""Stamps shown to a network at once."""

LEAST = 50
"""Objects of a field without which nothing is scored."""


@dataclass(frozen=True)
class Sample:
    """Objects of one field, chosen at random.

    Attributes
    ----------
    field : str
    path : Path
        Its store.
    rows : ndarray of int, shape (n,)
        Sorted rows of the store.
    table : pandas.DataFrame
        ``object_id``, ``mag_i`` and ``z_known``, NaN where no redshift is known.
    known : str
        The column of the store that ``z_known`` is.
    """

    field: str
    path: Path
    rows: NDArray[np.int64]
    table: pd.DataFrame
    known: str

    def thinned(self, n: int, seed: int) -> Sample:
        """Return n of the objects, drawn at random."""
        kept = np.sort(np.random.default_rng(seed).permutation(len(self.rows))[:n])
        table = self.table.iloc[kept].reset_index(drop=True)
        return replace(self, rows=self.rows[kept], table=table)


@dataclass(frozen=True)
class Seen:
    """What a network makes of a sample.

    Attributes
    ----------
    vectors : dict of str to ndarray, shape (n, m)
        Activations by layer, first to last.
    z_median : ndarray, shape (n,)
        Medians of its PDFs.
    """

    vectors: Vectors
    z_median: NDArray[np.float64]


def activations(
    model: Model,
    store: xr.Dataset,
    rows: NDArray[np.int64],
    cells: int = 1,
    settings: PredictConfig | None = None,
    scale: Mapping[str, float] | None = None,
) -> Seen:
    """Return the activations of every layer of a network for objects of a field store.

    Each map is averaged in ``cells`` x ``cells`` squares, and the means of all maps make the
    vector of an object: with 1 the mean of each map, with as many as pixels the maps themselves.

    Parameters
    ----------
    model : Model
        Ready to be used on the field (`hscz.predict.ensemble.Ensemble.load`).
    store : xarray.Dataset
        Field store opened without Dask (``lazy=False``).
    rows : ndarray of int
        Sorted rows of usable objects.
    cells : int
        Squares along the side of a map; smaller maps stay as they are.
    settings : PredictConfig, optional
        Which bands stand in for others.
    scale : mapping of str to float, optional
        What stamps are multiplied by in bands whose zero point is off.

    Raises
    ------
    StoreError
        If the store lacks a band or its stamps are too small.
    """
    import torch
    from torch.nn.functional import adaptive_avg_pool2d

    settings = settings or PredictConfig()
    parts: dict[str, list[NDArray[np.float32]]] = {n: [] for n in model.network.layer_names}
    medians = []
    device = next(model.network.parameters()).device
    for some in np.array_split(rows, -(-len(rows) // BATCH) or 1):
        stamps = read_rows(store, some, [model], settings, scale)
        images = torch.from_numpy(stamps).to(device).float()
        with torch.inference_mode():
            maps = model.network.scaling(images)
            for name, layer in model.network.body.named_children():
                maps = layer(maps)
                means = adaptive_avg_pool2d(maps, min(cells, maps.shape[-1]))
                parts[name].append(means.flatten(1).cpu().numpy())
        medians.append(pdf.median(model.pdf(images), model.grid.edges))
    vectors = {name: np.concatenate(found) for name, found in parts.items()}
    return Seen(vectors, np.concatenate(medians))


def draw_sample(
    path: Path, n: int, seed: int, leave_out: ArrayLike = False, known: str = "z_label"
) -> Sample:
    """Draw usable objects of a field store at random.

    Parameters
    ----------
    path : Path
        Field store.
    n : int
        All are taken where there are fewer.
    seed : int
    leave_out : array_like of bool, shape (objects of the store,)
        Which objects must not be drawn.
    known : str
        Column of the redshifts; those of simulations are ``z_true`` where the store has it.

    Raises
    ------
    StoreError
        If too few objects are left.
    """
    store = open_field(path, lazy=False)
    free = is_usable(store["flags"].values) & ~np.asarray(leave_out, bool)
    rows = np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(free))[:n])
    if len(rows) < LEAST:
        raise StoreError(
            f"{path}: has {len(rows)} usable objects outside the training set, too few to look "
            f"at layers through; give a field of {LEAST} or more"
        )
    known = "z_true" if "z_true" in store else known
    z = store[known].values[rows] if known in store else np.full(len(rows), np.nan)
    table = {"object_id": store["object_id"].values[rows], "mag_i": store["mag_i"].values[rows]}
    return Sample(path.stem, path, rows, pd.DataFrame(table | {"z_known": z}), known)


def score(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    z_source: NDArray[np.floating],
    z_target: NDArray[np.floating],
    z_edges: Sequence[float],
    seed: int = 1,
) -> dict[str, float]:
    """Score what a layer makes of two fields.

    Parameters
    ----------
    source, target : ndarray, shape (n, m)
        Components of as many objects of either field.
    z_source, z_target : ndarray, shape (n,)
        Redshifts, not positive or NaN where unknown.
    z_edges : sequence of float
        Bins of redshift.
    seed : int

    Returns
    -------
    dict of str to float
        ``silhouette_z_source`` and ``silhouette_z_target`` (by bins of redshift, within each
        field, and the numbers ``n_z_source`` and ``n_z_target`` of objects they rest on),
        ``silhouette_field``, ``field_linear`` and ``field_curved`` (see
        `hscz.experiments.embed.classifier_accuracy`), each with its ``_err``.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> z = rng.uniform(0.1, 2, 200)
    >>> place = np.column_stack([z, rng.normal(size=200)])
    >>> found = score(place, place + [9, 0], z, z, [0, 1, 2])
    >>> found["field_linear"], found["silhouette_z_source"] > 0.1
    (1.0, True)
    """
    found: dict[str, float] = {}
    for name, places, z in (("source", source, z_source), ("target", target, z_target)):
        bins = redshift_bins(z, z_edges)
        found[f"n_z_{name}"] = int((bins >= 0).sum())
        found |= _with_error(f"silhouette_z_{name}", silhouette(places, bins, seed))
    both, second = np.concatenate([source, target]), np.arange(2 * len(source)) >= len(source)
    found |= _with_error("silhouette_field", silhouette(both, second, seed))
    for kind in CLASSIFIERS:
        found |= _with_error(f"field_{kind}", classifier_accuracy(both, second, kind, seed))
    return found


def redshift_bins(z: NDArray[np.floating], edges: Sequence[float]) -> NDArray[np.int64]:
    """Return the bin of each redshift, -1 where it is unknown or outside.

    Examples
    --------
    >>> redshift_bins(np.array([0.2, 1.5, 9, np.nan, 0]), [0, 1, 2]).tolist()
    [0, 1, -1, -1, -1]
    """
    return np.where(has_redshift(z), bin_of(z, edges), -1)


def _with_error(name: str, value: tuple[float, float]) -> dict[str, float]:
    return {name: value[0], f"{name}_err": value[1]}
