"""The two catalogues of COSMOS2020 (Weaver et al. 2022) as they would list mock objects."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Table
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hscz.config.mock import LABEL_FILES
from hscz.constants import MAG_PER_RELATIVE_ERROR
from hscz.files.atomic import write_atomic
from hscz.mock.label_flaws import REGULAR, LabelFlaws
from hscz.mock.photoz import four_redshifts, mistaken_redshift
from hscz.mock.population import galactic_ebv
from hscz.survey import BANDS, FIELDS

FloatArray = NDArray[np.float64]

MISSING = -99.0

# Depth at 5 sigma in 2 arcsec apertures, from the 3 sigma depths of Weaver et al., Table 1.
_DEPTH_MAG = {"u": 27.1, "us": 27.1, "g": 27.5, "r": 27.2, "i": 27.0, "z": 26.6, "y": 25.9}
_BAND_LABEL = {"u": "CFHT_u", "us": "CFHT_ustar"} | {b: f"HSC_{b}" for b in "grizy"}

_LOST_FRACTION = {"CLASSIC": 0.035, "FARMER": 0.025}
_ASTROMETRY_ARCSEC = 0.07
_BRIGHT_STAR_MAG = 18.5


def covered(truth: pd.DataFrame, field: str) -> NDArray[np.bool_]:
    """Return which objects COSMOS2020 covers.

    That is all of COSMOS_UDF and, of COSMOS_DEEP, the quarter of the objects nearest to the UDF.
    """
    if field != "COSMOS_DEEP" or not len(truth):
        return np.full(len(truth), field == "COSMOS_UDF")
    udf = FIELDS["COSMOS_UDF"]
    distance = np.hypot(*(truth[["ra", "dec"]].to_numpy() - (udf.ra_deg, udf.dec_deg)).T)
    return distance <= np.quantile(distance, 0.25)


def write_cosmos2020(
    truth: pd.DataFrame,
    folder: Path,
    field: str,
    rng: np.random.Generator,
    flaws: LabelFlaws = REGULAR,
) -> dict[str, Path]:
    """Write the CLASSIC and the FARMER catalogue of a field.

    Rows are in another order in each, positions scatter by 0.1 arcsec, a few percent of the
    objects are missing from either, and FLAG_COMBINED is 1 around bright stars. LePhare's
    redshift is 0 for stars and -99 where it failed, EAZY's NaN.

    Parameters
    ----------
    truth : DataFrame
        From `hscz.mock.population.draw_field`.
    folder : Path
    field : str
    rng : numpy.random.Generator
    flaws : LabelFlaws
        What redshifts and completeness depend on beyond magnitude.

    Returns
    -------
    dict of str to Path
        ``cosmos2020-classic`` and ``cosmos2020-farmer``; empty where the field has none.
    """
    objects = truth[covered(truth, field)].reset_index(drop=True)
    if objects.empty:
        return {}
    redshifts = four_redshifts(
        objects["z_true"].to_numpy(),
        objects["mag_i"].to_numpy(),
        rng,
        flaws.failure_rate_factor(objects),
        flaws.confused_share,
    )
    lost = flaws.lost(objects, rng)
    common: dict[str, NDArray] = {
        "FLAG_COMBINED": _near_bright_star(objects).astype(np.int16),
        "EBV_MW": galactic_ebv(field, objects["ra"], objects["dec"]),
    }
    paths = {}
    for name in ("CLASSIC", "FARMER"):
        columns = (
            _positions(objects, rng) | common | _magnitudes(objects, name, common["EBV_MW"], rng)
        )
        columns |= _redshift_columns(
            objects, redshifts[name, "lephare"], redshifts[name, "eazy"], rng
        )
        kept = rng.permutation(len(objects))[: round(len(objects) * (1 - _LOST_FRACTION[name]))]
        kept = kept[~lost[kept]]
        table = Table({key: values[kept] for key, values in columns.items()})
        table.add_column(np.arange(1, len(table) + 1), name="ID", index=0)
        path = Path(folder) / LABEL_FILES[f"cosmos2020-{name.lower()}"]
        paths[f"cosmos2020-{name.lower()}"] = write_atomic(
            path, partial(table.write, format="fits", overwrite=True)
        )
    return paths


def _near_bright_star(objects: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which objects lie in the mask of a star, whose radius grows with its brightness."""
    stars = objects[objects["is_star"] & (objects["mag_i"] < _BRIGHT_STAR_MAG)]
    squeeze = np.cos(np.deg2rad(objects["dec"].mean()))
    xy = np.column_stack([objects["ra"] * squeeze, objects["dec"]])
    tree, near = cKDTree(xy), np.zeros(len(objects), dtype=bool)
    radius_arcsec = 8.0 * 10 ** (0.13 * (_BRIGHT_STAR_MAG - stars["mag_i"]))
    for place, radius in zip(xy[stars.index], radius_arcsec / 3600.0, strict=True):
        near[tree.query_ball_point(place, radius)] = True
    return near


def _positions(objects: pd.DataFrame, rng: np.random.Generator) -> dict[str, FloatArray]:
    offset = _ASTROMETRY_ARCSEC / 3600.0 * rng.normal(size=(2, len(objects)))
    dec = objects["dec"].to_numpy()
    return {
        "ALPHA_J2000": objects["ra"].to_numpy() + offset[0] / np.cos(np.deg2rad(dec)),
        "DELTA_J2000": dec + offset[1],
    }


def _magnitudes(
    objects: pd.DataFrame, name: str, ebv: FloatArray, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return magnitudes not corrected for Galactic extinction, as both catalogues list them."""
    suffix = "_AUTO" if name == "CLASSIC" else ""
    columns = {}
    for band, label in _BAND_LABEL.items():
        reddened = objects[f"mag_{band}"] + BANDS[band].extinction_per_ebv * ebv
        flux = 10 ** (-0.4 * (reddened.to_numpy() - _DEPTH_MAG[band]))
        error = np.hypot(0.2, 0.02 * flux)
        measured = flux + error * rng.normal(size=len(flux))
        detected = measured > 0
        mag = _DEPTH_MAG[band] - 2.5 * np.log10(np.where(detected, measured, 1.0))
        columns[f"{label}_MAG{suffix}"] = np.where(detected, mag, MISSING)
        relative = error / np.where(detected, measured, 1.0)
        columns[f"{label}_MAGERR{suffix}"] = np.where(
            detected, MAG_PER_RELATIVE_ERROR * relative, MISSING
        )
    return columns


def _redshift_columns(
    objects: pd.DataFrame, lephare: FloatArray, eazy: FloatArray, rng: np.random.Generator
) -> dict[str, NDArray]:
    n, z = len(objects), objects["z_true"].to_numpy()
    kind = _lephare_type(objects["is_star"].to_numpy(), rng)
    width = 0.5 * np.abs(lephare - eazy) + 0.008 * (1.0 + lephare) * rng.lognormal(0.0, 0.4, n)
    best = np.where(kind == 1, 0.0, lephare)
    second = np.where(rng.random(n) < 0.2, mistaken_redshift(z, rng), MISSING)
    columns = {
        "lp_zBEST": best,
        "lp_zPDF": lephare + 0.2 * width * rng.normal(size=n),
        "lp_zPDF_l68": np.maximum(lephare - width, 0.0),
        "lp_zPDF_u68": lephare + width,
        "lp_zp_2": second,
    }
    failed = kind < 0
    columns = {name: np.where(failed, MISSING, values) for name, values in columns.items()}
    columns["ez_z_phot"] = np.where(rng.random(n) < 0.015, np.nan, eazy)
    return columns | {"lp_type": kind, "lp_NbFilt": rng.integers(24, 33, n).astype(np.int16)}


def _lephare_type(is_star: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int16]:
    """Draw LePhare's type: 0 galaxy, 1 star, 2 X-ray source, -9 failed."""
    n = len(is_star)
    galaxy_types = rng.choice(np.array([0, 1, 2, -9]), n, p=[0.977, 0.005, 0.006, 0.012])
    star_types = rng.choice(np.array([0, 1, -9]), n, p=[0.06, 0.92, 0.02])
    return np.where(is_star, star_types, galaxy_types).astype(np.int16)
