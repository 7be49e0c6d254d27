"""Progress of Dask computations, whichever scheduler runs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dask.callbacks import Callback
from tqdm.auto import tqdm


class _Bar(Callback):  # type: ignore[misc]
    """Count finished tasks of Dask's local schedulers; a Client has its own dashboard."""

    def __init__(self, label: str) -> None:
        self.label = label

    def _start_state(self, dsk: Any, state: dict[str, Any]) -> None:
        total = sum(len(state[k]) for k in ("ready", "waiting", "running"))
        self.bar = tqdm(total=total, desc=self.label, unit="block", leave=False)

    def _posttask(self, key: Any, result: Any, dsk: Any, state: Any, worker_id: Any) -> None:
        self.bar.update()

    def _finish(self, dsk: Any, state: Any, errored: bool) -> None:
        self.bar.close()


@contextmanager
def show_progress(label: str, enabled: bool = True) -> Iterator[None]:
    """Draw a bar for the Dask computations inside the block.

    Parameters
    ----------
    label : str
    enabled : bool
        Whether to draw at all.
    """
    if not enabled:
        yield
        return
    with _Bar(label):
        yield
