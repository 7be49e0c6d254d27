"""Settings of the experiments: which recipes on which targets, and recipes of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le
from pydantic import ValidationError, WrapValidator

from hscz.config.learn import AdaptConfig, FlattenConfig, NetworkConfig, TrainConfig
from hscz.config.results import PredictConfig
from hscz.config.section import section
from hscz.config.values import Count, Flag, Natural, Number, named_in
from hscz.seams import ESTIMATORS


@section
class ExperimentsConfig:
    """Section [experiments]: recipes x targets x seeds, each trained and predicted."""

    targets: tuple[str, ...] = ()
    """Fields without labels to adapt to and to predict."""
    recipes: tuple[str, ...] = ()
    """Names of `hscz.experiments.recipes.RECIPES` or of sections [recipes.NAME]."""
    seeds: tuple[Natural, ...] = ()
    """Repeat all with these seeds, of the mock survey too; empty takes the file's own."""
    jobs: Count = 1
    """Trainings, and then predictions, that run side by side, each in its own process."""
    publish: str = ""
    """Recipe whose redshifts of the targets become catalogues; empty makes none."""


def _as_written(value: Any, check: Callable[[Any], Any]) -> Any:
    """Check what is written key by key and keep it, without the defaults of what is not."""
    try:
        check(value)
    except ValidationError as error:
        # Whether the keys of a section fit together shows where the recipe is applied.
        if any(one["loc"] or one["type"] != "value_error" for one in error.errors()):
            raise
    return value


@section
class RecipeConfig:
    """Section [recipes.NAME]: a recipe of your own, by what differs from another."""

    base: str = ""
    """Recipe that it starts from; empty starts from the settings of this file."""
    about: str = ""
    """What it is, in a few words."""
    method: Annotated[str, *named_in(ESTIMATORS)] = ""
    """Estimator in place of the network, such as knn; empty takes that of the base."""
    swap_u: Flag = False
    """Train on the u-type band that the target lacks."""
    epochs_factor: Annotated[Number, Ge(0.1), Le(100)] = 1.0
    """Epochs, times those that the settings give."""
    network: Annotated[NetworkConfig, WrapValidator(_as_written)] = field(
        default_factory=NetworkConfig
    )
    """Settings of [network] that differ; with size they are those of that preset."""
    train: Annotated[TrainConfig, WrapValidator(_as_written)] = field(default_factory=TrainConfig)
    """Settings of [train] that differ; TARGET stands for the target."""
    adapt: Annotated[AdaptConfig, WrapValidator(_as_written)] = field(default_factory=AdaptConfig)
    """Settings of [adapt] that differ."""
    flatten: Annotated[FlattenConfig, WrapValidator(_as_written)] = field(
        default_factory=FlattenConfig
    )
    """Settings of [flatten] that differ."""
    predict: Annotated[PredictConfig, WrapValidator(_as_written)] = field(
        default_factory=PredictConfig
    )
    """Settings of [predict] that differ."""


if TYPE_CHECKING:
    Recipe = dict[str, Any]
else:
    Recipe = Annotated[RecipeConfig, WrapValidator(_as_written)]
