"""Width and shape of the point spread function, measured on the stars of an image.

Headers and PSF models differ between surveys and are often absent; stars are always there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.optimize import least_squares
from scipy.spatial import cKDTree

from hscz.sky.noise import image_sky_noise

MIN_STARS = 5
"""Fewest stars to measure the seeing from."""

MIN_PEAK_SNR = 25.0
"""Peak of a star over the sky noise; fainter objects are mostly galaxies and too noisy."""

MAX_CANDIDATES = 500
"""Compact sources to look at in an image, the brightest ones."""

CELL_CANDIDATES = 100
"""How many there may be for each part of an image whose PSF is measured by itself."""

HALF_PX = 15
"""Half side of the boxes around candidates, px."""

CELL_PX = 1400
"""Side of the parts of an image whose PSF is measured by itself: a third of an HSC patch."""

MIN_CELL_STARS = 20
"""Fewest stars to measure the seeing of a part from."""

ISOLATION_PX = 20.0
"""A candidate with a brighter pixel peak within this distance is left out."""

LOCUS_WIDTH = 0.06
"""Width in ln(size) of the clump of stars, from seeing variation across an image and noise."""

MAX_STACKED = 200
"""Stars, the brightest ones, that show the shape of the PSF."""


@dataclass(frozen=True)
class Sources:
    """Compact sources: pixel of the peak, box around it, offset of the centroid, and width.

    Boxes are of shape (n, side, side), the rest of (n,), px; the brightest come first.
    """

    y: np.ndarray
    x: np.ndarray
    boxes: np.ndarray
    dx: np.ndarray
    dy: np.ndarray
    sigma: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, chosen: np.ndarray | slice) -> Sources:
        """Return some of the sources."""
        return Sources(*(getattr(self, f.name)[chosen] for f in fields(self)))


@dataclass(frozen=True)
class LocalPsf:
    """The PSF of an image, as its stars show it.

    Attributes
    ----------
    fwhm_arcsec : ndarray of float32, shape (n,)
        Full width at half maximum around n positions, NaN where the image has fewer than
        `MIN_STARS` stars.
    image : ndarray of float32, shape (2 HALF_PX + 1, 2 HALF_PX + 1)
        The stars of the whole image stacked: centred on the middle pixel, of unit sum. NaN where
        there are too few.
    """

    fwhm_arcsec: np.ndarray
    image: np.ndarray


def local_psf(
    image: np.ndarray,
    pixel_scale_arcsec: float,
    x: np.ndarray,
    y: np.ndarray,
    unusable: np.ndarray | None = None,
) -> LocalPsf:
    """Measure the PSF of an image, and its width around positions, from the stars nearby.

    Bright isolated peaks are measured with a Gaussian weight of matched width; the smallest
    common size is that of the stars. A Moffat (1969) profile fitted to all of them together
    gives the width, including the pixel. On simulated Moffat stars among galaxies it is right
    to 2 %. The image is divided into squares of about `CELL_PX`. One with fewer than
    `MIN_CELL_STARS` stars, or with as many as `MIN_STARS` smaller things than these, which then are
    galaxies, has the width of the whole image. The median of the brightest stars, each moved to
    the middle of a pixel, shows the shape of the PSF.

    Parameters
    ----------
    image : ndarray of shape (Y, X)
        Counts.
    pixel_scale_arcsec : float
    x, y : ndarray of shape (n,)
        0-based positions inside the image.
    unusable : ndarray of bool, shape (Y, X), optional
        Saturated or missing pixels; no star is taken within 5 px of one.

    Returns
    -------
    LocalPsf

    Examples
    --------
    >>> local_psf(np.zeros((200, 200)), 0.168, np.array([9.0]), np.array([7.0])).fwhm_arcsec
    array([nan], dtype=float32)
    """
    count = [max(1, round(side / CELL_PX)) for side in image.shape]
    sources = _compact_sources(
        image, unusable, max(MAX_CANDIDATES, CELL_CANDIDATES * count[0] * count[1])
    )

    def cell(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        row, column = (
            np.clip(np.asarray(p) * n / side, 0, n - 1).astype(int)
            for p, n, side in zip((y, x), count, image.shape, strict=True)
        )
        return row * count[1] + column

    cells, wanted = cell(sources.y, sources.x), cell(y, x)
    width = np.full(len(wanted), np.nan)
    for number in np.unique(wanted) if count != [1, 1] else ():
        here = sources.take(cells == number)
        stars = np.sort(here.sigma[_locus(here.sigma)])
        if len(stars) >= MIN_CELL_STARS and (here.sigma < stars[0]).sum() < MIN_STARS:
            width[wanted == number] = _psf_fwhm_px(here)
    everywhere = sources.take(slice(MAX_CANDIDATES))
    if np.isnan(width).any():
        width[np.isnan(width)] = _psf_fwhm_px(everywhere)
    return LocalPsf((pixel_scale_arcsec * width).astype(np.float32), _stacked(everywhere))


def _compact_sources(image: np.ndarray, unusable: np.ndarray | None, most: int) -> Sources:
    """Return the brightest isolated sources of an image, none where nothing stands out."""
    none = np.zeros(0)
    found = Sources(none, none, np.zeros((0, 1, 1)), none, none, none)
    sky, noise = image_sky_noise(image)
    if not noise > 0 or min(image.shape) <= 2 * HALF_PX:
        return found
    y, x = _peaks(image, sky + MIN_PEAK_SNR * noise)
    boxes = _boxes(image, y, x)
    keep = np.isfinite(boxes).all(axis=(1, 2))
    if unusable is not None:
        centre = slice(HALF_PX - 5, HALF_PX + 6)
        keep &= ~_boxes(unusable, y, x)[:, centre, centre].any(axis=(1, 2))
    best = np.flatnonzero(keep)[:most]
    if len(best) < MIN_STARS:
        return found
    boxes = boxes[best].astype(np.float64)
    boxes -= np.median(boxes[:, [0, -1]], axis=(1, 2), keepdims=True)
    return Sources(y[best], x[best], boxes, *_adaptive_moments(boxes))


def _psf_fwhm_px(sources: Sources) -> float:
    """Return the width of the profile that the stars among some sources share; NaN for too few."""
    stars = sources.take(_locus(sources.sigma))
    if len(stars) < MIN_STARS:
        return np.nan
    return _moffat_psf_fwhm(stars.boxes, stars.dx, stars.dy, stars.sigma)


def _stacked(sources: Sources) -> np.ndarray:
    """Return the median of the stars among some sources, centred and of unit sum."""
    side = 2 * HALF_PX + 1
    stars = sources.take(_locus(sources.sigma)).take(slice(MAX_STACKED))
    if len(stars) < MIN_STARS:
        return np.full((side, side), np.nan, np.float32)
    along_x, along_y = (
        np.exp(2j * np.pi * frequency * offset[:, None])
        for frequency, offset in (
            (np.fft.rfftfreq(side), stars.dx),
            (np.fft.fftfreq(side), stars.dy),
        )
    )
    moved = np.fft.rfft2(stars.boxes) * along_y[:, :, None] * along_x[:, None, :]
    boxes = np.fft.irfft2(moved, s=(side, side))
    weight = _weighted_powers(np.zeros(len(stars)), stars.sigma)[..., 0]
    stack = np.median(boxes / _inner(weight, boxes)[:, None, None], axis=0)
    stack -= np.median(np.concatenate([stack[[0, -1]].ravel(), stack[:, [0, -1]].ravel()]))
    return (stack / stack.sum()).astype(np.float32)


def _inner(weight: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the light of each box under a weight that is the same along x and y."""
    return np.einsum("ny,nyx,nx->n", weight, boxes, weight)


def _peaks(image: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return isolated local maxima above a threshold, brightest first.

    Only the few pixels above the threshold are looked at, which is far quicker than a filter.
    """
    inner = (slice(HALF_PX, -HALF_PX),) * 2
    y, x = (position + HALF_PX for position in np.nonzero(image[inner] > threshold))
    value = image[y, x]
    peak = np.ones(len(value), bool)
    for j, i in np.ndindex(3, 3):
        # Strict on one side of the pixel only, so that a plateau of two has one maximum.
        other = image[y + j - 1, x + i - 1]
        peak &= (value > other) if (j, i) > (1, 1) else (value >= other)
    order = np.flatnonzero(peak)[np.argsort(-value[peak], kind="stable")]
    y, x, value = y[order], x[order], value[order]
    near = cKDTree(np.stack([y, x], axis=1)).query_pairs(ISOLATION_PX, output_type="ndarray")
    alone = np.ones(len(y), bool)
    alone[near[:, 1]] = False
    alone[near[value[near[:, 1]] > 0.1 * value[near[:, 0]], 0]] = False
    return y[alone], x[alone]


def _boxes(image: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Cut square boxes around pixels, shape (n, side, side)."""
    side = 2 * HALF_PX + 1
    return sliding_window_view(image, (side, side))[y - HALF_PX, x - HALF_PX]


def _adaptive_moments(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centroid offsets and widths under a Gaussian weight of the same width, px.

    For a Gaussian source of width s under a weight of width s, the mean of the squared radius
    is s squared, which the iteration makes true (Bernstein & Jarvis 2002, circular case).
    """
    dx, dy, sigma = np.zeros(len(boxes)), np.zeros(len(boxes)), np.full(len(boxes), 2.0)
    for _ in range(15):
        # A Gaussian is the product of one in x and one in y, and so are its moments.
        weights_x, weights_y = _weighted_powers(dx, sigma), _weighted_powers(dy, sigma)
        moment = weights_y.transpose(0, 2, 1) @ boxes @ weights_x
        moment /= np.maximum(moment[:, :1, :1], 1e-30)
        dx = np.clip(dx + 2 * moment[:, 0, 1], -2, 2)
        dy = np.clip(dy + 2 * moment[:, 1, 0], -2, 2)
        sigma = np.sqrt(np.clip(moment[:, 0, 2] + moment[:, 2, 0], 0.5**2, HALF_PX**2))
    return dx, dy, sigma


def _weighted_powers(offset: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return g, u g and u squared g along one axis, shape (n, side, 3); g is the weight at u."""
    u = np.arange(-HALF_PX, HALF_PX + 1) - offset[:, None]
    weight = np.exp(-0.5 * (u / sigma[:, None]) ** 2)
    return np.stack([weight, u * weight, u**2 * weight], axis=-1)


def _locus(sigma: np.ndarray) -> np.ndarray:
    """Return which sources belong to the clump at the smallest size.

    Stars pile up at one size, whereas the number of galaxies only rises from there on, so the
    clump is the first window which holds more sources than the window that follows it.
    """
    size = np.sort(np.log(np.append(sigma, np.inf)))
    ends = np.searchsorted(size, size[:-1] + np.array([[0], [1], [2]]) * LOCUS_WIDTH)
    count, following = np.diff(ends, axis=0)
    clumps = np.flatnonzero((count >= MIN_STARS) & (count > following))
    if len(clumps) == 0:
        return np.zeros(len(sigma), bool)
    inside = slice(clumps[0], clumps[0] + count[clumps[0]])
    start = size[clumps[0] + int(np.argmax(count[inside]))]
    return (np.log(sigma) >= start) & (np.log(sigma) <= start + LOCUS_WIDTH)


def _moffat_psf_fwhm(boxes: np.ndarray, dx: np.ndarray, dy: np.ndarray, sigma: np.ndarray) -> float:
    """Fit one Moffat profile to the median radial profile of all stars; return FWHM in px."""
    axis = np.arange(-HALF_PX, HALF_PX + 1)
    radius = np.hypot(axis - dx[:, None, None], axis[:, None] - dy[:, None, None])
    width = float(np.median(sigma))
    flux = (boxes * np.exp(-0.5 * (radius / width) ** 2)).sum(axis=(1, 2), keepdims=True)
    r, light = _radial_profile(radius, boxes / flux, min(4 * width, HALF_PX))

    def residual(parameters: np.ndarray) -> np.ndarray:
        peak, core, beta, level = parameters
        return peak * (1 + (r / core) ** 2) ** -beta + level - light / light[0]

    best = least_squares(
        residual,
        x0=[1.0, 2 * width, 3.0, 0.0],
        bounds=([0.1, 0.2, 1.1, -0.1], [10.0, 100.0, 50.0, 0.1]),
        loss="soft_l1",
        f_scale=0.02,
        max_nfev=100,
    )
    _, core, beta, _ = best.x
    return float(2 * core * np.sqrt(2 ** (1 / beta) - 1))


def _radial_profile(
    radius: np.ndarray, light: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean radius and median light of rings a quarter of a pixel wide."""
    order = np.argsort(radius, axis=None)
    r, light = radius.ravel()[order], light.ravel()[order]
    edges = np.searchsorted(r, np.arange(0.25, limit, 0.25))
    rings = [ring for ring in np.split(np.arange(edges[-1]), edges[:-1]) if len(ring)]
    return np.array([r[i].mean() for i in rings]), np.array([np.median(light[i]) for i in rings])
