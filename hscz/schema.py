"""The contracts of the artefacts, and checks whose errors name what to correct.

Three artefacts stand on disk between the stages. The field store and the PDF cube are xarray
datasets, described here; the model directory is described in `hscz.learn.folder`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hscz.errors import ConfigError, StoreError
from hscz.survey import FLUX_UNIT


class Flag(IntFlag):
    """Why an object deserves caution; stored in ``flags(object)`` as a bit mask.

    `UNUSABLE` gathers the bits with which a stamp must not reach the network.

    Examples
    --------
    >>> bool(Flag.MISSING_PIXELS & Flag.UNUSABLE), bool(Flag.SATURATED & Flag.UNUSABLE)
    (True, False)
    """

    MISSING_PIXELS = 1
    """NaN or NO_DATA pixels in the stamp in at least one band that is not optional."""
    ALL_MASKED = 2
    """Every pixel of one band is missing."""
    SATURATED = 4
    """Saturated pixels within 10 px of the centre."""
    BRIGHT_OBJECT = 8
    """The centre lies in the mask of a bright star."""
    TRAIL = 16
    """A satellite trail crosses the stamp, as far as mask and catalogue know."""
    CLIPPED = 32
    """A pixel was brighter than the stored type can hold and was clipped."""
    NO_NOISE = 64
    """The sky noise of at least one band could not be measured or is zero."""
    EDGE = 128
    """The stamp reaches pixels that the mask calls the edge of an image."""
    UNREADABLE = 256
    """The image of at least one band turned out to be damaged."""

    # Bits from here on are set in PDF cubes (`hscz.pdf.flags`), those before in field stores.
    WIDE_PDF = 65536
    """PDFw, the width of the central 68 %, is above `WIDE_PDFW`."""
    SEVERAL_PEAKS = 131072
    """Peaks farther than 0.15 (1 + z) from the highest hold 20 % of the probability or more."""
    OUTSIDE_TRAINING = 262144
    """The i magnitude lies outside those of the galaxies the networks learnt from."""
    GRID_END = 524288
    """More than 5 % of the probability lies in the last tenth of the redshift grid."""
    NEIGHBOUR = 1048576
    """Another object of the field store lies within 2 arcsec: their light may be blended."""
    RUNS_DISAGREE = 2097152
    """The medians of the ensemble's networks differ by more than 0.15 (1 + z)."""

    UNUSABLE = MISSING_PIXELS | ALL_MASKED | NO_NOISE | UNREADABLE


WIDE_PDFW = 1.5
"""PDFw above which the paper calls a redshift very insecure, and cuts its maps."""

SINGLE_FLAGS = tuple(flag for flag in Flag if flag.value.bit_count() == 1)
"""Every bit of `Flag`; the names that gather several bits left out."""


def is_usable(flags: Any) -> Any:
    """Return whether stamps may reach a network, from NumPy, pandas or Dask flags.

    Examples
    --------
    >>> is_usable(np.array([0, int(Flag.SATURATED), int(Flag.MISSING_PIXELS)])).tolist()
    [True, True, False]
    """
    return (flags & int(Flag.UNUSABLE)) == 0


def has_redshift(z: ArrayLike) -> NDArray[np.bool_]:
    """Return whether redshifts are known: catalogues write zero, less or NaN where not.

    Examples
    --------
    >>> has_redshift([0.5, 0.0, -99.0, np.nan]).tolist()
    [True, False, False, False]
    """
    values = np.asarray(z, dtype=np.float64)
    return np.isfinite(values) & (values > 0)


def known_redshifts(z: ArrayLike) -> NDArray[np.float64]:
    """Return redshifts as floats, NaN where they are not known.

    Examples
    --------
    >>> known_redshifts([0.5, -99.0]).tolist()
    [0.5, nan]
    """
    return np.where(has_redshift(z), np.asarray(z, dtype=np.float64), np.nan)


def central_pixels(side_px: int, wanted_px: int) -> slice:
    """Return the rows, or columns, of the middle of a square stamp.

    Raises
    ------
    ConfigError
        If the stamp is smaller than that.

    Examples
    --------
    >>> central_pixels(64, 32)
    slice(16, 48, None)
    """
    if wanted_px > side_px:
        raise ConfigError(f"stamps of {side_px} px are smaller than {wanted_px}")
    margin = (side_px - wanted_px) // 2
    return slice(margin, margin + wanted_px)


def flag_meanings() -> str:
    """Return what the bits of ``flags`` mean, for the catalogue's reader.

    Examples
    --------
    >>> flag_meanings()
    '1 missing_pixels, 2 all_masked, 4 saturated, ...; no redshift where flags & 323'
    """
    bits = ", ".join(f"{flag.value} {str(flag.name).lower()}" for flag in SINGLE_FLAGS)
    return f"{bits}; no redshift where flags & {Flag.UNUSABLE.value}"


def flag_counts(flags: np.ndarray) -> dict[str, int]:
    """Return how many objects have each flag, without those that none has.

    Examples
    --------
    >>> flag_counts(np.array([0, 4, 12]))
    {'saturated': 2, 'bright_object': 1}
    """
    counts = {str(f.name).lower(): int((flags & f.value != 0).sum()) for f in SINGLE_FLAGS}
    return {name: count for name, count in counts.items() if count}


@dataclass(frozen=True)
class Variable:
    """What a variable of an artefact must look like."""

    dims: tuple[str, ...]
    kinds: str
    long_name: str
    units: str = ""
    ucd: str = ""
    required: bool = True


FIELD_STORE: Mapping[str, Variable] = {
    "image": Variable(("object", "band", "y", "x"), "f", "calibrated flux", FLUX_UNIT),
    "sky_noise": Variable(("object", "band"), "f", "sky noise of one pixel", FLUX_UNIT),
    "psf_fwhm": Variable(("object", "band"), "f", "PSF full width at half maximum", "arcsec"),
    "mag": Variable(("object", "band"), "f", "total AB magnitude", "mag", "phot.mag"),
    "mag_err": Variable(("object", "band"), "f", "error of mag", "mag", "stat.error;phot.mag"),
    "flags": Variable(
        ("object",), "iu", f"defects of stamp and redshift: {flag_meanings()}", "", "meta.code"
    ),
    "object_id": Variable(("object",), "iu", "identifier", "", "meta.id;meta.main"),
    "ra": Variable(("object",), "f", "right ascension (ICRS)", "deg", "pos.eq.ra;meta.main"),
    "dec": Variable(("object",), "f", "declination (ICRS)", "deg", "pos.eq.dec;meta.main"),
    "field": Variable(("object",), "UTO", "field", "", "meta.id;obs.field"),
    "band": Variable(("band",), "UTO", "photometric band, blue to red", "", "instr.bandpass"),
    "mag_i": Variable(("object",), "f", "total i magnitude", "mag", "phot.mag;em.opt.I"),
    "snr_i": Variable(("object",), "f", "signal to noise in i", "", "stat.snr;em.opt.I"),
    "ebv": Variable(("object",), "f", "Galactic E(B-V)", "mag", "phot.color.excess"),
}
"""Variables and coordinates every field store has."""

TILE_VARIABLES: Mapping[str, Variable] = {
    "tile_name": Variable(("tile_name",), "UTO", "tile that stamps are cut from", required=False),
    "psf": Variable(
        ("tile_name", "band", "psf_y", "psf_x"),
        "f",
        "median of the stars, of unit sum",
        required=False,
    ),
    "sky_correlation": Variable(
        ("tile_name", "band", "lag_y", "lag_x"),
        "f",
        "correlation of sky pixels by their distance",
        required=False,
    ),
}
"""What field stores say of the tiles that their stamps were cut from, where they do."""

C2020_ESTIMATES: Mapping[str, str] = {
    f"z_{catalogue}_{code}": f"redshift of COSMOS2020 {catalogue.upper()}, {title}"
    for catalogue in ("classic", "farmer")
    for code, title in (("lephare", "LePhare"), ("eazy", "EAZY"))
}
"""The four redshifts whose consensus is ``z_c2020``, and what they are."""

LABEL_COLUMNS: Mapping[str, Variable] = {
    name: Variable(("object",), kinds, long_name, "", ucd, required=False)
    for name, kinds, long_name, ucd in (
        ("z_spec", "f", "spectroscopic redshift", "src.redshift;spect"),
        ("z_spec_flag", "f", "quality flag of z_spec as published", "meta.code.qual"),
        ("z_spec_survey", "UTO", "survey of z_spec", "meta.ref"),
        ("z_spec_count", "iu", "surveys with a secure redshift", "meta.number"),
        ("z_spec_other", "f", "redshift of a survey that disagrees with z_spec", "src.redshift"),
        ("z_c2020", "f", "mean of the four COSMOS2020 redshifts", "src.redshift.phot"),
        ("z_c2020_sigma", "f", "standard deviation of the four", "stat.stdev;src.redshift.phot"),
        *((name, "f", text, "src.redshift.phot") for name, text in C2020_ESTIMATES.items()),
        ("z_label", "f", "redshift used as training label", "src.redshift"),
        ("label_source", "UTO", "where z_label comes from: spec, c2020 or empty", "meta.ref"),
        ("z_sed", "f", "redshift from SED fitting", "src.redshift.phot"),
        ("is_oii_candidate", "b", "narrow-band [OII] emitter candidate", "meta.code"),
        ("z_true", "f", "true redshift, in simulations only", "src.redshift"),
    )
}
"""Label columns a field store may have; NaN or empty where unknown."""

OPTIONAL = dict(LABEL_COLUMNS) | dict(TILE_VARIABLES)
"""Variables that a store is checked for only where it has them."""

PDF_CUBE: Mapping[str, Variable] = {
    "pdf": Variable(
        ("object", "z"),
        "f",
        "redshift probability density",
        "",
        "stat.probability;src.redshift.phot",
    ),
    "z": Variable(("z",), "f", "centre of the redshift bin", "", "src.redshift"),
    "z_edges": Variable(("z_edge",), "f", "edges of the redshift bins", "", "src.redshift"),
    "z_median": Variable(("object",), "f", "median of the PDF", "", "src.redshift.phot"),
    "z_mean": Variable(("object",), "f", "mean of the PDF", "", "src.redshift.phot;stat.mean"),
    "z_mode": Variable(("object",), "f", "mode of the PDF", "", "src.redshift.phot"),
    "z_q16": Variable(
        ("object",), "f", "16 % quantile of the PDF", "", "src.redshift.phot;stat.min"
    ),
    "z_q84": Variable(
        ("object",), "f", "84 % quantile of the PDF", "", "src.redshift.phot;stat.max"
    ),
    "pdf_width": Variable(
        ("object",),
        "f",
        "width of the central 68 % of the PDF (PDFw)",
        "",
        "stat.error;src.redshift.phot",
    ),
    "odds": Variable(
        ("object",),
        "f",
        "probability within 0.15 (1 + z) of the median",
        "",
        "stat.probability;src.redshift.phot",
    ),
    "n_peaks": Variable(("object",), "iu", "number of peaks of the PDF", "", "meta.number"),
    "z_peak2": Variable(
        ("object",),
        "f",
        "highest peak farther than 0.15 (1 + z) from the highest of all",
        "",
        "src.redshift.phot",
    ),
    "p_peak2": Variable(
        ("object",),
        "f",
        "probability of the peaks farther than 0.15 (1 + z) from the highest",
        "",
        "stat.probability",
    ),
    "flags": FIELD_STORE["flags"],
} | {
    name: FIELD_STORE[name] for name in ("object_id", "ra", "dec", "field", "mag_i", "snr_i", "ebv")
}
"""Variables and coordinates every PDF cube has."""

DERIVED: Mapping[str, Variable] = {
    "z_err95_low": Variable((), "f", "2.5 % quantile of the PDF", "", "src.redshift.phot;stat.min"),
    "z_err95_high": Variable(
        (), "f", "97.5 % quantile of the PDF", "", "src.redshift.phot;stat.max"
    ),
    "z_risk": Variable(
        (),
        "f",
        "redshift of least expected loss (Tanaka et al. 2018, PASJ 70, S9)",
        "",
        "src.redshift.phot",
    ),
}
"""Columns of catalogues that follow from the PDFs of a cube, which does not hold them."""


def validate(dataset: xr.Dataset, contract: Mapping[str, Variable], name: str) -> xr.Dataset:
    """Check a dataset against a contract, without reading its bulk data.

    Parameters
    ----------
    dataset : xarray.Dataset
    contract : mapping of str to Variable
        `FIELD_STORE` or `PDF_CUBE`.
    name : str
        Path or name of the artefact, for the error message.

    Returns
    -------
    xarray.Dataset
        The dataset itself.

    Raises
    ------
    StoreError
        If a variable is absent, or has other dimensions or another kind of type.

    Examples
    --------
    >>> validate(xr.Dataset(), {"ra": FIELD_STORE["ra"]}, "a.zarr")
    Traceback (most recent call last):
    ...
    hscz.errors.StoreError: a.zarr: variable 'ra' (right ascension (ICRS)) is missing; ...
    """
    optional = {key: var for key, var in OPTIONAL.items() if key in dataset.variables}
    for key, want in (dict(contract) | optional).items():
        if key not in dataset.variables:
            raise StoreError(
                f"{name}: variable {key!r} ({want.long_name}) is missing; "
                "make the store again with the verb that writes it"
            )
        have = dataset[key]
        if have.dims != want.dims:
            raise StoreError(f"{name}: {key!r} has dimensions {have.dims}, not {want.dims}")
        # xarray 2025+ reads zarr strings as numpy's variable-width type, whose kind is T.
        if have.dtype.kind not in want.kinds:
            raise StoreError(
                f"{name}: {key!r} has type {have.dtype}, not one of the kinds {want.kinds!r}"
            )
    return dataset


def check_unique_ids(object_id: np.ndarray) -> None:
    """Refuse repeated identifiers, naming the first.

    Raises
    ------
    StoreError
        If an identifier occurs more than once.

    Examples
    --------
    >>> check_unique_ids(np.array([3, 5, 3]))
    Traceback (most recent call last):
    ...
    hscz.errors.StoreError: object id 3 occurs 2 times (1 ids are repeated); ...
    """
    ids, counts = np.unique(object_id, return_counts=True)
    repeated = counts > 1
    if repeated.any():
        raise StoreError(
            f"object id {ids[repeated][0]} occurs {counts[repeated][0]} times "
            f"({repeated.sum()} ids are repeated); remove the repeated rows"
        )


def describe(dataset: xr.Dataset, contract: Mapping[str, Variable]) -> xr.Dataset:
    """Return the dataset with long_name, units and ucd attributes filled from the contract."""
    for key, var in (dict(OPTIONAL) | dict(contract)).items():
        if key in dataset.variables:
            attrs = {"long_name": var.long_name, "units": var.units, "ucd": var.ucd}
            dataset[key].attrs |= {k: v for k, v in attrs.items() if v}
    if "flags" in dataset.variables:
        dataset["flags"].attrs |= {
            "flag_masks": [flag.value for flag in SINGLE_FLAGS],
            "flag_meanings": " ".join(str(flag.name).lower() for flag in SINGLE_FLAGS),
        }
    return dataset
