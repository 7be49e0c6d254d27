"""What a network learns from: labelled stamps of the source, unlabelled ones of the targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from hscz.config import RunConfig
from hscz.config.learn import TrainConfig
from hscz.errors import ConfigError, StoreError
from hscz.learn.degrade import Conditions
from hscz.learn.loader import Stamps
from hscz.learn.sample import Fields, divide, median_noise, read_images
from hscz.learn.targets import mixture_target, one_hot_target, soft_target
from hscz.pdf.grid import RedshiftGrid
from hscz.schema import C2020_ESTIMATES, is_usable
from hscz.stores import open_field

MARGIN_PX = 4
"""Pixels held beyond those that the network sees where stamps are to be smoothed."""


class Labelled:
    """The stamps and labels of the source fields, read once for all folds and runs.

    Attributes
    ----------
    folds : list of pandas.DataFrame
        The table of `hscz.learn.sample.divide` for each fold.
    objects : pandas.DataFrame
        The objects whose labels are used in any fold, in the order of the stamps.
    stamps : Stamps
    targets : Tensor, shape (n, bins), float32
        Probability mass of the label in each redshift bin.
    conditions : Conditions or None
        Noise, seeing and dust of the stamps, where they are to be degraded.
    noise : tuple of float
        Median sky noise of the stamps in each band, counts.
    """

    def __init__(self, config: RunConfig, device: torch.device) -> None:
        settings = config.train
        stores = open_labelled(config)
        self.grid = RedshiftGrid.make(settings.grid, settings.n_bins, settings.z_max)
        self.folds = [divide(stores, settings, fold) for fold in range(settings.folds)]
        needed = np.logical_or.reduce([table["used"] for table in self.folds])
        self._place = np.where(needed, np.cumsum(needed) - 1, -1)
        self.objects = self.folds[0][needed].drop(columns=["part", "used"]).reset_index(drop=True)
        bands, optional = settings.bands, settings.optional
        images = read_images(stores, self.objects, bands, side_px(config, stores), optional)
        self.stamps = Stamps(torch.from_numpy(images)).to(device)
        self.targets = torch.from_numpy(_targets(self.objects, self.grid, settings)).to(device)
        self.noise = median_noise(stores, self.objects, bands, optional)
        self.conditions = (
            _conditions(stores, self.objects, settings) if config.adapt.degrade else None
        )

    def rows(self, fold: int, part: str) -> NDArray[np.int64]:
        """Return where the training or validation galaxies of a fold stand in the stamps."""
        table = self.folds[fold]
        return self._place[(table["part"] == part) & table["used"]]


@dataclass(frozen=True)
class Unlabelled:
    """Random stamps of the target fields; no label of theirs is ever read.

    Attributes
    ----------
    stamps : Stamps
    mag_i : ndarray, shape (n,)
    field : ndarray of int, shape (n,)
        Which target field each comes from.
    conditions : Conditions or None
    """

    stamps: Stamps
    mag_i: NDArray[np.float64]
    field: NDArray[np.int64]
    conditions: Conditions | None

    @classmethod
    def read(cls, config: RunConfig, seed: int, device: torch.device) -> Unlabelled:
        """Draw ``adapt.n_targets`` usable galaxies of each target field.

        Raises
        ------
        StoreError
            If a field has no store or not the bands.
        """
        adapt, bands = config.adapt, config.train.bands
        stores = {name: open_field(config.field_store(name), lazy=False) for name in adapt.targets}
        parts = [
            _drawn(name, store["flags"].values, adapt.n_targets, [seed, number])
            for number, (name, store) in enumerate(stores.items())
        ]
        sample = pd.concat(parts, ignore_index=True)
        images = read_images(stores, sample, bands, side_px(config, stores), config.train.optional)
        mags = [stores[name]["mag_i"].values[part["row"]] for name, part in _groups(sample)]
        return cls(
            Stamps(torch.from_numpy(images)).to(device),
            np.concatenate(mags).astype(np.float64),
            pd.factorize(sample["field"])[0].astype(np.int64),
            _conditions(stores, sample, config.train, partial=True) if adapt.degrade else None,
        )


def open_labelled(config: RunConfig) -> Fields:
    """Open the stores whose labels a configuration learns from.

    Raises
    ------
    StoreError
        If a field has no store or no labels.
    """
    names = (*config.train.fields, *config.train.spec_fields)
    stores = {name: open_field(config.field_store(name), lazy=False) for name in names}
    for name, store in stores.items():
        if not store.attrs.get("labels"):
            raise StoreError(f"{config.field_store(name)}: has no labels; run 'hscz label' first")
        if config.train.label not in store:
            raise StoreError(
                f"{config.field_store(name)}: has no {config.train.label}, which train.label asks "
                "for; only simulations know the truth"
            )
    return stores


def side_px(config: RunConfig, stores: Fields) -> int:
    """Return how many central pixels to hold: smoothing needs some beyond the network's."""
    side = config.network.input_px
    if not config.adapt.degrade:
        return side
    stored = min(store.sizes["y"] for store in stores.values())
    return max(side, min(stored, side + 2 * MARGIN_PX))


def _targets(
    objects: pd.DataFrame, grid: RedshiftGrid, settings: TrainConfig
) -> NDArray[np.float32]:
    z = objects["z_label"].to_numpy(np.float64)
    if settings.targets == "one_hot":
        return one_hot_target(z, grid)
    if settings.targets == "soft":
        return soft_target(z, objects["sigma"].to_numpy(), grid, settings.soft_sigma)
    if settings.targets == "mixture":
        each = np.array(objects.reindex(columns=list(C2020_ESTIMATES)), np.float64)
        single = np.isnan(each).all(axis=1)
        each[single, 0] = z[single]
        return mixture_target(each, np.nan, grid, settings.soft_sigma)
    raise ConfigError(f"train.targets is {settings.targets!r}; use one_hot, soft or mixture")


def _drawn(name: str, flags: NDArray[np.int64], n: int, seed: list[int]) -> pd.DataFrame:
    """Return random usable rows of a field, in the order of the store."""
    usable = np.flatnonzero(is_usable(flags))
    chosen = np.random.default_rng(seed).permutation(usable)[:n]
    return pd.DataFrame({"field": name, "row": np.sort(chosen)})


def _groups(sample: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(name), part) for name, part in sample.groupby("field", sort=False)]


def _conditions(
    stores: Fields, sample: pd.DataFrame, settings: TrainConfig, partial: bool = False
) -> Conditions:
    bands, optional = settings.bands, settings.optional
    parts = [
        Conditions.of(stores[name], part["row"].to_numpy(), bands, name, partial, optional)
        for name, part in _groups(sample)
    ]
    return Conditions(
        *(torch.cat([getattr(part, key) for part in parts]) for key in Conditions.__annotations__)
    )
