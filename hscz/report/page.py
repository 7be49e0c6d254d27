"""One page for each predicted field that answers what a referee asks, as HTML and as PDF."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hscz import __version__
from hscz.errors import HsczError
from hscz.files.atomic import write_text
from hscz.files.fresh import Key, input_files
from hscz.ingest.zeropoints import zero_points_key
from hscz.predict.keys import labelled, trained
from hscz.predict.stage import predict_key
from hscz.report import learnt, observed, redshifts
from hscz.report.blocks import Block, Section, Table, Words, facts
from hscz.report.evidence import Evidence
from hscz.report.field import evaluation_key
from hscz.report.html import as_html
from hscz.report.nz import nz_key
from hscz.report.paged import write_pdf
from hscz.report.verdicts import Verdict, in_detail, numbers, verdicts
from hscz.stores import identity

Part = Callable[[Evidence], Sequence[Block]]
"""What returns blocks, and raises HsczError where what it shows is not there."""

RULES = 1
"""Count up when the same files come to give another page."""

MARKS = {"sound": "✓ sound", "caution": "⚠ caution", "unknown": "? unknown"}


def report_paths(evidence: Evidence) -> list[Path]:
    """Return the files of a field's report; the PDF is made where matplotlib is installed."""
    pdf = [evidence.beside("report.pdf")] if importlib.util.find_spec("matplotlib") else []
    return [evidence.beside("report.html"), *pdf]


def write_report(evidence: Evidence) -> str:
    """Write the report of a field.

    What is not there, or cannot be read, is named in its place with the verb that makes it.

    Returns
    -------
    str
        The five numbers and the verdicts.

    Raises
    ------
    StoreError
        If the disk does not take it.
    """
    found = verdicts(evidence)
    five, sections = numbers(evidence), sections_of(evidence, found)
    title = f"Redshifts of {evidence.name}" + (f", {evidence.recipe}" if evidence.recipe else "")
    summary = [facts(five), _as_table(found)]
    paths = report_paths(evidence)
    write_text(paths[0], as_html(title, summary, sections))
    for path in paths[1:]:
        write_pdf(path, title, summary, sections)
    lines = [f"  {name}: {value}" for name, value in five]
    lines += [f"  {one.topic}: {one.standing}, {one.words}" for one in found]
    return "\n".join(lines)


def sections_of(evidence: Evidence, found: Sequence[Verdict]) -> list[Section]:
    """Return all sections of a report; none is left out for lack of what it shows."""
    sections = [
        Section(title, tuple(block for part in some for block in _of_part(part, evidence)))
        for title, some in PARTS.items()
    ]
    sections.insert(-1, Section("Known limits", tuple(_limits(evidence, found))))
    return sections


def provenance(evidence: Evidence) -> list[Block]:
    """Return from what, when and by which version the redshifts were made."""
    cube, store = (one.attrs for one in (evidence.cube, evidence.store))
    pairs = []
    for what, attrs in (("field store", store), ("PDF cube", cube)):
        made = json.loads(attrs.get("provenance", "{}"))
        by = f"hscz {made.get('hscz')}, commit {made.get('git_sha') or 'not known'}"
        pairs.append((what, f"{attrs.get('fingerprint')}, made {made.get('made')} by {by}"))
    pairs += [
        (f"network {one.path.name}", str(one.note().get("fingerprint"))) for one in evidence.models
    ]
    pairs.append(("report", f"hscz {__version__}"))
    return [facts(pairs)]


PARTS: Mapping[str, tuple[Part, ...]] = {
    "Sample": (observed.sample,),
    "Depth and seeing": (observed.images,),
    "Zero points": (observed.zero_points,),
    "Networks and labels": (learnt.network, learnt.labels),
    "Adaptation": (learnt.adaptation, learnt.side_by_side),
    "Metrics": (redshifts.metrics,),
    "Calibration": (redshifts.calibration, redshifts.coverage),
    "n(z)": (redshifts.n_of_z,),
    "Quality flags": (redshifts.flags, redshifts.worth_of_flags),
    "Recommended cuts": (redshifts.cuts,),
    "Provenance": (provenance,),
}
"""What stands in each section, in the order of the report."""


def report_key(evidence: Evidence) -> Key:
    """Return what the report of a field is made from.

    Settings are those by which it finds out whether what it shows is up to date.
    """
    config, name = evidence.config, evidence.name
    inputs = labelled(config, dict.fromkeys((name, *config.train.fields)))
    inputs["train"] = trained(config.models)
    inputs["predict"] = {name: identity(config.cube(name))}
    inputs["file"] = input_files(evidence.shown())
    rules: dict[str, Any] = {"rules of reports": RULES, "hscz": __version__}
    rules |= {"files": len(report_paths(evidence)), **zero_points_key(config, name).settings}
    made = [key(config, name) for key in (predict_key, evaluation_key, nz_key)]
    settings = {k: v for key in made for k, v in key.settings.items()}
    defaults = {k: v for key in made for k, v in key.defaults.items()}
    return Key(settings | rules, inputs, defaults)


def _of_part(part: Part, evidence: Evidence) -> Sequence[Block]:
    try:
        return part(evidence)
    except HsczError as error:
        return [Words(f"Not shown: {error}.", "missing")]


def _as_table(found: Sequence[Verdict]) -> Table:
    rows = tuple((one.topic, MARKS[one.standing], one.words) for one in found)
    return Table(("", "", ""), rows, prose=True)


def _limits(evidence: Evidence, found: Sequence[Verdict]) -> list[Block]:
    """Return what is not to be relied on, as the data say, and what no data of a field can say."""
    said: list[Block] = [
        Words(f"{one.topic}: {one.words}.", "caution" if one.standing == "caution" else "missing")
        for one in found
        if one.standing != "sound"
    ]
    said += [Words(f"{words}.", "caution") for words in in_detail(evidence)]
    if not said:
        said = [Words("Nothing that is checked gives reason for caution.")]
    if evidence.config.survey_of(evidence.name).startswith("mock"):
        said.append(Words("The field is simulated: absolute numbers are not those of the sky."))
    if not evidence.is_source:
        said.append(
            Words(
                "Objects that the source has not, such as stars overlooked by the selection or "
                "galaxies fainter than any label, are like nothing that the networks have learnt, "
                "and nothing here speaks for them. An offset common to all zero points is not "
                "seen."
            )
        )
    return said
