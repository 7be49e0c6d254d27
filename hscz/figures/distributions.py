"""Redshift distributions of recipes, all seeds together: n(z) in bins of i, [OII] candidates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from hscz.errors import InputError
from hscz.experiments.compare import Estimates
from hscz.experiments.recipes import with_role
from hscz.figures.figure import Figure
from hscz.figures.marks import grid, load_backends
from hscz.figures.nz import distributions, n_of_z_panels
from hscz.figures.oii import oii_panels, oii_table


def n_of_z_by_magnitude(
    estimates: Iterable[Estimates],
    training: Mapping[int, pd.DataFrame],
    target: str,
    recipes: Sequence[str] = with_role("headline"),
) -> Figure:
    """Draw the redshift distributions of a target in six bins of i, all seeds together.

    Parameters
    ----------
    estimates : iterable of Estimates
    training : mapping of int to pandas.DataFrame
        By seed, ``z_label`` and ``mag_i`` of the objects trained on.
    target : str
    recipes : sequence of str

    Returns
    -------
    Figure
        Table: that of `hscz.figures.nz.distributions`.

    Raises
    ------
    InputError
        If the target has no estimates of the recipes.
    """
    load_backends()
    pooled = _pooled(estimates, target, recipes)
    columns = {}
    if training:
        columns["training"] = pd.concat(training.values())[["z_label", "mag_i"]]
    columns |= {recipe: objects[["z_median", "mag_i"]] for recipe, objects in pooled.items()}
    first = next(iter(pooled.values()))
    if "z_true" in first and first["z_true"].notna().any():
        columns["truth"] = first[["z_true", "mag_i"]]
    samples = {model: table.set_axis(["z", "mag_i"], axis=1) for model, table in columns.items()}
    table = distributions(samples)
    panels = n_of_z_panels(table, (*pooled, "truth"))
    plot = grid(panels, columns=3, title=target, gap=(0.25, 0.15))
    return Figure(f"{target}_n_of_z", f"Redshift distributions of {target}", plot, table)


def oii_histograms(
    estimates: Iterable[Estimates], target: str, recipes: Sequence[str] = with_role("on emitters")
) -> Figure:
    """Draw the redshifts given to [OII] candidates, the line's 1.4657 marked, all seeds together.

    Parameters
    ----------
    estimates : iterable of Estimates
    target : str
    recipes : sequence of str

    Returns
    -------
    Figure
        A panel per recipe, its metrics above; what lies outside the axis counts in eta. Table:
        that of `hscz.figures.oii.oii_table`.

    Raises
    ------
    InputError
        If the target has no candidates, or no estimates of the recipes.
    """
    load_backends()
    found = {}
    for recipe, objects in _pooled(estimates, target, recipes).items():
        if "is_oii_candidate" not in objects or not objects["is_oii_candidate"].any():
            raise InputError(f"{target}: no [OII] candidates; give its catalogue to label")
        chosen = objects["is_oii_candidate"].astype(bool)
        found[recipe] = objects.loc[chosen, "z_median"].dropna()
    table = oii_table(found)
    plot = grid(
        oii_panels(table, list(found)),
        columns=3,
        title=f"[OII] candidates of {target}",
        gap=(0.25, 0.15),
    )
    return Figure(f"{target}_oii", f"[OII] candidates of {target}", plot, table)


def _pooled(
    estimates: Iterable[Estimates], target: str, recipes: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Return the objects of a target by recipe, those of all seeds together."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for one in estimates:
        if one.target == one.field == target:
            parts.setdefault(one.recipe, []).append(one.table)
    found = {name: pd.concat(parts[name], ignore_index=True) for name in recipes if name in parts}
    if not found:
        raise InputError(f"no estimates of {', '.join(recipes)} for {target}; predict them first")
    return found
