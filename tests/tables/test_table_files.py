"""Tables in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

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
