"""The example of the whole real survey asks for what the survey has."""

from __future__ import annotations

from pathlib import Path

import pytest

from hscz.config.read import load
from hscz.experiments.experiment import experiments
from hscz.fetch.wanted import PATCH_MB, expected, images, tables
from hscz.plan.costs import fetch_cost
from hscz.plan.sizes import field_size

EXAMPLE = Path(__file__).parents[2] / "examples/hsc_clauds.toml"

TRACTS = {
    "COSMOS": (9812, 9813, 9814, 9569, 9570, 9571, 9572, 10054, 10055, 10056),
    "XMM": (8282, 8283, 8284, 8523, 8524, 8525, 8765, 8766, 8767),
    "ELAIS": (16984, 16985, 17129, 17130, 17131, 17270, 17271, 17272, 17406, 17407),
    "DEEP2": (9219, 9220, 9221, 9462, 9463, 9464, 9465, 9705, 9706, 9707, 9708),
}
"""Tracts of the Deep layer by region, as the corner lists of the data release give them."""


@pytest.fixture(scope="module")
def config():
    return load(EXAMPLE)


@pytest.mark.parametrize("region", TRACTS)
def test_the_fields_of_a_region_share_its_tracts(config, region):
    fields = [name for name in config.fields if name.startswith(region)]
    tracts = [t for name in fields for t in config.fields[name].fetch.tracts]
    assert sorted(tracts) == sorted(TRACTS[region])
    n_images = sum(len(images(config, name)) for name in fields)
    both_u = 81 if region == "COSMOS" else 0
    assert n_images == len(tracts) * 81 * 6 + both_u


def test_files_and_bytes_are_counted_without_a_network(config):
    n_files, n_patches, size_mb = expected(config, "DEEP2")
    assert n_patches == 11 * 81
    assert n_files == n_patches * 6 + len(tables(config, "DEEP2"))
    assert size_mb == pytest.approx(n_patches * 6 * PATCH_MB)
    size = field_size(config, "DEEP2")
    assert (size.tiles, size.tile_px) == (n_patches, 4200)
    cost = fetch_cost(config, size)
    assert (cost.files, cost.fetch_mb) == (n_files, size_mb)


def test_no_two_fields_write_one_image_or_ask_differently_for_one_table(config):
    paths = [item.path for name in config.fields for item in images(config, name)]
    assert len(set(paths)) == len(paths)
    boxes = {}
    for name in config.fields:
        for table in tables(config, name):
            if table.descriptor.archive.selects:
                boxes.setdefault(table.path, set()).add(config.fields[name].fetch.box)
    assert all(len(found) == 1 for found in boxes.values())
    assert {path.suffix for path in boxes} == {".fits"}


def test_the_plan_takes_the_numbers_of_the_paper(config):
    sizes = {name: field_size(config, name) for name in config.fields}
    assert {size.source for size in sizes.values()} == {"stated"}
    assert (sizes["DEEP2"].objects, sizes["DEEP2"].spectra) == (714_000, 11_600)
    assert (sizes["COSMOS_UDF"].labelled, sizes["COSMOS_UDF"].at_most) == (179_600, False)
    targets = sum(size.objects for name, size in sizes.items() if name != "COSMOS_UDF")
    assert targets == pytest.approx(4e6, rel=0.01)


def test_ten_runs_of_v2_for_each_of_five_targets(config):
    v2 = [one for one in experiments(config) if one.recipe == "v2"]
    assert sorted(one.target for one in v2) == sorted(set(config.fields) - {"COSMOS_UDF"})
    assert all(len(one.config.models) == 10 for one in v2)
    u_type = {one.target: one.config.train.bands[0] for one in v2}
    assert u_type["DEEP2"] == u_type["ELAIS"] == "u"
    assert u_type["XMM_UDF"] == u_type["XMM_DEEP"] == u_type["COSMOS_DEEP"] == "us"
