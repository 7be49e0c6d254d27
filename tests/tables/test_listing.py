"""What is told of the source catalogues."""

from __future__ import annotations

from pathlib import Path

import pytest

from hscz.cli import main
from hscz.tables.descriptor import descriptor_paths, load_descriptor
from hscz.tables.listing import WIDTH, describe_catalogue, list_catalogues

BAD = 'title = "Mine"\n[columns]\nra = "RA"\n'


def test_the_list_has_every_catalogue_in_lines_that_fit() -> None:
    text = list_catalogues()
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    for name in descriptor_paths():
        descriptor = load_descriptor(name)
        entry = text.partition(f"\n{name} ")[2].partition("\n\n")[0]
        assert descriptor.survey in entry
        assert descriptor.bibcode in entry
        assert descriptor.archive.service in entry


def test_what_is_unconfirmed_is_told() -> None:
    text = list_catalogues()
    after = text.partition("\nclamato ")[2]
    assert "unconfirmed: columns.dec" in after.partition("\ncosmos")[0]
    after = text.partition("\ncosmos-specz-compilation ")[2]
    assert "unconfirmed" not in after.partition("\ndeep2")[0]


def test_one_catalogue_in_full() -> None:
    text = describe_catalogue("sdss-dr12")
    assert max(map(len, text.splitlines())) <= WIDTH
    for part in ("sdss SpecObj", "where survey = 'sdss'", "release 12", "no sentinel", "99 %"):
        assert part in text
    assert "mag       23.0" in describe_catalogue("hsc-clauds-hscpipe-phosphoros")


def test_info_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text(
        Path(descriptor_paths()["udsz"]).read_text().replace('"UDSz"', '"MINE"')
    )
    monkeypatch.setenv("HSCZ_CATALOGS", str(tmp_path))
    assert main(["info", "catalogs"]) == 0
    out = capsys.readouterr().out
    assert f"your own: {tmp_path / 'mine.toml'}" in out
    assert main(["info", "catalogs", "mine"]) == 0
    assert "survey       MINE" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["catalogs"], ["catalogs", "mine"]])
def test_a_bad_file_of_yours_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    (tmp_path / "mine.toml").write_text(BAD)
    monkeypatch.setenv("HSCZ_CATALOGS", str(tmp_path))
    assert main(["info", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"hscz info: {tmp_path / 'mine.toml'}: [columns] needs ra and dec" in error


def test_a_name_goes_with_catalogs_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "somewhere.zarr", "deep2"]) == 2
    assert "a name goes with 'catalogs' and 'settings' alone" in capsys.readouterr().err
    assert main(["info", "catalogs", "dep2"]) == 2
    assert "did you mean 'deep2'" in capsys.readouterr().err
