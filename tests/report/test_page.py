"""The report of a field: what stands in it, what is said where something lacks, when it is made."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("holoviews")
from hscz.cli import main
from hscz.config import EvaluateConfig, RunConfig, mock_field, parse
from hscz.config.read import load
from hscz.errors import ConfigError
from hscz.predict.recalibrate import Calibration
from hscz.report.blocks import Section, Table, Words
from hscz.report.evidence import Evidence, reported
from hscz.report.html import as_html
from hscz.report.page import PARTS, report_paths, sections_of, write_report
from hscz.report.paged import write_pdf
from hscz.report.redshifts import cuts
from hscz.report.verdicts import bad_bins, bad_cells, verdicts


def words_of(sections: list[Section]) -> dict[str, str]:
    """Return what is said in the paragraphs of each section."""
    return {
        one.title: " ".join(block.text for block in one.blocks if isinstance(block, Words))
        for one in sections
    }


def test_a_page_has_all_that_a_referee_asks_for(copy: Path) -> None:
    assert main(["report", str(copy), "--quiet", "--field", "DEEP2"]) == 0
    evidence = next(one for one in reported(load(copy)) if one.name == "DEEP2")
    page, paper = report_paths(evidence)
    text = page.read_text(encoding="utf-8")
    for title in (*PARTS, "Known limits"):
        assert re.search(rf"<h2>\d+\. {re.escape(title)}</h2>", text), title
    metrics = evidence.table("metrics")
    n = metrics.loc[metrics["by"] == "all", "n"].iloc[0]
    assert f"against z_true (N {n:,})" in text
    assert "No redshift of DEEP2 was used in training" in text
    assert "The field is simulated" in text
    # All in one file: nothing is fetched, nothing runs.
    assert re.findall(r'src="(?!data:image/png;base64,)', text) == []
    assert text.count("data:image/png") >= 5
    assert "<script" not in text
    assert paper.read_bytes().startswith(b"%PDF")


def test_what_is_not_there_is_named_with_the_verb_that_makes_it(tmp_path: Path) -> None:
    fields = {"COSMOS_UDF": [1, 1], "DEEP2": [1, 1]}
    config = replace(parse({"mock": {"fields": fields}}), stores=str(tmp_path))
    evidence = Evidence(config, "DEEP2")
    said = words_of(sections_of(evidence, verdicts(evidence)))
    verbs = {"Sample": "predict", "Depth and seeing": "ingest", "Zero points": "ingest"}
    verbs |= {"Networks and labels": "train", "Metrics": "predict", "Quality flags": "predict"}
    verbs |= {"Calibration": "predict", "n(z)": "nz", "Recommended cuts": "evaluate"}
    for title, verb in verbs.items():
        assert f"run 'hscz {verb}'" in said[title], title
    assert {one.standing for one in verdicts(evidence)} <= {"unknown", "caution", "sound"}
    assert "run 'hscz predict'" in write_report(evidence)


def test_a_part_that_lacks_leaves_the_others(copy: Path) -> None:
    config = load(copy)
    evidence = Evidence(config, "DEEP2")
    evidence.beside("flags.parquet").write_bytes(b"damaged")
    evidence.beside("redshifts.png").unlink()
    said = words_of(sections_of(evidence, []))
    assert "DEEP2_flags.parquet: cannot be read" in said["Quality flags"]
    assert "run 'hscz evaluate --force'" in said["Quality flags"]
    assert "DEEP2_redshifts.png is not there" in said["Metrics"]
    assert "b is its median" in said["Metrics"]
    for path in evidence.beside("metrics.parquet").parent.glob("DEEP2_*"):
        path.unlink()
    assert (
        "DEEP2_metrics.parquet is not there; run 'hscz evaluate'"
        in words_of(sections_of(evidence, []))["Metrics"]
    )
    without = replace(config, evaluate=EvaluateConfig(reference=("z_c2020",)))
    said = words_of(sections_of(Evidence(without, "DEEP2"), []))
    assert "DEEP2 is not judged" in said["Metrics"]


def test_cuts_are_shown_once_there_are_any(config: RunConfig, tmp_path: Path) -> None:
    evidence = Evidence(replace(config, stores=str(tmp_path)), "DEEP2")
    whole = {"by": "all", "low": np.nan, "high": np.nan, "share_claimed": 0.725, "n_found": 4173.0}
    etas = {"promised": (0.045, 0.005), "claimed": (0.0451, 0.001), "found": (0.0338, 0.0028)}
    rows = [whole | {"score": "odds", "cut": 0.81912}, whole | {"score": "flags", "cut": np.nan}]
    for what, (eta, error) in etas.items():
        rows[0] |= {f"eta_{what}": eta, f"eta_err_{what}": error}
    path = evidence.beside("cuts.parquet")
    path.parent.mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(path)
    table = cuts(evidence)[0]
    assert isinstance(table, Table)
    assert table.rows[0] == (
        *("odds", "0.8191", "72 %", "0.0450 ± 0.0050", "0.0451 ± 0.0010"),
        *("0.0338 ± 0.0028", "4,173"),
    )
    assert table.rows[1][:2] == ("flags", "none keeps to it")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)


def test_nothing_that_is_said_becomes_markup(tmp_path: Path) -> None:
    bad = '<blink a="">&amp;'
    table = Table((bad, bad), ((bad, bad),), bad)
    page = as_html(bad, [Words(bad)], [Section(bad, (Words(bad, "caution"), table))])
    tags = _Tags()
    tags.feed(page)
    assert "blink" not in tags.found
    assert page.count("&lt;blink a=&quot;&quot;&gt;&amp;amp;") == 11
    dollars = Section("$1 <b>", (Words("$x_1$ " * 400), Table(("a",), (("$y$",),) * 120)))
    paper = write_pdf(tmp_path / "a.pdf", "$", [], [dollars])
    assert len(re.findall(rb"/Type /Page\b", paper.read_bytes())) > 1


def test_a_report_is_made_again_when_what_it_shows_is(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["report", str(copy), "--quiet", "--field", "DEEP2"]
    assert main(asked) == 0
    capsys.readouterr()
    assert main(asked) == 0
    assert "up to date" in capsys.readouterr().out
    table = Evidence(load(copy), "DEEP2").beside("metrics.parquet")
    pd.read_parquet(table).iloc[:3].to_parquet(table)
    assert main([*asked, "--dry-run"]) == 0
    assert "1 file changed" in capsys.readouterr().out
    assert main([*asked, "--set", 'predict.calibrate="pit"']) == 0
    said = capsys.readouterr().out
    assert "predict.calibrate was 'none'" in said
    assert "Settings: caution, what is shown is not what they would make" in said


def test_recipes_are_reported_by_the_one_published() -> None:
    asked = {"targets": ["DEEP2", "ELAIS"], "recipes": ["v0", "v2"], "publish": "v2"}
    fields = {name: [1, 1] for name in ("COSMOS_UDF", "DEEP2", "ELAIS")}
    run = {"mock": {"fields": fields}, "experiments": asked}
    config = _with_fields(parse(run))
    found = [(one.name, one.recipe, one.config.train.name) for one in reported(config)]
    assert found == [("DEEP2", "v2", "v2-DEEP2"), ("ELAIS", "v2", "v2-ELAIS")]
    silent = replace(config, experiments=replace(config.experiments, publish=""))
    with pytest.raises(ConfigError, match=r"experiments.publish is empty; name the recipe"):
        list(reported(silent))


def _with_fields(config: RunConfig) -> RunConfig:
    assert config.mock is not None
    names = config.mock.fields
    return replace(config, fields={name: mock_field(config.root, name) for name in names})


def test_limits_come_from_the_data(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = Evidence(load(copy), "DEEP2")
    row = {"mag_low": 22.0, "mag_high": 23.0, "z_low": 1.0, "z_high": 1.5, "n": 400}
    cells = [{"coverage_68": 0.5}, {"coverage_68": 0.69}, {"coverage_68": 0.1, "n": 5}]
    coverage = pd.DataFrame([row | {"coverage_68_err": 0.02} | one for one in cells])
    coverage.to_parquet(evidence.beside("coverage.parquet"))
    assert bad_cells(evidence) == [
        "68 % intervals are off in 1 of 2 cells of magnitude and predicted redshift, most at "
        "22 ≤ i < 23, 1 ≤ z < 1.5: they hold 0.500 ± 0.020 (N 400)"
    ]
    metrics = evidence.table("metrics")
    metrics.loc[metrics["by"] == "z", ["outlier_fraction", "n"]] = [0.1, 50]
    worst = (metrics["by"] == "z") & (metrics["low"] == 4)
    metrics.loc[worst, ["outlier_fraction", "outlier_fraction_err"]] = [0.8, 0.1]
    metrics.loc[metrics["by"] == "mag_i", "n"] = 5
    metrics[metrics["reference"] == "z_true"].to_parquet(evidence.beside("metrics.parquet"))
    assert bad_bins(evidence) == [
        "Against z_true, outliers are above 30 % at 4 ≤ z < 6 (η = 0.80 ± 0.10, N 50)"
    ]
    beyond = Calibration(900, (22.0,), (((0.0, 1.0),),), beyond=("depth of u",))
    monkeypatch.setattr(Evidence, "calibration", beyond)
    found = {one.topic: one for one in verdicts(evidence)}
    assert found["Calibration"].standing == "caution"
    assert "better than the source in depth of u" in found["Calibration"].words
    # Two small fields have too few bright galaxies to compare.
    assert found["Zero points"].standing == found["n(z)"].standing == "caution"
    assert "too few bright galaxies" in found["n(z)"].words
    shutil.rmtree(evidence.config.cube("DEEP2"))
    assert "unknown" in {one.standing for one in verdicts(Evidence(load(copy), "DEEP2"))}
