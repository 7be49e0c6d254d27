"""Stars of the Milky Way: their number, magnitudes and colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

BRIGHTEST_I_MAG = 15.0
"""Brighter objects are not drawn; they would fill a field's images."""

# Counts at the Galactic pole, per square degree and brighter than i = 25, and their slope.
_POLE_COUNT_I25 = 3600.0
_COUNT_SLOPE = 0.10

# Median stellar locus as polynomials in g - i: Covey et al. (2007, AJ 134, 2398), Table 4.
_LOCUS = {
    "u-g": (1.0636113, -1.6267818, 4.9389572, -3.2809081, 0.8725109, -0.0828035),
    "g-r": (0.4290263, -0.8852323, 2.0740616, -1.1091553, 0.2397461, -0.0183195),
    "i-z": (-0.2270331, 0.7794558, -0.7350749, 0.3727802, -0.0735412, 0.0049808),
}
_BLUEST, _REDDEST = 0.25, 3.6

# u* lies part of the way from u to g, on the far side of the Balmer jump; y continues i - z.
_USTAR_SHARE = 0.16
_ZY_PER_IZ = 0.5


def draw_i_magnitudes(
    area_deg2: float, galactic_latitude_deg: float, i_max: float, rng: np.random.Generator
) -> FloatArray:
    """Draw i magnitudes from counts that grow as 10^(0.1 i) and as 1 / sin |b|.

    Returns
    -------
    ndarray, shape (n,)
        Between `BRIGHTEST_I_MAG` and `i_max`.
    """
    plane = 1.0 / np.sin(np.deg2rad(abs(galactic_latitude_deg)))
    mags = np.array([BRIGHTEST_I_MAG, i_max])
    low, high = _POLE_COUNT_I25 * plane * 10 ** (_COUNT_SLOPE * (mags - 25.0))
    n = rng.poisson((high - low) * area_deg2)
    counts = rng.uniform(low, high, n) / (_POLE_COUNT_I25 * plane)
    return 25.0 + np.log10(counts) / _COUNT_SLOPE


def draw_magnitudes(i_mag: FloatArray, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Draw magnitudes in all bands along the stellar locus.

    Turn-off stars of disc and halo rule at the bright end, M dwarfs at the faint end.

    Examples
    --------
    >>> mags = draw_magnitudes(np.full(4000, 24.0), np.random.default_rng(1))
    >>> bool(np.median(mags["g"] - mags["i"]) > 2.0)
    True
    """
    n = len(i_mag)
    dwarf = rng.random(n) < np.clip(0.45 + 0.05 * (i_mag - 18.0), 0.3, 0.8)
    turn_off = 0.45 + rng.gamma(2.0, 0.22, n)
    gi = np.clip(np.where(dwarf, rng.normal(2.45, 0.38, n), turn_off), _BLUEST, _REDDEST)
    colours = {name: np.polyval(c[::-1], gi) for name, c in _LOCUS.items()}
    # Metallicity moves u most; the other colours scatter by what the locus is wide.
    colours["u-g"] += rng.normal(0.0, 0.12, n)
    colours["g-r"] += rng.normal(0.0, 0.02, n)
    colours["i-z"] += rng.normal(0.0, 0.015, n)
    mags = {"g": i_mag + gi, "i": i_mag, "z": i_mag - colours["i-z"]}
    mags["r"] = mags["g"] - colours["g-r"]
    mags["u"] = mags["g"] + colours["u-g"]
    mags["us"] = mags["u"] - _USTAR_SHARE * colours["u-g"]
    mags["y"] = mags["z"] - _ZY_PER_IZ * colours["i-z"]
    return mags
