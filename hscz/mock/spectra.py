"""Galaxy spectra through the survey's filters: templates, dust, lines, intergalactic absorption.

The continuum comes from the templates of BPZ (Benitez 2000; Coe et al. 2006) in the order
El, Sbc, Scd, Im, SB3, SB2 and two young stellar populations, interpolated along that sequence,
reddened after Calzetti et al. (2000) and absorbed after Inoue et al. (2014). Emission lines
replace those of the templates and follow the ultraviolet continuum, as star formation does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from hscz.mock.igm import transmission
from hscz.mock.templates import (
    LOG_STEP,
    REFERENCE_ANGSTROM,
    REST_ANGSTROM,
    TEMPLATE_STEP,
    calzetti_attenuation,
    interstellar_transmission,
    reference_pixel,
    template_nodes,
)
from hscz.survey import BANDS, OPTICAL_BANDS

FloatArray = NDArray[np.float64]

SPEED_OF_LIGHT_ANGSTROM = 2.99792458e18

# Redshifting by a node of the table shifts the spectrum by whole pixels.
_PIXELS_PER_NODE = 2
_Z_NODES = np.expm1(LOG_STEP * _PIXELS_PER_NODE * np.arange(660))
_AV_STEP = 0.5
_AV_NODES = np.arange(0.0, 3.01, _AV_STEP)

# The template whose loss of light stands for that of all in thicker sight lines.
_YOUNG_TEMPLATE = 3.5

MAX_REDSHIFT = float(_Z_NODES[-1])
"""Largest redshift of the table."""


@dataclass(frozen=True)
class Line:
    """An emission line: rest wavelength, and flux before dust over that of [OII].

    `extra` names the attribute of `Spectra` that this line varies with beyond `line_strength`.
    """

    angstrom: float
    ratio: float
    extra: str = ""


LINES: dict[str, Line] = {
    "lya": Line(1215.67, 15.4, "lya_escape"),
    "oii": Line(3728.0, 1.0),
    "hgamma": Line(4341.0, 0.29),
    "hbeta": Line(4862.0, 0.61),
    "oiii_4959": Line(4960.0, 0.12, "oiii_strength"),
    "oiii": Line(5008.0, 0.36, "oiii_strength"),
    "halpha": Line(6564.0, 1.77),
    "nii": Line(6585.0, 0.50),
    "sii": Line(6725.0, 0.35),
}
"""Line ratios of Ilbert et al. (2009, ApJ 690, 1236), [NII] and [SII] of spirals, and Lyman alpha
as if all of it escaped: 8.7 times H alpha (case B)."""

# Period of the ripples in ln(wavelength), about two bands of the survey.
_RIPPLE_PERIOD = 0.35

# Kennicutt (1998): L([OII]) = SFR / 1.4e-41 erg/s and L_nu(UV) = SFR / 1.4e-28 erg/s/Hz.
_OII_PER_UV_HZ = 1e13
_UV_ANGSTROM = (1500.0, 2800.0)


@dataclass(frozen=True)
class Spectra:
    """What makes the spectrum of each of n galaxies.

    Attributes
    ----------
    redshift : ndarray, shape (n,)
        Between 0 and `MAX_REDSHIFT`.
    template : ndarray, shape (n,)
        Continuous index into `TEMPLATES`.
    av_mag : ndarray, shape (n,)
        Internal dust attenuation in V, 0 to 3 mag.
    line_strength, oiii_strength : ndarray, shape (n,)
        Flux of all lines, and of [OIII] beyond that, over the mean for the ultraviolet light.
    lya_escape : ndarray, shape (n,)
        Fraction of Lyman alpha that escapes, beyond what dust takes.
    absorber_strength : ndarray, shape (n,)
        Optical depth bluewards of Lyman alpha over the mean one.
    tilt : ndarray, shape (n,)
        Deviation from the template in magnitudes per ln(observed wavelength), zero in i.
    ripple_sine, ripple_cosine : ndarray, shape (n,)
        Smooth deviation from the template in magnitudes: waves in ln(rest wavelength).
    """

    redshift: FloatArray
    template: FloatArray
    av_mag: FloatArray
    line_strength: FloatArray
    oiii_strength: FloatArray
    lya_escape: FloatArray
    absorber_strength: FloatArray
    tilt: FloatArray
    ripple_sine: FloatArray
    ripple_cosine: FloatArray

    @classmethod
    def plain(cls, redshift: ArrayLike, template: ArrayLike, av_mag: ArrayLike) -> Spectra:
        """Return spectra of mean line strength and absorption without deviations."""
        z, t, av = np.broadcast_arrays(*map(np.atleast_1d, (redshift, template, av_mag)))
        one, zero = np.ones(len(z)), np.zeros(len(z))
        return cls(1.0 * z, 1.0 * t, 1.0 * av, one, one, zero, one, zero, zero, zero)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Spectra:
        """Return the spectra of some rows."""
        return Spectra(**{name: values[rows] for name, values in vars(self).items()})


@dataclass(frozen=True)
class BandTable:
    """Magnitudes on a grid of template, dust and redshift, relative to the absolute magnitude.

    Attributes
    ----------
    continuum_mag : dict of str to ndarray, shape (template, av, redshift)
        Magnitude of the continuum for a rest-frame 4400 Angstrom AB magnitude of 0 after
        dust, without the distance modulus.
    absorber_mag : dict of str to ndarray, shape (redshift,)
        Magnitudes that doubling the optical depth bluewards of Lyman alpha adds.
    uv_to_reference, oii_to_reference : ndarray, shape (template,)
        L_nu from 1500 to 2800 Angstrom, and at [OII], over that at 4400 Angstrom, before dust.
    line_response : dict of str to tuple of ndarray
        Wavelength, and mean f_nu in the band per line flux there (1/Hz).
    """

    continuum_mag: dict[str, FloatArray]
    absorber_mag: dict[str, FloatArray]
    uv_to_reference: FloatArray
    oii_to_reference: FloatArray
    line_response: dict[str, tuple[FloatArray, FloatArray]]


def _filter_curve(band: str) -> tuple[FloatArray, FloatArray]:
    from speclite.filters import load_filter

    curve = load_filter(BANDS[band].speclite_name)
    return np.asarray(curve.wavelength, dtype=float), np.asarray(curve.response, dtype=float)


def _observed_weights() -> tuple[FloatArray, FloatArray]:
    """Return wavelengths from the bluest rest to the reddest observed pixel, and band weights.

    The weights (band, wavelength) turn f_lambda / f_lambda(AB = 0) into band-averaged maggies:
    photon-counting curves weigh f_lambda by wavelength, on steps in ln(wavelength).
    """
    n_pixels = len(REST_ANGSTROM) + _PIXELS_PER_NODE * len(_Z_NODES)
    observed = REST_ANGSTROM[0] * np.exp(LOG_STEP * np.arange(n_pixels))
    response = np.array(
        [np.interp(observed, *_filter_curve(b), left=0, right=0) for b in OPTICAL_BANDS]
    )
    return observed, response / response.sum(axis=1, keepdims=True)


@lru_cache(maxsize=1)
def band_table() -> BandTable:
    """Build the table of band magnitudes (about a second) or return the one built before."""
    nodes = template_nodes()
    dust = 10 ** (-0.4 * np.outer(_AV_NODES, calzetti_attenuation(REST_ANGSTROM)))
    dust /= dust[:, [reference_pixel()]]
    # nu L_nu = lambda L_lambda, so maggies need lambda^2 L_lambda over that at 4400 Angstrom.
    per_hz = (REST_ANGSTROM / REFERENCE_ANGSTROM) ** 2
    sed = (nodes[:, None] * dust[None]).reshape(-1, len(REST_ANGSTROM)) * per_hz
    young = nodes[[int(_YOUNG_TEMPLATE / TEMPLATE_STEP)]] * per_hz
    maggies, thick = _integrate(np.concatenate([sed, young]))
    shape = (len(nodes), len(_AV_NODES), len(_Z_NODES))
    uv = slice(*np.searchsorted(REST_ANGSTROM, _UV_ANGSTROM))
    return BandTable(
        continuum_mag={
            b: _mag(maggies[:-1, :, k]).reshape(shape) for k, b in enumerate(OPTICAL_BANDS)
        },
        absorber_mag={
            b: _mag(thick[:, k]) - _mag(maggies[-1, :, k]) for k, b in enumerate(OPTICAL_BANDS)
        },
        uv_to_reference=(nodes * per_hz)[:, uv].mean(axis=1),
        oii_to_reference=(nodes * per_hz)[:, np.searchsorted(REST_ANGSTROM, 3728.0)],
        line_response={b: _line_response(b) for b in OPTICAL_BANDS},
    )


def continuum_colours(l_lambda: FloatArray) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Return redshifts, and m_band - m_i there of a spectrum without dust (about a second).

    Parameters
    ----------
    l_lambda : ndarray, shape (wavelength,)
        On `hscz.mock.templates.REST_ANGSTROM`, in any unit.

    Returns
    -------
    redshift : ndarray, shape (n,)
    colours : dict of str to ndarray, shape (n,)
        By band.
    """
    per_hz = l_lambda * (REST_ANGSTROM / REFERENCE_ANGSTROM) ** 2
    maggies, _ = _integrate(per_hz[None] / per_hz[reference_pixel()])
    mags = dict(zip(OPTICAL_BANDS, _mag(maggies[0]).T, strict=True))
    return _Z_NODES, {band: mag - mags["i"] for band, mag in mags.items()}


def _mag(maggies: FloatArray) -> FloatArray:
    return -2.5 * np.log10(np.maximum(maggies, 1e-8))


def _integrate(sed: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (sed, redshift, band) maggies, and (redshift, band) of the last through twice the IGM.

    A redshifted L_nu gains a factor 1+z, as frequencies come closer; distance is left out.
    """
    observed, weights = _observed_weights()
    inside = interstellar_transmission(REST_ANGSTROM)
    maggies = np.empty((len(sed), len(_Z_NODES), len(OPTICAL_BANDS)))
    thick = np.empty((len(_Z_NODES), len(OPTICAL_BANDS)))
    n = len(REST_ANGSTROM)
    for row, z in enumerate(_Z_NODES):
        start = row * _PIXELS_PER_NODE
        window = weights[:, start : start + n].copy()
        lit = np.flatnonzero(window.any(axis=0))
        blue = lit[REST_ANGSTROM[lit] < 1216.0]
        absorbed = transmission(observed[start + blue], [z])[0] * inside[blue]
        window[:, blue] *= absorbed
        maggies[:, row] = sed[:, lit] @ window[:, lit].T * (1.0 + z)
        window[:, blue] *= absorbed
        thick[row] = sed[-1, lit] @ window[:, lit].T * (1.0 + z)
    return maggies, thick


def _line_response(band: str) -> tuple[FloatArray, FloatArray]:
    wavelength, response = _filter_curve(band)
    per_hz = np.trapezoid(response / wavelength, wavelength) * SPEED_OF_LIGHT_ANGSTROM
    return wavelength, response * wavelength / per_hz


def _lookup(grid: FloatArray, spectra: Spectra) -> FloatArray:
    coordinates = (
        spectra.template / TEMPLATE_STEP,
        spectra.av_mag / _AV_STEP,
        np.log1p(spectra.redshift) / (LOG_STEP * _PIXELS_PER_NODE),
    )
    return map_coordinates(grid, coordinates, order=1, mode="nearest")


def line_luminosity(spectra: Spectra, line: str) -> FloatArray:
    """Return the luminosity of a line over L_nu(4400 Angstrom), both after dust, in Hz.

    Parameters
    ----------
    spectra : Spectra
    line : str
        A key of `LINES`.

    Returns
    -------
    ndarray, shape (n,)
    """
    chosen = LINES[line]
    uv = _by_template(band_table().uv_to_reference, spectra.template)
    strength = spectra.line_strength * (getattr(spectra, chosen.extra) if chosen.extra else 1.0)
    dust = _dust_relative_to_reference(chosen.angstrom, spectra.av_mag)
    return _OII_PER_UV_HZ * chosen.ratio * strength * uv * dust


def _by_template(node_values: FloatArray, template: FloatArray) -> FloatArray:
    index = TEMPLATE_STEP * np.arange(len(node_values))
    return np.exp(np.interp(template, index, np.log(node_values)))


def _dust_relative_to_reference(rest_angstrom: float, av_mag: FloatArray) -> FloatArray:
    here, reference = calzetti_attenuation([rest_angstrom, REFERENCE_ANGSTROM])
    return 10 ** (-0.4 * av_mag * (here - reference))


def oii_equivalent_width(spectra: Spectra) -> FloatArray:
    """Return the rest-frame equivalent width of [OII] in Angstrom, shape (n,)."""
    angstrom = LINES["oii"].angstrom
    continuum = _by_template(band_table().oii_to_reference, spectra.template)
    continuum *= _dust_relative_to_reference(angstrom, spectra.av_mag)
    per_angstrom = continuum * SPEED_OF_LIGHT_ANGSTROM / angstrom**2
    return line_luminosity(spectra, "oii") / per_angstrom


def band_magnitude(spectra: Spectra, band: str) -> FloatArray:
    """Return AB magnitudes for a rest-frame 4400 Angstrom absolute magnitude of 0.

    Parameters
    ----------
    spectra : Spectra
    band : str
        A key of `hscz.survey.OPTICAL_BANDS`.

    Returns
    -------
    ndarray, shape (n,)
        Without the distance modulus; Galactic extinction is not applied.

    Examples
    --------
    >>> old = Spectra.plain(redshift=0.3, template=0.0, av_mag=0.0)
    >>> (band_magnitude(old, "g") - band_magnitude(old, "r")).round(1).tolist()
    [1.4]
    """
    table = band_table()
    continuum = _lookup(table.continuum_mag[band], spectra)
    thicker = np.interp(spectra.redshift, _Z_NODES, table.absorber_mag[band])
    continuum += (spectra.absorber_strength - 1.0) * thicker
    total = _mag(10 ** (-0.4 * continuum) + _line_maggies(spectra, band))
    return total + _smooth_deviation(spectra, BANDS[band].pivot_angstrom)


def _smooth_deviation(spectra: Spectra, observed_angstrom: float) -> FloatArray:
    """Return the magnitudes by which real galaxies' ages and metals differ from the templates'."""
    tilt = spectra.tilt * np.log(observed_angstrom / BANDS["i"].pivot_angstrom)
    phase = 2 * np.pi / _RIPPLE_PERIOD * np.log(observed_angstrom / (1.0 + spectra.redshift))
    return tilt + spectra.ripple_sine * np.sin(phase) + spectra.ripple_cosine * np.cos(phase)


def _line_maggies(spectra: Spectra, band: str) -> FloatArray:
    response = band_table().line_response[band]
    maggies = np.zeros(len(spectra.redshift))
    for name, line in LINES.items():
        observed = line.angstrom * (1.0 + spectra.redshift)
        per_hz = np.interp(observed, *response, left=0.0, right=0.0)
        lit = per_hz > 0
        maggies[lit] += per_hz[lit] * line_luminosity(spectra.take(lit), name)
    return maggies
