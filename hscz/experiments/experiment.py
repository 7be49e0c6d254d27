"""Recipes on target fields of a run: what each takes to train, to predict and to be read.

The networks of a recipe are trained once for all targets where it does not know the target (v0),
once for each where it does; recipes that differ in prediction only (AdaBN) share the networks of
the recipe they start from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import prod
from pathlib import Path
from typing import Any

from hscz.config import RunConfig, mock_field
from hscz.config.read import changed
from hscz.errors import ConfigError
from hscz.experiments.estimator import Estimator
from hscz.experiments.recipes import ALL_TARGETS, RECIPES, TARGET, Recipe
from hscz.seams import ESTIMATORS
from hscz.survey import EQUIVALENT_BANDS, counterpart, equivalents

NETWORK = "network"
"""The method of recipes that name none."""

SECTIONS = ("network", "train", "adapt", "flatten", "predict")


@dataclass(frozen=True)
class Experiment:
    """One recipe on one target of one seed.

    Attributes
    ----------
    recipe, target : str
    seed : int
    method : str
        One of `hscz.seams.ESTIMATORS`.
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
        return self.estimator.output(self.config, name)

    @property
    def estimator(self) -> Estimator:
        """What gives the redshifts."""
        found: Estimator = ESTIMATORS.load(self.method)
        return found

    @property
    def knows_target(self) -> bool:
        """Whether it learns from labels beside those of the source."""
        train = self.config.train
        return bool(train.spec_fields) or self.target in train.fields


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
    return [Experiment(name, target, seed, NETWORK, config) for target in targets]


def experiments(config: RunConfig) -> list[Experiment]:
    """Return every recipe on every target of one seed.

    Raises
    ------
    ConfigError
        If a recipe or target is unknown, or a target is a source field.

    Examples
    --------
    >>> from hscz.config import parse
    >>> config = parse({"experiments": {"targets": ["ELAIS"], "recipes": ["v0", "v2"]},
    ...                 "mock": {"fields": {"ELAIS": [1, 1], "COSMOS_UDF": [1, 1]}}})
    >>> config = replace(config, fields={n: mock_field(config.root, n) for n in config.mock.fields})
    >>> [(e.recipe, e.config.train.name) for e in experiments(config)]
    [('v0', 'v0-u'), ('v2', 'v2-ELAIS')]
    """
    for target in config.experiments.targets:
        config.check_fields("experiments.targets", [target])
        if target in config.train.fields:
            raise ConfigError(
                f"experiments.targets has {target!r}, the source field in train.fields; "
                "name fields to adapt to"
            )
    config.check_fields("train.fields", config.train.fields)
    _chain(config, config.experiments.publish, "experiments.publish is")
    return [
        _experiment(config, recipe, target)
        for target in config.experiments.targets
        for recipe in config.experiments.recipes
    ]


def known_recipes(config: RunConfig) -> dict[str, Recipe]:
    """Return the recipes that a run may name, its own among them."""
    return {**RECIPES, **{name: Recipe(**keys) for name, keys in config.recipes.items()}}


def _experiment(config: RunConfig, recipe: str, target: str) -> Experiment:
    chain = _chain(config, recipe)
    changes: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for step in chain.values():
        for section in SECTIONS:
            changes[section] |= getattr(step, section)
    bands = _bands(config, target)
    alike = [name for name in config.experiments.targets if _bands(config, name) == bands]
    changes = _filled(changes, target, alike)
    if any(step.swap_u for step in chain.values()):
        changes["predict"]["stand_in"], bands = _swapped(bands)
    method = next((step.method for step in reversed(chain.values()) if step.method), NETWORK)
    ESTIMATORS.check(method, f"recipe {recipe}: ")
    resolved = changed(_with_bands(config, bands), changes, f"recipe {recipe}")
    epochs = resolved.train.epochs * prod(step.epochs_factor for step in chain.values())
    resolved = replace(resolved, train=replace(resolved.train, epochs=max(1, round(epochs))))
    suffix = _suffix(config, resolved, target, bands)
    # A recipe that changes only the prediction uses the networks of the one it starts from.
    trained = next(name for name, step in reversed(chain.items()) if step.trains)
    named = replace(
        resolved,
        train=replace(resolved.train, name=f"{trained}-{suffix}"),
        predict=replace(resolved.predict, name=f"{recipe}-{suffix}"),
    )
    return Experiment(recipe, target, config.train.seed, method, named)


def _chain(
    config: RunConfig, recipe: str, asked: str = "experiments.recipes has"
) -> dict[str, Recipe]:
    """Return a recipe's steps by name, from the first base to itself; none of an empty name."""
    known = known_recipes(config)
    steps: dict[str, Recipe] = {}
    while recipe:
        if recipe not in known or recipe in steps:
            if recipe in known:
                raise ConfigError(f"recipe {recipe!r} starts from itself; give it another base")
            asked = f"recipes.{next(iter(steps))}.base is" if steps else asked
            near = get_close_matches(recipe, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"{asked} {recipe!r}; {hint}")
        steps = {recipe: known[recipe], **steps}
        recipe = known[recipe].base
    return steps


def _filled(
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


def _suffix(config: RunConfig, resolved: RunConfig, target: str, bands: tuple[str, ...]) -> str:
    """Return what networks are named after: the only target they know, or its u-type band."""
    own = {*resolved.adapt.targets, *resolved.train.fields, *resolved.train.spec_fields}
    if any(set(group) <= set(resolved.train.bands) for group in EQUIVALENT_BANDS):
        return "all"
    return target if own & set(config.experiments.targets) == {target} else "-".join(bands)


def _bands(config: RunConfig, target: str) -> tuple[str, ...]:
    """Return which of equivalent bands a field has: source and target must have the same."""
    available = config.fields[target].bands
    return tuple(counterpart(group[0], available) for group in EQUIVALENT_BANDS)


def _with_bands(config: RunConfig, bands: tuple[str, ...]) -> RunConfig:
    """Return the configuration with these bands in the place of their equivalents."""
    wanted = tuple(counterpart(band, bands) for band in config.train.bands)
    return replace(config, train=replace(config.train, bands=wanted))


def _swapped(bands: tuple[str, ...]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return which bands stand in for those to train on, and these: the target has the others."""
    others = [next(b for b in equivalents(band) if b != band) for band in bands]
    return dict(zip(others, bands, strict=True)), tuple(others)
