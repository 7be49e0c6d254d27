"""A trained network on disk: a directory that later stages load without pickle.

``weights.pt`` (tensors only) is written last, so that its presence means the model is whole;
beside it stand ``config.toml`` (bands, redshift edges, noise scale, network and training
settings), ``history.jsonl``, ``provenance.json`` and ``split.parquet`` (which object was used
for what). While it is being trained, a model stands under ``NAME.part``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tomli_w
import torch
from numpy.typing import NDArray
from torch import Tensor

from hscz.config import RunConfig
from hscz.config.learn import NetworkConfig
from hscz.config.read import as_mapping, parse
from hscz.errors import StoreError
from hscz.files.atomic import write_atomic
from hscz.files.fresh import Key, why_stale
from hscz.learn.network import Network, on_device
from hscz.learn.normalise import renormalise
from hscz.learn.trainer import load_tensors
from hscz.pdf.grid import RedshiftGrid
from hscz.stores import part
from hscz.tables.read import read_columns


@dataclass
class Model:
    """A network with what it takes to use it.

    Attributes
    ----------
    network : Network
    network_config : NetworkConfig
    bands : tuple of str
        Bands of its input, in order.
    grid : RedshiftGrid
        Bins of its output.
    noise : tuple of float
        Sky noise that scales each band, counts.
    optional : frozenset of str
        Bands that a field may lack.
    needs_statistics : bool
        Whether the normalisation layers must be measured on a field before it is predicted:
        in training each field was normalised by its own statistics.
    mag_i_range : tuple of float
        Brightest and faintest i magnitude it learnt from.
    """

    network: Network
    network_config: NetworkConfig
    bands: tuple[str, ...]
    grid: RedshiftGrid
    noise: tuple[float, ...]
    optional: frozenset[str] = frozenset()
    needs_statistics: bool = False
    mag_i_range: tuple[float, float] = (-np.inf, np.inf)

    @classmethod
    def new(
        cls,
        config: NetworkConfig,
        bands: tuple[str, ...],
        grid: RedshiftGrid,
        noise: tuple[float, ...],
        seed: int,
    ) -> Model:
        """Return a model with fresh weights drawn from `seed`, whatever was drawn before."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Network(config, noise, len(grid))
        return cls(network, config, bands, grid, noise)

    def pdf(self, images: Tensor) -> NDArray[np.float32]:
        """Return PDFs, shape (n, bins), as densities in 1/dz, of stamps (n, band, y, x)."""
        with torch.inference_mode():
            pmf = torch.softmax(self.network(images).float(), 1).cpu().numpy()
        return np.asarray(pmf / self.grid.widths.astype(np.float32), np.float32)

    def measure(self, batches: Iterable[Tensor]) -> None:
        """Take the statistics of the normalisation layers from unlabelled stamps of a field.

        Parameters
        ----------
        batches : iterable of Tensor, shape (n, band, y, x)

        Raises
        ------
        ConfigError, InputError
            As `hscz.learn.normalise.renormalise` does.
        """
        renormalise(self.network, batches)
        self.needs_statistics = False

    def describe(self, folder: Path, run: RunConfig) -> None:
        """Write ``config.toml``: what the weights alone do not say, and the settings used."""
        mapping = {
            "bands": list(self.bands),
            "noise": [float(value) for value in self.noise],
            "z_edges": self.grid.edges.tolist(),
            "network": as_mapping(self.network_config),
            "train": as_mapping(run.train),
            "adapt": as_mapping(run.adapt),
            "flatten": as_mapping(run.flatten),
        }
        write_atomic(folder / "config.toml", lambda path: path.write_text(tomli_w.dumps(mapping)))

    def save_weights(self, folder: Path) -> None:
        """Write the weights, which declares the model whole."""
        state = {key: value.cpu() for key, value in self.network.state_dict().items()}
        write_atomic(folder / "weights.pt", lambda path: torch.save(state, path))

    @classmethod
    def load(cls, folder: str | Path, device: torch.device | None = None) -> Model:
        """Load a model directory.

        Raises
        ------
        StoreError
            If there is none, it is damaged, or its training has not finished.
        """
        folder = Path(folder)
        if not (folder / "weights.pt").exists():
            begun = "training has not finished" if part(folder).exists() else "no model here"
            raise StoreError(f"{folder}: {begun}; run 'hscz train --resume'")
        state = load_tensors(folder / "weights.pt", torch.device("cpu"))
        try:
            mapping = tomllib.loads((folder / "config.toml").read_text())
            model = cls.new(
                parse({"network": mapping["network"]}, str(folder)).network,
                tuple(mapping["bands"]),
                RedshiftGrid(np.array(mapping["z_edges"])),
                tuple(mapping["noise"]),
                seed=0,
            )
            model.network.load_state_dict(state)
            used = parse({key: mapping[key] for key in ("train", "adapt")}, str(folder))
            model.optional = used.train.optional
            model.needs_statistics = used.adapt.keeps_apart and model.network.norm == "batch"
        except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            why = " ".join(str(error).split())[:120]
            raise StoreError(
                f"{folder}: config.toml does not fit the weights ({why}); train again with "
                "'hscz train --force'"
            ) from None
        model.mag_i_range = _mag_i_range(folder)
        on_device(model.network, device or torch.device("cpu")).eval()
        return model


def training_part(folder: str | Path) -> pd.DataFrame:
    """Return the training part of the labelled fields of a model, labelled or not.

    Returns
    -------
    pandas.DataFrame
        Columns ``field``, ``object_id``, ``ra``, ``dec`` and ``used``: whether the model has
        learnt from the object's label.
    """
    columns = ["field", "object_id", "ra", "dec", "used", "part"]
    split = read_columns(Path(folder) / "split.parquet", columns)
    return split[split["part"] == "training"].reset_index(drop=True)


def held_out(folder: str | Path) -> pd.DataFrame:
    """Return the validation objects whose labels are of use: ``field, row, object_id, z_label``."""
    columns = ["field", "row", "object_id", "z_label", "used", "part"]
    split = read_columns(Path(folder) / "split.parquet", columns)
    return split[(split["part"] == "validation") & split["used"]].reset_index(drop=True)


def _mag_i_range(folder: Path) -> tuple[float, float]:
    split = read_columns(folder / "split.parquet", ["mag_i", "used", "part"])
    learnt = split.loc[split["used"] & (split["part"] == "training"), "mag_i"]
    return float(learnt.min()), float(learnt.max())


def why_unfinished(folder: Path, key: Key) -> str:
    """Return why a model must be trained; empty where a whole one of this key is there."""
    return why_stale(folder / "provenance.json", key, (folder / "weights.pt").exists())
