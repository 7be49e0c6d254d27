"""Field store and models to PDF cube, block by block, on Dask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hscz import pdf, stores
from hscz.config import PredictConfig, RunConfig
from hscz.config.decisive import key_of
from hscz.errors import ConfigError, about
from hscz.files.fresh import Key
from hscz.files.lock import at_work
from hscz.ingest.zeropoints import corrects, zero_point_scale, zero_points_key
from hscz.pdf.flags import RULES, catalogue_flags, pdf_flags
from hscz.pdf.grid import RedshiftGrid
from hscz.predict.calibration import calibration_key, calibration_of
from hscz.predict.ensemble import (
    Ensemble,
    check_fit,
    common_grid,
    fed_bands,
    in_training,
    mean_pdf,
    scaled,
)
from hscz.predict.keys import labelled, trained
from hscz.predict.recalibrate import Calibration
from hscz.progress import show_progress
from hscz.schema import FIELD_STORE, LABEL_COLUMNS, PDF_CUBE, describe, is_usable

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from hscz.learn.model import Model


def predict(
    store: xr.Dataset,
    models: Sequence[Model],
    settings: PredictConfig | None = None,
    calibration: Calibration | None = None,
) -> xr.Dataset:
    """Return the PDF cube of a field store, lazily.

    Parameters
    ----------
    store : xarray.Dataset
        Field store with Dask arrays, as `hscz.stores.open_field` gives it.
    models : sequence of Model
        One network, or an ensemble whose densities are averaged.
    settings : PredictConfig, optional
    calibration : Calibration, optional
        To apply after averaging, where ``settings.calibrate`` names one.

    Returns
    -------
    xarray.Dataset
        With the dimensions and variables of `hscz.schema.PDF_CUBE`; the PDFs and what is
        derived from them are Dask arrays of `settings.block` objects a chunk.

    Raises
    ------
    StoreError
        If the models differ in bands or bins, or the store lacks one of their bands.
    """
    from hscz.learn.loader import pick_bands

    settings = settings or PredictConfig()
    if settings.renormalise or any(model.needs_statistics for model in models):
        raise ConfigError(
            "models that are handed over are taken as they are, and these are to be normalised by "
            "the field's own statistics; call model.measure with stamps of the field, and leave "
            "predict.renormalise false"
        )
    if settings.zero_points != "stated":
        raise ConfigError(
            f"predict.zero_points is {settings.zero_points!r}, which needs the source fields of a "
            'run; leave it "stated", and hand over a store whose stamps are right'
        )
    if settings.calibrate != "none" and calibration is None:
        raise ConfigError(
            f"predict.calibrate is {settings.calibrate!r}, but no calibration is handed over; give "
            "that of hscz.predict.calibration.calibration_of"
        )
    grid = common_grid(models)
    with about("field store"):
        bands = check_fit(store, models, settings)
    image = pick_bands(store["image"].data, bands).rechunk({0: settings.block, 1: -1, 2: -1, 3: -1})
    stamp_flags = store["flags"].data.rechunk(settings.block)
    known = _Known.of(store, models)
    predictor = _Predictor(tuple(models), settings, calibration)
    predict_block = dask.delayed(predictor, traverse=False)
    stamps = zip(image.to_delayed().ravel(), stamp_flags.to_delayed(), strict=True)
    starts = _starts(store, settings)
    blocks = [
        predict_block(*each, known.take(slice(start, start + settings.block)))
        for start, each in zip(starts, stamps, strict=True)
    ]
    return _assembled(store, grid, dict(zip(starts, blocks, strict=True)))


def predict_field(config: RunConfig, name: str, progress: bool = True) -> Path:
    """Write the PDF cube of one field with the models of a configuration.

    An unfinished cube of the same store and models goes on where it stopped. On a CPU each
    Dask worker runs the network on one thread, since blocks already run side by side.

    Returns
    -------
    Path
        The cube.

    Raises
    ------
    StoreError
        If the store or a model is absent or unfinished, or they do not fit each other.
    """
    with at_work(config.cube(name)):
        return _predict_field(config, name, progress)


def _predict_field(config: RunConfig, name: str, progress: bool) -> Path:
    from hscz.learn.train import usable_models

    path, settings, key = config.cube(name), config.predict, predict_key(config, name)
    store_path = config.field_store(name)
    store = stores.open_field(store_path, lazy=False)
    scale = zero_point_scale(config, name)
    ensemble = Ensemble.of(usable_models(config), settings, store_path, scale)
    models = ensemble.load()
    grid = common_grid(models)
    with about(store_path):
        check_fit(store, models, settings)
    learnt = in_training(store, ensemble.folders)
    known, calibration = _Known.of(store, models, learnt), calibration_of(config, name)
    blocks = {}
    for start in _starts(store, settings):
        rows = slice(start, start + settings.block)
        predict_rows = dask.delayed(_read_and_predict, pure=False)
        blocks[start] = predict_rows(ensemble, calibration, rows, known.take(rows))
    cube = _assembled(store, grid, blocks)
    cube = cube.assign_coords(in_training=("object", learnt.all(axis=0)))
    cube["in_training"].attrs["long_name"] = "in the training part of every model"
    note = stores.provenance(models=ensemble.folders, store=str(store_path))
    cube.attrs["provenance"] = json.dumps(note)
    cube.attrs["calibration"] = json.dumps(asdict(calibration)) if calibration else "none"
    bulk = {name: cube[name].variable for name in _example(grid)}
    names = {f"{start}-{settings.block}": start for start in blocks}
    stores.create(path, cube.drop_vars(bulk), bulk, key, list(names))
    done = stores.done_blocks(path)
    write_rows = dask.delayed(stores.write_rows, pure=False)
    tasks = [
        write_rows(path, start, blocks[start], block)
        for block, start in names.items()
        if block not in done
    ]
    with _torch_threads_kept(), show_progress(f"predict {name}", progress):
        dask.compute(*tasks)
    return stores.commit(path, PDF_CUBE)


def predict_key(config: RunConfig, name: str) -> Key:
    """Return what a field's cube is made from."""
    inputs = {"train": trained(config.models), **labelled(config, [name])}
    rules: dict[str, Any] = {}
    makers = {
        zero_points_key: corrects(config, name),
        calibration_key: config.predict.calibrate != "none",
    }
    for key in (make(config, name) for make, asked in makers.items() if asked):
        rules |= key.settings
        for kind, some in key.inputs.items():
            inputs[kind] = {**inputs.get(kind, {}), **some}
    whole = key_of(inputs, {"rules of the flags": RULES, **rules}, predict=config.predict)
    # A cube without these was made without what they are of, which the settings say already.
    return replace(whole, defaults={**whole.defaults, **rules})


@dataclass(frozen=True)
class _Known:
    """What is known of objects before a network sees them.

    `learnt` says which models have learnt from each, shape (models, n); None stands for none.
    """

    flags: NDArray[np.int32]
    mag_i: NDArray[np.floating]
    object_id: NDArray[np.int64]
    learnt: NDArray[np.bool_] | None

    @classmethod
    def of(
        cls, store: xr.Dataset, models: Sequence[Model], learnt: NDArray[np.bool_] | None = None
    ) -> _Known:
        ranges = np.array([model.mag_i_range for model in models])
        span = float(ranges[:, 0].min()), float(ranges[:, 1].max())
        mag_i = store["mag_i"].values
        flags = catalogue_flags(store["ra"].values, store["dec"].values, mag_i, span)
        return cls(flags, mag_i, store["object_id"].values, learnt)

    def take(self, rows: slice) -> _Known:
        learnt = None if self.learnt is None else self.learnt[:, rows]
        return _Known(self.flags[rows], self.mag_i[rows], self.object_id[rows], learnt)


@dataclass(frozen=True)
class _Predictor:
    """What every block is predicted with."""

    models: tuple[Model, ...]
    settings: PredictConfig
    calibration: Calibration | None

    def __call__(
        self,
        image: NDArray[np.float16],
        stamp_flags: NDArray[np.int32],
        known: _Known,
    ) -> dict[str, NDArray[Any]]:
        """Return PDFs, point columns and flags of a block, calibrated after averaging."""
        edges, usable = self.models[0].grid.edges, is_usable(stamp_flags)
        density, spread = mean_pdf(image, usable, known.learnt, self.models, self.settings)
        if self.calibration is not None:
            density = self.calibration.apply(density, edges, known.mag_i, known.object_id)
        points = pdf.summarise(density, edges)
        flags = stamp_flags | known.flags | pdf_flags(density, edges, points, spread)
        return {"pdf": density, **points, "flags": flags.astype(np.int32)}


def _read_and_predict(
    ensemble: Ensemble,
    calibration: Calibration | None,
    rows: slice,
    known: _Known,
) -> dict[str, NDArray[Any]]:
    """Return the columns of some rows of the ensemble's field: the body of one Dask task."""
    import torch

    from hscz.learn.loader import pick_bands

    # Blocks already run side by side; threads inside each would fight over the cores.
    torch.set_num_threads(1)
    models, settings = tuple(ensemble.load()), ensemble.settings
    store = stores.open_field(ensemble.field, lazy=False)
    with about(ensemble.field):
        bands = check_fit(store, models, settings)
        store = store.isel(object=rows)
        image = pick_bands(store["image"].values, bands)
        image = scaled(image, fed_bands(models[0], settings), dict(ensemble.scale))
        predictor = _Predictor(models, settings, calibration)
        return predictor(image, store["flags"].values, known)


def _starts(store: xr.Dataset, settings: PredictConfig) -> range:
    """Return the first row of each block."""
    return range(0, max(store.sizes["object"], 1), settings.block)


def _assembled(store: xr.Dataset, grid: RedshiftGrid, blocks: Mapping[int, Delayed]) -> xr.Dataset:
    """Return the cube of a field: the store's columns, the bins, and lazily what blocks give.

    Parameters
    ----------
    store : xarray.Dataset
    grid : RedshiftGrid
    blocks : mapping of int to Delayed
        By first row, the columns that `_Predictor` gives.
    """
    names = {name for name in FIELD_STORE if FIELD_STORE[name].dims == ("object",)} - {"flags"}
    names |= {name for name in (*LABEL_COLUMNS, "tile") if name in store.variables}
    coordinates = {name: ("object", store[name].values) for name in sorted(names)}
    z = ("z", grid.centres, {"bounds": "z_edges"})
    cube = xr.Dataset({"z_edges": ("z_edge", grid.edges)}, coords=coordinates | {"z": z})
    sizes = np.diff([*blocks, store.sizes["object"]]).tolist()
    for name, like in _example(grid).items():
        parts = [
            da.from_delayed(block[name], (size, *like.shape[1:]), like.dtype)
            for block, size in zip(blocks.values(), sizes, strict=True)
        ]
        cube[name] = ("object", "z")[: like.ndim], da.concatenate(parts)
    return describe(cube, PDF_CUBE)


def _example(grid: RedshiftGrid) -> dict[str, NDArray[Any]]:
    """Return one row of everything that is predicted."""
    density = np.full((1, len(grid)), np.nan, np.float32)
    flags = np.zeros(1, np.int32)
    return {"pdf": density, **pdf.summarise(density, grid.edges), "flags": flags}


@contextmanager
def _torch_threads_kept() -> Iterator[None]:
    """Give the caller's process its number of torch threads back afterwards."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
