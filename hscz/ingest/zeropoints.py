"""Zero points of a field against those of others, measured on bright galaxies of their stores.

No redshift is looked at: galaxies of a field should have the colours of those of any other. The
estimate stands in a file of its own, and is made again when one of the stores is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hscz import stores
from hscz.config import RunConfig
from hscz.config.decisive import key_of
from hscz.files.atomic import read_json
from hscz.files.fresh import Key, mark_made, why_stale
from hscz.schema import central_pixels, is_usable
from hscz.sky.colours import colour_shift
from hscz.sky.dust import image_ebv
from hscz.sky.photometry import asinh_mag, matched_flux
from hscz.sky.zeropoint import zero_points
from hscz.survey import BANDS, ZERO_POINT_MAG

SEEN_FWHM_ARCSEC, SIDE_PX = 2.4, 48
"""Resolution at which all bands are compared, and the pixels that this takes."""

BRIGHT_MAG, FAINT_MAG = 20.0, 23.0
"""Mean magnitude over the bands of the galaxies compared: below, few; above, noisy ones."""

MARGIN_MAG = 0.5
"""The source has galaxies so much beyond both, lest the target's at the ends have no like."""

N_SOURCE, N_TARGET = 3000, 1500
"""Galaxies compared at most."""

N_LEAST = 150
"""With fewer galaxies nothing is said: errors from so few are themselves too small."""

MOST_CHUNKS = 96
"""Chunks of a store that are read at most, drawn at random."""

PARTS = 10
"""Parts of both samples, each a range of right ascension, whose scatter makes the errors."""

FLAGGED_SIGMA = 3.0
"""Offsets above so many errors are pointed out."""

LARGEST_ERROR_MAG = 0.05
"""Error of an offset above which it is as good as unknown."""

RULES = 3
"""Count up when the estimate changes: what was made with it is then made again."""


@dataclass(frozen=True)
class Bright:
    """Measured magnitudes of the bright galaxies of a field.

    Attributes
    ----------
    bands : tuple of str
    flux, flux_err : ndarray, shape (n, band)
        Counts at `SEEN_FWHM_ARCSEC`, corrected for the dust of the Galaxy.
    ra : ndarray, shape (n,)
        Degrees.
    """

    bands: tuple[str, ...]
    flux: NDArray[np.float64]
    flux_err: NDArray[np.float64]
    ra: NDArray[np.float64]

    def take(self, bands: Sequence[str]) -> Bright:
        """Return the galaxies that have all of some bands."""
        index = [self.bands.index(band) for band in bands]
        flux, err = self.flux[:, index], self.flux_err[:, index]
        whole = np.isfinite(flux).all(axis=1) & np.isfinite(err).all(axis=1)
        return Bright(tuple(bands), flux[whole], err[whole], self.ra[whole])

    def magnitudes(
        self, softening: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return asinh magnitudes and their errors."""
        mag, err = asinh_mag(self.flux, self.flux_err, softening)
        return ZERO_POINT_MAG + mag, err


def measure(target: xr.Dataset, sources: Sequence[xr.Dataset]) -> pd.DataFrame:
    """Return the zero points of a field store against those of others together.

    Parameters
    ----------
    target : xarray.Dataset
        Field store opened without Dask (``lazy=False``).
    sources : sequence of xarray.Dataset

    Returns
    -------
    pandas.DataFrame
        A row for each band of the target: ``band``, ``offset_mag`` (positive where the target is
        too faint), ``error_mag``, ``shrunk_mag`` (what to correct for) and ``n``, galaxies
        compared. Offsets are NaN, and ``shrunk_mag`` is 0, in bands that a source lacks or whose
        seeing is unknown, and where there are too few galaxies or their E(B-V) is unknown.
    """
    theirs, ours = bright_galaxies(target), [bright_galaxies(source) for source in sources]
    table = pd.DataFrame({"band": theirs.bands, "offset_mag": np.nan, "error_mag": np.nan})
    table = table.assign(shrunk_mag=0.0, n=0)
    bands = [b for b in theirs.bands if all(_has(one, b) for one in (theirs, *ours))]
    if len(bands) < 3:
        return table
    theirs, ours = theirs.take(bands), [one.take(bands) for one in ours]
    if not len(theirs.flux):
        return table
    softening = 2 * np.median(theirs.flux_err, axis=0)
    mag, err = theirs.magnitudes(softening)
    source = np.concatenate([one.magnitudes(softening)[0] for one in ours])
    source_ra = np.concatenate([one.ra for one in ours])
    rng = np.random.default_rng(0)
    chosen, like = _drawn(mag, 0.0, N_TARGET, rng), _drawn(source, MARGIN_MAG, N_SOURCE, rng)
    if min(len(chosen), len(like)) < N_LEAST:
        return table
    parts = _parts(source_ra[like]), _parts(theirs.ra[chosen])
    shift = colour_shift(source[like], mag[chosen], err[chosen], *parts)
    found = zero_points(shift, bands.index("i") if "i" in bands else None)
    there = table["band"].isin(bands)
    for column in ("offset_mag", "error_mag", "shrunk_mag"):
        table.loc[there, column] = getattr(found, column)
    table.loc[there, "n"] = len(chosen)
    return table


def bright_galaxies(store: xr.Dataset) -> Bright:
    """Measure the galaxies of a store that may be bright enough, from random chunks of it."""
    bands = tuple(str(band) for band in store["band"].values)
    usable = is_usable(store["flags"].values) & (store["mag_i"].values < FAINT_MAG + 1)
    fwhm = store["psf_fwhm"].values.astype(np.float64)
    seen = np.isfinite(fwhm).any(axis=0)
    fwhm[:, seen] = np.where(
        np.isnan(fwhm[:, seen]), np.nanmedian(fwhm[:, seen], axis=0), fwhm[:, seen]
    )
    extinction = [BANDS[band].extinction_per_ebv if band in BANDS else 0.0 for band in bands]
    ebv = _dust(store)
    crop = central_pixels(store.sizes["y"], min(SIDE_PX, store.sizes["y"]))
    starts = np.arange(0, store.sizes["object"], stores.IMAGE_CHUNK)
    starts = np.sort(np.random.default_rng(0).permutation(starts)[:MOST_CHUNKS])
    flux, err, ra = [np.empty((0, len(bands)))], [np.empty((0, len(bands)))], [np.empty(0)]
    for start in starts:
        rows = start + np.flatnonzero(usable[start : start + stores.IMAGE_CHUNK])
        if not len(rows):
            continue
        block = store["image"][start : start + stores.IMAGE_CHUNK].values
        measured, factor = matched_flux(
            block[rows - start][..., crop, crop], fwhm[rows], SEEN_FWHM_ARCSEC
        )
        dust = 10 ** (0.4 * np.outer(ebv[rows], extinction))
        flux.append(dust * measured)
        err.append(dust * factor * store["sky_noise"].values[rows])
        ra.append(store["ra"].values[rows])
    return Bright(bands, np.concatenate(flux), np.concatenate(err), np.concatenate(ra))


def _dust(store: xr.Dataset) -> NDArray[np.float32]:
    """Return E(B-V) of each object, NaN where nothing gives it: dust would pass for an offset."""
    corrected = store.attrs.get("image_extinction_corrected")
    if corrected or np.isfinite(store["ebv"].values).any():
        return image_ebv(store)
    return np.full(store.sizes["object"], np.nan, np.float32)


def _has(galaxies: Bright, band: str) -> bool:
    """Return whether most of some galaxies are measured in a band."""
    if band not in galaxies.bands or not len(galaxies.flux):
        return False
    return bool(np.isfinite(galaxies.flux[:, galaxies.bands.index(band)]).mean() > 0.5)


def _drawn(
    mag: NDArray[np.float64], margin: float, n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return random galaxies between the limits."""
    mean = mag.mean(axis=1)
    inside = (mean > BRIGHT_MAG - margin) & (mean < FAINT_MAG + margin)
    return rng.permutation(np.flatnonzero(inside))[:n]


def _parts(ra: NDArray[np.float64]) -> NDArray[np.int64]:
    """Divide galaxies by right ascension into parts of as many each."""
    return np.asarray(np.argsort(np.argsort(ra)) * PARTS // len(ra), np.int64)


def measured_zero_points(config: RunConfig, name: str) -> pd.DataFrame:
    """Return the table of `measure` for a field of a run, making it where that is not done.

    Raises
    ------
    StoreError
        If the store of the field or of a source is absent.
    """
    path, key = config.zero_points(name), zero_points_key(config, name)
    if why_stale(path, key):
        key = key.begun()
        target = stores.open_field(config.field_store(name), lazy=False)
        sources = [
            stores.open_field(config.field_store(source), lazy=False)
            for source in config.train.fields
        ]
        mark_made(path, key, bands=measure(target, sources).to_dict("list"))
    return pd.DataFrame(read_json(path)["bands"])


def zero_points_key(config: RunConfig, name: str) -> Key:
    """Return what the zero points of a field are made from."""
    return key_of({"ingest": ingested(config, name)}, {"rules of zero points": RULES})


def ingested(config: RunConfig, name: str) -> dict[str, str | None]:
    """Return which stores the zero points of a field are made from."""
    names = (name, *config.train.fields)
    return {n: stores.attributes(config.field_store(n)).get("fingerprint") for n in names}


def zero_point_scale(config: RunConfig, name: str) -> dict[str, float]:
    """Return what the stamps of a field are to be multiplied by in each band that is off."""
    if not corrects(config, name):
        return {}
    table = measured_zero_points(config, name)
    scale = dict(zip(table["band"], 10 ** (0.4 * table["shrunk_mag"]), strict=True))
    return {band: float(factor) for band, factor in scale.items() if factor != 1}


def corrects(config: RunConfig, name: str) -> bool:
    """Return whether the settings ask for measured zero points, and the field is no source."""
    return config.predict.zero_points == "measured" and is_target(config, name)


def why_unsound(config: RunConfig, name: str) -> str:
    """Return why the zero points of a field are not to be relied on; empty where they are."""
    if not is_target(config, name):
        return ""
    table = measured_zero_points(config, name)
    offset, error = table["offset_mag"], table["error_mag"]
    unknown = table["band"].isin(config.train.bands) & ~(error < LARGEST_ERROR_MAG)
    if unknown.any():
        bands = ", ".join(table.loc[unknown, "band"])
        return f"its zero points are not known in {bands}: too few bright galaxies of known E(B-V)"
    off = offset.abs() > FLAGGED_SIGMA * error
    if off.any() and not corrects(config, name):
        bands = ", ".join(
            f"{b} ({o:+.3f} mag)" for b, o in zip(table["band"][off], offset[off], strict=True)
        )
        return f'its zero points are off in {bands}; set predict.zero_points = "measured"'
    return ""


def report_lines(config: RunConfig, name: str) -> list[str]:
    """Return the zero points of a field in words.

    There is nothing to say of a source field, nor before the stores of all sources are there.
    """
    if not is_target(config, name) or None in ingested(config, name).values():
        return []
    return in_words(measured_zero_points(config, name), config.train.fields)


def known_lines(path: Path) -> list[str]:
    """Return the zero points that are known of a field store in words."""
    lines = []
    for file in sorted(path.parent.parent.glob(f"zero_points/*/{path.stem}.json")):
        note = read_json(file)
        made_from = note.get("made_from", {}).get("inputs", {}).get("ingest", {})
        if made_from.get(path.stem) == stores.attributes(path).get("fingerprint"):
            lines += in_words(pd.DataFrame(note["bands"]), file.parent.name.split("+"))
    return lines


def in_words(table: pd.DataFrame, sources: Sequence[str]) -> list[str]:
    """Return zero points in words, those far off pointed out.

    Examples
    --------
    >>> off = {"offset_mag": [0.2, 0.01], "error_mag": [0.02, 0.02], "n": [800, 800]}
    >>> lines = in_words(pd.DataFrame({"band": ["i", "z"], **off}), ["COSMOS"])
    >>> print(lines[1])
      i +0.200! +- 0.020, z +0.010 +- 0.020
    """
    known, against = table[table["offset_mag"].notna()], ", ".join(sources)
    if not len(known):
        return [
            "zero points unknown: too few bright galaxies of known E(B-V) in bands shared with "
            f"{against}"
        ]
    off = known["offset_mag"].abs() > FLAGGED_SIGMA * known["error_mag"]
    columns = (known["band"], known["offset_mag"], known["error_mag"], off)
    values = [
        f"{band} {offset:+.3f}{'!' if much else ''} +- {error:.3f}"
        for band, offset, error, much in zip(*columns, strict=True)
    ]
    lines = [
        f"zero points against {against}, mag, positive where too faint, from "
        f"{known['n'].iloc[0]:,} galaxies:",
        f"  {', '.join(values)}",
    ]
    if off.any():
        lines.append(f"  ! is more than {FLAGGED_SIGMA:g} errors off; see predict.zero_points")
    return lines


def is_target(config: RunConfig, name: str) -> bool:
    """Return whether a field has zero points to be measured: a source is what they refer to."""
    return bool(config.train.fields) and name not in config.train.fields
