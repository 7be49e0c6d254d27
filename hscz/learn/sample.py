"""Which objects of the source fields a network learns from, and which it is judged on."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz.config.learn import TrainConfig
from hscz.errors import StoreError, about
from hscz.learn.loader import band_index, read_stamps
from hscz.pdf.grid import RedshiftGrid
from hscz.schema import is_usable
from hscz.seams import LABEL_TREATMENTS

Fields = Mapping[str, xr.Dataset]


def divide(stores: Fields, settings: TrainConfig, fold: int = 0) -> pd.DataFrame:
    """Divide the labelled fields into a training and a validation part.

    The part of an object follows from a hash of its identifier and the seed, whether it has a
    label or not: it stays the same whatever else is in the store, and the validation part is
    a fair sample of the field. Each fold has another validation part. Of the fields in
    ``settings.spec_fields`` only the galaxies with a secure spectroscopic redshift take part.

    Parameters
    ----------
    stores : mapping of str to xarray.Dataset
        Stores of ``settings.fields`` and ``settings.spec_fields``, opened without Dask.
    settings : TrainConfig
    fold : int

    Returns
    -------
    pandas.DataFrame
        One row per object, by field and row of the store: ``field, row, object_id, ra, dec,
        mag_i, part`` (training or validation), ``used`` (whether its label serves),
        ``z_label``, ``sigma`` (width of the label, 0 for spectroscopic ones) and what
        ``settings.targets`` needs besides.

    Raises
    ------
    StoreError
        If a field has no usable label, or a fold's validation part none.
    """
    objects = pd.concat(
        [_candidates(name, store, settings) for name, store in stores.items()], ignore_index=True
    )
    draws = objects.pop("draw").to_numpy()
    width = settings.validation_fraction
    held_out = (draws >= fold * width) & (draws < (fold + 1) * width)
    objects["part"] = np.where(held_out, "validation", "training")
    if settings.folds > 1 and not (held_out & objects["used"]).any():
        raise StoreError(
            f"{', '.join(stores)}: fold {fold} holds out no labelled galaxy; lower train.folds"
        )
    ours = objects["field"].isin(settings.fields)
    training = np.flatnonzero(~held_out & objects["used"] & ours)
    if 0 < settings.max_galaxies < len(training):
        surplus = training[np.argsort(draws[training])][settings.max_galaxies :]
        objects["used"] = objects["used"] & ~objects.index.isin(surplus)
    return objects


def read_images(
    stores: Fields,
    sample: pd.DataFrame,
    bands: tuple[str, ...],
    input_px: int,
    optional: Collection[str] = (),
) -> NDArray[np.float16]:
    """Return the stamps of a sample from `divide`, held once.

    Parameters
    ----------
    stores : mapping of str to xarray.Dataset
    sample : pandas.DataFrame
        Rows of the table of `divide`, in its order.
    bands : tuple of str
    input_px : int
        Side of the central square to read.
    optional : collection of str
        Bands that a store or an object may lack.

    Returns
    -------
    ndarray, shape (len(sample), band, input_px, input_px)
        NaN in bands that an object lacks.
    """
    out = np.empty((len(sample), len(bands), input_px, input_px), np.float16)
    start = 0
    for name, store in stores.items():
        rows = sample.loc[sample["field"] == name, "row"].to_numpy()
        with about(name):
            index = band_index(store, bands, optional)
            read_stamps(store, rows, index, out[start : start + len(rows)], optional)
        start += len(rows)
    return out


def median_noise(
    stores: Fields,
    sample: pd.DataFrame,
    bands: tuple[str, ...],
    optional: Collection[str] = (),
) -> tuple[float, ...]:
    """Return the median sky noise of a sample in each band, counts, where fields have the band.

    Raises
    ------
    StoreError
        If no field has an optional band.
    """
    noise = []
    for name, store in stores.items():
        rows = sample.loc[sample["field"] == name, "row"].to_numpy()
        with about(name):
            index = np.array(band_index(store, bands, optional))
        measured = store["sky_noise"].values[rows][:, index.clip(0)]
        noise.append(np.where(index < 0, np.nan, measured))
    measured = np.concatenate(noise)
    nowhere = np.isnan(measured).all(axis=0)
    if nowhere.any():
        raise StoreError(
            f"{', '.join(stores)}: none has band {bands[int(nowhere.argmax())]!r}; take it out of "
            "train.bands and train.hidden"
        )
    return tuple(np.nanmedian(measured, axis=0).tolist())


def _candidates(name: str, store: xr.Dataset, settings: TrainConfig) -> pd.DataFrame:
    """Return the objects of one field with their labels and a uniform draw of each."""
    object_id = store["object_id"].values
    spec_only = name in settings.spec_fields
    z_label = store["z_spec" if spec_only else settings.label].values
    grid = RedshiftGrid.make(settings.grid, settings.n_bins, settings.z_max)
    usable = is_usable(store["flags"].values)
    used = usable & (grid.index(z_label) >= 0)
    if not used.any():
        kind = "spectroscopic redshift" if spec_only else "label"
        raise StoreError(f"{name}: no usable object has a {kind} within 0 < z < {settings.z_max}")
    sigma, estimates = np.zeros(len(object_id)), {}
    if settings.label == "z_label" and not spec_only:
        from_c2020 = store["label_source"].values == "c2020"
        sigma = np.nan_to_num(np.where(from_c2020, store["z_c2020_sigma"].values, 0.0))
        wanted = LABEL_TREATMENTS.load(settings.targets).columns
        absent = [key for key in wanted if key not in store]
        if absent and from_c2020.any():
            raise StoreError(
                f"{name}: has no {absent[0]}, which train.targets = {settings.targets!r} needs; "
                "run 'hscz label --force'"
            )
        kept = [key for key in wanted if key in store]
        estimates = {key: np.where(from_c2020, store[key].values, np.nan) for key in kept}
    table = pd.DataFrame(
        {
            "field": name,
            "row": np.arange(len(object_id)),
            "object_id": object_id,
            "ra": store["ra"].values,
            "dec": store["dec"].values,
            "mag_i": store["mag_i"].values,
            "draw": uniform(object_id.astype(np.uint64), settings.seed),
            "used": used,
            "z_label": z_label,
            "sigma": sigma,
            **estimates,
        }
    )
    return table[table["used"]] if spec_only else table


def uniform(ids: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """Return a uniform number in [0, 1) for each id (the mixing of SplitMix64)."""
    golden = 0x9E3779B97F4A7C15
    x = ids + np.uint64((seed + 1) * golden % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) / 2.0**64
