"""Progress of Dask computations, with an off switch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any


def show_progress(label: str, enabled: bool = True) -> AbstractContextManager[Any]:
    """Return a context that draws a bar for the Dask computations inside it.

    Dask's local schedulers drive the bar; a Client has its own dashboard.

    Parameters
    ----------
    label : str
    enabled : bool
        Whether to draw at all.
    """
    if not enabled:
        return nullcontext()
    from tqdm.dask import TqdmCallback

    return TqdmCallback(desc=label, leave=False)
