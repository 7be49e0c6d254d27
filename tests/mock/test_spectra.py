from __future__ import annotations

import warnings

import numpy as np
import pytest

from hscz.mock import spectra
from hscz.mock.cosmology import comoving_distance_mpc, kpc_per_arcsec, volume_mpc3_per_deg2
from hscz.mock.igm import transmission
from hscz.mock.spectra import (
    LINES,
    MAX_REDSHIFT,
    Spectra,
    band_magnitude,
    band_table,
    line_luminosity,
    oii_equivalent_width,
)
from hscz.mock.templates import (
    REFERENCE_ANGSTROM,
    REST_ANGSTROM,
    TEMPLATE_STEP,
    calzetti_attenuation,
    interstellar_transmission,
    template_nodes,
)
from hscz.survey import OPTICAL_BANDS


def test_igm_matches_published_pieces() -> None:
    # Inoue et al. (2014): Lyman alpha alone just bluewards of the line, coefficients of the
    # second piece as they are printed; and equations 25 to 29 at z = 3.5 and 3300 Angstrom.
    depth = -np.log(transmission([1215.0 * 4.0], [3.0])[0, 0])
    x = 1215.0 * 4.0 / 1215.67
    assert depth == pytest.approx(2.35379e-3 * x**3.7 + 5.38995e-5 * x**3, rel=1e-3)

    z, edge = 3.5, 2800.0 / 911.8
    series_top = -np.log(transmission([911.9 * (1 + z)], [z])[0, 0])
    far = -np.log(transmission([2800.0], [z])[0, 0])
    laf = 2.545e-2 * ((1 + z) ** 1.6 * edge**2.1 - edge**3.7)
    dla = 0.04696 * (1 + z) ** 3 - 0.01779 * (1 + z) ** 3.3 * edge**-0.3 - 0.02916 * edge**3
    lines = _published_series(2800.0)
    assert far == pytest.approx(laf + dla + lines, rel=2e-3)
    assert series_top > 0.5


def _published_series(observed: float) -> float:
    """Sum the lines at low redshift of the absorber, from the first coefficients of Table 2."""
    from hscz.mock.igm import _DLA_SERIES, _LAF_SERIES, _SERIES_ANGSTROM

    x = observed / _SERIES_ANGSTROM
    laf = np.where(x < 2.2, _LAF_SERIES * x**1.2, _LAF_SERIES * 2.35379e-3 / 1.68976e-2 * x**3.7)
    dla = np.where(x < 3.0, _DLA_SERIES * x**2, _DLA_SERIES / 3.0 * x**3)
    return float((laf + dla).sum())


def test_igm_grows_with_redshift_and_spares_the_red_side() -> None:
    wavelength = np.linspace(3000.0, 11000.0, 400)
    through = transmission(wavelength, [0.5, 2.0, 3.0, 4.0, 5.0])
    assert np.all(np.diff(through, axis=0) <= 1e-12)
    assert np.all((through > 0) & (through <= 1))
    assert np.all(through[2][wavelength > 1216 * 4] == 1)
    # The mean transmission of the forest at z = 5 is near 0.2 (Becker et al. 2013).
    forest = (wavelength > 1030 * 6) & (wavelength < 1200 * 6)
    assert 0.1 < through[4][forest].mean() < 0.35


def test_calzetti_is_one_in_v_and_continuous() -> None:
    wavelength = np.linspace(1000.0, 11000.0, 5000)
    curve = calzetti_attenuation(wavelength)
    assert calzetti_attenuation([5500.0])[0] == pytest.approx(1.0, abs=0.01)
    # The published pieces leave a step of 0.006 at 6300 Angstrom.
    assert np.diff(curve).max() < 0.007
    assert np.abs(np.diff(curve)).max() < 0.03


def test_cosmology_agrees_with_astropy() -> None:
    from astropy.cosmology import FlatLambdaCDM

    z = np.array([0.05, 0.7, 2.0, 6.0])
    reference = FlatLambdaCDM(70, 0.3)
    np.testing.assert_allclose(
        comoving_distance_mpc(z), reference.comoving_distance(z).value, rtol=1e-4
    )
    np.testing.assert_allclose(
        kpc_per_arcsec(z), reference.kpc_proper_per_arcmin(z).value / 60, rtol=1e-4
    )
    per_steradian = reference.differential_comoving_volume(z).value
    np.testing.assert_allclose(
        volume_mpc3_per_deg2(z), per_steradian * np.deg2rad(1) ** 2, rtol=1e-3
    )


@pytest.mark.parametrize(("z", "node"), [(0.4, 0), (0.8, 8), (2.7, 20)])
def test_magnitudes_agree_with_speclite(
    z: float, node: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import astropy.units as u
    from speclite.filters import load_filter

    monkeypatch.setattr(spectra, "LINES", {})
    rest = REST_ANGSTROM
    through = transmission(rest * (1 + z), [z])[0] * interstellar_transmission(rest)
    per_angstrom = 3.631e-20 * spectra.SPEED_OF_LIGHT_ANGSTROM / REFERENCE_ANGSTROM**2
    flux = template_nodes()[node] * through * per_angstrom / (1 + z)
    for name, band in OPTICAL_BANDS.items():
        curve = load_filter(band.speclite_name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = curve.get_ab_magnitude(
                flux * u.Unit("erg/(s cm2 Angstrom)"), rest * (1 + z) * u.AA
            )
        found = band_magnitude(Spectra.plain(z, node * TEMPLATE_STEP, 0.0), name)[0]
        assert found == pytest.approx(expected, abs=0.004), name


def test_line_flux_adds_what_speclite_integrates() -> None:
    # A narrow Gaussian of the luminosity line_luminosity returns, through the same filter.
    import astropy.units as u
    from speclite.filters import load_filter

    z = 0.3
    one = Spectra.plain(z, 5.0, 0.4)
    luminosity = line_luminosity(one, "halpha")[0] * 3.631e-20
    wavelength = np.arange(6000.0, 11000.0, 1.0)
    centre = LINES["halpha"].angstrom * (1 + z)
    profile = np.exp(-0.5 * ((wavelength - centre) / 8.0) ** 2) / (8.0 * np.sqrt(2 * np.pi))
    expected = load_filter("hsc2017-i2").get_ab_magnitude(
        luminosity * profile * u.Unit("erg/(s cm2 Angstrom)"), wavelength * u.AA
    )
    response = band_table().line_response["i"]
    maggies = line_luminosity(one, "halpha")[0] * np.interp(centre, *response)
    assert -2.5 * np.log10(maggies) == pytest.approx(expected, abs=0.01)


def test_oii_width_follows_star_formation() -> None:
    widths = oii_equivalent_width(Spectra.plain(1.0, np.array([0.0, 2.0, 5.0]), 0.0))
    assert np.all(np.diff(widths) > 0)
    assert widths[0] < 5
    assert 20 < widths[2] < 80


def test_breaks_move_through_the_bands() -> None:
    def colour(z: float, template: float, blue: str, red: str) -> float:
        one = Spectra.plain(z, template, 0.0)
        return float((band_magnitude(one, blue) - band_magnitude(one, red))[0])

    assert colour(0.35, 0.0, "g", "r") > 1.3
    assert colour(0.8, 0.0, "r", "i") > 1.0
    assert colour(3.2, 4.0, "u", "g") > 2.0
    assert colour(4.2, 4.0, "g", "r") > 1.2
    assert colour(5.3, 4.0, "r", "i") > 1.2


def test_dust_reddens_and_table_is_smooth_in_redshift() -> None:
    z = np.linspace(0.0, 6.2, 3000)
    assert z.max() <= MAX_REDSHIFT
    plain, dusty = (Spectra.plain(z, 3.0, av) for av in (0.0, 1.0))
    reddening = band_magnitude(dusty, "g") - band_magnitude(dusty, "y")
    reddening -= band_magnitude(plain, "g") - band_magnitude(plain, "y")
    assert np.median(reddening[z < 3.5]) > 0.4
    assert np.abs(np.diff(band_magnitude(plain, "z"))).max() < 0.05
