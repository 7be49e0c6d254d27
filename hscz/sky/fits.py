"""Images on disk: HSC coadds, server cut-outs and plain single images, read window by window.

A calexp file holds a primary header (FILTER, FLUXMAG0), then IMAGE, MASK and VARIANCE, identified
by EXTNAME or, where that is blank as in server cut-outs, by EXTTYPE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from hscz.errors import InputError, about
from hscz.files.atomic import write_atomic
from hscz.files.compression import DAMAGED
from hscz.sky import header as head
from hscz.sky.mask import HSC_MASK_PLANES, NO_DATA, mask_cards, read_mask_planes
from hscz.sky.sphere import unit_vectors
from hscz.sky.unexposed import REACH_PX, unexposed
from hscz.survey import ZERO_POINT_MAG

Window = tuple[int, int, int, int]
"""Rows and columns ``(y0, y1, x0, x1)`` of an image, 0-based, ends excluded."""


@dataclass(frozen=True, eq=False)
class BandImage:
    """One band of one image file: what its headers say, and how to read a window of it.

    It holds no pixels and no open file, so it travels to Dask workers as it is.

    Attributes
    ----------
    path : Path
    band : str
        Short name in `hscz.survey.BANDS`.
    shape : tuple of int
        (Y, X).
    wcs : astropy.wcs.WCS
        Celestial WCS of the whole image.
    zero_point : float
        AB magnitude of one count in the file.
    hdus : mapping of str to int
        HDU number of IMAGE and, where present, MASK and VARIANCE.
    mask_planes : mapping of str to int
        Bit of each mask plane, from the header.
    """

    path: Path
    band: str
    shape: tuple[int, int]
    wcs: WCS
    zero_point: float
    hdus: Mapping[str, int]
    mask_planes: Mapping[str, int]

    @property
    def pixel_sides_arcsec(self) -> NDArray[np.float64]:
        """Width and height of the central pixel on the sky."""
        x, y = (np.array(self.shape[::-1]) - 1) / 2
        ends = unit_vectors(
            *self.wcs.all_pix2world([x - 0.5, x + 0.5, x, x], [y, y, y - 0.5, y + 0.5], 0)
        )
        return np.degrees(np.linalg.norm(ends[1::2] - ends[::2], axis=1)) * 3600

    @property
    def pixel_scale_arcsec(self) -> float:
        """Geometric mean of the two sides of a pixel."""
        return float(np.sqrt(np.prod(self.pixel_sides_arcsec)))

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Read image, mask and variance of a window; None where the file has no such plane.

        Parameters
        ----------
        window : tuple of int
            (y0, y1, x0, x1) inside the image.

        Returns
        -------
        image, mask, variance : ndarray of shape (y1 - y0, x1 - x0)
            As `read_image`, `read_mask` and `read_variance` return them.

        Raises
        ------
        InputError
            If the file has become unreadable.
        """
        return self.read_image(window), self.read_mask(window), self.read_variance(window)

    def read_image(self, window: Window) -> np.ndarray:
        """Read a window of the image, float32 counts at zero point 27.

        Pixels that hold no measurement (`hscz.sky.unexposed`) are NaN where no mask plane NO_DATA
        marks them.
        """
        if NO_DATA in self.mask_planes:
            return self._counts(self._section("IMAGE", window))
        # With what lies around, so that a window's edge cuts no block of missing pixels.
        self._check(window)
        y0, y1, x0, x1 = window
        top, left = max(0, y0 - REACH_PX), max(0, x0 - REACH_PX)
        bottom, right = min(self.shape[0], y1 + REACH_PX), min(self.shape[1], x1 + REACH_PX)
        raw = self._section("IMAGE", (top, bottom, left, right))
        inside = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
        counts = self._counts(raw[inside])
        counts[unexposed(raw)[inside]] = np.nan
        return counts

    def _counts(self, raw: np.ndarray) -> np.ndarray:
        return np.multiply(raw, self._to_survey_counts(1), dtype=np.float32)

    def read_mask(self, window: Window) -> np.ndarray | None:
        """Read a window of the bit mask, int32."""
        raw = self._section("MASK", window) if "MASK" in self.hdus else None
        return None if raw is None else raw.astype(np.int32)

    def read_variance(self, window: Window) -> np.ndarray | None:
        """Read a window of the variance, float32 counts squared at zero point 27."""
        if "VARIANCE" not in self.hdus:
            return None
        raw = self._section("VARIANCE", window)
        return np.multiply(raw, self._to_survey_counts(2), dtype=np.float32)

    def mask_bit(self, mask: np.ndarray, *planes: str) -> np.ndarray:
        """Return where any of the named planes is set; one the file does not have is set nowhere.

        Parameters
        ----------
        mask : ndarray of int
            As read from this file.
        *planes : str
            Names such as ``"SAT"``.

        Returns
        -------
        ndarray of bool
        """
        return (mask & self.bits(*planes)) != 0

    def bits(self, *planes: str) -> np.int32:
        """Return the mask value in which the named planes are set, those that the file has."""
        found = sum(1 << self.mask_planes[plane] for plane in planes if plane in self.mask_planes)
        return np.uint32(found).view(np.int32)

    def _to_survey_counts(self, power: int) -> np.float32:
        return np.float32(10 ** (0.4 * power * (ZERO_POINT_MAG - self.zero_point)))

    def _check(self, window: Window) -> None:
        y0, y1, x0, x1 = window
        if not (0 <= y0 < y1 <= self.shape[0] and 0 <= x0 < x1 <= self.shape[1]):
            raise ValueError(f"{self.path}: window {window} is not inside shape {self.shape}")

    def _section(self, plane: str, window: Window) -> np.ndarray:
        """Read the pixels of a window as they are stored."""
        self._check(window)
        y0, y1, x0, x1 = window
        # BLANK would turn an integer mask into floats that cannot hold its high bits.
        try:
            with fits.open(self.path, ignore_blank=plane == "MASK") as hdus:
                return np.asarray(hdus[self.hdus[plane]].section[y0:y1, x0:x1])
        except (*DAMAGED, TypeError, ValueError) as error:
            raise InputError(
                f"{self.path}: the {plane} plane cannot be read ({error}); fetch the file again"
            ) from error


def open_band(path: str | Path, band: str, zero_point: float | None = None) -> BandImage:
    """Read the headers of an image file and check that it can be used.

    Parameters
    ----------
    path : str or Path
        A calexp, a server cut-out or a plain image, compressed or not.
    band : str
        Band the file is meant to hold.
    zero_point : float, optional
        AB magnitude of one count in images without the card FLUXMAG0; where the card is
        there, it counts, and a `zero_point` that differs from it is refused.

    Returns
    -------
    BandImage

    Raises
    ------
    InputError
        If the file is missing, truncated, not FITS, without a 2-D image, a celestial WCS, a
        zero point or names for its mask planes, or says it is of another band or zero point.

    Examples
    --------
    >>> open_band("nowhere.fits", "i")
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: nowhere.fits: no such file; ...
    """
    path = Path(path)
    with about(path):
        headers = head.read_headers(path)
        planes = head.find_planes(headers)
        primary, image = headers[0], headers[planes["IMAGE"]]
        head.check_filter(path.name, band, str(image.get("FILTER", primary.get("FILTER", ""))))
        return BandImage(
            path=path,
            band=band,
            shape=head.image_shape(image),
            wcs=head.celestial_wcs(image),
            zero_point=head.read_zero_point(image, primary, zero_point),
            hdus=planes,
            mask_planes=read_mask_planes(headers[planes["MASK"]]) if "MASK" in planes else {},
        )


def write_calexp(
    path: str | Path,
    image: np.ndarray,
    mask: np.ndarray | None,
    variance: np.ndarray | None,
    wcs: WCS,
    filter_name: str,
    zero_point: float = ZERO_POINT_MAG,
    mask_planes: Mapping[str, int] = HSC_MASK_PLANES,
    header: Mapping[str, str | float | int | bool] | None = None,
) -> Path:
    """Write an image, its mask and its variance as the HSC pipeline lays out a calexp.

    Parameters
    ----------
    path : str or Path
        File to write; folders are made, and the file takes its name only once it is whole.
    image, mask, variance : ndarray of shape (Y, X)
        Counts at `zero_point`, bits of `mask_planes`, counts squared; the last two may be None.
    wcs : astropy.wcs.WCS
        Celestial WCS, written as a CD matrix.
    filter_name : str
        Such as ``HSC-I``.
    zero_point : float
        AB magnitude of one count; stored as ``FLUXMAG0``.
    mask_planes : mapping of str to int
        Bit of each plane, written as ``MP_*`` cards.
    header : mapping, optional
        Further cards of the primary header.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If image, mask and variance differ in shape.
    StoreError
        If the disk does not take the file.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> wcs = WCS(naxis=2)
    >>> wcs.wcs.ctype, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [-5e-5, 5e-5]
    >>> write_calexp(mkdtemp() + "/a.fits", np.zeros((8, 9)), None, None, wcs, "HSC-I").name
    'a.fits'
    """
    hdus = fits.HDUList([fits.PrimaryHDU()])
    hdus[0].header.update({"FILTER": filter_name, "FLUXMAG0": 10 ** (0.4 * zero_point)})
    hdus[0].header.update(header or {})
    for name, pixels in (("IMAGE", image), ("MASK", mask), ("VARIANCE", variance)):
        if pixels is not None and pixels.shape != image.shape:
            raise ValueError(f"{path}: {name} has shape {pixels.shape}, the image {image.shape}")
        if pixels is not None:
            hdus.append(_plane(name, pixels, wcs))
    if mask is not None:
        hdus["MASK"].header.update(mask_cards(mask_planes))
    return write_atomic(Path(path), hdus.writeto)


def _plane(name: str, pixels: np.ndarray, wcs: WCS) -> fits.ImageHDU:
    """Return the HDU of one plane, named both ways readers look for it."""
    dtype = np.int32 if name == "MASK" else np.float32
    hdu = fits.ImageHDU(np.asarray(pixels, dtype), _cd_cards(wcs), name=name)
    hdu.header["EXTTYPE"] = name
    return hdu


def _cd_cards(wcs: WCS) -> fits.Header:
    """Return the WCS as header cards with a CD matrix in place of PC and CDELT."""
    cards = wcs.to_header(relax=True)
    for key in [key for key in cards if key.startswith(("PC", "CDELT"))]:
        del cards[key]
    matrix = wcs.pixel_scale_matrix
    cards.update({f"CD{i + 1}_{j + 1}": matrix[i, j] for i in (0, 1) for j in (0, 1)})
    return cards
