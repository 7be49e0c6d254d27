"""Several networks as one: loaded once in each process, averaged object by object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hscz import pdf, stores
from hscz.config import PredictConfig
from hscz.errors import StoreError, about
from hscz.learn.folder import ModelFolder
from hscz.pdf.grid import RedshiftGrid
from hscz.schema import central_pixels, is_usable
from hscz.tables.match import match_one_to_one

if TYPE_CHECKING:
    import torch

    from hscz.learn.model import Model

RENORMALISE_ON = 4096
"""Random stamps of a field on which the statistics of normalisation layers are measured."""

RENORMALISE_BATCH = 512
"""So many at a time, whatever `PredictConfig.batch_size` is: each layer is measured on what a batch
normalised by itself gives, so the statistics depend on it."""


@dataclass(frozen=True)
class Ensemble:
    """The models of a cube by their folders, loaded once in each process.

    `times` makes retrained weights another ensemble; `field` is the store on which the
    statistics of the normalisation layers are measured, where models need or settings want that,
    `ingested` makes a store that was made again another one, and `scale` says what its stamps are
    multiplied by in bands whose zero point is off.
    """

    folders: tuple[str, ...]
    times: tuple[int, ...]
    settings: PredictConfig
    field: Path
    ingested: tuple[str | None, ...]
    scale: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(
        cls,
        folders: Sequence[Path],
        settings: PredictConfig,
        field: Path,
        scale: Mapping[str, float] | None = None,
    ) -> Ensemble:
        """Describe the models in `folders`, to be used on the field store `field`."""
        names = tuple(str(folder) for folder in folders)
        ingested, scales = tuple(stores.identity(field)), tuple((scale or {}).items())
        return cls(names, written_ns(names), settings, field, ingested, scales)

    def __hash__(self) -> int:
        return hash((self.folders, self.times, self.field, self.settings.device))

    def load(self) -> list[Model]:
        """Return the models, on the device of the settings."""
        return _load(self)


@lru_cache(maxsize=4)
def _load(ensemble: Ensemble) -> list[Model]:
    from hscz.learn.model import Model
    from hscz.learn.trainer import choose_device

    device = choose_device(ensemble.settings.device)
    models = [Model.load(folder, device) for folder in ensemble.folders]
    for model in models:
        if ensemble.settings.renormalise or model.needs_statistics:
            _measure(model, ensemble, device)
    return models


def _measure(model: Model, ensemble: Ensemble, device: torch.device) -> None:
    """Give a model the statistics of its normalisation layers on a field's own stamps."""
    import torch

    store = stores.open_field(ensemble.field, lazy=False)
    rows = np.flatnonzero(is_usable(store["flags"].values))
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:RENORMALISE_ON])
    with about(ensemble.field):
        images = read_rows(store, rows, [model], ensemble.settings, dict(ensemble.scale))
    batches = torch.from_numpy(images).split(RENORMALISE_BATCH)
    model.measure(batch.to(device).float() for batch in batches)


def read_rows(
    store: xr.Dataset,
    rows: NDArray[np.int64],
    models: Sequence[Model],
    settings: PredictConfig,
    scale: Mapping[str, float] | None = None,
) -> NDArray[np.float16]:
    """Return the stamps of sorted, usable rows as networks want them, read chunk by chunk."""
    from hscz.learn.loader import read_stamps

    bands = check_fit(store, models, settings)
    side = max(model.network_config.input_px for model in models)
    image = np.empty((len(rows), len(bands), side, side), np.float16)
    read_stamps(store, rows, bands, image, models[0].optional)
    return scaled(image, fed_bands(models[0], settings), scale or {})


def scaled(
    image: NDArray[np.float16], bands: Sequence[str], scale: Mapping[str, float]
) -> NDArray[np.float16]:
    """Return stamps (n, band, y, x) multiplied by what some bands ask for, if any does.

    Examples
    --------
    >>> scaled(np.ones((1, 2, 1, 1), np.float16), ["g", "i"], {"i": 1.25}).ravel().tolist()
    [1.0, 1.25]
    """
    factor = np.array([scale.get(band, 1.0) for band in bands], np.float32)
    if (factor == 1).all():
        return image
    largest = np.finfo(np.float16).max
    return (image * factor[:, None, None]).clip(-largest, largest).astype(np.float16)


def mean_pdf(
    image: NDArray[np.float16],
    usable: NDArray[np.bool_],
    learnt: NDArray[np.bool_] | None,
    models: Sequence[Model],
    settings: PredictConfig,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the ensemble's densities, NaN where the stamp must not reach a network.

    An object gets the mean over the models that have not `learnt` from it, or over all where
    every one has. Beside it stands how far apart these models' medians are, over 1 + z.
    """
    total = np.zeros((len(image), len(models[0].grid)))
    count = np.zeros(len(image))
    low, high = np.full(len(image), np.inf), np.full(len(image), -np.inf)
    if learnt is None:
        learnt = np.zeros((len(models), len(image)), dtype=bool)
    asked = usable & (~learnt | learnt.all(axis=0))
    for model, wanted in zip(models, asked, strict=True):
        rows = np.flatnonzero(wanted)
        for start in range(0, len(rows), settings.batch_size):
            batch = rows[start : start + settings.batch_size]
            density = _pdf(model, image[batch], settings)
            total[batch] += density
            count[batch] += 1
            middle = pdf.median(density, model.grid.edges)
            low[batch] = np.minimum(low[batch], middle)
            high[batch] = np.maximum(high[batch], middle)
    low[count == 0] = high[count == 0] = np.nan
    spread = (high - low) / (1 + 0.5 * (high + low))
    return (total / np.where(count, count, np.nan)[:, None]).astype(np.float32), spread


def _pdf(model: Model, image: NDArray[np.float16], settings: PredictConfig) -> NDArray[np.float32]:
    import torch

    from hscz.learn.loader import check_finite
    from hscz.learn.steps import autocast
    from hscz.learn.trainer import choose_device

    device = choose_device(settings.device)
    middle = central_pixels(image.shape[-1], model.network_config.input_px)
    stamps = image[..., middle, middle]
    batch = torch.from_numpy(np.ascontiguousarray(stamps)).to(device).float()
    batch = batch.contiguous(memory_format=torch.channels_last)
    with autocast(settings.precision, device):
        density = model.pdf(batch, settings.turns)
    # A redshift may be missing only where a flag says why.
    if not np.isfinite(density).all():
        check_finite(stamps, model.bands, model.optional)
        raise StoreError(
            "a network gives a usable stamp no PDF; set predict.precision to "
            "float32, or train again with a lower train.learning_rate"
        )
    return density


def in_training(store: xr.Dataset, folders: Sequence[str]) -> NDArray[np.bool_]:
    """Return which objects lie in the training part of each model, shape (models, objects).

    They are found by position: identifiers of different catalogues may be the same number, and
    a galaxy in the overlap of two fields has two.
    """
    found = np.zeros((len(folders), store.sizes["object"]), dtype=bool)
    for model, folder in zip(found, folders, strict=True):
        seen = ModelFolder(Path(folder)).training_part()
        rows, _, _ = match_one_to_one(store["ra"], store["dec"], seen["ra"], seen["dec"])
        model[rows] = True
    return found


def written_ns(folders: Sequence[str]) -> tuple[int, ...]:
    """Return when the weights of models were written; 0 where there are none."""
    return tuple(ModelFolder(Path(folder)).written_ns for folder in folders)


def common_grid(models: Sequence[Model]) -> RedshiftGrid:
    """Return the redshift bins that models share.

    Raises
    ------
    StoreError
        If they differ in bins or bands.
    """
    first = models[0]
    for model in models[1:]:
        if model.grid != first.grid or model.bands != first.bands:
            raise StoreError(
                f"models of an ensemble must share bands and redshift bins; one has "
                f"{', '.join(first.bands)} in {len(first.grid)} bins, another "
                f"{', '.join(model.bands)} in {len(model.grid)}; predict them separately"
            )
    return first.grid


def check_fit(store: xr.Dataset, models: Sequence[Model], settings: PredictConfig) -> list[int]:
    """Return where the models' bands stand in a store whose stamps are large enough.

    Optional bands that the store lacks stand at -1, as `hscz.learn.loader.pick_bands` wants it.
    """
    from hscz.learn.loader import band_index, central

    for model in models:
        central(store, model.network_config.input_px)
    return band_index(store, fed_bands(models[0], settings), models[0].optional)


def fed_bands(model: Model, settings: PredictConfig) -> list[str]:
    """Return the bands of a field that a model is fed with."""
    return [settings.stand_in.get(band, band) for band in model.bands]
