"""Descriptors of source catalogues."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hscz.errors import ConfigError
from hscz.tables.descriptor import CatalogueDescriptor, descriptor_names, load_descriptor
from hscz.tables.select import select

MINIMAL = """
title = "Mine"
survey = "MINE"
reference = "me"
bibcode = "-"
selection = "all"
extinction_corrected = false
z_range = [0.0, 1.0]
[columns]
ra = "RA"
dec = "DEC"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", descriptor_names())
def test_every_shipped_descriptor_loads(name: str) -> None:
    descriptor = load_descriptor(name)
    assert descriptor.name == name
    assert descriptor.reference
    low, high = descriptor.z_range
    assert 0 <= low < high
    assert bool(descriptor.secure) == ("z" in descriptor.columns)
    assert bool(descriptor.secure) == bool(descriptor.confidence)


def test_the_stage_has_its_catalogues() -> None:
    assert {
        "hsc-clauds-sextractor-lephare",
        "cosmos2020-classic",
        "cosmos2020-farmer",
        "zcosmos-bright",
        "vvds",
        "deep2",
        "cosmos-specz-compilation",
        "nb921-oii",
        "hsc-pdr3-objects",
        "dc2-truth",
    } <= set(descriptor_names())


def test_the_papers_selection_is_the_default() -> None:
    rule = load_descriptor("hsc-clauds-sextractor-lephare").select
    assert rule == "i < 25 & CLASS_STAR_HSC_I < 0.9 & COMPACT == 0 & OBJ_TYPE == 0 & MASK == 0"
    for name in ("cosmos2020-classic", "cosmos2020-farmer"):
        assert load_descriptor(name).select == "lp_type == 0 & FLAG_COMBINED == 0"


def secure_flags(name: str, flags: list[float]) -> list[float]:
    """Return which quality flags count as secure, for a galaxy at z = 0.5."""
    descriptor = load_descriptor(name)
    z, flag = descriptor.columns["z"], descriptor.columns["flag"]
    table = pd.DataFrame({z: 0.5, flag: np.asarray(flags)})
    return table[flag][select(table, descriptor.secure)].tolist()


def test_secure_flags_are_what_the_surveys_say() -> None:
    zcosmos = [0, 1.1, 1.5, 2.1, 2.4, 2.5, 3.1, 3.5, 4.5, 9.1, 9.3, 9.5, 13.5, 14.5, 18.5, 23.5]
    assert secure_flags("zcosmos-bright", zcosmos) == [
        *(1.5, 2.4, 2.5, 3.1, 3.5, 4.5, 9.3, 9.5, 23.5),
    ]
    single = np.asarray(zcosmos, dtype=np.float32).astype(float).tolist()
    assert len(secure_flags("zcosmos-bright", single)) == 9
    vimos = [0, 1, 2, 3, 4, 9, 12, 13, 14, 19, 22, 23, 24, 29]
    assert secure_flags("vvds", vimos) == [3, 4, 23, 24]
    assert secure_flags("deep2", [-2, -1, 0, 1, 2, 3, 4]) == [3, 4]
    assert secure_flags("cosmos-specz-compilation", [0, 1, 2, 3, 4, 9, 13, 14, 19]) == [3, 4]


@pytest.mark.parametrize("name", ["zcosmos-bright", "vvds", "deep2", "cosmos-specz-compilation"])
def test_every_secure_class_has_a_confidence(name: str) -> None:
    descriptor = load_descriptor(name)
    z, flag = descriptor.columns["z"], descriptor.columns["flag"]
    table = pd.DataFrame({z: 0.5, flag: np.arange(0, 40, 0.1).round(1)})
    table = table[select(table, descriptor.secure)]
    ranked = [select(table, entry.where) for entry in descriptor.confidence]
    assert np.logical_or.reduce(ranked).all()
    percents = [entry.percent for entry in descriptor.confidence]
    assert percents == sorted(percents, reverse=True)


def test_stars_are_not_secure() -> None:
    descriptor = load_descriptor("zcosmos-bright")
    table = pd.DataFrame({"zpec": [0.0, 0.0005, 0.3], "cc": 4.5})
    assert select(table, descriptor.secure).tolist() == [False, False, True]


def test_your_own_descriptor_is_read_from_its_path(tmp_path: Path) -> None:
    descriptor = load_descriptor(write(tmp_path, MINIMAL))
    assert isinstance(descriptor, CatalogueDescriptor)
    assert (descriptor.name, descriptor.format, descriptor.hdu) == ("mine", "fits", 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('formt = "fits"\n', r"unknown key 'formt'; did you mean 'format'"),
        ("hdu = 'one'\n", "hdu = 'one' should be a int"),
        ("missing = 99\n", "missing = 99 should be a list"),
        ("format = 'xls'\n", "format 'xls' is unknown; use one of fits, csv, text, parquet"),
        ("select = 'f(x) < 1'\n", r"the rule 'f\(x\) < 1' holds 'f\(x\)'"),
        ("confidence = [{ wher = 'a == 1' }]\n", "wher"),
        ("unconfirmed = ['bibtex']\n", "unconfirmed has the unknown key 'bibtex'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_descriptor(write(tmp_path, change + MINIMAL))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('raa = "RA"\n', r"\[columns\] has the unknown key 'raa'; did you mean 'ra'"),
        ("z = 3\n", r"columns = .* should be a dict"),
        ('[mag]\nubar = "U"\n', r"\[mag\] has the unknown key 'ubar'"),
        ('[mag_err]\ni = "I"\n', r"\[mag_err\] has the unknown key 'i'"),
        ("[columns\n", "not valid TOML"),
    ],
)
def test_mistakes_in_tables_are_named(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_descriptor(write(tmp_path, MINIMAL + change))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.toml: missing .*'survey'"):
        load_descriptor(write(tmp_path, MINIMAL.replace('survey = "MINE"', "")))
    with pytest.raises(ConfigError, match="needs ra and dec, or x and y"):
        load_descriptor(write(tmp_path, MINIMAL.replace('dec = "DEC"', "")))


def test_an_unknown_name_gets_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'zcosmos-brigth'; did you mean 'zcosmos-bright'"):
        load_descriptor("zcosmos-brigth")
    with pytest.raises(ConfigError, match="no catalogue descriptor"):
        load_descriptor(tmp_path / "none.toml")


def test_the_wheel_ships_the_descriptors() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    wheel = tomllib.loads(project.read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"catalogs": "hscz/catalogs"}
