"""Field store and models to PDF cube, block by block, on Dask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hscz import pdf, stores
from hscz.config import PredictConfig, RunConfig
from hscz.configfile import fingerprint
from hscz.errors import StoreError
from hscz.progress import show_progress
from hscz.schema import FIELD_STORE, LABEL_COLUMNS, PDF_CUBE, Flag, describe
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
    settings = settings or PredictConfig()
    grid = _common_grid(models)
    bands = _check_fit(store, models, "field store")
    image = store["image"].data[:, bands].rechunk({0: settings.block, 1: -1, 2: -1, 3: -1})
    usable = _usable(store["flags"].data).rechunk(settings.block)
    density = da.map_blocks(
        _predict_block,
        image,
        usable[:, None, None, None],
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
    path, settings = config.cube(name), config.predict
    store = stores.open_field(config.field_store(name), lazy=False)
    folders = tuple(str(config.model(run)) for run in range(config.train.runs))
    models = _load(folders, _weight_times(folders), settings.device)
    grid = _common_grid(models)
    bands = tuple(_check_fit(store, models, str(config.field_store(name))))
    n = store.sizes["object"]
    cube = _cube(store, grid).assign(flags=store["flags"].load())
    cube = cube.assign_coords(in_training=("object", _in_training(store, folders)))
    cube["in_training"].attrs["long_name"] = "in the training part of a source field"
    note = stores.provenance(models=folders, store=str(config.field_store(name)))
    cube.attrs["provenance"] = json.dumps(note)
    blocks = {f"{start}-{settings.block}": start for start in range(0, n, settings.block)}
    stores.create(path, cube, _bulk(n, grid), predict_key(config, name), list(blocks))
    done = stores.done_blocks(path)
    tasks = [
        dask.delayed(_predict_and_write, pure=False)(
            config.field_store(name), path, start, block, folders, bands, settings
        )
        for block, start in blocks.items()
        if block not in done
    ]
    with _torch_threads_kept(), show_progress(f"predict {name}", progress):
        dask.compute(*tasks)
    return stores.commit(path, PDF_CUBE)


def predict_key(config: RunConfig, name: str) -> str:
    """Return the fingerprint of what a field's cube is made from."""
    folders = [str(config.model(run)) for run in range(config.train.runs)]
    attrs = stores.attributes(config.field_store(name))
    inputs = attrs.get("fingerprint"), attrs.get("labels")
    return fingerprint(config.predict.precision, list(inputs), folders, _weight_times(folders))


def _in_training(store: xr.Dataset, folders: Sequence[str]) -> NDArray[np.bool_]:
    """Return which objects lie in the training part of a model's source fields.

    They are found by position: identifiers of different catalogues may be the same number, and
    a galaxy in the overlap of two fields has two.
    """
    from hscz.learn.model import training_part

    found = np.zeros(store.sizes["object"], dtype=bool)
    for folder in folders:
        seen = training_part(folder)
        rows, _, _ = match_one_to_one(store["ra"], store["dec"], seen["ra"], seen["dec"])
        found[rows] = True
    return found


def _predict_block(
    image: NDArray[np.float16],
    usable: NDArray[np.bool_],
    models: Sequence[Model],
    settings: PredictConfig,
    where: str,
) -> NDArray[np.float32]:
    """Return the ensemble's densities; NaN where the stamp must not reach a network."""
    import torch

    from hscz.learn.loader import check_finite
    from hscz.learn.trainer import autocast, choose_device

    device = choose_device(settings.device)
    keep = np.flatnonzero(usable.reshape(len(image)))
    out = np.full((len(image), len(models[0].grid)), np.nan, np.float32)
    side = max(model.network_config.input_px for model in models)
    margin = (image.shape[-1] - side) // 2
    image = image[..., margin : margin + side, margin : margin + side]
    for start in range(0, len(keep), settings.batch_size):
        rows = keep[start : start + settings.batch_size]
        stamps = np.ascontiguousarray(image[rows])
        batch = torch.from_numpy(stamps).to(device).float()
        batch = batch.contiguous(memory_format=torch.channels_last)
        with autocast(settings.precision, device):
            out[rows] = pdf.combine([model.pdf(batch) for model in models])
        # A redshift may be missing only where a flag says why.
        if not np.isfinite(out[rows]).all():
            check_finite(stamps, where)
            raise StoreError(
                f"{where}: a network gives a usable stamp no PDF; set predict.precision to "
                "float32, or train again with a lower train.learning_rate"
            )
    return out


def _predict_and_write(
    store_path: Path,
    path: Path,
    start: int,
    block: str,
    folders: tuple[str, ...],
    bands: tuple[int, ...],
    settings: PredictConfig,
) -> None:
    """Predict one block from store to cube: the body of one Dask task."""
    import torch

    # Blocks already run side by side; threads inside each would fight over the cores.
    torch.set_num_threads(1)
    models = _load(folders, _weight_times(folders), settings.device)
    store = stores.open_field(store_path, lazy=False).isel(
        object=slice(start, start + settings.block)
    )
    image = store["image"].values[:, list(bands)]
    usable = _usable(store["flags"].values)
    density = _predict_block(image, usable, models, settings, str(store_path))
    points = pdf.summarise(density, models[0].grid.edges)
    stores.write_rows(path, start, {"pdf": density, **points}, block)


def _usable(flags: Any) -> Any:
    return (flags & int(Flag.UNUSABLE)) == 0


@lru_cache(maxsize=4)
def _load(folders: tuple[str, ...], times: tuple[int, ...], device: str) -> list[Model]:
    """Load the models once per process; `times` makes retrained weights a new entry."""
    from hscz.learn.model import Model
    from hscz.learn.trainer import choose_device

    return [Model.load(folder, choose_device(device)) for folder in folders]


def _weight_times(folders: Sequence[str]) -> tuple[int, ...]:
    weights = [Path(folder) / "weights.pt" for folder in folders]
    return tuple(w.stat().st_mtime_ns if w.exists() else 0 for w in weights)


def _common_grid(models: Sequence[Model]) -> RedshiftGrid:
    first = models[0]
    for model in models[1:]:
        if model.grid != first.grid or model.bands != first.bands:
            raise StoreError(
                f"models of an ensemble must share bands and redshift bins; one has "
                f"{', '.join(first.bands)} in {len(first.grid)} bins, another "
                f"{', '.join(model.bands)} in {len(model.grid)}; predict them apart"
            )
    return first.grid


def _check_fit(store: xr.Dataset, models: Sequence[Model], name: str) -> list[int]:
    """Return where the models' bands stand in a store whose stamps are large enough."""
    from hscz.learn.loader import band_index, central

    for model in models:
        central(store, model.network_config.input_px, name)
    return band_index(store, models[0].bands, name)


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
