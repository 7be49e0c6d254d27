"""Reading source catalogues."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from hscz.errors import InputError, StoreError
from hscz.tables import tablefile
from hscz.tables.descriptor import load_descriptor
from hscz.tables.read import read_catalogue
from hscz.tables.select import select
from tests.helpers.images import tan_wcs

CLAUDS = load_descriptor("hsc-clauds-sextractor-lephare")


def clauds_columns(n: int = 6) -> dict[str, np.ndarray]:
    """Return an HSC-CLAUDS catalogue, sentinels in its first rows."""
    columns: dict[str, Any] = {
        "ID": 7_000_000_000 + np.arange(n),
        "RA": np.linspace(150, 151, n),
        "DEC": np.linspace(2, 3, n),
        "EB_V": np.full(n, 0.02, dtype=np.float32),
        "ST_TRAIL": (np.arange(n) == 4).astype(np.int16),
        "ZPHOT": np.array([-99.0, *np.linspace(0.1, 2, n - 1)], dtype=np.float32),
        "MASK": np.zeros(n, dtype=np.int16),
        "COMPACT": np.zeros(n, dtype=np.int16),
        "OBJ_TYPE": np.zeros(n, dtype=np.int32),
        "CLASS_STAR_HSC_I": np.full(n, 0.1, dtype=np.float32),
        "FLAG_FIELD_BINARY": np.tile([True, False, True], (n, 1)),
        "TELESCOPE": np.array(["Subaru "] * n),
    }
    for band in ("u", "uS", "g", "r", "i", "z", "y"):
        columns[band] = np.linspace(22, 24, n).astype(np.float32)
        columns[f"{band}_err"] = np.full(n, 0.1, dtype=np.float32)
    columns["i"][:3] = (-99, 99, 24)
    columns["i_err"][2] = -1
    return columns


def write_fits(path: Path, columns: dict[str, np.ndarray]) -> Path:
    letters = {"b": "L", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}

    def letter(values: np.ndarray) -> str:
        if values.dtype.kind == "U":
            return "7A"
        count = values.shape[1] if values.ndim > 1 else 1
        return f"{count}{letters[values.dtype.str[1:] if values.dtype.kind != 'b' else 'b']}"

    table = [fits.Column(k, letter(v), array=v) for k, v in columns.items()]
    fits.BinTableHDU.from_columns(table).writeto(path)
    return path


@pytest.fixture
def clauds(tmp_path: Path) -> Path:
    return write_fits(tmp_path / "clauds.fits", clauds_columns())


def test_columns_get_their_standard_names(clauds: Path) -> None:
    table = read_catalogue(clauds, CLAUDS)
    assert table.columns[:6].tolist() == ["object_id", "ra", "dec", "ebv", "trail", "z_sed"]
    assert table["trail"].tolist() == [0, 0, 0, 0, 1, 0]
    assert {"mag_u", "mag_err_u", "mag_us", "mag_y", "i", "MASK"} <= set(table.columns)
    assert table["object_id"].tolist() == [7_000_000_000 + k for k in range(6)]
    assert table["mag_r"].to_numpy() == pytest.approx(np.linspace(22, 24, 6), abs=1e-6)
    for name in table.columns:
        assert table[name].dtype.byteorder in "=|"


def test_sentinels_become_nan_before_any_rule_sees_them(clauds: Path) -> None:
    table = read_catalogue(clauds, CLAUDS)
    assert table["mag_i"].isna().tolist() == [True, True, True, False, False, False]
    assert table["mag_err_i"].isna().tolist() == [True, True, True, False, False, False]
    assert np.isnan(table["z_sed"][0])
    assert select(table, CLAUDS.select).tolist() == [False, False, False, True, True, True]


def test_only_needed_columns_are_kept(clauds: Path) -> None:
    table = read_catalogue(clauds, CLAUDS, bands=("g", "i"))
    assert {"mag_g", "mag_i"} <= set(table.columns)
    assert not {"mag_u", "mag_z", "z", "TELESCOPE", "FLAG_FIELD_BINARY_0"} & set(table.columns)


def test_extra_columns_come_along_even_from_vectors(clauds: Path) -> None:
    extra = ("FLAG_FIELD_BINARY_1", "flag_field_binary_2", "TELESCOPE")
    table = read_catalogue(clauds, CLAUDS, extra=extra)
    assert not table["FLAG_FIELD_BINARY_1"].any()
    assert table["FLAG_FIELD_BINARY_2"].all()
    assert table["TELESCOPE"].tolist() == ["Subaru"] * 6


def test_case_of_names_does_not_matter(tmp_path: Path) -> None:
    upper = {k.upper() if len(k) > 2 else k: v for k, v in clauds_columns().items()}
    lower = {k.lower() if k != "uS" else k: v for k, v in clauds_columns().items()}
    one = read_catalogue(write_fits(tmp_path / "a.fits", upper), CLAUDS)
    two = read_catalogue(write_fits(tmp_path / "b.fits", lower), CLAUDS)
    pd.testing.assert_frame_equal(one, two.set_axis(one.columns, axis=1))
    assert select(two, CLAUDS.select).sum() == 3


@pytest.mark.parametrize("suffix", ["csv", "parquet", "txt", "fits.gz"])
def test_formats_hold_the_same_table(clauds: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"other.{suffix}"
    scalars = {k: v for k, v in clauds_columns().items() if v.ndim == 1 and k != "TELESCOPE"}
    frame = pd.DataFrame(scalars)
    if suffix == "csv":
        frame.to_csv(path, index=False)
    elif suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "txt":
        path.write_text("# " + frame.to_csv(index=False, sep=" "))
    else:
        path.write_bytes(gzip.compress(clauds.read_bytes()))
    pd.testing.assert_frame_equal(
        read_catalogue(path, CLAUDS), read_catalogue(clauds, CLAUDS), check_dtype=False, rtol=1e-6
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet", "txt", "fits", "fits.gz"])
def test_blocks_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    columns = {k: v for k, v in clauds_columns(50).items() if v.ndim == 1 and k != "TELESCOPE"}
    path = tmp_path / f"cat.{suffix}"
    frame = pd.DataFrame(columns)
    frame["ST_TRAIL"] = [0] * 40 + [1] * 10
    if suffix == "csv":
        frame["ST_TRAIL"] = frame["ST_TRAIL"].where(frame.index != 45)  # whole numbers till there
        frame.to_csv(path, index=False)
    elif suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "txt":
        path.write_text("# " + frame.to_csv(index=False, sep=" "))
    else:
        write_fits(tmp_path / "cat.fits", columns)
        if suffix == "fits.gz":
            path.write_bytes(gzip.compress((tmp_path / "cat.fits").read_bytes()))
    whole = read_catalogue(path, CLAUDS)
    monkeypatch.setattr(tablefile, "BLOCK_ROWS", 7)
    monkeypatch.setattr(tablefile, "BLOCK_LINES", 7)
    monkeypatch.setattr(tablefile, "BLOCK_BYTES", 1000)
    pd.testing.assert_frame_equal(read_catalogue(path, CLAUDS), whole)
    assert len(whole) == 50
    if suffix == "csv":
        assert whole["trail"].isna().sum() == 1


def test_missing_and_nearest_columns_are_named(tmp_path: Path) -> None:
    columns = clauds_columns()
    columns["EBV"] = columns.pop("EB_V")
    path = write_fits(tmp_path / "cat.fits", columns)
    with pytest.raises(InputError, match=r"cat\.fits: no column 'EB_V'; did you mean 'EBV'"):
        read_catalogue(path, CLAUDS)


def test_bands_asked_for_must_be_there(tmp_path: Path) -> None:
    columns = clauds_columns()
    del columns["uS"], columns["uS_err"]
    path = write_fits(tmp_path / "cat.fits", columns)
    assert "mag_us" not in read_catalogue(path, CLAUDS)
    with pytest.raises(InputError, match="no column 'uS'"):
        read_catalogue(path, CLAUDS, bands=("us", "i"))
    with pytest.raises(InputError, match="'dc2-truth' has no magnitude of band 'q'"):
        read_catalogue(
            write_fits(
                tmp_path / "d.fits",
                {"obj_id": np.arange(2), "ra": np.ones(2)}
                | {k: np.ones(2) for k in ("dec", "x", "y", "mag_i", "redshift")},
            ),
            "dc2-truth",
            bands=("q",),
        )


def test_a_magnitude_called_z_is_never_taken_for_a_redshift(clauds: Path) -> None:
    rule = dataclasses.replace(CLAUDS, select="z < 24")
    with pytest.raises(InputError, match=r"'z' cannot keep its name.*redshift.*write 'mag_z'"):
        read_catalogue(clauds, rule)
    table = read_catalogue(clauds, dataclasses.replace(CLAUDS, select="mag_z < 24"))
    assert "z" not in table.columns
    assert select(table, "mag_z < 23").sum() == 3


def test_repeated_ids_are_refused(tmp_path: Path) -> None:
    columns = clauds_columns()
    columns["ID"][3] = columns["ID"][1]
    path = write_fits(tmp_path / "cat.fits", columns)
    with pytest.raises(StoreError, match=r"cat\.fits: object id 7000000001 occurs 2 times"):
        read_catalogue(path, CLAUDS)


def test_files_that_are_no_catalogue_are_refused(tmp_path: Path, clauds: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_catalogue(tmp_path / "none.fits", CLAUDS)
    empty = write_fits(tmp_path / "empty.fits", clauds_columns(3))
    with fits.open(empty) as hdus:
        hdus[1].data = hdus[1].data[:0]
        hdus.writeto(tmp_path / "norows.fits")
    with pytest.raises(InputError, match="no rows"):
        read_catalogue(tmp_path / "norows.fits", CLAUDS)
    for name in ("text.fits", "text.parquet"):
        (tmp_path / name).write_text("no table at all")
        with pytest.raises(InputError, match=f"{name}: cannot be read as"):
            read_catalogue(tmp_path / name, CLAUDS)
    with pytest.raises(InputError, match="HDU 2 is not a table"):
        read_catalogue(clauds, dataclasses.replace(CLAUDS, hdu=2))


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    whole = write_fits(tmp_path / "whole.fits", clauds_columns(2000))
    cut = tmp_path / "cut.fits"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut\.fits: .*cut short"):
        read_catalogue(cut, CLAUDS)


@pytest.mark.parametrize(("column", "value"), [("RA", np.nan), ("DEC", 95.0), ("RA", -999.0)])
def test_impossible_positions_are_refused(tmp_path: Path, column: str, value: float) -> None:
    columns = clauds_columns()
    columns[column][2] = value
    with pytest.raises(InputError, match="row 2 lies at"):
        read_catalogue(write_fits(tmp_path / "cat.fits", columns), CLAUDS)


def test_null_integers_are_missing(tmp_path: Path) -> None:
    columns = [
        fits.Column("alpha", "D", array=np.array([150.0, 151.0])),
        fits.Column("delta", "D", array=np.array([2.0, 3.0])),
        fits.Column("z", "D", array=np.array([0.5, 9.9999])),
        fits.Column("zflags", "J", array=np.array([4, -1]), null=-1),
        fits.Column("num", "J", array=np.array([1, 2])),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "vvds.fits")
    table = read_catalogue(tmp_path / "vvds.fits", "vvds")
    assert table["flag"].isna().tolist() == [False, True]
    assert table["z"].isna().tolist() == [False, True]


def test_pixel_positions_need_the_image(tmp_path: Path) -> None:
    toml = tmp_path / "pixels.toml"
    toml.write_text(
        'title = "p"\nsurvey = "P"\nreference = "-"\nbibcode = "-"\n'
        'selection = "-"\nextinction_corrected = false\nz_range = [0.0, 1.0]\n'
        '[columns]\nx = "x"\ny = "y"\n'
    )
    (tmp_path / "p.csv").write_text("x,y\n0,0\n10,0\n")
    with pytest.raises(InputError, match="pixel positions only; give the image"):
        read_catalogue(tmp_path / "p.csv", toml)
    table = read_catalogue(tmp_path / "p.csv", toml, wcs=tan_wcs(crpix=(1, 1)))
    assert table["object_id"].tolist() == [0, 1]
    assert table.loc[0, ["ra", "dec"]].tolist() == pytest.approx([150, 2])
    assert table.loc[0, "ra"] - table.loc[1, "ra"] == pytest.approx(1.68 / 3600, rel=1e-2)


def test_real_zcosmos(shared_data: Path) -> None:
    table = read_catalogue(shared_data / "catalogs/zcosmos_bright_20k.csv", "zcosmos-bright")
    assert len(table) == 17_358
    secure = table[select(table, load_descriptor("zcosmos-bright").secure)]
    assert len(secure) == 16_603
    assert secure["z"].median() == pytest.approx(0.55, abs=0.03)


def test_real_hsc_objects_and_dc2_truth(shared_data: Path) -> None:
    path = shared_data / "hsc_pdr3_deep_gri/objects.fits"
    objects = read_catalogue(path, "hsc-pdr3-objects")
    assert len(objects) == 454
    assert objects["object_id"].is_unique
    header = fits.getheader(next(path.parent.glob("calexp-HSC-I-*.fits")))
    ra, dec = WCS(header).all_pix2world(objects["x"], objects["y"], 0)
    np.testing.assert_allclose(objects[["ra", "dec"]].to_numpy().T, [ra, dec], atol=1e-9)
    truth = read_catalogue(shared_data / "dc2_tile_ugrizy/dc2-truth.fits", "dc2-truth")
    assert truth["mag_i"].isna().sum() == 7
    assert select(truth, load_descriptor("dc2-truth").select).sum() == 85
