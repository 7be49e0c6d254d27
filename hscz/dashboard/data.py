"""What the dashboard keeps of PDF cubes: a few float32 columns; all else is read on demand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hscz.errors import InputError, StoreError
from hscz.files.atomic import read_json
from hscz.pdf.prior import PriorRatio
from hscz.sky.sphere import ra_near
from hscz.stores import ROW_CHUNK, open_cube
from hscz.survey import EQUIVALENT_BANDS

Column = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Cube:
    """A PDF cube of one model.

    Attributes
    ----------
    path : Path
    dataset : xarray.Dataset
        Open, with nothing read.
    z_median, pdf_width : ndarray of float32, shape (object,)
    chunk_sums : dict of int to tuple
        By the first row of a chunk whose objects were all selected once: the sum of their PDFs
        and how many they are, so that it need not be read again.
    ratio : PriorRatio, optional
        By which its PDFs are changed before they are summed.
    """

    path: Path
    dataset: xr.Dataset
    z_median: Column
    pdf_width: Column
    chunk_sums: dict[int, tuple[NDArray[np.float64], int]] = dataclasses.field(default_factory=dict)
    ratio: PriorRatio | None = None

    def blocks(self) -> Iterator[slice]:
        """Yield slices of the objects whose PDFs lie in one chunk."""
        return blocks(len(self.z_median), self.dataset["pdf"].encoding["chunks"][0])


@dataclasses.dataclass(frozen=True)
class FieldCubes:
    """The cubes of one field: the same objects in the same order, one cube per model.

    Attributes
    ----------
    name : str
    cubes : mapping of str to Cube
        By model.
    store : Path or None
        Field store with the stamps, where there is one.
    ra_deg, dec_deg : float
        A point near the middle of the field.
    ra_offset_deg, dec_offset_deg : ndarray of float32, shape (object,)
        Coordinate minus that of the middle: float32 alone would round by 0.1 arcsec. Not
        multiplied by cos(dec); a field across right ascension 0 stays in one piece.
    mag_i : ndarray of float32, shape (object,)
    """

    name: str
    cubes: Mapping[str, Cube]
    store: Path | None
    ra_deg: float
    dec_deg: float
    ra_offset_deg: Column
    dec_offset_deg: Column
    mag_i: Column

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.mag_i)

    @property
    def mag_limits(self) -> tuple[float, float]:
        """Round limits that hold all i magnitudes."""
        low, high = 10 * np.nanmin(self.mag_i), 10 * np.nanmax(self.mag_i)
        return float(np.floor(low) / 10), float(np.ceil(high) / 10)

    @property
    def z_max(self) -> float:
        """The highest redshift of any model."""
        return max(float(cube.dataset["z_edges"][-1]) for cube in self.cubes.values())

    @cached_property
    def stacks(self) -> Mapping[str, Cube]:
        """The cubes, and again those whose n(z) was inferred, with that as their prior."""
        found = dict(self.cubes)
        for model, cube in self.cubes.items():
            if (ratio := _inferred(cube.path)) is not None:
                found[f"{model}, inferred"] = dataclasses.replace(cube, chunk_sums={}, ratio=ratio)
        return found

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order they were given."""
        return list(self.cubes)


def load(
    stores: Sequence[str | Path], field_stores: Sequence[str | Path] = ()
) -> dict[str, FieldCubes]:
    """Open PDF cubes and bring those of the same field together.

    Parameters
    ----------
    stores : sequence of str or Path
        PDF cubes. A model is named after its recipe's folder; ``NAME=PATH`` names it otherwise.
    field_stores : sequence of str or Path
        Field stores, or folders of field stores, to take stamps from. By default those that
        the cubes were made from.

    Returns
    -------
    dict of str to FieldCubes
        By field.

    Raises
    ------
    InputError
        If no cube is given, cubes of one field hold other objects, two models have one name,
        or several models have no field in common.
    StoreError
        If a path is no PDF cube, lacks a column, or a named field store is not there.
    """
    if not stores:
        raise InputError("no PDF cube given; name one or more, as 'hscz predict' wrote them")
    fields: dict[str, dict[str, Cube]] = {}
    for entry in stores:
        label, path = named(entry)
        cube = _open(path)
        field = str(cube.dataset["field"][:1].values[0]) or path.stem
        model = label or _model_name(path, field)
        cubes = fields.setdefault(field, {})
        if model in cubes:
            raise InputError(
                f"{path} and {cubes[model].path} are both model {model!r} of {field}; "
                "name them as NAME=PATH"
            )
        cubes[model] = cube
    _check_comparable(fields)
    return {name: _of_field(name, cubes, field_stores) for name, cubes in fields.items()}


def blocks(n: int, rows: int = ROW_CHUNK) -> Iterator[slice]:
    """Yield slices of `rows` objects.

    Examples
    --------
    >>> list(blocks(5, 3))
    [slice(0, 3, None), slice(3, 5, None)]
    """
    return (slice(start, min(start + rows, n)) for start in range(0, n, rows))


def named(entry: str | Path) -> tuple[str, Path]:
    """Return the model's name, empty if none is given, and the path."""
    name, equals, path = str(entry).partition("=")
    if equals and name and "/" not in name and not Path(entry).exists():
        return name, Path(path)
    return "", Path(entry)


def _model_name(path: Path, field: str) -> str:
    """Return the recipe of a cube's folder, without the target or u band it was trained for."""
    folder = path.absolute().parent.name
    recipe, _, suffix = folder.rpartition("-")
    return recipe if recipe and suffix in (field, path.stem, *chain(*EQUIVALENT_BANDS)) else folder


def _open(path: Path) -> Cube:
    dataset = open_cube(path, lazy=False)
    if not dataset.sizes["object"]:
        raise StoreError(f"{path}: the PDF cube has no object to show; predict the field again")
    z_median, pdf_width = (
        _column(dataset, name).astype(np.float32) for name in ("z_median", "pdf_width")
    )
    return Cube(path, dataset, z_median, pdf_width)


def _inferred(path: Path) -> PriorRatio | None:
    """Return the ratio that was inferred for a cube; None where there is none or it is not used."""
    cubes, root = path.absolute().parent.name, path.absolute().parents[2]
    note = read_json(root / "catalogues" / cubes / f"{path.stem}.ratio.json")
    ratio = PriorRatio.noted(note["ratio"]) if "ratio" in note else None
    return ratio if ratio is not None and ratio.used else None


def _column(dataset: xr.Dataset, name: str) -> NDArray[np.floating]:
    # A slice, since xarray would keep the values of a whole variable in memory.
    return np.asarray(dataset[name][:].values)


def _check_comparable(fields: Mapping[str, Mapping[str, Cube]]) -> None:
    models = {model for cubes in fields.values() for model in cubes}
    if len(models) > 1 and all(len(cubes) == 1 for cubes in fields.values()):
        (a, first), (b, second) = list(fields.items())[:2]
        paths = [next(iter(cubes.values())).path for cubes in (first, second)]
        raise InputError(
            f"{paths[0]} is of field {a} and {paths[1]} of {b}: different models of different "
            "fields cannot stand side by side; give cubes of one field"
        )
    for field, cubes in fields.items():
        (_, reference), *others = cubes.items()
        for _, cube in others:
            if not _same_objects(reference.dataset, cube.dataset):
                raise InputError(
                    f"{cube.path} and {reference.path} hold different objects of {field}, or in "
                    "another order; predict both from the same field store"
                )


def _same_objects(a: xr.Dataset, b: xr.Dataset) -> bool:
    return a.sizes["object"] == b.sizes["object"] and all(
        np.array_equal(a["object_id"][rows].values, b["object_id"][rows].values)
        for rows in blocks(a.sizes["object"])
    )


def _of_field(
    name: str, cubes: Mapping[str, Cube], field_stores: Sequence[str | Path]
) -> FieldCubes:
    first = next(iter(cubes.values()))
    ra, dec = _column(first.dataset, "ra"), _column(first.dataset, "dec")
    ra = ra_near(ra, ra[0])
    ra_deg, dec_deg = (0.5 * (values.min() + values.max()) for values in (ra, dec))
    return FieldCubes(
        name,
        cubes,
        _find_field_store(name, first, [Path(path) for path in field_stores]),
        float(ra_deg),
        float(dec_deg),
        (ra - ra_deg).astype(np.float32),
        (dec - dec_deg).astype(np.float32),
        _column(first.dataset, "mag_i").astype(np.float32),
    )


def _find_field_store(name: str, cube: Cube, given: Sequence[Path]) -> Path | None:
    """Return the store among those given, where the cube says it was, or beside a moved cube."""
    file = cube.path.name
    if given:
        found = [path if path.name == file else path / file for path in given]
        if not any(path.is_dir() for path in found):
            raise StoreError(f"{', '.join(map(str, given))}: no field store {file} for {name} here")
    else:
        note = cube.dataset.attrs.get("provenance", {})
        note = json.loads(note) if isinstance(note, str) else note
        found = [Path(note["store"])] if "store" in note else []
        found += [folder / "fields" / file for folder in cube.path.absolute().parents[2:3]]
    return next((path for path in found if path.is_dir()), None)
