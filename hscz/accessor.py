"""The accessor ``.hscz`` of PDF cubes: `hscz.pdf` on xarray, lazy in and lazy out.

Opening a cube with `hscz.open_cube` registers it; for a dataset that comes from elsewhere,
``import hscz.accessor`` does. A dataset needs the variables ``pdf(object, z)``, a density, and
``z_edges(z_edge)``. Rows that are NaN, as flagged objects have, stay NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hscz import pdf, stores
from hscz.errors import InputError
from hscz.extras import needed_by
from hscz.pdf.cubes import density, n_of_z
from hscz.pdf.peak_finding import PEAK_DISTANCE, PEAK_PROMINENCE
from hscz.schema import DERIVED, PDF_CUBE

if TYPE_CHECKING:
    import dask.dataframe as dd
    import qp


@xr.register_dataset_accessor("hscz")
class CubeAccessor:
    """What can be asked of the PDFs of a dataset, ``dataset.hscz``.

    Examples
    --------
    >>> cube = xr.Dataset({"pdf": (("object", "z"), [[0.0, 1.0], [0.5, 0.5]])})
    >>> cube["z_edges"] = "z_edge", [0.0, 1.0, 2.0]
    >>> cube.hscz.median().values.tolist()
    [1.5, 1.0]
    >>> cube.hscz.cdf(1.5).values.tolist()
    [0.5, 0.75]
    >>> cube.hscz.n_of_z().values.tolist()
    [0.5, 1.5]
    """

    def __init__(self, cube: xr.Dataset) -> None:
        self._cube = cube

    def median(self) -> xr.DataArray:
        """Return the medians; see `hscz.pdf.median`."""
        return self._by_row(pdf.median, "z_median")

    def quantile(self, q: float | Sequence[float]) -> xr.DataArray:
        """Return quantiles, with a first dimension ``quantile`` for several; `hscz.pdf.quantile`.

        Raises
        ------
        InputError
            If a probability lies outside 0 ... 1.
        """
        wanted = np.asarray(q, dtype=np.float64)
        if not ((wanted >= 0) & (wanted <= 1)).all():
            raise InputError(f"quantiles of {q} are wanted; give probabilities from 0 to 1")
        about = {"long_name": "quantile of the PDF", "ucd": "src.redshift.phot"}
        return self._by_row(pdf.quantile, about, "quantile", wanted)

    def least_risk(self) -> xr.DataArray:
        """Return the redshifts of least expected loss; see `hscz.pdf.least_risk`."""
        return self._by_row(pdf.least_risk, "z_risk")

    def width(self, level: float = 0.68) -> xr.DataArray:
        """Return the widths of the central intervals (PDFw); see `hscz.pdf.width`."""
        about = _described("pdf_width")
        about["long_name"] = f"width of the central {100 * level:g} % of the PDF"
        return self._by_row(lambda rows, edges: pdf.width(rows, edges, level), about)

    def cdf(self, z: float | Sequence[float] | xr.DataArray) -> xr.DataArray:
        """Return the probabilities below redshifts; see `hscz.pdf.cdf_at`.

        Parameters
        ----------
        z : float, sequence of float or DataArray
            One or several for all PDFs, the latter along a first dimension ``z_below``, or a
            DataArray along ``object`` with one for each, such as ``cube.z_spec``.
        """
        about = {"long_name": "probability below a redshift", "ucd": "stat.probability"}
        if isinstance(z, xr.DataArray):
            return self._by_row(pdf.cdf_at, about, extra=z)
        return self._by_row(pdf.cdf_at, about, "z_below", np.asarray(z, dtype=np.float64))

    def peaks(
        self, prominence: float = PEAK_PROMINENCE, distance: float = PEAK_DISTANCE
    ) -> xr.Dataset:
        """Return ``n_peaks``, ``z_peak2`` and ``p_peak2``; see `hscz.pdf.peaks`."""
        names, types = ("n_peaks", "z_peak2", "p_peak2"), (np.int16, np.float64, np.float64)
        found = self._apply(
            lambda rows, edges: pdf.peaks(rows, edges, prominence, distance),
            types=types,
            outputs=[[], [], []],
        )
        about = {name: _described(name) for name in names}
        return xr.Dataset({n: v.assign_attrs(about[n]) for n, v in zip(names, found, strict=True)})

    def n_of_z(self, by: str | Mapping[str, ArrayLike] | None = None) -> xr.DataArray:
        """Return n(z), of all objects or of groups; see `hscz.pdf.cubes.n_of_z`."""
        return n_of_z(self._cube, by)

    def to_qp(self) -> qp.Ensemble:
        """Return the PDFs as an ensemble of qp, histograms over our edges, read into memory.

        Objects without a PDF keep their row, NaN throughout, so that rows stay aligned. Beside
        the PDFs stand the columns that RAIL knows (`hscz.export.qp.ANCILLARY`), as far as the
        dataset has them.

        Raises
        ------
        ConfigError
            If qp is not installed.
        InputError
            If a PDF is partly NaN or without probability.
        """
        with needed_by("to_qp"):
            import qp
        from hscz.export.qp import ANCILLARY

        rows, edges = density(self._cube).values, self._cube["z_edges"].values
        pdf.has_pdf(rows)
        mass = pdf.pdf_to_pmf(rows, edges)
        data = mass / mass.sum(axis=1, keepdims=True) / np.diff(edges)
        cube = self._cube
        columns = {new: cube[name].values for new, name in ANCILLARY.items() if name in cube}
        histograms = {"bins": edges, "pdfs": data, "norm": False, "warn": False}
        return qp.Ensemble(qp.hist, data=histograms, ancil=columns)

    def to_table(self, algorithm: str = "cnn") -> pd.DataFrame | dd.DataFrame:
        """Return the catalogue; a Dask table, one part a chunk, where the cube is lazy.

        See `hscz.export.to_table`.
        """
        from hscz.export import to_table

        chunks = density(self._cube).chunks
        if chunks is None:
            return to_table(self._cube, algorithm)
        import dask
        import dask.dataframe as dd

        one = self._cube.isel(object=slice(0, 1))
        empty = {k: (v.dims, np.zeros(v.shape, v.dtype)) for k, v in one.variables.items()}
        meta = to_table(xr.Dataset(empty, attrs=self._cube.attrs), algorithm).iloc[:0]
        bounds = pairwise(np.cumsum([0, *chunks[0]]))
        parts = [
            dask.delayed(to_table)(self._cube.isel(object=slice(start, stop)), algorithm)
            for start, stop in bounds
        ]
        return dd.from_delayed(parts, meta=meta)

    def _by_row(
        self,
        function: Callable[..., NDArray[np.float64]],
        about: str | dict[str, str],
        axis: str = "",
        wanted: NDArray[np.float64] | None = None,
        extra: xr.DataArray | None = None,
    ) -> xr.DataArray:
        """Apply a function of PDFs, edges and what is `wanted`: one number, or several per row."""
        attrs = _described(about) if isinstance(about, str) else about
        if extra is not None:
            return self._apply(function, extra).assign_attrs(attrs)
        if wanted is None:
            return self._apply(function).assign_attrs(attrs)
        if wanted.ndim == 0:
            return self._apply(lambda *a: function(*a, wanted)).assign_attrs(attrs)
        # Quantiles are a list; redshifts broadcast along the objects.
        each = wanted if axis == "quantile" else wanted[:, None]
        found = self._apply(
            lambda *a: np.moveaxis(function(*a, each), 0, -1),
            outputs=[[axis]],
            sizes={axis: len(wanted)},
        )
        return found.transpose(axis, ...).assign_coords({axis: wanted}).assign_attrs(attrs)

    def _apply(
        self,
        function: Callable[..., Any],
        *extra: xr.DataArray,
        outputs: Sequence[Sequence[str]] = ((),),
        types: Sequence[type] = (np.float64,),
        sizes: Mapping[str, int] | None = None,
    ) -> Any:
        """Apply a function of (n, bins) densities and their edges to each chunk."""
        arguments = (density(self._cube), self._cube["z_edges"], *extra)
        return xr.apply_ufunc(
            function,
            *arguments,
            input_core_dims=[["z"], ["z_edge"], *([] for _ in extra)],
            output_core_dims=outputs,
            dask="parallelized",
            output_dtypes=list(types),
            dask_gufunc_kwargs={"allow_rechunk": True, "output_sizes": dict(sizes or {})},
        )


def open_cube(path: str | Path, lazy: bool = True) -> xr.Dataset:
    """Open a PDF cube; see `hscz.open_field`. Its ``.hscz`` is a `CubeAccessor`."""
    return stores.open_cube(path, lazy)


def _described(name: str) -> dict[str, str]:
    about = {**PDF_CUBE, **DERIVED}[name]
    return {"long_name": about.long_name, "ucd": about.ucd}
