"""n(z) of a selection: the mean of its PDFs, read from the cubes block by block."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hscz.dashboard.data import Cube
from hscz.errors import StoreError


class MeanPDF:
    """Mean PDFs of the selected objects, one per model, that grow more exact as more is read.

    The chunks of the cubes come in random order of a fixed seed, the same chunk of every model
    in turn, so that an early mean already shows the answer and models are compared on the same
    objects. Once all is read the mean is exact. One chunk is in memory at a time.

    Parameters
    ----------
    cubes : mapping of str to Cube
        By model.
    chosen : ndarray of bool, shape (object,)

    Attributes
    ----------
    n_selected, n_read : int
        Objects to be read and read so far.
    error : Exception or None
        What ended the reading early.
    """

    def __init__(self, cubes: Mapping[str, Cube], chosen: NDArray[np.bool_]) -> None:
        self.cubes = cubes
        self.chosen = chosen
        self.n_selected = int(np.count_nonzero(chosen))
        self.n_read = 0
        self.error: Exception | None = None
        todo = [block for block in next(iter(cubes.values())).blocks() if chosen[block].any()]
        order = np.random.default_rng(0).permutation(len(todo))
        self._todo = [todo[k] for k in order]
        self._sums = {model: np.zeros(cube.dataset.sizes["z"]) for model, cube in cubes.items()}
        self._counts = dict.fromkeys(cubes, 0)
        self._lock, self._stopped = threading.Lock(), threading.Event()

    @property
    def finished(self) -> bool:
        """Whether every selected object has been read."""
        return self.n_read == self.n_selected

    def read(self, seconds: float = np.inf) -> None:
        """Read chunks until all is read, the time is over or `stop` is called; at least one."""
        until = time.monotonic() + seconds
        while self._todo and not self._stopped.is_set():
            try:
                self._read_block(self._todo.pop())
            except Exception as error:  # whatever zarr raises; a thread has no other way to say so
                self.error = error
                self.stop()
            if time.monotonic() > until:
                return

    def start(self) -> None:
        """Read on in a thread of its own, from now on the only one that reads."""
        threading.Thread(target=self.read, daemon=True).start()

    def stop(self) -> None:
        """Read no further chunk."""
        self._stopped.set()

    def so_far(self) -> tuple[dict[str, NDArray[np.float64]], int]:
        """Return the mean PDFs in 1/dz by model, shape (z,), and how many objects they are of.

        A mean is zero where no object has a PDF.
        """
        with self._lock:
            means = {m: total / max(self._counts[m], 1) for m, total in self._sums.items()}
            return means, self.n_read

    def _read_block(self, block: slice) -> None:
        chosen = self.chosen[block]
        read = {model: _sum_and_count(cube, block, chosen) for model, cube in self.cubes.items()}
        with self._lock:
            for model, (total, count) in read.items():
                self._sums[model] += total
                self._counts[model] += count
            self.n_read += int(np.count_nonzero(chosen))


def _sum_and_count(
    cube: Cube, block: slice, chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], int]:
    """Return the sum of the chosen PDFs of a chunk, shape (z,), and how many they are.

    Raises
    ------
    StoreError
        If a PDF is missing.
    """
    whole = bool(chosen.all())
    if whole and block.start in cube.chunk_sums:
        return cube.chunk_sums[block.start]
    known = chosen & np.isfinite(cube.z_median[block])
    rows = cube.dataset["pdf"][block].values[known]
    if cube.ratio is not None:
        mag_i = cube.dataset["mag_i"][block].values[known]
        rows = cube.ratio.apply(rows, cube.dataset["z_edges"].values, mag_i)
    found = rows.sum(axis=0, dtype=np.float64), len(rows)
    if not np.isfinite(found[0]).all():
        raise StoreError(
            f"{cube.path}: PDFs are missing among rows {block.start} to {block.stop - 1}; "
            "predict the field again"
        )
    if whole:
        cube.chunk_sums[block.start] = found
    return found
