"""Tables in text, as surveys and people write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hscz.errors import InputError
from hscz.tables import tablefile
from hscz.tables.files import open_table

ROWS = [[43158034708430849, 150.5, -2.25, 0.75], [43158034708430856, 151.5, 2.5, 1.5]]
COLUMNS = ["id", "ra", "dec", "z"]


def lines(separator: str) -> str:
    return "".join(separator.join(map(repr, row)) + "\n" for row in ROWS)


def read(path: Path, text: str | bytes, kind: str = "csv", columns=COLUMNS) -> list[list]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    table = open_table(path, kind)
    blocks = list(table.blocks(list(columns)))
    return [list(row) for block in blocks for row in block.itertuples(index=False)]


SEXTRACTOR = """#   1 id          Running object number
#   2 ra          Right ascension  [deg]
#   3 dec         Declination      [deg]
#   4 z           Redshift of it
"""

VIZIER = "#\n#Column\tz\t(F6.4)\tredshift of it\n{}\n \tdeg\tdeg\t \n-----\t---\t---\t------\n{}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "id,ra,dec,z\n" + lines(",")),
        ("a.csv", "# id,ra,dec,z\n" + lines(",")),
        ("a.csv", "#id,ra,dec,z\n" + lines(",")),
        ("a.csv", "# made in haste\n# 2025, version 2\nid,ra,dec,z\n" + lines(",")),
        ("a.csv", "\ufeffid,ra,dec,z\n" + lines(",")),
        ("a.csv", "id, ra, dec, z\n" + lines(", ")),
        ("a.csv", "id;ra;dec;z\n" + lines(";")),
        ("a.csv", "id\tra\tdec\tz\n" + lines("\t")),
        ("a.csv", "|id | ra|dec|z|\n" + lines(" | ").replace("\n", "|\n").replace("431", "| 431")),
        ("a.csv", "id,ra,dec,z\r\n" + lines(",").replace("\n", "\r\n")),
        ("a.csv", "id,ra,dec,z\n" + lines(",").strip()),
        ("a.tsv", VIZIER.format("id\tra\tdec\tz", lines("\t"))),
        ("a.txt", "id ra dec z\n" + lines(" ")),
        ("a.txt", "\ufeff# id ra dec z\n" + lines("   ")),
        ("a.txt", "# id ra dec z\n" + lines("\t")),
        ("a.txt", "# Le F\xe8vre et al.\n# id ra dec z\n" + lines(" ")),
        ("a.txt", "id,ra,dec,z\n" + lines(",")),
        ("a.txt", "id ra dec z\n-- -- --- -\n" + lines(" ")),
        ("a.txt", "# id ra dec z\n" + lines(" ").replace("\n", "  # doubtful\n")),
        ("a.cat", SEXTRACTOR + lines(" ")),
        ("a.list", "id ra dec z\n" + lines(" ")),
    ],
)
def test_names_and_rows_are_found(tmp_path, monkeypatch, name, text):
    monkeypatch.setattr(tablefile, "BLOCK_LINES", 1)
    content = text.encode("latin-1") if "\xe8" in text else text
    assert read(tmp_path / name, content) == ROWS


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("a.csv", lines(","), ["col1", "col2", "col3", "col4"]),
        ("a.txt", lines(" "), ["col1", "col2", "col3", "col4"]),
        ("a.csv", "id,24,ra,z\n" + lines(","), ["id", "24", "ra", "z"]),
        (
            "a.txt",
            SEXTRACTOR.replace("4 z", "5 z") + "1 2 3 4 5\n",
            ["id", "ra", "dec_0", "dec_1", "z"],
        ),
        ("a.csv", 'id,"ra, deg",z\n1,2,3\n', ["id", "ra, deg", "z"]),
        ("a.csv", "id,ra,dec,z,\n1,2,3,4,\n", ["id", "ra", "dec", "z", ""]),
        ("a.txt", "tract patch ra\n9813 4,4 150.1\n", ["tract", "patch", "ra"]),
        ("a.csv", "ra\n150.1\n", ["ra"]),
    ],
)
def test_names(tmp_path, name, text, names):
    (tmp_path / name).write_text(text)
    assert open_table(tmp_path / name, "csv").names == names


def test_quoted_words_may_hold_separators(tmp_path):
    text = 'id,who,z\n1,"Le Fevre, O.",0.5\n2,"",0.7\n'
    assert [row[1] for row in read(tmp_path / "a.csv", text, columns=["z", "id"])] == [1, 2]
    text = '# id who z\n1 "Le Fevre" 0.5\n2 Lilly 0.7\n'
    rows = read(tmp_path / "a.txt", text, "text", ["who", "z"])
    assert rows == [["Le Fevre", 0.5], ["Lilly", 0.7]]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.csv", "id,ra,dec,z\n1,150.1,2.2,0.5\n2,150.2,2.2\n", 3),
        ("a.csv", "id,ra,dec,z\n1,150.1,2.2,0.5\n2,Le, 150.2,2.2,0.5\n", 3),
        ("a.csv", "id,ra,dec,z\n1,150.1,2.2,0.5,\n", 2),
        ("a.txt", "# id ra dec z\n1 150.1 2.2 0.5\n2 150.2        0.5\n", 3),
        ("a.txt", "# id ra dec z\n1 150.1 2.2 0.5\n2 Le 150.2 2.2 0.5\n", 3),
        ("a.txt", "id\tra\tdec\tz\n1\t\t2.2\t0.5\n2 150.2 2.2 0.5\n", 3),
    ],
)
def test_a_line_with_other_than_all_words_is_never_shifted(tmp_path, name, text, line):
    with pytest.raises(
        InputError, match=rf"{name}: line {line} has \d values for 4 columns \(id, ra"
    ):
        read(tmp_path / name, text)


def test_an_empty_cell_between_tabs_is_a_missing_value(tmp_path):
    rows = read(tmp_path / "a.txt", "id\tra\tdec\tz\n1\t150.1\t2.2\t0.5\n2\t\t2.2\t0.5\n")
    assert np.isnan(rows[1][1])
    assert rows[1][2:] == [2.2, 0.5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "a.csv: cannot be read as csv: it is empty"),
        ("id,ra\n1,2\n".encode("utf-16"), "a.csv: cannot be read as csv: it holds null bytes"),
        (b"<!DOCTYPE html><title>Log in</title>", r"a.csv: is an HTML page \('Log in'\)"),
        (b"PK\x03\x04 and so on", "a.csv: is a zip archive; unpack it"),
    ],
)
def test_what_is_no_text_table_is_told(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read(tmp_path / "a.csv", text)
