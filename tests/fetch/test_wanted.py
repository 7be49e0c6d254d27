"""What is asked for, and what is said of it before anything is fetched."""

from __future__ import annotations

import pytest

from hscz.cli import main
from hscz.config.read import load
from hscz.errors import ConfigError, InputError
from hscz.fetch.field import fetch_field, preview, why_unfetched
from hscz.fetch.wanted import expected, tables

PATCHES = 'patches = ["9813-4,4", "9813-4,5"]'


def test_what_would_be_fetched_is_known_beforehand(write_config, archive, fits_bytes, capsys):
    for band in "GI":
        archive.files[f"/pdr3_dud/HSC-{band}-9813-4,4.fits"] = fits_bytes
    file = write_config("tracts = [9813, 9814]")
    n_files, n_patches, size_mb = expected(load(file), "A")
    assert (n_files, n_patches) == (2 * 2 * 81 + 1, 2 * 81)
    assert size_mb == pytest.approx(324 * 4200**2 * 12e-6)
    file = write_config(PATCHES)
    assert "4 files, about" in preview(load(file), "A")
    assert main(["fetch", str(file), "--dry-run", "--quiet"]) == 0
    assert "4 files, about 0.0 GB" in capsys.readouterr().out
    assert {method for method, *_ in archive.asked} == {"HEAD"}


def test_a_dry_run_does_not_wait_for_a_server_that_is_down(write_config, archive):
    archive.files["/pdr3_dud/HSC-G-9813-4,4.fits"] = lambda handler: handler.reply(503, b"")
    config = load(write_config(PATCHES), ["fetch.wait_s=60.0"])
    assert "answered 503, after 1 try" in preview(config, "A")
    assert len(archive.asked) == 1


def test_settings_that_cannot_be_fetched(write_config):
    with pytest.raises(ConfigError, match="write tract and patch as '9813-4,4'"):
        fetch_field(load(write_config('patches = ["4,4"]')), "A", False)
    file = write_config(PATCHES)
    with pytest.raises(ConfigError, match="has a login in its address"):
        load(file, ['fetch.cutouts="https://me:secret@a.org/x"'])
    with pytest.raises(ConfigError, match="never a password") as error:
        load(file, ['fetch.logins={"a.org" = "opensesame-93"}'])
    assert "opensesame" not in str(error.value)


def test_bytes_are_those_of_one_patch_of_each_filter(write_config, archive):
    for band, n_bytes in (("G", 300_000_000), ("I", 500_000_000)):
        archive.files[f"/pdr3_dud/HSC-{band}-9813-4,4.fits"] = lambda handler, n_bytes=n_bytes: (
            handler.reply(200, b"", **{"Content-Length": n_bytes})
        )
    assert "4 files, about 1.6 GB of images" in preview(load(write_config(PATCHES)), "A")
    assert len(archive.asked) == 2


def write_table_fields(tmp_path, section, boxes):
    """Write a run of two fields that have one table in common; return it loaded."""
    (tmp_path / "mine.toml").write_text(
        'title = "t"\nsurvey = "S"\nreference = "-"\nbibcode = "-"\nselection = "all"\n'
        'format = "csv"\nextinction_corrected = false\nz_range = [0.0, 2.0]\n'
        f'[columns]\nra = "ra"\ndec = "dec"\n[archive]\n{section}\n'
    )
    fields = "".join(
        f'[fields.{name}]\nimages = "{name}/{{band}}-{{patch}}.fits"\nbands = ["i"]\n'
        'catalogue = { file = "t.csv", catalogue = "mine.toml" }\n'
        f"[fields.{name}.fetch]\nbox = {box}\n"
        for name, box in zip("AB", boxes, strict=True)
    )
    file = tmp_path / "run.toml"
    file.write_text(f'stores = "stores"\n{fields}')
    return load(file)


BOXES = ([1.0, 2.0, 1.0, 2.0], [3.0, 4.0, 1.0, 2.0])


def test_a_whole_file_that_fields_share_comes_once(tmp_path, archive):
    archive.files["/t.csv"] = b"ra,dec\n1.0,2.0\n"
    section = f'service = "url"\nurls = ["{archive.url}/t.csv"]'
    config = write_table_fields(tmp_path, section, BOXES)
    for name in "AB":
        fetch_field(config, name, False)
    assert not any(why_unfetched(config, name) for name in "AB")
    assert len(archive.asked) == 1


def test_fields_that_want_other_rows_in_one_file_are_refused(tmp_path):
    section = 'service = "vizier"\ntable = "J/t"'
    config = write_table_fields(tmp_path, section, BOXES)
    with pytest.raises(ConfigError, match=r"t\.csv: fields\.A and fields\.B want other rows"):
        fetch_field(config, "A", False)
    assert tables(write_table_fields(tmp_path, section, (BOXES[0], BOXES[0])), "A")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ra,dec\n150.0,2.0\n150.1,\n", "row 1 has ra, dec = 150.1, nan"),
        ("ra,dec\n150.0,2.0\n10:00:28,2.2\n", "row 1 has ra, dec = 10:00:28, 2.2"),
        ("ra,dec\n", "has no rows"),
        ("ra,delta\n150.0,2.0\n", "no column 'dec'"),
    ],
)
def test_positions_that_cannot_be_used(write_config, tmp_path, content, message):
    (tmp_path / "positions.csv").write_text(content)
    config = load(write_config('cutouts = "positions.csv"'))
    with pytest.raises(InputError, match=message):
        fetch_field(config, "A", False)
