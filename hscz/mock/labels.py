"""The label files of a mock field, with the columns of the catalogues a real survey has."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Table
from numpy.typing import NDArray

from hscz.config.mock import LABEL_FILES, LABELS_OF_FIELD
from hscz.errors import ConfigError
from hscz.files.atomic import write_atomic
from hscz.mock.cosmos2020 import write_cosmos2020
from hscz.mock.label_flaws import REGULAR, LabelFlaws
from hscz.mock.photoz import sed_redshift
from hscz.mock.population import FIELD_NUMBER
from hscz.mock.spectra import LINES, SPEED_OF_LIGHT_ANGSTROM
from hscz.mock.spectroscopy import write_spectroscopy
from hscz.survey import BANDS

__all__ = ["oii_emitters", "sed_redshift", "write_label_catalogues"]

# [OII] falls on the centre at z = 1.4657, the redshift of the survey's emitters; the filter's
# nominal centre of 9204 Angstrom holds on the optical axis only.
NB921_ANGSTROM = 9192.0
NB921_FWHM_ANGSTROM = 135.0

_FLUX_LIMIT_CGS = 1.5e-17
_EXCESS_MAG = 0.2
_FOUND_FRACTION = 0.9

# Share of the emitters of other lines that pass the colour selection for [OII].
_INTERLOPER_SHARE = {"oiii": 0.03, "halpha": 0.03}

_AB_FLUX_CGS = 3.631e-20


def write_label_catalogues(
    truth: pd.DataFrame,
    folder: Path,
    field: str,
    seed: int,
    flaws: LabelFlaws = REGULAR,
) -> dict[str, Path]:
    """Write the catalogues that hold redshift labels for a field.

    COSMOS2020 covers COSMOS_UDF and the near part of COSMOS_DEEP; the spectroscopic surveys
    and the NB921 emitters cover the fields that they do in reality.

    Parameters
    ----------
    truth : DataFrame
        From `hscz.mock.population.draw_field`.
    folder : Path
        Made if absent.
    field : str
        A key of `hscz.survey.FIELDS`.
    seed : int
        With the field, fixes every number drawn.
    flaws : LabelFlaws
        Of COSMOS2020.

    Returns
    -------
    dict of str to Path
        By name of the descriptor in ``catalogs/``, of those that the field has:
        ``cosmos2020-classic``, ``cosmos2020-farmer``, ``zcosmos-bright``, ``vvds``, ``deep2``,
        ``nb921-oii``.

    Raises
    ------
    ConfigError
        If the field is unknown.
    """
    if field not in FIELD_NUMBER:
        raise ConfigError(f"field {field!r} is unknown; the fields are {', '.join(FIELD_NUMBER)}")
    folder = Path(folder)
    rngs = [np.random.default_rng([seed, FIELD_NUMBER[field], stage]) for stage in (1, 2, 3)]
    paths = write_cosmos2020(truth, folder, field, rngs[0], flaws)
    paths |= write_spectroscopy(truth, folder, field, rngs[1])
    if "nb921-oii" in LABELS_OF_FIELD[field]:
        table = Table.from_pandas(oii_emitters(truth, rngs[2]))
        paths["nb921-oii"] = write_atomic(
            folder / LABEL_FILES["nb921-oii"],
            partial(table.write, format="fits", overwrite=True),
        )
    return paths


def oii_emitters(truth: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return narrow-band candidates for [OII] at z = 1.47, a few percent of them other lines.

    A candidate has a line of at least 1.5e-17 erg/s/cm2 inside the filter and is brighter
    there than the continuum by 0.2 mag (compare Hayashi et al. 2020).

    Parameters
    ----------
    truth : DataFrame
        From `hscz.mock.population.draw_field`.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        Columns ``object_id`` (running number), ``ra``, ``dec``, ``mag_nb921`` and its error.
    """
    chance = np.zeros(len(truth))
    magnitude = np.full(len(truth), np.nan)
    shares = {"oii": 1.0} | _INTERLOPER_SHARE
    for line, share in shares.items():
        found, brighter = _narrow_band_excess(truth, line)
        chance[found] = share * _FOUND_FRACTION
        magnitude[found] = brighter[found]
    listed = np.flatnonzero(rng.random(len(truth)) < chance)
    offset = 0.07 / 3600.0 * rng.normal(size=(2, len(listed)))
    ra, dec = (truth[name].to_numpy()[listed] for name in ("ra", "dec"))
    error = 0.03 * 10 ** (0.4 * (magnitude[listed] - 23.0))
    return pd.DataFrame(
        {
            "object_id": 921_000_000 + np.arange(len(listed)),
            "ra": ra + offset[0] / np.cos(np.deg2rad(dec)),
            "dec": dec + offset[1],
            "mag_nb921": magnitude[listed] + error * rng.normal(size=len(listed)),
            "mag_err_nb921": error,
        }
    )


def _narrow_band_excess(
    truth: pd.DataFrame, line: str
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which objects one line puts into the list, and their NB921 magnitudes."""
    observed = LINES[line].angstrom * (1.0 + truth["z_true"].to_numpy())
    flux = truth[f"{line}_flux_cgs"].to_numpy()
    inside = np.abs(observed - NB921_ANGSTROM) < 0.5 * NB921_FWHM_ANGSTROM
    pivots = np.log([BANDS[b].pivot_angstrom for b in "zy"])
    towards_y = (np.log(NB921_ANGSTROM) - pivots[0]) / (pivots[1] - pivots[0])
    continuum = (1.0 - towards_y) * truth["mag_z"] + towards_y * truth["mag_y"]
    width_hz = NB921_FWHM_ANGSTROM * SPEED_OF_LIGHT_ANGSTROM / NB921_ANGSTROM**2
    total = 10 ** (-0.4 * continuum.to_numpy()) + flux / width_hz / _AB_FLUX_CGS
    magnitude = -2.5 * np.log10(total)
    excess = continuum.to_numpy() - magnitude
    return inside & (flux > _FLUX_LIMIT_CGS) & (excess > _EXCESS_MAG), magnitude
