"""Field store and models to PDF cube, block by block, on Dask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dask
import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hscz import pdf, stores
from hscz.config import PredictConfig, RunConfig
from hscz.configfile import fingerprint
from hscz.ensemble import Ensemble, check_fit, common_grid, mean_pdf, usable_rows, written_ns
from hscz.errors import ConfigError
from hscz.progress import show_progress
from hscz.schema import FIELD_STORE, LABEL_COLUMNS, PDF_CUBE, describe
from hscz.tables.match import match_one_to_one
from hscz.zgrid import RedshiftGrid

if TYPE_CHECKING:
    from hscz.learn.model import Model


def predict(
    store: xr.Dataset, models: Sequence[Model], settings: PredictConfig | None = None
) -> xr.Dataset:
    """Return the PDF cube of a field store, lazily.

    Parameters
    ----------
    store : xarray.Dataset
        Field store with Dask arrays, as `hscz.stores.open_field` gives it.
    models : sequence of Model
        One network, or an ensemble whose densities are averaged.
    settings : PredictConfig, optional

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
    grid = common_grid(models)
    bands = check_fit(store, models, "field store", settings)
    image = pick_bands(store["image"].data, bands).rechunk({0: settings.block, 1: -1, 2: -1, 3: -1})
    usable = usable_rows(store["flags"].data).rechunk(settings.block)
    density = da.map_blocks(
        mean_pdf,
        image,
        usable[:, None, None, None],
        None,
        models=list(models),
        settings=settings,
        where="field store",
        dtype=np.float32,
        drop_axis=[2, 3],
        chunks=(image.chunks[0], (len(grid),)),
    )
    points = _point_arrays(density, grid)
    columns = {name: ("object", array) for name, array in points.items()}
    columns |= {"flags": ("object", store["flags"].data)}
    return describe(
        _cube(store, grid).assign(columns).assign(pdf=(("object", "z"), density)), PDF_CUBE
    )


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
    from hscz.learn.train import usable_models

    path, settings = config.cube(name), config.predict
    store_path = config.field_store(name)
    store = stores.open_field(store_path, lazy=False)
    ensemble = Ensemble.of(usable_models(config), settings, store_path)
    models = ensemble.load()
    grid = common_grid(models)
    check_fit(store, models, str(store_path), settings)
    n = store.sizes["object"]
    cube = _cube(store, grid).assign(flags=store["flags"].load())
    learnt = _in_training(store, ensemble.folders)
    cube = cube.assign_coords(in_training=("object", learnt.all(axis=0)))
    cube["in_training"].attrs["long_name"] = "in the training part of every model"
    note = stores.provenance(models=ensemble.folders, store=str(store_path))
    cube.attrs["provenance"] = json.dumps(note)
    blocks = {f"{start}-{settings.block}": start for start in range(0, n, settings.block)}
    stores.create(path, cube, _bulk(n, grid), predict_key(config, name), list(blocks))
    done = stores.done_blocks(path)
    tasks = [
        dask.delayed(_predict_and_write, pure=False)(
            store_path, path, start, block, ensemble, learnt[:, start : start + settings.block]
        )
        for block, start in blocks.items()
        if block not in done
    ]
    with _torch_threads_kept(), show_progress(f"predict {name}", progress):
        dask.compute(*tasks)
    return stores.commit(path, PDF_CUBE)


def predict_key(config: RunConfig, name: str) -> str:
    """Return the fingerprint of what a field's cube is made from."""
    settings = config.predict
    folders = tuple(str(folder) for folder in config.models)
    attrs = stores.attributes(config.field_store(name))
    inputs = [attrs.get("fingerprint"), attrs.get("labels")]
    how = [settings.precision, settings.renormalise, settings.stand_in]
    return fingerprint(how, inputs, list(folders), list(written_ns(folders)))


def _in_training(store: xr.Dataset, folders: Sequence[str]) -> NDArray[np.bool_]:
    """Return which objects lie in the training part of each model, shape (models, objects).

    They are found by position: identifiers of different catalogues may be the same number, and
    a galaxy in the overlap of two fields has two.
    """
    from hscz.learn.model import training_part

    found = np.zeros((len(folders), store.sizes["object"]), dtype=bool)
    for model, folder in zip(found, folders, strict=True):
        seen = training_part(folder)
        rows, _, _ = match_one_to_one(store["ra"], store["dec"], seen["ra"], seen["dec"])
        model[rows] = True
    return found


def _predict_and_write(
    store_path: Path,
    path: Path,
    start: int,
    block: str,
    ensemble: Ensemble,
    learnt: NDArray[np.bool_],
) -> None:
    """Predict one block from store to cube: the body of one Dask task."""
    import torch

    from hscz.learn.loader import pick_bands

    # Blocks already run side by side; threads inside each would fight over the cores.
    torch.set_num_threads(1)
    models, settings = ensemble.load(), ensemble.settings
    store = stores.open_field(store_path, lazy=False)
    bands = check_fit(store, models, str(store_path), settings)
    store = store.isel(object=slice(start, start + settings.block))
    image = pick_bands(store["image"].values, bands)
    usable = usable_rows(store["flags"].values)
    density = mean_pdf(image, usable, learnt, models, settings, str(store_path))
    points = pdf.summarise(density, models[0].grid.edges)
    stores.write_rows(path, start, {"pdf": density, **points}, block)


def _cube(store: xr.Dataset, grid: RedshiftGrid) -> xr.Dataset:
    """Return the cube's coordinates: the store's columns and the redshift bins."""
    names = {name for name in FIELD_STORE if FIELD_STORE[name].dims == ("object",)} - {"flags"}
    names |= {name for name in (*LABEL_COLUMNS, "tile") if name in store.variables}
    coordinates = {name: ("object", store[name].values) for name in sorted(names)}
    z = ("z", grid.centres, {"bounds": "z_edges"})
    cube = xr.Dataset({"z_edges": ("z_edge", grid.edges)}, coords=coordinates | {"z": z})
    return describe(cube, PDF_CUBE)


def _bulk(n: int, grid: RedshiftGrid) -> dict[str, xr.Variable]:
    shape = (n, len(grid))
    density = xr.Variable(("object", "z"), da.zeros(shape, dtype="float32", chunks=shape))
    example = pdf.summarise(np.full((1, len(grid)), np.nan, np.float32), grid.edges)
    return {"pdf": density} | {
        name: xr.Variable("object", da.zeros(n, dtype=value.dtype, chunks=n))
        for name, value in example.items()
    }


def _point_arrays(density: da.Array, grid: RedshiftGrid) -> dict[str, da.Array]:
    """Return the point columns of lazy densities, one pass over each block."""
    example = pdf.summarise(np.full((1, len(grid)), np.nan, np.float32), grid.edges)
    blocks = [
        dask.delayed(pdf.summarise)(block, grid.edges) for block in density.to_delayed()[:, 0]
    ]
    return {
        name: da.concatenate(
            [
                da.from_delayed(block[name], (rows,), value.dtype)
                for block, rows in zip(blocks, density.chunks[0], strict=True)
            ]
        )
        for name, value in example.items()
    }


@contextmanager
def _torch_threads_kept() -> Iterator[None]:
    """Give the caller's process its number of torch threads back afterwards."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
