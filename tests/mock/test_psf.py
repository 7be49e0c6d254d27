from __future__ import annotations

import numpy as np
import pytest
import scipy.fft

from hscz.mock.psf import PsfProfile


@pytest.mark.parametrize("profile", [PsfProfile(), PsfProfile(3.5), PsfProfile(4.5, 0.2)])
def test_width_and_light_are_those_of_the_transform(profile: PsfProfile) -> None:
    alpha, n = 15.0, 512
    k = 2.0 * np.pi * np.hypot(scipy.fft.fftfreq(n)[:, None], scipy.fft.rfftfreq(n))
    image = np.fft.fftshift(scipy.fft.irfft2(profile.transform(k * alpha), s=(n, n)))
    r = np.hypot(*(np.indices(image.shape) - n // 2))
    assert image.max() / 2 == pytest.approx(
        np.interp(0.5 * profile.fwhm * alpha, np.arange(n // 2), image[n // 2, n // 2 :]), rel=0.02
    )
    assert image[r < profile.half_light * alpha].sum() == pytest.approx(0.5, abs=0.02)
