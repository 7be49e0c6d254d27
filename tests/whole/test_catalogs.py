"""Every shipped descriptor on a table that has the columns it names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from hscz.tables.descriptor import CatalogueDescriptor, descriptor_paths, load_descriptor
from hscz.tables.labels import secure_redshifts
from hscz.tables.read import read_catalogue
from hscz.tables.select import select

PASS = {"isOutsideMask": 1, "use_zgrism": 1, "survey": 137, "category": 1}
"""Values that pass the rules, where 0 does not."""


def galaxies(descriptor: CatalogueDescriptor) -> pd.DataFrame:
    """Return galaxies of i = 23, one for each quality flag that a survey may give."""
    flag = np.array([4.5, 4.0, 2.0, 1.0, 0.0])
    count = np.arange(len(flag)) + 1
    flux = 10 ** (-0.4 * (23.0 - float(descriptor.units.get("mag", 0))))
    standard = {"object_id": count, "flag": flag}
    own = [name for name in descriptor.rule_columns if not name.startswith("mag_")]
    return pd.DataFrame(
        {name: np.full(len(flag), PASS.get(name, 0)) for name in own}
        | {column: standard.get(key, count / 10) for key, column in descriptor.columns.items()}
        | dict.fromkeys(descriptor.mag.values(), flux if descriptor.units else 23.0)
        | dict.fromkeys(descriptor.mag_err.values(), 0.1)
    )


@pytest.mark.parametrize("name", descriptor_paths())
def test_every_descriptor_reads_a_table_of_its_columns(name: str, tmp_path: Path) -> None:
    descriptor = load_descriptor(name)
    file = tmp_path / f"{name}.fits"
    written = galaxies(descriptor)
    Table.from_pandas(written).write(file)
    read = read_catalogue(file, descriptor)
    assert {"object_id", "ra", "dec", *descriptor.columns} <= set(read.columns)
    for band in descriptor.mag:
        np.testing.assert_allclose(read[f"mag_{band}"], 23.0, atol=1e-6)
    assert select(read, descriptor.select).all()
    if descriptor.secure:
        secure = secure_redshifts(read, descriptor)
        assert 1 <= len(secure) <= len(written)
        assert secure["confidence"].iloc[0] == descriptor.confidence[0].percent
        assert (secure["resolution"] == descriptor.resolution).all()


@pytest.mark.parametrize("name", ["hsc-clauds-11bands", "hsc-clauds-hscpipe-phosphoros"])
def test_the_near_infrared_of_hsc_clauds_is_mapped(name: str) -> None:
    descriptor = load_descriptor(name)
    assert {"J", "H", "Ks"} <= set(descriptor.mag) == set(descriptor.mag_err)


def test_the_files_of_11_bands_are_those_of_6_and_the_near_infrared() -> None:
    wide, six = map(load_descriptor, ("hsc-clauds-11bands", "hsc-clauds-sextractor-lephare"))
    for key in ("columns", "missing", "select", "extinction_corrected", "format", "hdu"):
        assert getattr(wide, key) == getattr(six, key), key
    assert six.mag.items() <= wide.mag.items()
    assert six.mag_err.items() <= wide.mag_err.items()
