"""Redshifts from aperture magnitudes: what a network on images has to beat.

The methods learn from measured colours and magnitudes of the labelled field and are asked about
another one: `features` of both, then `estimate`, or `fit` and its answer block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from hscz import pdf
from hscz.constants import MAG_PER_RELATIVE_ERROR
from hscz.errors import ConfigError, InputError
from hscz.extras import needed_by
from hscz.learn.degrade import image_ebv
from hscz.learn.loader import band_index, read_stamps
from hscz.learn.targets import soft_target
from hscz.pdf.grid import RedshiftGrid
from hscz.sky.photometry import aperture_flux
from hscz.survey import BANDS, PIXEL_SCALE_ARCSEC

FloatArray = NDArray[np.float64]

APERTURE_ARCSEC = 1.0
"""Radius of the aperture."""

NEIGHBOURS = 30
"""Galaxies of the labelled field whose redshifts make a PDF."""

SMOOTHING = 0.02
"""Width, times 1 + z, of the kernel that smooths the histogram of the neighbours' redshifts."""

_APERTURE_PX = np.pi * (APERTURE_ARCSEC / PIXEL_SCALE_ARCSEC) ** 2
_SIDE_PX = 16
_BLOCK = 4096


@dataclass(frozen=True)
class Features:
    """Measured magnitudes of n galaxies, corrected for Galactic extinction.

    Attributes
    ----------
    mag, mag_err : ndarray, shape (n, band)
        Asinh magnitudes in the aperture, and their errors.
    """

    mag: FloatArray
    mag_err: FloatArray

    def __len__(self) -> int:
        return len(self.mag)

    @property
    def colour(self) -> FloatArray:
        """Differences of adjacent bands, blue minus red, shape (n, band - 1)."""
        return self.mag[:, :-1] - self.mag[:, 1:]

    @property
    def colour_err(self) -> FloatArray:
        """Errors of the colours."""
        return np.hypot(self.mag_err[:, :-1], self.mag_err[:, 1:])


@dataclass(frozen=True)
class Estimate:
    """Redshifts of n galaxies.

    Attributes
    ----------
    z_median, pdf_width : ndarray, shape (n,)
        Median, and width of the central 68 %; NaN where a method gives no PDF.
    pdf : ndarray, shape (n, bins), or None
        Density in 1/dz.
    """

    z_median: FloatArray
    pdf_width: FloatArray
    pdf: NDArray[np.float32] | None = None


Estimator = Callable[[Features], Estimate]


def features(
    store: xr.Dataset,
    rows: NDArray[np.int64],
    bands: Sequence[str],
    noise: Sequence[float],
    name: str = "field store",
) -> Features:
    """Measure magnitudes on the stamps of a field store, a block at a time.

    Asinh magnitudes (Lupton, Gunn & Szalay 1999) are those of Pogson where a galaxy is bright,
    and stay finite where its flux is not positive.

    Parameters
    ----------
    store : xarray.Dataset
        Field store opened without Dask (``lazy=False``).
    rows : ndarray of int
        Sorted rows of usable galaxies.
    bands : sequence of str
    noise : sequence of float
        Sky noise of one pixel in each band, counts, around which magnitudes turn into fluxes.
        It must be the same for the galaxies to learn from and those to be asked about.
    name : str
        What the store is called in error messages.

    Raises
    ------
    StoreError
        If the store lacks a band, its stamps are too small or it knows of no dust.
    """
    index = band_index(store, bands, name)
    blocks = np.array_split(rows, -(-len(rows) // _BLOCK) or 1)
    flux = np.concatenate([_aperture_flux(store, block, index, name) for block in blocks])
    flux_err = np.sqrt(_APERTURE_PX) * store["sky_noise"].values[rows][:, index]
    softening = np.sqrt(_APERTURE_PX) * np.asarray(noise)
    k = np.array([BANDS[band].extinction_per_ebv for band in bands])
    dust = 10 ** (0.4 * np.outer(image_ebv(store, name)[rows], k))
    return Features(*asinh_mag(dust * flux, dust * flux_err, softening))


def _aperture_flux(
    store: xr.Dataset, rows: NDArray[np.int64], index: Sequence[int], name: str
) -> NDArray[np.float32]:
    stamps = np.empty((len(rows), len(index), _SIDE_PX, _SIDE_PX), np.float16)
    read_stamps(store, rows, index, stamps, name)
    return aperture_flux(stamps, APERTURE_ARCSEC)


def asinh_mag(
    flux: ArrayLike, flux_err: ArrayLike, softening: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return asinh magnitudes at zero point 0, and their errors.

    Parameters
    ----------
    flux, flux_err : array_like
    softening : array_like
        Flux below which the magnitude is linear in it.

    Examples
    --------
    >>> mag, err = asinh_mag([100.0, 1.0], [1.0, 1.0], 1.0)
    >>> mag.round(3).tolist(), err.round(3).tolist()
    ([-5.0, -0.522], [0.011, 0.486])
    """
    x, b = np.asarray(flux, np.float64), np.asarray(softening, np.float64)
    mag = -MAG_PER_RELATIVE_ERROR * (np.arcsinh(x / (2 * b)) + np.log(b))
    return mag, MAG_PER_RELATIVE_ERROR * np.asarray(flux_err) / np.hypot(x, 2 * b)


def fit(
    method: str, known: Features, z_label: ArrayLike, grid: RedshiftGrid, seed: int = 1
) -> Estimator:
    """Let a method learn from galaxies of known redshift.

    Parameters
    ----------
    method : str
        A key of `METHODS`.
    known : Features
        At least `NEIGHBOURS` galaxies.
    z_label : array_like, shape (len(known),)
        Inside the grid.
    grid : RedshiftGrid
        Bins of the PDFs, where the method gives any.
    seed : int

    Returns
    -------
    callable
        Takes `Features` of other galaxies, in the same bands, and gives an `Estimate`.

    Raises
    ------
    ConfigError
        If the method is unknown, or needs a package that is not installed.
    InputError
        If there are too few galaxies, or labels are missing or outside the grid.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> z = rng.uniform(0, 1, 1000)
    >>> mag = 20 + np.outer(z, [3.0, 1.0])
    >>> nearest = fit("knn", Features(mag, 0 * mag), z, RedshiftGrid.uniform(60, 1.0))
    >>> nearest(Features(np.array([[21.5, 20.5]]), np.zeros((1, 2)))).z_median.round(1).tolist()
    [0.5]
    """
    if method not in METHODS:
        raise ConfigError(f"method {method!r} is unknown; use network, {', '.join(METHODS)}")
    z = np.asarray(z_label, np.float64)
    bad = int((grid.index(z) < 0).sum())
    if bad or len(z) < NEIGHBOURS:
        raise InputError(
            f"{len(z)} labels to learn from, {bad} of them missing or outside "
            f"{grid.edges[0]:g} <= z < {grid.edges[-1]:g}; give at least {NEIGHBOURS}, all inside"
        )
    with needed_by(f"method {method!r}"):
        return METHODS[method](known, z, grid, seed)


def estimate(
    method: str,
    known: Features,
    z_label: ArrayLike,
    target: Features,
    grid: RedshiftGrid,
    seed: int = 1,
) -> Estimate:
    """Return what a method makes of the target, having learnt from known galaxies; see `fit`."""
    return fit(method, known, z_label, grid, seed)(target)


def _nearest(known: Features, z: FloatArray, grid: RedshiftGrid, seed: int) -> Estimator:
    """Take the redshifts of the nearest in adjacent colours and mean magnitude as the PDF."""

    def place(some: Features) -> FloatArray:
        return np.column_stack([some.colour, some.mag.mean(axis=1)])

    scale = place(known).std(axis=0)
    tree, bins = cKDTree(place(known) / scale), grid.index(z)
    kernel = soft_target(grid.centres, 0.0, grid, SMOOTHING)

    def answer(target: Features) -> Estimate:
        near = bins[tree.query(place(target) / scale, k=NEIGHBOURS)[1]]
        ends = np.arange(0, near.size + 1, NEIGHBOURS)
        share = np.full(near.size, 1 / NEIGHBOURS, np.float32)
        histogram = csr_array((share, near.ravel(), ends), shape=(len(near), len(grid)))
        density = pdf.pmf_to_pdf(histogram @ kernel, grid.edges).astype(np.float32)
        return Estimate(pdf.median(density, grid.edges), pdf.width(density, grid.edges), density)

    return answer


def _boosting(known: Features, z: FloatArray, grid: RedshiftGrid, seed: int) -> Estimator:
    """Grow regression trees for the median redshift; the errors tell how deep the images are."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    def columns(some: Features) -> FloatArray:
        return np.column_stack([some.mag, some.colour, some.mag_err, some.colour_err])

    trees = HistGradientBoostingRegressor(loss="absolute_error", random_state=seed)
    trees.fit(columns(known), z)

    def answer(target: Features) -> Estimate:
        return Estimate(trees.predict(columns(target)), np.full(len(target), np.nan))

    return answer


METHODS: Mapping[str, Callable[[Features, FloatArray, RedshiftGrid, int], Estimator]] = {
    "knn": _nearest,
    "boosting": _boosting,
}
"""Photometric methods: features, redshifts, grid and seed in, an estimator out."""
