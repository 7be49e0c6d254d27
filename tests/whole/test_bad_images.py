"""Damaged, misplaced and incomplete images; pixels that are missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from astropy.io import fits
from astropy.table import Table

from hscz import stores
from hscz.learn.model import Model
from hscz.schema import Flag, is_usable
from tests.helpers.tiny_survey import (
    BANDS,
    Fails,
    broken_inside,
    calexp,
    edit_fits,
    objects,
    shorten,
    succeeds,
)


def card(hdu: int | str, key: str, value: object) -> Callable[[Path], None]:
    """Return a damage that sets a header card of one file, or removes it."""

    def change(hdus: fits.HDUList) -> None:
        if value is None:
            del hdus[hdu].header[key]
        else:
            hdus[hdu].header[key] = value

    return lambda root: edit_fits(calexp(root), change)


def cut(n_rows: int) -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        for hdu in hdus[1:]:
            hdu.data = hdu.data[:n_rows]

    return change


def without_wcs(root: Path) -> None:
    keys = ("CTYPE", "CRVAL", "CRPIX", "CD", "CUNIT", "WCSAXES", "LONPOLE", "LATPOLE", "RADESYS")

    def change(hdus: fits.HDUList) -> None:
        for key in [key for key in hdus["IMAGE"].header if key.startswith(keys)]:
            del hdus["IMAGE"].header[key]

    edit_fits(calexp(root), change)


def without_pixels(root: Path) -> None:
    for band in BANDS:
        for patch in (0, 1):
            path = calexp(root, "A", band, patch)
            with fits.open(path) as hdus:
                headers = [hdu.header for hdu in hdus]
            empty = fits.ImageHDU(np.zeros((0, 0), np.float32), headers[1], name="IMAGE")
            fits.HDUList([fits.PrimaryHDU(header=headers[0]), empty]).writeto(path, overwrite=True)


def unnamed_mask(root: Path) -> None:
    def change(hdus: fits.HDUList) -> None:
        for key in [key for key in hdus["MASK"].header if key.startswith("MP_")]:
            del hdus["MASK"].header[key]

    edit_fits(calexp(root), change)


def nan_wcs(root: Path) -> None:
    """Put the word NaN, which is no FITS number, in the place of a coordinate."""
    content = calexp(root).read_bytes()
    card = next(c for c in (content[i : i + 80] for i in range(0, 20_000, 80)) if b"CRVAL1" in c)
    calexp(root).write_bytes(content.replace(card, b"CRVAL1  =                  NaN".ljust(80)))


BAD_FILES = [
    (lambda r: shorten(calexp(r), -5000), "truncated, 821560 bytes of 826560 that"),
    (lambda r: shorten(calexp(r), 1000), "truncated, breaks off in a header"),
    (lambda r: shorten(calexp(r), 2880), "has 0 2-D images, none with EXTTYPE"),
    (lambda r: shorten(calexp(r), 0), "is not a FITS file, it starts with b''; fetch the"),
    (lambda r: calexp(r).write_text("<html>"), "is not a FITS file, it starts with b'<h"),
    (broken_inside, "the IMAGE plane cannot be read"),
    (without_wcs, "no usable celestial WCS"),
    (nan_wcs, "no usable WCS"),
    (card("IMAGE", "CRVAL1", "east"), "no usable WCS"),
    (card("IMAGE", "CTYPE1", "RA---XYZ"), "no usable WCS"),
    (card("IMAGE", "CRPIX1", 77.0), "is not on the pixel grid of"),
    (lambda r: edit_fits(calexp(r), cut(250)), "is not on the pixel grid of"),
    (card(0, "FILTER", "HSC-Z"), "FILTER is 'HSC-Z', which is band z, but"),
    (card(0, "FLUXMAG0", None), "no zero point, FLUXMAG0 is None; give zero_point"),
    (card(0, "FLUXMAG0", 0.0), "no zero point, FLUXMAG0 is 0.0"),
    (unnamed_mask, "the MASK header names no plane (MP_* cards)"),
    (card("MASK", "MP_SAT", "x"), "mask plane MP_SAT is 'x', which is no bit"),
    (card("MASK", "MP_SAT", 77), "mask plane MP_SAT is 77, which is no bit"),
    (lambda r: calexp(r).unlink(), "no file of band r (HSC-R)"),
]
"""What may be wrong with one file of the second patch, and what is said about it."""


@pytest.mark.parametrize(("damage", "said"), BAD_FILES)
def test_a_run_goes_on_past_a_bad_file_and_names_it(
    files: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], object], said: str
) -> None:
    damage(files)
    succeeds(files, "ingest", "--field", "A")
    store = stores.open_field(files / "out/fields/A.zarr", lazy=False)
    usable = is_usable(store["flags"].values)
    assert set(store["tile"].values[usable]) == {"0"}
    lost = pd.read_parquet(files / "out/fields/A.lost.parquet")["object_id"]
    assert sorted([*store["object_id"].values, *lost]) == list(range(1000, 1080))
    (note,) = pd.read_csv(files / "out/fields/A.left_out.csv").itertuples()
    assert note.reason.startswith(said)
    assert "HSC-R-1-1.fits" in note.file or note.file.endswith("calexp-{filter}-1-{patch}.fits")
    assert note.n_objects == len(lost) - 4 + (~usable).sum() > 20
    printed = capsys.readouterr().out
    assert f"(patch 1): {note.reason}; {note.n_objects} objects lost" in printed


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda r: [calexp(r, "A", "r", p).unlink() for p in (0, 1)], "HSC-R-1-*.fits: no file ma"),
        (
            lambda r: [calexp(r, "A", "r", 0).unlink(), calexp(r, "A", "i", 1).unlink()],
            "none of 2 patches has all bands, 1 have no band r (HSC-R); add its files or drop the",
        ),
        (lambda r: shutil.rmtree(r / "images"), "calexp-HSC-G-1-*.fits: no file matches; correct"),
        (without_pixels, "calexp-HSC-G-1-0.fits: its image has no pixel, (0, 0)"),
        (
            lambda r: [shorten(calexp(r, "A", "r", p), -1) for p in (0, 1)],
            "truncated, 826559 bytes of 826560 that its headers announce; fetch the file again "
            "(none of 2 patches can be used)",
        ),
        (
            lambda r: [broken_inside(r, patch=p) for p in (0, 1)],
            "fetch the file again (and 1 more, so no object is left)",
        ),
    ],
)
def test_nothing_but_bad_files(
    files: Path, fails: Fails, damage: Callable[[Path], object], said: str
) -> None:
    damage(files)
    assert said in fails(files, "ingest", "--field", "A")
    assert not (files / "out/fields/A.zarr").exists()


def test_objects_outside_every_patch_are_an_error_if_none_is_inside(
    files: Path, fails: Fails
) -> None:
    objects(lambda t: t.assign(RA=t["RA"] + 90))(files)
    said = "A.csv: none of the 80 selected objects lies in the images"
    assert said in fails(files, "ingest", "--field", "A")


def test_a_zero_point_that_does_not_go_with_the_catalogue_is_told(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for patch in (0, 1):
        edit_fits(calexp(files, "A", "r", patch), lambda hdus: hdus[0].header.set("FLUXMAG0", 1e8))
    succeeds(files, "ingest", "--field", "A")
    printed = capsys.readouterr().out
    assert "band r: the objects in the images are " in printed
    assert "mag brighter than the catalogue; check zero_point" in printed


def test_images_smaller_than_a_stamp_are_told(files: Path, fails: Fails) -> None:
    said = "no image is larger than 260 x 260 px, less than a stamp of 300; give larger images"
    assert said in fails(files, "ingest", "--field", "A", "--set", "ingest.stamp_px=300")


@pytest.fixture(scope="module")
def with_missing(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with pixels missing in field B: one NaN, a NO_DATA corner, a whole band."""
    root = Path(shutil.copytree(whole, tmp_path_factory.mktemp("missing") / "survey"))

    def nan_row(hdus: fits.HDUList) -> None:
        hdus["IMAGE"].data[130, 70] = np.nan

    def all_infinite(hdus: fits.HDUList) -> None:
        hdus["IMAGE"].data[:] = np.inf

    def no_data(hdus: fits.HDUList) -> None:
        hdus["MASK"].data[:60, :60] |= 1 << hdus["MASK"].header["MP_NO_DATA"]

    edit_fits(calexp(root, "B", "g", 0), nan_row)
    edit_fits(calexp(root, "B", "i", 0), no_data)
    edit_fits(calexp(root, "B", "r", 1), all_infinite)
    seen = []
    real = Model.pdf

    def watched(model: Model, images: torch.Tensor, turns: int) -> np.ndarray:
        seen.append(bool(torch.isfinite(images).all()))
        return real(model, images, turns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Model, "pdf", watched)
        for verb in ("ingest", "predict", "export"):
            succeeds(root, verb, "--field", "B")
    assert seen
    assert all(seen)
    return root


def test_missing_pixels_are_flagged_and_carried_through(with_missing: Path) -> None:
    store = stores.open_field(with_missing / "out/fields/B.zarr", lazy=False)
    flags = store["flags"].values
    assert np.isfinite(store["image"].values).all()
    all_masked = (flags & int(Flag.ALL_MASKED)) != 0
    np.testing.assert_array_equal(all_masked, store["tile"].values == "1")
    assert (flags[all_masked] & int(Flag.NO_NOISE) > 0).all()
    missing = (flags & int(Flag.MISSING_PIXELS)) != 0
    assert 0 < (missing & ~all_masked).sum() < (~all_masked).sum()


def test_objects_without_a_redshift_say_why_in_the_catalogue(with_missing: Path) -> None:
    stem = with_missing / "out/catalogues/v0/B"
    flags = stores.open_cube(with_missing / "out/pdfs/v0/B.zarr")["flags"].values
    unusable = ~is_usable(flags)
    fits_table = Table.read(stem.with_suffix(".fits")).to_pandas()
    for catalogue in (fits_table, pd.read_parquet(stem.with_suffix(".parquet"))):
        assert len(catalogue) == 76
        np.testing.assert_array_equal(catalogue["flags"], flags)
        for name in ("z_median", "z_mean", "z_mode", "z_err68_low", "z_err95_high", "pdfw"):
            np.testing.assert_array_equal(catalogue[f"cnn_{name}"].isna(), unusable)


def test_the_catalogue_explains_its_flags(whole: Path) -> None:
    stem = whole / "out/catalogues/v0/A"
    header = fits.getheader(stem.with_suffix(".fits"), 1)
    number = next(key for key in header if header[key] == "flags").removeprefix("TTYPE")
    field = pq.read_schema(stem.with_suffix(".parquet")).field("flags")
    for text in (header[f"TCOMM{number}"], field.metadata[b"description"].decode()):
        assert "1 missing_pixels, 2 all_masked, 4 saturated" in text
        assert text.endswith(f"no redshift where flags & {int(Flag.UNUSABLE)}")


def test_nothing_usable_to_train_on(made: Path, fails: Fails) -> None:
    def all_missing(hdus: fits.HDUList) -> None:
        hdus["IMAGE"].data[:] = np.nan

    for patch in (0, 1):
        edit_fits(calexp(made, "A", "g", patch), all_missing)
    succeeds(made, "ingest", "--field", "A")
    succeeds(made, "label")
    assert "A: no usable object has a label within 0 < z < 2.0" in fails(made, "train")
