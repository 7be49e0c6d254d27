"""A network with what it takes to use it; `hscz.learn.folder` is where it stands on disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import tomli_w
import torch
from numpy.typing import NDArray
from torch import Tensor

from hscz.config import RunConfig
from hscz.config.learn import NetworkConfig
from hscz.config.read import as_mapping, parse
from hscz.errors import StoreError
from hscz.files.atomic import write_atomic, write_text
from hscz.learn.adapt import adaptations
from hscz.learn.folder import ModelFolder
from hscz.learn.loader import dihedral
from hscz.learn.network import Network, on_device
from hscz.learn.normalise import renormalise
from hscz.learn.trainer import load_tensors
from hscz.pdf.grid import RedshiftGrid
from hscz.seams import NETWORK_BODIES


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
            network = NETWORK_BODIES.load(config.body)(config, noise, len(grid))
        return cls(network, config, bands, grid, noise)

    @classmethod
    def untrained(cls, config: RunConfig, noise: tuple[float, ...] = ()) -> Model:
        """Return the model that a run's settings describe, with weights drawn from its seed.

        Parameters
        ----------
        config : RunConfig
        noise : tuple of float
            Sky noise of each band, counts; 1 if left out.
        """
        train = config.train
        settings = replace(config.network, masks=bool(train.hidden))
        grid = RedshiftGrid.make(train.grid, train.n_bins, train.z_max)
        noise = noise or (1.0,) * len(train.bands)
        model = cls.new(settings, train.bands, grid, noise, train.seed)
        separate = any(method.separate_statistics for method in adaptations(config))
        model.needs_statistics = separate and model.network.norm == "batch"
        return model

    def pdf(self, images: Tensor, turns: int = 1) -> NDArray[np.float32]:
        """Return PDFs, shape (n, bins), as densities in 1/dz.

        Parameters
        ----------
        images : Tensor, shape (n, band, y, x)
        turns : int
            Average over so many of the eight rotations and flips of each stamp.
        """
        total = np.zeros((len(images), len(self.grid)), np.float32)
        with torch.inference_mode():
            for turn in range(turns):
                counts = [len(images) * (number == turn) for number in range(8)]
                turned = dihedral(images, counts) if turn else images
                total += torch.softmax(self.network(turned).float(), 1).cpu().numpy()
        return np.asarray(total / (turns * self.grid.widths.astype(np.float32)), np.float32)

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

    def describe(self, folder: ModelFolder, run: RunConfig) -> None:
        """Write what the weights alone do not say, and the settings used."""
        mapping = {
            "bands": list(self.bands),
            "noise": [float(value) for value in self.noise],
            "z_edges": self.grid.edges.tolist(),
            "needs_statistics": self.needs_statistics,
            "network": as_mapping(self.network_config),
            "train": as_mapping(run.train),
            "adapt": as_mapping(run.adapt),
            "flatten": as_mapping(run.flatten),
        }
        write_text(folder.config, tomli_w.dumps(mapping))

    def save_weights(self, folder: ModelFolder) -> None:
        """Write the weights, which declares the model whole."""
        state = {key: value.cpu() for key, value in self.network.state_dict().items()}
        # In memory first: a file's name, here one that passes, would become part of what it holds.
        content = BytesIO()
        torch.save(state, content)
        write_atomic(folder.weights, lambda path: path.write_bytes(content.getvalue()))

    @classmethod
    def load(cls, path: str | Path, device: torch.device | None = None) -> Model:
        """Load a model directory.

        Raises
        ------
        StoreError
            If there is none, it is damaged, or its training has not finished.
        """
        folder = ModelFolder(Path(path))
        if not folder.whole:
            begun = "training has not finished" if folder.part.path.exists() else "no model here"
            raise StoreError(f"{folder}: {begun}; run 'hscz train --resume'")
        state = load_tensors(folder.weights, torch.device("cpu"))
        try:
            mapping = folder.settings()
            model = cls.new(
                parse({"network": mapping["network"]}, str(folder)).network,
                tuple(mapping["bands"]),
                RedshiftGrid(np.array(mapping["z_edges"])),
                tuple(mapping["noise"]),
                seed=0,
            )
            model.network.load_state_dict(state)
            adapt = dict(mapping["adapt"])
            # As models of before the setting was renamed have it.
            if adapt.get("statistics") == "apart":
                adapt["statistics"] = "separate"
            used = parse({"train": mapping["train"], "adapt": adapt}, str(folder))
            model.optional = used.train.optional
            # Models of before this was written down have no other way to adapt.
            separate = used.adapt.separate_statistics and model.network.norm == "batch"
            model.needs_statistics = mapping.get("needs_statistics", separate)
        except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            why = " ".join(str(error).split())[:120]
            raise StoreError(
                f"{folder}: config.toml does not fit the weights ({why}); train again with "
                "'hscz train --force'"
            ) from None
        model.mag_i_range = folder.mag_i_range()
        on_device(model.network, device or torch.device("cpu")).eval()
        return model
