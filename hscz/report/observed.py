"""Sections of a report on what was observed: the sample, the images and the zero points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hscz.evaluate.cells import occupied_deg2
from hscz.ingest.zeropoints import (
    FLAGGED_SIGMA,
    corrects,
    is_target,
    measured_zero_points,
    report_lines,
)
from hscz.report.blocks import Block, Table, Words, between, counted, facts, percent, rounded
from hscz.report.evidence import Evidence
from hscz.schema import WIDE_PDFW, is_usable
from hscz.survey import ZERO_POINT_MAG

APERTURE_ARCSEC, SIGMAS = 2.0, 5.0
"""Diameter of the aperture, and errors above the sky, that depths are given for."""

DIFFERENT: Mapping[str, float] = {"depth": 0.1, "seeing": 0.05}
"""Magnitudes, and arcseconds, by which a field is worth calling other than the source."""

ByBand: TypeAlias = Mapping[str, NDArray[np.float64]]
"""16, 50 and 84 % of a quantity by band."""


def sample(evidence: Evidence) -> list[Block]:
    """Return which objects there are: how selected, how many, where and how bright."""
    cube, attrs = evidence.cube, evidence.store.attrs
    mag_i, ebv = cube["mag_i"].values, cube["ebv"].values
    area = occupied_deg2(cube["ra"].values, cube["dec"].values)
    n, there = cube.sizes["object"], np.isfinite(cube["z_median"].values)
    read = [attrs.get(key) for key in ("n_read", "n_selected", "n_lost")]
    chain = f"{read[0]:,} read, {read[1]:,} selected" if None not in read[:2] else ""
    chain += f", {read[2]:,} of them not fully inside an image" if read[2] and chain else ""
    role = "source: its own labels train the networks" if evidence.is_source else ""
    pairs = [
        ("field", f"{evidence.name}, {role or f'target; networks learn from {evidence.sources}'}"),
        ("survey", str(attrs.get("survey", ""))),
        ("selection", str(attrs.get("select") or "all objects of the catalogue")),
        ("catalogue", chain),
        ("objects", f"{n:,}, of which {there.sum():,} have a PDF"),
        ("area", f"{rounded(area)} deg², cells in which objects lie; {_density(n, area)}"),
        ("i magnitude", _spread(mag_i, "median {:.2f}, 5 to 95 % of the objects {:.2f} to {:.2f}")),
        ("E(B-V)", f"{_spread(ebv, 'median {:.3f}, {:.3f} to {:.3f}')} mag{_dust_from(attrs)}"),
    ]
    return [facts(pairs), _by_magnitude(evidence, cube)]


def images(evidence: Evidence) -> list[Block]:
    """Return depth and seeing of each band, against the source's."""
    field = evidence.store
    sources = [evidence.store_of(name) for name in evidence.config.train.fields]
    depths, ours = _of_bands([field], depth_mag), _of_bands(sources, depth_mag)
    seeing, theirs = _of_bands([field], _fwhm), _of_bands(sources, _fwhm)
    against = [] if evidence.is_source else [evidence.sources, "difference"]
    rows = []
    for band in depths:
        row = [band, *_against(depths[band], ours.get(band), bool(against), 2)]
        rows.append((*row, *_against(seeing[band], theirs.get(band), bool(against), 3)))
    heads = ("band", "depth, mag", *against, "seeing, arcsec", *against)
    caption = f"Medians of the stamps, and the half-width of their central 68 % ({evidence.name})"
    blocks: list[Block] = [Table(heads, tuple(rows), caption)]
    blocks.append(
        Words(
            f"Depth: {SIGMAS:g} sigma in an aperture of {APERTURE_ARCSEC:g} arcsec, by the scatter "
            "of single sky pixels of the stamps, no light lost; neighbouring pixels that go "
            "together make it shallower. Seeing: full width at half maximum of the PSF.",
            "note",
        )
    )
    compared = {"depth": (depths, ours, 1), "seeing": (seeing, theirs, -1)}
    return [*blocks, *_differences(evidence, compared)]


def zero_points(evidence: Evidence) -> list[Block]:
    """Return the zero points of a target against the source fields."""
    config, name = evidence.config, evidence.name
    if not is_target(config, name):
        return [Words(f"{name} is a source field: zero points of others refer to it.")]
    lines = report_lines(config, name)
    if not lines:
        return [
            Words("Zero points are not measured before the stores of all fields that the networks "
                  "learn from are there; run 'hscz ingest' to make them.", "missing")
        ]  # fmt: skip
    table, corrected = measured_zero_points(config, name), corrects(config, name)
    if not table["offset_mag"].notna().any():
        return [Words(f"{lines[0][:1].upper()}{lines[0][1:]}.", "caution")]
    rows = [
        (
            row["band"],
            rounded(row["offset_mag"], row["error_mag"]),
            f"{abs(row['offset_mag']) / row['error_mag']:.1f}" if row["error_mag"] > 0 else "–",
            f"{round(row['shrunk_mag'], 3) + 0.0:+.3f}" if corrected else "–",
            f"{row['n']:,}",
        )
        for row in table.to_dict("records")
    ]
    heads = ("band", "offset, mag", "in errors", "corrected by, mag", "galaxies")
    caption = f"Zero points of {name} against {evidence.sources}, positive where too faint"
    return [
        Table(heads, tuple(rows), caption),
        Words(
            "Measured without redshifts: bright galaxies of both fields should have the same "
            "colours. One offset common to all bands is not seen. What is corrected is less than "
            f"what is measured, by how uncertain it is; offsets above {FLAGGED_SIGMA:g} errors "
            "need a look at the images." + ("" if corrected else " Nothing was corrected "
            f'(predict.zero_points = "{config.predict.zero_points}").'),
            "note",
        ),
    ]  # fmt: skip


def depth_mag(store: xr.Dataset) -> NDArray[np.float64]:
    """Return the depth of each stamp, AB mag, shape (object, band).

    It is that of `SIGMAS` in a circle of `APERTURE_ARCSEC` on white noise.

    Examples
    --------
    >>> noise = {"sky_noise": (("object", "band"), [[0.01, 0.02]])}
    >>> depth_mag(xr.Dataset(noise, attrs={"pixel_scale_arcsec": 0.168})).round(2).tolist()
    [[27.69, 26.94]]
    """
    scale = float(store.attrs.get("pixel_scale_arcsec", np.nan))
    pixels = np.sqrt(np.pi) * 0.5 * APERTURE_ARCSEC / scale
    noise = store["sky_noise"].values.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = ZERO_POINT_MAG - 2.5 * np.log10(SIGMAS * pixels * noise)
    return np.asarray(np.where(np.isfinite(depth), depth, np.nan))


def _fwhm(store: xr.Dataset) -> NDArray[np.float64]:
    return np.asarray(store["psf_fwhm"].values, np.float64)


def _of_bands(
    stores: Sequence[xr.Dataset], quantity: Callable[[xr.Dataset], NDArray[np.float64]]
) -> ByBand:
    """Return 16, 50 and 84 % of a quantity of the usable stamps of some stores, by band."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    for store in stores:
        values = quantity(store)[is_usable(store["flags"].values)]
        for number, band in enumerate(store["band"].values):
            found.setdefault(str(band), []).append(values[:, number])
    return {band: _quantiles(np.concatenate(some), (16, 50, 84)) for band, some in found.items()}


def _quantiles(values: ArrayLike, percents: tuple[float, ...]) -> NDArray[np.float64]:
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return np.percentile(known, percents) if len(known) else np.full(len(percents), np.nan)


def _against(
    own: NDArray[np.float64], source: NDArray[np.float64] | None, compared: bool, places: int
) -> list[str]:
    """Return the cells of a quantity of a band: the field's, the source's, and the difference."""
    low, middle, high = own
    cells = [f"{middle:.{places}f} ± {0.5 * (high - low):.{places}f}"]
    cells = cells if np.isfinite(middle) else ["–"]
    if not compared:
        return cells
    if source is None or not np.isfinite(source[1] + middle):
        return [*cells, "–", "–"]
    return [*cells, f"{source[1]:.{places}f}", f"{middle - source[1]:+.{places}f}"]


def _differences(
    evidence: Evidence, quantities: Mapping[str, tuple[ByBand, ByBand, int]]
) -> list[Block]:
    """Return in what the field is worse and better than the source."""
    found: dict[str, list[str]] = {"worse": [], "better": []}
    for what, (own, source, sign) in quantities.items():
        gains = {band: sign * (own[band][1] - source[band][1]) for band in own if band in source}
        for how, way in (("worse", -1), ("better", 1)):
            bands = [band for band, gain in gains.items() if way * gain > DIFFERENT[what]]
            found[how] += [f"{what} of {', '.join(bands)}"] if bands else []
    return [
        Words(f"It is {how} than {evidence.sources} in {' and in '.join(some)}.")
        for how, some in found.items()
        if some and not evidence.is_source
    ]


def _by_magnitude(evidence: Evidence, cube: xr.Dataset) -> Table:
    mag_i, flags, width = (cube[key].values for key in ("mag_i", "flags", "pdf_width"))
    there = np.isfinite(cube["z_median"].values)
    rows = []
    for low, high in pairwise(evidence.config.evaluate.mag_edges):
        inside = (mag_i >= low) & (mag_i < high)
        n = int(inside.sum())
        shares = [there, flags != 0, width > WIDE_PDFW]
        cells = [percent(float(part[inside].mean())) if n else "–" for part in shares]
        rows.append((n, [between("mag_i", low, high), *cells]))
    heads = ["sample", "N", "with a PDF", "with a flag", f"PDFw > {WIDE_PDFW:g}"]
    return counted(heads, rows, "Objects by magnitude")


def _spread(values: ArrayLike, form: str) -> str:
    low, middle, high = _quantiles(values, (5, 50, 95))
    return form.format(middle, low, high) if np.isfinite(middle) else "not known"


def _density(n: int, area_deg2: float) -> str:
    return f"{n / (3600 * area_deg2):.1f} objects per arcmin²" if area_deg2 else "no object"


def _dust_from(attrs: Mapping[Any, Any]) -> str:
    found = attrs.get("ebv_from")
    return f", from the {found}" if found else ""
