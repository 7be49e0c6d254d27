"""The paper's recipes, their variants and the baselines: each declared here and nowhere else.

A recipe is what differs from the settings of the file, with its looks in figures and the roles
that it plays in them and in the comparison. Everything else asks for a role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

TARGET, ALL_TARGETS = "TARGET", "ALL_TARGETS"
"""Stand, in a recipe, for the experiment's target field and for all of the file's targets that
have the same u-type band."""

Settings = Mapping[str, Any]

Role = Literal["paper", "headline", "candidate", "against magnitude", "on emitters"]
"""Where recipes are shown or take part: ``paper`` (its own four), ``headline`` (figures with room
for a few), ``candidate`` (the rule without labels chooses among these, which learn from the same
labels), ``against magnitude`` and ``on
emitters`` (the figures of the comparison)."""


@dataclass(frozen=True)
class Recipe:
    """What differs from the settings of the file, or from another recipe.

    Attributes
    ----------
    about : str
        What it is, in a few words.
    base : str
        Recipe that it starts from; empty starts from the settings of the file.
    method : str
        One of `hscz.seams.ESTIMATORS`; empty takes that of the base, and a network without one.
    swap_u : bool
        Train on the u-type band that the target lacks.
    epochs_factor : float
        Epochs, times those that the settings give.
    network, train, adapt, flatten, predict : mapping
        Settings of these sections that differ.
    colour, marker : str
        In figures; empty for those of any recipe of the user's own.
    roles : tuple of str
        Of `Role`.
    """

    about: str = ""
    base: str = ""
    method: str = ""
    swap_u: bool = False
    epochs_factor: float = 1.0
    network: Settings = field(default_factory=dict)
    train: Settings = field(default_factory=dict)
    adapt: Settings = field(default_factory=dict)
    flatten: Settings = field(default_factory=dict)
    predict: Settings = field(default_factory=dict)
    colour: str = ""
    marker: str = ""
    roles: tuple[Role, ...] = ()

    @property
    def trains(self) -> bool:
        """Whether it has networks of its own; otherwise it uses those of its base."""
        changed = any((self.network, self.train, self.adapt, self.flatten))
        return not self.base or changed or self.epochs_factor != 1


BASELINE, SPECTRA, ADVERSARY, SPECTRA_AND_ADVERSARY = "v0", "v1", "v2", "v3"
"""The paper's: source labels alone; with the target's spectroscopic redshifts; with the
adversary; with both."""

RECOMMENDED, ORACLE, SWAPPED = "recommended", "oracle", "v0-swapped"
"""Ours; the limit that only a simulation has; the baseline on the other u-type band."""

CONTROL = "control"
"""The adversary's own: the same network, batches and statistics without its pull."""

EARLIER = "degraded-adabn"
"""What was recommended before: a network for each target."""

LONG = "v0-long"
"""The control of what is recommended: all of it but the stamps made like a target's."""

_ADVERSARY = {
    **{"targets": [TARGET], "adversary": "inverted"},
    **{"verdict": "single", "judged_share": 0.5, "weight": 0.1, "rate": 4.0},
}
_RECOMMENDED_PREDICTION = {"turns": 2, "zero_points": "measured", "calibrate": "pit"}
_SPEC = {"spec_fields": [TARGET], "folds": 5, "validation_fraction": 0.2}
_SHOWN: tuple[Role, ...] = ("against magnitude", "on emitters")

# The paper's v0 blue, v1 pink, v2 orange, v3 turquoise. Kin of v0 are shades of blue, those of v2
# of orange, those on degraded stamps of red.
RECIPES: Mapping[str, Recipe] = {
    BASELINE: Recipe(
        "the labelled field alone",
        colour="#1f5fb4",
        marker="o",
        roles=("paper", "headline", "candidate", *_SHOWN),
    ),
    SPECTRA: Recipe(
        "v0 and the target's spectroscopic redshifts",
        train=_SPEC,
        colour="#e377b4",
        marker="s",
        roles=("paper", *_SHOWN),
    ),
    ADVERSARY: Recipe(
        "v0 and an adversary that judges single galaxies",
        adapt=_ADVERSARY,
        colour="#f28e1c",
        marker="^",
        roles=("paper", "headline", "candidate", *_SHOWN),
    ),
    SPECTRA_AND_ADVERSARY: Recipe(
        "the labels of v1 and the adversary",
        ADVERSARY,
        train=_SPEC,
        colour="#17becf",
        marker="v",
        roles=("paper", *_SHOWN),
    ),
    "adabn": Recipe(
        "v0 with AdaBN",
        BASELINE,
        predict={"renormalise": True},
        colour="#7b4fb5",
        marker="D",
        roles=("against magnitude",),
    ),
    "knn": Recipe(
        "nearest neighbours in measured magnitudes",
        method="knn",
        predict={"zero_points": "measured"},
        colour="#8a9a1f",
        marker="X",
        roles=("against magnitude",),
    ),
    "flexzboost": Recipe(
        "conditional densities from boosted trees on measured magnitudes",
        method="flexzboost",
        predict={"zero_points": "measured"},
        colour="#4d5b0a",
        marker="<",
        roles=("against magnitude",),
    ),
    "degraded": Recipe(
        "the source made like the target",
        adapt={"targets": [TARGET], "degrade": True},
        colour="#f2b6a0",
        roles=("candidate",),
    ),
    EARLIER: Recipe(
        "every other batch of the source made like the target, and AdaBN",
        "degraded",
        adapt={"degrade_share": 0.5, "degrade_by": "batch"},
        predict={"renormalise": True},
        colour="#d98c5f",
    ),
    LONG: Recipe(
        "v0 with the epochs, turns, zero points and calibration of recommended",
        BASELINE,
        epochs_factor=2,
        predict=_RECOMMENDED_PREDICTION,
        colour="#0b3d91",
    ),
    RECOMMENDED: Recipe(
        "one network for all targets, half of its stamps made like one of theirs",
        # One training in place of one for each target has time to last longer.
        epochs_factor=2,
        adapt={"targets": [ALL_TARGETS], "degrade": True, "degrade_share": 0.5},
        predict=_RECOMMENDED_PREDICTION,
        colour="#c1121f",
        marker="*",
        roles=("headline", "candidate", *_SHOWN),
    ),
    "degraded-v2": Recipe(
        "v2 with half of the source's stamps made like the target",
        ADVERSARY,
        adapt={"degrade": True, "degrade_share": 0.5},
        colour="#e0563f",
        roles=("candidate",),
    ),
    ORACLE: Recipe(
        "trained on true redshifts of the target, judged on galaxies held out",
        # As long as the recipe that trains longest, or it would be no limit.
        epochs_factor=2,
        train={"fields": [TARGET], "label": "z_true"},
        flatten={"enabled": False},
        predict={"turns": 2, "calibrate": "pit"},
        colour="#6b4423",
        marker="P",
        roles=_SHOWN,
    ),
    CONTROL: Recipe(
        "v2 with weight 0: what is left is that each field has its own statistics",
        ADVERSARY,
        adapt={"weight": 0.0},
        colour="#7d8aa0",
    ),
    "v2-paper": Recipe(
        "v2 exactly as in the paper: pairs of galaxies, side by side, at equal rates and weights",
        ADVERSARY,
        adapt={"verdict": "pair", "judged_share": 1.0, "weight": 1.0, "rate": 1.0},
        colour="#d4761a",
    ),
    "v2-mixed": Recipe(
        "v2 with one set of statistics for both fields",
        ADVERSARY,
        adapt={"statistics": "mixed"},
        colour="#a8590a",
    ),
    "uniform": Recipe(
        "v2 with domain confusion", ADVERSARY, adapt={"adversary": "uniform"}, colour="#f7c948"
    ),
    "reversal": Recipe(
        "v2 with reversed gradients", ADVERSARY, adapt={"adversary": "reversal"}, colour="#b8860b"
    ),
    "v2-all": Recipe(
        "one v2 for all targets with the same u-type band",
        ADVERSARY,
        adapt={"targets": [ALL_TARGETS]},
        colour="#ffcf9e",
    ),
    SWAPPED: Recipe(
        "v0 trained on u* for a target with u, or the reverse",
        BASELINE,
        swap_u=True,
        colour="#8fc1ea",
    ),
    "v0-both-u": Recipe(
        "one v0 for u and u*, which it can distinguish",
        train={"bands": ["u", "us", "g", "r", "i", "z", "y"], "hidden": [["u"], ["us"], []]},
        colour="#6fa8a0",
    ),
    "v0-one-hot": Recipe("v0 with one-hot labels", train={"targets": "one_hot"}, colour="#4a8fd8"),
    "v0-mixture": Recipe(
        "v0 with the four COSMOS2020 redshifts as labels",
        train={"targets": "mixture"},
        colour="#3a6ea5",
    ),
    "v0-wide-bins": Recipe(
        "v0 with bins even in ln(1+z)", train={"grid": "log1pz"}, colour="#123a73"
    ),
    "v0-not-flattened": Recipe(
        "v0 with n(z) as it is", flatten={"enabled": False}, colour="#b9c9e8"
    ),
}
"""Recipes by name, in the order in which figures draw them."""


def with_role(role: Role) -> tuple[str, ...]:
    """Return the names of the recipes with a role, in their order.

    Examples
    --------
    >>> with_role("headline")
    ('v0', 'v2', 'recommended')
    """
    assert role in get_args(Role), role
    return tuple(name for name, recipe in RECIPES.items() if role in recipe.roles)
