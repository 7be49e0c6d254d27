"""Every setting of a run, changed by itself: which stages it makes stale, or why it makes none."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hscz.config import RunConfig
from hscz.config.read import as_mapping, parse
from hscz.config.schema import node_at, schema_of
from hscz.experiments.experiment import planned
from hscz.experiments.insight import look_key
from hscz.export.stage import export_key
from hscz.fetch.field import _tasks
from hscz.fetch.http import Downloader
from hscz.files.fresh import Key
from hscz.ingest.label import label_key
from hscz.ingest.stage import ingest_key
from hscz.learn.train import train_key
from hscz.mock.survey import field_key
from hscz.predict.calibration import calibration_key
from hscz.predict.stage import predict_key
from hscz.report.comparison import comparison_key
from hscz.report.evidence import Evidence
from hscz.report.field import evaluation_key
from hscz.report.nz import nz_key
from hscz.report.page import report_key
from hscz.report.results import Results
from hscz.seams import ESTIMATORS, NETWORK_BODIES

DECIDES = {
    "mock": "mock",
    "fields.A": "ingest",
    "fields.A.c2020_classic": "label",
    "fields.A.c2020_farmer": "label",
    "fields.A.spec": "label",
    "fields.A.oii": "label",
    "fields.A.truth": "label",
    "fields.A.catalogue.catalogue": "fetch ingest",
    "fields.A.bands": "fetch ingest",
    "fields.A.spec.0.catalogue": "fetch label",
    "fields.A.oii.catalogue": "fetch label",
    "fields.A.fetch": "fetch",
    "ingest": "ingest",
    "label": "label",
    "network": "train figures",
    "flatten": "train figures",
    "adapt": "train figures",
    "train": "train knn figures",
    "train.fields": "train knn calibrate nz report figures embed",
    "train.seed": "train knn calibrate figures",
    "train.name": "figures embed",
    "train.runs": "figures",
    "train.folds": "figures",
    "predict.calibrate": "predict calibrate report",
    "predict.precision": "predict calibrate report",
    "predict.renormalise": "predict calibrate report embed",
    "predict.turns": "predict calibrate report",
    "predict.zero_points": "predict calibrate report embed",
    "predict.stand_in": "predict calibrate report embed",
    "evaluate": "evaluate compare report",
    "evaluate.z_edges": "evaluate compare report embed",
    "nz": "nz report",
    "export": "export",
    "export.algorithm": "nz report export",
    "embed": "embed",
    "figures": "figures",
    "experiments.recipes": "figures",
    "experiments.seeds": "figures",
    "recipes": "figures",
}
"""Verbs whose keys a setting is part of, or all settings of a section without entries of their
own; what follows from stages before shows in their keys and is not repeated here."""

DECIDES_NOTHING = {
    "name": "names folders",
    "stores": "names folders",
    "survey": "is there to be read",
    "fetch": "how files come, not which",
    "fields.A.fetch.half_size_arcsec": "for cut-outs alone",
    "mock.difficulty": "the other keys say what it is",
    "ingest.memory_limit_mb": "how the work is done",
    "network.size": "the other keys say what the preset is",
    "train.device": "where the work is done",
    "predict.fields": "each field has a key of its own",
    "predict.name": "names folders",
    "predict.block": "how the work is done",
    "predict.batch_size": "how the work is done",
    "predict.device": "where the work is done",
    "evaluate.fields": "each field has a key of its own",
    "embed.recipes": "the recipes that there are count, in their order",
    "figures.jobs": "how the work is done",
    "experiments": "each experiment has keys of its own",
    "plan": "for hscz plan alone",
}
"""Settings that are part of no key, and why."""

FOLDERS = ("one", "two")
"""Each has all input files, and they hold something else in the other."""

RUN: dict[str, Any] = {
    "mock": {
        "fields": {"DEEP2": [1, 1]},
        "shift": {"DEEP2": {"tilt": 0.5, "at_z": 0.8, "width_z": 0.2, "factor": 3.0}},
        "conditions": {"DEEP2": {"depth_mag": dict.fromkeys("ugrizy", 26.0)}},
    },
    "fields": {
        "A": {
            "images": "one/{filter}-{tract}-{patch}.fits",
            "catalogue": {"file": "one/a.fits", "catalogue": "hsc-clauds-sextractor-lephare"},
            "bands": ["g", "r", "i"],
            "optional": ["g"],
            "per_band": {"g": {"images": "one/g.fits", "zero_point": 30.0}},
            "psf": "one/psf-{filter}-{position}.fits",
            "zero_point": 27.0,
            "c2020_classic": "one/classic.fits",
            "c2020_farmer": "one/farmer.fits",
            "spec": [{"file": "one/spec.fits", "catalogue": "zcosmos-bright-dr3"}],
            "oii": {"file": "one/oii.fits", "catalogue": "nb921-oii"},
            "truth": "one/truth.parquet",
            "ebv": "sfd",
            "fetch": {"patches": ["9813-4,4"], "box": [10.0, 11.0, 0.0, 1.0]},
        },
        "B": {
            "images": "one/{filter}.fits",
            "catalogue": {"file": "one/a.fits", "catalogue": "hsc-clauds-sextractor-lephare"},
            "bands": ["g", "r", "i"],
        },
    },
    "ingest": {"dust": "one"},
    "network": {"norm": "batch"},
    "train": {"fields": ["A"], "bands": ["g", "r", "i"]},
    "adapt": {"targets": ["B"], "adversary": "uniform"},
    "embed": {"recipes": ["v0"]},
    "plan": {"fields": {"A": {"objects": 9, "labelled": 5, "spectra": 3}}},
}
RUN["mock"]["conditions"]["DEEP2"] |= {
    "seeing_arcsec": dict.fromkeys("ugrizy", 0.7),
    "flux_offset_mag": {"u": 0.1},
}

OTHERS: dict[str, Any] = {
    "recipes": {"mine": {"base": "v0"}},
    "mock.fields": {"DEEP2": [2, 1]},
    "mock.psf_beta": [3.5],
    "mock.noise_correlation": {"g": 0.3},
    "mock.label_failure_contrast": 2.0,
    "fields.A.optional": ["i"],
    "fields.A.fetch.tracts": [9813],
    "fields.A.fetch.box": [10.0, 11.0, 0.0, 2.0],
    "fields.A.fetch.patches": ["9813-5,5"],
    "fetch.images": {"VIRCAM-": "https://x/{patch}"},
    "fetch.logins": {"x": "MY"},
    "network.layers": ["conv 4 5 relu"],
    "network.options": {"mine": 1},
    "adapt.options": {"mine": 1},
    "adapt.methods": ["degrade"],
    "adapt.layer": "conv1",
    "adapt.targets": ["C"],
    "adapt.kernels": [4, 4],
    "adapt.dense": [4],
    "train.fields": ["C"],
    "train.hidden": [["g"]],
    "train.spec_fields": ["B"],
    "train.batch_size": 32,
    "predict.stand_in": {"us": "u"},
    "nz.z_edges": [0.5, 1.0],
    "export.columns": ["ra"],
    "experiments.targets": ["B"],
    "experiments.recipes": ["v0"],
    "experiments.seeds": [2],
}
"""Values of settings for which the type alone does not give another."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("keys")
    names = (
        *(
            "HSC-G-1-1.fits",
            "HSC-R-1-1.fits",
            "HSC-I-1-1.fits",
            "g.fits",
            "a.fits",
            "truth.parquet",
        ),
        *("psf-HSC-G-10.0-1.0.fits", "classic.fits", "farmer.fits", "spec.fits", "oii.fits"),
        *("SFD_dust_4096_ngp.fits", "SFD_dust_4096_sgp.fits"),
    )
    for folder in FOLDERS:
        (root / folder).mkdir()
        for name in names:
            (root / folder / name).write_text(folder + name)
    return root


@pytest.fixture(scope="module")
def before(root: Path) -> RunConfig:
    def placed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: placed(one) for key, one in value.items()}
        if isinstance(value, list):
            return [placed(one) for one in value]
        return f"{root}/{value}" if str(value).startswith("one") else value

    return parse({**placed(RUN), "stores": str(root / "stores")})


def keys_of(config: RunConfig) -> dict[str, Key]:
    """Return the key of each verb; with no store there, none has others as inputs."""
    alone = dataclasses.replace(config, experiments=type(config.experiments)())
    plan = [one for one in planned(alone) if one.target == "B"]
    fetched = _tasks(config, "A", Downloader(config.fetch))
    assert config.mock is not None
    return {
        "mock": field_key(config.mock, "DEEP2"),
        "fetch": Key({task.path.name: task.source for task in fetched}),
        "ingest": ingest_key(config, "A"),
        "label": label_key(config, "A"),
        "train": train_key(config, 0),
        "knn": ESTIMATORS.load("knn").key(config, "A"),
        "calibrate": calibration_key(config, "A"),
        "predict": predict_key(config, "A"),
        "nz": nz_key(config, "A"),
        "evaluate": evaluation_key(config, "A"),
        "compare": comparison_key([], config.evaluate),
        "export": export_key(config, "A"),
        "report": report_key(Evidence(config, "B")),
        "figures": Results.of(config).key(),
        "embed": look_key(plan, config.embed, config.evaluate),
    }


def _positions(root: Path) -> str:
    path = root / "positions.csv"
    path.write_text("ra,dec\n10,1\n")
    return str(path)


def settings_of(section: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield name and value of every setting, those of sections inside it too."""
    for field in dataclasses.fields(section):
        value, name = getattr(section, field.name), f"{place}{field.name}"
        inner = {"": value} if dataclasses.is_dataclass(value) else value
        if isinstance(value, tuple):
            inner = dict(enumerate(value))
        if isinstance(inner, Mapping) and any(map(dataclasses.is_dataclass, inner.values())):
            for key, one in inner.items():
                yield from settings_of(one, f"{name}.{key}.".replace("..", "."))
        else:
            yield name, value


def another(name: str, value: Any, root: Path) -> Any:
    """Return another value that a setting may have."""
    if name in OTHERS:
        return OTHERS[name]
    choices = node_at(schema_of(RunConfig), _steps(name)).get("enum", [])
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1 if isinstance(value, int) else value / 2 or 0.05
    if isinstance(value, Mapping):
        return {key: another("", one, root) for key, one in value.items()}
    if isinstance(value, tuple):
        return list(value[:-1]) if len(value) > 1 else ["B"]
    if choices:
        return next(one for one in choices if one != value)
    if f"{root}/one" in value:
        return value.replace(f"{root}/one", f"{root}/two")
    return {"catalogue": "deep2", "targets": "soft"}.get(name.rpartition(".")[2], "other")


def _steps(name: str) -> list[str | int]:
    return [int(step) if step.isdigit() else step for step in name.split(".")]


def changed(config: RunConfig, name: str, value: Any) -> RunConfig:
    mapping: Any = as_mapping(config)
    *above, last = _steps(name)
    node = mapping
    for step in above:
        node = node[step]
    node[last] = value
    return parse(mapping)


def entry_of(table: Mapping[str, str], name: str) -> str:
    """Return the longest entry that a setting falls under."""
    return max((key for key in table if f"{name}.".startswith(f"{key}.")), key=len, default="")


def test_each_setting_makes_stale_what_it_decides(
    before: RunConfig, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NETWORK_BODIES.ours, "other", "that.is:never_loaded")
    monkeypatch.setitem(OTHERS, "fields.A.fetch.cutouts", _positions(root))
    notes = {verb: key.note() for verb, key in keys_of(before).items()}
    wrong, used = {}, set()
    for name, value in settings_of(before):
        if name.startswith("fields.B"):
            continue
        after = keys_of(changed(before, name, another(name, value, root)))
        found = " ".join(verb for verb, key in after.items() if key.why_stale(notes[verb]))
        made, idle = entry_of(DECIDES, name), entry_of(DECIDES_NOTHING, name)
        expected = DECIDES[made] if made and len(made) >= len(idle) else ""
        used |= {made if expected else idle}
        if sorted(found.split()) != sorted(expected.split()) or not (made or idle):
            wrong[name] = f"{found or 'nothing'}, not {expected or 'nothing'}"
    assert wrong == {}
    assert {*DECIDES, *DECIDES_NOTHING} - used == set()


def test_the_first_of_the_recipes_looked_at_counts(before: RunConfig) -> None:
    one = next(one for one in planned(before) if one.target == "B")
    plan = [dataclasses.replace(one, recipe=recipe) for recipe in ("v0", "v2")]
    note = look_key(plan, before.embed, before.evaluate).note()
    again = look_key(plan[::-1], before.embed, before.evaluate)
    assert again.why_stale(note) == "embed.recipes was ['v0', 'v2']"
