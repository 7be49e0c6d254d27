"""What the networks of a run see, before and after the adaptation: tables, text and planes.

For each recipe a source and a target field are shown to its network, and every layer is scored:
how it groups galaxies by redshift, and how well it distinguishes the fields, which adaptation is
there to prevent. Redshifts of the target serve to judge alone; the layer to draw is chosen by
those of the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hscz.config import EmbedConfig, EvaluateConfig, RunConfig
from hscz.config.decisive import key_of
from hscz.errors import ConfigError, about
from hscz.evaluate.tables import write_table
from hscz.experiments.embed import COMPONENTS, check_method, plane, principal
from hscz.experiments.experiment import Experiment, planned
from hscz.experiments.layers import Sample, activations, draw_sample, score
from hscz.experiments.recipes import with_role
from hscz.files.atomic import write_atomic
from hscz.files.fresh import Key
from hscz.ingest.zeropoints import zero_point_scale
from hscz.predict.ensemble import Ensemble, in_training
from hscz.predict.keys import labelled, trained
from hscz.stores import open_field


@dataclass(frozen=True)
class View:
    """What one recipe's network makes of n galaxies of the source, then n of the target.

    Attributes
    ----------
    components : dict of str to ndarray, shape (2 n, k)
        Principal components of the activations, by layer, first to last.
    n_values : dict of str to int
        Entries of the vectors that the components are of.
    z_median : ndarray, shape (2 n,)
        Medians of the network's PDFs.
    """

    components: dict[str, NDArray[np.float64]]
    n_values: dict[str, int]
    z_median: NDArray[np.float64]


BLOCKS = {
    "field_linear": "Share whose field a linear classifier gets right; 0.5 where it cannot",
    "field_curved": "The same of a classifier whose border may be curved",
    "silhouette_field": "Silhouette by field; 0 where fields lie on each other",
    "silhouette_z_source": "Silhouette by redshift, {source} ({known_source}, N = {n_z_source})",
    "silhouette_z_target": "Silhouette by redshift, {target} ({known_target}, N = {n_z_target})",
}
"""Columns of the text and their headings."""

COMPONENTS_SPACE = "components"
"""Where layers are scored; the one drawn is scored on its plane, too."""

MAGNITUDE = "mag_i"
"""Row in the place of a layer: what the i magnitude alone shows."""


def folder(config: RunConfig) -> Path:
    """Return where the tables of a run go."""
    return config.root / "comparisons" / config.name


def planes_file(config: RunConfig, target: str) -> Path:
    """Return where the planes of a target are, which Figure 14 draws."""
    return folder(config) / f"layers_{target}_planes.parquet"


def looked_at(config: RunConfig) -> dict[str, list[Experiment]]:
    """Return the experiments to look at by target, those before the adaptation first.

    Raises
    ------
    ConfigError
        If the run has none of the recipes, or no target.
    """
    plan = [one for one in planned(config) if one.estimator.trains and len(one.fields) > 1]
    recipes = config.embed.recipes or with_role("headline")
    if not config.experiments.recipes:
        recipes = (config.train.name,)
    found: dict[str, list[Experiment]] = {}
    for recipe in recipes:
        for one in plan:
            if one.recipe == recipe:
                found.setdefault(one.target, []).append(one)
    if not found:
        have = ", ".join(dict.fromkeys(one.recipe for one in plan))
        raise ConfigError(
            f"{config.name}: embed.recipes has {', '.join(recipes)}, but the networks of this run "
            f"that are used on a target are {have or 'none'}; name some of them"
        )
    return found


def look(plan: Sequence[Experiment], embed: EmbedConfig, judged: EvaluateConfig) -> str:
    """Score every layer of the networks for one target, and lay one layer out on a plane.

    Of each recipe the first network is looked at. Writes ``layers_TARGET.parquet`` (the scores,
    see `score_layers`), ``layers_TARGET_planes.parquet`` (see `lay_out`) and the text.

    Parameters
    ----------
    plan : sequence of Experiment
        Recipes for one target, trained; the first is the one before the adaptation.
    embed : EmbedConfig
    judged : EvaluateConfig
        Its ``z_edges`` are the bins of redshift.

    Returns
    -------
    str
        The scores, to read.

    Raises
    ------
    ConfigError
        If the layer is unknown, or a package that the settings need is not installed.
    StoreError
        If a network or store is absent or has too few objects.
    """
    check_method(embed.method)
    source, target = draw_samples(plan, embed)
    views = {one.recipe: view(one, (source, target), embed) for one in plan}
    if embed.layer:
        _check_layer(views, embed.layer)
    table = score_layers(views, (source, target), embed, judged)
    layer = embed.layer or best_layer(table, plan[0].recipe)
    planes = lay_out(views, (source, target), layer, embed)
    drawn = _score_planes(planes, (source, target), layer, embed, judged)
    table = pd.concat([table, drawn], ignore_index=True)
    stem = folder(plan[0].config) / f"layers_{target.field}"
    write_table(table, stem.with_name(f"{stem.name}.parquet"))
    write_table(planes, planes_file(plan[0].config, target.field))
    text = format_layers(table, source, target)
    write_atomic(stem.with_name(f"{stem.name}.txt"), lambda path: path.write_text(text + "\n"))
    return text


def look_key(plan: Sequence[Experiment], embed: EmbedConfig, judged: EvaluateConfig) -> Key:
    """Return what `look` works from."""
    first = plan[0]
    inputs = labelled(first.config, first.fields)
    inputs["train"] = {one.recipe: trained(one.config.models[:1]) for one in plan}
    ways = {
        f"{one.recipe}.predict.{key}": getattr(one.config.predict, key)
        for one in plan
        for key in ("renormalise", "stand_in", "zero_points")
    }
    # The first recipe chooses the layer to draw.
    others = {"evaluate.z_edges": judged.z_edges, "embed.recipes": [one.recipe for one in plan]}
    return key_of(inputs, others | ways, embed=embed)


def draw_samples(plan: Sequence[Experiment], embed: EmbedConfig) -> tuple[Sample, Sample]:
    """Draw as many galaxies of the source, none of them trained on, as of the target."""
    config, (target, source) = plan[0].config, plan[0].fields[:2]
    folders = [str(one.config.models[0]) for one in plan]
    samples = []
    for name, known in ((source, "z_label"), (target, "z_spec")):
        path = config.field_store(name)
        learnt = in_training(open_field(path, lazy=False), folders).any(axis=0)
        samples.append(draw_sample(path, embed.n, embed.seed, learnt, known))
    least = min(len(one.rows) for one in samples)
    first, second = (one.thinned(least, embed.seed) for one in samples)
    return first, second


def view(one: Experiment, samples: tuple[Sample, Sample], embed: EmbedConfig) -> View:
    """Show both samples to a recipe's first network, as it is when it predicts their field."""
    seen = []
    for sample in samples:
        settings, scale = one.config.predict, zero_point_scale(one.config, sample.field)
        model = Ensemble.of(one.config.models[:1], settings, sample.path, scale).load()[0]
        store = open_field(sample.path, lazy=False)
        with about(sample.path):
            seen.append(activations(model, store, sample.rows, embed.cells, settings, scale))
    components, n_values = {}, {}
    for layer in list(seen[0].vectors):
        # Vectors may be long: those of a layer go as soon as they have been looked at.
        vectors = np.concatenate([each.vectors.pop(layer) for each in seen])
        components[layer] = principal(vectors, seed=embed.seed)
        n_values[layer] = vectors.shape[1]
    return View(components, n_values, np.concatenate([each.z_median for each in seen]))


def score_layers(
    views: Mapping[str, View],
    samples: tuple[Sample, Sample],
    embed: EmbedConfig,
    judged: EvaluateConfig,
) -> pd.DataFrame:
    """Score the principal components of every layer of every recipe.

    Returns
    -------
    pandas.DataFrame
        One row per ``recipe`` and ``layer``: ``space`` (``components``), ``n`` objects of each
        field, ``n_values`` of a vector, and the scores of `hscz.experiments.layers.score`. The rows
        with the layer `MAGNITUDE` say what the i magnitude alone shows of the field.
    """
    mags = principal(np.concatenate([sample.table[["mag_i"]] for sample in samples]))
    rows = []
    for recipe, seen in views.items():
        for layer, places in {MAGNITUDE: mags, **seen.components}.items():
            about = {"recipe": recipe, "layer": layer, "space": COMPONENTS_SPACE}
            numbers = {"n": len(places) // 2, "n_values": seen.n_values.get(layer, 1)}
            rows.append({**about, **numbers, **_scored(places, samples, embed, judged)})
    return pd.DataFrame(rows)


def best_layer(table: pd.DataFrame, recipe: str) -> str:
    """Return the layer that groups the source's galaxies best by redshift, as the paper chose."""
    rows = table[(table["recipe"] == recipe) & (table["space"] == COMPONENTS_SPACE)]
    rows = rows[rows["layer"] != MAGNITUDE]
    # Deepest first: without labels all layers are alike.
    scores = rows.set_index("layer")["silhouette_z_source"].fillna(-1.0)[::-1]
    return str(scores.idxmax())


def lay_out(
    views: Mapping[str, View],
    samples: tuple[Sample, Sample],
    layer: str,
    embed: EmbedConfig,
) -> pd.DataFrame:
    """Lay the galaxies of both fields out on one plane for each recipe.

    Returns
    -------
    pandas.DataFrame
        One row per recipe and galaxy: ``recipe, layer, method, field, is_target, object_id,
        mag_i, z_known``, ``z_median`` (of the network's own PDF) and the place ``x, y``.

    Raises
    ------
    ConfigError
        If a network has no such layer.
    """
    _check_layer(views, layer)
    tables = []
    for recipe, seen in views.items():
        places = plane(seen.components[layer], embed.method, embed.seed)
        halves = zip(np.split(places, 2), np.split(seen.z_median, 2), strict=True)
        for number, (part, z_median) in enumerate(halves):
            own = samples[number].table.assign(
                recipe=recipe,
                layer=layer,
                method=embed.method,
                field=samples[number].field,
                is_target=number == 1,
                z_median=z_median,
                x=part[:, 0],
                y=part[:, 1],
            )
            tables.append(own)
    return pd.concat(tables, ignore_index=True)


def format_layers(table: pd.DataFrame, source: Sample, target: Sample) -> str:
    """Return the scores as text, a block for each and a column for each recipe."""
    names = {"source": source.field, "target": target.field}
    names |= {"known_source": source.known, "known_target": target.known}
    plain = table["space"] == COMPONENTS_SPACE
    shown = table.assign(layer=table["layer"].where(plain, table["layer"] + ", " + table["space"]))
    lines = [
        f"{source.field} (not trained on) and {target.field}, {len(source.rows):,} galaxies of "
        f"each; values +- errors of {COMPONENTS} principal components; {MAGNITUDE}: the magnitude "
        "alone; last row: what the plane of the layer drawn keeps"
    ]
    for column, heading in BLOCKS.items():
        about = names | {key: int(table[key].iloc[0]) for key in ("n_z_source", "n_z_target")}
        cells = shown[column].map("{:.3f}".format) + " +- "
        cells += shown[f"{column}_err"].map("{:.3f}".format)
        block = shown.assign(cell=cells).pivot(index="layer", columns="recipe", values="cell")
        block = block.loc[shown["layer"].unique(), shown["recipe"].unique()]
        lines += ["", heading.format(**about), block.rename_axis(None, axis=1).to_string()]
    return "\n".join(lines)


def _check_layer(views: Mapping[str, View], layer: str) -> None:
    for recipe, seen in views.items():
        if layer not in seen.components:
            known = ", ".join(seen.components)
            raise ConfigError(f"embed.layer is {layer!r}; {recipe} has {known}")


def _score_planes(
    planes: pd.DataFrame,
    samples: tuple[Sample, Sample],
    layer: str,
    embed: EmbedConfig,
    judged: EvaluateConfig,
) -> pd.DataFrame:
    """Score what is left on the plane, in the columns of `score_layers`."""
    rows = []
    for recipe, both in planes.groupby("recipe", sort=False):
        places = both[["x", "y"]].to_numpy()
        about = {"recipe": recipe, "layer": layer, "space": f"{embed.method} plane"}
        numbers = {"n": len(places) // 2, "n_values": 2}
        rows.append({**about, **numbers, **_scored(places, samples, embed, judged)})
    return pd.DataFrame(rows)


def _scored(
    places: NDArray[np.float64],
    samples: tuple[Sample, Sample],
    embed: EmbedConfig,
    judged: EvaluateConfig,
) -> dict[str, float]:
    """Score places of the source's objects, then as many of the target's."""
    source, target = np.split(places, 2)
    z_source, z_target = (sample.table["z_known"].to_numpy(float) for sample in samples)
    return score(source, target, z_source, z_target, judged.z_edges, embed.seed)
