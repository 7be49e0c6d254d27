"""What fails and what is absent in COSMOS2020, by kind of galaxy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from hscz.config.mock import MockSettings

FloatArray = NDArray[np.float64]

DUSTY_AV_MAG = 0.5
"""Galaxies with more attenuation than this are dusty."""

BLUE_TEMPLATE = 3.5
FAINT_I_MAG = 24.0
"""Galaxies bluer than the one template and fainter than the other are faint and blue."""

PASSIVE_TEMPLATE = 1.0
"""Galaxies with an older template are passive."""

HIGH_Z = 2.0

_NEIGHBOURS = 501

_COMPLETE_I_MAG, _FULL_LOSS_I_MAG = 24.0, 25.0


@dataclass(frozen=True)
class LabelFlaws:
    """How failures and losses depend on the kind of galaxy; see the keys of [mock].

    Attributes
    ----------
    failure_contrast : float
        Failures of dusty, faint blue and active galaxies over those of others.
    confused_share : float
        Share of failures that take one break for another.
    lost_passive_share, lost_high_z_share : float
        Shares of passive galaxies, and of others of z > 2, that are absent at i = 25.

    Examples
    --------
    >>> av_mag = np.tile([0.0, 2.0, 0.0, 0.0], 1000)
    >>> truth = pd.DataFrame({"is_star": False, "mag_i": 23.0, "av_mag": av_mag, "template": 2.0})
    >>> factor = LabelFlaws(failure_contrast=5.0).failure_rate_factor(truth)
    >>> factor[500:504].round(1).tolist()
    [0.5, 2.5, 0.5, 0.5]
    """

    failure_contrast: float = 1.0
    confused_share: float = 0.5
    lost_passive_share: float = 0.0
    lost_high_z_share: float = 0.0

    @classmethod
    def of(cls, settings: MockSettings) -> LabelFlaws:
        """Return the flaws that the settings ask for."""
        return cls(
            settings.label_failure_contrast,
            settings.label_confused_share,
            settings.label_lost_passive_share,
            settings.label_lost_high_z_share,
        )

    def failure_rate_factor(self, truth: pd.DataFrame) -> FloatArray:
        """Return the failure rate of each object over the mean at its magnitude, shape (n,).

        The mean is over the 501 neighbours in i.
        """
        by_mag = np.argsort(truth["mag_i"].to_numpy(), kind="stable")
        factor = np.where(is_difficult(truth), self.failure_contrast, 1.0)
        factor[by_mag] /= uniform_filter1d(factor[by_mag], _NEIGHBOURS)
        return factor

    def lost(self, truth: pd.DataFrame, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw which objects are absent because of their kind, shape (n,)."""
        rises = np.clip(
            (truth["mag_i"].to_numpy() - _COMPLETE_I_MAG) / (_FULL_LOSS_I_MAG - _COMPLETE_I_MAG),
            0.0,
            1.0,
        )
        passive = truth["template"].to_numpy() < PASSIVE_TEMPLATE
        distant = truth["z_true"].to_numpy() > HIGH_Z
        share = np.where(distant, self.lost_high_z_share, 0.0)
        share = np.where(passive, self.lost_passive_share, share)
        return rng.spawn(1)[0].random(len(truth)) < share * rises


REGULAR = LabelFlaws()
"""Failures and losses that depend on magnitude alone."""


def is_difficult(truth: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which galaxies are dusty, faint and blue, or active."""
    template, i_mag = truth["template"].to_numpy(), truth["mag_i"].to_numpy()
    difficult = truth["av_mag"].to_numpy() > DUSTY_AV_MAG
    difficult |= (template > BLUE_TEMPLATE) & (i_mag > FAINT_I_MAG)
    if "agn_fraction_i" in truth:
        difficult |= truth["agn_fraction_i"].to_numpy() > 0.0
    return difficult & ~truth["is_star"].to_numpy()
