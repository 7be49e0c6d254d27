"""Quality flags: each is set where it must be, and its worth is counted right."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from hscz import pdf
from hscz.errors import InputError
from hscz.evaluate.flags import flag_purity, format_flags
from hscz.pdf.flags import catalogue_flags, nearest_arcsec, pdf_flags
from hscz.pdf.grid import RedshiftGrid
from hscz.schema import SINGLE_FLAGS, Flag

GRID = RedshiftGrid.uniform()


def spike(*places: float, width: float = 0.1) -> np.ndarray:
    rows = [np.exp(-0.5 * ((GRID.centres - z) / width) ** 2) for z in places]
    return np.sum(rows, axis=0)


@pytest.mark.parametrize(
    ("row", "spread", "expected"),
    [
        (spike(1.0), 0.0, Flag(0)),
        (spike(3.0, width=1.0), 0.0, Flag.WIDE_PDF),
        (spike(1.0, 1.5), 0.0, Flag.SEVERAL_PEAKS),
        (spike(1.0) + 0.3 * spike(1.5), 0.0, Flag.SEVERAL_PEAKS),
        (spike(1.0) + 0.2 * spike(1.5), 0.0, Flag(0)),
        (spike(1.0, 1.3, width=0.05), 0.0, Flag(0)),
        (spike(1.0) + 0.15 * spike(1.6, 2.2), 0.0, Flag.SEVERAL_PEAKS),
        (spike(5.5), 0.0, Flag.GRID_END),
        (spike(5.2), 0.0, Flag(0)),
        (spike(1.0), 0.2, Flag.RUNS_DISAGREE),
        (np.full(360, np.nan), np.nan, Flag(0)),
        (np.ones(360), 0.0, Flag.WIDE_PDF | Flag.GRID_END),
    ],
)
def test_pdfs_are_flagged_for_what_they_show(
    row: np.ndarray, spread: float, expected: Flag
) -> None:
    density = row[None]
    points = pdf.summarise(density, GRID.edges)
    assert Flag(int(pdf_flags(density, GRID.edges, points, [spread])[0])) == expected


def test_neighbours_are_found_at_every_declination_and_across_zero_hours() -> None:
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(-0.05, 0.05, 300) % 360, rng.uniform(79.99, 80.01, 300)
    sky = SkyCoord(ra * u.deg, dec * u.deg)
    expected = sky.match_to_catalog_sky(sky, nthneighbor=2)[1].arcsec
    np.testing.assert_allclose(nearest_arcsec(ra, dec), expected, rtol=1e-6)
    flags = catalogue_flags(ra, dec, np.full(300, 22.0), (18.0, 25.0))
    np.testing.assert_array_equal((flags & Flag.NEIGHBOUR) != 0, expected < 2)
    assert catalogue_flags([1.0], [1.0], [22.0], (18.0, 25.0)).tolist() == [0]
    assert catalogue_flags([], [], [], (18.0, 25.0)).tolist() == []


def test_magnitudes_that_were_not_learnt_are_flagged() -> None:
    mag = np.array([17.9, 18.0, 25.0, 25.1, np.nan])
    flags = catalogue_flags(10.0 * np.arange(5), np.zeros(5), mag, (18.0, 25.0))
    assert (flags == Flag.OUTSIDE_TRAINING).tolist() == [True, False, False, True, True]


def test_bits_are_unique_and_none_of_the_pdf_forbids_a_redshift() -> None:
    values = [flag.value for flag in SINGLE_FLAGS]
    assert len(set(values)) == len(values)
    ours = Flag.WIDE_PDF | Flag.SEVERAL_PEAKS | Flag.OUTSIDE_TRAINING | Flag.GRID_END
    assert not (ours | Flag.NEIGHBOUR | Flag.RUNS_DISAGREE) & Flag.UNUSABLE
    assert max(values) < 2**31


def test_purity_counts_outliers_inside_and_outside() -> None:
    rng = np.random.default_rng(2)
    z_true = rng.uniform(0.2, 3, 5000)
    wide = rng.random(5000) < 0.2
    bad = rng.random(5000) < np.where(wide, 0.5, 0.05)
    z_pred = z_true + np.where(bad, 2.0, 0.0)
    z_pred[:7] = np.nan
    flags = np.where(wide, Flag.WIDE_PDF, 0)
    table = flag_purity(flags, z_pred, z_true).set_index("flag")
    row = table.loc["wide_pdf"]
    assert row["n"] == 4993
    assert row["n_flagged"] == wide[7:].sum()
    assert abs(row["eta_in"] - 0.5) < 4 * row["eta_in_err"] < 0.1
    assert abs(row["eta_out"] - 0.05) < 4 * row["eta_out_err"] < 0.02
    assert row["outliers_caught"] == pytest.approx((wide & bad)[7:].sum() / bad[7:].sum())
    assert set(table.index) == {"any redshift", "any_flag", "wide_pdf"}
    assert len(format_flags(table.reset_index()).splitlines()) == 4


def test_purity_needs_redshifts_that_fit() -> None:
    with pytest.raises(InputError, match="do not fit"):
        flag_purity([0], [1.0, 1.0], [1.0, 1.0])
    with pytest.raises(InputError, match="none of 1 objects"):
        flag_purity([0], [np.nan], [1.0])
