"""Fields, ingest and labels: what contradicts itself is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from hscz.config import mock_field, parse
from hscz.errors import ConfigError

FIELD = {
    "images": "img/{band}.fits",
    "catalogue": {"file": "cat.fits", "catalogue": "own.toml"},
    "bands": ["g", "r"],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optional": ["J"]}, "optional has 'J', which is not one of its bands, g, r; add it"),
        ({"optional": ["g", "r"]}, "optional has all bands; require one"),
        (
            {"per_band": {"J": {"images": "j.fits"}}},
            "per_band has 'J', which is not one of its bands",
        ),
        ({"ebv": "planck"}, "ebv is 'planck'; use \"\", catalogue, sfd or irsa"),
        ({"ebv": "irsa"}, "ebv is 'irsa'; say where on the sky with box under its fetch"),
        ({"ebv": "sfd"}, r"ebv is 'sfd'; name the folder .* with dust under \[ingest\]"),
        ({"c2020_farmer": "f.fits"}, "c2020_farmer has no c2020_classic beside it"),
        ({"zero_point": "AB"}, "zero_point is 'AB'; give a number"),
        (
            {"catalogue": "cat.fits"},
            "catalogue is 'cat.fits'; give a section with file and catalogue",
        ),
        ({"spec": [{"file": "a.fits"}]}, None),
    ],
)
def test_fields_that_cannot_be_are_refused(change: dict, message: str | None) -> None:
    said = r"\[fields.A.spec\[0\]\] lacks catalogue; add it" if message is None else message
    place = "" if message is None else r"fields\.A\."
    with pytest.raises(ConfigError, match=rf"^run.toml: {place}{said}"):
        parse({"fields": {"A": FIELD | change}}, "run.toml")


def test_tiles_hold_a_stamp() -> None:
    with pytest.raises(ConfigError, match=r"ingest.tile_px is 64; give more than .*stamp_px = 64"):
        parse({"ingest": {"tile_px": 64}})


def test_a_mock_field_says_where_its_files_are() -> None:
    entry = mock_field(Path("out"), "COSMOS_UDF")
    assert entry.truth == "out/mock/COSMOS_UDF/truth/COSMOS_UDF_truth.parquet"
    assert {table.catalogue for table in entry.spec} == {"zcosmos-bright", "vvds", "deep2"}
    assert entry.has_labels
