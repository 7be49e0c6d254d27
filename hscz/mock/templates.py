"""Rest-frame continua of galaxies: templates, dust, and absorption inside the galaxy."""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import median_filter

FloatArray = NDArray[np.float64]

TEMPLATES = (
    "El_B2004a",
    "Sbc_B2004a",
    "Scd_B2004a",
    "Im_B2004a",
    "SB3_B2004a",
    "SB2_B2004a",
    "ssp_25Myr_z008",
    "ssp_5Myr_z008",
)
"""Templates in the order of the continuous index: 0 is elliptical, 7 a burst of 5 Myr."""

REFERENCE_ANGSTROM = 4400.0
"""Rest wavelength of the absolute magnitudes (AB, dust included)."""

LOG_STEP = 0.0015
"""Step of `REST_ANGSTROM` in ln(wavelength)."""

REST_ANGSTROM = np.exp(np.arange(np.log(410.0), np.log(11000.0), LOG_STEP))
"""Rest wavelengths of all spectra."""

TEMPLATE_STEP = 0.25
"""Step of the template nodes in the continuous index."""


def calzetti_attenuation(rest_angstrom: ArrayLike) -> FloatArray:
    """Return the attenuation A(wavelength) / A_V of starburst galaxies.

    Calzetti et al. (2000, ApJ 533, 682), equation 4, with R_V = 4.05. Below 1200 Angstrom,
    where it was not measured, its ultraviolet formula is continued.

    Examples
    --------
    >>> calzetti_attenuation([1500.0, 5500.0, 9000.0]).round(2).tolist()
    [2.55, 1.0, 0.54]
    """
    x = 1e4 / np.asarray(rest_angstrom, dtype=np.float64)
    blue = 2.659 * (-2.156 + 1.509 * x - 0.198 * x**2 + 0.011 * x**3)
    red = 2.659 * (-1.857 + 1.040 * x)
    return np.where(x > 1.0 / 0.63, blue, red) / 4.05 + 1.0


def interstellar_transmission(rest_angstrom: ArrayLike) -> FloatArray:
    """Return what the galaxy's own gas and hot-star photospheres let through below Lyman alpha.

    The templates run on smoothly below 1216 Angstrom, where spectra of z = 3 galaxies corrected
    for the intergalactic medium fall towards the Lyman limit, for their Lyman series, O VI,
    N II and C III lines (Shapley et al. 2003, ApJ 588, 65). Taken as an optical depth that
    rises linearly from 0 to 0.2, which gives the u - g of real galaxies at 2.5 < z < 3.

    Examples
    --------
    >>> interstellar_transmission([950.0, 1200.0, 1300.0]).round(2).tolist()
    [0.84, 0.99, 1.0]
    """
    rest = np.asarray(rest_angstrom, dtype=np.float64)
    depth = 0.2 * (1216.0 - rest) / (1216.0 - 912.0)
    return np.where(rest < 1216.0, np.exp(-depth), 1.0)


def continuum_templates() -> FloatArray:
    """Return L_lambda of `TEMPLATES` without emission lines, 1 at 4400 Angstrom.

    Returns
    -------
    ndarray, shape (template, wavelength)
        On the rest wavelength grid of the table, about 0.15 % a pixel.
    """
    spectra = np.empty((len(TEMPLATES), len(REST_ANGSTROM)))
    for row, name in enumerate(TEMPLATES):
        path = resources.files("desc_bpz").joinpath(f"data_files/SED/{name}.sed")
        with path.open() as lines:
            wavelength, luminosity = np.loadtxt(lines, unpack=True)
        spectra[row] = np.interp(REST_ANGSTROM, wavelength, luminosity)
    # The running median (2.5 % wide) removes lines and noise but keeps the breaks.
    spectra = median_filter(spectra, size=(1, 17), mode="nearest")
    return spectra / spectra[:, [reference_pixel()]]


def reference_pixel() -> int:
    """Return the pixel of `REST_ANGSTROM` at `REFERENCE_ANGSTROM`."""
    return int(np.searchsorted(REST_ANGSTROM, REFERENCE_ANGSTROM))


def template_nodes() -> FloatArray:
    """Interpolate the templates in log luminosity; shape (node, wavelength)."""
    log_templates = np.log(np.maximum(continuum_templates(), 1e-6))
    index = np.arange(0.0, len(TEMPLATES) - 1 + 1e-9, TEMPLATE_STEP)
    low = np.minimum(index.astype(int), len(TEMPLATES) - 2)
    weight = (index - low)[:, None]
    return np.exp((1.0 - weight) * log_templates[low] + weight * log_templates[low + 1])
