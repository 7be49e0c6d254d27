"""The runner: what it makes, says and skips, on runs that are moved, changed and asked twice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hscz.cli import main
from hscz.config.read import load
from hscz.errors import ConfigError, IncompleteError, InputError, UnjudgedError
from hscz.files.fresh import NOT_YET
from hscz.files.lock import at_work
from hscz.run.runner import Outcome, go_through, run
from hscz.run.stage import Stage
from hscz.run.stages import stages
from hscz.run.table import Table, watch
from hscz.stores import open_field
from tests.helpers.tiny_survey import CONFIG, OBJECTS, SPEC, calexp, make_field, snapshot


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that went through."""
    root = tmp_path_factory.mktemp("run")
    (root / "run.toml").write_text(CONFIG)
    (root / "objects.toml").write_text(OBJECTS)
    (root / "spec.toml").write_text(SPEC)
    for number, name in enumerate("AB", start=1):
        make_field(root, name, number)
    assert on_one_thread("run", str(root / "run.toml"), "--quiet") == 0
    return root


def on_one_thread(*arguments: str) -> int:
    """Run a verb in a process of its own, in which sums have one order."""
    command = [sys.executable, "-m", "hscz.cli", *arguments]
    return subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode


@pytest.fixture
def made(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, whose files are as old as the copy."""
    return Path(shutil.copytree(whole, tmp_path / "there", copy_function=shutil.copyfile))


def stale(root: Path, *overrides: str) -> dict[str, str]:
    """Return why each stage would be made."""
    outcomes = run(load(root / "run.toml", overrides), dry_run=True)
    return {one.stage.name: one.why for one in outcomes if one.state == "would make"}


def test_a_project_that_was_copied_is_up_to_date(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stale(made) == {}
    assert main(["run", str(made / "run.toml"), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert said.count("up to date") == 11
    assert str(made) in said


def test_models_trained_elsewhere_are_used(whole: Path, tmp_path: Path) -> None:
    for name in ("models", "fields"):
        shutil.copytree(
            whole / "out" / name, tmp_path / "out" / name, copy_function=shutil.copyfile
        )
    shutil.copy(whole / "run.toml", tmp_path)
    assert main(["predict", str(tmp_path / "run.toml"), "--quiet"]) == 0
    here, there = (load(root / "run.toml").cube("B") for root in (tmp_path, whole))
    assert _fingerprint(here) == _fingerprint(there)


def _fingerprint(cube: Path) -> str:
    from hscz.stores import attributes

    return str(attributes(cube)["fingerprint"])


@pytest.mark.parametrize(
    ("change", "verb", "why"),
    [
        ("train.epochs=2", "train", "train.epochs was 1"),
        ('network.norm="none"', "train", "network.norm was 'batch'"),
        ("label.sigma_max=0.2", "label A", "label.sigma_max was 0.1"),
        ("ingest.stamp_px=48", "ingest B", "ingest.stamp_px was 64"),
        ("ingest.tile_px=300", "ingest B", "ingest.tile_px was 4200"),
        ('fields.A.truth=""', "label A", "1 catalogue is gone"),
        ('predict.calibrate="pit"', "predict A", "predict.calibrate was 'none'"),
        ("evaluate.bootstraps=9", "evaluate A", "evaluate.bootstraps was 100"),
        ("nz.z_width=0.1", "nz A", "nz.z_width was 0.05"),
        ("export.include_pdf=true", "export B", "export.include_pdf was False"),
    ],
)
def test_a_stale_stage_says_which_setting_was_another(
    whole: Path, change: str, verb: str, why: str
) -> None:
    assert stale(whole, change)[verb] == why


@pytest.mark.parametrize(
    "change",
    [
        *('train.device="cuda"', "predict.block=7", 'name="other"', "train.runs=1"),
        # Not in force:
        *("adapt.weight=0.5", 'adapt.targets=["B"]'),
    ],
)
def test_what_changes_no_result_makes_nothing_stale(whole: Path, change: str) -> None:
    assert stale(whole, change) == {}


def test_labels_without_catalogues_do_not_stay(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = ["fields.A.spec=[]", 'fields.A.truth=""']
    assert stale(made, *without)["label A"].startswith("2 catalogues are gone")
    arguments = [str(made / "run.toml"), "--quiet", *(f"--set={one}" for one in without)]
    assert main(["label", *arguments]) == 0
    assert stale(made, *without)["train"] == "A was labelled again"
    assert main(["train", *arguments]) == 1
    assert "A: no usable object has a label" in capsys.readouterr().err
    assert "z_true" not in open_field(load(made / "run.toml").field_store("A"))


def test_what_was_begun_with_other_settings_does_not_pass_for_made(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(made / "run.toml")
    text = config.results("A").with_name("A_metrics.txt")

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hscz.report.field.judge_pdfs", killed)
    change = ["--set", "evaluate.seed=2"]
    assert main(["evaluate", str(made / "run.toml"), "--quiet", *change]) == 1
    monkeypatch.undo()
    assert stale(made)["evaluate A"] == NOT_YET
    assert main(["evaluate", str(made / "run.toml"), "--quiet"]) == 0
    assert text.exists()
    assert stale(made) == {}


def test_what_was_learnt_from_a_store_that_changed_meanwhile_is_stale(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hscz.learn import train

    real = train.Labelled

    def relabelled_once_read(*arguments: Any) -> Any:
        source = real(*arguments)
        changed = ["--set", "label.sigma_max=0.2"]
        assert main(["label", str(made / "run.toml"), "--quiet", *changed]) == 0
        return source

    monkeypatch.setattr(train, "Labelled", relabelled_once_read)
    assert main(["train", str(made / "run.toml"), "--quiet", "--force"]) == 0
    assert stale(made, "label.sigma_max=0.2")["train"] == "A was labelled again"


def _other_image(root: Path) -> None:
    path = calexp(root, "B", "r", 0)
    shutil.copy(calexp(root, "B", "r", 1), path)


def _forced(*arguments: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        verb, *options = arguments
        assert main([verb, str(root / "run.toml"), "--quiet", "--force", *options]) == 0

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_other_image, {"ingest B": "1 image changed", "predict B": "after ingest B"}),
        (_forced("ingest", "--field", "A"), {"label A": "no longer there"}),
        (_forced("predict", "--field", "B"), {"export B": "B was predicted again"}),
    ],
)
def test_a_stale_stage_says_what_changed(
    made: Path, change: Callable[[Path], None], expected: dict[str, str]
) -> None:
    change(made)
    found = stale(made)
    assert {name: found.get(name) for name in expected} == expected


def test_models_are_others_only_with_other_weights(made: Path) -> None:
    path, seed = str(made / "run.toml"), "train.seed=2"
    assert on_one_thread("train", path, "--quiet", "--force") == 0
    assert stale(made) == {}
    assert main(["train", path, "--quiet", "--set", seed]) == 0
    why = "the models were trained again"
    assert {name: stale(made, seed)[name] for name in ("predict A", "predict B")} == {
        "predict A": why,
        "predict B": why,
    }


def test_the_command_line_says_why_before_it_makes(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(made / "run.toml")
    change = ["--set", "export.include_pdf=true"]
    assert main(["export", path, "--quiet", "--field", "A", "--dry-run", *change]) == 0
    assert "A.fits: export.include_pdf was False\n" in capsys.readouterr().out
    assert main(["export", path, "--quiet", "--field", "A", *change]) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert first == "export A: export.include_pdf was False"
    assert second.split()[:2] == ["export", "A"]
    assert re.match(r"done in \d+ s: ", last)


def _spectra_elsewhere(root: Path) -> None:
    table = pd.read_csv(root / "B-spec.csv")
    table.assign(RA=table["RA"] + 1).to_csv(root / "B-spec.csv", index=False)
    spec = 'spec = [{ file = "B-spec.csv", catalogue = "spec.toml" }]\n'
    text = CONFIG.replace("[network]", f"{spec}[network]")
    (root / "run.toml").write_text(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_spectra_elsewhere, "B is not judged: no object outside the training set has a redshift"),
        (lambda root: None, "B is not judged: its field store has no labels"),
    ],
)
def test_a_field_that_cannot_be_judged_is_exported_all_the_same(
    made: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], None], said: str
) -> None:
    change(made)
    config = load(made / "run.toml")
    for path in config.results("B").parent.glob("B*"):
        path.unlink()
    path, both = str(made / "run.toml"), ["--quiet", "--set", 'evaluate.fields=["A", "B"]']
    assert main(["run", path, *both]) == 0
    out = capsys.readouterr().out
    assert said in out
    assert "evaluate B           skipped" in out
    assert config.results("B").with_suffix(".fits").exists()
    assert main(["evaluate", path, *both]) == 1
    assert said in capsys.readouterr().out


def test_two_starts_at_once_do_not_write_the_same_store(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = load(made / "run.toml").field_store("A")
    command = ["ingest", str(made / "run.toml"), "--field", "A", "--force", "--quiet"]
    with at_work(store):
        second = subprocess.run(
            [sys.executable, "-m", "hscz.cli", *command], capture_output=True, text=True
        )
        assert main(["label", *command[1:]]) == 1
    assert second.returncode == 1
    assert second.stderr.startswith(f"hscz ingest: {store}: is being written by process ")
    assert len(second.stderr.splitlines()) == 1
    assert "A.zarr: is being written by process" in capsys.readouterr().err
    assert main(command) == 0


def test_a_run_without_its_source_stops_before_the_ingest(made: Path) -> None:
    config = load(made / "run.toml", ["stores=elsewhere", 'train.fields=["C"]'])
    with pytest.raises(
        ConfigError, match=r"train\.fields has 'C'; the fields are A, B; name those"
    ):
        run(config)
    assert [one.state for one in run(config, "ingest", dry_run=True)] == ["would make"] * 2


@pytest.mark.parametrize("verb", ["label", "train", "predict", "evaluate", "export", "figures"])
def test_a_verb_is_refused_while_another_process_is_at_it(
    made: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    config = load(made / "run.toml")
    outputs = {
        "label": config.field_store("A"),
        "train": config.models[0],
        "predict": config.cube("A"),
        "evaluate": config.results("A").with_name("A_metrics.parquet"),
        "export": config.results("A"),
        "figures": config.root / "figures" / config.name,
    }
    before = snapshot(made)
    with at_work(outputs[verb]):
        assert main([verb, str(made / "run.toml"), "--quiet", "--force"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"hscz {verb}: {outputs[verb]}: is being written by process ")
    assert snapshot(made) == before


def stage(verb: str, field: str | None = None, *after: Stage, why: str = "", fails=None) -> Stage:
    def make(resume: bool, force: bool) -> str:
        if fails is not None:
            raise fails
        return f"  {verb} done"

    return Stage(verb, field, Path(verb), after, lambda: why, make)


def states(outcomes: list[Outcome]) -> list[tuple[str, str, str]]:
    return [(one.stage.name, one.state, one.why) for one in outcomes]


def test_a_dry_run_follows_what_a_stale_fetch_would_change() -> None:
    fetch = stage("fetch", "A", why="2 of 3 files are not there")
    ingest = stage("ingest", "A", fetch)
    other = stage("ingest", "B")
    train = stage("train", None, fetch, ingest, other)
    found = list(go_through([fetch, ingest, other, train], dry_run=True))
    assert states(found) == [
        ("fetch A", "would make", "2 of 3 files are not there"),
        ("ingest A", "would make", "after fetch A"),
        ("ingest B", "up to date", ""),
        ("train", "would make", "after ingest A"),
    ]


def test_the_ingest_of_a_field_comes_after_its_fetch(whole: Path) -> None:
    text = CONFIG.replace("[network]", "[fields.B.fetch]\ntracts = [9813]\n[network]")
    path = whole / "fetch.toml"
    path.write_text(text)
    found = {one.name: one for one in stages(load(path))}
    assert found["fetch B"] in found["ingest B"].after
    assert found["ingest B"] in found["predict B"].after
    assert found["fetch B"] not in found["ingest A"].after
    assert {one.name for one in found["export A"].after} == {"predict A", "nz A"}


def test_what_is_missing_stops_what_needs_it() -> None:
    unreachable = IncompleteError("3 files", unreachable=True)
    both = [stage("fetch", "A", why="new", fails=unreachable), stage("ingest", "A", why="new")]
    outcomes = go_through(both, name="survey")
    assert [next(outcomes).state for _ in range(2)] == ["making", "incomplete"]
    with pytest.raises(InputError, match="survey: stopped before ingest; fetch the rest first"):
        next(outcomes)
    some = [stage("fetch", "A", why="new", fails=IncompleteError("1 file")), both[1]]
    assert [one.state for one in go_through(some)][-1] == "made"


def test_a_notebook_shows_a_row_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    unjudged = UnjudgedError("A has <no> redshifts")
    three = [stage("export"), stage("train", why="a was 1"), stage("evaluate", "A", why="new")]
    three[2] = stage("evaluate", "A", why="new", fails=unjudged)
    table = watch(go_through(three))
    assert [one.state for one in table.outcomes] == ["up to date", "made", "skipped"]
    html = table._repr_html_()
    assert html.count("<tr>") == 4
    assert html.count('<td style="text-align: left">') == 15
    assert "a was 1" in html
    assert "A has &lt;no&gt; redshifts" in html
    assert "<pre>  train done</pre>" in html
    printed = capsys.readouterr().out
    assert "train: a was 1\n" in printed
    assert "  train done\n" in printed
    assert str(Table()) == ""


def test_a_stage_that_is_not_there_is_refused_at_once(whole: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to mock"):
        run(load(whole / "run.toml"), "mock")
