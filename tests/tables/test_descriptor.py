"""Descriptors of source catalogues."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hscz.errors import ConfigError
from hscz.tables.descriptor import CatalogueDescriptor, descriptor_paths, load_descriptor
from hscz.tables.listing import describe_catalogue
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


BIBCODE = re.compile(r"\d{4}[A-Za-z&.]{5}[\w.]{9}[A-Z]")
"""Year, journal, volume and page, initial: 19 characters."""

TABLE_1 = {
    "SDSS-DR12": 2000,
    "SDSS-BOSS": 2000,
    "GAMA": 1300,
    "WIGGLEZ": 1300,
    "zCOSMOS": 650,
    "zCOSMOS-deep": 650,
    "VANDELS": 650,
    "UDSz": 650,
    "DEEP2": 6000,
    "VVDS": 230,
    "VIPERS": 230,
    "VUDS": 230,
    "CLAMATO": 1100,
    "C3R2": 1100,
    "COSMOS-compilation": 0,
    "3DHST": 130,
    "PRIMUS": 40,
    "COSMOS2020": 0,
}
"""Surveys of the paper's Table 1 and their spectral resolution, 0 where there is not one."""


@pytest.mark.parametrize("name", descriptor_paths())
def test_every_shipped_descriptor_loads(name: str) -> None:
    descriptor = load_descriptor(name)
    assert descriptor.name == name
    assert descriptor.reference
    assert descriptor.selection
    assert BIBCODE.fullmatch(descriptor.bibcode)
    assert descriptor.archive.table or descriptor.archive.urls or descriptor.archive.note
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
    } <= set(descriptor_paths())


def test_table_1_is_here_with_its_resolutions() -> None:
    shipped = [load_descriptor(name) for name in descriptor_paths()]
    found = {d.survey: d.resolution for d in shipped}
    assert {survey: found.get(survey) for survey in TABLE_1} == TABLE_1
    secure = {d.survey for d in shipped if d.secure}
    assert secure == set(TABLE_1) - {"COSMOS2020"}


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
    assert secure_flags("zcosmos-bright-dr3", zcosmos) == secure_flags("zcosmos-bright", zcosmos)
    assert secure_flags("vandels", vimos) == secure_flags("vuds", vimos) == [3, 4, 23, 24]
    assert secure_flags("vipers", [1.5, 2.5, 3.1, 4.5, 9.5, 13.5, 23.5, 24.1, 29.5]) == [
        *(3.1, 4.5, 23.5, 24.1),
    ]
    assert secure_flags("gama", [1, 2, 3, 4, 5]) == [3, 4, 5]
    assert secure_flags("wigglez", [1, 2, 3, 4, 5]) == [4, 5]
    assert secure_flags("c3r2-dr2", [0, 1, 2, 3, 3.5, 4]) == [3, 3.5, 4]
    assert secure_flags("primus", [-1, 2, 3, 4]) == [4]
    assert secure_flags("boss", [0, 4, 16]) == [0]


def test_rules_of_several_columns() -> None:
    grism = pd.DataFrame(
        {
            "z_best": 0.5,
            "z_best_s": [0, 1, 2, 2, 2, 3],
            "use_zgrism": [1, 0, 1, 0, 1, 1],
            "flag1": 0,
            "flag2": [0, 1, 0, 0, 1, 0],
        }
    )
    kept = select(grism, load_descriptor("3dhst").secure)
    assert kept.tolist() == [False, True, True, False, False, False]
    deep = pd.DataFrame({"survey": [136, 137, 137], "specz": 2.0, "flag": [4, 4, 2]})
    assert select(deep, load_descriptor("zcosmos-deep").secure).tolist() == [False, True, False]
    lines = pd.DataFrame({"ZSPEC": 2.4, "CONF": [2, 3, 4], "QSO": [0, 0, 1]})
    assert select(lines, load_descriptor("clamato").secure).tolist() == [False, True, False]


SECURE = [name for name in descriptor_paths() if load_descriptor(name).secure]


@pytest.mark.parametrize("name", SECURE)
def test_every_secure_class_has_a_confidence(name: str) -> None:
    descriptor = load_descriptor(name)
    z, flag = descriptor.columns["z"], descriptor.columns["flag"]
    used = dict.fromkeys(descriptor.rule_columns, 0)
    if "survey" in used:
        used["survey"] = 137
    if "use_zgrism" in used:
        used["use_zgrism"] = 1
    table = pd.DataFrame({**used, z: 0.5, flag: np.arange(0, 40, 0.1).round(1)})
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
        ("unconfirmed = ['columns.z']\n", r"unknown key 'columns.z'; did you mean"),
        ("unconfirmed = ['archive.tables']\n", "unknown key 'archive.tables'"),
        ("unconfirmed = ['bibcode.x']\n", "unknown key 'bibcode.x'"),
        ("confidence = [1]\n", "confidence = .* should be a list of tables"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"mine\.toml: .*{message}"):
        load_descriptor(write(tmp_path, change + MINIMAL))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('raa = "RA"\n', r"\[columns\] has the unknown key 'raa'; did you mean 'ra'"),
        ("z = 3\n", r"columns = .* should be a dict"),
        ('[mag]\nubar = "U"\n', r"\[mag\] has the unknown key 'ubar'"),
        ('[mag_err]\ni = "I"\n', r"\[mag_err\] has the unknown key 'i'"),
        ("[columns\n", "not valid TOML"),
        ('[units]\nra = "hours"\n', r"\[units\] ra = 'hours' .*; write 'hourangle'"),
        ('[units]\nmag = "deg"\n', r"\[units\] mag = 'deg' is not a unit like 'Jy'"),
        ('[units]\nz = "deg"\n', r"\[units\] has the unknown key 'z'"),
        ('[archive]\nservise = "vizier"\n', r"\[archive\] has the unknown key 'servise'"),
        ('[archive]\nservice = "vizir"\n', r"\[archive\] service 'vizir' is unknown"),
        ('[archive]\nservice = "vizier"\n', r"of service 'vizier' needs a table"),
        (
            '[archive]\nservice = "url"\nurls = ["https://me:pw@a.b/c"]\n',
            "urls has a login in its address",
        ),
        ('[archive]\nurls = "https://a.b/c"\n', r"archive.urls = .* should be a list"),
    ],
)
def test_mistakes_in_tables_are_named(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"mine\.toml: .*{message}"):
        load_descriptor(write(tmp_path, MINIMAL + change))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    for text in (MINIMAL.replace('dec = "DEC"', ""), 'format = "csv"\n'):
        with pytest.raises(ConfigError, match=r"mine\.toml: \[columns\] needs ra and dec, or x"):
            load_descriptor(write(tmp_path, text))
    with pytest.raises(ConfigError, match=r"mine\.toml: z_range = \[1.0\] should be two"):
        load_descriptor(write(tmp_path, MINIMAL.replace("[0.0, 1.0]", "[1.0]")))


def test_columns_and_format_are_enough(tmp_path: Path) -> None:
    text = 'format = "csv"\n[columns]\nra = "RA"\ndec = "DEC"\nz = "Z"\n'
    path = write(tmp_path, text)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())  # as some editors begin a file
    found = load_descriptor(path)
    assert (found.title, found.survey, found.bibcode, found.z_range) == ("mine", "mine", "", ())
    assert describe_catalogue(str(path)).splitlines()[:2] == ["mine: mine", "  survey       mine"]


@pytest.mark.parametrize("name", descriptor_paths())
def test_the_descriptors_of_the_package_are_complete(name: str) -> None:
    keys = set(tomllib.loads(descriptor_paths()[name].read_text()))
    told = {"title", "survey", "reference", "bibcode", "selection", "z_range"}
    assert {*told, "extinction_corrected", "columns"} <= keys


def test_an_unknown_name_gets_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'zcosmos-brigth'; did you mean 'zcosmos-bright'"):
        load_descriptor("zcosmos-brigth")
    with pytest.raises(ConfigError, match=r"none\.toml'; check the path, or name one"):
        load_descriptor(tmp_path / "none.toml")


def test_your_own_folders_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        write(folder, MINIMAL.replace('"MINE"', f'"{folder.name}"'))
    (second / "deep2.toml").write_text(MINIMAL)
    monkeypatch.setenv("HSCZ_CATALOGS", f"{first}{os.pathsep}{second}")
    assert load_descriptor("mine").survey == "first"
    assert load_descriptor("deep2").survey == "MINE"
    assert load_descriptor("vvds").survey == "VVDS"
    assert descriptor_paths()["mine"] == first / "mine.toml"
    monkeypatch.delenv("HSCZ_CATALOGS")
    assert load_descriptor("deep2").survey == "DEEP2"


def test_a_folder_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSCZ_CATALOGS", "/nowhere/catalogs")
    with pytest.raises(
        ConfigError, match=r"/nowhere/catalogs: no such folder; correct HSCZ_CATALOGS"
    ):
        load_descriptor("vvds")


def test_unconfirmed_keys_may_stand_in_tables(tmp_path: Path) -> None:
    keys = "unconfirmed = ['columns.ra', 'archive.table', 'resolution']\n"
    assert len(load_descriptor(write(tmp_path, keys + MINIMAL)).unconfirmed) == 3


def test_the_wheel_ships_the_descriptors() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    wheel = tomllib.loads(project.read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"catalogs": "hscz/catalogs"}
