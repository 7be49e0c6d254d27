"""A mock run of two fields, and a real one whose files are still to be fetched."""

from __future__ import annotations

import pytest

from hscz.config.read import load
from tests.helpers.plain_descriptor import plain_descriptor

DESCRIPTOR = plain_descriptor(keys='select = "mag_i < 25"')


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(
        'stores = "stores"\n[mock.fields]\nCOSMOS_UDF = [1, 1]\nDEEP2 = [2, 1]\n'
        '[network]\nsize = "compact"\n[train]\nepochs = 3\n[adapt]\ntargets = ["DEEP2"]\n'
    )
    return load(file)


@pytest.fixture
def real_file(tmp_path):
    """Return the file of a run of one tract in two bands, with a table of redshifts."""
    (tmp_path / "own.toml").write_text(DESCRIPTOR)
    file = tmp_path / "real.toml"
    file.write_text(
        'stores = "stores"\n[train]\nfields = ["A"]\n[fields.A]\n'
        'images = "images/{filter}/{tract}/{patch}.fits"\nbands = ["i", "z"]\n'
        'catalogue = { file = "cat.csv", catalogue = "own.toml" }\n'
        'spec = [{ file = "vipers.fits", catalogue = "vipers" }]\n'
        "[fields.A.fetch]\ntracts = [9813]\n"
    )
    return file


@pytest.fixture
def real(real_file):
    return load(real_file)
