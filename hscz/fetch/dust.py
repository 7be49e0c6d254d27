"""An image of the Galactic E(B-V) around a field, from the dust service of IRSA.

The service answers with XML on one position, which names an image of the map of Schlegel,
Finkbeiner & Davis (1998) around it. One request and one file are enough for a field.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import numpy as np
from astropy.coordinates import SkyCoord

from hscz.errors import InputError
from hscz.fetch.box import SkyBox
from hscz.fetch.http import Downloader
from hscz.files.check import check_file, refuse_web_page
from hscz.sky.dust import ebv_of_image

SMALLEST_DEG, LARGEST_DEG = 2.0, 37.5
"""Sides of the images that the service gives."""

MARGIN = 1.05
"""How much wider than the box the image is."""


def fetch_ebv_image(box: SkyBox, path: Path, downloader: Downloader) -> Path:
    """Fetch an image of E(B-V) that covers a box on the sky.

    Parameters
    ----------
    box : SkyBox
    path : Path
        The FITS file to write, in mag, which `hscz.sky.dust.ebv_of_image` reads.
    downloader : Downloader

    Raises
    ------
    InputError
        If the box is too large, the service fails or names no image, or the image does not have
        the value that the service gives for its centre.
    """
    ra, dec, side_deg = _around(box)
    url = downloader.settings.irsa_dust
    host = urlsplit(url).netloc
    if side_deg > LARGEST_DEG:
        raise InputError(
            f"{host}: fetch.box needs an image of {side_deg:.0f} degrees, at most {LARGEST_DEG} "
            "are given; make the box smaller, or use the SFD maps"
        )
    asked = {"locstr": f"{ra:.6f} {dec:.6f} equ j2000", "regSize": f"{side_deg:.2f}"}

    def ask() -> tuple[str, float]:
        # FK5 and ICRS differ by less than a thousandth of a pixel.
        with downloader.session().post(url, data=asked) as answer:
            return _image_and_centre(answer.content, f"{host}: no E(B-V) at {asked['locstr']}")

    image, centre = downloader.attempt(url, ask)
    downloader.download(image, path, partial(_check_centre, ra=ra, dec=dec, expected=centre))
    return path


def _around(box: SkyBox) -> tuple[float, float, float]:
    """Return the middle of a box and the side of an image around it, degrees.

    Examples
    --------
    >>> [round(value, 2) for value in _around(SkyBox(359.0, 3.0, -1.0, 1.0))]
    [1.0, 0.0, 4.2]
    """
    width = (box.ra_max - box.ra_min) % 360 or 360
    ra, dec = np.linspace(0, width, 9) + box.ra_min, np.linspace(box.dec_min, box.dec_max, 9)
    middle = SkyCoord(ra[4], dec[4], unit="deg")
    places = SkyCoord(*(axis.ravel() for axis in np.meshgrid(ra, dec)), unit="deg")
    offsets = [np.abs(axis.deg).max() for axis in middle.spherical_offsets_to(places)]
    side_deg = max(SMALLEST_DEG, 2 * MARGIN * float(max(offsets)))
    return float(middle.ra.deg), float(middle.dec.deg), side_deg


def _image_and_centre(answer: bytes, what: str) -> tuple[str, float]:
    """Return the address of the image and E(B-V) of SFD at its centre, out of the XML."""
    try:
        refuse_web_page(answer)
        root = ElementTree.fromstring(answer)
        for result in root.iter("result"):
            image, value = (result.findtext(f".//{key}") for key in ("image", "refPixelValueSFD"))
            if image and value:
                return image.strip(), float(value.split()[0])
        said = " ".join((root.findtext("message") or "it names no image of SFD").split())
    except InputError as error:
        said = str(error)
    except (ElementTree.ParseError, ValueError, IndexError) as error:
        said = f"it cannot be read: {error}"
    raise InputError(f"{what}: the answer: {said}; try again later, or use the SFD maps")


def _check_centre(path: Path, ra: float, dec: float, expected: float) -> None:
    """Refuse an image that is not of SFD: values rescaled to other maps differ by 14 %."""
    check_file(path)
    found = float(ebv_of_image(ra, dec, path)[0])
    if not abs(found - expected) <= 0.05 * expected + 0.0005:
        raise InputError(
            f"has E(B-V) = {found:.4f} at its centre, where the service gives {expected:.4f} of "
            "SFD; use the SFD maps"
        )
