"""Active nuclei in mock galaxies, from faint ones to quasars that outshine their host."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz.mock.morphology import half_light_radius
from hscz.mock.spectra import continuum_colours
from hscz.mock.templates import REST_ANGSTROM
from hscz.survey import OPTICAL_BANDS

FloatArray = NDArray[np.float64]

QUASAR_SHARE = 0.5
"""A galaxy whose nucleus gives more than this share of its light in i is a quasar."""

_LIGHT_I = (0.1, 0.95)

# Lines and their rest-frame equivalent widths, Angstrom: Vanden Berk et al. (2001, AJ 122, 549),
# Table 2; their continuum is a power law of index -1.56 in wavelength, -0.45 redwards of 4900.
_LINES = {
    **{1216.0: 92.9, 1400.0: 8.1, 1549.0: 23.8, 1909.0: 21.2, 2798.0: 32.3},
    **{4341.0: 12.6, 4862.0: 46.2, 5008.0: 13.2, 6564.0: 194.5},
}
_LINE_SIGMA_KM_S = 2500.0
_BREAK_ANGSTROM = 4900.0
_NUCLEUS_RADIUS_ARCSEC = 1e-3


def quasar_spectrum() -> FloatArray:
    """Return L_lambda of a quasar on `REST_ANGSTROM`, before intergalactic absorption.

    A broken power law and broad lines after the composite of Vanden Berk et al. (2001).

    Examples
    --------
    >>> blue, red = np.interp([1549.0, 1650.0], REST_ANGSTROM, quasar_spectrum())
    >>> bool(blue > 1.4 * red)
    True
    """
    x = REST_ANGSTROM / _BREAK_ANGSTROM
    total = np.where(x < 1.0, x**-1.56, x**-0.45)
    for angstrom, width_angstrom in _LINES.items():
        sigma = angstrom * _LINE_SIGMA_KM_S / 2.998e5
        profile = np.exp(-0.5 * ((REST_ANGSTROM - angstrom) / sigma) ** 2)
        continuum = np.interp(angstrom, REST_ANGSTROM, total)
        total = total + continuum * width_angstrom * profile / (np.sqrt(2.0 * np.pi) * sigma)
    return total


@lru_cache(maxsize=1)
def _colour_table() -> tuple[FloatArray, dict[str, FloatArray]]:
    """Return redshifts, and m_band - m_i of a quasar there."""
    return continuum_colours(quasar_spectrum())


def quasar_colours(z: FloatArray) -> dict[str, FloatArray]:
    """Return m_band - m_i of quasars by band, shape (n,).

    Examples
    --------
    >>> colours = quasar_colours(np.array([1.0, 4.0]))
    >>> (colours["u"] - colours["g"]).round(1).tolist()
    [0.0, 3.4]
    """
    nodes, table = _colour_table()
    return {band: np.interp(z, nodes, values) for band, values in table.items()}


def add_nuclei(truth: pd.DataFrame, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """Give some galaxies an active nucleus, a point of a quasar's colours, at the same i magnitude.

    The nucleus takes the place of the bulge. What is left of the host is its disc, in the host's
    colours.

    Parameters
    ----------
    truth : DataFrame
        From `hscz.mock.population.draw_field`.
    share : float
        Share of galaxies.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        With ``agn_fraction_i``, the nucleus's share of the light in i (0 for most), and
        ``is_quasar``; magnitudes, bulge fractions, radii and lines of the hosts are changed.
    """
    n = len(truth)
    active = ~truth["is_star"].to_numpy() & (rng.random(n) < share)
    nucleus_i = np.where(active, rng.uniform(*_LIGHT_I, n), 0.0)
    changed = truth.assign(agn_fraction_i=nucleus_i, is_quasar=nucleus_i > QUASAR_SHARE)
    hosts = truth[active]
    part, colours = nucleus_i[active], quasar_colours(hosts["z_true"].to_numpy())
    for band in OPTICAL_BANDS:
        host = (1.0 - part) * 10 ** (-0.4 * (hosts[f"mag_{band}"] - hosts["mag_i"]))
        nucleus = part * 10 ** (-0.4 * colours[band])
        changed.loc[active, f"mag_{band}"] = hosts["mag_i"] - 2.5 * np.log10(host + nucleus)
        changed.loc[active, f"bulge_fraction_{band}"] = nucleus / (host + nucleus)
    disc = hosts["half_light_radius_disc_arcsec"].to_numpy()
    point = np.full(len(disc), _NUCLEUS_RADIUS_ARCSEC)
    changed.loc[active, "half_light_radius_bulge_arcsec"] = point
    changed.loc[active, "half_light_radius_arcsec"] = half_light_radius(part, disc, point)
    for line in (
        *(f"{name}_flux_cgs" for name in ("oii", "oiii", "halpha")),
        "oii_ew_rest_angstrom",
    ):
        changed.loc[active, line] = hosts[line] * (1.0 - part)
    return changed
