"""PDF cubes as datasets: what they must have, their n(z), several joined to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hscz.errors import InputError
from hscz.pdf.stacking import group_of, stack
from hscz.schema import PDF_CUBE

if TYPE_CHECKING:
    import dask.array as da


def density(cube: xr.Dataset) -> xr.DataArray:
    """Return the densities of a dataset that has what must go with them.

    Raises
    ------
    InputError
        If ``pdf(object, z)`` or ``z_edges(z_edge)`` is absent, or they do not fit each other.

    Examples
    --------
    >>> density(xr.Dataset({"ra": ("object", [1.0])}))
    Traceback (most recent call last):
    ...
    hscz.errors.InputError: the dataset: has no 'pdf' (redshift probability density); ...
    """
    source = cube.encoding.get("source", "the dataset")
    for name in ("pdf", "z_edges"):
        if name not in cube.variables:
            raise InputError(
                f"{source}: has no {name!r} ({PDF_CUBE[name].long_name}); it has "
                f"{', '.join(map(str, cube.variables))}"
            )
    dims, edges = cube["pdf"].dims, cube["z_edges"]
    if dims != ("object", "z") or edges.dims != ("z_edge",):
        raise InputError(
            f"{source}: pdf has dimensions {dims} and z_edges {edges.dims}, not (object, z) "
            "and (z_edge,); join cubes with hscz.concat_cubes, which keeps one redshift grid"
        )
    if edges.size != cube.sizes["z"] + 1:
        raise InputError(
            f"{source}: {cube.sizes['z']} redshift bins do not fit {edges.size} edges; cubes "
            "of different grids cannot be mixed"
        )
    return cube["pdf"]


def n_of_z(cube: xr.Dataset, by: str | Mapping[str, ArrayLike] | None = None) -> xr.DataArray:
    """Return n(z), the sum of the PDFs, of all objects or of groups; `hscz.pdf.stacking.stack`.

    Parameters
    ----------
    cube : xarray.Dataset
    by : str or mapping, optional
        A variable along ``object`` whose every value makes a group (it must be in memory,
        since the groups are a dimension of the result), or a mapping of one name to the
        groups: the values of text and integers, the edges of bins of real numbers, such as
        ``{"mag_i": [22, 23, 24, 25]}``.

    Returns
    -------
    xarray.DataArray
        Galaxies per unit redshift; dimensions (groups,) z. Groups are along the variable's
        name, or ``NAME_bins`` with intervals. The coordinate ``n_objects`` counts the
        galaxies with a PDF.

    Raises
    ------
    InputError
        If the groups are not known, or a PDF is partly NaN or without probability.
    """
    name, groups, bins = _groups(cube, by)
    data = density(cube)
    values = cube[name].data if name else np.zeros(data.sizes["object"], np.int64)
    wanted = groups if name else np.zeros(1, np.int64)
    edges = cube["z_edges"].data
    stacked = _stack_groups if data.chunks is None else _lazy_stack
    total, n = stacked(data.data, edges, values, wanted, bins)
    result = xr.DataArray(total, dims=("group", "z"), name="n_of_z")
    result = result.assign_coords(n_objects=("group", n))
    if "z" in cube.coords:
        result = result.assign_coords(z=cube["z"])
    result.attrs = {"long_name": "galaxies per unit redshift", "ucd": "src.redshift.phot"}
    if not name:
        return result.isel(group=0)
    axis = f"{name}_bins" if bins else name
    labels = pd.IntervalIndex.from_breaks(groups, closed="left") if bins else groups
    return result.rename(group=axis).assign_coords({axis: labels})


def concat_cubes(cubes: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the objects of several cubes in one, lazily; all must have one redshift grid.

    Parameters
    ----------
    cubes : sequence of xarray.Dataset
        Variables that not all have are left out.

    Raises
    ------
    InputError
        If there is none, or their redshift bins differ.

    Examples
    --------
    >>> cube = xr.Dataset({"pdf": (("object", "z"), [[0.5, 0.5]])}, coords={"z": [0.5, 1.5]})
    >>> cube["z_edges"] = "z_edge", [0.0, 1.0, 2.0]
    >>> dict(concat_cubes([cube, cube]).sizes)
    {'object': 2, 'z': 2, 'z_edge': 3}
    """
    if not cubes:
        raise InputError("there are no cubes to join; give at least one")
    for number, cube in enumerate(cubes):
        density(cube)
        if not np.array_equal(cube["z"], cubes[0]["z"]):
            raise InputError(
                f"cube {number} has {cube.sizes['z']} bins to z = {cube['z'].values[-1]:g}, cube 0 "
                f"{cubes[0].sizes['z']} to {cubes[0]['z'].values[-1]:g}; predict them on one grid"
            )
    names = set(cubes[0].variables).intersection(*(cube.variables for cube in cubes))
    alike = [cube.drop_vars(set(cube.variables) - names) for cube in cubes]
    return xr.concat(
        alike,
        "object",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="drop_conflicts",
    )


def _groups(cube: xr.Dataset, by: str | Mapping[str, ArrayLike] | None) -> tuple[str, Any, bool]:
    """Return the variable to group by, its groups, and whether they are edges of bins."""
    if by is None:
        return "", None, False
    name = by if isinstance(by, str) else next(iter(by))
    values = cube.variables.get(name)
    if values is None or values.dims != ("object",):
        known = (k for k, v in cube.variables.items() if v.dims == ("object",))
        raise InputError(f"there is no {name!r} to group by; use {', '.join(map(str, known))}")
    real = values.dtype.kind == "f"
    if not isinstance(by, str):
        return name, np.asarray(by[name]), real
    if real:
        raise InputError(f"{name!r} has real numbers; give edges, by={{{name!r}: [low, high]}}")
    if values.chunks is not None:
        raise InputError(
            f"{name!r} is lazy, so its values are not known; give them, "
            f"by={{{name!r}: [...]}}, or load it with cube.assign_coords({name}=cube.{name}."
            "compute())"
        )
    return name, np.unique(values.values), False


def _stack_groups(
    density: NDArray[Any], edges: ArrayLike, values: ArrayLike, groups: ArrayLike, bins: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    number = group_of(values, groups, bins)
    return stack(density, edges, number, len(np.asarray(groups)) - bins)


def _lazy_stack(
    density: da.Array, edges: Any, values: Any, groups: Any, bins: bool
) -> tuple[da.Array, da.Array]:
    """Return sums and counts of groups, one task a chunk of objects."""
    # Slow to import, and a cube in memory does without.
    import dask
    import dask.array as da

    density, size = density.rechunk({1: -1}), len(groups) - bins
    values = da.asarray(values, chunks=density.chunks[0]).rechunk((density.chunks[0],))
    parts = [
        dask.delayed(_stack_groups)(block, edges, value, groups, bins)
        for block, value in zip(density.to_delayed()[:, 0], values.to_delayed(), strict=True)
    ]
    total = dask.delayed(_sum_parts)(parts)
    return (
        da.from_delayed(total[0], (size, density.shape[1]), np.float64),
        da.from_delayed(total[1], (size,), np.int64),
    )


def _sum_parts(parts: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> tuple[Any, Any]:
    return sum(total for total, _ in parts), sum(n for _, n in parts)
