"""Paint galaxies and stars into mosaics: many objects and all bands at once, in Fourier space.

A galaxy is an exponential disc, perhaps with Gaussian clumps, and a de Vaucouleurs bulge of one
centre and shape, seen through a PSF that already holds the response of the pixel. All have
transforms that need no integral per object, so a batch of objects costs a product and an inverse
FFT per band.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from hscz.mock.psf import PLAIN_PSF, PsfProfile

FloatArray = NDArray[np.floating]

DISC_SCALE = 1.6783469900166605
"""Half-light radius of an exponential disc in units of its scale length."""

BULGE_B4 = 7.669249443
"""The constant b of the de Vaucouleurs profile exp(-b ((r/re)^(1/4) - 1))."""

CLUMP_SIGMA = 0.12
"""Width of a clump, its Gaussian sigma, in half-light radii of the disc."""

STAMP_SIZES_PX = (32, 64, 128, 256, 512, 1024)
_BATCH_PIXELS = 2**18


@dataclass(frozen=True)
class Sources:
    """Profiles of n objects in b bands, in pixels and counts.

    Attributes
    ----------
    x_px, y_px : ndarray, shape (n,)
        Centres, 0 at the middle of the first pixel.
    disc_radius_px, bulge_radius_px : ndarray, shape (n,)
        Half-light radii, geometric means of both axes; 0 is a point source.
    axis_ratio : ndarray, shape (n,)
        Minor over major axis.
    angle_rad : ndarray, shape (n,)
        Major axis, from +x towards +y.
    disc_flux, bulge_flux : ndarray, shape (b, n)
    psf_fwhm_px : ndarray, shape (b, n)
    psf_e1, psf_e2 : ndarray, shape (b, n), optional
        Ellipticity of the PSF, (a^2 - b^2) / (a^2 + b^2) times the cosine and the sine of twice
        the angle from +x; round where left out.
    clump_flux : ndarray, shape (b, n), optional
        Light of the clumps in the disc, beyond `disc_flux`; they share it evenly.
    clump_dx_px, clump_dy_px : ndarray, shape (k, n), optional
        Offsets of k clumps from the centre.
    """

    x_px: FloatArray
    y_px: FloatArray
    disc_radius_px: FloatArray
    bulge_radius_px: FloatArray
    axis_ratio: FloatArray
    angle_rad: FloatArray
    disc_flux: FloatArray
    bulge_flux: FloatArray
    psf_fwhm_px: FloatArray
    psf_e1: FloatArray | None = None
    psf_e2: FloatArray | None = None
    clump_flux: FloatArray | None = None
    clump_dx_px: FloatArray | None = None
    clump_dy_px: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.x_px)

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> Sources:
        """Return the objects at `index`."""
        arrays: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        taken: dict[str, Any] = {
            name: array if array is None else array[..., index] for name, array in arrays.items()
        }
        return Sources(**taken)

    def shifted(self, x_px: float, y_px: float) -> Sources:
        """Return the objects with positions counted from another origin."""
        arrays: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        return Sources(**arrays | {"x_px": self.x_px - x_px, "y_px": self.y_px - y_px})


def stamp_sizes(
    sources: Sources, floor_counts: FloatArray, psfs: Sequence[PsfProfile] | None = None
) -> NDArray[np.int64]:
    """Return the side of the stamp that holds each object, one of `STAMP_SIZES_PX`.

    A stamp reaches to where the surface brightness in every band has fallen below a floor. What
    lies beyond wraps around inside the stamp, so that no flux is lost.

    Parameters
    ----------
    sources : Sources
    floor_counts : ndarray, shape (b,)
        Surface brightness in counts per pixel that may be cut off, a small part of the noise.
    psfs : sequence of PsfProfile, optional
        One per band.

    Returns
    -------
    ndarray of int, shape (n,)
    """
    floor = np.asarray(floor_counts)[:, None]
    disc, bulge = sources.disc_flux / floor, sources.bulge_flux / floor
    alpha = _psf_scale_px(sources, psfs)
    # Wings fall as the plain PSF's light does, whatever the slope of the core.
    beta = PLAIN_PSF.beta
    psf_peak = (disc + bulge) * (beta - 1.0) / (np.pi * alpha**2)
    psf_reach = alpha * np.maximum(psf_peak, 1.0) ** (0.5 / beta)
    scale = np.maximum(sources.disc_radius_px / DISC_SCALE, 1e-3)
    disc_peak = np.maximum(disc / (2.0 * np.pi * scale**2), 1.0)
    disc_reach = scale * np.maximum(np.log(disc_peak), 7.0)
    radius = np.maximum(sources.bulge_radius_px, 1e-3)
    bulge_peak = bulge * BULGE_B4**8 / (40320.0 * np.pi * radius**2)
    bulge_reach = radius * (np.log(np.maximum(bulge_peak, 1.0)) / BULGE_B4) ** 4
    major = np.maximum(disc_reach, bulge_reach) / np.sqrt(sources.axis_ratio)
    reach = np.hypot(major, psf_reach).max(axis=0, initial=0.0)
    index = np.searchsorted(STAMP_SIZES_PX, 2.0 * reach)
    return np.asarray(STAMP_SIZES_PX)[np.minimum(index, len(STAMP_SIZES_PX) - 1)]


def _psf_scale_px(sources: Sources, psfs: Sequence[PsfProfile] | None) -> FloatArray:
    """Return the scale alpha of the PSF's core, shape (b, n)."""
    fwhm = [psf.fwhm for psf in psfs or [PLAIN_PSF] * len(sources.psf_fwhm_px)]
    return sources.psf_fwhm_px / np.array(fwhm)[:, None]


def paint(
    sources: Sources,
    shape: tuple[int, int],
    floor_counts: FloatArray,
    psfs: Sequence[PsfProfile] | None = None,
) -> FloatArray:
    """Paint objects into empty images, one per band.

    Parameters
    ----------
    sources : Sources
        Objects in b bands; those whose stamp misses the image are left out.
    shape : (int, int)
        Rows and columns.
    floor_counts : ndarray, shape (b,)
        Surface brightness that may be cut off, see `stamp_sizes`.
    psfs : sequence of PsfProfile, optional
        One per band; `hscz.mock.psf.PLAIN_PSF` where left out.

    Returns
    -------
    ndarray of float32, shape (b, rows, columns)
        Noiseless counts per pixel, sampled at pixel centres.

    Examples
    --------
    >>> one = np.ones(1)
    >>> star = Sources(20 * one, 16 * one, 0 * one, 0 * one, one, 0 * one,
    ...                np.full((1, 1), 100.0), np.zeros((1, 1)), np.full((1, 1), 4.0))
    >>> image = paint(star, (40, 40), np.array([0.1]))
    >>> image.shape, float(image[0].sum().round(1)), divmod(int(image[0].argmax()), 40)
    ((1, 40, 40), 100.0, (16, 20))
    """
    images = np.zeros((len(sources.disc_flux), *shape), np.float32)
    sizes = stamp_sizes(sources, floor_counts, psfs)
    reachable = (
        (sources.x_px > -sizes)
        & (sources.x_px < shape[1] + sizes)
        & (sources.y_px > -sizes)
        & (sources.y_px < shape[0] + sizes)
    )
    for size in np.unique(sizes):
        chosen = np.flatnonzero(reachable & (sizes == size))
        for batch in _batches(chosen, int(size)):
            some = sources.take(batch)
            _add(images, stamps(some, int(size), psfs), some)
    return images


def stamps(sources: Sources, size_px: int, psfs: Sequence[PsfProfile] | None = None) -> FloatArray:
    """Return stamps of the objects, centred within half a pixel on pixel ``size_px // 2``.

    Parameters
    ----------
    sources : Sources
    size_px : int
        Side of the stamps, even.
    psfs : sequence of PsfProfile, optional
        One per band.

    Returns
    -------
    ndarray of float32, shape (n, b, size_px, size_px)
    """
    kx, ky = _wave_numbers(size_px)
    stretched_k2 = _sheared_k2(sources, kx, ky)
    disc = _disc_transform(stretched_k2, sources.disc_radius_px)
    has_bulge = np.flatnonzero(sources.bulge_flux.any(axis=0))
    bulge = _bulge_transform(stretched_k2[has_bulge], sources.bulge_radius_px[has_bulge])
    phase = _phase(sources, kx, ky)
    clumpy, clumps = _clumps_transform(sources, kx, ky)
    clumps *= phase[clumpy]
    alpha = _psf_scale_px(sources, psfs)
    k = np.hypot(ky[:, None], kx)
    out = np.empty((len(sources), len(alpha), size_px, size_px), np.float32)
    for b, psf in enumerate(psfs or [PLAIN_PSF] * len(alpha)):
        profile = disc * _per_object(sources.disc_flux[b])
        profile[has_bulge] += bulge * _per_object(sources.bulge_flux[b, has_bulge])
        blur = psf.transform(_psf_k(sources, b, kx, ky, k) * _per_object(alpha[b]))
        profile *= blur
        light = profile * phase
        if sources.clump_flux is not None and len(clumpy):
            light[clumpy] += clumps * (blur[clumpy] * _per_object(sources.clump_flux[b, clumpy]))
        out[:, b] = scipy.fft.irfft2(light, s=(size_px, size_px), overwrite_x=True)
    return out


def _psf_k(sources: Sources, b: int, kx: FloatArray, ky: FloatArray, k: FloatArray) -> FloatArray:
    """Return |k| in the frame where the PSF of a band is round."""
    if sources.psf_e1 is None or sources.psf_e2 is None:
        return k
    e1, e2 = sources.psf_e1[b], sources.psf_e2[b]
    shear = np.array([1.0 + e1, 1.0 - e1, 2.0 * e2]) / np.sqrt(1.0 - e1**2 - e2**2)
    squares = np.stack(np.broadcast_arrays(kx**2, (ky**2)[:, None], kx * ky[:, None]))
    k2 = shear.T.astype(np.float32) @ squares.reshape(3, -1)
    return np.sqrt(np.maximum(k2, 0.0, out=k2), out=k2).reshape(len(e1), len(ky), len(kx))


def _clumps_transform(
    sources: Sources, kx: FloatArray, ky: FloatArray
) -> tuple[NDArray[np.intp], NDArray[np.complex64]]:
    """Return the objects with clumps, and the transform of theirs: of unit light, at the centre."""
    if sources.clump_flux is None or sources.clump_dx_px is None or sources.clump_dy_px is None:
        return np.zeros(0, np.intp), np.zeros((0, len(ky), len(kx)), np.complex64)
    clumpy = np.flatnonzero(sources.clump_flux.any(axis=0))
    sigma = CLUMP_SIGMA * sources.disc_radius_px[clumpy]
    factors = [
        np.exp(-1j * offsets[:, clumpy, None] * k - 0.5 * (sigma[:, None] * k) ** 2)
        for offsets, k in ((sources.clump_dy_px, ky), (sources.clump_dx_px, kx))
    ]
    # Round Gaussians are products of one along y and one along x.
    along_y, along_x = (np.moveaxis(f, 0, -1).astype(np.complex64) for f in factors)
    return clumpy, along_y @ np.swapaxes(along_x, 1, 2) / np.float32(len(sources.clump_dx_px))


@lru_cache(maxsize=1)
def de_vaucouleurs_table() -> tuple[FloatArray, FloatArray]:
    """Return ln(k re) and the transform there of a unit de Vaucouleurs profile.

    The Hankel transform on a logarithmic grid is `scipy.fft.fht` (Hamilton 2000).
    """
    step = 0.02
    log_r = step * (np.arange(2048) - 1023.5)
    total = np.pi * 40320.0 / BULGE_B4**8
    r = np.exp(log_r)
    profile = r * np.exp(-BULGE_B4 * r**0.25)
    transform = 2.0 * np.pi / total * scipy.fft.fht(profile, step, mu=0.0)
    inside = np.abs(log_r) < 9.0
    return log_r[inside], (transform / r)[inside]


def _wave_numbers(size_px: int) -> tuple[FloatArray, FloatArray]:
    """Return the wave numbers along x (half) and y, radian per pixel."""
    kx = 2.0 * np.pi * scipy.fft.rfftfreq(size_px)
    ky = 2.0 * np.pi * scipy.fft.fftfreq(size_px)
    return kx.astype(np.float32), ky.astype(np.float32)


def _per_object(values: FloatArray) -> FloatArray:
    return values.astype(np.float32)[:, None, None]


def _sheared_k2(sources: Sources, kx: FloatArray, ky: FloatArray) -> FloatArray:
    """Return |k|^2 in the frame where each object is round."""
    q, cosine, sine = sources.axis_ratio, np.cos(sources.angle_rad), np.sin(sources.angle_rad)
    xx = _per_object(cosine**2 / q + sine**2 * q)
    yy = _per_object(sine**2 / q + cosine**2 * q)
    xy = _per_object(2.0 * cosine * sine * (1.0 / q - q))
    return (xx * kx + xy * ky[:, None]) * kx + yy * (ky * ky)[:, None]


def _disc_transform(k2: FloatArray, radius_px: FloatArray) -> FloatArray:
    """Return (1 + (k h)^2)^(-3/2), the transform of a unit exponential disc."""
    base = 1.0 + k2 * _per_object((radius_px / DISC_SCALE) ** 2)
    return 1.0 / (base * np.sqrt(base))


def _bulge_transform(k2: FloatArray, radius_px: FloatArray) -> FloatArray:
    log_k, transform = de_vaucouleurs_table()
    log_k_radius = 0.5 * np.log(k2 * _per_object(radius_px**2) + 1e-12)
    return np.interp(log_k_radius, log_k, transform).astype(np.float32)


def _phase(sources: Sources, kx: FloatArray, ky: FloatArray) -> NDArray[np.complex64]:
    """Return the phases that move each object from the corner to its place in the stamp."""
    fraction_x = sources.x_px - np.rint(sources.x_px)
    fraction_y = sources.y_px - np.rint(sources.y_px)
    # Half a stamp is an exact change of sign; as a phase it would lose digits in float32.
    sign_x, sign_y = (-1.0) ** np.arange(len(kx)), (-1.0) ** np.arange(len(ky))
    along_x = (sign_x * np.exp(-1j * fraction_x[:, None] * kx)).astype(np.complex64)
    along_y = (sign_y * np.exp(-1j * fraction_y[:, None] * ky)).astype(np.complex64)
    return along_y[:, :, None] * along_x[:, None, :]


def _batches(index: NDArray[np.integer], size_px: int) -> Iterator[NDArray[np.integer]]:
    """Split objects so that the arrays of one batch stay in the cache."""
    length = max(1, _BATCH_PIXELS // size_px**2)
    for start in range(0, len(index), length):
        yield index[start : start + length]


def _add(images: FloatArray, painted: FloatArray, sources: Sources) -> None:
    """Add stamps of shape (n, b, size, size) to the images where they overlap them."""
    size = painted.shape[-1]
    rows, columns = images.shape[1:]
    left = np.rint(sources.x_px).astype(int) - size // 2
    bottom = np.rint(sources.y_px).astype(int) - size // 2
    for stamp, x, y in zip(painted, left.tolist(), bottom.tolist(), strict=True):
        x0, x1 = max(x, 0), min(x + size, columns)
        y0, y1 = max(y, 0), min(y + size, rows)
        if x0 < x1 and y0 < y1:
            images[:, y0:y1, x0:x1] += stamp[:, y0 - y : y1 - y, x0 - x : x1 - x]
