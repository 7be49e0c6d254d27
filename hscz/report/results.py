"""What a survey's run has made so far, as the inputs of the figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from hscz import __version__
from hscz.config import RunConfig
from hscz.config.decisive import key_of
from hscz.experiments.experiment import Experiment, planned, seeded
from hscz.experiments.gather import sources, training_sample
from hscz.experiments.insight import planes_file
from hscz.experiments.recipes import ADVERSARY, BASELINE, SWAPPED
from hscz.figures.samples import columns
from hscz.files.fresh import Key, input_files
from hscz.learn.folder import ModelFolder
from hscz.predict.keys import labelled, trained
from hscz.stores import identity, open_cube, open_field
from hscz.survey import equivalents

MAIN_TARGET = "DEEP2"
"""Target of the figures 8 to 14 and 21; another survey's is its first."""

TARGETS = {"fig15": "ELAIS", "fig16": "XMM_UDF", "fig17": "XMM_DEEP", "fig18": "COSMOS_DEEP"}
"""Targets of the other figures; another survey's follow in their order."""


@dataclass(frozen=True)
class Results:
    """Field stores, PDF cubes and networks of one run, opened when asked for.

    Attributes
    ----------
    config : RunConfig
        Of the first seed, where the run repeats its experiments.
    plan : tuple of Experiment
        Every recipe on every target.
    """

    config: RunConfig
    plan: tuple[Experiment, ...]
    _opened: dict[Path, xr.Dataset] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, config: RunConfig) -> Results:
        """Return the results of a configuration."""
        first = next(iter(seeded(config)))
        return cls(first, tuple(planned(first)))

    @property
    def targets(self) -> tuple[str, ...]:
        """Target fields, the main one first."""
        names = dict.fromkeys(one.target for one in self.plan)
        return tuple(sorted(names, key=lambda name: name != MAIN_TARGET))

    @property
    def main(self) -> str:
        """The target of the figures that have one only; empty where there is none."""
        return self.targets[0] if self.targets else ""

    @property
    def source(self) -> str:
        """The first labelled field."""
        return self.config.train.fields[0]

    def target_of(self, figure: str) -> str:
        """Return the target of figures 15 to 18; empty where there are not so many."""
        if set(self.targets) & {MAIN_TARGET, *TARGETS.values()}:
            return TARGETS[figure]
        number = 1 + list(TARGETS).index(figure)
        return self.targets[number] if number < len(self.targets) else ""

    def stores(self) -> dict[str, xr.Dataset]:
        """Return the field stores that there are, by field."""
        names = [n for n in self.config.fields if self.config.field_store(n).exists()]
        return {name: self._open(self.config.field_store(name), open_field) for name in names}

    def cubes(self, target: str) -> dict[str, xr.Dataset]:
        """Return the PDF cubes of a target field by recipe."""
        return self._cubes({one.recipe: (one, target) for one in self.plan if one.target == target})

    def everywhere(self, recipe: str) -> dict[str, xr.Dataset]:
        """Return the PDF cubes of a recipe by target field."""
        wanted = {one.target: (one, one.target) for one in self.plan if one.recipe == recipe}
        return self._cubes({name: wanted[name] for name in self.targets if name in wanted})

    def by_u_band(self) -> dict[str, xr.Dataset]:
        """Return the PDF cubes of the source field that Figure 7 compares."""
        wanted, (u, u_star) = {}, equivalents("u")
        for one in self.plan:
            band = next((b for b in (u, u_star) if b in one.config.train.bands), u)
            if one.recipe == BASELINE:
                wanted[band] = (one, self.source)
            elif one.recipe == SWAPPED and band == u_star:
                wanted["swapped"] = (one, self.source)
        return self._cubes(wanted)

    def source_cube(self) -> dict[str, xr.Dataset]:
        """Return the PDF cube of the source field from the baseline, by recipe."""
        return self._cubes({one.recipe: (one, self.source) for one in self._baseline()})

    def labelled(self) -> pd.DataFrame | None:
        """Return ``z_label`` and ``mag_i`` of the labelled galaxies of the source field."""
        store = self.stores().get(self.source)
        if store is None or "z_label" not in store:
            return None
        table = columns(store)
        return table.loc[table["z_label"].notna(), ["z_label", "mag_i"]]

    def training(self) -> pd.DataFrame | None:
        """Return ``z_label`` and ``mag_i`` of an epoch of the baseline's training."""
        return training_sample(self._baseline()[0]) if self._learnt() else None

    def flattened(self) -> dict[str, Any]:
        """Return the inputs of Figure 5."""
        model, settings = self._learnt(), self.config.flatten
        sample = model.training_sample() if model else None
        if sample is None or sample.flattened is None:
            return {"z": [], "mag_i": [], "flattened": None, "settings": settings}
        ours = sample.objects.iloc[: len(sample.flattened.kept)]
        z, mag_i = (ours[key].to_numpy(float) for key in ("z_label", "mag_i"))
        return {"z": z, "mag_i": mag_i, "flattened": sample.flattened, "settings": settings}

    def planes(self) -> pd.DataFrame | None:
        """Return the planes on which a layer of the networks puts the galaxies of two fields."""
        file = planes_file(self.config, self.main)
        return pd.read_parquet(file) if file.exists() else None

    def network(self, recipe: str = "") -> dict[str, Any]:
        """Return a network as the settings describe it, and its adversary if it has one."""
        import torch

        from hscz.learn.adapt import adaptations, step_of
        from hscz.learn.model import Model

        chosen = [one.config for one in self.plan if one.recipe == recipe]
        config = chosen[0] if chosen else self.config
        network = Model.untrained(config).network
        found: dict[str, Any] = {"network": network, "bands": config.train.bands}
        if not recipe:
            return found
        step = step_of(config, adaptations(config), network, 1, torch.device("cpu"))
        watching = {"adversary": None, "layer": ""}
        return found | {key: getattr(step, key, value) for key, value in watching.items()}

    def key(self) -> Key:
        """Return everything that the figures are drawn from."""
        config = self.config
        models = {f for one in self.plan for f in one.config.models}
        inputs = labelled(config, config.fields)
        inputs["train"] = {f"{f.parent.name} {f.name}": trained([f]) for f in models}
        inputs["predict"] = {
            f"{name} ({one.recipe})": identity(one.output(name))
            for one in self.plan
            for name in one.fields
        }
        planes = planes_file(config, self.main)
        inputs["table of layers"] = input_files({self.main: planes})
        others: dict[str, Any] = {"hscz": __version__, "recipes": config.recipes}
        others["experiments"] = [[one.recipe, one.target] for one in self.plan]
        return key_of(
            inputs,
            others,
            network=config.network,
            train=config.train,
            flatten=config.flatten,
            adapt=config.adapt,
            figures=config.figures,
        )

    def _baseline(self) -> Sequence[Experiment]:
        """Return the one that learns from the source alone; a run without recipes is its own."""
        found = sources(self.plan)
        return (found or ([] if self.config.experiments.recipes else self.plan))[:1]

    def _learnt(self) -> ModelFolder | None:
        models = [ModelFolder(one.config.models[0]) for one in self._baseline()]
        return next((model for model in models if model.split.exists()), None)

    def _cubes(self, wanted: Mapping[str, tuple[Experiment, str]]) -> dict[str, xr.Dataset]:
        """Return those of the wanted cubes that there are."""
        paths = {key: one.output(name) for key, (one, name) in wanted.items()}
        cubes = {key: path for key, path in paths.items() if path.suffix == ".zarr"}
        return {key: self._open(path, open_cube) for key, path in cubes.items() if path.exists()}

    def _open(self, path: Path, opener: Callable[[Path], xr.Dataset]) -> xr.Dataset:
        if path not in self._opened:
            self._opened[path] = opener(path)
        return self._opened[path]


def _gallery(results: Results) -> dict[str, Any]:
    """Return the inputs of Figure A.1."""
    cubes = {target: results.cubes(target) for target in results.targets}
    cubes[results.source] = results.source_cube()
    return {"stores": results.stores(), "cubes": cubes, "source": results.config.train.fields}


def _of_target(results: Results, figure: str) -> dict[str, Any]:
    cubes = results.cubes(results.target_of(figure))
    return {"cubes": cubes, "training": results.training(), "stores": results.stores()}


INPUTS: Mapping[str, Callable[[Results], dict[str, Any]]] = {
    "table1": lambda r: {"stores": r.stores()},
    "fig01": lambda r: {"stores": r.stores()},
    "fig02": lambda r: {"stores": r.stores()},
    "fig03": lambda r: {"store": r.stores().get(r.source)},
    "fig04": lambda r: {"stores": r.stores()},
    "fig05": lambda r: r.flattened(),
    "fig06": lambda r: r.network(),
    "fig07": lambda r: {"cubes": r.by_u_band()},
    "fig08": lambda r: {"cubes": r.cubes(r.main)},
    "fig09": lambda r: {"cubes": r.cubes(r.main), "training": r.training()},
    "fig10": lambda r: r.network(ADVERSARY),
    "fig11": lambda r: {"cubes": r.cubes(r.main)},
    "fig12": lambda r: {"cubes": r.cubes(r.main), "training": r.training()},
    "fig13": lambda r: {"cubes": r.cubes(r.main), "stores": r.stores()},
    "fig14": lambda r: {"planes": r.planes()},
    **{name: partial(_of_target, figure=name) for name in TARGETS},
    "fig19": lambda r: {"cubes": r.everywhere(ADVERSARY), "training": r.labelled()},
    "fig20": lambda r: {"cubes": r.everywhere(ADVERSARY)},
    "fig21": lambda r: {"store": r.stores().get(r.main), "cubes": r.cubes(r.main)},
    "fig22": lambda r: {"cubes": {name: r.everywhere(name) for name in (BASELINE, ADVERSARY)}},
    "fig23": lambda r: {"cubes": r.everywhere(ADVERSARY)},
    "fig24": lambda r: {"cubes": r.everywhere(ADVERSARY)},
    "fig25": lambda r: {"store": r.stores().get(r.source)},
    "figA1": _gallery,
}
"""What each figure is drawn from, in the order of the paper."""
