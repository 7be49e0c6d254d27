"""The HSC-CLAUDS catalogue of a mock field, with the columns of SExtractor and LePhare."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Table
from numpy.typing import NDArray

from hscz.constants import MAG_PER_RELATIVE_ERROR
from hscz.files.atomic import write_atomic
from hscz.mock.photometry import NOT_OBSERVED_MAG, aperture_magnitudes, detect, seen_radius_arcsec
from hscz.mock.plan import FieldPlan
from hscz.survey import OPTICAL_BANDS, PIXEL_SCALE_ARCSEC

COLUMN_NAMES: Mapping[str, str] = {name: name for name in OPTICAL_BANDS} | {"us": "uS"}
"""Magnitude column of each band; u* is spelled uS."""

FOOTPRINT_BITS: Mapping[str, int] = {"i": 0, "u": 1, "us": 2}
"""Entry of FLAG_FIELD_BINARY for HSC, u and u*; entries 3 to 6 are near infrared."""

_STAR_EXCESS = 0.06
_COMPACT_EXCESS = 0.04
_COMPACT_I_MAG = 23.5
_OVERLOOKED_STELLARITY = 0.5


def write_catalogue(plan: FieldPlan, z_sed: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Detect, measure and classify the objects of a field and write its catalogue.

    Parameters
    ----------
    plan : FieldPlan
        The field, whose images are already in `folder`.
    z_sed : pandas.DataFrame
        Redshifts by SED fitting of the objects of the truth table, with the columns
        ``z``, ``z_low`` and ``z_high``; index of the truth table.
    folder : Path
        Folder of the field; the file is ``{field}_6bands-SExtractor-Lephare.fits``.

    Returns
    -------
    pandas.DataFrame
        The detections, from `hscz.mock.photometry.detect`.
    """
    found = detect(plan)
    rng = np.random.default_rng(plan.settings.stream(plan.grid.field.name, "classes"))
    columns = (
        _places(plan, found)
        | _masks(plan, found)
        | _shapes(plan, found)
        | _classes(plan, found, rng)
        | _magnitudes(found, aperture_magnitudes(plan, found, folder))
        | _redshifts(z_sed.loc[found.index])
    )
    write = partial(Table(columns).write, format="fits", overwrite=True)
    write_atomic(catalogue_path(folder, plan.grid.field.name), write)
    return found


def catalogue_path(folder: Path, field_name: str) -> Path:
    """Return where the catalogue of a field lies."""
    return folder / f"{field_name}_6bands-SExtractor-Lephare.fits"


def _places(plan: FieldPlan, found: pd.DataFrame) -> dict[str, NDArray]:
    names = np.array([patch.name for patch in plan.grid.patches()])
    return {
        "ID": found["object_id"].to_numpy(),
        "RA": found["ra"].to_numpy() % 360.0,
        "DEC": found["dec"].to_numpy(),
        "TRACT": np.full(len(found), plan.grid.field.tract, np.int32),
        "PATCH": names[plan.grid.patch_of(found["x_px"], found["y_px"])],
        "EB_V": found["ebv"].to_numpy(),
    }


def _masks(plan: FieldPlan, found: pd.DataFrame) -> dict[str, NDArray]:
    x, y = found["x_px"].to_numpy(), found["y_px"].to_numpy()
    near_star = np.zeros(len(found), bool)
    for star in plan.bright_stars().itertuples():
        near_star |= np.hypot(x - star.x_px, y - star.y_px) < star.mask_px
    trail = np.zeros(len(found), bool)
    observed = np.zeros((len(found), 7), bool)
    for band in plan.bands:
        trail |= plan.defects[band].near_trail(x, y)
        if band in FOOTPRINT_BITS:
            observed[:, FOOTPRINT_BITS[band]] = ~plan.defects[band].missing(x, y)
    return {
        "MASK": near_star.astype(np.int32),
        "FLAG_FIELD": observed @ (1 << np.arange(7)).astype(np.int32),
        "FLAG_FIELD_BINARY": observed,
        "CLEAN": (~near_star & ~trail).astype(np.int16),
        "ST_TRAIL": trail.astype(np.int16),
    }


def _shapes(plan: FieldPlan, found: pd.DataFrame) -> dict[str, NDArray]:
    """Return shapes as seen through the i-band PSF; columns of the name WORLD are in degrees."""
    x, y = found["x_px"].to_numpy(), found["y_px"].to_numpy()
    psf_arcsec = plan.psf_fwhm_px("i", x, y) * PIXEL_SCALE_ARCSEC
    radius, q = found["half_light_radius_arcsec"].to_numpy(), found["axis_ratio"].to_numpy()
    major = np.hypot(psf_arcsec / 2.3548, 0.85 * radius)
    minor = np.hypot(psf_arcsec / 2.3548, 0.85 * radius * q)
    r50 = found["r50_arcsec"].to_numpy()
    area = np.pi * r50**2
    half_light_mag = found["total_i"].to_numpy() + 0.7526
    # SExtractor counts THETA from the axis of increasing RA towards north.
    theta = (90.0 - found["position_angle_deg"].to_numpy() + 90.0) % 180.0 - 90.0
    return {
        "FWHM_WORLD_HSC_I": np.hypot(psf_arcsec, 1.2 * radius) / 3600.0,
        "MU_MAX_HSC_I": half_light_mag + 2.5 * np.log10(area) - 0.7,
        "FLUX_RADIUS_0.25_HSC_I": 0.62 * r50 / PIXEL_SCALE_ARCSEC,
        "FLUX_RADIUS_0.5_HSC_I": r50 / PIXEL_SCALE_ARCSEC,
        "FLUX_RADIUS_0.75_HSC_I": 1.6 * r50 / PIXEL_SCALE_ARCSEC,
        "A_WORLD": major / 3600.0,
        "B_WORLD": minor / 3600.0,
        "KRON_RADIUS": np.full(len(found), 3.5),
        "THETA_WORLD": theta,
        "ELONGATION": major / minor,
        "ELLIPTICITY": 1.0 - minor / major,
    }


def _classes(plan: FieldPlan, found: pd.DataFrame, rng: np.random.Generator) -> dict[str, NDArray]:
    """Tell stars from galaxies by size, and by a SED fit that errs more often when faint."""
    psf = seen_radius_arcsec(found.assign(half_light_radius_arcsec=0.0), plan, "i")
    noise = 0.015 + found["error_i"].to_numpy() / MAG_PER_RELATIVE_ERROR
    excess = found["r50_arcsec"].to_numpy() / psf - 1.0 + noise * rng.standard_normal(len(found))
    stellar = 1.0 / (1.0 + np.exp(np.clip((excess - _STAR_EXCESS) / noise, -40.0, 40.0)))
    mag = found["total_i"].to_numpy()
    is_star = found["is_star"].to_numpy()
    faintness = np.clip((mag - 22.0) / 3.0, 0.0, 1.0)
    called_star = rng.random(len(found)) < np.where(
        is_star, 0.98 - 0.28 * faintness, 0.03 * faintness
    )
    overlooked = is_star & _drawn_overlooked(plan, len(found))
    compact = (excess < _COMPACT_EXCESS) & (mag < _COMPACT_I_MAG) & ~overlooked
    stellar[overlooked] *= _OVERLOOKED_STELLARITY
    return {
        "CLASS_STAR_HSC_I": np.clip(stellar, 0.0, 0.99).astype(np.float32),
        "COMPACT": compact.astype(np.int16),
        "OBJ_TYPE": np.where(called_star & (excess < 0.3) & ~overlooked, 2, 0).astype(np.int16),
    }


def _drawn_overlooked(plan: FieldPlan, n: int) -> NDArray[np.bool_]:
    """Draw which objects would be taken for galaxies if they were stars."""
    stream = plan.settings.stream(plan.grid.field.name, "overlooked")
    return np.random.default_rng(stream).random(n) < plan.settings.overlooked_star_share


def _magnitudes(found: pd.DataFrame, apertures: pd.DataFrame) -> dict[str, NDArray]:
    columns = {}
    missing = np.full(len(found), NOT_OBSERVED_MAG)
    for band, name in COLUMN_NAMES.items():
        for column, source, key in (
            (name, found, f"total_{band}"),
            (f"{name}_err", found, f"error_{band}"),
            (f"MAG_APER_2s_{name}", apertures, f"aperture_{band}"),
            (f"MAGERR_APER_2s_{name}", apertures, f"aperture_error_{band}"),
        ):
            values = source[key].to_numpy() if key in source else missing
            columns[column] = values.astype(np.float32)
    return columns


def _redshifts(z_sed: pd.DataFrame) -> dict[str, NDArray]:
    z = z_sed["z"].fillna(NOT_OBSERVED_MAG).to_numpy()
    return {
        "Z_BEST": z,
        "Z_BEST68_LOW": z_sed["z_low"].fillna(NOT_OBSERVED_MAG).to_numpy(),
        "Z_BEST68_HIGH": z_sed["z_high"].fillna(NOT_OBSERVED_MAG).to_numpy(),
        "ZPHOT": z,
        "Z_SPEC": np.full(len(z), -99.0),
    }
