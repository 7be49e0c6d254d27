"""Sections of a report on the redshifts: metrics, calibration, n(z), flags and cuts."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr

from hscz.evaluate.calibration import binomial_error
from hscz.figures.figure import Figure
from hscz.pdf.prior import PriorRatio
from hscz.report.blocks import (
    FEW,
    Block,
    Picture,
    Table,
    Words,
    between,
    counted,
    percent,
    rounded,
)
from hscz.report.evidence import Evidence
from hscz.report.verdicts import eta_with_error, is_as_asked
from hscz.schema import flag_counts

REFERENCES = {
    "z_true": "the truth, which only a simulation has",
    "z_spec": "secure spectroscopic redshifts",
    "z_label": "labels as in training, where spectra and photometric redshifts are mixed",
    "z_c2020": "COSMOS2020, photometric",
    "z_sed": "SED fitting, photometric",
}
"""What redshifts are judged by."""

METRICS = {"bias": "b", "sigma_mad": "σ_MAD", "outlier_fraction": "η (|dz| > 0.15)"}

DZ = "dz = (z − z_reference) / (1 + z_reference)"

N_OF_Z_PARTS = ("counts", "structure", "sky", "ratio")
"""Parts of the covariance of n(z)."""


def metrics(evidence: Evidence) -> list[Block]:
    """Return b, sigma_MAD and eta against each reference, by magnitude and redshift."""
    table = evidence.table("metrics")
    blocks: list[Block] = []
    for number, (reference, rows) in enumerate(table.groupby("reference", sort=False)):
        shown = rows if not number else rows[rows["by"] != "z"]
        heads = ["sample", "N", "without", *METRICS.values()]
        caption = f"Against {reference}: {REFERENCES.get(str(reference), 'a column of the store')}"
        cells = [(row["n"], _metric_cells(row)) for _, row in shown.iterrows() if row["n"]]
        blocks.append(counted(heads, cells, caption))
    note = (
        f"{DZ}, of the median of the PDF; b is its median, σ_MAD 1.4826 times the median absolute "
        "deviation. Errors are those of bootstrap samples. Objects of the networks' training part "
        "are left out; 'without' have no PDF. Bins in z are of the reference. Rows of fewer than "
        f"{FEW} galaxies are grey."
    )
    blocks.append(Words(note, "note"))
    blocks += _picture(evidence, "redshifts", "evaluate", "Predicted against known redshifts.")
    examples = "Objects from bright to faint: stamps, PDFs and, where there is one, known redshift."
    blocks += _picture(evidence, "examples", "evaluate", examples)
    return blocks


def calibration(evidence: Evidence) -> list[Block]:
    """Return how the PDFs were calibrated."""
    found = evidence.calibration
    said = " ".join(found.in_words.split()) if found else "as the networks give them"
    off = found is None or bool(found.beyond)
    return [Words(f"The PDFs are {said}.", "caution" if off else "plain")]


def coverage(evidence: Evidence) -> list[Block]:
    """Return whether PDFs hold what they say, by magnitude and in cells of redshift."""
    table, blocks = evidence.coverage_by_mag, list[Block]()
    heads = ["sample", "N", "in 68 %", "in 95 %", "PIT within 1e-4 of an end", "CRPS", "KS"]
    rows = [(row["n"], _calibration_cells(row)) for _, row in table.iterrows() if row["n"]]
    blocks.append(counted(heads, rows, "Known redshifts inside the central intervals of the PDFs"))
    blocks.append(
        Words(
            "Well calibrated PDFs hold 68 and 95 %, and their PITs (the CDF at the known redshift) "
            "are even: KS is their largest distance from that. More inside means that the PDFs are "
            "too wide. CRPS, the smaller the better, rewards narrow PDFs, too.",
            "note",
        )
    )
    shown = (
        "Left: the share of known redshifts inside central intervals, by magnitude, and what it "
        "should be (dashed). Right: inside highest-density regions; below the dashed line PDFs "
        "are too narrow."
    )
    blocks += _drawn(evidence, "calibration", _coverage_figure, shown)
    return [*blocks, *_cells(evidence.table("coverage"))]


def n_of_z(evidence: Evidence) -> list[Block]:
    """Return n(z), with the error of its mean redshift part by part."""
    found = evidence.n_of_z
    ratio = PriorRatio.noted(json.loads(found.attrs["ratio"]))
    sound = is_as_asked(ratio) or evidence.is_source
    blocks: list[Block] = [Words(f"{found.attrs['prior']}.", "plain" if sound else "caution")]
    if found.attrs.get("select"):
        blocks.append(Words(f"Galaxies: {found.attrs['select']}."))
    heads = ["sample", "N", "⟨z⟩ of the sum of PDFs", "⟨z⟩", *N_OF_Z_PARTS]
    names = [str(one) for one in found["sample"].values]
    rows = [(float(found["n"].values[k]), _n_of_z_cells(found, k)) for k in range(len(names))]
    blocks.append(counted(heads, rows, "Mean redshifts; the error of ⟨z⟩, then its parts"))
    blocks.append(
        Words(
            "Parts of the error: the number of galaxies; structure along the line of sight; "
            "differences between cells of the sky; and how well the ratio to the source's n(z) is "
            f"known. Covariances of all bins and {found.sizes['draw']} draws are in "
            f"{evidence.config.results(evidence.name).name}.nz.fits.",
            "note",
        )
    )
    blocks += _picture(evidence, "nz", "nz", "n(z) of each sample, with its 68 % errors, over the "
                       "plain sum of the PDFs.")  # fmt: skip
    return [*blocks, *_drawn(evidence, "nz_correlation", _correlation_figure, "Correlation of the "
            "errors of n(z) of all galaxies between bins of redshift.")]  # fmt: skip


def flags(evidence: Evidence) -> list[Block]:
    """Return how many objects have each quality flag."""
    bits = evidence.cube["flags"].values
    counts = {"any_flag": int((bits != 0).sum())} | flag_counts(bits)
    rows = tuple((name, f"{n:,}", percent(n / len(bits))) for name, n in counts.items())
    return [Table(("flag", "N", "of all"), rows, f"Flags of all {len(bits):,} objects")]


def worth_of_flags(evidence: Evidence) -> list[Block]:
    """Return what each quality flag is worth, where redshifts are known."""
    table = evidence.table("flags")
    rows = [(row["n_flagged"], _flag_cells(row)) for _, row in table.iterrows()]
    heads = ["flag", "N", "η inside", "η outside", "outliers caught"]
    return [counted(heads, rows, "What flags are worth, of galaxies with a known redshift")]


def cuts(evidence: Evidence) -> list[Block]:
    """Return the cuts in quality that are recommended, where the evaluation has found any."""
    table = evidence.table("cuts")
    rows = [_cut_cells(row) for _, row in table[table["by"] == "all"].iterrows()]
    heads = ("score", "cut", "kept", "η promised", "η by the PDFs", "η found", "N found")
    caption = "The loosest cut of each score that promises no more outliers than are wanted"
    note = (
        "Promised: by the labels of held-out source galaxies made like those of the field. Found: "
        "by known redshifts, which had no part in the choice."
    )
    return [
        Table(heads, tuple(rows), caption),
        Words(note, "note"),
        *_picture(evidence, "cuts", "evaluate", "Purity against completeness."),
    ]


def _metric_cells(row: pd.Series) -> list[str]:
    cells = [between(row["by"], row["low"], row["high"]), f"{row['n_missing']:,.0f}"]
    cells += [rounded(row[key], row[f"{key}_err"]) for key in ("bias", "sigma_mad")]
    return [*cells, eta_with_error(row)]


def _calibration_cells(row: pd.Series) -> list[str]:
    cells = [between(row["by"], row["low"], row["high"])]
    cells += [rounded(row[key], row[f"{key}_err"]) for key in ("coverage_68", "coverage_95")]
    outliers = rounded(row["pit_outliers"], float(binomial_error(row["pit_outliers"], row["n"])))
    return [*cells, outliers, rounded(row["crps"], row["crps_err"]), rounded(row["ks"], digits=2)]


def _flag_cells(row: pd.Series) -> list[str]:
    keys = ("eta_in", "eta_out", "outliers_caught")
    if row["flag"] == "any redshift":
        return ["all", rounded(row["eta_in"], row["eta_in_err"]), "–", "–"]
    return [str(row["flag"]), *(rounded(row[key], row[f"{key}_err"]) for key in keys)]


def _cut_cells(row: pd.Series) -> tuple[str, ...]:
    cut, n = row["cut"], row.get("n_found", np.nan)
    etas = [
        rounded(row.get(f"eta_{what}", np.nan), row.get(f"eta_err_{what}", np.nan))
        for what in ("promised", "claimed", "found")
    ]
    kept = percent(row.get("share_claimed", np.nan))
    shown = f"{cut:.4g}" if np.isfinite(cut) else "none keeps to it"
    return str(row["score"]), shown, kept, *etas, f"{n:,.0f}" if np.isfinite(n) else "–"


def _n_of_z_cells(found: xr.Dataset, k: int) -> list[str]:
    one, name = found.isel(sample=k), str(found["sample"].values[k])
    middle, width = found["z"].values, np.diff(found["z_edges"].values)
    error = float(np.sqrt(found["z_mean_covariance"].values[k, k]))
    stacked = one["stacked"].values
    summed = float(stacked @ middle / stacked.sum()) if np.isfinite(stacked).all() else np.nan
    weight = (middle - float(one["z_mean"])) * width
    parts = [float(np.sqrt(max(weight @ one[f"covariance_{part}"].values @ weight, 0.0)))
             for part in N_OF_Z_PARTS]  # fmt: skip
    cells = [name, f"{summed:.4f}" if np.isfinite(summed) else "–"]
    return [*cells, rounded(float(one["z_mean"]), error), *(rounded(p, digits=2) for p in parts)]


def _cells(table: pd.DataFrame) -> list[Block]:
    """Return the coverage of 68 % intervals in cells of magnitude and predicted redshift."""
    known = table[table["n"] >= FEW]
    columns = sorted(set(zip(known["z_low"], known["z_high"], strict=True)))
    held = {
        (row["mag_low"], row["z_low"]): rounded(row["coverage_68"], row["coverage_68_err"])
        for _, row in known.iterrows()
    }
    bins = sorted(set(zip(table["mag_low"], table["mag_high"], strict=True)))
    rows = tuple(
        (between("mag_i", *bin_), *(held.get((bin_[0], low), "–") for low, _ in columns))
        for bin_ in bins
    )
    heads = ("", *(between("z", *column) for column in columns))
    caption = f"Inside 68 %, by magnitude and predicted redshift; cells of {FEW} galaxies and more"
    return [Table(heads, rows, caption)] if columns else []


def _picture(evidence: Evidence, kind: str, verb: str, caption: str) -> list[Block]:
    path = evidence.beside(f"{kind}.png")
    if path.exists():
        return [Picture(path, caption)]
    said = f"{path.name} is not there; run 'hscz {verb}' with hscz[figures] installed to draw it."
    return [Words(said, "missing")]


def _drawn(
    evidence: Evidence, kind: str, draw: Callable[[Evidence], Figure], caption: str
) -> list[Block]:
    """Return a picture that the report draws itself."""
    if not importlib.util.find_spec("holoviews"):
        return [Words(f"No picture of {kind}: install hscz[figures] to draw it.", "missing")]
    path = evidence.beside(f"{kind}.png")
    return [Picture(draw(evidence).save(path.with_suffix(""))[0], caption)]


def _coverage_figure(evidence: Evidence) -> Figure:
    from hscz.figures.reliability import coverage_figure

    tables = evidence.coverage_by_mag, evidence.table("credibility")
    return coverage_figure(*tables, title=evidence.name)


def _correlation_figure(evidence: Evidence) -> Figure:
    from hscz.figures.reliability import correlation_figure

    return correlation_figure(evidence.n_of_z, f"n(z) of {evidence.name}")
