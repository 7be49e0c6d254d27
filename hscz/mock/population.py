"""The galaxies and stars of a field: the truth table of the mock survey."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hscz.errors import ConfigError
from hscz.mock import clustering, label_shift, luminosity, morphology, stars
from hscz.mock.clustering import Box
from hscz.mock.cosmology import distance_modulus
from hscz.mock.label_shift import LabelShift
from hscz.mock.luminosity import QUIESCENT, STAR_FORMING
from hscz.mock.spectra import (
    MAX_REDSHIFT,
    Spectra,
    band_magnitude,
    line_luminosity,
    oii_equivalent_width,
)
from hscz.pdf.grid import bin_centres
from hscz.survey import FIELDS, OPTICAL_BANDS

FloatArray = NDArray[np.float64]

FIELD_NUMBER = {name: number for number, name in enumerate(FIELDS, start=1)}
"""Number of each field in the high bits of its object ids."""

_FIELD_SHIFT = 32
_AB_FLUX_CGS = 3.631e-20

NO_SHIFT = LabelShift()

GALACTIC_LATITUDE_DEG = {"COSMOS": 42.0, "XMM": -58.0, "ELAIS": 45.0, "DEEP2": -57.0}

MEAN_EBV = {
    "COSMOS_UDF": 0.0162,
    "COSMOS_DEEP": 0.0185,
    "XMM_UDF": 0.021,
    "XMM_DEEP": 0.024,
    "ELAIS": 0.009,
    "DEEP2": 0.040,
}
"""Mean Galactic E(B-V) of each field (Schlegel, Finkbeiner & Davis 1998)."""


@dataclass(frozen=True)
class Drawn:
    """Galaxies as drawn from the luminosity functions; arrays of shape (n,).

    ``abundance`` is that by which a shift had them drawn, before groups changed their redshifts.
    """

    z: FloatArray
    absolute_mag: FloatArray
    is_quiescent: NDArray[np.bool_]
    ra: FloatArray
    dec: FloatArray
    overdensity: NDArray[np.int64]
    abundance: FloatArray

    def take(self, rows: NDArray[np.bool_]) -> Drawn:
        """Return some rows."""
        return Drawn(**{name: values[rows] for name, values in vars(self).items()})


def draw_field(
    field: str,
    ra_deg: tuple[float, float],
    dec_deg: tuple[float, float],
    i_max: float,
    seed: int,
    shift: LabelShift = NO_SHIFT,
) -> pd.DataFrame:
    """Draw all galaxies and stars of a field brighter than a limit.

    Parameters
    ----------
    field : str
        A key of `hscz.survey.FIELDS`; in COSMOS known structures are planted.
    ra_deg, dec_deg : tuple of float
        Box on the sky. One box is one realisation of the field: objects are not shared
        between boxes, and ids are unique within a box and between fields.
    i_max : float
        Limiting i magnitude before Galactic extinction; nothing brighter than 15 is drawn.
    seed : int
        With the field and the box, fixes every number drawn.
    shift : LabelShift
        By which factor n(z) differs from the usual at fixed magnitude.

    Returns
    -------
    pandas.DataFrame
        One row per object in random order, with the columns ``object_id`` (the number of the
        field in the high 32 bits), ``field``, ``is_star``, ``ra``, ``dec``, ``z_true`` (0 for
        stars), ``template``, ``av_mag``, ``mag_{band}`` (AB, before Galactic extinction),
        ``bulge_fraction_{band}``, ``half_light_radius_arcsec`` (also ``..._disc_arcsec`` and
        ``..._bulge_arcsec``), ``axis_ratio``, ``position_angle_deg``,
        ``oii_ew_rest_angstrom``, ``{oii,oiii,halpha}_flux_cgs`` (erg/s/cm2) and
        ``overdensity`` (number of the planted structure or -1).

    Raises
    ------
    ConfigError
        If the field is unknown or the box is empty.

    Examples
    --------
    >>> truth = draw_field("XMM_DEEP", (35.6, 35.7), (-4.75, -4.65), 24.0, seed=1)
    >>> bool(truth["mag_i"].max() < 24.0), truth["object_id"].is_unique
    (True, True)
    """
    if field not in FIELDS:
        raise ConfigError(f"field {field!r} is unknown; the fields are {', '.join(FIELDS)}")
    if not (ra_deg[0] < ra_deg[1] and dec_deg[0] < dec_deg[1]):
        raise ConfigError(f"the box RA {ra_deg}, Dec {dec_deg} is empty; give (low, high) degrees")
    box = Box(ra_deg, dec_deg)
    corners = np.round(np.array([*ra_deg, *dec_deg]) * 1e6).astype(np.int64) + 2**33
    rng = np.random.default_rng([seed, FIELD_NUMBER[field], *corners])
    galaxies = _galaxies(field, box, i_max, shift, rng)
    table = pd.concat([galaxies, _stars(field, box, i_max, rng)], ignore_index=True)
    table = table.iloc[rng.permutation(len(table))].reset_index(drop=True)
    table.insert(0, "object_id", (FIELD_NUMBER[field] << _FIELD_SHIFT) + np.arange(len(table)))
    table.insert(1, "field", field)
    return table


def galactic_ebv(field: str, ra: ArrayLike, dec: ArrayLike) -> FloatArray:
    """Return the Galactic E(B-V), smooth over the sky and the same in every call.

    The mean is that of the field and the relative scatter about 10 %, as measured in COSMOS.

    Parameters
    ----------
    field : str
    ra, dec : array-like, shape (n,)
        Degrees.

    Returns
    -------
    ndarray, shape (n,)
        Magnitudes.

    Examples
    --------
    >>> bool(abs(galactic_ebv("COSMOS_UDF", 150.12, 2.21) - 0.0162) < 0.005)
    True
    """
    if field not in MEAN_EBV:
        raise ConfigError(f"field {field!r} is unknown; the fields are {', '.join(MEAN_EBV)}")
    rng = np.random.default_rng([9302, FIELD_NUMBER[field]])
    wavenumber = rng.normal(0.0, 8.0, (6, 2))
    phase = rng.uniform(0.0, 2 * np.pi, 6)
    x, y = np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64)
    waves = [np.sin(k * x + m * y + p) for (k, m), p in zip(wavenumber, phase, strict=True)]
    return MEAN_EBV[field] * (1.0 + 0.06 * np.sum(waves, axis=0))


def _galaxies(
    field: str, box: Box, i_max: float, shift: LabelShift, rng: np.random.Generator
) -> pd.DataFrame:
    drawn = _draw_luminosities(field, box, i_max, shift, rng)
    spectra = draw_spectra(drawn.z, drawn.absolute_mag, drawn.is_quiescent, rng)
    modulus = drawn.absolute_mag + distance_modulus(drawn.z)
    i_mag = band_magnitude(spectra, "i") + modulus
    kept = (i_mag > stars.BRIGHTEST_I_MAG) & (i_mag < i_max)
    kept[kept] = label_shift.restore_counts(drawn.abundance[kept], i_mag[kept], rng)
    drawn, spectra, modulus = drawn.take(kept), spectra.take(kept), modulus[kept]
    columns = {
        "is_star": np.zeros(len(modulus), dtype=bool),
        "ra": drawn.ra,
        "dec": drawn.dec,
        "z_true": drawn.z,
        "template": spectra.template,
        "av_mag": spectra.av_mag,
    }
    columns |= {f"mag_{b}": band_magnitude(spectra, b) + modulus for b in OPTICAL_BANDS}
    columns |= _shapes(drawn, rng)
    columns["oii_ew_rest_angstrom"] = oii_equivalent_width(spectra)
    flux = _AB_FLUX_CGS * 10 ** (-0.4 * modulus)
    for line in ("oii", "oiii", "halpha"):
        columns[f"{line}_flux_cgs"] = line_luminosity(spectra, line) * flux
    columns["overdensity"] = drawn.overdensity
    return pd.DataFrame(columns)


def _draw_luminosities(
    field: str, box: Box, i_max: float, shift: LabelShift, rng: np.random.Generator
) -> Drawn:
    """Draw redshift, luminosity, kind and position, field galaxies first, then structures."""
    reachable = _within_reach(i_max)
    cells_z = bin_centres(luminosity.Z_EDGES)
    expected = {
        is_quiescent: luminosity.expected_per_deg2(function)
        * box.area_deg2
        * (reachable * shift.abundance(cells_z, is_quiescent)[:, None])
        for is_quiescent, function in ((True, QUIESCENT), (False, STAR_FORMING))
    }
    z, mag, quiescent = _draw_kinds(expected, rng)
    abundance = shift.abundance(z, quiescent)
    centres_z = z[label_shift.as_unshifted(abundance, rng)]
    ra, dec, z = clustering.place_in_groups(z, quiescent, centres_z, box, rng)
    parts = [Drawn(z, mag, quiescent, ra, dec, np.full(len(z), -1), abundance)]
    if FIELDS[field].region == "COSMOS":
        for number, structure in enumerate(clustering.COSMOS_STRUCTURES):
            z, mag, quiescent = _draw_kinds(_structure_excess(expected, structure), rng)
            abundance = shift.abundance(z, quiescent)
            ra, dec, z = clustering.place_in_structure(len(mag), structure, box, rng)
            parts.append(Drawn(z, mag, quiescent, ra, dec, np.full(len(z), number), abundance))
    return Drawn(
        **{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])}
    )


def _within_reach(i_max: float) -> NDArray[np.bool_]:
    """Return which cells of redshift and luminosity can hold galaxies brighter than the limit.

    The brightest i for a given luminosity is that of the reddest or the bluest dust-free galaxy;
    half a magnitude more covers dust, lines and smooth deviations.
    """
    z = luminosity.Z_EDGES[:-1]
    brightest = [
        band_magnitude(Spectra.plain(z, t, av), "i")
        for t, av in ((0.0, 0.0), (0.0, 1.0), (3.0, 0.0), (3.0, 2.0), (6.5, 0.0))
    ]
    faintest = i_max - distance_modulus(z) - np.min(brightest, axis=0) + 0.5
    return luminosity.MAGNITUDE_EDGES[None, :-1] < faintest[:, None]


def _draw_kinds(
    expected: dict[bool, FloatArray], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    drawn = {kind: luminosity.draw_cells(cells, rng) for kind, cells in expected.items()}
    z = np.concatenate([z for z, _ in drawn.values()])
    absolute_mag = np.concatenate([mag for _, mag in drawn.values()])
    kinds = [np.full(len(pair[0]), kind) for kind, pair in drawn.items()]
    return z, absolute_mag, np.concatenate(kinds)


def _structure_excess(
    expected: dict[bool, FloatArray], structure: clustering.Structure
) -> dict[bool, FloatArray]:
    """Return the expected members per cell; quiescent galaxies are in threefold excess."""
    z = bin_centres(luminosity.Z_EDGES)
    reach = clustering.STRUCTURE_HALF_WIDTH * (1.0 + structure.redshift)
    near = (np.abs(z - structure.redshift) < reach)[:, None]
    return {
        kind: cells * near * structure.excess * (3.0 if kind else 1.0)
        for kind, cells in expected.items()
    }


def draw_spectra(
    z: FloatArray,
    absolute_mag: FloatArray,
    is_quiescent: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Spectra:
    """Draw templates, dust, line strengths and sight lines for galaxies.

    Star-forming galaxies are bluer at low luminosity and high redshift, and dustier at high
    luminosity.

    Parameters
    ----------
    z, absolute_mag : ndarray, shape (n,)
        Redshift and absolute magnitude at 4400 Angstrom.
    is_quiescent : ndarray of bool, shape (n,)
    rng : numpy.random.Generator

    Returns
    -------
    Spectra
    """
    n = len(z)
    fainter = np.clip(absolute_mag - STAR_FORMING.characteristic_magnitude(z), -2.0, 5.0)
    early = np.clip(rng.normal(0.35, 0.3, n), 0.0, 1.0)
    late = 2.0 + 0.18 * fainter + 0.8 * np.minimum(z, 2.7) + 0.8 * rng.normal(size=n)
    av_late = rng.gamma(1.5, np.clip(0.27 - 0.05 * fainter, 0.1, 1.0))
    av_early = rng.gamma(1.0, 0.08, n)
    return Spectra(
        redshift=np.minimum(z, MAX_REDSHIFT),
        template=np.clip(np.where(is_quiescent, early, late), 0.0, 6.9),
        av_mag=np.minimum(np.where(is_quiescent, av_early, av_late), 3.0),
        line_strength=10 ** (0.25 * rng.normal(size=n)),
        oiii_strength=10 ** (0.2 * rng.normal(size=n) + 0.12 * (late - 2.0)),
        lya_escape=np.where(rng.random(n) < 0.4, 0.0, rng.exponential(0.25, n)),
        absorber_strength=np.exp(0.65 * rng.normal(size=n)),
        tilt=0.05 * rng.normal(size=n),
        ripple_sine=0.022 * rng.normal(size=n),
        ripple_cosine=0.022 * rng.normal(size=n),
    )


def _shapes(drawn: Drawn, rng: np.random.Generator) -> dict[str, FloatArray]:
    fraction = morphology.bulge_fraction_i(drawn.is_quiescent, rng)
    disc = morphology.disc_radius_arcsec(
        drawn.absolute_mag,
        STAR_FORMING.characteristic_magnitude(drawn.z),
        drawn.z,
        drawn.is_quiescent,
        rng,
    )
    bulge = disc * np.clip(0.35 + 0.55 * fraction + 0.1 * rng.normal(size=len(disc)), 0.15, 1.2)
    per_band = morphology.bulge_fractions(fraction)
    return {f"bulge_fraction_{band}": values for band, values in per_band.items()} | {
        "half_light_radius_arcsec": morphology.half_light_radius(fraction, disc, bulge),
        "half_light_radius_disc_arcsec": disc,
        "half_light_radius_bulge_arcsec": bulge,
        "axis_ratio": morphology.axis_ratio(fraction, rng),
        "position_angle_deg": rng.uniform(0.0, 180.0, len(disc)),
    }


def _stars(field: str, box: Box, i_max: float, rng: np.random.Generator) -> pd.DataFrame:
    latitude = GALACTIC_LATITUDE_DEG[FIELDS[field].region]
    i_mag = stars.draw_i_magnitudes(box.area_deg2, latitude, i_max, rng)
    ra, dec = box.uniform(len(i_mag), rng)
    columns: dict[str, ArrayLike] = {
        "is_star": np.ones(len(i_mag), dtype=bool),
        "ra": ra,
        "dec": dec,
        "template": np.full(len(i_mag), np.nan),
        "axis_ratio": np.ones(len(i_mag)),
        "overdensity": np.full(len(i_mag), -1),
    }
    columns |= {f"mag_{b}": mag for b, mag in stars.draw_magnitudes(i_mag, rng).items()}
    zeros = [
        "z_true",
        "av_mag",
        *(f"bulge_fraction_{b}" for b in OPTICAL_BANDS),
        *(f"half_light_radius{part}_arcsec" for part in ("", "_disc", "_bulge")),
        "position_angle_deg",
        "oii_ew_rest_angstrom",
        *(f"{line}_flux_cgs" for line in ("oii", "oiii", "halpha")),
    ]
    return pd.DataFrame(columns | {name: np.zeros(len(i_mag)) for name in zeros})
