"""Stamps in memory as compact numbers, gathered in batches by index.

The whole training set is held as float16, cropped to what the network sees, on the training
device where there is room; a random draw of an epoch is then only a permutation of indices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from hscz.errors import StoreError
from hscz.stores import IMAGE_CHUNK


def band_index(store: xr.Dataset, bands: Sequence[str], name: str) -> list[int]:
    """Return where the wanted bands stand in a store.

    Raises
    ------
    StoreError
        If the store lacks a band.
    """
    have = [str(b) for b in store["band"].values]
    missing = [b for b in bands if b not in have]
    if missing:
        raise StoreError(
            f"{name}: the model needs band {missing[0]!r}, the store has {', '.join(have)}; "
            "choose other train.bands or ingest that band"
        )
    return [have.index(b) for b in bands]


def central(store: xr.Dataset, input_px: int, name: str) -> slice:
    """Return the rows (or columns) of a store's stamps which a network sees.

    Raises
    ------
    StoreError
        If the stamps are smaller than that.
    """
    side = store.sizes["y"]
    if input_px > side:
        raise StoreError(
            f"{name}: its stamps are {side} px wide, the network sees {input_px}; lower "
            "network.input_px or ingest with a larger ingest.stamp_px"
        )
    margin = (side - input_px) // 2
    return slice(margin, margin + input_px)


def check_finite(stamps: NDArray[np.float16], name: str) -> None:
    """Refuse pixels that no measurement stands behind; unflagged stamps never have any.

    Raises
    ------
    StoreError
        If a pixel is not finite.
    """
    if not np.isfinite(stamps).all():
        raise StoreError(
            f"{name}: a stamp without a flag has pixels that are not finite, so the store is "
            "damaged; make it again with 'hscz ingest --force'"
        )


def read_stamps(
    store: xr.Dataset,
    rows: NDArray[np.int64],
    bands: Sequence[int],
    out: NDArray[np.float16],
    name: str = "field store",
) -> None:
    """Read the central pixels of chosen, usable stamps, chunk by chunk, into memory at hand.

    Parameters
    ----------
    store : xarray.Dataset
        Field store opened without Dask (``lazy=False``).
    rows : ndarray of int
        Sorted rows to read.
    bands : sequence of int
        Positions of the bands.
    out : ndarray, shape (len(rows), len(bands), input_px, input_px), float16
        Where to put them; its side says how many central pixels are wanted.
    name : str
        What the store is called in error messages.

    Raises
    ------
    StoreError
        If the stamps are too small or hold a pixel that is not finite.
    """
    image, crop = store["image"], central(store, out.shape[-1], name)
    for start in range(0, image.sizes["object"], IMAGE_CHUNK):
        first, last = np.searchsorted(rows, (start, start + IMAGE_CHUNK))
        if last > first:
            block = image[start : start + IMAGE_CHUNK].values
            out[first:last] = block[rows[first:last] - start][:, list(bands), crop, crop]
            check_finite(out[first:last], name)


@dataclass(frozen=True)
class Stamps:
    """A set of stamps with their targets, held on one device.

    Attributes
    ----------
    images : Tensor, shape (n, band, y, x), float16
    targets : Tensor, shape (n, bins), float32
        Probability mass of the label in each redshift bin.
    """

    images: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device) -> Stamps:
        """Move to a device if its free memory holds the set twice over, else stay."""
        size = self.images.element_size() * self.images.nelement()
        if device.type != "cuda" or 2 * size > torch.cuda.mem_get_info(device)[0]:
            return self
        return Stamps(self.images.to(device), self.targets.to(device))

    def epoch(
        self, batch_size: int, generator: torch.Generator, device: torch.device
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield augmented batches in random order, each object once; the rest is left out.

        Yields
        ------
        images : Tensor, shape (batch_size, band, y, x), float32
        targets : Tensor, shape (batch_size, bins)
        """
        order = torch.randperm(len(self), generator=generator)
        turns = torch.randint(8, (len(self),), generator=generator)
        for start in range(0, len(self) - batch_size + 1, batch_size):
            batch = order[start : start + batch_size]
            # Objects with the same turn stand together, so that a batch needs eight views.
            batch = batch[torch.argsort(turns[batch], stable=True)]
            counts = torch.bincount(turns[batch], minlength=8).tolist()
            where = batch.to(self.images.device)
            images = self.images.index_select(0, where).to(device, non_blocking=True).float()
            targets = self.targets.index_select(0, where).to(device, non_blocking=True)
            yield dihedral(images, counts), targets

    def batches(self, batch_size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the set in order, as it is."""
        for start in range(0, len(self), batch_size):
            part = slice(start, start + batch_size)
            yield self.images[part].to(device).float(), self.targets[part].to(device)


def dihedral(images: Tensor, counts: Sequence[int]) -> Tensor:
    """Turn consecutive groups of square images by the eight rotations and flips.

    Parameters
    ----------
    images : Tensor, shape (n, band, y, x)
    counts : sequence of 8 int
        How many images get each of the eight turns.

    Examples
    --------
    >>> image = torch.arange(4.0).view(1, 1, 2, 2)
    >>> dihedral(image, [0, 1, 0, 0, 0, 0, 0, 0])[0, 0].tolist()
    [[1.0, 3.0], [0.0, 2.0]]
    """
    out = torch.empty_like(images, memory_format=torch.channels_last)
    for turn, (group, target) in enumerate(
        zip(images.split(list(counts)), out.split(list(counts)), strict=True)
    ):
        if len(group):
            turned = torch.rot90(group, turn % 4, (2, 3))
            target.copy_(turned.flip(3) if turn >= 4 else turned)
    return out
