"""The galaxies that one network learns from, and how often each appears in an epoch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz.config.learn import FlattenConfig
from hscz.learn.flatten import Flattened, flatten


def epoch_seed(seed: int, epoch: int) -> int:
    """Return the seed of everything that is drawn in one epoch, counted from 0."""
    return 100_003 * seed + epoch


@dataclass(frozen=True)
class TrainingSample:
    """What the epochs of one network are drawn from.

    Attributes
    ----------
    objects : pandas.DataFrame
        Its galaxies, from the table of `hscz.learn.sample.divide`, whose index they keep: those
        of the source fields, then those that join from a target field.
    flattened : Flattened or None
        Of the source's, unless they are taken as they are.
    """

    objects: pd.DataFrame
    flattened: Flattened | None

    @classmethod
    def of(
        cls, split: pd.DataFrame, fields: Collection[str], settings: FlattenConfig, seed: int
    ) -> TrainingSample:
        """Choose the training galaxies of a fold, thinned out where the settings say so.

        Parameters
        ----------
        split : pandas.DataFrame
            From `hscz.learn.sample.divide`.
        fields : collection of str
            Source fields. Galaxies that join from a target field are too few to have an n(z) of
            their own: they are left as they are.
        settings : FlattenConfig
        seed : int
            Of the network.
        """
        used = _used(split)
        ours = used["field"].isin(fields)
        if not settings.enabled:
            return cls(used, None)
        z, mag_i, ra, dec = (
            used.loc[ours, key].to_numpy(float) for key in ("z_label", "mag_i", "ra", "dec")
        )
        flattened = flatten(z, mag_i, ra, dec, settings, np.random.default_rng([seed, 1]))
        return cls(pd.concat([used[ours], used[~ours]]), flattened)

    @classmethod
    def kept_in(cls, split: pd.DataFrame) -> TrainingSample:
        """Return the sample that `noted_in` has put down."""
        used = _used(split)
        ours = used["stratum"] >= 0
        if not ours.any():
            return cls(used, None)
        weight, stratum = (used.loc[ours, key].to_numpy() for key in ("weight", "stratum"))
        return cls(pd.concat([used[ours], used[~ours]]), Flattened(weight > 0, weight, stratum))

    def noted_in(self, split: pd.DataFrame) -> pd.DataFrame:
        """Return the table with the columns ``weight`` and ``stratum``.

        The weight is the expected number of appearances in an epoch: 0 for what is removed or not
        of the training. The stratum is that of `Flattened`, -1 for what is not flattened.
        """
        weight, stratum = np.zeros(len(split)), np.full(len(split), -1)
        rows = self.objects.index.to_numpy()
        weight[rows] = 1
        if self.flattened is not None:
            ours = rows[: len(self.flattened.kept)]
            weight[ours], stratum[ours] = self.flattened.weight, self.flattened.stratum
        return split.assign(weight=weight, stratum=stratum)

    def __len__(self) -> int:
        """Galaxies of one epoch."""
        removed = 0 if self.flattened is None else int((~self.flattened.kept).sum())
        return len(self.objects) - removed

    def draw(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw one epoch, as places in `objects`: `len` of them, in random order.

        Examples
        --------
        >>> sample = TrainingSample(pd.DataFrame({"mag_i": [22.0, 23.0, 24.0]}), None)
        >>> sorted(sample.draw(np.random.default_rng(1)).tolist())
        [0, 1, 2]
        """
        if self.flattened is None:
            return rng.permutation(len(self.objects))
        joined = np.arange(len(self.flattened.kept), len(self.objects))
        return rng.permutation(np.r_[self.flattened.draw(rng), joined])


def _used(split: pd.DataFrame) -> pd.DataFrame:
    return split[(split["part"] == "training") & split["used"]]
