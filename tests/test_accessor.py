"""The accessor of PDF cubes: what the plain functions give, lazily, whatever the chunks."""

from __future__ import annotations

from collections.abc import Callable

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import hscz.accessor
from hscz import concat_cubes, pdf
from hscz.errors import HsczError, InputError
from hscz.export import to_table
from hscz.pdf.grid import RedshiftGrid
from hscz.pdf.stacking import stack
from hscz.schema import PDF_CUBE, describe

N, GRID = 23, RedshiftGrid.logarithmic(12, 3.0)


def make_cube(n: int = N, grid: RedshiftGrid = GRID, seed: int = 1, name: str = "A") -> xr.Dataset:
    """Return a cube whose third object has no PDF."""
    rng = np.random.default_rng(seed)
    density = (rng.dirichlet(np.full(len(grid), 0.4), n) / grid.widths).astype(np.float32)
    density[2] = np.nan
    rows = pdf.summarise(density, grid.edges) | {
        "object_id": np.arange(n) + 100 * seed,
        "ra": rng.uniform(149, 151, n),
        "dec": rng.uniform(1, 3, n),
        "field": np.full(n, name, dtype=np.dtypes.StringDType()),
        "mag_i": rng.uniform(20, 25, n),
        "snr_i": rng.uniform(5, 100, n),
        "ebv": np.full(n, 0.02),
        "flags": np.zeros(n, np.int32),
        "z_true": rng.uniform(0, 3, n),
    }
    columns = {key: ("object", values) for key, values in rows.items()}
    cube = xr.Dataset(columns | {"pdf": (("object", "z"), density)})
    cube = cube.assign(z_edges=("z_edge", grid.edges)).assign_coords(z=grid.centres)
    return describe(cube, PDF_CUBE)


CUBE = make_cube()
ROWS, EDGES = CUBE["pdf"].values, GRID.edges
Z_TRUE = CUBE["z_true"].values

CALLS: dict[str, tuple[Callable[[xr.Dataset], object], Callable[[], object]]] = {
    "median": (lambda c: c.hscz.median(), lambda: pdf.median(ROWS, EDGES)),
    "least risk": (lambda c: c.hscz.least_risk(), lambda: pdf.least_risk(ROWS, EDGES)),
    "quantile": (lambda c: c.hscz.quantile(0.3), lambda: pdf.quantile(ROWS, EDGES, 0.3)),
    "quantiles": (
        lambda c: c.hscz.quantile([0.1, 0.9]),
        lambda: pdf.quantile(ROWS, EDGES, [0.1, 0.9]),
    ),
    "width": (lambda c: c.hscz.width(0.95), lambda: pdf.width(ROWS, EDGES, 0.95)),
    "cdf": (lambda c: c.hscz.cdf(1.2), lambda: pdf.cdf_at(ROWS, EDGES, 1.2)),
    "cdfs": (
        lambda c: c.hscz.cdf([0.5, 1.2]),
        lambda: pdf.cdf_at(ROWS, EDGES, [[0.5], [1.2]]),
    ),
    "cdf of each": (lambda c: c.hscz.cdf(c["z_true"]), lambda: pdf.cdf_at(ROWS, EDGES, Z_TRUE)),
    "n_peaks": (lambda c: c.hscz.peaks()["n_peaks"], lambda: pdf.peaks(ROWS, EDGES)[0]),
    "z_peak2": (lambda c: c.hscz.peaks()["z_peak2"], lambda: pdf.peaks(ROWS, EDGES)[1]),
    "p_peak2": (lambda c: c.hscz.peaks()["p_peak2"], lambda: pdf.peaks(ROWS, EDGES)[2]),
}

chunks = st.lists(st.integers(1, N), min_size=1, max_size=6).map(
    lambda sizes: tuple(np.diff(np.unique([0, *np.minimum(np.cumsum(sizes), N), N])).tolist())
)


@pytest.mark.parametrize("call", CALLS)
def test_each_method_is_the_plain_function(call: str) -> None:
    ask, expected = CALLS[call]
    np.testing.assert_array_equal(ask(CUBE), expected())


@settings(max_examples=8)
@given(rows=chunks, bins=st.integers(1, 12))
@pytest.mark.parametrize("call", CALLS)
def test_lazy_results_do_not_depend_on_the_chunks(
    call: str, rows: tuple[int, ...], bins: int
) -> None:
    ask, expected = CALLS[call]
    found = ask(CUBE.chunk({"object": rows, "z": bins}))
    assert dask.is_dask_collection(found)
    np.testing.assert_array_equal(found.compute(scheduler="synchronous"), expected())


GROUPS = {"mag_i": [20.0, 22.0, 24.0]}


@settings(max_examples=12)
@given(rows=chunks)
def test_n_of_z_does_not_depend_on_the_chunks(rows: tuple[int, ...]) -> None:
    lazy = CUBE.chunk({"object": rows}).hscz.n_of_z(GROUPS)
    assert dask.is_dask_collection(lazy)
    found = lazy.compute(scheduler="synchronous")
    number = np.digitize(CUBE["mag_i"], GROUPS["mag_i"]) - 1
    total, n = stack(ROWS, EDGES, number, 2)
    np.testing.assert_allclose(found, total, rtol=1e-12)
    np.testing.assert_array_equal(found["n_objects"], n)
    assert found.sel(mag_i_bins=21.0)["n_objects"] == n[0]


def test_n_of_z_counts_the_galaxies_of_each_group() -> None:
    both = concat_cubes([CUBE, make_cube(7, seed=2, name="B")])
    whole, fields = both.hscz.n_of_z(), both.hscz.n_of_z("field")
    assert fields["field"].values.tolist() == ["A", "B"]
    assert fields["n_objects"].values.tolist() == [N - 1, 6]
    np.testing.assert_allclose((fields * GRID.widths).sum("z"), [N - 1, 6], rtol=1e-6)
    np.testing.assert_allclose(fields.sum("field"), whole)
    lazy = both.chunk(object=4).hscz.n_of_z({"field": ["B", "C"]}).compute()
    np.testing.assert_allclose(lazy, np.stack([fields[1], np.zeros(len(GRID))]))


def test_lazy_graphs_have_one_task_a_chunk_not_one_an_object() -> None:
    cube = make_cube(400).chunk(object=100)
    for found in (cube.hscz.median(), cube.hscz.n_of_z(), cube.hscz.peaks()):
        assert len(dict(found.__dask_graph__())) < 100


def test_tables_are_those_of_the_export_lazy_or_not() -> None:
    expected = to_table(CUBE)
    pd.testing.assert_frame_equal(CUBE.hscz.to_table(), expected)
    lazy = CUBE.chunk(object=10).hscz.to_table()
    assert lazy.npartitions == 3
    found = lazy.compute(scheduler="synchronous").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_the_qp_ensemble_has_the_same_quantiles_row_by_row() -> None:
    pytest.importorskip("qp", reason="qp is not installed")
    ensemble = CUBE.chunk(object=10).hscz.to_qp()
    assert ensemble.npdf == N
    known = np.isfinite(CUBE["z_median"].values)
    for q in (0.16, 0.5, 0.84):
        expected = pdf.quantile(ROWS, EDGES, q)[known]
        np.testing.assert_allclose(ensemble.ppf(q)[known, 0], expected, atol=1e-6)
    np.testing.assert_allclose(ensemble.cdf(1.2)[known, 0], CUBE.hscz.cdf(1.2)[known], atol=1e-6)
    assert np.isnan(ensemble.pdf(1.2)[~known]).all()
    np.testing.assert_array_equal(ensemble.ancil["id"], CUBE["object_id"])
    np.testing.assert_array_equal(ensemble.ancil["zmode"], CUBE["z_mode"])


def spoilt(value: float) -> xr.Dataset:
    cube = CUBE.copy(deep=True)
    cube["pdf"][5, :3] = value
    return cube


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: CUBE.drop_vars("z_edges").hscz.median(), "has no 'z_edges' .edges of the"),
        (lambda: CUBE.drop_vars("pdf").hscz.peaks(), "has no 'pdf'"),
        (lambda: CUBE.isel(z=slice(5)).hscz.width(), "5 redshift bins do not fit 13 edges"),
        (lambda: CUBE.rename(object="row").hscz.median(), r"dimensions \('row', 'z'\)"),
        (lambda: CUBE.hscz.quantile(16), "give probabilities from 0 to 1"),
        (lambda: CUBE.hscz.n_of_z("mag_i"), "has real numbers; give edges"),
        (lambda: CUBE.hscz.n_of_z("band"), "no 'band' to group by; use"),
        (lambda: CUBE.chunk(object=5).hscz.n_of_z("field"), "'field' is lazy"),
        (lambda: spoilt(np.nan).hscz.n_of_z(), "1 of 23 PDFs are partly NaN.* first in row 5"),
        (lambda: spoilt(-1.0).hscz.to_qp(), "1 of 23 PDFs"),
        (lambda: (CUBE * 0).hscz.n_of_z(), "22 of 23 PDFs .* sum to zero"),
        (lambda: concat_cubes([]), "no cubes to join"),
        (
            lambda: concat_cubes([CUBE, make_cube(grid=RedshiftGrid.uniform(12, 4.0))]),
            "cube 1 has 12 bins to z = 3.8.*predict them on one grid",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ask()
    assert isinstance(caught.value, HsczError)
    assert "\n" not in str(caught.value)


def test_the_accessor_is_registered_once() -> None:
    assert isinstance(CUBE.hscz, hscz.accessor.CubeAccessor)
