"""Hold the mock galaxies against real ones: median colours and their scatter by redshift.

Run ``python -m hscz.mock.realism DATA_DIR`` for the table. Two real samples are used:

* 2,295 galaxies at 2.5 < z < 3 of the COSMOS compilation of spectroscopic redshifts
  (Khostovan et al. 2025), with u, u*, g, r, i, z, y of COSMOS2020 in the mock's own filters;
* secure zCOSMOS-bright galaxies (Lilly et al. 2009) at z < 1.2, whose 3 arcsec magnitudes are
  CFHT u* and Subaru Suprime-Cam g+, r+, i+, z+. Against the HSC filters r+ and z+ lie redder
  (by 50 and 130 Angstrom) and i+ bluer (by 50), so that the templates are redder there by 0.03
  to 0.12 in g - r, bluer by 0.02 to 0.12 in r - i and redder by 0.02 to 0.15 in i - z, most for
  ellipticals at z = 1. No colour term is applied, to keep fits out of the comparison.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz.constants import MAG_PER_RELATIVE_ERROR, SIGMA_PER_MAD
from hscz.errors import InputError
from hscz.mock.population import draw_field

FloatArray = NDArray[np.float64]

COMPILATION_FILE = "cosmos_specz_compilation_2.50_z_3.00.txt"
ZCOSMOS_FILE = "zcosmos_bright_20k.csv"

MEDIAN_TOLERANCE_MAG = 0.25
SIGMA_TOLERANCE_FACTOR = 1.5

FLOOR_MAG = 0.04
"""Scatter of COSMOS2020 magnitudes beyond their formal errors, in each band.

The 57 galaxies at z < 2 with u errors below 0.03 among the first hundred of the catalogue scatter
by 0.074 mag about a straight line of u - u* against u* - g, where their errors give 0.02.
"""


@dataclass(frozen=True)
class RealSample:
    """Real galaxies with redshifts and photometry.

    Attributes
    ----------
    name : str
    z, i_total : ndarray, shape (n,)
        Redshift, and the i magnitude that the mock is matched in.
    flux, flux_err : DataFrame, shape (n, band)
        Of any zero point; NaN where not observed.
    colours : sequence of tuple of str
        Pairs of bands to compare.
    z_edges : sequence of float
    """

    name: str
    z: FloatArray
    i_total: FloatArray
    flux: pd.DataFrame
    flux_err: pd.DataFrame
    colours: Sequence[tuple[str, str]]
    z_edges: Sequence[float]


def read_compilation(folder: Path) -> RealSample:
    """Read the compilation's galaxies at 2.5 < z < 3 (fluxes in mJy).

    Raises
    ------
    InputError
        If the file is absent or lacks a column.
    """
    path = _existing(folder / COMPILATION_FILE)
    with path.open() as lines:
        names = lines.readline().lstrip("#").split()
    table = pd.read_csv(path, sep=r"\s+", comment="#", names=names)
    source = {"u": "cfht.megacam.u", "us": "cfht.megacam.u_1"}
    source |= {band: f"subaru.suprime.{band}" for band in "griz"} | {"y": "subaru.suprime.Y"}
    _require(table, path, ["redshift", *source.values()])
    flux = pd.DataFrame({band: table[column] for band, column in source.items()})
    error = pd.DataFrame({band: table[f"{column}_err"] for band, column in source.items()})
    return RealSample(
        "compilation 2.5<z<3",
        table["redshift"].to_numpy(),
        16.4 - 2.5 * np.log10(flux["i"].to_numpy()),
        flux,
        pd.DataFrame(
            np.hypot(error.where(error > 0, 0.0), flux * FLOOR_MAG / MAG_PER_RELATIVE_ERROR)
        ),
        (("u", "us"), ("u", "g"), ("us", "g"), ("g", "r"), ("r", "i"), ("i", "z"), ("z", "y")),
        (2.5, 2.6, 2.7, 2.8, 2.9, 3.0),
    )


def read_zcosmos(folder: Path) -> RealSample:
    """Read the secure (class 3.x and 4.x) zCOSMOS-bright galaxies at 0.1 < z < 1.2.

    Raises
    ------
    InputError
        If the file is absent or lacks a column.
    """
    path = _existing(folder / ZCOSMOS_FILE)
    table = pd.read_csv(path)
    source = {"us": "u"} | {band: band for band in "griz"}
    _require(table, path, ["zpec", "cc", "mag_sel", *(f"{c}_photzi25" for c in source.values())])
    # The first decimal of the class is agreement with photometry, which would select on it.
    table = table[np.floor(table["cc"]).isin([3, 4])].reset_index(drop=True)
    mag = pd.DataFrame({band: table[f"{c}_photzi25"] for band, c in source.items()})
    error = pd.DataFrame({band: table[f"e{c}_photzi25"] for band, c in source.items()})
    flux = 10 ** (-0.4 * mag.where(mag > 0))
    return RealSample(
        "zCOSMOS-bright",
        table["zpec"].to_numpy(),
        table["mag_sel"].to_numpy(),
        flux,
        flux * error / MAG_PER_RELATIVE_ERROR,
        (("us", "g"), ("g", "r"), ("r", "i"), ("i", "z")),
        tuple(np.round(np.arange(0.1, 1.21, 0.1), 1)),
    )


def compare(truth: pd.DataFrame, samples: Sequence[RealSample], seed: int = 0) -> pd.DataFrame:
    """Compare colours of mock and real galaxies in bins of redshift.

    For each real galaxy a mock galaxy of the same redshift bin and nearly the same i magnitude is
    taken, and given the photometric errors of the real one.

    Parameters
    ----------
    truth : DataFrame
        From `hscz.mock.population.draw_field`.
    samples : sequence of RealSample
    seed : int

    Returns
    -------
    DataFrame
        Columns ``sample, z_low, z_high, colour, n_real, median_real, median_mock, sigma_real,
        sigma_mock, within``; sigma is 1.4826 times the median absolute deviation, and
        ``within`` says whether the medians agree to 0.25 mag and the scatters to a factor 1.5.
    """
    rng = np.random.default_rng(seed)
    galaxies = truth[~truth["is_star"]]
    rows = [row for sample in samples for row in _compare_sample(galaxies, sample, rng)]
    return pd.DataFrame(rows)


def _compare_sample(
    galaxies: pd.DataFrame, sample: RealSample, rng: np.random.Generator
) -> Iterator[dict[str, object]]:
    for low, high in zip(sample.z_edges[:-1], sample.z_edges[1:], strict=True):
        real = np.flatnonzero((sample.z >= low) & (sample.z < high) & (sample.i_total > 0))
        pool = galaxies[galaxies["z_true"].between(low, high, inclusive="left")]
        mock = pool.iloc[_nearest_in_magnitude(sample.i_total[real], pool["mag_i"], rng)]
        flux_real, flux_err = sample.flux.iloc[real], sample.flux_err.iloc[real].to_numpy()
        intrinsic = 10 ** (-0.4 * mock[[f"mag_{band}" for band in flux_real]].to_numpy())
        # Fluxes of the two share a zero point once their i bands agree on average.
        scale = np.nanmedian(flux_real["i"].to_numpy() / intrinsic[:, list(flux_real).index("i")])
        noisy = intrinsic * scale + flux_err * rng.normal(size=flux_err.shape)
        flux_mock = pd.DataFrame(noisy, columns=flux_real.columns)
        for blue, red in sample.colours:
            median_real, sigma_real, n_real = _centre_and_spread(flux_real[blue], flux_real[red])
            median_mock, sigma_mock, _ = _centre_and_spread(flux_mock[blue], flux_mock[red])
            ratio = sigma_mock / sigma_real
            yield {
                "sample": sample.name,
                "z_low": low,
                "z_high": high,
                "colour": f"{blue}-{red}",
                "n_real": n_real,
                "median_real": median_real,
                "median_mock": median_mock,
                "sigma_real": sigma_real,
                "sigma_mock": sigma_mock,
                "within": abs(median_mock - median_real) <= MEDIAN_TOLERANCE_MAG
                and 1 / SIGMA_TOLERANCE_FACTOR <= ratio <= SIGMA_TOLERANCE_FACTOR,
            }


def _nearest_in_magnitude(
    wanted: FloatArray, offered: pd.Series, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return positions in `offered` within 15 ranks of each wanted magnitude, at random."""
    order = np.argsort(offered.to_numpy())
    rank = np.searchsorted(offered.to_numpy()[order], wanted)
    rank = rank + rng.integers(-15, 16, len(wanted))
    return order[np.clip(rank, 0, len(order) - 1)]


def _centre_and_spread(blue: pd.Series, red: pd.Series) -> tuple[float, float, int]:
    b, r = blue.to_numpy(), red.to_numpy()
    measured = (b > 0) & (r > 0)
    colour = -2.5 * np.log10(b[measured] / r[measured])
    median = float(np.median(colour))
    return median, float(SIGMA_PER_MAD * np.median(np.abs(colour - median))), int(measured.sum())


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path} does not exist; give the folder that holds the real catalogues")
    return path


def _require(table: pd.DataFrame, path: Path, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(f"{path} has no column {missing[0]!r}; give the catalogue as published")


def mock_for_comparison(seed: int = 1) -> pd.DataFrame:
    """Draw two thirds of a square degree of XMM to i = 26, without planted structures."""
    return draw_field("XMM_DEEP", (35.0, 35.8), (-5.0, -4.2), 26.0, seed)


def main(arguments: Sequence[str]) -> int:
    """Print the comparison for the catalogues in the folder given as only argument."""
    if len(arguments) != 1:
        print("usage: python -m hscz.mock.realism DATA_DIR", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    samples = [read_compilation(folder), read_zcosmos(folder)]
    table = compare(mock_for_comparison(), samples)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    print(f"{table['within'].sum()} of {len(table)} cells agree in median and scatter")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
