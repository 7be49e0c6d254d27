"""The columns of a catalogue: their names, their types, and what they mean.

Quantities of the estimator are named as in the catalogues of the Rubin data preview, with the
estimator's name in front, ``cnn_z_median``, ``cnn_z_err68_low`` ...; the width of the PDF is
the paper's PDFw, ``cnn_pdfw``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hscz import pdf
from hscz.errors import ConfigError
from hscz.schema import DERIVED, LABEL_COLUMNS, PDF_CUBE, Variable
from hscz.tables.select import suggest

Block = Mapping[str, NDArray[Any]]
"""Loaded rows of a PDF cube, by variable."""

ESTIMATES: Mapping[str, str] = {
    "z_median": "z_median",
    "z_mean": "z_mean",
    "z_mode": "z_mode",
    "z_q16": "z_err68_low",
    "z_q84": "z_err68_high",
    "pdf_width": "pdfw",
    "odds": "odds",
    "n_peaks": "n_peaks",
    "z_peak2": "z_peak2",
    "p_peak2": "p_peak2",
}
"""Columns that get the estimator's name, by variable of the PDF cube."""

COMPUTED: Mapping[str, Callable[[ArrayLike, ArrayLike], NDArray[np.float64]]] = {
    "z_err95_low": partial(pdf.quantile, q=0.025),
    "z_err95_high": partial(pdf.quantile, q=0.975),
    "z_risk": pdf.least_risk,
}
"""The same that the cube does not hold: what makes them of PDFs and edges."""

INFERRED: Mapping[str, str] = {
    f"inferred_{name}": name
    for name in ("z_median", "z_mean", "z_mode", "z_q16", "z_q84", "pdf_width", "z_risk", "pdf")
}
"""Variables under the inferred n(z), and those of the cube that are the same without it."""

FITS_LETTER: Mapping[str, str] = {
    "f4": "E",
    "f8": "D",
    "i8": "K",
    "i4": "J",
    "i2": "I",
    "u1": "B",
    "b1": "L",
}
"""Every type that a column of numbers may have, in all formats, and its letter in FITS."""

_AS_THEY_ARE = ("object_id", "ra", "dec", "field", "mag_i", "snr_i", "ebv", "flags")

_ABOUT: dict[str, Variable] = {
    **LABEL_COLUMNS,
    **PDF_CUBE,
    **DERIVED,
}
_ABOUT = _ABOUT | {
    new: replace(_ABOUT[name], long_name=f"{_ABOUT[name].long_name}, under the inferred n(z)")
    for new, name in INFERRED.items()
}


@dataclass(frozen=True)
class Column:
    """One column of a catalogue.

    Attributes
    ----------
    name : str
    variable : str
        What it is called in the cube.
    dtype : numpy.dtype
        Of one entry; text has the width of the longest.
    shape : tuple of int
        Of one entry; empty but for the PDF.
    """

    name: str
    variable: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()

    @property
    def about(self) -> Variable:
        """Meaning, unit and UCD."""
        return _ABOUT[self.variable]

    @property
    def is_text(self) -> bool:
        """Whether the entries are text."""
        return self.dtype.kind == "U"

    def entries(self, block: Block) -> NDArray[Any]:
        """Return the column's entries in some rows."""
        return block[self.variable].astype(self.dtype, copy=False)


def known_columns(
    cube: xr.Dataset, algorithm: str, block: int, inferred: bool = False
) -> list[Column]:
    """Return every column the catalogue of a cube may have, PDFs last."""
    labels = [name for name in LABEL_COLUMNS if name in cube.variables]
    names = {name: name for name in _AS_THEY_ARE}
    estimates = {**ESTIMATES, **{name: name for name in COMPUTED}}
    names |= {name: f"{algorithm}_{new}" for name, new in estimates.items()}
    if inferred:
        names |= {
            new: f"{algorithm}_inferred_{estimates[name]}"
            for new, name in INFERRED.items()
            if name in estimates
        }
    names |= {name: name for name in labels}
    columns = [Column(new, name, _storable(cube, name, block)) for name, new in names.items()]
    pdfs = {"pdf": f"{algorithm}_pdf"}
    if inferred:
        pdfs["inferred_pdf"] = f"{algorithm}_inferred_pdf"
    size = (cube.sizes["z"],)
    return [*columns, *(Column(new, name, np.dtype("f4"), size) for name, new in pdfs.items())]


def choose(known: Sequence[Column], names: Sequence[str], include_pdf: bool) -> list[Column]:
    """Return the columns named, in that order; all but the PDF where none is.

    Raises
    ------
    ConfigError
        If there is no such column, or one is named twice.
    """
    by_name = {column.name: column for column in known}
    for name in names:
        if name not in by_name:
            raise ConfigError(
                f"export column {name!r} is unknown{suggest(name, [c.name for c in known])}"
            )
    if len(set(names)) < len(names):
        raise ConfigError(f"export columns are {list(names)}; name each once")
    chosen = [by_name[name] for name in names] or [c for c in known if not c.shape]
    pdfs = [column for column in known if column.shape and column not in chosen]
    return [*chosen, *pdfs] if include_pdf else chosen


def plain(values: xr.DataArray) -> NDArray[Any]:
    """Return numbers as they are and text as text of fixed width."""
    array = values.to_numpy()
    if array.dtype.kind in "biuf":
        return array
    # By way of objects: numpy cannot turn its variable-width text into fixed width at once.
    return array.astype(object).astype(str)


def _storable(cube: xr.Dataset, name: str, block: int) -> np.dtype[Any]:
    """Return a type that every format has and that holds the values of a variable."""
    if name in COMPUTED or name in INFERRED:
        return np.dtype("f4")
    values = cube[name]
    if values.dtype.kind not in "biuf":
        pieces = (values[start : start + block] for start in range(0, len(values), block))
        return max((plain(piece).dtype for piece in pieces), key=lambda dtype: dtype.itemsize)
    if values.dtype.str[1:] in FITS_LETTER:
        return values.dtype.newbyteorder("=")
    return np.dtype("f4" if values.dtype.kind == "f" else "i8")
