"""The command line as other programs see it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hscz.cli import VERBS, parser


@pytest.mark.parametrize("arguments", [["info", "catalogs"], ["info", "catalogs", "deep2"]])
def test_a_reader_that_ends_early_is_no_error(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "hscz.cli", *arguments]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_output_on_a_full_disk_is_an_error() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    command = [sys.executable, "-m", "hscz.cli", "info", "catalogs", "deep2"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_help_keeps_the_names_of_formats(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parser().parse_args([verb, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    summary = VERBS[verb].summary
    assert f"{summary[0].upper()}{summary[1:]}." in said
