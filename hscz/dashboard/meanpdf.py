"""n(z) of a selection: the mean of its PDFs, read from the cubes block by block."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hscz.dashboard.data import Cube


class MeanPDF:
    """Mean PDFs of the selected objects, one per model, that grow more exact as more is read.

    The chunks of the cubes come in random order of a fixed seed, the same chunk of every model
    in turn, so that an early mean already tells the answer and models are compared on the same
    objects. Once all is read the mean is exact. One chunk is in memory at a time.

    Parameters
    ----------
    cubes : mapping of str to Cube
        By model.
    chosen : ndarray of bool, shape (object,)
    """

    def __init__(self, cubes: Mapping[str, Cube], chosen: NDArray[np.bool_]) -> None:
        self.cubes = cubes
        self.chosen = chosen
        self.n_selected = int(np.count_nonzero(chosen))
        self.n_read = 0
        todo = [block for block in next(iter(cubes.values())).blocks() if chosen[block].any()]
        order = np.random.default_rng(0).permutation(len(todo))
        self._todo = [todo[k] for k in order]
        self._sums = {model: np.zeros(cube.dataset.sizes["z"]) for model, cube in cubes.items()}
        self._counts = dict.fromkeys(cubes, 0)

    @property
    def finished(self) -> bool:
        """Whether every selected object has been read."""
        return not self._todo

    def read(self, seconds: float = np.inf) -> None:
        """Read chunks until all is read or the time is over; at least one."""
        until = time.monotonic() + seconds
        while self._todo:
            self._read_block(self._todo.pop())
            if time.monotonic() > until:
                return

    def _read_block(self, block: slice) -> None:
        chosen = self.chosen[block]
        for model, cube in self.cubes.items():
            density = cube.dataset["pdf"][block].values
            rows = density[chosen & np.isfinite(cube.z_median[block])]
            self._sums[model] += rows.sum(axis=0, dtype=np.float64)
            self._counts[model] += len(rows)
        self.n_read += int(np.count_nonzero(chosen))

    def density(self, model: str) -> NDArray[np.float64]:
        """Return the mean PDF so far in 1/dz, shape (z,); zero where no object has a PDF."""
        return self._sums[model] / max(self._counts[model], 1)
