"""Redshift labels: secure spectroscopy first, then the consensus of COSMOS2020."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hscz.errors import InputError, about
from hscz.schema import C2020_ESTIMATES
from hscz.tables.descriptor import CatalogueDescriptor
from hscz.tables.match import match_one_to_one, without_repeats
from hscz.tables.select import select

REPEAT_ARCSEC = 0.5
"""Rows of one survey closer than this are repeats: the seeing blends any two galaxies there."""

DISAGREE = 0.01
"""Surveys disagree where ``|dz| / (1 + z)`` is above this: wider than the errors of PRIMUS, the
least sharp of them (R = 40, 0.5 %), so that one of the two took another line."""

LOWEST_Z = -0.01
"""No galaxy comes nearer as fast as this says."""

PAPER_CHECKS: Mapping[str, tuple[str, str]] = {
    "n_labelled": ("labelled", "179,600"),
    "fraction_replaced": ("COSMOS2020 replaced by spectroscopy", "19 %"),
    "n_spec_only": ("spectroscopy without COSMOS2020", "2,700"),
    "fraction_spec_faint": ("spectroscopy among labels at i > 23", "below 8 %"),
}
"""Entries of `label_report` that the paper gives for COSMOS UDF (its sections 3 and 7), with
a title and the paper's value."""


def consensus(four: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of several redshifts of each galaxy.

    The deviation is that of the estimates themselves (divisor n). Both are NaN where any of
    the redshifts is missing or negative.

    Parameters
    ----------
    four : array_like, shape (n, k)
        Redshifts; COSMOS2020 gives {CLASSIC, FARMER} x {LePhare, EAZY}.

    Returns
    -------
    mean, sigma : ndarray, shape (n,)

    Examples
    --------
    >>> mean, sigma = consensus([[1.0, 1.0, 1.2, 1.2], [0.5, 0.5, 0.5, np.nan]])
    >>> mean.round(3).tolist(), sigma.round(3).tolist()
    ([1.1, nan], [0.1, nan])
    """
    values = np.asarray(four, dtype=np.float64)
    values = np.where(values >= 0, values, np.nan)
    return values.mean(axis=1), values.std(axis=1)


def c2020_table(
    classic: pd.DataFrame,
    farmer: pd.DataFrame,
    *,
    galaxies: str,
    lephare: str = "z_lephare",
    eazy: str = "z_eazy",
    sigma_max: float = 0.1,
    radius_arcsec: float = 1.0,
) -> pd.DataFrame:
    """Return the COSMOS2020 labels: galaxies on whose redshift the four estimates agree.

    Galaxies of the two catalogues are joined by position, one to one, and kept where
    sigma <= sigma_max (1 + mean), which with 0.1 is the paper's rule (its section 2.2).

    Parameters
    ----------
    classic, farmer : pandas.DataFrame
        As `hscz.tables.read.read_catalogue` returns them.
    galaxies : str
        Rule that holds for the galaxies to take of either catalogue, such as the `select` of
        its descriptor.
    lephare, eazy : str
        Columns of the two estimates. The paper does not say whether it took ``lp_zBEST``
        (here by default, as ``z_lephare``) or ``lp_zPDF``.
    sigma_max : float
    radius_arcsec : float
        Largest separation of the CLASSIC and FARMER positions.

    Returns
    -------
    pandas.DataFrame
        Columns ``ra``, ``dec`` (those of CLASSIC, degrees), ``z_c2020``, ``z_c2020_sigma`` and the
        four estimates themselves, named as in `hscz.schema.C2020_ESTIMATES`.

    Raises
    ------
    InputError
        If a column is missing or a catalogue has no galaxy.

    Examples
    --------
    >>> row = {"ra": [150.0], "dec": [2.0], "lp_type": [0], "z_eazy": [1.0], "z_lephare": [1.2]}
    >>> table = c2020_table(pd.DataFrame(row), pd.DataFrame(row), galaxies="lp_type == 0")
    >>> table[["z_c2020", "z_c2020_sigma", "z_farmer_eazy"]].round(3).values.tolist()
    [[1.1, 0.1, 1.0]]
    """
    for name, table in (("COSMOS2020 CLASSIC", classic), ("COSMOS2020 FARMER", farmer)):
        absent = {lephare, eazy} - set(table.columns)
        if absent:
            raise InputError(f"{name}: no column {absent.pop()!r}; read it along as an extra one")
    with about("COSMOS2020 CLASSIC"):
        classic = classic[select(classic, galaxies)]
    with about("COSMOS2020 FARMER"):
        farmer = farmer[select(farmer, galaxies)]
    i, j, _ = match_one_to_one(
        classic["ra"], classic["dec"], farmer["ra"], farmer["dec"], radius_arcsec
    )
    classic, farmer = classic.iloc[i], farmer.iloc[j]
    four = np.hstack([classic[[lephare, eazy]], farmer[[lephare, eazy]]])
    mean, sigma = consensus(four)
    table = classic[["ra", "dec"]].assign(z_c2020=mean, z_c2020_sigma=sigma)
    table[list(C2020_ESTIMATES)] = four
    return table[sigma <= sigma_max * (1 + mean)].reset_index(drop=True)


def secure_redshifts(table: pd.DataFrame, descriptor: CatalogueDescriptor) -> pd.DataFrame:
    """Return the spectroscopic redshifts that may serve as labels, each galaxy once.

    Of rows within `REPEAT_ARCSEC` of each other the most secure stays, then the one of lower z.

    Parameters
    ----------
    table : pandas.DataFrame
        As `hscz.tables.read.read_catalogue` returns it.
    descriptor : CatalogueDescriptor
        Its `secure` rule, classes of `confidence`, `survey` and `resolution` are used.

    Returns
    -------
    pandas.DataFrame
        Columns ``ra``, ``dec``, ``z``, ``flag``, ``survey``, ``confidence`` (percent) and
        ``resolution``; possibly without rows.

    Raises
    ------
    InputError
        If the descriptor has no rule for secure redshifts, no redshift or no quality flag, or its
        rule admits a value that is no redshift.
    """
    if not descriptor.secure:
        raise InputError(
            f"the descriptor {descriptor.name!r} has no rule 'secure' that says which redshifts "
            "may be labels; add it, or use a spectroscopic catalogue"
        )
    absent = [name for name in ("z", "flag") if name not in table]
    if absent:
        raise InputError(
            f"the descriptor {descriptor.name!r} has no {absent[0]!r} in [columns]; add it, or "
            "use a spectroscopic catalogue"
        )
    with about(descriptor.survey):
        admitted = select(table, descriptor.secure, allow_empty=True)
        classes = [select(table, c.where, allow_empty=True) for c in descriptor.confidence]
    admitted &= table["z"].notna()
    table = table[admitted]
    _check_above(table["z"], descriptor)
    confidence = np.zeros(len(table))
    for entry, holds in reversed([*zip(descriptor.confidence, classes, strict=True)]):
        confidence[holds[admitted]] = entry.percent
    secure = table[["ra", "dec", "z", "flag"]].assign(
        survey=descriptor.survey, confidence=confidence, resolution=descriptor.resolution
    )
    secure = secure.sort_values(["confidence", "z"], ascending=[False, True], ignore_index=True)
    kept = without_repeats(secure["ra"], secure["dec"], REPEAT_ARCSEC)
    return secure[kept].reset_index(drop=True)


def _check_above(z: pd.Series, descriptor: CatalogueDescriptor) -> None:
    """Refuse secure redshifts that are marks of missing ones."""
    below = z < LOWEST_Z
    if below.any():
        raise InputError(
            f"the rule 'secure' of the descriptor {descriptor.name!r} admits the redshift "
            f"{z[below].iloc[0]} ({below.sum()} rows below {LOWEST_Z}); add "
            f"'{descriptor.columns['z']} > 0' to the rule, or the value to 'missing'"
        )


def assign_labels(
    objects: pd.DataFrame,
    c2020: pd.DataFrame | None = None,
    spec: Sequence[pd.DataFrame] = (),
    radius_arcsec: float = 1.0,
) -> pd.DataFrame:
    """Give each object its redshift label: spectroscopic where secure, else COSMOS2020.

    Each catalogue is matched to the objects one to one. Of several surveys the most secure
    redshift is taken, then the one of higher resolution, then the nearer one. Where another
    differs from it by more than `DISAGREE`, the one farthest from it stands in ``z_spec_other``.

    Parameters
    ----------
    objects : pandas.DataFrame
        Columns ``ra`` and ``dec``.
    c2020 : pandas.DataFrame, optional
        From `c2020_table`.
    spec : sequence of pandas.DataFrame
        From `secure_redshifts`, one per survey.
    radius_arcsec : float

    Returns
    -------
    pandas.DataFrame
        One row per object, in order: ``z_spec``, ``z_spec_flag``, ``z_spec_survey``,
        ``z_spec_count`` (surveys with a secure redshift), ``z_spec_other``, ``z_c2020``,
        ``z_c2020_sigma`` and its four estimates where they are known, ``z_label`` and
        ``label_source`` (``spec``, ``c2020`` or empty). NaN or empty where unknown.

    Examples
    --------
    >>> objects = pd.DataFrame({"ra": [150.0, 150.1, 150.2], "dec": [2.0, 2.0, 2.0]})
    >>> c2020 = objects[:2].assign(z_c2020=[0.50, 0.90], z_c2020_sigma=[0.01, 0.02])
    >>> spec = objects[1:].assign(z=[0.93, 1.1], flag=4, survey="S", confidence=97, resolution=1)
    >>> assign_labels(objects, c2020, [spec])[["z_label", "label_source"]].values.tolist()
    [[0.5, 'c2020'], [0.93, 'spec'], [1.1, 'spec']]
    """
    labels = pd.DataFrame(
        {
            **dict.fromkeys(("z_spec", "z_spec_flag"), np.nan),
            "z_spec_survey": "",
            "z_spec_count": np.int32(0),
            "z_spec_other": np.nan,
            **dict.fromkeys(("z_c2020", "z_c2020_sigma", "z_label"), np.nan),
            "label_source": "",
        },
        index=pd.RangeIndex(len(objects)),
    )
    if c2020 is not None:
        found = _matched(objects, c2020, radius_arcsec)
        for name in ("z_c2020", "z_c2020_sigma", *C2020_ESTIMATES):
            if name in found:
                labels.loc[found["row"], name] = found[name].to_numpy()
    if spec:
        candidates = pd.concat([_matched(objects, table, radius_arcsec) for table in spec])
        counts = candidates["row"].value_counts()
        labels.loc[counts.index, "z_spec_count"] = counts.to_numpy(np.int32)
        found = _best(candidates)
        other = _disagreeing(candidates, found)
        labels.loc[other["row"], "z_spec_other"] = other["z"].to_numpy()
        for name, column in (("z", "z_spec"), ("flag", "z_spec_flag"), ("survey", "z_spec_survey")):
            labels.loc[found["row"], column] = found[name].to_numpy()
    labels["z_label"] = labels["z_spec"].fillna(labels["z_c2020"])
    labels.loc[labels["z_c2020"].notna(), "label_source"] = "c2020"
    labels.loc[labels["z_spec"].notna(), "label_source"] = "spec"
    return labels.set_index(objects.index)


def flag_candidates(
    objects: pd.DataFrame, candidates: pd.DataFrame, radius_arcsec: float = 1.0
) -> NDArray[np.bool_]:
    """Return which objects are in a list of candidates, matched one to one.

    Examples
    --------
    >>> objects = pd.DataFrame({"ra": [150.0, 150.1], "dec": [2.0, 2.0]})
    >>> flag_candidates(objects, objects[1:]).tolist()
    [False, True]
    """
    flags = np.zeros(len(objects), dtype=bool)
    flags[_matched(objects, candidates, radius_arcsec)["row"]] = True
    return flags


def label_report(labels: pd.DataFrame, mag_i: ArrayLike) -> dict[str, Any]:
    """Count the labels, with the fractions the paper gives for COSMOS UDF.

    Parameters
    ----------
    labels : pandas.DataFrame
        From `assign_labels`.
    mag_i : array_like
        Total i magnitude of the same objects.

    Returns
    -------
    dict
        Counts, with ``fraction_replaced`` (COSMOS2020 labels replaced by spectroscopy),
        ``n_spec_only`` and ``fraction_spec_faint`` (spectroscopic among the labels at i > 23),
        which `PAPER_CHECKS` compares, and how many objects several surveys have
        (``n_spec_several``) and disagree on (``n_spec_disagree``).

    Examples
    --------
    >>> labels = pd.DataFrame({"z_spec": [1.0, np.nan], "z_c2020": [1.1, 0.4]})
    >>> labels = labels.assign(z_spec_count=[1, 0], z_spec_other=np.nan)
    >>> labels["label_source"] = ["spec", "c2020"]
    >>> label_report(labels, [22.0, 24.0])["fraction_replaced"]
    0.5
    """
    source, has_c2020 = labels["label_source"], labels["z_c2020"].notna()
    is_spec, labelled = source == "spec", source != ""
    faint = labelled & (np.asarray(mag_i) > 23)
    return {
        "n_objects": len(labels),
        "n_labelled": int(labelled.sum()),
        "n_spec": int(is_spec.sum()),
        "n_c2020": int((source == "c2020").sum()),
        "n_spec_only": int((is_spec & ~has_c2020).sum()),
        "fraction_replaced": _fraction(is_spec & has_c2020, has_c2020),
        "fraction_spec_faint": _fraction(is_spec & faint, faint),
        "n_spec_several": int((labels["z_spec_count"] > 1).sum()),
        "n_spec_disagree": int(labels["z_spec_other"].notna().sum()),
    }


def _matched(objects: pd.DataFrame, table: pd.DataFrame, radius_arcsec: float) -> pd.DataFrame:
    """Return the matched rows of a table, with the row of the object and the separation."""
    i, j, separation = match_one_to_one(
        objects["ra"], objects["dec"], table["ra"], table["dec"], radius_arcsec
    )
    return table.iloc[j].assign(row=i, separation=separation)


def _best(candidates: pd.DataFrame) -> pd.DataFrame:
    order = ["confidence", "resolution", "separation", "survey"]
    best_first = candidates.sort_values(order, ascending=[False, False, True, True])
    return best_first.drop_duplicates("row")


def _disagreeing(candidates: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """Return for each object the redshift farthest from its best, where they disagree."""
    z_best = candidates["row"].map(best.set_index("row")["z"])
    difference = (candidates["z"] - z_best).abs() / (1 + z_best)
    farthest_first = candidates.assign(difference=difference).sort_values(
        ["difference", "z"], ascending=[False, True]
    )
    return farthest_first[farthest_first["difference"] > DISAGREE].drop_duplicates("row")


def _fraction(part: pd.Series, whole: pd.Series) -> float:
    return float(part.sum() / whole.sum()) if whole.any() else float("nan")
