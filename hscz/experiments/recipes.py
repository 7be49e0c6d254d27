"""The paper's experiments and their honest neighbours: recipes, each told for every target.

A recipe is what differs from the settings of the file. Its networks are trained once for all
targets where it does not know the target (v0), once for each where it does; recipes that differ
in prediction only (AdaBN) share the networks of the recipe they start from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hscz.config import RunConfig, mock_field
from hscz.config.read import as_mapping, parse
from hscz.errors import ConfigError

TARGET, ALL_TARGETS = "TARGET", "ALL_TARGETS"
"""Stand, in a recipe, for the experiment's target field and for all of the file's targets that
have the same u-type band."""

_ADVERSARY = {"targets": [TARGET], "adversary": "inverted"}
_DEGRADED = {"targets": [TARGET], "degrade": True}
_SPEC = {"spec_fields": [TARGET], "folds": 5}

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "v0": {"about": "the labelled field alone"},
    "v1": {"about": "v0 and the target's spectroscopic redshifts", "train": _SPEC},
    "v2": {"about": "v0 and the adversary, the paper's choice", "adapt": _ADVERSARY},
    "v3": {"about": "the labels of v1 and the adversary", "base": "v2", "train": _SPEC},
    "oracle": {
        "about": "trained on the target's true redshifts, in two halves",
        "train": {
            "fields": [TARGET],
            "label": "z_true",
            "folds": 2,
            "validation_fraction": 0.5,
        },
        "flatten": {"enabled": False},
    },
    "control": {
        "about": "v2 with weight 0: what is left is that each field has its own statistics",
        "base": "v2",
        "adapt": {"weight": 0.0},
    },
    "v2-mixed": {
        "about": "v2 with one set of statistics for both fields",
        "base": "v2",
        "adapt": {"statistics": "mixed"},
    },
    "uniform": {
        "about": "v2 with domain confusion",
        "base": "v2",
        "adapt": {"adversary": "uniform"},
    },
    "reversal": {
        "about": "v2 with reversed gradients",
        "base": "v2",
        "adapt": {"adversary": "reversal"},
    },
    "adabn": {"about": "v0 with AdaBN", "base": "v0", "predict": {"renormalise": True}},
    "degraded": {"about": "the source made like the target", "adapt": _DEGRADED},
    "recommended": {
        "about": "every other batch of the source made like the target, and AdaBN",
        "base": "degraded",
        "adapt": {"degrade_share": 0.5},
        "predict": {"renormalise": True},
    },
    "degraded-v2": {
        "about": "v2 with every other batch of the source made like the target",
        "base": "v2",
        "adapt": {"degrade": True, "degrade_share": 0.5},
    },
    "v0-swapped": {
        "about": "v0 trained on u* for a target with u, or the reverse",
        "base": "v0",
        "swap_u": True,
    },
    "v0-both-u": {
        "about": "one v0 for u and u*, which tells them apart",
        "train": {
            "bands": ["u", "us", "g", "r", "i", "z", "y"],
            "hidden": [["u"], ["us"], []],
        },
    },
    "v0-one-hot": {"about": "v0 with one-hot labels", "train": {"targets": "one_hot"}},
    "v0-mixture": {
        "about": "v0 with the four COSMOS2020 redshifts as labels",
        "train": {"targets": "mixture"},
    },
    "v0-wide-bins": {"about": "v0 with bins even in ln(1+z)", "train": {"grid": "log1pz"}},
    "v0-not-flattened": {"about": "v0 with n(z) as it is", "flatten": {"enabled": False}},
    "v2-all": {
        "about": "one v2 for all targets with the same u-type band",
        "base": "v2",
        "adapt": {"targets": [ALL_TARGETS]},
    },
    "knn": {"about": "nearest neighbours in measured magnitudes", "method": "knn"},
    "boosting": {"about": "gradient boosting on measured magnitudes", "method": "boosting"},
}
"""Name to what differs: ``train``, ``adapt``, ``flatten`` and ``predict`` settings on top of
those of ``base``; ``method`` names a photometric method in place of a network, ``swap_u`` trains
on the u-type band that the target lacks."""

SECTIONS = ("train", "adapt", "flatten", "predict")


@dataclass(frozen=True)
class Experiment:
    """One recipe on one target of one seed.

    Attributes
    ----------
    recipe, target : str
    seed : int
    method : str
        ``network``, or the photometric method.
    config : RunConfig
        All that it takes to train and to predict.
    """

    recipe: str
    target: str
    seed: int
    method: str
    config: RunConfig

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields to predict: the target, and the source for what adaptation may cost there.

        The oracle learns from the target alone and is not asked about the source.
        """
        source = self.config.train.fields
        return (self.target,) if self.target in source else (self.target, *source)

    def output(self, name: str) -> Path:
        """Return where the estimates of a field are: a PDF cube, or a table."""
        if self.method == "network":
            return self.config.cube(name)
        stem = self.config.results(name)
        return stem.with_name(f"{stem.name}_estimates.parquet")


def seeded(config: RunConfig) -> Iterator[RunConfig]:
    """Yield the configuration once for each of its seeds, each in a folder of its own."""
    if not config.experiments.seeds:
        yield config
    for seed in config.experiments.seeds:
        if config.mock is None:
            raise ConfigError(
                "experiments.seeds repeats the mock survey, but there is no [mock]; repeat the "
                "training of a real survey with train.runs"
            )
        root = config.root / f"seed{seed}"
        fields = {
            name: mock_field(root, name) if name in config.mock.fields else entry
            for name, entry in config.fields.items()
        }
        yield replace(
            config,
            stores=str(root),
            fields=fields,
            mock=replace(config.mock, seed=seed),
            train=replace(config.train, seed=seed),
        )


def planned(config: RunConfig) -> list[Experiment]:
    """Return the experiments of one seed; those of a run without any are its own networks."""
    if config.experiments.recipes:
        return experiments(config)
    name, seed = config.train.name, config.train.seed
    targets = [field for field in config.predict_fields if field not in config.train.fields]
    return [Experiment(name, target, seed, "network", config) for target in targets]


def experiments(config: RunConfig) -> list[Experiment]:
    """Return every recipe on every target of one seed.

    Raises
    ------
    ConfigError
        If a recipe or target is unknown, or a target is a source field.

    Examples
    --------
    >>> config = parse({"experiments": {"targets": ["ELAIS"], "recipes": ["v0", "v2"]},
    ...                 "mock": {"fields": {"ELAIS": [1, 1], "COSMOS_UDF": [1, 1]}}})
    >>> config = replace(config, fields={n: mock_field(config.root, n) for n in config.mock.fields})
    >>> [(e.recipe, e.config.train.name) for e in experiments(config)]
    [('v0', 'v0-u'), ('v2', 'v2-ELAIS')]
    """
    for target in config.experiments.targets:
        if target not in config.fields:
            known = ", ".join(config.fields)
            raise ConfigError(f"experiments.targets has {target!r}; the fields are {known}")
        if target in config.train.fields:
            raise ConfigError(
                f"experiments.targets has {target!r}, the source field in train.fields; "
                "name fields to adapt to"
            )
    return [
        _experiment(config, recipe, target)
        for target in config.experiments.targets
        for recipe in config.experiments.recipes
    ]


def _experiment(config: RunConfig, recipe: str, target: str) -> Experiment:
    chain = _chain(config, recipe)
    changes: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for step in chain:
        for section in SECTIONS:
            changes[section] |= step.get(section, {})
    u = _u_band(config, target)
    alike = [name for name in config.experiments.targets if _u_band(config, name) == u]
    changes = _named(changes, target, alike)
    if any(step.get("swap_u") for step in chain):
        learnt = {"u": "us", "us": "u"}[u]
        changes["predict"]["stand_in"] = {learnt: u}
        u = learnt
    method = next((step["method"] for step in reversed(chain) if "method" in step), "network")
    resolved = _apply(_with_u(config, u), changes, recipe)
    own = {*resolved.adapt.targets, *resolved.train.fields, *resolved.train.spec_fields}
    suffix = target if own & set(config.experiments.targets) == {target} else u
    if {"u", "us"} <= set(resolved.train.bands):
        suffix = "all"
    # A recipe that changes only the prediction uses the networks of the one it starts from.
    trained = next(s["name"] for s in reversed(chain) if _changes_training(s))
    named = replace(
        resolved,
        train=replace(resolved.train, name=f"{trained}-{suffix}"),
        predict=replace(resolved.predict, name=f"{recipe}-{suffix}"),
    )
    return Experiment(recipe, target, config.train.seed, method, named)


def _chain(config: RunConfig, recipe: str) -> list[Mapping[str, Any]]:
    """Return a recipe's steps, from the first base to itself, each with its name."""
    known = {**RECIPES, **config.recipes}
    steps: list[Mapping[str, Any]] = []
    while recipe:
        if recipe not in known or any(step["name"] == recipe for step in steps):
            what = "starts from itself" if recipe in known else "is unknown"
            raise ConfigError(f"recipe {recipe!r} {what}; there are {', '.join(known)}")
        step = known[recipe]
        strange = set(step) - {"about", "base", "method", "swap_u", *SECTIONS}
        if strange:
            raise ConfigError(
                f"[recipes.{recipe}] has no key {strange.pop()!r}; use about, base, "
                f"{', '.join(SECTIONS)}"
            )
        steps.insert(0, {**step, "name": recipe})
        recipe = step.get("base", "")
    return steps


def _changes_training(step: Mapping[str, Any]) -> bool:
    return "base" not in step or any(step.get(s) for s in ("train", "adapt", "flatten"))


def _named(
    changes: dict[str, dict[str, Any]], target: str, alike: list[str]
) -> dict[str, dict[str, Any]]:
    """Put field names in the place of `TARGET` and `ALL_TARGETS`."""
    names = {TARGET: [target], ALL_TARGETS: alike}

    def filled(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        # Items of `train.hidden` are lists themselves.
        return [name for item in value for name in names.get(str(item), [item])]

    return {s: {k: filled(v) for k, v in part.items()} for s, part in changes.items()}


def _apply(config: RunConfig, changes: dict[str, dict[str, Any]], recipe: str) -> RunConfig:
    mapping = {s: as_mapping(getattr(config, s)) | changes[s] for s in SECTIONS}
    changed = parse(mapping, f"recipe {recipe}")
    return replace(config, **{section: getattr(changed, section) for section in SECTIONS})


def _with_u(config: RunConfig, u: str) -> RunConfig:
    """Return the configuration with this u-type band in the place of either."""
    bands = tuple(u if band in ("u", "us") else band for band in config.train.bands)
    return replace(config, train=replace(config.train, bands=bands))


def _u_band(config: RunConfig, target: str) -> str:
    """Return u where the field has it, else us: source and target must have the same one."""
    return "us" if "u" not in config.fields[target].bands else "u"
