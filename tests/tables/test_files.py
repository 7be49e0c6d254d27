"""Tables in files."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Column, MaskedColumn, Table

from hscz.errors import InputError
from hscz.tables.files import open_table
from hscz.tables.read import read_columns


def test_every_kind_of_fits_column_reads_as_astropy_reads_it(tmp_path: Path) -> None:
    unsigned = np.array([1, 2**63 + 5, 7], dtype=np.uint64)
    columns = [
        fits.Column("short", "I", array=np.array([1, -2, 3]), null=-2),
        fits.Column("unsigned", "K", bzero=2**63, array=unsigned),
        fits.Column("logical", "2L", array=np.array([[1, 0], [0, 1], [1, 1]], bool)),
        fits.Column("bits", "11X", array=np.eye(11, dtype=bool)[[0, 7, 10]]),
        fits.Column("text", "5A", array=["ab", "c", ""]),
        fits.Column("vector", "2E", array=np.arange(6).reshape(3, 2)),
        fits.Column("scaled", "D", bscale=0.5, bzero=3, array=np.array([3.5, 4.0, 5.0])),
    ]
    path = tmp_path / "kinds.fits"
    fits.BinTableHDU.from_columns(columns).writeto(path)
    ours = next(open_table(path).blocks(names := open_table(path).names))
    assert names[2:4] == ["logical_0", "logical_1"]
    assert names[4:15] == [f"bits_{k}" for k in range(11)]
    with fits.open(path) as hdus:
        for name in names:
            column, _, k = name.partition("_")
            theirs = hdus[1].data[column][:, int(k)] if k else hdus[1].data[column]
            if name == "short":
                theirs = np.where(theirs == -2, np.nan, theirs)
            assert ours[name].tolist() == pytest.approx(theirs.tolist(), nan_ok=True), name
    assert ours["unsigned"].tolist() == unsigned.tolist()


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("# id ra\n", ["id", "ra"]),
        ("# made in haste\n#id ra\n# with no errors\n", ["id", "ra"]),
        ("id ra\n", ["id", "ra"]),
        ("# made in great haste\nid ra\n", ["id", "ra"]),
        ("", ["col1", "col2"]),
        ("# two columns, no names\n", ["col1", "col2"]),
    ],
)
def test_names_of_a_text_are_found_and_no_row_is_lost(
    tmp_path: Path, head: str, names: list[str]
) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"{head}1 150.5\n\n2 151.5\n")
    table = open_table(path)
    assert table.names == names
    assert next(table.blocks(names)).to_numpy().tolist() == [[1, 150.5], [2, 151.5]]


def test_real_extinction_list_and_photometric_pdfs(shared_data: Path) -> None:
    table = read_columns(shared_data / "catalogs/cosmos_ebv_mw.txt", ["col1", "col2"])
    assert table["col1"].tolist() == list(range(1, 18_421))
    assert table["col2"].between(0.013, 0.021).all()
    assert table["col2"].mean() == pytest.approx(0.0162, abs=2e-4)
    path = shared_data / "catalogs/hsc_pdr3_mizuki_pdf_1000.fits"
    pdf = read_columns(path, [f"PDF_{k}" for k in range(701)]).to_numpy()
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(pdf, hdus[1].data["PDF"])


@pytest.fixture
def rows() -> Table:
    """Return a table with a long identifier, text, a vector, a unit and a masked value."""
    return Table(
        {
            "id": np.array([43158034708430849, 43158034708430856]),
            "ra": Column([150.5, 151.5], unit="deg"),
            "z": MaskedColumn([0.5, 9.0], mask=[False, True]),
            "who": ["Le Fevre", "Lilly"],
        }
    )


def check(path: Path, kind: str = "fits") -> None:
    table = open_table(path, kind)
    (block,) = table.blocks(["who", "id", "z", "ra"])
    assert block["id"].tolist() == [43158034708430849, 43158034708430856]
    assert block["ra"].tolist() == [150.5, 151.5]
    assert block["z"].tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
    assert block["who"].tolist() == ["Le Fevre", "Lilly"]
    assert table.n_rows >= 2
    if table.kind not in ("csv", "mrt"):
        assert table.units["ra"] == "deg"


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.vot", {"format": "votable"}),
        ("a.xml", {"format": "votable", "tabledata_format": "binary2"}),
        ("named.fits", {"format": "votable"}),
        ("a.ecsv", {"format": "ascii.ecsv"}),
        ("a.txt", {"format": "ascii.ecsv", "delimiter": ","}),
        ("a.tbl", {"format": "ascii.ipac"}),
        ("a.mrt", {"format": "ascii.mrt"}),
        ("named.csv", {"format": "fits"}),
        ("a.csv", {"format": "ascii.csv"}),
    ],
)
def test_formats_are_known_by_their_content_or_name(tmp_path: Path, rows: Table, name, how) -> None:
    rows.write(tmp_path / "written", **how)
    (tmp_path / name).write_bytes((tmp_path / "written").read_bytes())
    check(tmp_path / name)


@pytest.mark.parametrize("format_name", ["fits", "votable", "ascii.csv", "ascii.ecsv"])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("suffix", ["", ".packed"])
def test_packed_files_are_known_by_their_content(
    tmp_path: Path, rows: Table, format_name, pack, suffix
) -> None:
    rows.write(tmp_path / "written", format=format_name)
    ending = {gzip.compress: ".gz", bz2.compress: ".bz2"}.get(pack, ".xz")
    name = f"a.{format_name.split('.')[-1]}{ending if suffix else ''}"
    (tmp_path / name).write_bytes(pack((tmp_path / "written").read_bytes()))
    check(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"{name}: "):
        check(tmp_path / name)


def test_vectors_of_a_votable_come_by_element(tmp_path: Path) -> None:
    Table({"v": np.arange(6.0).reshape(2, 3)}).write(tmp_path / "a.vot", format="votable")
    (block,) = open_table(tmp_path / "a.vot").blocks(["v_2", "v_0"])
    assert block.to_numpy().tolist() == [[2, 0], [5, 3]]


def test_ascii_tables_of_vizier(tmp_path: Path) -> None:
    columns = [
        fits.Column("id", "A18", array=["43158034708430849", "43158034708430856"], ascii=True),
        fits.Column("ra", "F10.5", array=np.array([150.5, 151.5]), ascii=True, unit="deg"),
    ]
    fits.TableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    table = open_table(tmp_path / "a.fits", "fits")
    (block,) = table.blocks(["ra", "id"])
    assert block["ra"].tolist() == [150.5, 151.5]
    assert block["id"].tolist() == ["43158034708430849", "43158034708430856"]
    assert table.units == {"ra": "deg"}


def test_a_null_that_no_row_has_leaves_every_digit(tmp_path: Path) -> None:
    ids = np.array([43158034708430849, 43158034708430856])
    column = fits.Column("id", "K", array=ids, null=-1)
    fits.BinTableHDU.from_columns([column]).writeto(tmp_path / "a.fits")
    (block,) = open_table(tmp_path / "a.fits").blocks(["id"])
    assert block["id"].tolist() == ids.tolist()


def test_hdus_that_are_no_table(tmp_path: Path) -> None:
    hdu = fits.BinTableHDU.from_columns([fits.Column("a", "D", array=np.arange(3.0))])
    image = fits.ImageHDU(np.ones((3, 3)))
    fits.HDUList([fits.PrimaryHDU(), image, hdu]).writeto(tmp_path / "a.fits")
    with pytest.raises(InputError, match=r"HDU 1 is not a table, tables are in HDU 2; set hdu"):
        open_table(tmp_path / "a.fits", "fits")
    hdu.header["ZTABLE"] = True
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "z.fits")
    with pytest.raises(InputError, match=r"z.fits: its table is compressed in itself"):
        open_table(tmp_path / "z.fits", "fits")


def test_a_column_of_which_there_are_two_is_refused_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ra,z,z\n150.1,0.5,0.7\n")
    assert read_columns(tmp_path / "a.csv", ["ra"])["ra"].tolist() == [150.1]
    with pytest.raises(InputError, match=r"a.csv: has 2 columns 'z'; rename all but one"):
        read_columns(tmp_path / "a.csv", ["z"])
