"""Degraded stars and skies come out with the flux, the width and the noise that were wanted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hscz.errors import StoreError
from hscz.learn.conditions import Conditions
from hscz.learn.degrade import SIGMA_PX_PER_FWHM_ARCSEC, degrade, draw
from hscz.mock.noise import correlated_noise
from hscz.mock.render import Sources, stamps
from hscz.sky.photometry import aperture_flux
from hscz.survey import PIXEL_SCALE_ARCSEC

NO_DUST = torch.zeros(1)
SIDE_PX = 64


def conditions(
    noise: float, fwhm_arcsec: float, ebv: float = 0.0, n: int = 1, bands: int = 1
) -> Conditions:
    per_band = torch.ones(n, bands)
    return Conditions(noise * per_band, fwhm_arcsec * per_band, torch.full((n,), ebv))


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian_star(fwhm_arcsec: float) -> Tensor:
    axis = (torch.arange(SIDE_PX) - SIDE_PX // 2) / (fwhm_arcsec * SIGMA_PX_PER_FWHM_ARCSEC)
    profile = torch.exp(-0.5 * axis**2)
    return (100 * torch.outer(profile, profile) / profile.sum() ** 2).view(1, 1, SIDE_PX, SIDE_PX)


def variance_px2(star: Tensor) -> float:
    """Return the second moment along x."""
    axis = torch.arange(SIDE_PX) - SIDE_PX // 2
    return float((star[0, 0] * axis**2).sum() / star.sum())


def half_width_px(star: Tensor) -> float:
    """Return the radius at which the light has fallen to half of that of the centre."""
    along_x = star[0, 0, SIDE_PX // 2, SIDE_PX // 2 :].numpy()
    return float(np.interp(-0.5 * along_x[0], -along_x, np.arange(len(along_x))))


@settings(max_examples=30)
@given(have=st.floats(0.4, 1.1), want=st.floats(0.4, 1.4))
def test_a_star_keeps_its_flux_and_gets_the_width(have: float, want: float) -> None:
    star = degrade(gaussian_star(have), conditions(1, have), conditions(0, want), NO_DUST, seeded())
    width_px = max(have, want) * SIGMA_PX_PER_FWHM_ARCSEC
    assert float(star.sum()) == pytest.approx(100, rel=1e-4)
    assert variance_px2(star) == pytest.approx(width_px**2, rel=0.02)


def test_the_mocks_stars_are_widened_as_well_as_documented() -> None:
    def mock_star(fwhm_arcsec: float) -> Tensor:
        one, none = np.ones(1), np.zeros(1)
        centre, width = SIDE_PX // 2 * one, np.full((1, 1), fwhm_arcsec / PIXEL_SCALE_ARCSEC)
        star = Sources(centre, centre, none, none, one, none, width * 0 + 100, width * 0, width)
        return torch.from_numpy(stamps(star, SIDE_PX))

    made = degrade(mock_star(0.6), conditions(1, 0.6), conditions(0, 0.69), NO_DUST, seeded())
    real = mock_star(0.69)
    assert aperture_flux(made.numpy(), 1.0) == pytest.approx(
        1.03 * aperture_flux(real.numpy(), 1.0), rel=0.01
    )
    assert half_width_px(made) / half_width_px(real) == pytest.approx(1.06, abs=0.01)


@pytest.mark.parametrize("correlated", [False, True])
def test_the_sky_gets_the_noise(correlated: bool) -> None:
    n, side = 256, 48
    if correlated:
        tiles = correlated_noise([1, 2], 0, 0, (16 * side, 16 * side)).reshape(16, side, 16, side)
        sky = torch.from_numpy(tiles).permute(0, 2, 1, 3).reshape(n, 1, side, side)
    else:
        sky = torch.randn(n, 1, side, side, generator=seeded(3))
    noise, fwhm = (
        torch.tensor(values).repeat(n // 4)[:, None]
        for values in ([0.03, 0.02, 0.02, 0.012], [0.6, 0.69, 1.0, 0.8])
    )
    want = Conditions(noise, fwhm, torch.zeros(n))
    out = degrade(0.02 * sky, conditions(0.02, 0.6, n=n), want, NO_DUST, seeded())
    measured = out.view(n // 4, 4, -1).std(dim=(0, 2))
    np.testing.assert_allclose(measured, noise[:4, 0], rtol=0.03)


def test_dust_dims_each_band_by_its_own_extinction() -> None:
    star = gaussian_star(0.7).expand(2, 2, -1, -1)
    have, want = conditions(1, 0.7, 0.02, 2, 2), conditions(0, 0.7, 0.02, 2, 2)
    want.ebv[1] += 0.1
    out = degrade(star, have, want, torch.tensor([4.0, 1.0]), seeded())
    dimming = -2.5 * torch.log10(out.sum((2, 3)) / 100)
    np.testing.assert_allclose(dimming, [[0, 0], [0.4, 0.1]], atol=1e-4)


def test_the_zero_point_scatters_by_object_and_band() -> None:
    images = torch.ones(1000, 2, 4, 4)
    same = conditions(1, 0.7, 0, 1000, 2)
    out = degrade(images, same, conditions(0, 0.7, 0, 1000, 2), torch.zeros(2), seeded(), 0.1)
    shift = -2.5 * torch.log10(out[:, :, 0, 0])
    assert shift.std(0).numpy() == pytest.approx(0.1, rel=0.1)
    assert abs(float(torch.corrcoef(shift.T)[0, 1])) < 0.1


def test_better_conditions_change_nothing() -> None:
    images = torch.randn(3, 2, 32, 32, generator=seeded()).half()
    have, want = conditions(1.0, 0.8, 0.05, 3, 2), conditions(0.5, 0.6, 0.05, 3, 2)
    out = degrade(images, have, want, torch.tensor([4.0, 1.0]), seeded())
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, images.float(), rtol=1e-5, atol=1e-5)


def test_the_seed_alone_decides() -> None:
    images, have, want = torch.zeros(4, 1, 32, 32), conditions(1, 0.6, n=4), conditions(2, 0.8, n=4)
    first, again, other = (
        degrade(images, have, draw(want, 4, 0.2, g), NO_DUST, g, 0.05)
        for g in (seeded(1), seeded(1), seeded(2))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_object_does_not_depend_on_its_batch() -> None:
    images = torch.randn(8, 2, 32, 32, generator=seeded())
    have = conditions(1, 0.6, 0.02, 8, 2)
    # A quiet target, so that nothing random is added.
    want = draw(conditions(1e-3, 0.8, 0.05, 8, 2), 8, 0.2, seeded(2))
    extinction, some = torch.tensor([4.0, 1.0]), torch.tensor([5, 2])
    together = degrade(images, have, want, extinction, seeded())
    apart = degrade(images[some], have.take(some), want.take(some), extinction, seeded())
    torch.testing.assert_close(together[some], apart)


def test_drawn_conditions_are_those_of_single_galaxies() -> None:
    numbers = torch.arange(5.0)
    target = Conditions(numbers[:, None] + 1, 2 * numbers[:, None] + 1, numbers)
    drawn = draw(target, 500, 0.0, seeded())
    assert drawn.ebv.unique().tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(drawn.sky_noise[:, 0], drawn.ebv + 1)
    assert torch.equal(drawn.psf_fwhm_arcsec[:, 0], 2 * drawn.ebv + 1)


def store(corrected: int = 0, **change: list) -> xr.Dataset:
    per_band = ("object", "band")
    columns = {
        "sky_noise": (per_band, np.full((3, 2), 0.1, np.float32)),
        "psf_fwhm": (per_band, np.array([[0.6, 0.7], [np.nan, 0.7], [0.8, 0.7]], np.float32)),
        "ebv": ("object", np.array([0.02, np.nan, 0.04], np.float32)),
    }
    columns |= {key: (columns[key][0], np.array(values)) for key, values in change.items()}
    attrs = {"image_extinction_corrected": corrected}
    return xr.Dataset(columns, coords={"band": ["g", "i"]}, attrs=attrs)


def test_medians_stand_in_for_what_is_unknown() -> None:
    measured = Conditions.of(store(), np.array([1, 2]), ["i", "g"])
    np.testing.assert_allclose(measured.psf_fwhm_arcsec, [[0.7, 0.7], [0.7, 0.8]])
    np.testing.assert_allclose(measured.ebv, [0.03, 0.04])


def test_images_corrected_for_dust_have_none() -> None:
    assert Conditions.of(store(corrected=1), np.arange(3), ["g"]).ebv.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"psf_fwhm": [[0.6, np.nan]] * 3}, "DEEP2: psf_fwhm of band 'i' is NaN .* adapt.degrade"),
        (
            {"ebv": [np.nan] * 3},
            "DEEP2: ebv is NaN for every object, as nothing gives .*; name its column",
        ),
    ],
)
def test_what_is_known_of_no_object_is_named(change: dict, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Conditions.of(store(**change), np.arange(3), ["g", "i"], "DEEP2")


def test_what_is_unknown_of_a_target_stays_that_of_the_source(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Conditions.of(store(), np.arange(3), ["g", "i"])
    change = {"psf_fwhm": [[0.9, np.nan]] * 3, "ebv": [np.nan] * 3}
    target = Conditions.of(store(**change), np.arange(3), ["g", "i"], "DC2", partial=True)
    assert "DC2: psf_fwhm of band 'i' is NaN" in caplog.text
    assert "DC2: ebv is NaN" in caplog.text
    known = Conditions(
        target.sky_noise,
        torch.stack([target.psf_fwhm_arcsec[:, 0], source.psf_fwhm_arcsec[:, 1]], 1),
        source.ebv,
    )
    images, extinction = torch.randn(3, 2, 32, 32), torch.tensor([3.0, 1.6])
    made = [
        degrade(images, source, want, extinction, torch.Generator().manual_seed(1))
        for want in (target, known)
    ]
    assert torch.equal(*made)
    assert torch.isfinite(made[0]).all()
