"""Where the numbers of a field come from."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hscz.config import PlanConfig, StatedCounts
from hscz.config.read import load
from hscz.errors import ConfigError
from hscz.files.fresh import Key
from hscz.ingest.label import label_key
from hscz.ingest.stage import ingest_key
from hscz.learn.train import train_key
from hscz.mock.survey import make_field
from hscz.plan import synthetic
from hscz.plan.sizes import field_size
from hscz.predict.stage import predict_key
from hscz.stores import replace_columns
from hscz.tables.descriptor import load_descriptor
from hscz.tables.read import read_catalogue
from hscz.tables.select import names_in, select

CLAUDS = load_descriptor("hsc-clauds-sextractor-lephare")
RULE = CLAUDS.select


def stated(config, name="A", **counts):
    return replace(config, plan=PlanConfig(fields={name: StatedCounts(**counts)}))


def write_catalogue(config, ra, dec):
    """Write a catalogue; every other galaxy is too faint."""
    mags = 24.0 + 2.0 * (np.arange(len(ra)) % 2)
    table = pd.DataFrame({"id": np.arange(len(ra)), "ra": ra, "dec": dec, "mag_i": mags})
    table.to_csv(config.fields["A"].catalogue.file, index=False)


def test_a_field_with_a_store_is_counted(config):
    path = config.field_store("COSMOS_UDF")
    path.parent.mkdir(parents=True)
    synthetic.field_store(path, 80, side_px=8)
    spectra = np.where(np.arange(80) < 7, 0.5, np.nan)
    key = Key({"made": "random"})
    replace_columns(path, {"z_spec": xr.Variable("object", spectra)}, "labels", key)
    size = field_size(stated(config, "COSMOS_UDF", objects=9), "COSMOS_UDF")
    assert (size.objects, size.labelled, size.spectra, size.source) == (80, 80, 7, "store")


def test_a_mock_field_is_estimated_from_its_area(config):
    one, two = field_size(config, "COSMOS_UDF"), field_size(config, "DEEP2")
    assert (one.tiles, two.tiles) == (1, 2)
    assert one.labelled == pytest.approx(0.8 * one.objects, abs=1)
    assert two.labelled == two.spectra == pytest.approx(0.03 * two.objects, abs=1)
    assert (one.source, one.at_most, two.at_most) == ("area", False, False)


def test_a_mock_field_whose_files_are_there_is_counted_in_them(config):
    small = replace(config, mock=replace(config.mock, patch_px=500, overlap_px=0))
    make_field(small.mock, "DEEP2", small.root / "mock", progress=False)
    size = field_size(small, "DEEP2")
    assert size.source == "catalogue"
    # Two images of 1.96 square arcmin; a rim of 32 px lies in neither.
    catalogue = read_catalogue(small.fields["DEEP2"].catalogue.file, CLAUDS, extra=names_in(RULE))
    selected = int(select(catalogue, RULE).sum())
    assert 0.5 * selected < size.objects < 0.9 * selected


def test_a_survey_is_estimated_from_its_area_with_a_limit_of_labels(real):
    size = field_size(real, "A")
    assert size.objects == pytest.approx(81 * (4000 * 0.168 / 60) ** 2 * 45, rel=1e-3)
    assert (size.labelled, size.spectra, size.source, size.at_most) == (
        size.objects,
        size.objects,
        "area",
        True,
    )


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"objects": 500}, (500, 500, 500, True)),
        ({"objects": 500, "spectra": 40}, (500, 40, 40, False)),
        ({"objects": 500, "labelled": 300}, (500, 300, 500, False)),
        ({"objects": 500, "labelled": 300, "spectra": 40}, (500, 300, 40, False)),
    ],
)
def test_stated_numbers_stand_in_for_a_catalogue(real, counts, expected):
    size = field_size(stated(real, **counts), "A")
    assert (size.objects, size.labelled, size.spectra, size.at_most) == expected
    assert size.source == "stated"


def test_spectra_are_not_all_labels_of_a_field_with_cosmos2020(real):
    entry = replace(real.fields["A"], c2020_classic="c.fits", c2020_farmer="f.fits")
    both = stated(replace(real, fields={"A": entry}), objects=500, spectra=40)
    size = field_size(both, "A")
    assert (size.labelled, size.spectra, size.at_most) == (500, 40, True)


def test_a_catalogue_that_is_there_is_counted_in_the_tracts_to_fetch(real):
    # 9813 lies around (150.25, 2.23); the others are far from it.
    ra, dec = np.full(60, 150.2), np.full(60, 2.2)
    ra[40:] = 35.0
    write_catalogue(real, ra, dec)
    size = field_size(stated(real, objects=7, spectra=5), "A")
    assert (size.objects, size.spectra, size.source) == (20, 5, "catalogue")
    patch = replace(real.fields["A"].fetch, tracts=(), patches=("9813-0,0",))
    elsewhere = replace(real, fields={"A": replace(real.fields["A"], fetch=patch)})
    assert field_size(elsewhere, "A").objects == 0


def test_a_catalogue_is_counted_in_the_images_that_are_there(real, tmp_path):
    folder = tmp_path / "images/HSC-I/9813"
    folder.mkdir(parents=True)
    # An image of 600 px around (150, 2), and a file that is none.
    synthetic.calexp(folder / "4,4.fits", 600)
    (folder / "4,5.fits").write_bytes(b"no FITS")
    ra, dec = np.full(30, 150.0), np.full(30, 2.0)
    dec[20:] += 290 * 0.168 / 3600  # the stamp does not fit
    write_catalogue(real, ra, dec)
    size = field_size(real, "A")
    assert (size.objects, size.source) == (10, "catalogue")


def test_stated_numbers_change_no_store_and_no_model(real):
    known = stated(real, objects=500, labelled=300)
    for key in (
        lambda c: ingest_key(c, "A"),
        lambda c: label_key(c, "A"),
        lambda c: predict_key(c, "A"),
        lambda c: train_key(c, 0),
    ):
        assert key(known).fingerprint == key(real).fingerprint


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("A = { objects = -1 }", r"plan\.fields\.A\.objects is -1; give at least 0"),
        (
            "A = { objects = 9, labelled = 10 }",
            r"plan\.fields\.A\.labelled is 10; give a value from 0 to 9, its objects",
        ),
        ("B = { objects = 9 }", r"plan\.fields has 'B'; the fields are A"),
        ("A = { galaxies = 9 }", r"\[plan\.fields\.A\] has no key 'galaxies'"),
        (
            "A = { objects = 1.5 }",
            r"plan\.fields\.A\.objects is 1\.5; give a whole number, at least 0",
        ),
    ],
)
def test_numbers_that_cannot_be_are_refused(real_file, line, said):
    real_file.write_text(real_file.read_text() + f"[plan.fields]\n{line}\n")
    with pytest.raises(ConfigError, match=said):
        load(real_file)
