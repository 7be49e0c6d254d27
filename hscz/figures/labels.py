"""Figures 3, 4 and 25 and Table 1: the redshift labels and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hscz.evaluate.metrics import OUTLIER_DZ, metrics_table
from hscz.figures.figure import Missing, paper_figure, present
from hscz.figures.maps import pixels, plane_panel
from hscz.figures.marks import colour_map, decades, filled, grid, line, panel, strokes, text
from hscz.figures.samples import by_region, columns, known
from hscz.pdf.grid import bin_centres
from hscz.tables.descriptor import CatalogueDescriptor, descriptor_paths, load_descriptor

Z_EDGES = np.linspace(0, 5, 101)
N_Z_EDGES = np.linspace(0, 5, 51)
MAG_EDGES = np.linspace(16, 25, 37)
PLANE_EDGES = np.linspace(18, 25, 43), np.linspace(0, 6, 49)

C2020_COLOUR, SPEC_COLOUR, PHOTOMETRIC_COLOUR = "#cc6699", "#0072b2", "#999999"


@paper_figure("fig03", "COSMOS2020 against spectroscopic redshifts")
def fig03(store: xr.Dataset | None) -> Any:
    """Compare COSMOS2020 redshifts with spectroscopic ones where a galaxy has both.

    Colour is the number of galaxies, grey the distribution of the spectroscopic redshifts;
    dashed lines are at ``|dz| = 0.15``.

    Parameters
    ----------
    store : xarray.Dataset or None
        Field store of the labelled field.

    Returns
    -------
    Figure
        Table: `hscz.evaluate.metrics.metrics_table` of all and in bins of i.

    Examples
    --------
    >>> fig03(None).note
    'there is no field store of the labelled field; run hscz ingest'
    """
    if store is None:
        raise Missing("there is no field store of the labelled field; run hscz ingest")
    table = columns(store)
    both = table[known(table, "z_spec").notna() & known(table, "z_c2020").notna()]
    if not len(both):
        raise Missing("no galaxy has a COSMOS2020 and a spectroscopic redshift; run hscz label")
    z_spec, z_c2020, mag_i = (both[name].to_numpy() for name in ("z_spec", "z_c2020", "mag_i"))
    by = {"mag_i": (mag_i, [18, 20, 21, 22, 22.5, 23, 24, 25])}
    drawn = metrics_table(z_c2020, z_spec, by)
    found = pixels(z_spec, z_c2020, np.ones(len(both)), Z_EDGES, Z_EDGES)
    counts = np.where(found.n > 0, found.n, np.nan)
    top = float(Z_EDGES[-1])
    number, edges = np.histogram(z_spec, N_Z_EDGES)
    row = drawn.iloc[0]
    quoted = (
        f"N = {row['n']:,.0f}\nσ_MAD = {row['sigma_mad']:.4f} ± {row['sigma_mad_err']:.4f}\n"
        f"b = {row['bias']:+.4f} ± {row['bias_err']:.4f}\n"
        f"η = {row['outlier_fraction']:.3f} ± {row['outlier_fraction_err']:.3f}"
    )
    shift = OUTLIER_DZ * (1 + top)
    outer = [(0, sign * OUTLIER_DZ, top, top + sign * shift) for sign in (-1, 1)]
    layers = [
        filled(edges, 0.35 * top * number / number.max(), "#e4e4e4", outline="#c8c8c8"),
        colour_map(counts, found.bounds, (1, float(found.n.max())), "galaxies", log=True),
        strokes([(0, 0, top, top)], "black"),
        strokes(outer, "black", 0.8, "dashed"),
        text(0.15, 1.2 * top, quoted, 10, align="left", valign="top"),
    ]
    axes = ("spectroscopic redshift", "COSMOS2020 redshift")
    # Room above the map for what is quoted.
    shown = panel(layers, "", *axes, (0.0, top), (0.0, 1.23 * top), aspect=1 / 1.23)
    return grid([shown], columns=1, inches=5.5), drawn, ""


@paper_figure("fig04", "Magnitudes and redshifts of the samples")
def fig04(stores: Mapping[str, xr.Dataset]) -> Any:
    """Draw the i magnitudes (above) and redshifts (below) of the samples of each region.

    Grey: all galaxies; blue: those with a spectroscopic redshift; pink: with a COSMOS2020 one.

    Parameters
    ----------
    stores : mapping of str to xarray.Dataset
        Field stores by field; those of one region share a panel.

    Returns
    -------
    Figure
        Table: ``region``, ``sample`` (photometric, C2020, spec), ``quantity`` (mag_i or z),
        ``low``, ``high``, ``count`` and the sample's ``n``.

    Examples
    --------
    >>> fig04({}).note
    'there is no field store; run hscz ingest'
    """
    if not stores:
        raise Missing("there is no field store; run hscz ingest")
    tables = {name: columns(store) for name, store in stores.items()}
    seen = {name: table for name, table in tables.items() if table["mag_i"].notna().any()}
    seen, note = present(seen, stores, "i magnitude")
    regions = by_region(seen)
    drawn = pd.concat(
        [_counted(table).assign(region=region) for region, table in regions.items()],
        ignore_index=True,
    )
    panels = []
    for quantity, axis, edges in (("mag_i", "i (mag)", MAG_EDGES), ("z", "redshift", N_Z_EDGES)):
        chosen = drawn[drawn["quantity"] == quantity]
        log = quantity == "mag_i"
        for region in regions:
            mine = chosen[chosen["region"] == region]
            # One scale for the magnitudes; the redshifts known differ too much between regions.
            top = float((chosen if log else mine)["count"].max())
            panels.append(
                panel(
                    _outlines(mine, edges, log),
                    title=region,
                    x=axis,
                    y=f"galaxies per {edges[1] - edges[0]:g}" + (" mag" if log else ""),
                    xlim=(float(edges[0]), float(edges[-1])),
                    ylim=(-0.15, np.log10(top) + 1.8) if log else (0, 1.08 * max(top, 1.0)),
                    legend="top_left" if log else "",
                    yticks=decades(top) if log else None,
                )
            )
    return grid(panels, columns=len(regions), gap=(0.3, 0.3)), drawn, note


def _counted(table: pd.DataFrame) -> pd.DataFrame:
    samples: dict[str, Any] = {
        "photometric": np.ones(len(table), bool),
        "C2020": known(table, "z_c2020").notna(),
        "spec": known(table, "z_spec").notna(),
    }
    redshifts = {"C2020": known(table, "z_c2020"), "spec": known(table, "z_spec")}
    parts = []
    for name, chosen in samples.items():
        values = {"mag_i": (table["mag_i"][chosen], MAG_EDGES)}
        if name in redshifts:
            values["z"] = (redshifts[name].dropna(), N_Z_EDGES)
        for quantity, (value, edges) in values.items():
            place: dict[str, Any] = {
                "sample": name,
                "quantity": quantity,
                "low": edges[:-1],
                "high": edges[1:],
            }
            count, _ = np.histogram(value, edges)
            parts.append(pd.DataFrame(place | {"count": count, "n": int(chosen.sum())}))
    return pd.concat(parts, ignore_index=True)


def _outlines(rows: pd.DataFrame, edges: Any, log: bool) -> list[Any]:
    tints = {"photometric": PHOTOMETRIC_COLOUR, "C2020": C2020_COLOUR, "spec": SPEC_COLOUR}
    layers = []
    for sample, tint in tints.items():
        mine = rows[rows["sample"] == sample]
        if not len(mine) or not mine["n"].iloc[0]:
            continue
        count = mine["count"].to_numpy(np.float64)
        if log:
            # A bin without an object has no logarithm.
            count = np.log10(np.where(count > 0, count, 0.5))
        middle, label = bin_centres(edges), f"{sample} ({mine['n'].iloc[0]:,})"
        layers.append(line(middle, count, tint, label, width=2.0, steps=True))
    return layers


@paper_figure("fig25", "Consistency of the COSMOS2020 labels")
def fig25(store: xr.Dataset | None) -> Any:
    """Map the scatter of the COSMOS2020 redshifts, and the spectroscopic ones in their place.

    Left: mean standard deviation of the four COSMOS2020 redshifts of the labels. Right: number
    of galaxies whose label is spectroscopic.

    Parameters
    ----------
    store : xarray.Dataset or None
        Field store of the labelled field.

    Returns
    -------
    Figure
        Table: ``panel`` (sigma or spec), ``x`` (i), ``y`` (redshift), ``n`` and ``mean``.

    Examples
    --------
    >>> fig25(None).missing
    True
    """
    if store is None:
        raise Missing("there is no field store of the labelled field; run hscz ingest")
    table = columns(store)
    c2020 = table[known(table, "z_c2020").notna() & known(table, "z_c2020_sigma").notna()]
    if not len(c2020):
        raise Missing("no galaxy has a COSMOS2020 redshift; give its catalogues to hscz label")
    spec = table[(table["label_source"] == "spec") & known(table, "z_label").notna()]
    maps = {
        "sigma": pixels(c2020["mag_i"], c2020["z_c2020"], c2020["z_c2020_sigma"], *PLANE_EDGES),
        "spec": pixels(spec["mag_i"], spec["z_label"], np.ones(len(spec)), *PLANE_EDGES),
    }
    sigma, n_spec = maps["sigma"], maps["spec"].n
    limits = (0.0, max(1e-3, float(np.nanquantile(sigma.mean, 0.97))))
    counts = np.where(n_spec > 0, n_spec, np.nan)
    panels = [
        plane_panel(
            *(sigma, sigma.mean, limits, "mean σ_z"),
            *(f"{len(c2020):,} COSMOS2020 labels", True, "COSMOS2020 redshift"),
        ),
        plane_panel(
            *(maps["spec"], counts, (1, max(2.0, float(n_spec.max()))), "galaxies"),
            *(f"{len(spec):,} spectroscopic labels", True, "spectroscopic redshift", True),
        ),
    ]
    drawn = pd.concat([m.table(panel=name) for name, m in maps.items()], ignore_index=True)
    return grid(panels, columns=2, inches=5, gap=(0.5, 0.3)), drawn, ""


@paper_figure("table1", "Redshift surveys behind the labels")
def table1(
    stores: Mapping[str, xr.Dataset], descriptors: Sequence[CatalogueDescriptor] | None = None
) -> Any:
    """List the redshift catalogues that hscz can read, and how many labels each gave here.

    Parameters
    ----------
    stores : mapping of str to xarray.Dataset
        Field stores by field, whose redshifts are counted; may be empty.
    descriptors : sequence of CatalogueDescriptor, optional
        Empty takes those of the package that have redshifts.

    Returns
    -------
    Figure
        Table: ``survey``, ``resolution``, ``z_low``, ``z_high``, ``selection``, ``reference``
        and ``n``, the objects of the stores whose redshift comes from there.

    Examples
    --------
    >>> table1({}).table.query("survey == 'DEEP2'")["resolution"].tolist()
    [6000.0]
    """
    if descriptors is None:
        descriptors = [load_descriptor(name) for name in descriptor_paths()]
    chosen = [d for d in descriptors if {"z", "z_lephare"} & set(d.columns)]
    tables = [columns(store) for store in stores.values()]
    surveys = pd.concat([t["z_spec_survey"] for t in tables if "z_spec_survey" in t] or [_NONE])
    n_spec = surveys.astype(str).value_counts().to_dict()
    n_c2020 = sum(int(known(t, "z_c2020").notna().sum()) for t in tables)
    rows = [
        {
            "survey": d.survey,
            "resolution": d.resolution or np.nan,
            **dict(zip(("z_low", "z_high"), d.z_range or (np.nan, np.nan), strict=True)),
            "selection": d.selection,
            "reference": d.reference,
            "n": int(n_c2020 if d.survey == "COSMOS2020" else n_spec.get(d.survey, 0)),
        }
        for d in chosen
    ]
    drawn = pd.DataFrame(rows).drop_duplicates("survey").reset_index(drop=True)
    return grid([_printed(drawn)], columns=1, inches=11), drawn, ""


_NONE = pd.Series([], dtype=str)


def _printed(table: pd.DataFrame) -> Any:
    """Return a table as text in columns."""
    heads = {"Survey": 0.0, "Resolution": 0.24, "z": 0.36, "Selection": 0.47, "N here": 1.0}
    n = len(table)
    layers = [strokes([(0, y, 1, y) for y in (n + 0.5, n - 0.5, -0.5)], "black", 1.2)]
    for head, x in heads.items():
        layers.append(text(x, n, head, 11, align="right" if x == 1 else "left"))
    for y, row in zip(range(n - 1, -1, -1), table.to_dict("records"), strict=True):
        resolution = f"{row['resolution']:g}" if np.isfinite(row["resolution"]) else "–"
        known_span = np.isfinite(row["z_low"])
        span = f"{row['z_low']:g} to {row['z_high']:g}" if known_span else "–"
        cells = (row["survey"], resolution, span, row["selection"], f"{row['n']:,}")
        for x, cell in zip(heads.values(), cells, strict=True):
            layers.append(text(x, y, str(cell), 9.5, align="right" if x == 1 else "left"))
    limits: dict[str, Any] = {"xlim": (-0.01, 1.01), "ylim": (-0.8, n + 0.8)}
    return panel(layers, bare=True, aspect=max(1.2, 28 / (n + 2)), width_px=900, **limits)
