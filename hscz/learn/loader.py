"""Stamps in memory as compact numbers, gathered in batches by index.

The whole training set is held as float16, cropped to what the network sees, on the training
device where there is room; a random draw of an epoch is then only a permutation of indices.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from hscz.errors import StoreError
from hscz.schema import central_pixels
from hscz.stores import IMAGE_CHUNK


def band_index(
    store: xr.Dataset, bands: Sequence[str], optional: Collection[str] = ()
) -> list[int]:
    """Return where the wanted bands stand in a store, -1 for optional ones that it lacks.

    Raises
    ------
    StoreError
        If the store lacks another band.
    """
    have = [str(b) for b in store["band"].values]
    missing = [b for b in bands if b not in have and b not in optional]
    if missing:
        raise StoreError(
            f"the model needs band {missing[0]!r}, the store has {', '.join(have)}; "
            "choose other train.bands or ingest that band"
        )
    return [have.index(b) if b in have else -1 for b in bands]


def pick_bands(image: Any, index: Sequence[int]) -> Any:
    """Return stamps (n, band, y, x) in the bands at `index`; planes of NaN where that is -1.

    NumPy arrays give NumPy arrays, Dask arrays lazy ones.

    Examples
    --------
    >>> pick_bands(np.ones((1, 2, 1, 1), np.float16), [1, -1]).ravel().tolist()
    [1.0, nan]
    """
    picked = image[:, [max(number, 0) for number in index]]
    absent = np.array(index) < 0
    if not absent.any():
        return picked
    return np.where(absent[:, None, None], np.float16(np.nan), picked)


def central(store: xr.Dataset, input_px: int) -> slice:
    """Return the rows (or columns) of a store's stamps which a network sees.

    Raises
    ------
    StoreError
        If the stamps are smaller than that.
    """
    side = store.sizes["y"]
    if input_px > side:
        raise StoreError(
            f"its stamps are {side} px wide, the network sees {input_px}; lower "
            "network.input_px or ingest with a larger ingest.stamp_px"
        )
    return central_pixels(side, input_px)


def check_finite(
    stamps: NDArray[np.float16], bands: Sequence[str], optional: Collection[str] = ()
) -> None:
    """Refuse pixels that no measurement stands behind; unflagged stamps never have any.

    Parameters
    ----------
    stamps : ndarray, shape (n, band, y, x)
    bands : sequence of str
    optional : collection of str
        Bands that a galaxy may lack: its plane is NaN throughout.

    Raises
    ------
    StoreError
        If a galaxy lacks another band, or a pixel is not finite.

    Examples
    --------
    >>> stamps = np.stack([np.zeros((1, 8, 8)), np.full((1, 8, 8), np.nan)], axis=1)
    >>> check_finite(stamps, ["i", "J"], ["J"])
    >>> check_finite(stamps, ["i", "J"])
    Traceback (most recent call last):
    ...
    hscz.errors.StoreError: a galaxy has no image in band J; ...
    """
    if np.isfinite(stamps).all():
        return
    absent: NDArray[np.bool_] = np.asarray(np.isnan(stamps).all(axis=(2, 3)))
    if absent.all(axis=1).any() or not np.isfinite(stamps[~absent]).all():
        raise StoreError(
            "a stamp without a flag has pixels that are not finite, so the store is "
            "damaged; make it again with 'hscz ingest --force'"
        )
    for band, lacking in zip(bands, absent.T, strict=True):
        if lacking.any() and band not in optional:
            raise StoreError(
                f"a galaxy has no image in band {band}; name the band in one of the sets "
                "of train.hidden, so that the network learns to do without, or take it out of "
                "train.bands"
            )


def read_stamps(
    store: xr.Dataset,
    rows: NDArray[np.int64],
    bands: Sequence[int],
    out: NDArray[np.float16],
    optional: Collection[str] = (),
) -> None:
    """Read the central pixels of chosen, usable stamps, chunk by chunk, into memory at hand.

    Parameters
    ----------
    store : xarray.Dataset
        Field store opened without Dask (``lazy=False``).
    rows : ndarray of int
        Sorted rows to read.
    bands : sequence of int
        Positions of the bands, -1 for those to be filled with NaN.
    out : ndarray, shape (len(rows), len(bands), input_px, input_px), float16
        Where to put them; its side says how many central pixels are wanted.
    optional : collection of str
        Bands that a galaxy may lack; their planes are NaN then.

    Raises
    ------
    StoreError
        If the stamps are too small, or hold a pixel that is not finite in a band that is there.
    """
    have = [str(store["band"].values[number]) for number in bands if number >= 0]
    image, crop = store["image"], central(store, out.shape[-1])
    for start in range(0, image.sizes["object"], IMAGE_CHUNK):
        first, last = np.searchsorted(rows, (start, start + IMAGE_CHUNK))
        if last > first:
            block = image[start : start + IMAGE_CHUNK].values
            stamps = block[rows[first:last] - start][..., crop, crop]
            there = stamps[:, [number for number in bands if number >= 0]]
            check_finite(there, have, optional)
            out[first:last] = pick_bands(stamps, bands)


@dataclass(frozen=True)
class Stamps:
    """A set of stamps held on one device.

    Attributes
    ----------
    images : Tensor, shape (n, band, y, x), float16
    """

    images: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device) -> Stamps:
        """Move to a device if its free memory holds the set twice over, else stay."""
        size = self.images.element_size() * self.images.nelement()
        if device.type != "cuda" or 2 * size > torch.cuda.mem_get_info(device)[0]:
            return self
        return Stamps(self.images.to(device))

    def take(self, rows: Tensor, device: torch.device) -> Tensor:
        """Return stamps as they are, float32, in the order of `rows`."""
        chosen = self.images.index_select(0, rows.to(self.images.device))
        return chosen.to(device, non_blocking=True).float()

    def turned(self, rows: Tensor, generator: torch.Generator, device: torch.device) -> Tensor:
        """Return stamps, each turned by a random one of the eight rotations and flips.

        Returns
        -------
        Tensor, shape (len(rows), band, y, x), float32
            In the order of `rows`, channels last.
        """
        order, counts = _random_turns(len(rows), generator)
        return dihedral(self.take(rows[order], device), counts, order.to(device))


def turned(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images, each turned by a random one of the eight rotations and flips."""
    order, counts = _random_turns(len(images), generator)
    order = order.to(images.device)
    return dihedral(images[order], counts, order)


def _random_turns(n: int, generator: torch.Generator) -> tuple[Tensor, list[int]]:
    """Return the order in which images of the same turn stand together, and how many each has."""
    turns = torch.randint(8, (n,), generator=generator)
    # A batch then needs eight views.
    return torch.argsort(turns, stable=True), torch.bincount(turns, minlength=8).tolist()


def dihedral(images: Tensor, counts: Sequence[int], places: Tensor | None = None) -> Tensor:
    """Turn consecutive groups of square images by the eight rotations and flips.

    Parameters
    ----------
    images : Tensor, shape (n, band, y, x)
    counts : sequence of 8 int
        How many images get each of the eight turns.
    places : Tensor of int, shape (n,), optional
        Where each image goes in the result; left out, it stays where it is.

    Examples
    --------
    >>> image = torch.arange(4.0).view(1, 1, 2, 2)
    >>> dihedral(image, [0, 1, 0, 0, 0, 0, 0, 0])[0, 0].tolist()
    [[1.0, 3.0], [0.0, 2.0]]
    """
    if places is None:
        places = torch.arange(len(images), device=images.device)
    out = torch.empty_like(images, memory_format=torch.channels_last)
    groups = zip(images.split(list(counts)), places.split(list(counts)), strict=True)
    for turn, (group, where) in enumerate(groups):
        if len(group):
            turned = torch.rot90(group, turn % 4, (2, 3))
            out[where] = turned.flip(3) if turn >= 4 else turned
    return out
