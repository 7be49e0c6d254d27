"""Sections of a report on the networks: what they are, learnt from, and whether adaptation acts."""

from __future__ import annotations

import pandas as pd

from hscz.errors import InputError
from hscz.experiments.acting import format_probes, probes
from hscz.experiments.compare import REFERENCES
from hscz.experiments.experiment import known_recipes
from hscz.report.blocks import Block, Words, counted, facts, rounded
from hscz.report.evidence import Evidence

COMPARED_AT = ((18.0, 24.0), (23.0, 25.0))
"""Samples in i magnitude in which recipes stand side by side."""


def network(evidence: Evidence) -> list[Block]:
    """Return what the networks are and how they were trained."""
    config, models, used = evidence.config, evidence.models, evidence.settings()
    body, train, epochs = used["network"], used["train"], models[0].epochs()
    about = known_recipes(config)[evidence.recipe].about if evidence.recipe else ""
    steps = sum(row.get("steps", 0) for row in epochs)
    shape = f"{body['body']}, {len(body['layers'])} layers, {body['norm']} normalisation"
    pairs = [
        ("recipe", ": ".join(filter(None, [evidence.recipe, about]))),
        ("networks", f"{len(models)}, {shape}, stamps of {body['input_px']} px"),
        ("bands", ", ".join(used["bands"])),
        ("redshift bins", f"{len(used['z_edges']) - 1} up to z = {used['z_edges'][-1]:g}"),
        ("training", f"{len(epochs)} epochs, {steps:,.0f} steps, seed {train['seed']}"),
        ("adaptation", _adaptation(evidence)),
        ("prediction", _prediction(evidence)),
        ("trained", f"{models[0].note().get('made', 'no date')}, "
                    f"hscz {models[0].note().get('hscz', 'of an unknown version')}"),
    ]  # fmt: skip
    return [facts(pairs)]


def labels(evidence: Evidence) -> list[Block]:
    """Return how many labels the networks have learnt from, and of which kind."""
    folder = evidence.models[0]
    split = folder.read_split(["field", "mag_i", "z_label", "sigma", "used", "part"])
    rows = []
    for name, some in split[split["used"]].groupby("field", sort=False):
        for part, those in some.groupby("part"):
            spec = int((those["sigma"] == 0).sum())
            low, middle, high = those["mag_i"].quantile([0.05, 0.5, 0.95])
            z_low, z_middle, z_high = those["z_label"].quantile([0.05, 0.5, 0.95])
            what = "held out" if part == "validation" else "training"
            cells = [f"{name}, {what}", f"{spec:,}"]
            cells += [f"{len(those) - spec:,}", f"{middle:.2f} ({low:.2f} to {high:.2f})"]
            cells.append(f"{z_middle:.2f} ({z_low:.2f} to {z_high:.2f})")
            rows.append((len(those), cells))
    heads = ["labels", "N", "spectroscopic", "photometric", "i: median (5 to 95 %)", "z"]
    caption = "Redshifts that the first network has learnt from, and those held out of it"
    return [counted(heads, rows, caption), Words(_none_of_its_own(evidence))]


def _none_of_its_own(evidence: Evidence) -> str:
    config, name = evidence.config, evidence.name
    if evidence.is_source:
        return f"{name} is where the labels are: it is judged on what was held out."
    if name in config.train.spec_fields:
        return (
            f"Spectroscopic redshifts of {name} are among the labels: what is judged against these "
            "is judged on galaxies like those learnt from."
        )
    return f"No redshift of {name} was used in training, choice or calibration."


def adaptation(evidence: Evidence) -> list[Block]:
    """Return what the probes say of adaptation."""
    name = evidence.recipe or evidence.config.train.name
    found = probes(evidence.plan)
    ours = found[found["recipe"] == name] if len(found) else found
    if not len(ours):
        if evidence.config.adapt.in_force and not evidence.is_source:
            said = "The history of the networks has no probe; run 'hscz train' to make it."
            return [Words(said, "missing")]
        return [Words("The networks know no target, and no probe tells fields apart by them.")]
    controls = found[found["recipe"].isin(ours["against"])]
    lines = format_probes(pd.concat([ours, controls])).replace("+-", "±").splitlines()
    note = (
        "Probe: the share of held-out galaxies, matched in i magnitude, whose field a fresh "
        "classifier gets right by the maps of the layer watched; 0.5 where it cannot. A low probe "
        "says that an adversary does something, not that it does good; recipes without an "
        "adversary have no reason to lower it."
    )
    return [*map(Words, lines), Words(note, "note")]


def side_by_side(evidence: Evidence) -> list[Block]:
    """Return the recipes of a run side by side, where there are several."""
    if evidence.comparison is None or len(evidence.plan) < 2:
        return []
    table = evidence.comparison_table("comparison")
    ours = (table["target"] == evidence.name) & (table["field"] == evidence.name)
    table = table[ours & (table["seed"] == evidence.plan[0].seed)]
    test = next((one for one in REFERENCES if (table["test"] == one).any()), None)
    if test is None:
        raise InputError(f"no recipe is judged on {evidence.name}, which has no known redshifts")
    rows = []
    for low, high in COMPARED_AT:
        inside = (table["low"] == low) & (table["high"] == high)
        chosen = table[inside & (table["test"] == test) & (table["by"] == "mag_i")]
        rows += [(row["n"], _recipe_cells(row)) for _, row in chosen.iterrows()]
    heads = ["recipe, sample", "N", "b", "σ_MAD", "η (|dz| > 0.15)"]
    caption = f"Recipes on {evidence.name} against {REFERENCES[test]}, this seed alone"
    return [counted(heads, rows, caption)]


def _recipe_cells(row: pd.Series) -> list[str]:
    metrics = ("bias", "sigma_mad", "outlier_fraction")
    values = [rounded(row[key], row[f"{key}_err"]) for key in metrics]
    return [f"{row['recipe']}, {row['low']:g} ≤ i < {row['high']:g}", *values]


def ways(evidence: Evidence) -> str:
    """Return in what ways the networks are adapted."""
    adapt, found = evidence.config.adapt, evidence.config.predict.renormalise * ["AdaBN"]
    words = {
        "degrade": f"{adapt.degrade_share:.0%} of the source's stamps made like a target's",
        "adversary": f"an adversary ({adapt.adversary}, weight {adapt.weight:g})",
    }
    return ", ".join([*(words.get(name, name) for name in adapt.in_force), *found]) or "none"


def _adaptation(evidence: Evidence) -> str:
    seen = ", ".join(evidence.config.adapt.targets)
    return f"{ways(evidence)}{f'; pixels of {seen}, without their redshifts' if seen else ''}"


def _prediction(evidence: Evidence) -> str:
    asked = evidence.config.predict
    said = [f"{asked.turns} {'turns' if asked.turns > 1 else 'turn'} of each stamp"]
    said.append(f"zero points {asked.zero_points}")
    said.append("calibrated" if asked.calibrate != "none" else "not calibrated")
    said += [f"{theirs} in place of {ours}" for ours, theirs in asked.stand_in.items()]
    return ", ".join(said)
