"""What a field's redshifts may be relied on for, found in its data: verdicts and known limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from hscz import stores
from hscz.errors import HsczError
from hscz.evaluate.calibration import binomial_error
from hscz.evaluate.judged import is_judged
from hscz.experiments.acting import format_probes, probes
from hscz.files.fresh import NOT_YET, why_stale
from hscz.ingest.zeropoints import (
    FLAGGED_SIGMA,
    corrects,
    is_target,
    measured_zero_points,
    report_lines,
    why_unsound,
)
from hscz.nz.shift import LEAST_GAIN
from hscz.pdf.prior import PriorRatio
from hscz.predict.recalibrate import LEAST_OBJECTS
from hscz.predict.stage import predict_key
from hscz.report.blocks import FEW, between, percent, rounded
from hscz.report.evidence import Evidence
from hscz.report.field import evaluation_key, evaluation_note
from hscz.report.learnt import ways
from hscz.report.nz import nz_key, nz_note
from hscz.schema import Flag

Standing = Literal["sound", "caution", "unknown"]

FEW_REFERENCES = 300
"""Known redshifts below which a judgement is called one of few."""

UNLIKE_MAG = 0.5
"""Difference of median magnitudes from which references are called unlike the sample."""

COVERAGE_OFF, COVERAGE_ERRORS = 0.05, 3.0
"""By how much, and by how many errors, 68 % intervals must miss to be called off."""

BAD_ETA = 0.3
"""Fraction of outliers from which a bin is called bad."""

NOTICED = 0.01
"""Share of objects from which they are worth a word."""


@dataclass(frozen=True)
class Verdict:
    """What is to be said of one topic.

    Attributes
    ----------
    topic : str
    standing : str
        ``sound``, ``caution``, or ``unknown`` where what it takes is not there.
    words : str
    """

    topic: str
    standing: Standing
    words: str


def verdicts(evidence: Evidence) -> list[Verdict]:
    """Return the verdict on each topic."""
    found = []
    for topic, judge in TOPICS.items():
        try:
            standing, words = judge(evidence)
        except HsczError as error:
            standing, words = "unknown", str(error)
        found.append(Verdict(topic, standing, words))
    return found


def _zero_points(evidence: Evidence) -> tuple[Standing, str]:
    config, name = evidence.config, evidence.name
    if not is_target(config, name):
        return "sound", "a source field, to which those of others refer"
    if not report_lines(config, name):
        return "unknown", "not measured, as a field store is missing; run 'hscz ingest'"
    unsound = why_unsound(config, name)
    if unsound:
        return "caution", unsound.removeprefix("its zero points are ")
    table = measured_zero_points(config, name)
    ours = table[table["band"].isin(config.train.bands)]
    off = ours[ours["offset_mag"].abs() > FLAGGED_SIGMA * ours["error_mag"]]
    said = f"known to {ours['error_mag'].max():.3f} mag or better in each band; "
    if not corrects(config, name):
        return "sound", f"{said}none is off, and none corrected"
    for band, offset in zip(off["band"], off["offset_mag"], strict=True):
        said += f"off by {offset:+.3f} mag in {band}, "
    return "sound", f"{said}corrected"


def _calibration(evidence: Evidence) -> tuple[Standing, str]:
    found = evidence.calibration
    if found is None:
        return "caution", 'PDFs are as the networks give them (predict.calibrate = "none")'
    if found.beyond:
        return "caution", (
            f"the field is better than the source in {', '.join(found.beyond)}: no source galaxy "
            "can be made like its own, and the calibration extrapolates"
        )
    if found.n < LEAST_OBJECTS:
        return "caution", f"by {found.n} held-out galaxies, too few to change much"
    return "sound", f"by {found.n:,} held-out source galaxies like those of the field"


def _coverage(evidence: Evidence) -> tuple[Standing, str]:
    table = evidence.coverage_by_mag
    off = table[_is_off(table)]
    said = f"68 % intervals hold {_held(evidence)}"
    if not len(off):
        return "sound", f"{said}, and no bin of magnitude is off by {COVERAGE_OFF:g} and 3 errors"
    bins = [
        f"{rounded(row['coverage_68'], row['coverage_68_err'])} at "
        f"{between('mag_i', row['low'], row['high'])} (N {row['n']:,.0f})"
        for _, row in off[off["by"] != "all"].iterrows()
    ]
    return "caution", "; ".join([said, *bins])


def _n_of_z(evidence: Evidence) -> tuple[Standing, str]:
    found = evidence.n_of_z
    ratio = PriorRatio.noted(json.loads(found.attrs["ratio"]))
    said = str(found.attrs["prior"]).removeprefix("n(z) ")
    return "sound" if is_as_asked(ratio) or evidence.is_source else "caution", said


def is_as_asked(ratio: PriorRatio) -> bool:
    """Return whether n(z) is what the PDFs ask for, the plain sum among it.

    Examples
    --------
    >>> is_as_asked(PriorRatio.none("nothing asks for another", 900, -1.5))
    True
    >>> is_as_asked(PriorRatio.none("its zero points are not known in y", 900))
    False
    """
    return ratio.used or (ratio.gain != 0 and ratio.gain < LEAST_GAIN)


def _references(evidence: Evidence) -> tuple[Standing, str]:
    whole = _of_all(evidence.table("metrics"))
    limits = reference_limits(evidence)
    said = ", ".join(f"{row['n']:,.0f} {row['reference']}" for _, row in whole.iterrows())
    # One fair set of references is enough.
    if len(limits) == len(whole):
        return "caution", f"{said}: few, or unlike the sample"
    return "sound", said


def reference_limits(evidence: Evidence) -> list[str]:
    """Return which sets of known redshifts are few or unlike the sample."""
    cube, found = evidence.cube, []
    field = float(np.nanmedian(cube["mag_i"].values[is_judged(cube)]))
    for _, row in _of_all(evidence.table("metrics")).iterrows():
        reference, said = row["reference"], []
        if row["n"] < FEW_REFERENCES:
            said.append(f"{row['n']:,.0f} galaxies are few: rare failures go unseen")
        if reference in cube:
            median = float(np.median(cube["mag_i"].values[is_judged(cube, reference)]))
            if abs(median - field) > UNLIKE_MAG:
                said.append(f"their median i is {median:.1f}, that of the sample {field:.1f}")
        if said:
            found.append(f"Of the references, {reference}: {'; '.join(said)}")
    return found


def in_detail(evidence: Evidence) -> list[str]:
    """Return known limits that show within the field: references, bins and cells that are bad."""
    found = []
    for limits in (reference_limits, bad_bins, bad_cells):
        # What is missing is said by the verdicts.
        with suppress(HsczError):
            found += limits(evidence)
    return found


def bad_bins(evidence: Evidence) -> list[str]:
    """Return where, by magnitude and redshift, outliers are frequent, against each reference."""
    table = evidence.table("metrics")
    bad = table[
        (table["by"] != "all") & (table["n"] >= FEW) & (table["outlier_fraction"] > BAD_ETA)
    ]
    return [
        f"Against {reference}, outliers are above {percent(BAD_ETA)} at "
        + ", ".join(
            f"{between(row['by'], row['low'], row['high'])} (η = {eta_with_error(row)}, "
            f"N {row['n']:,})"
            for _, row in rows.iterrows()
        )
        for reference, rows in bad.groupby("reference", sort=False)
    ]


def eta_with_error(row: pd.Series) -> str:
    """Return the fraction of outliers, its error binomial where bootstraps find no scatter.

    Examples
    --------
    >>> row = pd.Series({"outlier_fraction": 0.0, "outlier_fraction_err": 0.0, "n": 111})
    >>> eta_with_error(row)
    '0.0000 ± 0.0045'
    """
    error = row["outlier_fraction_err"] or float(binomial_error(row["outlier_fraction"], row["n"]))
    return rounded(row["outlier_fraction"], error)


def bad_cells(evidence: Evidence) -> list[str]:
    """Return in how many cells of magnitude and redshift PDFs do not hold what they say."""
    table = evidence.table("coverage")
    known = table[table["n"] >= FEW]
    off = known[_is_off(known)]
    if not len(off):
        return []
    row = off.iloc[int((off["coverage_68"] - 0.68).abs().to_numpy().argmax())]
    return [
        f"68 % intervals are off in {len(off)} of {len(known)} cells of magnitude and predicted "
        f"redshift, most at {between('mag_i', row['mag_low'], row['mag_high'])}, "
        f"{between('z', row['z_low'], row['z_high'])}: they hold "
        f"{rounded(row['coverage_68'], row['coverage_68_err'])} (N {row['n']:,.0f})"
    ]


def _is_off(table: pd.DataFrame) -> pd.Series:
    shift = (table["coverage_68"] - 0.68).abs()
    return (shift > COVERAGE_OFF) & (shift > COVERAGE_ERRORS * table["coverage_68_err"])


def _reach(evidence: Evidence) -> tuple[Standing, str]:
    flags, z = evidence.cube["flags"].values, evidence.cube["z_median"].values
    outside = float(((flags & Flag.OUTSIDE_TRAINING) != 0).mean())
    absent = float(np.isnan(z).mean())
    said = (
        f"{percent(outside)} of the objects lie outside the magnitudes of the training, "
        f"{percent(absent)} have no PDF"
    )
    return "caution" if max(outside, absent) > NOTICED else "sound", said


def _adaptation(evidence: Evidence) -> tuple[Standing, str]:
    adapt = evidence.config.adapt
    if evidence.is_source:
        return "sound", "a source field needs none"
    if not adapt.in_force and not evidence.config.predict.renormalise:
        return "caution", "none: nothing tells the networks how the field was observed"
    if adapt.adversary == "none" or not adapt.weight:
        return "sound", f"{ways(evidence)}; no adversary, whose work a probe would have to show"
    name = evidence.recipe or evidence.config.train.name
    found = probes(evidence.plan)
    ours = found[found["recipe"] == name] if len(found) else found
    if not len(ours):
        return "unknown", "the history of the networks has no probe; 'hscz train' makes it"
    both = pd.concat([ours, found[found["recipe"].isin(ours["against"])]])
    line = format_probes(both).splitlines()[0]
    return "sound" if line.endswith("adversary acts") else "caution", line


def _settings(evidence: Evidence) -> tuple[Standing, str]:
    """Judge whether what is shown is what the settings of the run would make."""
    config, name = evidence.config, evidence.name
    stale = {
        "predict": stores.why_stale(config.cube(name), predict_key(config, name)),
        "evaluate": why_stale(evaluation_note(config, name), evaluation_key(config, name)),
        "nz": why_stale(nz_note(config, name), nz_key(config, name)),
    }
    old = [f"{why} (run 'hscz {verb}')" for verb, why in stale.items() if why not in ("", NOT_YET)]
    if old:
        return "caution", f"what is shown is not what they would make: {', '.join(old)}"
    return "sound", "what is shown is what they would make"


TOPICS: Mapping[str, Callable[[Evidence], tuple[Standing, str]]] = {
    "Zero points": _zero_points,
    "Calibration": _calibration,
    "Coverage": _coverage,
    "n(z)": _n_of_z,
    "References": _references,
    "Reach": _reach,
    "Adaptation": _adaptation,
    "Settings": _settings,
}
"""What each topic is judged by."""


def numbers(evidence: Evidence) -> list[tuple[str, str]]:
    """Return the five numbers that a field comes to; a dash with the reason where one lacks."""
    found = []
    for name, count in _NUMBERS.items():
        try:
            found.append((name, count(evidence)))
        except HsczError as error:
            found.append((name, f"– ({error})"))
    return found


def _galaxies(evidence: Evidence) -> str:
    cube = evidence.cube
    there = int(np.isfinite(cube["z_median"].values).sum())
    flagged = float((cube["flags"].values != 0).mean())
    return f"{there:,} of {cube.sizes['object']:,}; {percent(flagged)} have a flag"


def _metric(key: str) -> Callable[[Evidence], str]:
    def of(evidence: Evidence) -> str:
        row = _whole(evidence.table("metrics"))
        value = rounded(row[key], row[f"{key}_err"])
        return f"{value} against {row['reference']} (N {row['n']:,.0f})"

    return of


def _held(evidence: Evidence) -> str:
    row = _whole(evidence.coverage_by_mag)
    return f"{rounded(row['coverage_68'], row['coverage_68_err'])} (N {row['n']:,.0f})"


def _mean_redshift(evidence: Evidence) -> str:
    found = evidence.n_of_z
    error = float(np.sqrt(found["z_mean_covariance"].values[0, 0]))
    one = found.isel(sample=0)
    return f"{rounded(float(one['z_mean']), error)} (N {float(one['n']):,.0f})"


def _of_all(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["by"] == "all"]


def _whole(table: pd.DataFrame) -> pd.Series:
    return _of_all(table).iloc[0]


_NUMBERS: Mapping[str, Callable[[Evidence], str]] = {
    "galaxies with a PDF": _galaxies,
    "σ_MAD": _metric("sigma_mad"),
    "η (|dz| > 0.15)": _metric("outlier_fraction"),
    "held by 68 % intervals": _held,
    "mean redshift": _mean_redshift,
}
