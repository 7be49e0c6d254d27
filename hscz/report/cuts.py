"""Which redshifts of a field to keep: what cuts promise, and what they hold where that is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from hscz.config import EvaluateConfig
from hscz.evaluate.cuts import (
    FOUND,
    PROMISED,
    SCORES,
    Bins,
    Judged,
    at_cut,
    cut_curves,
    recommended_cut,
    scores_of,
)
from hscz.evaluate.judged import is_judged
from hscz.evaluate.metrics import OUTLIER_DZ, residual

_COLUMNS = ("z_median", "pdf_width", "odds", "p_peak2", "flags")


def claimed(cube: xr.Dataset) -> Judged:
    """Return the unseen galaxies of a field, judged by what their own PDFs say."""
    own = _unseen(cube)
    return _judged(own, np.full(own.sizes["object"], np.nan), 1 - own["odds"].values)


def found(cube: xr.Dataset, reference: str | None) -> Judged:
    """Return the unseen galaxies of a field whose redshifts are known, judged by these.

    Parameters
    ----------
    cube : xarray.Dataset
        PDF cube; its point columns are read.
    reference : str or None
        Column of known redshifts; without, there is no galaxy.
    """
    own = _unseen(cube, reference).isel(object=slice(None if reference else 0))
    dz = residual(own["z_median"].values, own[reference].values if reference else [])
    return _judged(own, dz, np.abs(dz) > OUTLIER_DZ)


def _unseen(cube: xr.Dataset, reference: str | None = None) -> xr.Dataset:
    return cube.drop_dims("z").isel(object=np.flatnonzero(is_judged(cube, reference)))


def _judged(cube: xr.Dataset, dz: ArrayLike, outlier: ArrayLike) -> Judged:
    n = cube.sizes["object"]
    scores = scores_of({name: cube[name].values for name in _COLUMNS})
    mag_i, off, wrong = (np.asarray(v, np.float64) for v in (cube["mag_i"].values, dz, outlier))
    return Judged(scores, mag_i, off, wrong, np.ones(n), np.arange(n))


def curves(samples: Mapping[str, Judged], settings: EvaluateConfig) -> pd.DataFrame:
    """Return purity against completeness.

    Parameters
    ----------
    samples : mapping of str to Judged
        By `PROMISED`, `CLAIMED` and `FOUND`.
    settings : EvaluateConfig

    Returns
    -------
    pandas.DataFrame
        As `hscz.evaluate.cuts.cut_curves`, with the column ``by_what``, a name of the samples.
    """
    tables = [
        cut_curves(sample, _bins(sample, settings)).assign(by_what=what)
        for what, sample in samples.items()
    ]
    return pd.concat(tables, ignore_index=True)


def recommended(samples: Mapping[str, Judged], settings: EvaluateConfig) -> pd.DataFrame:
    """Return the loosest cut of each score that promises no more outliers than are wanted.

    Nothing is chosen by what is found.

    Parameters
    ----------
    samples : mapping of str to Judged
        As for `curves`.
    settings : EvaluateConfig

    Returns
    -------
    pandas.DataFrame
        Columns ``score``, ``cut`` (NaN where none keeps to it), ``by, low, high`` (all galaxies
        and bins of magnitude) and, of each sample, ``share, n, eta`` and ``eta_err`` with its name
        behind, such as ``eta_promised``.
    """
    tables = []
    for score in samples[PROMISED].scores:
        cut = recommended_cut(samples[PROMISED], score, settings.wanted_eta)
        parts = [
            at_cut(sample, score, cut, _bins(sample, settings))
            .set_index(["by", "low", "high"])
            .add_suffix(f"_{what}")
            for what, sample in samples.items()
        ]
        whole = pd.concat(parts, axis=1).reset_index()
        whole.insert(0, "score", score)
        whole.insert(1, "cut", cut)
        tables.append(whole)
    return pd.concat(tables, ignore_index=True)


def format_cuts(table: pd.DataFrame, wanted_eta: float, reference: str | None = None) -> str:
    """Return the table of `recommended` as text, one line for each score.

    Shares kept are those of the field's own galaxies.
    """
    bins = table.loc[table["by"] != "all", ["low", "high"]].drop_duplicates().tail(3)
    heads = ["cut", "kept", *(f"{low:g}<i<{high:g}" for low, high in bins.to_numpy())]
    heads += ["eta promised", "by PDFs", *([f"by {reference}", "N"] if reference else [])]
    lines = []
    for score, rows in table.groupby("score", sort=False):
        whole = rows[rows["by"] == "all"].iloc[0]
        if np.isnan(whole["cut"]):
            lines.append([f"{SCORES[str(score)].title}: promises no eta below {wanted_eta:g}"])
            continue
        shares = pd.concat([whole[["share_claimed"]], rows["share_claimed"].tail(len(bins))])
        cells = [SCORES[str(score)].kept_by(whole["cut"])]
        cells += ["-" if np.isnan(share) else f"{share:.3f}" for share in shares]
        cells += [_with_error(whole, PROMISED), f"{whole['eta_claimed']:.4f}"]
        if reference:
            cells += [_with_error(whole, FOUND), f"{whole['n_found']:,.0f}"]
        lines.append(cells)
    full = [heads, *(line for line in lines if len(line) > 1)]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=False))
        ).rstrip()
        for line in [heads, *lines]
    )


def _with_error(row: pd.Series, what: str) -> str:
    eta, error = row[f"eta_{what}"], row[f"eta_err_{what}"]
    return "-" if np.isnan(eta) else f"{eta:.4f} +- {error:.4f}"


def _bins(judged: Judged, settings: EvaluateConfig) -> Bins:
    return {"mag_i": (judged.mag_i, settings.mag_edges)}
