"""The folder of a model: what its files are called, and what those beside the weights say.

``weights.pt`` (tensors only) is written last, so that its presence means the model is whole;
beside it stand ``config.toml`` (bands, redshift edges, noise scale, network and training
settings), ``history.jsonl``, ``provenance.json`` and ``split.parquet`` (which object was used
for what, and how often it appears in an epoch). While it is being trained, a model stands under
``NAME.part``, with its last checkpoint; of a run that diverged only ``NAME.diverged.json`` is left.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hscz.errors import InputError, StoreError
from hscz.files.atomic import read_json, write_text
from hscz.files.fresh import Key, why_stale
from hscz.learn.training_sample import TrainingSample, epoch_seed
from hscz.stores import part

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ModelFolder:
    """A folder that holds a model, or will.

    Attributes
    ----------
    path : Path

    Examples
    --------
    >>> folder = ModelFolder(Path("stores/models/v0/run0"))
    >>> folder.part.checkpoint.as_posix(), folder.whole
    ('stores/models/v0/run0.part/last.ckpt', False)
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def weights(self) -> Path:
        """Tensors of the network."""
        return self.path / "weights.pt"

    @property
    def config(self) -> Path:
        """What the weights alone do not say, and the settings used."""
        return self.path / "config.toml"

    @property
    def history(self) -> Path:
        """Numbers of each epoch, a line each."""
        return self.path / "history.jsonl"

    @property
    def provenance(self) -> Path:
        """When and from what the model was made."""
        return self.path / "provenance.json"

    @property
    def split(self) -> Path:
        """Which object was used for what."""
        return self.path / "split.parquet"

    @property
    def checkpoint(self) -> Path:
        """All that a training needs to go on."""
        return self.path / "last.ckpt"

    @property
    def part(self) -> ModelFolder:
        """Where the model stands while it is being trained."""
        return ModelFolder(part(self.path))

    @property
    def divergence(self) -> Path:
        """The note of a run that diverged, beside the folder that it does not have."""
        return self.path.with_name(f"{self.path.name}.diverged.json")

    @property
    def exists(self) -> bool:
        """Whether there is a model, whole or not."""
        return self.config.exists()

    @property
    def whole(self) -> bool:
        """Whether its training has finished."""
        return self.weights.exists()

    @property
    def written_ns(self) -> int:
        """When the weights were written; 0 where there are none."""
        return self.weights.stat().st_mtime_ns if self.whole else 0

    def why_stale(self, key: Key, there: bool = True) -> str:
        """Return why the model is not one of this key; see `hscz.files.fresh.why_stale`."""
        return why_stale(self.provenance, key, there)

    def diverged(self, key: Key) -> dict[str, Any]:
        """Return the note of a run of this key that diverged; empty where none did."""
        return {} if why_stale(self.divergence, key) else read_json(self.divergence)

    def note(self) -> dict[str, Any]:
        """Return the provenance; empty where there is none."""
        return read_json(self.provenance)

    def settings(self) -> dict[str, Any]:
        """Return what ``config.toml`` says."""
        return tomllib.loads(self.config.read_text(encoding="utf-8"))

    def epochs(self) -> list[dict[str, float]]:
        """Return the numbers of each epoch so far."""
        if not self.history.exists():
            return []
        text = self.history.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def note_epoch(self, row: Mapping[str, float]) -> None:
        """Add an epoch to the history; what a killed run noted from it on is dropped."""
        before = self.epochs()[: int(row["epoch"]) - 1]
        write_text(self.history, "".join(json.dumps(one) + "\n" for one in (*before, row)))

    def read_split(self, columns: Sequence[str]) -> pd.DataFrame:
        """Return columns of the table of all objects; see `hscz.learn.sample.divide`.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        from hscz.tables.read import read_columns

        return read_columns(self.split, columns)

    def training_part(self) -> pd.DataFrame:
        """Return the training part of the labelled fields, labelled or not.

        Returns
        -------
        pandas.DataFrame
            Columns ``field``, ``object_id``, ``ra``, ``dec`` and ``used``: whether the model has
            learnt from the object's label.
        """
        split = self.read_split(["field", "object_id", "ra", "dec", "used", "part"])
        return split[split["part"] == "training"].reset_index(drop=True)

    def held_out(self) -> pd.DataFrame:
        """Return validation objects whose labels are of use.

        Returns
        -------
        pandas.DataFrame
            Columns ``field``, ``row``, ``object_id``, ``mag_i``, ``z_label`` and ``sigma``, the
            label's standard deviation.
        """
        columns = ["field", "row", "object_id", "mag_i", "z_label", "sigma"]
        split = self.read_split([*columns, "used", "part"])
        kept = (split["part"] == "validation") & split["used"]
        return split.loc[kept, columns].reset_index(drop=True)

    def mag_i_range(self) -> tuple[float, float]:
        """Return the brightest and the faintest i magnitude learnt from."""
        split = self.read_split(["mag_i", "used", "part"])
        learnt = split.loc[split["used"] & (split["part"] == "training"), "mag_i"]
        return float(learnt.min()), float(learnt.max())

    def training_sample(self) -> TrainingSample:
        """Return the galaxies learnt from: ``z_label, mag_i, ra, dec`` and how they are drawn.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        StoreError
            If it was written before models kept how galaxies are drawn.
        """
        columns = ["z_label", "mag_i", "ra", "dec", "used", "part"]
        try:
            return TrainingSample.kept_in(self.read_split([*columns, "weight", "stratum"]))
        except InputError:
            self.read_split(columns)
            raise StoreError(
                f"{self.split}: does not say how often each galaxy was drawn, as the model is of "
                "an earlier version; run 'hscz train' again"
            ) from None

    def drawn(self, epoch: int = 0) -> pd.DataFrame:
        """Return the galaxies of one epoch as they were drawn, some repeatedly."""
        sample = self.training_sample()
        rng = np.random.default_rng(epoch_seed(self.note()["seed"], epoch))
        return sample.objects.iloc[sample.draw(rng)]
