"""Zero points, units and positions that do not go with the images."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr

from hscz.ingest.lightcheck import light_ratios, light_warnings


def store(offset_mag: float = 0.0, n: int = 600, shift_px: int = 0) -> xr.Dataset:
    """Return stars of 20 to 25 mag in two bands, catalogued too faint in the second."""
    rng = np.random.default_rng(1)
    mag = rng.uniform(20, 25, n)
    y, x = np.mgrid[:64, :64] - 32 - shift_px
    star = np.exp(-(x**2 + y**2) / (2 * 1.9**2)) / (2 * np.pi * 1.9**2)
    image = 10 ** (0.4 * (27 - mag))[:, None, None] * star + rng.normal(0, 0.03, (n, 64, 64))
    return xr.Dataset(
        {
            "image": (("object", "band", "y", "x"), np.stack([image] * 2, 1).astype(np.float16)),
            "mag": (("object", "band"), np.stack([mag, mag + offset_mag], 1)),
            "flags": ("object", np.zeros(n, np.int32)),
        },
        coords={"band": ["g", "i"]},
    )


@pytest.mark.parametrize(
    ("offset", "said"),
    [(3.0, "3.0. mag brighter than the catalogue"), (-7.5, "7.[45]. mag fainter than the catal")],
)
def test_a_wrong_zero_point_or_unit_is_told(offset, said):
    (line,) = light_warnings(store(offset))
    assert re.match(f"band i: the objects in the images are {said}", line)
    np.testing.assert_allclose(light_ratios(store())["g"], 1, rtol=0.02)


def test_what_goes_together_is_passed_over():
    assert list(light_warnings(store(0.3))) == []
    few = store(5.0, n=9)
    assert list(light_warnings(few)) == []
    flagged = store(5.0)
    flagged["flags"][:] = 4
    assert list(light_warnings(flagged)) == []


def test_objects_beside_their_light_are_told():
    lines = list(light_warnings(store(0.0, shift_px=20)))
    assert len(lines) == 2
    assert "and the positions" in lines[0]
