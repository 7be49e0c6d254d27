"""What a source extractor finds and measures: detections, blends, magnitudes, apertures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from hscz.constants import MAG_PER_RELATIVE_ERROR
from hscz.mock.exposure import calexp_path
from hscz.mock.grid import Patch
from hscz.mock.plan import FieldPlan
from hscz.survey import BANDS, PIXEL_SCALE_ARCSEC, ZERO_POINT_MAG

FloatArray = NDArray[np.floating]

BLEND_ARCSEC = 0.6
"""Closer pairs are detected as one object, at the place of the brighter."""

NOT_OBSERVED_MAG = -99.0
NOT_DETECTED_MAG = 99.0

APERTURE_ARCSEC = 2.0
"""Diameter of the aperture of the columns MAG_APER_2s."""

_POSITION_SCATTER_ARCSEC = 0.05
_CALIBRATION_SCATTER = 0.01


def merge_blends(x_px: ArrayLike, y_px: ArrayLike, flux: ArrayLike) -> NDArray[np.int64]:
    """Return for each object the index of the one it is detected as.

    Parameters
    ----------
    x_px, y_px : array_like, shape (n,)
    flux : array_like, shape (n,)
        Brightness in the detection band.

    Returns
    -------
    ndarray of int, shape (n,)
        The object itself, or the brightest at the end of a chain of brighter neighbours.

    Examples
    --------
    >>> merge_blends([0, 2, 40], [0, 0, 0], [1.0, 5.0, 2.0]).tolist()
    [1, 1, 2]
    """
    brightness = np.asarray(flux, float)
    parent = np.arange(len(brightness))
    tree = cKDTree(np.column_stack([x_px, y_px]))
    pairs = tree.query_pairs(BLEND_ARCSEC / PIXEL_SCALE_ARCSEC, output_type="ndarray")
    swap = brightness[pairs[:, 0]] > brightness[pairs[:, 1]]
    faint, bright = np.where(swap[:, None], pairs[:, ::-1], pairs).T
    # Where one object has several brighter neighbours, the brightest is written last and stays.
    order = np.argsort(brightness[bright], kind="stable")
    parent[faint[order]] = bright[order]
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    return parent


def detect(plan: FieldPlan) -> pd.DataFrame:
    """Return what is detected on a field's mosaic, with noisy total photometry.

    Parameters
    ----------
    plan : FieldPlan

    Returns
    -------
    pandas.DataFrame
        Rows of the truth table, with the position as measured (``ra``, ``dec``), the radius
        ``r50_arcsec`` as seen through the i-band PSF, and in each band ``total_{band}`` (AB mag
        corrected for Galactic extinction, -99 without data, 99 where the flux is not positive)
        and ``error_{band}``. Blends closer than `BLEND_ARCSEC` are one row.
    """
    truth = plan.truth
    rng = np.random.default_rng(plan.settings.stream(plan.grid.field.name, "catalogue"))
    rows, columns = plan.grid.shape
    parent = merge_blends(truth["x_px"], truth["y_px"], plan.image_flux("i", truth))
    scatter = _POSITION_SCATTER_ARCSEC / 3600.0 * rng.standard_normal((2, len(truth)))
    found = truth.assign(
        ra=truth["ra"] + scatter[0] / np.cos(np.deg2rad(truth["dec"])),
        dec=truth["dec"] + scatter[1],
        r50_arcsec=seen_radius_arcsec(truth, plan, "i"),
    )
    for band in plan.bands:
        light = np.bincount(parent, plan.image_flux(band, truth), minlength=len(truth))
        total, error = _total_magnitude(plan, found, band, light, rng)
        found = found.assign(**{f"total_{band}": total, f"error_{band}": error})
    on_mosaic = found["x_px"].between(-0.5, columns - 0.5) & found["y_px"].between(-0.5, rows - 0.5)
    is_detected = (found["total_i"] > 0) & (found["total_i"] < plan.settings.i_max_catalogue)
    significant = found["error_i"] < MAG_PER_RELATIVE_ERROR / 5.0
    alone = parent == np.arange(len(truth))
    return found[on_mosaic & is_detected & significant & alone]


def seen_radius_arcsec(truth: pd.DataFrame, plan: FieldPlan, band: str) -> FloatArray:
    """Return half-light radii as blurred by the PSF, in quadrature."""
    profile = plan.psf_profile(band)
    fwhm = plan.psf_fwhm_px(band, truth["x_px"].to_numpy(), truth["y_px"].to_numpy())
    psf = fwhm / profile.fwhm * profile.half_light * PIXEL_SCALE_ARCSEC
    round_radius = truth["half_light_radius_arcsec"] * np.sqrt(truth["axis_ratio"])
    return np.hypot(psf, round_radius.to_numpy())


def _total_magnitude(
    plan: FieldPlan,
    found: pd.DataFrame,
    band: str,
    flux: NDArray[np.number],
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Return noisy total magnitudes and their errors.

    The noise is that of the 2 arcsec aperture, scaled up by the light the aperture misses.
    """
    seen = seen_radius_arcsec(found, plan, band)
    inside = 1.0 - 0.5 ** ((0.5 * APERTURE_ARCSEC / seen) ** 2)
    sky = plan.conditions.sky_sigma(band) * np.sqrt(_aperture_pixels())
    if deeper_mag := plan.depth_variation(band):
        sky = sky * 10 ** (-0.4 * deeper_mag.at(found["x_px"].to_numpy(), found["y_px"].to_numpy()))
    sigma = np.hypot(sky / inside, _CALIBRATION_SCATTER * flux)
    measured = flux + sigma * rng.standard_normal(len(flux))
    extinction = BANDS[band].extinction_per_ebv * found["ebv"].to_numpy()
    missing = plan.defects[band].missing(found["x_px"], found["y_px"])
    magnitude, error = _magnitudes(np.where(missing, np.nan, measured), sigma)
    usable = (magnitude > 0) & (magnitude < NOT_DETECTED_MAG)
    return np.where(usable, magnitude - extinction, magnitude), error


def _magnitudes(flux: FloatArray, sigma: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return magnitudes and errors with the catalogue's sentinels; NaN is not observed."""
    positive = flux > 0
    safe = np.where(positive, flux, 1.0)
    observed = np.isfinite(flux)
    sentinel = np.where(observed, NOT_DETECTED_MAG, NOT_OBSERVED_MAG)
    magnitude = np.where(positive, ZERO_POINT_MAG - 2.5 * np.log10(safe), sentinel)
    return magnitude, np.where(
        positive, MAG_PER_RELATIVE_ERROR * np.asarray(sigma) / safe, sentinel
    )


def _aperture_pixels() -> float:
    return float(np.pi * (0.5 * APERTURE_ARCSEC / PIXEL_SCALE_ARCSEC) ** 2)


def aperture_magnitudes(plan: FieldPlan, found: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Measure the 2 arcsec aperture magnitudes of detections on the written images.

    Parameters
    ----------
    plan : FieldPlan
    found : pandas.DataFrame
        Detections, from `detect`.
    folder : Path
        Folder of the field.

    Returns
    -------
    pandas.DataFrame
        Columns ``aperture_{band}`` and ``aperture_error_{band}``, AB mag with the sentinels of
        the catalogue, not corrected for Galactic extinction; index of `found`.
    """
    flux = pd.DataFrame(np.nan, index=found.index, columns=list(plan.bands))
    patch_number = plan.grid.patch_of(found["x_px"], found["y_px"])
    for number, patch in enumerate(plan.grid.patches()):
        some = found[patch_number == number]
        y, x, weights = _apertures(some, patch)
        for band in plan.bands:
            image = fits.getdata(calexp_path(folder, plan.grid, band, patch), "IMAGE")
            # Pixels outside the aperture do not count even where they are missing.
            light = np.where(weights == 0.0, 0.0, weights * image[y, x])
            flux.loc[some.index, band] = light.sum(axis=(1, 2))
    columns: dict[str, FloatArray] = {}
    for band in plan.bands:
        sigma = plan.conditions.sky_sigma(band) * np.sqrt(_aperture_pixels())
        magnitude, error = _magnitudes(flux[band].to_numpy(), sigma)
        columns |= {f"aperture_{band}": magnitude, f"aperture_error_{band}": error}
    return pd.DataFrame(columns, index=found.index)


def _apertures(
    some: pd.DataFrame, patch: Patch
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Return rows, columns and weights of the pixels around each object, shape (n, k, k).

    The weights of an aperture that reaches over the edge of the patch are NaN.
    """
    radius = 0.5 * APERTURE_ARCSEC / PIXEL_SCALE_ARCSEC
    offsets = np.arange(-int(radius) - 2, int(radius) + 3)
    x, y = some["x_px"].to_numpy() - patch.x_px, some["y_px"].to_numpy() - patch.y_px
    columns = np.rint(x).astype(int)[:, None, None] + offsets[None, :]
    rows = np.rint(y).astype(int)[:, None, None] + offsets[:, None]
    distance = np.hypot(rows - y[:, None, None], columns - x[:, None, None])
    # A pixel on the rim counts by how far it lies inside: good to half a percent.
    weights = np.clip(radius + 0.5 - distance, 0.0, 1.0)
    outside = (np.minimum(rows, columns) < 0) | (np.maximum(rows, columns) >= patch.size_px)
    weights[((weights > 0) & outside).any(axis=(1, 2))] = np.nan
    last = patch.size_px - 1
    return rows.clip(0, last), columns.clip(0, last), weights
