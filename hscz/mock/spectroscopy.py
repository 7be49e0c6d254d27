"""Spectroscopic surveys of the mock sky: bright, incomplete, flagged, and sometimes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Table
from numpy.typing import NDArray

from hscz.config.mock import LABEL_FILES
from hscz.files.atomic import write_atomic
from hscz.mock.population import galactic_ebv

FloatArray = NDArray[np.float64]

_ASTROMETRY_ARCSEC = 0.07
_STAR_SHARE = 0.05
_MAGNITUDES_TO_FAINT = 3.0


@dataclass(frozen=True)
class Quality:
    """One quality flag: its share at the bright and at the faint end, and how often it is right."""

    flag: float
    bright: float
    faint: float
    right: float


@dataclass(frozen=True)
class SpecSurvey:
    """What one survey looks at and how well.

    Attributes
    ----------
    name : str
        Name of its descriptor in ``catalogs/``.
    file_name : str
    i_limit : float
    z_range : tuple of float
        Galaxies outside get no better flag than the worst.
    z_error : float
        Scatter of dz / (1+z) of right redshifts.
    qualities : tuple of Quality
        Shares of each end add up to 1; the last one is the worst.
    columns : callable
        Makes the survey's own columns from ra, dec, z, flag, mag_i, mag_r.
    z_preselected : float
        Below this redshift colour selection leaves one galaxy in ten.
    """

    name: str
    file_name: str
    i_limit: float
    z_range: tuple[float, float]
    z_error: float
    qualities: tuple[Quality, ...]
    columns: Callable[[pd.DataFrame], dict[str, NDArray]]
    z_preselected: float = 0.0


def _zcosmos_columns(rows: pd.DataFrame) -> dict[str, NDArray]:
    return {
        "id_zcosmos": 800_000 + np.arange(len(rows)),
        "zpec": rows["z"].round(4).to_numpy(),
        "cc": rows["flag"].to_numpy(),
        "alpha": rows["ra"].round(6).to_numpy(),
        "delta": rows["dec"].round(6).to_numpy(),
        "mag_sel": rows["mag_i"].round(2).to_numpy(),
    }


def _vvds_columns(rows: pd.DataFrame) -> dict[str, NDArray]:
    unknown = rows["flag"] == 0
    return {
        "num": 20_000_000 + np.arange(len(rows)),
        "alpha": rows["ra"].to_numpy(),
        "delta": rows["dec"].to_numpy(),
        "z": np.where(unknown, 9.9999, rows["z"].round(4)),
        "zflags": rows["flag"].to_numpy().astype(np.int16),
        "magI": rows["mag_i"].to_numpy(),
    }


def _deep2_columns(rows: pd.DataFrame) -> dict[str, NDArray]:
    return {
        "OBJNO": 40_000_000 + np.arange(len(rows)),
        "RA": rows["ra"].to_numpy(),
        "DEC": rows["dec"].to_numpy(),
        "MAGR": rows["mag_r"].to_numpy(),
        "SFD_EBV": rows["ebv"].to_numpy(),
        "ZBEST": np.where(rows["flag"] < -1, 0.0, rows["z"]),
        "ZQUALITY": rows["flag"].to_numpy().astype(np.int16),
    }


ZCOSMOS = SpecSurvey(
    "zcosmos-bright",
    LABEL_FILES["zcosmos-bright"],
    22.5,
    (0.0, 1.3),
    0.00037,
    (
        Quality(4.5, 0.46, 0.15, 0.998),
        Quality(4.4, 0.015, 0.006, 0.998),
        Quality(4.1, 0.008, 0.004, 0.98),
        Quality(3.5, 0.37, 0.37, 0.99),
        Quality(3.4, 0.004, 0.004, 0.99),
        Quality(3.1, 0.013, 0.016, 0.95),
        Quality(2.5, 0.07, 0.26, 0.95),
        Quality(9.5, 0.02, 0.06, 0.90),
        Quality(9.3, 0.005, 0.01, 0.80),
        Quality(13.5, 0.005, 0.005, 0.97),
        Quality(1.5, 0.03, 0.115, 0.85),
    ),
    _zcosmos_columns,
)
"""zCOSMOS-bright (Lilly et al. 2009), with the classes of its published table."""

VVDS = SpecSurvey(
    "vvds",
    LABEL_FILES["vvds"],
    24.0,
    (0.0, 4.8),
    0.0009,
    (
        Quality(4, 0.50, 0.15, 0.99),
        Quality(24, 0.02, 0.01, 0.99),
        Quality(14, 0.005, 0.005, 0.98),
        Quality(3, 0.25, 0.22, 0.965),
        Quality(23, 0.015, 0.01, 0.96),
        Quality(9, 0.02, 0.06, 0.80),
        Quality(2, 0.12, 0.28, 0.82),
        Quality(1, 0.04, 0.145, 0.50),
        Quality(0, 0.03, 0.12, 0.0),
    ),
    _vvds_columns,
)
"""VVDS Deep (Le Fevre et al. 2013)."""

DEEP2 = SpecSurvey(
    "deep2",
    LABEL_FILES["deep2"],
    23.6,
    (0.0, 1.45),
    0.0001,
    (
        Quality(4, 0.70, 0.45, 0.995),
        Quality(3, 0.12, 0.20, 0.95),
        Quality(2, 0.04, 0.06, 0.5),
        Quality(-2, 0.02, 0.02, 0.0),
        Quality(1, 0.12, 0.27, 0.3),
    ),
    _deep2_columns,
    z_preselected=0.7,
)
"""DEEP2 (Newman et al. 2013): DEIMOS, colour-selected at z > 0.7."""

_STAR_FLAG = {"deep2": -1.0}

SURVEYS: dict[str, tuple[tuple[SpecSurvey, float], ...]] = {
    "COSMOS_UDF": ((ZCOSMOS, 0.60), (VVDS, 0.10), (DEEP2, 0.20)),
    "COSMOS_DEEP": ((ZCOSMOS, 0.08), (VVDS, 0.02)),
    "XMM_UDF": ((VVDS, 0.25),),
    "XMM_DEEP": ((VVDS, 0.15),),
    "ELAIS": ((replace(VVDS, i_limit=21.0, z_range=(0.0, 1.0)), 0.07),),
    "DEEP2": ((DEEP2, 0.25),),
}
"""Surveys of each field and the share of their targets observed: many spectra in COSMOS and
XMM, some in DEEP2, few and all at z < 1 in ELAIS."""

_CONFUSED_LINES = ((3728.0, 6564.0), (6564.0, 3728.0), (5008.0, 6564.0), (1216.0, 3728.0))


def write_spectroscopy(
    truth: pd.DataFrame, folder: Path, field: str, rng: np.random.Generator
) -> dict[str, Path]:
    """Write the tables of the surveys that observed a field.

    Parameters
    ----------
    truth : DataFrame
        From `hscz.mock.population.draw_field`.
    folder : Path
    field : str
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to Path
        By name of the descriptor: ``zcosmos-bright``, ``vvds``, ``deep2``.
    """
    paths = {}
    for survey, sampling in SURVEYS[field]:
        rows = observe(truth, survey, sampling, rng)
        rows["ebv"] = galactic_ebv(field, rows["ra"], rows["dec"])
        table = Table(survey.columns(rows))
        form = "ascii.csv" if survey.file_name.endswith(".csv") else "fits"
        paths[survey.name] = write_atomic(
            Path(folder) / survey.file_name,
            partial(table.write, format=form, overwrite=True),
        )
    return paths


def observe(
    truth: pd.DataFrame, survey: SpecSurvey, sampling: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return what one survey lists: targets in random order with redshift and flag.

    Parameters
    ----------
    truth : DataFrame
    survey : SpecSurvey
    sampling : float
        Share of the galaxies brighter than the limit that get a slit; of stars a twentieth of it.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        Columns ``ra, dec, z, flag, mag_i, mag_r, z_true``.
    """
    chance = sampling * np.where(truth["is_star"], _STAR_SHARE, 1.0)
    chance *= (truth["mag_i"] < survey.i_limit) & (truth["mag_i"] > 16.5)
    preselected = truth["is_star"] | (truth["z_true"] > survey.z_preselected)
    chance *= np.where(preselected, 1.0, 0.1)
    targets = truth[rng.random(len(truth)) < chance]
    targets = targets.iloc[rng.permutation(len(targets))]
    quality = _qualities(targets, survey, rng)
    right = rng.random(len(targets)) < np.array([q.right for q in survey.qualities])[quality]
    z = targets["z_true"].to_numpy()
    measured = z + survey.z_error * (1.0 + z) * rng.normal(size=len(z))
    flag = np.array([q.flag for q in survey.qualities])[quality]
    is_star = targets["is_star"].to_numpy() & right
    offset = _ASTROMETRY_ARCSEC / 3600.0 * rng.normal(size=(2, len(targets)))
    return pd.DataFrame(
        {
            "ra": targets["ra"] + offset[0] / np.cos(np.deg2rad(targets["dec"])),
            "dec": targets["dec"] + offset[1],
            "z": np.where(right, np.maximum(measured, 0.0), _wrong_redshift(z, survey, rng)),
            "flag": np.where(is_star, _STAR_FLAG.get(survey.name, flag), flag),
            "mag_i": targets["mag_i"],
            "mag_r": targets["mag_r"],
            "z_true": z,
        }
    ).reset_index(drop=True)


def _qualities(
    targets: pd.DataFrame, survey: SpecSurvey, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Draw the position of each target's quality; faint targets have worse ones."""
    bright = np.cumsum([q.bright for q in survey.qualities])
    faint = np.cumsum([q.faint for q in survey.qualities])
    fainter = 1.0 - (survey.i_limit - targets["mag_i"].to_numpy()) / _MAGNITUDES_TO_FAINT
    fainter = np.clip(fainter, 0.0, 1.0)[:, None]
    total = (1.0 - fainter) * bright + fainter * faint
    quality = (rng.random(len(targets))[:, None] > total[:, :-1]).sum(axis=1)
    seen = targets["z_true"].between(*survey.z_range).to_numpy()
    return np.where(seen, quality, len(survey.qualities) - 1)


def _wrong_redshift(z: FloatArray, survey: SpecSurvey, rng: np.random.Generator) -> FloatArray:
    """Return redshifts of misread spectra: one line taken for another, or noise for a line."""
    line = rng.integers(0, len(_CONFUSED_LINES), len(z))
    seen, taken = np.array(_CONFUSED_LINES).T
    confused = (1.0 + z) * seen[line] / taken[line] - 1.0
    low, high = survey.z_range
    noise = rng.uniform(low, high, len(z))
    readable = (confused > low) & (confused < high)
    return np.where(readable & (rng.random(len(z)) < 0.6), confused, noise)
