"""n(z) of a field of a run and of samples of it: which galaxies, and under which prior."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hscz import stores
from hscz.config import NzConfig, RunConfig
from hscz.errors import InputError, about
from hscz.evaluate.cells import sky_cells
from hscz.evaluate.judged import is_unseen
from hscz.export.catalogue import Catalogue
from hscz.ingest.zeropoints import is_target, why_unsound
from hscz.nz.samples import Members, distributions, structure
from hscz.nz.shift import Shift, infer
from hscz.pdf import cdf_at
from hscz.pdf.prior import PriorRatio
from hscz.predict.calibration import calibration_of, standing_in
from hscz.predict.standins import held_out
from hscz.schema import Flag, has_redshift

FloatArray = NDArray[np.float64]

MOST_INFERRED_FROM = 20_000
"""Galaxies, drawn at random, that the ratio is inferred from: more say little beside the few that
were held out."""

BLOCK = 4096
"""PDFs read at once."""


@dataclass(frozen=True)
class Sample:
    """Galaxies of a field between two limits.

    Attributes
    ----------
    name : str
    by : str
        ``mag_i``, ``z_median`` or ``probability``; empty for all galaxies.
    low, high : float
    """

    name: str
    by: str = ""
    low: float = -np.inf
    high: float = np.inf

    def share(self, cube: xr.Dataset, pdf: NDArray[np.floating]) -> FloatArray:
        """Return how much of each galaxy of a part of a cube belongs to it, 0 to 1."""
        if not self.by:
            return np.ones(len(pdf))
        if self.by == "probability":
            low, high = (cdf_at(pdf, cube["z_edges"].values, z) for z in (self.low, self.high))
            return np.asarray(np.nan_to_num(high - low))
        value = cube[self.by].values
        return np.asarray((value >= self.low) & (value < self.high), np.float64)


def samples_of(settings: NzConfig) -> list[Sample]:
    """Return the samples that settings ask for.

    Examples
    --------
    >>> [one.name for one in samples_of(NzConfig(mag_edges=(22.0, 24.0), z_edges=(0.5, 1.0)))]
    ['all', 'i 22-24', 'z 0.5-1']
    """
    by = "z_median" if settings.assign == "median" else "probability"
    found = [Sample("all")]
    for prefix, column, edges in (("i", "mag_i", settings.mag_edges), ("z", by, settings.z_edges)):
        found += [Sample(f"{prefix} {a:g}-{b:g}", column, a, b) for a, b in pairwise(edges)]
    return found


def n_of_z_of(config: RunConfig, name: str) -> xr.Dataset:
    """Return n(z) of a field and of the samples that the section [nz] asks for.

    Parameters
    ----------
    config : RunConfig
    name : str
        A field that is predicted.

    Returns
    -------
    xarray.Dataset
        As `hscz.nz.samples.distributions`, with the samples' names; its attributes tell what n(z)
        was inferred from.

    Raises
    ------
    InputError
        If the selection keeps no galaxy; a sample without any is NaN.
    StoreError
        If the field has not been predicted.
    """
    cube = stores.open_cube(config.cube(name), lazy=False)
    return inferred(config, name, cube, chosen(config, cube))


def inferred(config: RunConfig, name: str, cube: xr.Dataset, use: NDArray[np.bool_]) -> xr.Dataset:
    """Return n(z) of some galaxies of a field's cube and of samples of them; see `n_of_z_of`."""
    settings, samples = config.nz, samples_of(config.nz)
    shift = shift_of(config, name, cube, use)
    cells = sky_cells(cube["ra"].values, cube["dec"].values, settings.cell_arcmin)
    edges = cube["z_edges"].values
    n_bins = max(1, round((edges[-1] - edges[0]) / settings.z_width))
    z_edges = np.linspace(edges[0], edges[-1], n_bins + 1)
    with about(f"n(z) of {name}, samples {', '.join(one.name for one in samples)}"):
        found = distributions(
            _blocks(cube, use, cells, samples, shift.ratio),
            shift,
            edges,
            z_edges,
            int(cells.max(initial=0)) + 1,
            settings.draws,
            settings.seed,
            structure(_source_labels(config), z_edges),
        )
    return found.assign_coords(sample=[one.name for one in samples]).assign_attrs(
        field=name,
        prior=_in_words(config, name, shift),
        ratio=json.dumps(asdict(shift.ratio)),
        select=settings.select,
    )


def chosen(config: RunConfig, cube: xr.Dataset) -> NDArray[np.bool_]:
    """Return the galaxies whose n(z) is asked for: none that a network has learnt from.

    Raises
    ------
    InputError
        If there is none.
    """
    outside = (cube["flags"].values & Flag.OUTSIDE_TRAINING) != 0
    use = is_unseen(cube) & ~outside
    if config.nz.select:
        catalogue = Catalogue.of(cube, config.export.algorithm, False, (), config.nz.select, 32_768)
        kept = [block["object_id"] for block in catalogue.blocks({"object_id"})]
        use &= np.isin(cube["object_id"].values, np.concatenate(kept))
    if not use.any():
        raise InputError(
            f"nz.select = {config.nz.select!r} keeps no galaxy in the range of magnitudes that the "
            "networks have learnt from; widen it"
        )
    return use


def shift_of(config: RunConfig, name: str, cube: xr.Dataset, use: NDArray[np.bool_]) -> Shift:
    """Return the ratio of a field's n(z | i) to that of the source, or none and why."""
    reason = _why_withheld(config, name)
    if reason:
        return Shift.unknown(reason, int(use.sum()))
    like, calibration = standing_in(config, name), calibration_of(config, name)
    columns = like.objects["mag_i"].to_numpy(), like.objects["object_id"].to_numpy()
    shown = like.pdf if calibration is None else calibration.apply(like.pdf, like.edges, *columns)
    rng = np.random.default_rng(config.nz.seed)
    drawn = use & (rng.random(len(use)) < MOST_INFERRED_FROM / max(int(use.sum()), 1))
    blocks = [slice(start, start + BLOCK) for start in range(0, len(drawn), BLOCK)]
    pdf = np.concatenate([cube["pdf"][rows].values[drawn[rows]] for rows in blocks])
    mag_i = cube["mag_i"].values[drawn].astype(np.float64)
    return infer(pdf, mag_i, shown, *columns, like.edges)


def _in_words(config: RunConfig, name: str, shift: Shift) -> str:
    """Return how n(z) was inferred, and where it is not to be relied on."""
    said = shift.ratio.in_words
    if not len(shift.deviations) and is_target(config, name):
        return f"{said}; that n(z | i) may be another than the source's is not in the errors"
    if shift.ratio.used and (beyond := standing_in(config, name).beyond):
        better = ", ".join(beyond)
        return f"{said}; the field is better than the source in {better}, so that n(z) extrapolates"
    return said


def _why_withheld(config: RunConfig, name: str) -> str:
    """Return why no ratio is to be looked for; empty where one is."""
    if config.nz.prior == "network":
        return 'nz.prior is "network"'
    if not is_target(config, name):
        return "it is a source field, from which the networks have their n(z)"
    if held_out(config, config.train.fields).empty:
        return (
            "no galaxy with a label was held out (train.validation_fraction), so that nothing says "
            "what n(z) the PDFs carry"
        )
    return why_unsound(config, name)


def _source_labels(config: RunConfig) -> FloatArray:
    """Return the redshift labels of the first source field."""
    store = stores.open_field(config.field_store(config.train.fields[0]), lazy=False)
    z_label = store[config.train.label].values.astype(np.float64)
    return z_label[has_redshift(z_label)]


def _blocks(
    cube: xr.Dataset,
    use: NDArray[np.bool_],
    cells: NDArray[np.int64],
    samples: Sequence[Sample],
    ratio: PriorRatio,
) -> Iterator[Members]:
    """Yield all galaxies that are asked for, some at a time."""
    edges = cube["z_edges"].values
    for start in range(0, len(use), BLOCK):
        rows = start + np.flatnonzero(use[start : start + BLOCK])
        if not len(rows):
            continue
        part = cube.isel(object=rows)
        pdf, mag_i = part["pdf"].values, part["mag_i"].values.astype(np.float64)
        changed = ratio.apply(pdf, edges, mag_i)
        share = np.stack([one.share(part, changed) for one in samples], axis=1)
        yield Members(pdf, mag_i, cells[rows], share)


def summary(found: xr.Dataset) -> str:
    """Return n(z) of each sample in words: galaxies, mean redshift, and how well it is known."""
    middle, error = found["z"].values, np.sqrt(np.diagonal(found["z_mean_covariance"].values))
    lines = [f"{'sample':<14}{'N':>10}{'<z> summed':>12}{'<z>':>20}"]
    for k, name in enumerate(found["sample"].values):
        one, count = found.isel(sample=k), round(float(found["n"].values[k]))
        line = f"{name:<14}{count:>10,}"
        if count:
            summed = one["stacked"].values @ middle / one["stacked"].values.sum()
            line += f"{summed:>12.4f}{float(one['z_mean']):>10.4f} +- {error[k]:.4f}"
        lines.append(line)
    return "\n".join([f"{found.attrs['field']}: {found.attrs['prior']}", *lines])
