"""Damaged files, impossible settings and killed runs, met as a user meets them.

Every failure must give one line that names what was found and how to mend it, leave nothing
a later stage could take for whole, and keep what was there before.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tomli_w
import torch
import xarray as xr
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

import hscz.ingest
from hscz import stores
from hscz.cli import main
from hscz.errors import InputError
from hscz.learn.model import Model
from hscz.schema import Flag
from hscz.sky.fits import write_calexp

BANDS = {"g": "HSC-G", "r": "HSC-R", "i": "HSC-I"}
SIDE_PX, STEP_PX = 260, 160
"""Side of a patch, and distance between the two patches of a field."""

N_OBJECTS, N_OUTSIDE = 80, 4

CONFIG = """
stores = "out"
[fields.A]
images = "images/A/calexp-{filter}-1-{patch}.fits"
catalogue = { file = "A.csv", catalogue = "objects.toml" }
bands = ["g", "r", "i"]
spec = [{ file = "A-spec.csv", catalogue = "spec.toml" }]
truth = "A-truth.parquet"
[fields.B]
images = "images/B/calexp-{filter}-1-{patch}.fits"
catalogue = { file = "B.csv", catalogue = "objects.toml" }
bands = ["g", "r", "i"]
[network]
size = "compact"
layers = ["conv 4 5 relu 2", "pool", "conv 8 3 relu"]
merge_after = 1
dense = [8]
[train]
fields = ["A"]
bands = ["g", "r", "i"]
epochs = 1
batch_size = 8
n_bins = 20
z_max = 2.0
device = "cpu"
[predict]
block = 16
device = "cpu"
[evaluate]
fields = ["A"]
"""

DESCRIPTOR = """
title = "a survey"
survey = "X"
reference = "none"
bibcode = "none"
archive = "none"
selection = "all"
extinction_corrected = false
z_range = [0.0, 2.0]
format = "csv"
"""

OBJECTS = f"""{DESCRIPTOR}
select = "mag_i < 25 & MASK == 0"
[columns]
object_id = "ID"
ra = "RA"
dec = "DEC"
[mag]
g = "g"
r = "r"
i = "i"
[mag_err]
g = "g_err"
r = "r_err"
i = "i_err"
"""

SPEC = f"""{DESCRIPTOR}
secure = "Q >= 3"
[columns]
ra = "RA"
dec = "DEC"
z = "Z"
flag = "Q"
"""


def patch_wcs(field: str, patch: int) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [{"A": 150.0, "B": 35.0}[field], 2.0]
    wcs.wcs.cdelt = [-0.168 / 3600, 0.168 / 3600]
    wcs.wcs.crpix = [200.0 - patch * STEP_PX, 130.0]
    return wcs


def calexp(root: Path, field: str = "A", band: str = "r", patch: int = 1) -> Path:
    return root / "images" / field / f"calexp-{BANDS[band]}-1-{patch}.fits"


def make_field(root: Path, field: str, seed: int) -> None:
    """Write a field of two overlapping patches; the first objects are too near its edge."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(40, SIDE_PX + STEP_PX - 40, N_OBJECTS)
    y = rng.uniform(40, SIDE_PX - 40, N_OBJECTS)
    x[:N_OUTSIDE] = 5
    flux = rng.uniform(1, 10, N_OBJECTS)
    rows, columns = np.mgrid[:SIDE_PX, : SIDE_PX + STEP_PX]
    profiles = np.exp(-((columns - x[:, None, None]) ** 2 + (rows - y[:, None, None]) ** 2) / 9)
    sky = np.tensordot(flux, profiles, 1)
    for band, name in BANDS.items():
        for patch in (0, 1):
            image = sky[:, patch * STEP_PX : patch * STEP_PX + SIDE_PX]
            image = image + rng.normal(0, 0.05, image.shape)
            planes = image, np.zeros(image.shape, np.int32), np.full(image.shape, 0.0025)
            write_calexp(calexp(root, field, band, patch), *planes, patch_wcs(field, patch), name)
    ra, dec = patch_wcs(field, 0).all_pix2world(x, y, 0)
    ids, z = np.arange(N_OBJECTS) + 1000 * seed, rng.uniform(0.1, 1.9, N_OBJECTS)
    magnitudes = {band: 24 - np.log10(flux) for band in BANDS}
    errors = {f"{band}_err": 0.01 for band in BANDS}
    table = pd.DataFrame({"ID": ids, "RA": ra, "DEC": dec, "MASK": 0} | magnitudes | errors)
    table.to_csv(root / f"{field}.csv", index=False)
    table[["RA", "DEC"]].assign(Z=z, Q=4).to_csv(root / f"{field}-spec.csv", index=False)
    pd.DataFrame({"object_id": ids, "z_true": z}).to_parquet(root / f"{field}-truth.parquet")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that went through."""
    root = tmp_path_factory.mktemp("survey")
    (root / "run.toml").write_text(CONFIG)
    (root / "objects.toml").write_text(OBJECTS)
    (root / "spec.toml").write_text(SPEC)
    make_field(root, "A", 1)
    make_field(root, "B", 2)
    for verb in ("ingest", "label", "train", "predict", "export"):
        assert main([verb, str(root / "run.toml"), "--quiet"]) == 0
    return root


@pytest.fixture
def made(whole: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to damage."""
    return Path(shutil.copytree(whole, tmp_path / "survey"))


@pytest.fixture
def files(whole: Path, tmp_path: Path) -> Path:
    """A copy of the input alone."""
    return Path(shutil.copytree(whole, tmp_path / "survey", ignore=shutil.ignore_patterns("out")))


Fails = Callable[..., str]


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Fails:
    """Run a verb that must fail with one line on stderr, and return that line."""

    def run(root: Path, *arguments: str, code: int = 1) -> str:
        capsys.readouterr()
        verb, *options = arguments
        assert main([verb, str(root / "run.toml"), "--quiet", *options]) == code
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith(f"hscz {verb}: ")
        return lines[0]

    return run


@pytest.fixture
def one_by_one() -> Iterator[None]:
    with dask.config.set(scheduler="synchronous"):
        yield


def succeeds(root: Path, *arguments: str) -> None:
    verb, *options = arguments
    assert main([verb, str(root / "run.toml"), "--quiet", *options]) == 0


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def variables(path: Path) -> dict[str, np.ndarray]:
    with xr.open_zarr(path, consolidated=False, chunks=None) as dataset:
        return {str(name): var.values for name, var in dataset.variables.items()}


def shorten(path: Path, n_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:n_bytes])


def edit_fits(path: Path, change: Callable[[fits.HDUList], object]) -> None:
    with fits.open(path, memmap=False) as hdus:
        copy = fits.HDUList([hdu.copy() for hdu in hdus])
    change(copy)
    copy.writeto(path, overwrite=True)


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


BROKEN_DATA = slice(60_000, 60_400)


def broken_inside(root: Path, field: str = "A") -> None:
    """Compress a file, then overwrite some of its bytes: its headers stay as they are."""
    path = calexp(root, field)
    with fits.open(path) as hdus:
        planes = [fits.CompImageHDU(h.data, h.header, compression_type="GZIP_1") for h in hdus[1:]]
        fits.HDUList([hdus[0].copy(), *planes]).writeto(path, overwrite=True)
    content = bytearray(path.read_bytes())
    content[BROKEN_DATA] = bytes(400)
    path.write_bytes(content)


R1 = "calexp-HSC-R-1-1.fits: "


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda r: [calexp(r, "A", "r", p).unlink() for p in (0, 1)], "HSC-R-1-*.fits: no file ma"),
        (
            lambda r: [calexp(r, "A", "r", 0).unlink(), calexp(r, "A", "i", 1).unlink()],
            "none of 2 patches has all bands, 1 lack band r (HSC-R); add its files or drop the",
        ),
        (lambda r: shutil.rmtree(r / "images"), "calexp-HSC-G-1-*.fits: no file matches; correct"),
        (lambda r: shorten(calexp(r), -5000), R1 + "truncated, 821560 bytes of 826560 that"),
        (lambda r: shorten(calexp(r), 1000), R1 + "truncated, breaks off in a header"),
        (lambda r: shorten(calexp(r), 2880), R1 + "has 0 unnamed 2-D images"),
        (lambda r: shorten(calexp(r), 0), R1 + "is not a FITS file, it starts with b''; fetch it"),
        (lambda r: calexp(r).write_text("<html>"), R1 + "is not a FITS file, it starts with b'<h"),
        (broken_inside, R1 + "the IMAGE plane cannot be read"),
        (without_wcs, R1 + "no usable celestial WCS"),
        (card("IMAGE", "CRVAL1", "east"), R1 + "no usable WCS"),
        (card("IMAGE", "CTYPE1", "RA---XYZ"), R1 + "no usable WCS"),
        (card("IMAGE", "CRPIX1", 77.0), R1 + "is not on the pixel grid of"),
        (lambda r: edit_fits(calexp(r), cut(250)), R1 + "is not on the pixel grid of"),
        (card(0, "FILTER", "HSC-Z"), R1 + "FILTER is 'HSC-Z', which is band z, but"),
        (card(0, "FLUXMAG0", None), R1 + "no zero point, FLUXMAG0 is None; give zero_point"),
        (card(0, "FLUXMAG0", 0.0), R1 + "no zero point, FLUXMAG0 is 0.0"),
        (unnamed_mask, R1 + "the MASK header names no plane (MP_* cards)"),
        (card("MASK", "MP_SAT", "x"), R1 + "mask plane MP_SAT is 'x', which is no bit"),
        (card("MASK", "MP_SAT", 77), R1 + "mask plane MP_SAT is 77, which is no bit"),
        (without_pixels, "calexp-HSC-G-1-0.fits: its image has no pixel, (0, 0)"),
    ],
)
def test_images(files: Path, fails: Fails, damage: Callable[[Path], object], said: str) -> None:
    damage(files)
    assert said in fails(files, "ingest", "--field", "A")
    assert not (files / "out/fields/A.zarr").exists()


def table(change: Callable[[pd.DataFrame], pd.DataFrame], name: str) -> Callable[[Path], None]:
    return lambda root: change(pd.read_csv(root / name)).to_csv(root / name, index=False)


def objects(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    return table(change, "A.csv")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda r: (r / "A.csv").unlink(), "A.csv: no such file; check the path"),
        (lambda r: shorten(r / "A.csv", 0), "A.csv: cannot be read as csv"),
        (lambda r: (r / "A.csv").write_bytes(b"\xff\x00" * 50), "A.csv: cannot be read as csv"),
        (objects(lambda t: t[:0]), "A.csv: the table has no rows; give the whole catalogue"),
        (objects(lambda t: t.drop(columns="RA")), "A.csv: no column 'RA'"),
        (objects(lambda t: t.drop(columns="MASK")), "A.csv: no column 'MASK'"),
        (objects(lambda t: t.drop(columns="r")), "A.csv: no column 'r', which is mag of band r in"),
        (objects(lambda t: t.drop(columns="g_err")), "A.csv: no column 'g_err', which is mag_err"),
        (objects(lambda t: pd.concat([t, t[:2]])), "A.csv: object id 1000 occurs 2 times (2 ids"),
        (objects(lambda t: t.assign(ID="HSC J1")), "A.csv: identifiers must be whole numbers"),
        (objects(lambda t: t.assign(r="faint")), "A.csv: column 'r' needs numbers"),
        (objects(lambda t: t.assign(RA="10:00")), "A.csv: column 'RA' needs numbers"),
        (objects(lambda t: t.assign(RA=np.nan)), "A.csv: row 0 lies at ra=nan"),
        (objects(lambda t: t.assign(RA=12.0)), "A.csv: none of the 80 selected objects lies in"),
        (objects(lambda t: t.assign(i=26.0)), "A.csv: the selection keeps none of 80 rows: 'mag_i"),
    ],
)
def test_catalogues(files: Path, fails: Fails, damage: Callable[[Path], object], said: str) -> None:
    damage(files)
    assert said in fails(files, "ingest", "--field", "A")
    assert not (files / "out/fields/A.zarr").exists()


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        (["ingest.tile=3"], 2, "[ingest] has no key 'tile'; did you mean 'tile_px'?"),
        (["fields.A.catalog=3"], 2, "[fields.A] has no key 'catalog'; did you mean 'catalogue'?"),
        (["fields.A=3"], 2, "fields.A must be a section, not 3"),
        (["network=3"], 2, "network must be a section, not 3"),
        (["ingest.tile_px=1e3"], 2, "ingest.tile_px is 1000.0, which is not of type int"),
        (["ingest.stamp_px=0"], 2, "ingest.stamp_px is 0; give a value from 8 to 1024"),
        (["ingest.tile_px=10"], 2, "tile_px is 10, not larger than stamp_px, 64"),
        (["ingest.memory_limit_mb=-1"], 2, "ingest.memory_limit_mb is -1.0; give at least 0"),
        (["train.epochs=0"], 2, "train.epochs is 0; give at least 1"),
        (["train.validation_fraction=1.0"], 2, "give a value from 0 to 0.9"),
        (["predict.block=0"], 2, "predict.block is 0; give at least 1"),
        (["evaluate.z_edges=[1.0, 0.5]"], 2, "evaluate.z_edges is [1.0, 0.5]; give increasing"),
        (["export.formats=[]"], 2, "export.formats is []; name at least one, each once"),
        (['fields.A.bands=["g", "q"]'], 2, "fields.A.bands: band 'q' is unknown; the bands are u,"),
        (['fields.A.bands=["g", "g"]'], 2, "fields.A.bands is ['g', 'g']; name at least one, each"),
        (["fields.A.images=A/{filtr}.fits"], 2, "{filtr} is unknown; use filter, band, tract and"),
        (["fields.A.images=A/i.fits"], 2, "A/i.fits: has neither {filter} nor {band}"),
        (["ingest.select=mag_i <"], 1, "the rule 'mag_i <' cannot be read"),
        (["ingest.select=colour < 3"], 1, "A.csv: no column 'colour'"),
        (["ingest.select=mag_i < 5"], 1, "A.csv: the selection keeps none of 80 rows"),
    ],
)
def test_settings(files: Path, fails: Fails, settings: list[str], code: int, said: str) -> None:
    changes = [part for setting in settings for part in ("--set", setting)]
    assert said in fails(files, "ingest", "--field", "A", *changes, code=code)
    assert not (files / "out/fields/A.zarr").exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda p: p.write_bytes(b"\xff\xfe\x00"), "run.toml: not valid TOML"),
        (lambda p: p.write_text("[train"), "run.toml: not valid TOML"),
        (lambda p: (p.unlink(), p.mkdir()), "run.toml: cannot be read (Is a directory)"),
        (lambda p: p.with_name("objects.toml").unlink(), "no catalogue descriptor"),
        (
            lambda p: p.with_name("objects.toml").write_text(OBJECTS.replace("format", "formatt")),
            "objects.toml: the file has the unknown key 'formatt'; did you mean 'format'?",
        ),
    ],
)
def test_settings_files(
    files: Path, fails: Fails, damage: Callable[[Path], object], said: str
) -> None:
    damage(files / "run.toml")
    assert said in fails(files, "ingest", "--field", "A", code=2)


def truth(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    return lambda root: change(pd.read_parquet(root / "A-truth.parquet")).to_parquet(
        root / "A-truth.parquet"
    )


def spec_rule(old: str, new: str) -> Callable[[Path], object]:
    return lambda root: (root / "spec.toml").write_text(SPEC.replace(old, new))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda r: (r / "A-spec.csv").unlink(), "A-spec.csv: no such file; check the path"),
        (table(lambda t: t.drop(columns="Z"), "A-spec.csv"), "A-spec.csv: no column 'Z'"),
        (table(lambda t: t.assign(Z="?"), "A-spec.csv"), "A-spec.csv: column 'Z' needs numbers"),
        (spec_rule('z = "Z"', ""), "the descriptor 'spec' has no 'z' in [columns]"),
        (spec_rule('flag = "Q"', ""), "the descriptor 'spec' has no 'flag' in [columns]"),
        (spec_rule("secure", "select"), "the descriptor 'spec' has no rule 'secure'"),
        (lambda r: (r / "A-truth.parquet").unlink(), "A-truth.parquet: no such file"),
        (lambda r: shorten(r / "A-truth.parquet", -50), "A-truth.parquet: cannot be read as par"),
        (truth(lambda t: t.drop(columns="z_true")), "A-truth.parquet: no column 'z_true'"),
        (truth(lambda t: pd.concat([t, t])), "A-truth.parquet: object id 1000 occurs 2 times"),
        (truth(lambda t: t.assign(object_id=range(80))), "A-truth.parquet: has a true redshift fo"),
        (lambda r: shutil.rmtree(r / "out/fields"), "A.zarr: no field store here; run 'hscz ing"),
    ],
)
def test_label_catalogues(
    made: Path, fails: Fails, damage: Callable[[Path], object], said: str
) -> None:
    damage(made)
    before = snapshot(made / "out/fields")
    assert said in fails(made, "label", "--force")
    assert snapshot(made / "out/fields") == before


def test_one_of_two_cosmos2020_catalogues_is_refused(made: Path, fails: Fails) -> None:
    change = ("--set", "fields.A.c2020_classic=c.fits")
    assert "need c2020_classic and c2020_farmer" in fails(made, "label", *change, code=2)


def test_half_written_labels_do_not_pass_for_labels(
    made: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = stores.replace_folder, []

    def killed_at_the_third(new: Path, path: Path) -> Path:
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(new, path)

    monkeypatch.setattr(stores, "replace_folder", killed_at_the_third)
    assert "stopped; run it again" in fails(made, "label", "--force")
    assert "A.zarr: has no labels; run 'hscz label'" in fails(made, "train", "--force")
    monkeypatch.undo()
    whole_columns = variables(made / "out/fields/A.zarr")
    succeeds(made, "label")
    for name, values in variables(made / "out/fields/A.zarr").items():
        np.testing.assert_array_equal(values, whole_columns[name], err_msg=name)


@pytest.mark.parametrize(
    ("setting", "code", "said"),
    [
        ("train.batch_size=5000", 2, "an epoch has no batch of 5000; give more training galaxies"),
        ("train.schedule=none", 2, "train.schedule is 'none'; use step, onecycle or constant"),
        ("train.learning_rate=1e30", 1, "the loss is NaN in epoch 1; lower train.learning_rate"),
        ('train.bands=["u", "g"]', 1, "the model needs band 'u', the store has g, r, i; choose"),
        ('train.fields=["B"]', 1, "B.zarr: has no labels; run 'hscz label' first"),
        ('train.fields=["C"]', 1, "C.zarr: no field store here; run 'hscz ingest' to make it"),
        ("train.z_max=0.1", 1, "A: no usable object has a label within 0 < z < 0.1"),
        ("network.input_px=128", 1, "its stamps are 64 px wide, the network sees 128; lower"),
        ('network.layers=["valid 4 99"]', 2, "network.input_px is 32, too few pixels for the lay"),
    ],
)
def test_a_training_that_fails_keeps_the_model_that_was(
    made: Path, fails: Fails, setting: str, code: int, said: str
) -> None:
    before = snapshot(made / "out/models/v0/run0")
    assert said in fails(made, "train", "--force", "--set", setting, code=code)
    assert snapshot(made / "out/models/v0/run0") == before
    Model.load(made / "out/models/v0/run0")


def rewrite_config(model: Path, **changes: object) -> None:
    content = {"bands": ["g", "r", "i"], "noise": [1.0] * 3, "z_edges": [0.0, 1.0, 2.0]}
    (model / "config.toml").write_text(tomli_w.dumps(content | changes))


def nan_weights(model: Path) -> None:
    state = torch.load(model / "weights.pt", weights_only=True)
    for value in state.values():
        if value.is_floating_point():
            value.fill_(np.nan)
    torch.save(state, model / "weights.pt")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "run0: no model here; run 'hscz train"),
        (lambda m: (m / "weights.pt").unlink(), "run0: no model here; run 'hscz train"),
        (lambda m: m.rename(m.with_name("run0.part")), "run0: training has not finished; run 'hsc"),
        (lambda m: shorten(m / "weights.pt", 0), "weights.pt: cannot be read (EOFError); train a"),
        (lambda m: shorten(m / "weights.pt", 2000), "weights.pt: cannot be read (PytorchStreamRe"),
        (lambda m: shorten(m / "weights.pt", -200), "weights.pt: cannot be read"),
        (lambda m: (m / "weights.pt").write_bytes(b"\x80\x02x" * 9), "weights.pt: cannot be read"),
        (lambda m: (m / "config.toml").unlink(), "config.toml does not fit the weights"),
        (lambda m: shorten(m / "config.toml", 30), "config.toml does not fit the weights"),
        (nan_weights, "A.zarr: a network gives a usable stamp no PDF; set predict.precision"),
        (rewrite_config, "config.toml does not fit the weights ('network'); train again"),
        (lambda m: rewrite_config(m, network={}), "config.toml does not fit the weights"),
        (lambda m: (m / "split.parquet").unlink(), "split.parquet: no such file"),
        (lambda m: shorten(m / "split.parquet", 60), "split.parquet: cannot be read as parquet"),
    ],
)
def test_models(made: Path, fails: Fails, damage: Callable[[Path], object], said: str) -> None:
    damage(made / "out/models/v0/run0")
    before = snapshot(made / "out/pdfs/v0/A.zarr")
    assert said in fails(made, "predict", "--force")
    assert snapshot(made / "out/pdfs/v0/A.zarr") == before


def test_a_damaged_checkpoint_is_named(
    made: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(made / "out/models")

    def killed(model: Model, folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "save_weights", killed)
    assert "stopped; run it again to go on" in fails(made, "train")
    assert "training has not finished" in fails(made, "predict")
    monkeypatch.undo()
    shorten(made / "out/models/v0/run0.part/last.ckpt", 500)
    assert "last.ckpt: cannot be read" in fails(made, "train", "--resume")
    succeeds(made, "train", "--force")


def test_a_model_of_other_bands_than_the_store(made: Path, fails: Fails) -> None:
    change = ("--set", 'fields.B.bands=["g", "r"]', "--field", "B")
    succeeds(made, "ingest", *change)
    said = fails(made, "predict", *change)
    assert "out/fields/B.zarr: the model needs band 'i', the store has g, r; choose other" in said


def chunk(array: Path) -> Path:
    return next(path for path in (array / "c").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "A.zarr: no field store here; run 'hscz ingest' to make it"),
        (lambda s: s.rename(stores.part(s)), "A.zarr.part is unfinished; run 'hscz ingest' to"),
        (lambda s: (shutil.rmtree(s), s.write_text("")), "A.zarr: not a field store"),
        (lambda s: (s / "zarr.json").unlink(), "A.zarr: not a field store"),
        (lambda s: shorten(s / "zarr.json", 50), "A.zarr: not a field store"),
        (lambda s: shutil.rmtree(s / "flags"), "A.zarr: variable 'flags' (defects of the stamp"),
        (lambda s: chunk(s / "image").unlink(), "A.zarr: a stamp without a flag has pixels that"),
    ],
)
def test_field_stores(
    made: Path, fails: Fails, damage: Callable[[Path], object], said: str
) -> None:
    damage(made / "out/fields/A.zarr")
    before = snapshot(made / "out/pdfs/v0/A.zarr")
    assert said in fails(made, "predict", "--force", "--field", "A")
    assert snapshot(made / "out/pdfs/v0/A.zarr") == before


@pytest.mark.parametrize("verb", ["export", "evaluate"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "A.zarr: no PDF cube here; run 'hscz predict' to make it"),
        (lambda c: c.rename(stores.part(c)), "A.zarr.part is unfinished; run 'hscz predict'"),
        (lambda c: shutil.rmtree(c / "z_median"), "A.zarr: variable 'z_median' (median of the"),
    ],
)
def test_pdf_cubes(
    made: Path, fails: Fails, verb: str, damage: Callable[[Path], object], said: str
) -> None:
    damage(made / "out/pdfs/v0/A.zarr")
    before = snapshot(made / "out/catalogues")
    assert said in fails(made, verb, "--force", "--field", "A")
    assert snapshot(made / "out/catalogues") == before


def test_a_cube_of_an_older_model_is_not_up_to_date(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("ingest", "label", "train", "predict"):
        succeeds(made, verb)
    succeeds(made, "train", "--force", "--set", "train.seed=5")
    capsys.readouterr()
    succeeds(made, "predict", "--dry-run", "--set", "train.seed=5")
    assert "up to date" not in capsys.readouterr().out


def test_a_failed_field_does_not_undo_another(
    files: Path, fails: Fails, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = calexp(files, "B").read_bytes()
    shorten(calexp(files, "B"), -5000)
    assert "B/calexp-HSC-R-1-1.fits: truncated" in fails(files, "ingest")
    assert stores.open_field(files / "out/fields/A.zarr").sizes["object"] == 76
    assert not (files / "out/fields/B.zarr").exists()
    calexp(files, "B").write_bytes(kept)
    succeeds(files, "ingest")
    lines = capsys.readouterr().out.splitlines()
    assert "up to date" in lines[0]
    assert stores.open_field(files / "out/fields/B.zarr").sizes["object"] == 76


def test_a_failed_ingest_keeps_the_store_that_was(made: Path, fails: Fails) -> None:
    before = snapshot(made / "out/fields/A.zarr")
    broken_inside(made)
    assert R1 + "the IMAGE plane cannot be read" in fails(made, "ingest", "--field", "A")
    assert snapshot(made / "out/fields/A.zarr") == before


@pytest.mark.usefixtures("one_by_one")
def test_a_failed_tile_keeps_the_others(
    files: Path, whole: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, cut_tiles = hscz.ingest.cut_tile, []

    def second_fails(tile, *arguments):
        if cut_tiles:
            raise InputError("b.fits: the IMAGE plane cannot be read; fetch the file again")
        cut_tiles.append(tile.name)
        return real(tile, *arguments)

    monkeypatch.setattr(hscz.ingest, "cut_tile", second_fails)
    assert "b.fits: the IMAGE plane cannot be read" in fails(files, "ingest", "--field", "A")
    assert not (files / "out/fields/A.zarr").exists()
    assert "A.zarr.part is unfinished; run 'hscz ingest'" in fails(files, "predict")

    def counted(tile, *arguments):
        cut_tiles.append(tile.name)
        return real(tile, *arguments)

    monkeypatch.setattr(hscz.ingest, "cut_tile", counted)
    succeeds(files, "ingest", "--field", "A")
    assert sorted(cut_tiles) == ["0", "1"]
    unbroken = variables(whole / "out/fields/A.zarr")
    for name, values in variables(files / "out/fields/A.zarr").items():
        np.testing.assert_array_equal(values, unbroken[name], err_msg=name)


KILLED_INGEST = """
import os, sys
import dask
import hscz.ingest
from hscz.cli import main

real, calls = hscz.ingest.cut_tile, []

def killed_at_the_second(*arguments):
    calls.append(1)
    if len(calls) == 2:
        os._exit(9)
    return real(*arguments)

hscz.ingest.cut_tile = killed_at_the_second
dask.config.set(scheduler="synchronous")
main(["ingest", sys.argv[1], "--field", "B", "--quiet"])
"""


def test_an_ingest_killed_half_way_goes_on_to_the_same_store(
    files: Path, whole: Path, fails: Fails
) -> None:
    command = [sys.executable, "-c", KILLED_INGEST, str(files / "run.toml")]
    assert subprocess.run(command, check=False).returncode == 9
    path = files / "out/fields/B.zarr"
    assert len(stores.done_blocks(path)) == 1
    said = fails(files, "predict", "--field", "B")
    assert "B.zarr: no field store here; " in said
    assert "B.zarr.part is unfinished" in said
    succeeds(files, "ingest", "--field", "B")
    unbroken, resumed = variables(whole / "out/fields/B.zarr"), variables(path)
    assert resumed.keys() == unbroken.keys()
    for name, values in resumed.items():
        np.testing.assert_array_equal(values, unbroken[name], err_msg=name)
    assert not stores.part(path).exists()


def test_a_patch_without_a_band_is_left_out_and_named(
    files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calexp(files, "B", "r", 1).unlink()
    succeeds(files, "ingest", "--field", "B")
    assert "1 of 2 patches lack band r and are left out: 1" in caplog.text
    store = stores.open_field(files / "out/fields/B.zarr", lazy=False)
    lost = pd.read_parquet(files / "out/fields/B.lost.parquet")["object_id"]
    assert set(store["tile"].values) == {"0"}
    assert sorted([*store["object_id"].values, *lost]) == list(range(2000, 2080))


def test_objects_in_no_tile_are_listed(whole: Path) -> None:
    lost = pd.read_parquet(whole / "out/fields/B.lost.parquet")
    assert lost["object_id"].tolist() == list(range(2000, 2000 + N_OUTSIDE))
    assert stores.attributes(whole / "out/fields/B.zarr")["n_lost"] == N_OUTSIDE


def test_no_folder_to_write_into(files: Path, fails: Fails) -> None:
    (files / "out").write_text("a file, not a folder")
    for verb in ("ingest", "mock"):
        options = ["--set", "mock.fields.DEEP2=[1, 1]"] if verb == "mock" else []
        said = fails(files, verb, *options)
        assert "out" in said
        assert "cannot be written ([Errno 20] Not a directory" in said
    assert (files / "out").read_text() == "a file, not a folder"


def test_a_full_disk(files: Path, fails: Fails) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        said = fails(files, "ingest", "--field", "A")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "A.zarr: cannot be written ([Errno 27] File too large" in said
    assert not (files / "out/fields/A.zarr").exists()
    succeeds(files, "ingest", "--field", "A")


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

    def watched(model: Model, images: torch.Tensor) -> np.ndarray:
        seen.append(bool(torch.isfinite(images).all()))
        return real(model, images)

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
    unusable = (flags & int(Flag.UNUSABLE)) != 0
    fits_table = Table.read(stem.with_suffix(".fits")).to_pandas()
    for catalogue in (fits_table, pd.read_parquet(stem.with_suffix(".parquet"))):
        assert len(catalogue) == 76
        np.testing.assert_array_equal(catalogue["flags"], flags)
        for name in ("z_median", "z_mean", "z_mode", "z_err68_low", "z_err95_high", "pdf_width"):
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


def test_a_rule_may_use_any_column_of_the_file(files: Path) -> None:
    objects(lambda t: t.assign(OWN=np.arange(80)))(files)
    succeeds(files, "ingest", "--field", "A", "--set", "ingest.select=OWN >= 40 & i < 25")
    assert stores.attributes(files / "out/fields/A.zarr")["n_selected"] == 40


def test_a_store_is_never_half_replaced(
    made: Path, fails: Fails, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made / "out/fields/A.zarr"
    real = os.replace

    def killed_before_the_new_name(old: Path, new: Path) -> None:
        if Path(new) == path:
            raise KeyboardInterrupt
        real(old, new)

    monkeypatch.setattr(os, "replace", killed_before_the_new_name)
    assert "stopped" in fails(made, "ingest", "--field", "A")
    assert not path.exists()
    monkeypatch.undo()
    succeeds(made, "ingest", "--field", "A")
    assert stores.open_field(path).sizes["object"] == 76
