"""Ingest on Dask: a graph as large as the field has patches, and workers that die."""

from __future__ import annotations

import os
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
from astropy.wcs import WCS
from dask.distributed import Client, LocalCluster

from hscz import stores
from hscz.config import FieldConfig, IngestConfig, RunConfig, TableConfig
from hscz.ingest.cutting import blocks_of, cutting_tasks
from hscz.ingest.stage import ingest
from hscz.sky.fits import BandImage, write_calexp
from hscz.sky.mask import HSC_MASK_PLANES
from hscz.sky.mosaic import Tile, assign
from tests.helpers.images import tan_wcs
from tests.helpers.plain_descriptor import plain_descriptor

SIDE, N = 700, 400

DESCRIPTOR = plain_descriptor()


def make_wcs(ra: float = 150.0, dec: float = 2.0, side: int = SIDE) -> WCS:
    return tan_wcs(ra, dec, (side / 2, side / 2))


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> FieldConfig:
    """Two bands of noise that tiles of 200 px divide into 25."""
    folder = tmp_path_factory.mktemp("field")
    rng = np.random.default_rng(1)
    for band in ("r", "i"):
        image = rng.standard_normal((SIDE, SIDE), np.float32)
        mask = np.zeros((SIDE, SIDE), np.int32)
        write_calexp(folder / f"{band}.fits", image, mask, None, make_wcs(), f"HSC-{band.upper()}")
    ra, dec = make_wcs().pixel_to_world_values(*rng.uniform(40, SIDE - 40, (2, N)))
    table = pd.DataFrame({"id": np.arange(N), "ra": ra, "dec": dec, "mag_i": 22.0})
    table.to_csv(folder / "cat.csv")
    (folder / "own.toml").write_text(DESCRIPTOR)
    catalogue = TableConfig(str(folder / "cat.csv"), str(folder / "own.toml"))
    return FieldConfig(str(folder / "{band}.fits"), catalogue, ("r", "i"))


def run(field: FieldConfig, folder: Path) -> RunConfig:
    return RunConfig(
        stores=str(folder), fields={"A": field}, ingest=IngestConfig(tile_px=200, stamp_px=48)
    )


def test_a_worker_killed_half_way_leaves_no_trace(field: FieldConfig, tmp_path: Path) -> None:
    marker = tmp_path / "killed"

    def sabotage() -> int:
        """Let the first worker that comes to its fifth tile die while it writes."""
        import signal

        from hscz.ingest import cutting

        calls: list[str] = []
        real = cutting.stores.write_rows

        def dies_once(path, start, values, block):
            calls.append(block)
            if len(calls) == 5 and not marker.exists():
                marker.touch()
                half = {"image": np.full_like(values["image"], 7)[: len(values["image"]) // 2]}
                real(path, start, half, "half")
                os.kill(os.getpid(), signal.SIGKILL)
            real(path, start, values, block)

        cutting.stores.write_rows = dies_once
        return os.getpid()

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        before = set(client.run(sabotage).values())
        path = ingest(run(field, tmp_path / "cluster"), "A", progress=False)
        client.wait_for_workers(2)
        after = set(client.run(os.getpid).values())
    assert marker.exists()
    assert len(before) == 2
    assert len(before & after) == 1
    with dask.config.set(scheduler="threads"):
        other = ingest(run(field, tmp_path / "threads"), "A", progress=False)
    ours, theirs = (stores.open_field(p, lazy=False).load() for p in (path, other))
    assert len(np.unique(ours["tile"].values)) > 20
    assert set(ours.variables) == set(theirs.variables)
    for name in ours.variables:
        np.testing.assert_array_equal(ours[name].values, theirs[name].values, err_msg=str(name))
    assert ours["image"].values.tobytes() == theirs["image"].values.tobytes()


def tiles_of_a_survey(rows: int, columns: int) -> list[Tile]:
    """Return patches of 4200 px that overlap, as headers alone would give them."""
    tiles = []
    for row, column in np.ndindex(rows, columns):
        wcs = make_wcs(150 + 0.187 * column, 2 + 0.187 * row, 4200)
        planes = {"IMAGE": 1, "MASK": 2, "VARIANCE": 3}
        images = tuple(
            BandImage(Path(f"{b}.fits"), b, (4200, 4200), wcs, 27.0, planes, HSC_MASK_PLANES)
            for b in "ugrizy"
        )
        tiles.append(Tile(f"{row},{column}", images, (0, 4200, 0, 4200)))
    return tiles


def graph_of(tiles: list[Tile], n: int, folder: Path) -> tuple[int, int]:
    """Return the number of tasks and the bytes of the graph that cuts n objects."""
    import cloudpickle

    rng = np.random.default_rng(4)
    ra, dec = rng.uniform(150, 151, n), rng.uniform(2, 2.5, n)
    index, _, _ = assign(tiles, ra, dec)
    path = folder / f"{n}.zarr"
    (stores.part(path) / "done").mkdir(parents=True)
    tasks = cutting_tasks(path, blocks_of(tiles, np.sort(index[index >= 0])), 64)
    graphs = [task.__dask_graph__() for task in tasks]
    return sum(len(graph) for graph in graphs), len(cloudpickle.dumps(tasks))


def test_the_graph_does_not_grow_with_the_objects(tmp_path: Path) -> None:
    tiles = tiles_of_a_survey(3, 6)
    few, many = (graph_of(tiles, n, tmp_path) for n in (2_000, 200_000))
    assert few[0] == many[0] == len(tiles)
    assert many[1] < few[1] + 1000
    assert graph_of(tiles[:9], 2_000, tmp_path / "half")[0] == 9
