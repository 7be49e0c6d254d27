"""Galactic E(B-V) at positions, for catalogues that have no column of it.

All values are those of Schlegel, Finkbeiner & Davis (1998, ApJ 500, 525), as the maps hold
them: not multiplied by the 0.86 of Schlafly & Finkbeiner (2011).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from hscz.errors import InputError
from hscz.fetch.check import refuse_web_page

if TYPE_CHECKING:
    from hscz.fetch.http import Downloader

MAPS = {1: "SFD_dust_4096_ngp.fits", -1: "SFD_dust_4096_sgp.fits"}
"""File of the map of each Galactic hemisphere, north 1 and south -1."""

MOST_POSITIONS = 100
"""The IRSA service takes one position a request; more are a task for the maps."""

BLOCK = 1 << 17


def ebv(ra: ArrayLike, dec: ArrayLike, folder: str | Path) -> NDArray[np.float64]:
    """Return E(B-V) from the SFD maps, interpolated between their pixels of 2.37 arcmin.

    Parameters
    ----------
    ra, dec : array_like, shape (object,)
        ICRS degrees.
    folder : str or Path
        Where the files of `MAPS` are. Only those of the hemispheres asked for are read.

    Returns
    -------
    ndarray of float, shape (object,)
        E(B-V) of SFD, mag.

    Raises
    ------
    InputError
        If a map is missing or is none, or does not cover a position.

    Examples
    --------
    >>> ebv([150.1], [2.2], "nowhere")
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: nowhere/SFD_dust_4096_ngp.fits: no such file; ...
    """
    ra, dec = np.atleast_1d(np.asarray(ra, np.float64)), np.atleast_1d(np.asarray(dec, np.float64))
    out = np.empty(len(ra))
    maps: dict[int, _Map] = {}
    for start in range(0, len(ra), BLOCK):
        rows = slice(start, start + BLOCK)
        galactic = SkyCoord(ra[rows], dec[rows], unit="deg").galactic
        lon, lat = galactic.l.radian, galactic.b.radian
        for side, name in MAPS.items():
            here = (lat >= 0) == (side > 0)
            if here.any():
                if side not in maps:
                    maps[side] = _Map(Path(folder) / name, side)
                out[rows][here] = maps[side].at(lon[here], lat[here])
    return out


def ebv_from_irsa(ra: ArrayLike, dec: ArrayLike, downloader: Downloader) -> NDArray[np.float64]:
    """Return E(B-V) from the dust service of IRSA, for a few positions.

    Parameters
    ----------
    ra, dec : array_like, shape (object,)
        ICRS degrees, at most `MOST_POSITIONS`.
    downloader : hscz.fetch.http.Downloader

    Returns
    -------
    ndarray of float, shape (object,)
        E(B-V) of SFD in the pixel of each position, mag.

    Raises
    ------
    InputError
        If there are too many positions, or the service fails or gives no value.
    """
    points = np.stack([np.atleast_1d(ra), np.atleast_1d(dec)], axis=1).astype(np.float64)
    url = downloader.settings.irsa_dust
    if len(points) > MOST_POSITIONS:
        raise InputError(
            f"{urlsplit(url).netloc}: {len(points):,} positions are too many to ask for one by one "
            f"(at most {MOST_POSITIONS}); use the SFD maps, with dust under [ingest]"
        )

    def ask(place: str) -> float:
        # FK5 and ICRS differ by less than a thousandth of a pixel.
        with downloader.session().post(url, data={"locstr": f"{place} equ j2000"}) as answer:
            return _reference_value(answer.content, urlsplit(url).netloc, place)

    places = [f"{a:.6f} {d:.6f}" for a, d in points]
    return np.array([downloader.attempt(url, partial(ask, place)) for place in places])


class _Map:
    """The map of one hemisphere, in the equal-area projection from the Galactic pole."""

    def __init__(self, path: Path, side: int):
        self.path, self.side = path, side
        if not path.is_file():
            raise InputError(
                f"{path}: no such file; put the SFD maps {', '.join(MAPS.values())} there"
            )
        try:
            with fits.open(path, memmap=False) as hdus:
                header, self.values = hdus[0].header, np.asarray(hdus[0].data, np.float32)
            self.scale = float(header["LAM_SCAL"])
            self.pole = float(header["CRPIX1"]) - 1, float(header["CRPIX2"]) - 1
            fits_here = int(header["LAM_NSGP"]) == side and self.values.ndim == 2
        except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
            raise InputError(f"{path}: is no SFD map ({error}); fetch it again") from None
        if not fits_here:
            raise InputError(f"{path}: is not the SFD map of this hemisphere; fetch it again")

    def at(self, lon: NDArray[Any], lat: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values at Galactic positions in radians (SFD 1998, appendix C)."""
        from_pole = np.sqrt(np.maximum(1 - self.side * np.sin(lat), 0)) * self.scale
        x = self.pole[0] + from_pole * np.cos(lon)
        y = self.pole[1] - self.side * from_pole * np.sin(lon)
        height, width = self.values.shape
        inside = (np.abs(x - (width - 1) / 2) <= width / 2) & (
            np.abs(y - (height - 1) / 2) <= height / 2
        )
        if not inside.all():
            row = int(np.argmin(inside))
            where = f"l={np.degrees(lon[row]):.4f}, b={np.degrees(lat[row]):.4f}"
            raise InputError(
                f"{self.path}: does not cover {where} ({(~inside).sum():,} such positions); "
                "give the whole map"
            )
        return map_coordinates(self.values, [y, x], np.float64, order=1, mode="nearest")


def _reference_value(answer: bytes, host: str, place: str) -> float:
    """Return E(B-V) of SFD out of the XML of the service."""
    try:
        refuse_web_page(answer)
        root = ElementTree.fromstring(answer)
        value = root.findtext(".//refPixelValueSFD")
        if value is not None:
            return float(value.split()[0])
        said = " ".join((root.findtext("message") or "it has no refPixelValueSFD").split())
    except InputError as error:
        said = str(error)
    except (ElementTree.ParseError, ValueError, IndexError) as error:
        said = f"it cannot be read: {error}"
    raise InputError(
        f"{host}: no E(B-V) at {place}: the answer: {said}; use the SFD maps, with dust "
        "under [ingest]"
    )
