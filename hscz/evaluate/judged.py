"""Which objects of a PDF cube its networks may be judged by."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hscz.errors import StoreError
from hscz.schema import has_redshift


def is_unseen(cube: xr.Dataset) -> NDArray[np.bool_]:
    """Return which objects lie outside the training part of the source fields, labelled or not.

    Raises
    ------
    StoreError
        If the cube does not say.

    Examples
    --------
    >>> is_unseen(xr.Dataset({"in_training": ("object", [True, False])})).tolist()
    [False, True]
    """
    if "in_training" not in cube:
        raise StoreError(
            "the PDF cube does not say which objects are 'in_training', so that no fair sample "
            "can be drawn; predict with 'hscz predict'"
        )
    return ~cube["in_training"].values


def is_judged(cube: xr.Dataset, reference: str | None = None) -> NDArray[np.bool_]:
    """Return which unseen objects have an estimate and, where one is named, a reference redshift.

    Parameters
    ----------
    cube : xarray.Dataset
    reference : str, optional
        Column of known redshifts.

    Raises
    ------
    StoreError
        If the cube does not say what its networks have seen.

    Examples
    --------
    >>> columns = {"in_training": [True, False, False], "z_median": [0.5, 0.5, np.nan]}
    >>> cube = xr.Dataset({name: ("object", values) for name, values in columns.items()})
    >>> is_judged(cube).tolist()
    [False, True, False]
    """
    found = is_unseen(cube) & np.isfinite(cube["z_median"].values)
    return found & has_redshift(cube[reference].values) if reference else found
