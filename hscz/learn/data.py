"""What a network learns from: labelled stamps of the source, unlabelled ones of the targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray

from hscz.config import RunConfig
from hscz.config.learn import TrainConfig
from hscz.errors import StoreError
from hscz.learn.conditions import Conditions
from hscz.learn.loader import Stamps
from hscz.learn.sample import Fields, divide, median_noise, read_images
from hscz.pdf.grid import RedshiftGrid
from hscz.schema import is_usable
from hscz.seams import LABEL_TREATMENTS
from hscz.stores import open_field


@dataclass(frozen=True)
class Wanted:
    """What the ways to adapt want of stamps beyond what the network sees.

    Attributes
    ----------
    margin_px : int
        Pixels on each side.
    conditions : bool
        Noise, seeing and dust.
    """

    margin_px: int = 0
    conditions: bool = False


class Labelled:
    """The stamps and labels of the source fields, read once for all folds and runs.

    Attributes
    ----------
    folds : list of pandas.DataFrame
        The table of `hscz.learn.sample.divide` for each fold.
    objects : pandas.DataFrame
        The objects whose labels are used in any fold, in the order of the stamps.
    stamps : Stamps
    masses : Tensor, shape (n, bins), float32
        Probability mass of the label in each redshift bin.
    conditions : Conditions or None
        Noise, seeing and dust of the stamps, where they are to be degraded.
    noise : tuple of float
        Median sky noise of the stamps in each band, counts.
    """

    def __init__(self, config: RunConfig, device: torch.device, wanted: Wanted) -> None:
        settings = config.train
        stores = open_labelled(config)
        self.grid = RedshiftGrid.make(settings.grid, settings.n_bins, settings.z_max)
        self.folds = [divide(stores, settings, fold) for fold in range(settings.folds)]
        needed = np.logical_or.reduce([table["used"] for table in self.folds])
        self._place = np.where(needed, np.cumsum(needed) - 1, -1)
        self.objects = self.folds[0][needed].drop(columns=["part", "used"]).reset_index(drop=True)
        bands, optional = settings.bands, settings.optional
        side = side_px(config, stores, wanted)
        images = read_images(stores, self.objects, bands, side, optional)
        self.stamps = Stamps(torch.from_numpy(images)).to(device)
        treatment = LABEL_TREATMENTS.load(settings.targets)
        masses = treatment.masses(self.objects, self.grid, settings)
        self.masses = torch.from_numpy(masses).to(device)
        self.noise = median_noise(stores, self.objects, bands, optional)
        self.conditions = _conditions(stores, self.objects, settings) if wanted.conditions else None

    def places(self, rows: Any) -> NDArray[np.int64]:
        """Return where objects stand in the stamps, by their rows in the tables of `folds`."""
        return self._place[rows]

    def held_out(self, fold: int) -> NDArray[np.int64]:
        """Return where the validation galaxies of a fold stand in the stamps."""
        table = self.folds[fold]
        return self._place[(table["part"] == "validation") & table["used"]]


PROBED = 2000
"""Galaxies of each target field, a fifth at most, that training is never shown: the probe's."""


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
    def read(
        cls, config: RunConfig, device: torch.device, wanted: Wanted, held_out: bool = False
    ) -> Unlabelled:
        """Draw ``adapt.n_targets`` usable galaxies of each target field.

        Parameters
        ----------
        config : RunConfig
        device : torch.device
        wanted : Wanted
        held_out : bool
            Draw those that training is never shown instead.

        Raises
        ------
        StoreError
            If a field has no store or not the bands.
        """
        adapt, bands = config.adapt, config.train.bands
        stores = {name: open_field(config.field_store(name), lazy=False) for name in adapt.targets}
        parts = [
            _drawn(name, store, adapt.n_targets, [config.train.seed, number], held_out)
            for number, (name, store) in enumerate(stores.items())
        ]
        sample = pd.concat(parts, ignore_index=True)
        side = side_px(config, stores, wanted)
        images = read_images(stores, sample, bands, side, config.train.optional)
        mags = [stores[name]["mag_i"].values[part["row"]] for name, part in _groups(sample)]
        return cls(
            Stamps(torch.from_numpy(images)).to(device),
            np.concatenate(mags).astype(np.float64),
            pd.factorize(sample["field"])[0].astype(np.int64),
            _conditions(stores, sample, config.train, partial=True) if wanted.conditions else None,
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


def side_px(config: RunConfig, stores: Fields, wanted: Wanted) -> int:
    """Return how many central pixels to hold: a way to adapt may need more than the network."""
    side = config.network.input_px
    stored = min(store.sizes["y"] for store in stores.values())
    return max(side, min(stored, side + 2 * wanted.margin_px))


def _drawn(name: str, store: xr.Dataset, n: int, seed: list[int], held_out: bool) -> pd.DataFrame:
    """Return random usable rows of a field, in the order of the store."""
    usable = np.flatnonzero(is_usable(store["flags"].values))
    mixed = np.random.default_rng(seed).permutation(usable)
    probed = min(PROBED, len(mixed) // 5)
    chosen = mixed[:probed] if held_out else mixed[probed : probed + n]
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
    return Conditions.join(parts)
