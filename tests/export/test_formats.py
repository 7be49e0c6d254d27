"""Each format read back by the programs it is written for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr
from astropy.io import fits, votable
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table

from hscz.export import export, hats, to_table
from hscz.schema import LABEL_COLUMNS, PDF_CUBE, SINGLE_FLAGS, Flag
from hscz.seams import EXPORT_FORMATS


def assert_same(found: pd.DataFrame, cube: xr.Dataset) -> None:
    """Compare every column of a file with the table in memory, bit by bit."""
    expected = to_table(cube)
    assert [name for name in found.columns if name != "cnn_pdf"] == expected.columns.tolist()
    for name in expected.columns:
        if expected[name].dtype.kind in "biuf":
            np.testing.assert_array_equal(np.asarray(found[name]), expected[name], err_msg=name)
        else:
            assert [str(entry) for entry in found[name]] == expected[name].tolist()


def test_fits_is_standard_and_says_what_columns_mean(cube: xr.Dataset, tmp_path: Path) -> None:
    (path,) = export(cube, tmp_path / "cat", ["fits"], include_pdf=True, block=10)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        header, data = hdus["CATALOGUE"].header, hdus["CATALOGUE"].data
        k = data.names.index("ra") + 1
        assert header[f"TUNIT{k}"] == "deg"
        assert header[f"TUCD{k}"] == "pos.eq.ra;meta.main"
        assert header[f"TCOMM{k}"] == "right ascension (ICRS)"
        commented = [f"TCOMM{k}" in header for k in range(1, header["TFIELDS"] + 1)]
        assert all(commented)
        assert_same(pd.DataFrame({name: list(data[name]) for name in data.names}), cube)
        np.testing.assert_array_equal(data["cnn_pdf"], cube["pdf"])
        np.testing.assert_array_equal(hdus["EDGES"].data["z_edges"], cube["z_edges"])
        assert '"seed": 7' in "".join(hdus[0].header["HISTORY"])
    assert path.stat().st_size % 2880 == 0
    table = Table.read(path, hdu=1)
    assert table["mag_i"].unit == "mag"
    assert table["cnn_pdf"].shape == cube["pdf"].shape


@pytest.mark.parametrize("include_pdf", [False, True])
def test_fitsverify_finds_nothing(cube: xr.Dataset, tmp_path: Path, include_pdf: bool) -> None:
    program = shutil.which("fitsverify")
    if program is None:
        pytest.skip("no fitsverify here; Debian's package of that name has it")
    (path,) = export(cube, tmp_path / "cat", ["fits"], include_pdf=include_pdf)
    said = subprocess.run([program, path], capture_output=True, text=True, check=False).stdout
    assert "found 0 warning(s) and 0 error(s)" in said, said


def test_parquet_fields_carry_unit_description_and_ucd(cube: xr.Dataset, tmp_path: Path) -> None:
    (path,) = export(cube, tmp_path / "cat", ["parquet"], include_pdf=True, block=10)
    schema = pq.read_schema(path)
    assert schema.field("mag_i").metadata == {
        b"description": b"total i magnitude",
        b"unit": b"mag",
        b"ucd": b"phot.mag;em.opt.I",
    }
    assert json.loads(schema.metadata[b"z_edges"]) == cube["z_edges"].to_numpy().tolist()
    frame = pd.read_parquet(path)
    assert_same(frame, cube)
    np.testing.assert_array_equal(np.stack(frame["cnn_pdf"].to_list()), cube["pdf"])
    assert pq.ParquetFile(path).num_row_groups == 3


def test_votable_is_valid_and_says_what_columns_mean(cube: xr.Dataset, tmp_path: Path) -> None:
    (path,) = export(cube, tmp_path / "cat", ["votable"], include_pdf=True, block=9)
    document = votable.parse(path, verify="exception")
    table = document.get_first_table()
    assert table.get_field_by_id_or_name("ra").unit == "deg"
    assert table.get_field_by_id_or_name("mag_i").ucd == "phot.mag;em.opt.I"
    assert table.get_field_by_id_or_name("dec").description == "declination (ICRS)"
    edges = next(param for param in table.params if param.name == "z_edges")
    np.testing.assert_array_equal(edges.value, cube["z_edges"])
    found = {name: list(np.ma.getdata(table.array[name])) for name in table.array.dtype.names}
    assert_same(pd.DataFrame(found), cube)
    np.testing.assert_array_equal(np.ma.getdata(table.array["cnn_pdf"]), cube["pdf"])


@pytest.mark.parametrize("kind", ["fits", "parquet", "votable", "hats"])
def test_the_flags_of_a_file_say_what_the_bits_of_the_code_mean(
    cube: xr.Dataset, tmp_path: Path, kind: str
) -> None:
    for package in EXPORT_FORMATS.packages.get(kind, ()):
        pytest.importorskip(package)
    (path,) = export(cube, tmp_path / "cat", [kind])
    bits, unusable = flags_told(path)
    assert bits == {flag.value: flag.name.lower() for flag in SINGLE_FLAGS}
    assert unusable == Flag.UNUSABLE.value


def flags_told(path: Path) -> tuple[dict[int, str], int]:
    """Return the bits and names that a file has for its flags, and those without a redshift."""
    if path.suffix == ".fits":
        header = fits.getheader(path, "CATALOGUE")
        (k,) = (k for k in range(1, header["TFIELDS"] + 1) if header[f"TTYPE{k}"] == "flags")
        text = header[f"TCOMM{k}"]
    elif path.suffix == ".vot":
        text = votable.parse_single_table(path).get_field_by_id_or_name("flags").description
    else:
        part = path if path.is_file() else next(path.glob("dataset/**/Npix*.parquet"))
        text = pq.read_schema(part).field("flags").metadata[b"description"].decode()
    told = re.findall(r"(\d+)\s+(\w+)", text.partition(":")[2].partition(";")[0])
    return {int(bit): name for bit, name in told}, int(text.rpartition("flags & ")[2])


def test_the_flags_of_a_cube_say_what_the_bits_of_the_code_mean(cube: xr.Dataset) -> None:
    told = zip(
        cube["flags"].attrs["flag_masks"], cube["flags"].attrs["flag_meanings"].split(), strict=True
    )
    assert dict(told) == {flag.value: flag.name.lower() for flag in SINGLE_FLAGS}


def test_every_ucd_is_of_the_controlled_vocabulary() -> None:
    known = LABEL_COLUMNS | PDF_CUBE
    wrong = [v.ucd for v in known.values() if v.ucd and not check_ucd(v.ucd, True)]
    assert wrong == []


def test_qp_reads_histograms_with_our_edges(cube: xr.Dataset, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    qp = pytest.importorskip("qp")
    (path,) = export(cube, tmp_path / "cat", ["qp"], block=10)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There are non-finite values in the pdfs")
        ensemble = qp.read(str(path))
        pieces = [len(piece.ancil["id"]) for _, _, piece in qp.iterator(str(path), chunk_size=20)]
    assert pieces == [20, 5]
    np.testing.assert_array_equal(np.squeeze(ensemble.metadata["bins"]), cube["z_edges"])
    np.testing.assert_allclose(ensemble.objdata["pdfs"], cube["pdf"], rtol=1e-6)
    ours = {"id": "object_id", "ra": "ra", "dec": "dec", "flags": "flags"}
    ours |= {f"z{kind}": f"z_{kind}" for kind in ("mode", "mean", "median")}
    assert set(ensemble.ancil) == set(ours)
    for name, variable in ours.items():
        np.testing.assert_array_equal(ensemble.ancil[name], cube[variable])
    np.testing.assert_allclose(ensemble.ppf(0.5)[1:, 0], cube["z_median"][1:], atol=1e-5)
    z = np.linspace(0.03, 5.9, 50)
    bins = np.searchsorted(cube["z_edges"], z, side="right") - 1
    np.testing.assert_allclose(ensemble.pdf(z)[1:], cube["pdf"].to_numpy()[1:, bins], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:The inplace keyword", "ignore:Right catalog does not have")
def test_lsdb_opens_a_hats_catalogue(cube: xr.Dataset, tmp_path: Path) -> None:
    pytest.importorskip("hats")
    with warnings.catch_warnings():
        # What these packages warn of while they are imported is theirs.
        warnings.simplefilter("ignore")
        lsdb = pytest.importorskip("lsdb")
        from hats.io.validation import is_valid_catalog

    (path,) = export(cube, tmp_path / "cat", ["hats"], include_pdf=True, block=6)
    assert is_valid_catalog(path, strict=True)
    catalogue = lsdb.open_catalog(path)
    assert catalogue.name == "cat"
    assert len(catalogue) == 25
    assert len(catalogue.get_healpix_pixels()) > 4
    assert catalogue.map_partitions(len).compute().max() <= 6
    frame = catalogue.compute()
    assert frame.index.name == "_healpix_29"
    assert frame.index.is_monotonic_increasing
    assert_same(frame.sort_values("object_id"), cube)
    pdfs = {row.object_id: np.asarray(row.cnn_pdf) for row in frame.itertuples()}
    for k, object_id in enumerate(cube["object_id"].to_numpy()):
        np.testing.assert_array_equal(pdfs[object_id], cube["pdf"][k])
    ra, dec = float(cube["ra"][3]), float(cube["dec"][3])
    near = catalogue.cone_search(ra, dec, radius_arcsec=1).compute()
    assert near["object_id"].tolist() == [int(cube["object_id"][3])]
    part = next(path.glob("dataset/**/Npix*.parquet"))
    assert pq.read_schema(part).field("ra").metadata[b"unit"] == b"deg"
    settings = {"suffixes": ("", "_2"), "suffix_method": "all_columns"}
    both = catalogue.crossmatch(catalogue, radius_arcsec=0.1, **settings).compute()
    assert (both["object_id"] == both["object_id_2"]).all()
    assert len(both) == 25


def test_rows_of_a_hats_tile_are_sorted_across_its_row_groups(
    cube: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hats")
    monkeypatch.setattr(hats, "ROW_GROUP", 3)
    (path,) = export(cube, tmp_path / "cat", ["hats"], include_pdf=True, block=10)
    tiles = [pq.ParquetFile(tile) for tile in path.glob("dataset/**/Npix*.parquet")]
    for tile in tiles:
        assert tile.num_row_groups == -(-tile.metadata.num_rows // 3)
        assert (np.diff(tile.read()["_healpix_29"].to_numpy()) >= 0).all()
    assert sum(tile.metadata.num_rows for tile in tiles) == 25
    assert max(tile.num_row_groups for tile in tiles) > 1


def test_hats_refuses_objects_without_position(cube: xr.Dataset, tmp_path: Path) -> None:
    pytest.importorskip("hats")
    from hscz.errors import InputError

    lost = cube.assign_coords(ra=cube["ra"].where(cube["object_id"] > cube["object_id"][0]))
    with pytest.raises(InputError, match="no ra or dec"):
        export(lost, tmp_path / "cat", ["hats"])
    assert list(tmp_path.iterdir()) == []
